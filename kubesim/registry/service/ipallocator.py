"""Cluster IPs out of a network: pkg/registry/core/service/ipallocator, on the allocations of a storage
transaction.

The lowest addresses are the static band: dynamic allocation takes them last, so that an address chosen by
hand is likely to be free (KEP-3070).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from kubesim.apimachinery.names import ip_family
from kubesim.storage.interface import Transaction
from kubesim.util.ids import Identities

POOLS: Final = {4: "clusterip/IPv4", 6: "clusterip/IPv6"}
IPV4: Final = "IPv4"
IPV6: Final = "IPv6"

# bitmap.go, calculateRangeOffset: min(max(16, size/16), 256), nothing of a network that small.
_BAND_MIN, _BAND_MAX, _BAND_STEP = 16, 256, 16
# An IPv6 range is cut to what upstream's bitmap holds, the network's own address included.
_IPV6_SIZE = 65536
# So many neighbours of a random address are asked one by one; then all allocations are read at once.
_PROBES = 32


class AllocationError(Exception):
    """An address or a port could not be had; the text is what the API server says."""


class NotInRangeError(AllocationError):
    """What was asked for is none of the range's."""


class AllocatedError(AllocationError):
    """What was asked for belongs to somebody."""


class FullError(AllocationError):
    """There is nothing left."""

    def __init__(self) -> None:
        super().__init__("range is full")


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """An address as Go's ParseIPSloppy reads it (leading zeros are decimal), None for what is none.

    An IPv4 address in an IPv6 one (`::ffff:10.0.0.1`) is an IPv4 address, as in Go.
    """
    family = ip_family(text)
    if not family:
        return None
    head, _, tail = text.rpartition(":")
    if "." in tail:
        tail = ".".join(str(int(octet)) for octet in tail.split("."))
    found = ip_address(f"{head}:{tail}" if ":" in text else tail)
    if family == 4 and isinstance(found, IPv6Address):
        return found.ipv4_mapped
    return found


class Range:
    """Numbered items of one pool, a static band first; what IPAllocator and PortAllocator have in common."""

    def __init__(self, pool: str, size: int, band: int, identities: Identities) -> None:
        self.pool = pool
        self.size = size
        self.band = band
        self._identities = identities

    def text_of(self, offset: int) -> str:
        """The item at an offset, as the pool names it."""
        raise NotImplementedError

    def take_next(self, tx: Transaction, owner: str) -> str:
        """Take an item at random, from above the static band while there is one. Raises FullError.

        Order as in allocator/bitmap.go, randomScanStrategyWithOffset: a random start, then upwards and
        around.
        """
        for low, size in ((self.band, self.size - self.band), (0, self.band)):
            if size > 0 and (item := self._scan(tx, low, size)) is not None:
                tx.allocate(self.pool, item, owner)
                return item
        raise FullError

    def _scan(self, tx: Transaction, low: int, size: int) -> str | None:
        start = self._identities.below(size)
        for step in range(min(size, _PROBES)):
            item = self.text_of(low + (start + step) % size)
            if tx.owner_of(self.pool, item) is None:
                return item
        taken = tx.allocations(self.pool)
        for step in range(_PROBES, size):
            item = self.text_of(low + (start + step) % size)
            if item not in taken:
                return item
        return None

    def free(self, tx: Transaction) -> int:
        """How many items nobody has."""
        return self.size - tx.allocated_count(self.pool)

    def release(self, tx: Transaction, item: str, owner: str) -> None:
        """Give an item back; what the owner does not have is left alone."""
        tx.release(self.pool, item, owner)


class IPAllocator(Range):
    """The addresses of one network (`10.96.0.0/12`), without its own and, in IPv4, without the broadcast one."""

    def __init__(self, cidr: str, *, identities: Identities) -> None:
        self.network = ip_network(cidr)
        self.family = IPV4 if self.network.version == 4 else IPV6
        size = self.network.num_addresses
        usable = size - 2 if self.network.version == 4 else min(size, _IPV6_SIZE) - 1
        band = 0 if size <= _BAND_MIN else min(max(size // _BAND_STEP, _BAND_MIN), _BAND_MAX)
        super().__init__(POOLS[self.network.version], max(usable, 0), band, identities)

    @property
    def cidr(self) -> str:
        return str(self.network)

    def text_of(self, offset: int) -> str:
        return str(self.network[offset + 1])

    def contains(self, ip: IPv4Address | IPv6Address) -> bool:
        """Whether the range can give an address out."""
        return ip in self.network and 0 < int(ip) - int(self.network.network_address) <= self.size

    def allocate_next(self, tx: Transaction, owner: str) -> str:
        """Take an address at random. Raises FullError."""
        return self.take_next(tx, owner)

    def allocate(self, tx: Transaction, ip: str, owner: str) -> None:
        """Take this address. Raises NotInRangeError or AllocatedError: also where the owner has it already."""
        item = self.check(ip)
        if tx.owner_of(self.pool, item) is not None:
            raise AllocatedError("provided IP is already allocated")
        tx.allocate(self.pool, item, owner)

    def check(self, ip: str) -> str:
        """The address as the pool names it. Raises NotInRangeError for one that the range does not give out."""
        found = parse_ip(ip)
        if found is None or not self.contains(found):
            raise NotInRangeError(
                f"the provided IP ({found if found else ip}) is not in the valid range. "
                f"The range of valid IPs is {self.cidr}"
            )
        return str(found)

    def release(self, tx: Transaction, item: str, owner: str) -> None:
        if found := parse_ip(item):
            super().release(tx, str(found), owner)
