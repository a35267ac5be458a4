"""Asking the background process of a home about itself, from another process."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubesim import thin
from kubesim.cli.warm.request import STATUS, STOP
from kubesim.cluster.rundirectory import RunDirectory

ANSWER_SECONDS = 10.0


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
    directory = RunDirectory(home)
    if not directory.is_held():
        return False
    _ask(home, STOP)
    directory.wait_until_free()
    return True


def _ask(home: Path, what: str) -> bytes:
    found = thin.connect(str(home))
    if found is None:
        raise OSError("it does not listen")
    with socket.socket(fileno=found.detach()) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(thin.frame([what.encode()]))
        pieces = []
        while data := connection.recv(65536):
            pieces.append(data)
        return b"".join(pieces)
