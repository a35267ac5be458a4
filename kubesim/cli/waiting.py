"""Waiting for the cluster: until an object is gone, until a condition holds, with a time limit on the
cluster's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import uid_of

if TYPE_CHECKING:
    from kubesim.cli.builder import Info
    from kubesim.cli.session import Session


class Deadline:
    """A moment on the cluster's clock."""

    def __init__(self, session: Session, after: timedelta) -> None:
        self._session = session
        self._end = session.now() + after

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when time is up."""
        return max(0.0, (self._end - self._session.now()).total_seconds())


def wait_until(session: Session, holds: Callable[[], bool], deadline: Deadline) -> bool:
    """Look again whenever something may have changed; False when time ran out first. Looks at least once."""
    while not holds():
        left = deadline.left
        if left <= 0:
            return False
        session.pause(left)
    return True


def gone(session: Session, info: Info, uid: str) -> bool:
    """Whether an object is gone, or its name belongs to another object."""
    try:
        answer = session.client.request("GET", info.path).body
    except StatusError as error:
        if error.reason == "NotFound":
            return True
        if error.reason in ("Forbidden", "MethodNotAllowed"):
            return True  # who may not look does not wait
        raise
    return bool(uid) and isinstance(answer, dict) and uid_of(answer) != uid
