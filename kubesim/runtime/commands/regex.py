"""POSIX regular expressions, basic and extended, as Python's."""

from __future__ import annotations

import re
from functools import lru_cache

from kubesim.runtime.commands.options import UsageError
from kubesim.runtime.expressions import compile_expression

_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e", "graph": r"\x21-\x7e",
}  # fmt: skip


def _bracket(text: str, start: int) -> tuple[str, int]:
    i = start + 1
    out = ["["]
    if text[i : i + 1] == "^":
        out.append("^")
        i += 1
    first = True
    while i < len(text):
        c = text[i]
        if c == "]" and not first:
            out.append("]")
            return "".join(out), i + 1
        first = False
        if c == "[" and text[i + 1 : i + 2] in (":", ".", "="):
            close = text.find(text[i + 1] + "]", i + 2)
            if close > 0:
                name = text[i + 2 : close]
                out.append(_CLASSES.get(name, "") if text[i + 1] == ":" else re.escape(name))
                i = close + 2
                continue
        if c in "\\[&~|":
            out.append("\\")
        out.append(c)
        i += 1
    raise UsageError("Unmatched [, [^, [:, [., or [=", 2)


def translate(text: str, *, extended: bool) -> str:
    """A POSIX expression in Python's form. Raises UsageError."""
    out: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        i += 1
        if c == "[":
            piece, i = _bracket(text, i - 1)
            out.append(piece)
        elif c == "\\" and i < len(text):
            following = text[i]
            i += 1
            out.append(_escaped(following, extended=extended))
        elif c == "\\":
            raise UsageError("Trailing backslash", 2)
        elif c in "(){}|+?" and not extended:
            out.append("\\" + c)
        elif c == "*" and (not out or out[-1] in ("(", "|", "^") or (out[-1] == "^" and len(out) == 1)):
            out.append(r"\*")
        elif c == "{" and extended and not re.match(r"\d*,?\d*\}", text[i:]):
            out.append(r"\{")
        elif c == "^" and not extended and out and out[-1] not in ("(", "|", "\n"):
            out.append(r"\^")
        elif c == "$" and not extended and i < len(text) and not text.startswith(("\\)", "\\|"), i):
            out.append(r"\$")
        elif c == "$":
            out.append("$")
        else:
            out.append(c)
    return "".join(out)


def _escaped(c: str, *, extended: bool) -> str:
    if c in "(){}|+?" and not extended:
        return c
    if c in "wWsSbB" or c.isdigit():
        return "\\" + c
    if c == "<":
        return r"\b(?=\w)"
    if c == ">":
        return r"\b(?<=\w)"
    if c in "nt":
        return "\\" + c
    return re.escape(c)


@lru_cache(maxsize=256)
def compile_posix(text: str, *, extended: bool = False, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile an expression. Raises UsageError with the text that grep and sed have."""
    try:
        return compile_expression(translate(text, extended=extended), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        message = str(error)
        if "parenthesis" in message or "unterminated subpattern" in message:
            problem = (
                "Unmatched ( or \\("
                if "missing )" in message or "unterminated" in message
                else "Unmatched ) or \\)"
            )
        elif "repeat" in message:
            problem = "Invalid preceding regular expression"
        elif "group reference" in message:
            problem = "Invalid back reference"
        else:
            problem = "Invalid regular expression"
        raise UsageError(problem, 2) from None


def compile_basic(text: str) -> re.Pattern[str]:
    return compile_posix(text)
