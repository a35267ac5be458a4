"""Python's garbage collector, kept out of the way while much is made at once.

It runs the more often the more objects come into being, each time over all of them: decoding 20,000 Pods
takes six times as long with it, and nothing that is decoded is garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class _Pauses:
    """The pauses of all threads: the collector, of which a process has one, is on again after the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._was_on = False

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._was_on = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._was_on:
                gc.enable()


_PAUSES = _Pauses()  # module-level, as the collector is


@contextmanager
def collection_paused() -> Iterator[None]:
    """No collection inside the block, whichever threads are in such blocks besides."""
    _PAUSES.begin()
    try:
        yield
    finally:
        _PAUSES.end()
