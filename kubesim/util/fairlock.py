"""A lock that goes to those who wait for it in the order in which they came.

`threading.RLock` goes to whoever asks first after it is free, and that is nearly always the thread that has just
let go of it: a thread that works in small steps, taking the lock for each, keeps all others out for as long as
it has work. This lock is handed over: who lets go while others wait comes after them.
"""

from __future__ import annotations

from collections import deque
from threading import Lock, get_ident
from types import TracebackType
from typing import Any


class FairLock:
    """First come, first served; the thread that holds it may take it again, and lets go as often as it took it."""

    __slots__ = ("_depth", "_mutex", "_owner", "_waiting")

    def __init__(self) -> None:
        self._mutex = Lock()  # over the three below, for a few instructions at a time
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[tuple[int, Any]] = deque()

    def acquire(self) -> None:
        me = get_ident()
        if self._owner == me:  # nobody but this thread makes that true or untrue
            self._depth += 1
            return
        with self._mutex:
            if self._owner is None:
                self._owner, self._depth = me, 1
                return
            turn = Lock()
            turn.acquire()
            self._waiting.append((me, turn))
        try:
            turn.acquire()  # until `release` makes this thread the owner
        except BaseException:
            self._give_up(me, turn)
            raise

    def release(self) -> None:
        """Let go. Raises RuntimeError in a thread that does not hold it."""
        if self._owner != get_ident():
            raise RuntimeError("this thread does not hold the lock")
        if self._depth > 1:
            self._depth -= 1
            return
        self._pass_on()

    @property
    def mine(self) -> bool:
        """Whether this thread holds it."""
        return self._owner == get_ident()

    @property
    def waiting(self) -> int:
        """How many threads wait for it."""
        return len(self._waiting)

    def _pass_on(self) -> None:
        with self._mutex:
            if self._waiting:
                self._owner, turn = self._waiting.popleft()  # the depth is 1, as it was
                turn.release()
            else:
                self._owner = None

    def _give_up(self, me: int, turn: object) -> None:
        """Leave the queue: Ctrl-C. Where the lock has been handed over already, it goes on to the next."""
        with self._mutex:
            handed_over = (me, turn) not in self._waiting
            if not handed_over:
                self._waiting.remove((me, turn))
        if handed_over:
            self._pass_on()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
