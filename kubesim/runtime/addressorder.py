"""In which order a resolver hands out the addresses of a name: RFC 6724, section 6.

Addresses of IPv4 alone stay in the order in which DNS has them. Whom it puts first differs: glibc knows no precedence
of private IPv6 addresses, and puts them before IPv4, musl and Go go by the RFC's table, and put them behind. In one family
the longer prefix in common with the own address wins, so that of several Pods behind a name always the same one comes
first. Sources: glibc, sysdeps/posix/getaddrinfo.c; musl, src/network/lookup_name.c; Go, net/addrselect.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_MAPPED: Final = 0xFFFF << 32
_LINK, _GLOBAL = 2, 14


@dataclass(frozen=True, slots=True)
class Order:
    """What tells resolvers apart: rows of network, precedence and label, the most special ones first; how many bits of a
    prefix count; and whether IPv4 addresses are compared by theirs.
    """

    rows: tuple[tuple[IPv6Network, int, int], ...]
    longest_prefix: int = 128
    ipv4_prefixes: bool = False

    def row(self, number: int) -> tuple[int, int]:
        """Precedence and label of an address."""
        address = IPv6Address(number)
        return next((precedence, label) for network, precedence, label in self.rows if address in network)


def _rows(*rows: tuple[str, int, int]) -> tuple[tuple[IPv6Network, int, int], ...]:
    return tuple((IPv6Network(network), precedence, label) for network, precedence, label in rows)


GLIBC: Final = Order(
    _rows(
        ("::1/128", 50, 0), ("::ffff:0:0/96", 10, 4), ("::/96", 20, 3), ("2001::/32", 40, 7), ("2002::/16", 30, 2),
        ("fec0::/10", 40, 5), ("fc00::/7", 40, 6), ("::/0", 40, 1),
    )
)  # fmt: skip
_RFC: Final = _rows(
    ("::1/128", 50, 0), ("::ffff:0:0/96", 35, 4), ("::/96", 1, 3), ("2001::/32", 5, 5), ("2002::/16", 30, 2),
    ("fec0::/10", 1, 11), ("fc00::/7", 3, 13), ("::/0", 40, 1),
)  # fmt: skip
MUSL: Final = Order(_RFC, ipv4_prefixes=True)
GO: Final = Order(_RFC, longest_prefix=64)


def in_order(addresses: Sequence[str], own: Iterable[str], order: Order) -> list[str]:
    """The addresses of a name, the best one first, for a machine with addresses of its own."""
    sources = [_number(address) for address in own]
    return sorted(addresses, key=lambda address: _rank(_number(address), sources, order))


def one_of_each(addresses: Sequence[str]) -> list[str]:
    """The addresses of a host that a client tries: the first one, and where it has two families the first of the other."""
    other = next((a for a in addresses if (":" in a) != (":" in addresses[0])), None)
    return [addresses[0], *([other] if other else ())]


def _rank(destination: int, sources: Sequence[int], order: Order) -> tuple[int | bool, ...]:
    mapped = _is_mapped(destination)
    usable = [s for s in sources if _is_mapped(s) == mapped]
    if _scope(destination) == _LINK:
        usable.append(destination)  # an address of the machine itself is sent to from itself
    source = max(usable, key=lambda s: _common(s, destination), default=None)
    precedence, label = order.row(destination)
    scope = _scope(destination)
    if source is None:
        return (True, True, True, -precedence, scope, 0)
    compared = order.ipv4_prefixes or not mapped
    common = min(_common(source, destination), order.longest_prefix) if compared else 0
    return (
        False,
        _scope(source) != scope,
        order.row(source)[1] != label,
        -precedence,
        scope,
        -common,
    )


def _number(address: str) -> int:
    found = ip_address(address.partition("%")[0])
    return int(found) | _MAPPED if isinstance(found, IPv4Address) else int(found)


def _is_mapped(number: int) -> bool:
    return number >> 32 == 0xFFFF


def _scope(number: int) -> int:
    if _is_mapped(number):
        first = number >> 24 & 0xFF
        return _LINK if first == 127 or number >> 16 & 0xFFFF == 0xA9FE else _GLOBAL
    return _LINK if number == 1 or number >> 118 == 0x3FA else _GLOBAL  # ::1, fe80::/10


def _common(one: int, other: int) -> int:
    """How many bits two addresses have in common at their beginning."""
    return 128 - (one ^ other).bit_length()
