"""The clock of a cluster whose controllers catch up with the time that has passed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from kubesim.util.clock import Clock


class SettleClock:
    """A clock that shows, to the thread that settles, the time for which work is done; to all others the
    present.
    """

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._local = threading.local()

    def now(self) -> datetime:
        shown: datetime | None = getattr(self._local, "shown", None)
        return shown if shown is not None else self._base.now()

    def monotonic(self) -> float:
        return self._base.monotonic()

    def present(self) -> datetime:
        """The present, whatever is shown."""
        return self._base.now()

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Inside the block it is this moment."""
        before = getattr(self._local, "shown", None)
        self._local.shown = moment
        try:
            yield
        finally:
            self._local.shown = before
