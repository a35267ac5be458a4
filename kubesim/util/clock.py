"""The one place that reads the time.

Everything that asks what time it is holds a `Clock`. Times are aware datetimes in UTC; Kubernetes writes them
to the second (`format_time`) or, in Leases and Events of events.k8s.io, to the microsecond
(`format_micro_time`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; for measuring, never for stamping."""
        ...


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let real time pass."""
        time.sleep(seconds)


class FrozenClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)
        self._start = self._at
        self._moving = Lock()

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return (self._at - self._start).total_seconds()

    def advance(self, by: timedelta) -> None:
        """Move on by a duration that is not negative."""
        if by < timedelta(0):
            raise ValueError("a clock does not run backwards")
        with self._moving:
            self._at += by

    def set(self, at: datetime) -> None:
        """Move on to a moment; a moment in the past is ignored."""
        with self._moving:
            self._at = max(self._at, at.astimezone(UTC))


def format_time(at: datetime) -> str:
    """RFC 3339 to the second, as metav1.Time is written."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def format_micro_time(at: datetime) -> str:
    """RFC 3339 to the microsecond, as metav1.MicroTime is written."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Read RFC 3339 as metav1.Time and MicroTime accept it. Raises ValueError for anything else."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return at.astimezone(UTC)
