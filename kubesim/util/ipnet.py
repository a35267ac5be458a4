"""Networks and ranges of addresses as text: a host in one, a part of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal


def host_in(network: str, position: int) -> str:
    """The address at a position of a network, 0 being the network itself. Raises ValueError."""
    found = ip_network(network)
    if not 0 <= position < found.num_addresses:
        raise ValueError(f"{network} has no address {position}")
    return str(found[position])


def subnet(network: str, prefix_length: int, position: int) -> str:
    """The part of a network at a position, all parts having the same prefix length. Raises ValueError."""
    found = ip_network(network)
    size = 1 << (found.max_prefixlen - prefix_length)
    return f"{host_in(network, position * size)}/{prefix_length}"


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses from the first to the last, both included, as numbers."""

    version: Literal[4, 6]
    first: int
    last: int

    def __contains__(self, address: str) -> bool:
        found = ip_address(address)
        return found.version == self.version and self.first <= int(found) <= self.last

    def __iter__(self) -> Iterator[str]:
        make = IPv4Address if self.version == 4 else IPv6Address
        return (str(make(number)) for number in range(self.first, self.last + 1))

    def __str__(self) -> str:
        make = IPv4Address if self.version == 4 else IPv6Address
        return f"{make(self.first)}-{make(self.last)}" if self.last > self.first else str(make(self.first))

    def overlaps(self, other: AddressRange) -> bool:
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def address_range(text: str) -> AddressRange:
    """`FIRST-LAST`, a network (all of its addresses), or one address. Raises ValueError."""
    low, dash, high = text.partition("-")
    if dash:
        first, last = ip_address(low.strip()), ip_address(high.strip())
        if first.version != last.version or int(first) > int(last):
            raise ValueError(f"{text} is no range of addresses")
        return AddressRange(first.version, int(first), int(last))
    network = ip_network(text.strip())
    return AddressRange(network.version, int(network[0]), int(network[-1]))
