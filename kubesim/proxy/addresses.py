"""Addresses as numbers, so that matching a packet is arithmetic."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, Literal, NamedTuple

Family = Literal["IPv4", "IPv6"]
FAMILIES: Final[tuple[Family, ...]] = ("IPv4", "IPv6")

_REMEMBERED: Final = 1 << 16


class Network(NamedTuple):
    """A network as iptables-save prints it."""

    text: str
    base: int
    mask: int

    def holds(self, address: int) -> bool:
        return address & self.mask == self.base


def family_of(text: str) -> Family:
    """The family of an address or a network."""
    return "IPv6" if ":" in text else "IPv4"


@lru_cache(_REMEMBERED)
def number_of(address: str) -> int:
    """An address as a number. Raises ValueError."""
    return int(ip_address(address))


@lru_cache(_REMEMBERED)
def network_of(text: str) -> Network:
    """A network, or an address as the network of it alone; bits of the host are cleared. Raises ValueError."""
    found = ip_network(text.strip(), strict=False)
    return Network(str(found), int(found.network_address), int(found.netmask))


def host_port(address: str, port: int) -> str:
    """`10.244.1.2:80`, `[fd00::2]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_network(text: str) -> bool:
    try:
        network_of(text)
    except ValueError:
        return False
    return True


def is_address(text: str) -> bool:
    try:
        number_of(text)
    except ValueError:
        return False
    return True
