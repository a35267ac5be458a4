"""A packet, what a node's rules made of it, and the hops between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from kubesim.proxy.addresses import Family, family_of, number_of

if TYPE_CHECKING:
    from kubesim.proxy.rules import Rule

Interface = Literal["pod", "node", "outside"]
Action = Literal["accept", "dnat", "reject", "drop"]


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection, as it comes to a node: from one of its Pods, from the node itself (and its
    Pods in the host's network), or over its network card. Protocols are `TCP`, `UDP`, `SCTP`.
    """

    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str = "TCP"
    interface: Interface = "pod"


class Hop(NamedTuple):
    """A rule that a packet met."""

    table: str
    chain: str
    rule: Rule

    @property
    def text(self) -> str:
        """The rule as iptables-save prints it."""
        return self.rule.text(self.chain)

    @property
    def comment(self) -> str:
        return self.rule.comment


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a packet: `accept` goes on as it is, `dnat` to another destination; `reject` is answered with
    ICMP port-unreachable (for TCP: connection refused), `drop` with nothing.

    `masquerade`: it leaves the node with the node's own address as its source.
    """

    action: Action
    destination: str
    destination_port: int
    masquerade: bool = False
    hops: tuple[Hop, ...] = ()


class Surroundings(Protocol):
    """What the matches of a rule ask of the node."""

    def is_local(self, address: int) -> bool:
        """Whether an address is the node's own: `-m addrtype --dst-type LOCAL`."""
        ...

    def draw(self) -> int:
        """31 random bits: `-m statistic --mode random`."""
        ...

    def seen(self, name: str, source: str, seconds: int) -> bool:
        """Whether a list has a source whose time is no longer ago than that: `-m recent --rcheck`."""
        ...

    def remember(self, name: str, source: str) -> None:
        """Put a source on a list: `-m recent --set`."""
        ...


@dataclass(slots=True)
class Passage:
    """A packet on its way through the tables."""

    source: str
    destination: str
    source_port: int
    port: int
    protocol: str
    """As rules have it: `tcp`."""
    surroundings: Surroundings
    mark: int = 0
    translated: bool = False
    source_number: int = field(init=False)
    destination_number: int = field(init=False)
    hops: list[Hop] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source_number = number_of(self.source)
        self.destination_number = number_of(self.destination)

    @property
    def family(self) -> Family:
        return family_of(self.destination)

    def translate(self, destination: str, port: int) -> None:
        """DNAT."""
        self.destination, self.port = destination, port
        self.destination_number = number_of(destination)
        self.translated = True
