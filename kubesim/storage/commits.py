"""Who waits for commits, and who is to be told of them.

A commit of this process wakes those who wait at once. What other processes write has to be looked for: one of
the threads that wait does so for all of them, so that a hundred of them cost no more than one.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock

from kubesim.util.clock import SystemClock

POLL_SECONDS = 0.025
"""How soon a commit of another process is noticed while others write."""
IDLE_POLL_SECONDS = 0.1
"""How soon after a second or so in which there was none. One look costs some 100 microseconds with what wakes
the thread: four times as many would cost an idle server half a percent of a core.
"""

_monotonic = (
    SystemClock().monotonic
)  # how long a thread sleeps is real time, whatever the cluster's clock says


def _never() -> bool:
    return False


class Commits:
    """`newest()` reads the newest revision; `shared` says whether other processes may write."""

    def __init__(self, newest: Callable[[], int], *, shared: bool) -> None:
        self._read = newest
        self._shared = shared
        self._changed = Condition(Lock())
        self._newest = 0
        self._stale = True  # there have been commits since `_newest` was read
        self._looking = False  # one of those who wait looks for what other processes write
        self._pause = POLL_SECONDS  # and looks again after so long
        self._told: tuple[Callable[[], object], ...] = ()
        self._telling = Lock()

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have a function called after each commit; what is returned ends that."""

        def tell() -> None:  # one of its own for each subscription: a function may subscribe twice
            callback()

        with self._telling:
            self._told += (tell,)

        def unsubscribe() -> None:
            with self._telling:
                self._told = tuple(t for t in self._told if t is not tell)

        return unsubscribe

    def announce(self) -> None:
        """There was a commit of this process (or there will be no more)."""
        with self._changed:
            self._stale = True
            self._changed.notify_all()
        self._tell()

    def wake(self) -> None:
        """Have everybody who waits look whether he is interrupted."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: int, timeout: float, interrupted: Callable[[], bool] = _never) -> int:
        """Block until there is a revision above `after`, at most so long; the newest revision."""
        end = _monotonic() + timeout
        leads, look = False, True
        try:
            while True:
                with self._changed:
                    others = (look or self._stale) and self._look()
                    newest, left = self._newest, end - _monotonic()
                    done = newest > after or left <= 0 or interrupted()
                    if not done and not others:
                        leads = look = leads or self._take_the_lead()
                        self._changed.wait(min(left, self._pause) if leads else left)
                if others:
                    self._tell()
                if done:
                    return newest
        finally:
            self._leave(leads=leads)

    def _tell(self) -> None:
        for tell in self._told:
            tell()

    def _look(self) -> bool:
        """Read the newest revision for everybody; whether another process has moved it on."""
        stale, before = self._stale, self._newest
        # Before the look, not after it: who commits meanwhile makes it stale again.
        self._stale = False
        try:
            self._newest = self._read()
        except BaseException:
            self._stale = True
            raise
        moved = self._newest != before
        if moved:
            self._changed.notify_all()
        others = moved and not stale
        self._pause = POLL_SECONDS if others else min(self._pause * 1.05, IDLE_POLL_SECONDS)
        return others

    def _take_the_lead(self) -> bool:
        if not self._shared or self._looking:
            return False
        self._looking = True
        return True

    def _leave(self, *, leads: bool) -> None:
        with self._changed:
            if leads:
                self._looking = False
            if self._shared and not self._looking:
                self._changed.notify()  # somebody else has to look now, if anybody still waits
