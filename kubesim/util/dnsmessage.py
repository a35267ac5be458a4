"""What a DNS server says to one question, as values: the resolvers of simulated machines and the server share them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; names are fully qualified with the dot at the end, `data` is in zone file form."""

    name: str
    type: str
    data: str
    ttl: int = 30


@dataclass(frozen=True, slots=True)
class DNSMessage:
    """A DNS server's answer to one question."""

    rcode: str = "NOERROR"
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    server: str = ""
    """Who answered, as `10.96.0.10`."""
    authoritative: bool = True
    recursion_available: bool = False
