"""The queue of one controller: each key once, in the order of first need, with the reason for the first need.

The contract of client-go's workqueue, for one thread: a key that is added while it waits is not added twice;
a key that is added while it is being worked on waits for its next turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Reason = TypeVar("Reason")


class WorkQueue(Generic[Reason]):
    """Keys that want work. Not safe for several threads: its manager holds a lock."""

    def __init__(self) -> None:
        self._waiting: dict[str, Reason] = {}

    def add(self, key: str, reason: Reason) -> None:
        """Ask for work on a key; the reason given first is the one that is kept."""
        self._waiting.setdefault(key, reason)

    def add_all(self, keys: Iterable[str], reason: Reason) -> None:
        for key in keys:
            self._waiting.setdefault(key, reason)

    def take_all(self) -> dict[str, Reason]:
        """Every key that waits, with its reason; none waits afterwards."""
        taken, self._waiting = self._waiting, {}
        return taken

    def __len__(self) -> int:
        return len(self._waiting)
