"""Transcripts: commands with what they print, as they would stand in a terminal.

    $ kubectl create ns team-a
    namespace/team-a created

    $ kubectl create ns
    2> error: exactly one NAME is required, got 0
    exit 1

Lines of standard error begin with `2> `; a last line names the exit code where it is not 0. An empty line ends
a command's output, `#` begins a remark. That an output's last line break is missing cannot be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recorded:
    """One command, without the program's name, and what it left behind."""

    line: str
    out: tuple[str, ...]
    err: tuple[str, ...]
    code: int


def read_transcript(path: Path) -> list[Recorded]:
    """The commands of a file, in their order."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        command, *lines = [line for line in block.split("\n") if line and not line.startswith("#")] or [""]
        if not command:
            continue
        prompt, program, line = command.split(" ", 2)
        if (prompt, program) != ("$", "kubectl"):
            raise ValueError(f"{path}: not a command: {command}")
        code = 0
        if lines and lines[-1].startswith("exit "):
            code = int(lines.pop().removeprefix("exit "))
        err = tuple(text.removeprefix("2> ") for text in lines if text.startswith("2> "))
        out = tuple(text for text in lines if not text.startswith("2> "))
        found.append(Recorded(line, out, err, code))
    return found
