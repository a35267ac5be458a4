"""How long to wait before the next try: client-go/util/flowcontrol.Backoff, as the kubelet sets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# Of turns that nobody watched the last ones are played, the others are counted.
_PLAYED: Final = 3
INITIAL: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(seconds=300)


@dataclass(slots=True)
class Backoff:
    """The delay of one thing that fails again and again; it is forgotten after twice the longest delay
    without failure.
    """

    delay: timedelta = timedelta(0)
    updated: datetime | None = None

    def next(self, at: datetime) -> None:
        """It has failed, and is tried again now: the next delay is twice as long."""
        if self.updated is None or self._expired(at):
            self.delay = INITIAL
        else:
            self.delay = min(self.delay * 2, LONGEST)
        self.updated = at

    def waits_until(self, failed: datetime) -> datetime | None:
        """When the next try may begin after a failure; None for at once."""
        if self.updated is None or self._expired(failed):
            return None
        return failed + self.delay

    def skipped(self, began: datetime, until: datetime, present: datetime) -> tuple[int, datetime]:
        """How many whole turns (a try, and the longest wait after it) may be passed over, and when the next
        begins.

        `began` is when the last try began, `until` when the next one would; nobody has looked until
        `present`.
        """
        if self.delay < LONGEST or until <= began or self.updated is None:
            return 0, until
        turn = until - began
        turns = max(0, (present - until) // turn - _PLAYED)
        self.updated += turns * turn
        return turns, until + turns * turn

    def _expired(self, at: datetime) -> bool:
        return self.updated is not None and at - self.updated > 2 * LONGEST
