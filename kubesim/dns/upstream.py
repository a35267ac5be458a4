"""The world beyond the cluster, as far as its DNS asks it.

A simulation has none. `Hosts` is a world that holds a few names and no others, so a name that does not exist is said not
to exist, as a real cluster with a way out says of every misspelt one. `unreachable` is a cluster without a way out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from kubesim.dns.names import fully_qualified, parse_address, reversed_address
from kubesim.util.dnsmessage import DNSMessage, Record

TTL: Final = 30
"""CoreDNS keeps what it was told for no longer: `cache 30`."""
_ROOT: Final = Record(
    ".", "SOA", "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400", TTL
)


class Upstream(Protocol):
    """Resolves names outside the cluster."""

    def __call__(self, name: str, qtype: str) -> DNSMessage:
        """The answer about a name with its final dot."""
        ...


class Hosts:
    """Names and their addresses, as in /etc/hosts."""

    def __init__(self, hosts: Mapping[str, Sequence[str]] | None = None) -> None:
        self._hosts = {fully_qualified(n).lower(): tuple(found) for n, found in (hosts or {}).items()}

    def __call__(self, name: str, qtype: str) -> DNSMessage:
        asked = name.lower()
        if asked in self._hosts:
            return _answer(
                [
                    Record(name, qtype, address, TTL)
                    for address in self._hosts[asked]
                    if qtype == ("AAAA" if ":" in address else "A")
                ]
            )
        address = reversed_address(asked) if qtype == "PTR" else ""
        pointed = [n for n, found in self._hosts.items() if address and address in map(_canonical, found)]
        if pointed:
            return _answer([Record(name, "PTR", target, TTL) for target in pointed])
        return DNSMessage("NXDOMAIN", (), (_ROOT,), authoritative=False, recursion_available=True)


def unreachable(name: str, qtype: str) -> DNSMessage:
    """Nobody answers: SERVFAIL, as CoreDNS says after its last attempt."""
    del name, qtype
    return DNSMessage("SERVFAIL", authoritative=False, recursion_available=True)


def _answer(records: list[Record]) -> DNSMessage:
    authority = () if records else (_ROOT,)
    return DNSMessage(
        answers=tuple(records), authority=authority, authoritative=False, recursion_available=True
    )


def _canonical(address: str) -> str:
    return str(parse_address(address) or address)
