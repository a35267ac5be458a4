"""Speaking with the background process of a home from another process: about itself, or with its API servers."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubesim import thin
from kubesim.cli.warm.request import API, STATUS, STOP
from kubesim.cluster.rundirectory import RunDirectory

ANSWER_SECONDS = 10.0
STOP_SECONDS = 20.0
"""A process that has not ended by then is killed: the store bears that."""


def status(home: Path) -> dict[str, Any] | None:
    """What the process says of itself; what it has written down where it does not answer; None if there is none."""
    directory = RunDirectory(home)
    if not directory.is_held():
        return None
    with suppress(OSError, ValueError):
        found = json.loads(_ask(home, STATUS))
        if isinstance(found, dict):
            return found
    return directory.read_state()


def stop(home: Path) -> bool:
    """End the process, and wait until it is gone; False if there was none. Raises OSError where it cannot be reached."""
    if not RunDirectory(home).is_held():
        return False
    pid = (status(home) or {}).get("pid")
    try:
        _ask(home, STOP, STOP_SECONDS)  # the end of the answer is that of the process
    except TimeoutError:
        if not isinstance(pid, int):
            raise
        os.kill(pid, signal.SIGKILL)
    return True


def connect_api(home: Path, sim: str) -> socket.socket | None:
    """A connection on which the API server of a cluster answers HTTP; None where no process of this kubesim runs."""
    found = thin.connect(str(home.absolute()))
    if found is None:
        return None
    connection = socket.socket(fileno=found.detach())
    try:
        connection.settimeout(ANSWER_SECONDS)
        fields = (API, thin.identity(), sim)
        connection.sendall(thin.frame([os.fsencode(field) for field in fields]))
        if connection.recv(1) == b"S":
            return connection
    except OSError:
        pass
    connection.close()
    return None


class Dialer:
    """Makes connections to the API server of a cluster in the background process; the first is there already."""

    def __init__(self, home: Path, sim: str, first: socket.socket) -> None:
        self._home, self._sim = home, sim
        self._first: socket.socket | None = first

    def __call__(self) -> socket.socket:
        """Raises OSError where the process is no more."""
        found, self._first = self._first or connect_api(self._home, self._sim), None
        if found is None:
            raise ConnectionRefusedError("it does not listen")
        return found

    def close(self) -> None:
        """Let go of a connection that nobody has used."""
        if self._first is not None:
            self._first.close()
            self._first = None


def _ask(home: Path, what: str, seconds: float = ANSWER_SECONDS) -> bytes:
    found = thin.connect(str(home))
    if found is None:
        raise OSError("it does not listen")
    with socket.socket(fileno=found.detach()) as connection:
        connection.settimeout(seconds)
        connection.sendall(thin.frame([what.encode()]))
        pieces = []
        while data := connection.recv(65536):
            pieces.append(data)
        return b"".join(pieces)
