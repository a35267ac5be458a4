"""Transcripts: commands with what they print, as they would stand in a terminal.

    $ kubectl create ns team-a
    namespace/team-a created

    $ kubectl create ns
    2> error: exactly one NAME is required, got 0
    exit 1

Lines of standard error begin with `2> `; a last line names the exit code where it is not 0. An empty line ends
a command's output, `#` begins a remark. That an output's last line break is missing cannot be seen.

Transcripts of other programs than kubectl show what cannot be seen: `\\` alone is an empty line, `\\r` a carriage
return, `\\\\` a backslash, and `\\c` at the end of a line says that no line break follows. A remark above a command is
about that command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recorded:
    """One command, without the program's name, and what it left behind."""

    line: str
    out: tuple[str, ...]
    err: tuple[str, ...]
    code: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One command line of a shell, and what it left behind to the byte."""

    line: str
    out: str
    err: str
    code: int
    remarks: tuple[str, ...] = ()


def read_transcript(path: Path) -> list[Recorded]:
    """The commands of a file, in their order."""
    found = []
    for command, _, out, err, code in _blocks(path):
        prompt, program, line = command.split(" ", 2)
        if (prompt, program) != ("$", "kubectl"):
            raise ValueError(f"{path}: not a command: {command}")
        found.append(Recorded(line, tuple(out), tuple(err), code))
    return found


def read_shown(path: Path) -> list[Shown]:
    """The command lines of a file in which everything is shown, in their order."""
    return [
        Shown(command.removeprefix("$ "), _unescaped(out), _unescaped(err), code, tuple(remarks))
        for command, remarks, out, err, code in _blocks(path)
    ]


def write_shown(shown: Shown) -> str:
    """The block of a file that `read_shown` reads as this."""
    lines = [*shown.remarks, f"$ {shown.line}", *_escaped(shown.out)]
    lines += [f"2> {line}" for line in _escaped(shown.err)]
    if shown.code:
        lines.append(f"exit {shown.code}")
    return "\n".join(lines) + "\n"


def _blocks(path: Path) -> list[tuple[str, list[str], list[str], list[str], int]]:
    """Command, remarks, lines of both outputs, and exit code."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        remarks = [line for line in block.split("\n") if line.startswith("#")]
        command, *lines = [line for line in block.split("\n") if line and not line.startswith("#")] or [""]
        if not command:
            continue
        code = 0
        if lines and lines[-1].startswith("exit "):
            code = int(lines.pop().removeprefix("exit "))
        err = [text.removeprefix("2> ") for text in lines if text.startswith("2> ")]
        out = [text for text in lines if not text.startswith("2> ")]
        found.append((command, remarks, out, err, code))
    return found


def _escaped(text: str) -> list[str]:
    if not text:
        return []
    *lines, last = text.replace("\\", "\\\\").replace("\r", "\\r").split("\n")
    # What begins as a remark, as the other output or as an exit code would be read as such.
    shown = [re.sub(r"^(?=#|2> |exit \d)", r"\\e", line) or "\\" for line in lines]
    return [*shown, f"{last}\\c"] if last else shown


def _unescaped(lines: list[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    meanings = {"\\": "\\", "r": "\r", "e": "", "c\n": "", "\n": "\n"}
    return re.sub(r"\\(\\|r|e|c\n|\n)", lambda found: meanings[found[1]], text)
