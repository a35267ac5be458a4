"""The shell's built-ins that take apart input and arguments: read, getopts, mapfile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kubesim.runtime.shell.builtins_common import (
    NAME,
    fail,
)
from kubesim.runtime.shell.expansion import split

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


def read(shell: Shell, argv: list[str]) -> int:  # noqa: C901 - a case for each thing there is
    args = argv[1:]
    raw = False
    prompt, count, delimiter, array = "", 0, b"\n", ""
    while args and args[0].startswith("-") and len(args[0]) > 1:
        option, args = args[0], args[1:]
        for n, letter in enumerate(option[1:], 2):
            if letter in "ptndu" or (letter == "a" and shell.flavour.bash):
                value = option[n:] or (args.pop(0) if args else "")
                if letter == "p":
                    prompt = value
                elif letter == "n":
                    count = int(value) if value.isdigit() else 0
                elif letter == "d":
                    delimiter = value[:1].encode() or b"\0"
                elif letter == "a":
                    array = value
                break
            raw = raw or letter == "r"
    if prompt and shell.process.interactive:
        shell.write(prompt, 2)
    line, ended = _read_line(shell, raw=raw, count=count, delimiter=delimiter)
    names = args or (["REPLY"] if shell.flavour.bash or shell.flavour.name == "busybox" else [])
    if not names and not array:
        shell.complain("arg count", "read")
        return 2
    for name in names:
        if not NAME.fullmatch(name):
            return fail(shell, "read", shell.flavour.bad_name(name), 2)
    if array:
        shell.assign_text(array, split(line, shell.ifs)[0])
    elif not args:
        shell.assign_text(names[0], line)
    else:
        _distribute(shell, names, line)
    return 0 if ended else 1


def _read_line(shell: Shell, *, raw: bool, count: int, delimiter: bytes) -> tuple[str, bool]:
    stdin = shell.fds[0]
    out = bytearray()
    ended = False
    while True:
        if count or delimiter != b"\n":
            piece = stdin.read(1)
            if not piece:
                break
            if piece == delimiter:
                ended = True
                break
            out += piece
            if count and len(out) >= count:
                ended = True
                break
            continue
        line = stdin.readline()
        ended = line.endswith(b"\n")
        out += line[:-1] if ended else line
        if not raw and ended and len(out) - len(out.rstrip(b"\\")) & 1:
            del out[-1:]
            continue
        break
    shell.budget.step()
    text = out.decode("utf-8", "surrogateescape").replace("\0", "")
    return (text if raw else re.sub(r"\\(.)", r"\1", text)), ended


def _distribute(shell: Shell, names: list[str], line: str) -> None:
    """Give each name a field; the last gets all that is left."""
    ifs = shell.ifs
    blanks = "".join(c for c in ifs if c in " \t\n")
    rest = line.strip(blanks) if blanks else line
    for name in names[:-1]:
        if not ifs:
            field, rest = rest, ""
        else:
            blank_class = f"[{re.escape(blanks)}]*" if blanks else ""
            hard = "".join(c for c in ifs if c not in blanks)
            pattern = f"{blank_class}[{re.escape(hard)}]{blank_class}" if hard else None
            soft = f"[{re.escape(blanks)}]+" if blanks else None
            match = re.search("|".join(p for p in (pattern, soft) if p) or r"(?!)", rest)
            field, rest = (rest[: match.start()], rest[match.end() :]) if match else (rest, "")
        shell.assign_text(name, field)
    hard = "".join(c for c in ifs if c not in " \t\n")
    if hard and rest and rest[-1] in hard and not any(c in hard for c in rest[:-1]):
        rest = rest[:-1]  # POSIX: one separator that ends the last field is no part of it
    shell.assign_text(names[-1], rest)


def getopts(shell: Shell, argv: list[str]) -> int:
    if len(argv) < 3:
        shell.complain(
            "Usage: getopts optstring var [arg]"
            if not shell.flavour.bash
            else "usage: getopts optstring name [arg ...]",
            "getopts",
        )
        return 2
    letters, name = argv[1], argv[2]
    args = argv[3:] or shell.positional
    index = int(shell.get("OPTIND") or "1")
    position = int(str(shell.variables.get("_optpos") or "1"))
    if index == 1 and shell.variables.get("_optind") != "1":
        position = 1
    word = args[index - 1] if index <= len(args) else ""
    if not word.startswith("-") or word == "-" or word == "--":
        shell.assign_text("OPTIND", str(index + (word == "--")))
        shell.assign_text(name, "?")
        return 1
    letter = word[position]
    last = position + 1 >= len(word)
    at = letters.find(letter) if letter != ":" else -1
    shell.variables.pop("OPTARG", None)
    next_index, next_position = (index + 1, 1) if last else (index, position + 1)
    found = letter
    if at < 0:
        found = "?"
        if letters.startswith(":"):
            shell.assign_text("OPTARG", letter)
        else:
            text = f"illegal option -- {letter}" if shell.flavour.bash else f"Illegal option -{letter}"
            shell.write(f"{shell.origin.name}: {text}\n" if shell.flavour.bash else f"{text}\n", 2)
    elif letters[at + 1 : at + 2] == ":":
        if not last:
            shell.assign_text("OPTARG", word[position + 1 :])
        elif index < len(args):
            shell.assign_text("OPTARG", args[index])
            next_index = index + 2
        elif letters.startswith(":"):
            found = ":"
            shell.assign_text("OPTARG", letter)
        else:
            found = "?"
            text = (
                f"option requires an argument -- {letter}"
                if shell.flavour.bash
                else f"No arg for -{letter} option"
            )
            shell.write(f"{shell.origin.name}: {text}\n" if shell.flavour.bash else f"{text}\n", 2)
        if not last or found == letter:
            next_index, next_position = (next_index if last else index + 1), 1
    shell.assign_text("OPTIND", str(next_index))
    shell.variables["_optpos"], shell.variables["_optind"] = str(next_position), str(next_index)
    shell.assign_text(name, found)
    return 0


def mapfile(shell: Shell, argv: list[str]) -> int:
    trim = "-t" in argv[1:]
    names = [a for a in argv[1:] if not a.startswith("-")]
    data = shell.fds[0].read().decode("utf-8", "surrogateescape")
    lines = data.splitlines(keepends=not trim)
    shell.assign_text(names[0] if names else "MAPFILE", lines)
    return 0
