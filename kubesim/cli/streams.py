"""What a command may touch of the process it runs in: its streams, its directory, its environment, its
terminal.

A command never reaches for `sys`, `os.environ` or the working directory itself, so that the same command runs
in a process of its own, in a warm process for somebody else, or in a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO


@dataclass(slots=True)
class Streams:
    """`program` is the name under which the user called us; messages say it (`See 'kubectl get -h' …`)."""

    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO
    cwd: Path
    env: Mapping[str, str]
    program: str = "kubesim"
    stdin_is_terminal: bool = False
    stdout_is_terminal: bool = False
    stderr_is_terminal: bool = False
    columns: int = 80
    _stdin_used: bool = field(default=False, repr=False)

    def path(self, name: str) -> Path:
        """A file name as the user typed it, seen from the user's directory."""
        return self.cwd / Path(name).expanduser() if name.startswith("~/") else self.cwd / name

    def complain(self, text: str) -> None:
        """Write to standard error what comes after all that was written to standard output before."""
        self.stdout.flush()
        self.stderr.write(text)

    def read_stdin(self) -> bytes:
        """All of standard input; once only, as kubectl has it. Raises ValueError the second time."""
        if self._stdin_used:
            raise ValueError("standard input cannot be used for multiple arguments")
        self._stdin_used = True
        return self.stdin.read()
