"""What a command may touch of the process it runs in: its streams, its directory, its environment, its
terminal.

A command never reaches for `sys`, `os.environ` or the working directory itself, so that the same command runs
in a process of its own, in a warm process for somebody else, or in a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from kubesim.cli.interruption import Interruption


@dataclass(slots=True)
class Streams:
    """`program` is the name under which the user called us; messages say it (`See 'kubectl get -h' …`).

    In a warm process that works for others, `umask` and `pid` are the caller's own, and `interruption` is how
    Ctrl-C reaches the command; in a process of its own there is none, and signals do.
    """

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
    umask: int | None = None
    pid: int = field(default_factory=os.getpid)
    interruption: Interruption | None = None
    _stdin_used: bool = field(default=False, repr=False)

    def path(self, name: str) -> Path:
        """A file name as the user typed it, seen from the user's directory."""
        home = self.env.get("HOME", "")
        if name.startswith("~/") and home:
            return self.cwd / home / name[2:].lstrip("/")
        return self.cwd / name

    def create(self, path: Path) -> TextIO:
        """Open a file of the user's for writing, empty; a new one gets the rights that the user's mask leaves.
        Raises OSError.
        """
        if self.umask is None:
            return path.open("w", encoding="utf-8")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return path.open("w", encoding="utf-8")
        os.fchmod(handle, 0o666 & ~self.umask)
        return os.fdopen(handle, "w", encoding="utf-8")

    def make_directory(self, path: Path) -> None:
        """Make a directory of the user's with those above it, where they are missing. Raises OSError."""
        if path.is_dir():
            return
        if path.parent != path:
            self.make_directory(path.parent)
        try:
            path.mkdir(mode=0o755)
        except FileExistsError:
            if not path.is_dir():
                raise
            return
        if self.umask is not None:
            path.chmod(0o755 & ~self.umask)

    def check(self) -> None:
        """Raises KeyboardInterrupt if the user has pressed Ctrl-C, where no signal says so."""
        if self.interruption is not None:
            self.interruption.check()

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
