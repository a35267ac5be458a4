"""What belongs to the background process of a home: `HOME/run`, for the owner alone.

    lock           held for as long as the process lives: there is one, or none
    command.sock   commands of thin clients
    server.json    who it is, for people and for `status`
    server.log     what it had to say, the newest part of it

The lock goes with the process that holds it, however that ends. Whoever holds it may remove a socket that is in its way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from kubesim.cluster.home import replace_file
from kubesim.thin import DIRECTORY, LOCK, LOG, SOCKET, STATE, within

BACKLOG: Final = 512
LOG_BYTES: Final = 1 << 20
"""So large the log may be when a process starts; then the older part goes aside."""


class RunDirectory:
    """The directory, and the lock of this process in it."""

    def __init__(self, home: Path) -> None:
        self.path = home / DIRECTORY
        self._lock: int | None = None
        self._inode = 0

    @property
    def address(self) -> Path:
        """The socket's file."""
        return self.path / SOCKET

    @property
    def log(self) -> Path:
        return self.path / LOG

    def acquire(self) -> bool:
        """Become the one process of the home; False if there is one. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def listen(self) -> socket.socket:
        """The socket for commands, in the place of one that nobody listens at. Raises OSError."""
        self.address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            within(str(self.path), SOCKET, listener.bind)
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
        self._inode = self.address.stat().st_ino
        return listener

    @property
    def is_mine(self) -> bool:
        """Whether callers still find this process: somebody may have removed the home."""
        try:
            return self.address.stat().st_ino == self._inode
        except OSError:
            return False

    def hide(self) -> None:
        """Callers find this process no more."""
        if self.is_mine:
            for path in (self.address, self.path / STATE):
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Make way for the next process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_held(self) -> bool:
        """Whether some process is the one of the home."""
        try:
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def write_state(self, state: dict[str, Any]) -> None:
        """Say who this process is. Raises HomeError."""
        replace_file(self.path / STATE, json.dumps(state, indent=2) + "\n")

    def read_state(self) -> dict[str, Any]:
        """Who the process is; empty where nothing is known."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.path / STATE).read_text("utf-8"))
            if isinstance(found, dict):
                return found
        return {}

    def open_log(self) -> int:
        """A descriptor that appends to the log, for the owner alone. Raises OSError."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
