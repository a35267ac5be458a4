"""What became of one packet: every step of its way, as values that diagnosis and `trace` read later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kubesim.runtime.application import Listener, Peer, TransportProtocol

if TYPE_CHECKING:
    from kubesim.network.policy import Decision
    from kubesim.proxy import Verdict

Outcome = Literal["reached", "refused", "timed out", "unreachable"]


@dataclass(frozen=True, slots=True)
class Rules:
    """kube-proxy's rules of a node had their say."""

    node: str
    verdict: Verdict
    source: str = ""
    """Where the packet seemed to come from."""

    @property
    def text(self) -> str:
        found = self.verdict
        if found.action == "dnat":
            return f"node {self.node}: kube-proxy leads it to {found.destination}:{found.destination_port}"
        words = {"reject": "rejects it", "drop": "drops it", "accept": "has no rule for it"}
        return f"node {self.node}: kube-proxy {words[found.action]}"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A port of a node that belongs to a container (`hostPort`): the CNI plugin portmap leads to the Pod."""

    node: str
    pod: str
    port: int

    @property
    def text(self) -> str:
        return f"node {self.node}: hostPort of {self.pod}, port {self.port}"


@dataclass(frozen=True, slots=True)
class Balanced:
    """A load balancer, or whoever routes external addresses into the cluster, chose a node."""

    address: str
    node: str

    @property
    def text(self) -> str:
        return f"{self.address} is routed to node {self.node}"


@dataclass(frozen=True, slots=True)
class Moved:
    """It went from one node to another; `source` is what it looks like from then on."""

    node: str
    to: str
    source: str

    @property
    def text(self) -> str:
        return f"from node {self.node} to {self.to}, as {self.source}"


@dataclass(frozen=True, slots=True)
class Policies:
    """The NetworkPolicies that isolate a Pod had their say."""

    pod: str
    decision: Decision

    @property
    def text(self) -> str:
        found = self.decision
        if found.allowed:
            return f"{self.pod}: NetworkPolicy {found.policy} allows it ({found.field})"
        return f"{self.pod}: isolated for {found.direction} by {', '.join(found.isolating)}, and no rule allows it"


@dataclass(frozen=True, slots=True)
class Arrived:
    """It came to an address where somebody may listen."""

    place: str
    address: str
    port: int
    listener: Listener | None

    @property
    def text(self) -> str:
        if self.listener is None:
            return f"{self.place}: nothing listens on port {self.port}"
        return f"{self.place}: {self.listener.process or 'a process'} listens on port {self.port}"


@dataclass(frozen=True, slots=True)
class Lost:
    """It went where nobody answers."""

    address: str
    why: str

    @property
    def text(self) -> str:
        return f"{self.address}: {self.why}"


Step = Rules | Forwarded | Balanced | Moved | Policies | Arrived | Lost


@dataclass(frozen=True, slots=True)
class Trip:
    """One packet, from its sender to where it ended. Where it was `reached`, `listener` and `peer` are set."""

    origin: str
    address: str
    port: int
    protocol: TransportProtocol
    outcome: Outcome
    steps: tuple[Step, ...]
    listener: Listener | None = None
    peer: Peer | None = None
