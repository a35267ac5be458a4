"""What the nodes have to bear: the Pods on each, what they ask for and which host ports they hold.

The real scheduler has it in a cache that it fills when it starts. Here it is kept in the state store and
follows the log: each change of a Pod adds what the Pod weighs after it and takes away what it weighed
before. The revision up to which that was done is kept with it, so that a change that is seen twice counts
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kubesim.apimachinery.meta import key_of
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import is_terminal, spec_of
from kubesim.apis.podrequests import pod_resources
from kubesim.util.jsontypes import JSONObject, decode, encode
from kubesim.util.state import StateStore

_NOTE: Final = "scheduler/usage"
HostPort = tuple[str, str, int]
"""Address, protocol and port."""


@dataclass(slots=True)
class NodeUsage:
    """What one node bears. `requested` is in thousandths for `cpu` and in whole units for everything else."""

    pods: int = 0
    requested: dict[str, int] = field(default_factory=dict)
    ports: dict[HostPort, int] = field(default_factory=dict)

    def add(self, pod: JSONObject, sign: int = 1) -> None:
        """Add what a Pod weighs, or take it away."""
        self.pods += sign
        for name, amount in weight(pod).items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        for port in host_ports(pod):
            count = self.ports.get(port, 0) + sign
            if count > 0:
                self.ports[port] = count
            else:
                self.ports.pop(port, None)


def weight(pod: JSONObject) -> dict[str, int]:
    """What a Pod asks for: thousandths of a CPU, whole units of everything else."""
    amounts = pod_resources(spec_of(pod), "requests")
    return {n: a.milli_value() if n == "cpu" else a.value() for n, a in amounts.items()}


def host_ports(pod: JSONObject) -> list[HostPort]:
    spec = spec_of(pod)
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])  # noqa: S104 - a wildcard
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def has_required_anti_affinity(pod: JSONObject) -> bool:
    terms = ((spec_of(pod).get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return bool(terms)


class UsageLedger:
    """The usage of every node, as of the last change of a Pod that was seen."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._revision = 0
        self.nodes: dict[str, NodeUsage] = {}
        self.repelling: set[str] = set()
        """Pods that keep others away from their node: those with a required anti-affinity."""

    def load(self) -> None:
        """Take what is kept; another process may have worked meanwhile."""
        stored = self._state.get(_NOTE)
        found: dict[str, Any] = decode(stored) if stored else {"revision": 0, "nodes": {}, "repelling": []}
        self._revision = found["revision"]
        self.repelling = set(found["repelling"])
        self.nodes = {
            name: NodeUsage(pods, requested, {(a, p, n): c for a, p, n, c in ports})
            for name, (pods, requested, ports) in found["nodes"].items()
        }

    def follow(self, events: Sequence[WatchEvent]) -> None:
        """Work in what has happened to Pods."""
        changed = False
        for event in events:
            if event.object.get("kind") != "Pod":
                continue
            revision = int(event.object["metadata"]["resourceVersion"])
            if revision <= self._revision:
                continue
            self._revision, changed = revision, True
            before = event.object if event.type == "DELETED" else event.old
            if before is not None and _weighs(before):
                self._of(before).add(before, -1)
                self.repelling.discard(key_of(before))
            if event.type != "DELETED" and _weighs(event.object):
                self._of(event.object).add(event.object)
                if has_required_anti_affinity(event.object):
                    self.repelling.add(key_of(event.object))
        if changed:
            self._save()

    def assume(self, pod: JSONObject, node: str) -> None:
        """Count a Pod that was just bound, until its change comes along in the log."""
        self.nodes.setdefault(node, NodeUsage()).add(pod)
        if has_required_anti_affinity(pod):
            self.repelling.add(key_of(pod))

    def _of(self, pod: JSONObject) -> NodeUsage:
        return self.nodes.setdefault(spec_of(pod)["nodeName"], NodeUsage())

    def _save(self) -> None:
        nodes = {
            name: [u.pods, {n: a for n, a in u.requested.items() if a}, [[*p, c] for p, c in u.ports.items()]]
            for name, u in self.nodes.items()
            if u.pods
        }
        value = {"revision": self._revision, "nodes": nodes, "repelling": sorted(self.repelling)}
        self._state.set(_NOTE, encode(value))


def _weighs(pod: JSONObject) -> bool:
    return bool(spec_of(pod).get("nodeName")) and not is_terminal(pod)
