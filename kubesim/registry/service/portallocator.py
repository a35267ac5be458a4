"""Node ports out of a range: pkg/registry/core/service/portallocator, on the allocations of a storage
transaction.

A port number belongs to one Service, whatever the protocol; within a Service, TCP and UDP may share it.
"""

from __future__ import annotations

from typing import Final, Protocol

from kubesim.registry.service.ipallocator import AllocatedError, NotInRangeError, Range
from kubesim.storage.interface import Transaction
from kubesim.util.ids import Identities

POOL: Final = "nodeport"

# allocator.go, calculateRangeOffset: min(max(16, size/32), 128), nothing of a range that small.
_BAND_MIN, _BAND_MAX, _BAND_STEP = 16, 128, 32
# What a dry run shows for a port that would be drawn at random: operation.go, AllocateNext.
_DRY_RUN_BASE = 32768


class PortAllocator(Range):
    """The ports from `first` to `last`, both included."""

    def __init__(self, first: int, last: int, *, identities: Identities) -> None:
        self.first, self.last = first, last
        size = last - first + 1
        band = 0 if size <= _BAND_MIN else min(max(size // _BAND_STEP, _BAND_MIN), _BAND_MAX)
        super().__init__(POOL, size, band, identities)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def text_of(self, offset: int) -> str:
        return str(self.first + offset)

    def contains(self, port: int) -> bool:
        return self.first <= port <= self.last

    def allocate_next(self, tx: Transaction, owner: str) -> int:
        """Take a port at random. Raises FullError."""
        return int(self.take_next(tx, owner))

    def allocate(self, tx: Transaction, port: int, owner: str) -> None:
        """Take this port. Raises NotInRangeError or AllocatedError: also where the owner has it already."""
        if not self.contains(port):
            raise NotInRangeError(
                f"provided port is not in the valid range. The range of valid ports is {self}"
            )
        if tx.owner_of(self.pool, str(port)) is not None:
            raise AllocatedError("provided port is already allocated")
        tx.allocate(self.pool, str(port), owner)


class PortOperation(Protocol):
    """Takes ports for one write of one Service: portallocator.PortAllocationOperation."""

    def allocate(self, port: int) -> None:
        """Take this port. Raises AllocationError."""
        ...

    def allocate_next(self) -> int:
        """Take any port. Raises AllocationError."""
        ...


class LiveOperation:
    """Takes ports in the transaction that stores the Service."""

    def __init__(self, ports: PortAllocator, tx: Transaction, owner: str) -> None:
        self._ports, self._tx, self._owner = ports, tx, owner

    def allocate(self, port: int) -> None:
        self._ports.allocate(self._tx, port, self._owner)

    def allocate_next(self) -> int:
        return self._ports.allocate_next(self._tx, self._owner)


class DryRunOperation:
    """Says what taking ports would come to, and takes none: a port out of range passes, as upstream."""

    def __init__(self, ports: PortAllocator, tx: Transaction) -> None:
        self._ports, self._tx = ports, tx
        self._taken: list[int] = []

    def allocate(self, port: int) -> None:
        taken = self._ports.contains(port) and self._tx.owner_of(POOL, str(port)) is not None
        if taken or port in self._taken:
            raise AllocatedError("provided port is already allocated")
        self._taken.append(port)

    def allocate_next(self) -> int:
        port = max(self._taken, default=_DRY_RUN_BASE) + 1
        self._taken.append(port)
        return port
