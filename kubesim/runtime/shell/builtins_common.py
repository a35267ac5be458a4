"""What the shell's built-ins share: names, quoting, how they fail, and echo's escapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubesim.runtime.shell.control import Exit

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


Builtin = Callable[["Shell", list[str]], int]


SPECIAL = frozenset(
    (".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
     "trap", "unset")
)  # fmt: skip


KEYWORDS = frozenset(
    (
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "{",
        "}",
        "!",
        "in",
    )
)


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(word: str, *, busybox: bool = False) -> str:
    """A word as `set -x` shows it: quoted where the shell would read it otherwise."""
    if word and re.fullmatch(r"[\w@%+:,./\]-]+" if busybox else r"[\w@%+=:,./-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def fail(shell: Shell, builtin: str, text: str, status: int) -> int:
    """Say why a built-in failed. A special one ends a POSIX shell that is not interactive."""
    shell.complain(text, builtin)
    if builtin in SPECIAL and shell.flavour.special_exits and shell.origin.mode != "interactive":
        raise Exit(status)
    return status


def echo_text(args: list[str], *, escapes: bool, options: str) -> str:
    """What `echo` writes. `options` are the letters it knows; `escapes` whether it reads backslashes by default."""
    newline = True
    while args and re.fullmatch(f"-[{options}]+", args[0]):
        for letter in args[0][1:]:
            if letter == "n":
                newline = False
            elif letter == "e":
                escapes = True
            else:
                escapes = False
        args = args[1:]
    text = " ".join(args)
    if escapes and "\\" in text:
        text, stopped = unescape_echo(text)
        newline = newline and not stopped
    return text + ("\n" if newline else "")


_ECHO = re.compile(r"\\(c|0[0-7]{0,3}|x[0-9a-fA-F]{1,2}|[abefnrtv\\])")


_ECHO_CODES = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}


def unescape_echo(text: str) -> tuple[str, bool]:
    r"""The escapes of `echo -e` and `printf %b`; the second value says whether `\c` ended the output."""
    out = []
    at = 0
    for match in _ECHO.finditer(text):
        out.append(text[at : match.start()])
        at = match.end()
        code = match.group(1)
        if code == "c":
            return "".join(out), True
        if code[0] == "0":
            out.append(
                bytes([int(code, 8) & 255]).decode("latin-1")
                if int(code, 8) < 128
                else chr(0xDC00 + (int(code, 8) & 255))
            )
        elif code[0] == "x":
            value = int(code[1:], 16)
            out.append(chr(value) if value < 128 else chr(0xDC00 + value))
        else:
            out.append(_ECHO_CODES[code])
    out.append(text[at:])
    return "".join(out), False
