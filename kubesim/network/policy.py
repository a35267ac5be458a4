"""NetworkPolicies: whether a connection is allowed, and by which rule of which policy.

Pure: policies and parties in, a decision out. The rules are those of the NetworkPolicy API (networking.k8s.io/v1):

* A Pod is isolated in a direction as soon as one policy of its namespace selects it for that direction. An isolated Pod
  takes part in what any rule of these policies allows, and in nothing else; the order of policies does not matter.
* A rule without peers allows every peer, one without ports every port; inside a peer namespaceSelector and podSelector
  hold together.
* Selectors find Pods that have addresses of their own: a Pod with `hostNetwork` is its node, and `ipBlock` alone finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal

from kubesim.apimachinery.labels import NOTHING, Selector, SelectorError, selector_from_label_selector
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.util.jsontypes import JSONObject

Direction = Literal["Ingress", "Egress"]
INGRESS: Final = "Ingress"
EGRESS: Final = "Egress"
_RULES: Final[Mapping[Direction, tuple[str, str]]] = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection. Without a namespace it is no Pod: a node, or somebody outside."""

    address: str
    namespace: str = ""
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: Mapping[tuple[str, str], frozenset[int]] = field(default_factory=dict)
    """The numbers of its containers' ports by protocol and name."""

    @property
    def is_pod(self) -> bool:
        return bool(self.namespace)

    def at(self, address: str) -> Party:
        """The same one, seen at another of its addresses."""
        return self if address == self.address else replace(self, address=address)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies of one direction say. `policy` and `rule` are those that allowed; `isolating` are the policies
    that select the Pod.
    """

    allowed: bool
    direction: Direction
    isolating: tuple[str, ...] = ()
    policy: str = ""
    rule: int | None = None

    @property
    def field(self) -> str:
        """The rule that allowed, as a path: `spec.ingress[0]`; empty where nothing had to."""
        return f"spec.{_RULES[self.direction][0]}[{self.rule}]" if self.rule is not None else ""


@dataclass(frozen=True, slots=True)
class _Block:
    network: IPv4Network | IPv6Network
    without: tuple[IPv4Network | IPv6Network, ...]

    def holds(self, address: str) -> bool:
        found = ip_address(address)
        if found.version != self.network.version or found not in self.network:
            return False
        return not any(found in part for part in self.without)


@dataclass(frozen=True, slots=True)
class _Peer:
    block: _Block | None
    pods: Selector | None
    namespaces: Selector | None
    """None: the policy's own namespace."""

    def matches(self, party: Party, namespace: str) -> bool:
        if self.block is not None:
            return self.block.holds(party.address)
        if not party.is_pod:
            return False
        if self.pods is not None and not self.pods.matches(party.labels):
            return False
        if self.namespaces is None:
            return party.namespace == namespace
        return self.namespaces.matches(party.namespace_labels)


@dataclass(frozen=True, slots=True)
class _Port:
    protocol: str
    first: int | None
    last: int
    name: str

    def matches(self, destination: Party, port: int, protocol: str) -> bool:
        if protocol != self.protocol:
            return False
        if self.name:
            return port in destination.named_ports.get((protocol, self.name), ())
        return self.first is None or self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class _Rule:
    peers: tuple[_Peer, ...]
    ports: tuple[_Port, ...]

    def matches(self, peer: Party, destination: Party, port: int, protocol: str, namespace: str) -> bool:
        if self.ports and not any(p.matches(destination, port, protocol) for p in self.ports):
            return False
        return not self.peers or any(p.matches(peer, namespace) for p in self.peers)


@dataclass(frozen=True, slots=True)
class Policy:
    """A NetworkPolicy, ready to be asked."""

    namespace: str
    name: str
    selector: Selector
    rules: Mapping[Direction, tuple[_Rule, ...]]
    """By direction; a direction that is not there is not the policy's business."""

    def selects(self, pod: Party, direction: Direction) -> bool:
        return (
            direction in self.rules and pod.namespace == self.namespace and self.selector.matches(pod.labels)
        )


def compile_policy(obj: JSONObject) -> Policy:
    """Read a NetworkPolicy."""
    spec = obj.get("spec") or {}
    kinds = spec.get("policyTypes") or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS])
    rules: dict[Direction, tuple[_Rule, ...]] = {}
    for direction, (name, peers) in _RULES.items():
        if direction in kinds:
            rules[direction] = tuple(_rule(r, peers) for r in spec.get(name) or ())
    return Policy(namespace_of(obj), name_of(obj), _selector(spec.get("podSelector") or {}), rules)


def _rule(rule: JSONObject, peers: str) -> _Rule:
    return _Rule(
        tuple(_peer(p) for p in rule.get(peers) or ()), tuple(_port(p) for p in rule.get("ports") or ())
    )


def _peer(peer: JSONObject) -> _Peer:
    block = peer.get("ipBlock")
    if block:
        without = tuple(ip_network(text, strict=False) for text in block.get("except") or ())
        return _Peer(_Block(ip_network(block["cidr"], strict=False), without), None, None)
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    return _Peer(
        None,
        _selector(pods) if pods is not None else None,
        _selector(namespaces) if namespaces is not None else None,
    )


def _port(port: JSONObject) -> _Port:
    protocol, number = port.get("protocol") or "TCP", port.get("port")
    if isinstance(number, str):
        return _Port(protocol, None, 0, number)
    return _Port(protocol, number, port.get("endPort") or number or 0, "")


def _selector(selector: JSONObject) -> Selector:
    try:
        return selector_from_label_selector(selector)
    except SelectorError:  # validation lets none in; what nobody can read selects nothing
        return NOTHING


def decide(
    policies: Iterable[Policy],
    direction: Direction,
    source: Party,
    destination: Party,
    port: int,
    protocol: str,
) -> Decision:
    """Whether a connection may leave its source (Egress) or reach its destination (Ingress).

    For a protocol without ports (ICMP) rules that name ports allow nothing.
    """
    pod, peer = (destination, source) if direction == INGRESS else (source, destination)
    isolating = [p for p in policies if p.selects(pod, direction)] if pod.is_pod else []
    if not isolating:
        return Decision(allowed=True, direction=direction)
    names = tuple(f"{p.namespace}/{p.name}" for p in isolating)
    for policy in isolating:
        for number, rule in enumerate(policy.rules[direction]):
            if rule.matches(peer, destination, port, protocol, policy.namespace):
                title = f"{policy.namespace}/{policy.name}"
                return Decision(allowed=True, direction=direction, isolating=names, policy=title, rule=number)
    return Decision(allowed=False, direction=direction, isolating=names)
