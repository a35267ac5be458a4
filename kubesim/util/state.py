"""Where a part of the cluster keeps small state that is not an object of the API (checkpoints, timers,
container files).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import RLock
from typing import Protocol


class StateStore(Protocol):
    """Named values. A write is durable when it returns, and atomic."""

    def get(self, name: str) -> bytes | None: ...

    def set(self, name: str, value: bytes | None) -> None:
        """Write a value; None removes it."""
        ...

    def items(self, prefix: str) -> dict[str, bytes]:
        """Every value whose name begins so."""
        ...

    def atomic(self) -> AbstractContextManager[object]:
        """Inside the block nobody else writes; what is written is there for others at its end, all of it."""
        ...


class MemoryState:
    """State that ends with the process."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lock = RLock()

    def get(self, name: str) -> bytes | None:
        return self._values.get(name)

    def set(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value

    def items(self, prefix: str) -> dict[str, bytes]:
        return {k: v for k, v in list(self._values.items()) if k.startswith(prefix)}

    def atomic(self) -> AbstractContextManager[object]:
        return self._lock
