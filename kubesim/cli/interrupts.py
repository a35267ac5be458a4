"""Ctrl-C where it can be borne: while a command waits, not while it is in the middle of a change."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

TICK = 0.1
"""Seconds after which Ctrl-C is seen at the latest."""


class Interrupts:
    """While this is entered, SIGINT is remembered, and raises KeyboardInterrupt only inside `allowed`."""

    def __init__(self) -> None:
        self._pending = False
        self._allowed = False
        self._before: Any = None
        self._alarm: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # others have no signals
            self._before = signal.signal(signal.SIGINT, self._take)
            self._alarm = signal.signal(signal.SIGALRM, _nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            signal.signal(signal.SIGALRM, self._alarm)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._allowed:
            raise KeyboardInterrupt
        self._pending = True

    def pending(self) -> bool:
        """Whether there was one since the last that was raised; asking takes it."""
        was, self._pending = self._pending, False
        return was

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Waiting happens in here. Raises KeyboardInterrupt at once for what came before."""
        self._allowed = True
        ticks = self._before is not None
        try:
            if ticks:
                # A signal that comes just before a call that waits is seen when something else ends the call.
                signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
            if self.pending():
                raise KeyboardInterrupt
            yield
        finally:
            self._allowed = False
            if ticks:
                signal.setitimer(signal.ITIMER_REAL, 0)


def _nothing(number: int, frame: FrameType | None) -> None:
    del number, frame
