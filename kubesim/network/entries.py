"""Which node a connection from outside comes to that is made to the address of a load balancer or an external address.

What stands in front of the cluster is no part of it. It is taken to do what the documentation asks of it: a load balancer
sends to the nodes that answer its health checks (with `externalTrafficPolicy: Local` those with an endpoint of their
own), and external addresses are routed to any node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.podfacts import spec_of
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.resources import ENDPOINT_SLICES, SERVICES
from kubesim.network.places import Entry
from kubesim.network.world import NodePlace, World
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject, dig

SERVICE_NAME: Final = "kubernetes.io/service-name"


class Entries:
    """Looks external addresses up. What a chosen node is, is drawn from `identities`."""

    def __init__(self, client: Client, world: World, identities: Identities) -> None:
        self._client = client
        self._world = world
        self._identities = identities
        self._generation = -1
        self._known: dict[tuple[str, int, str], list[tuple[NodePlace, int]] | None] = {}

    def __call__(self, address: str, port: int, protocol: str) -> Entry | None:
        """Where it leads; an entry without a node where there is none to choose, None where nobody routes it."""
        if self._generation != self._world.generation:
            self._generation, self._known = self._world.generation, {}
        key = address, port, protocol
        if key not in self._known:
            self._known[key] = self._find(*key)
        found = self._known[key]
        if found is None:
            return None
        if not found:
            return Entry("")
        node, node_port = found[self._identities.below(len(found))] if len(found) > 1 else found[0]
        if node_port:
            return Entry(node.name, node.address(address) or node.address(), node_port)
        return Entry(node.name)

    def _find(self, address: str, port: int, protocol: str) -> list[tuple[NodePlace, int]] | None:
        """The nodes that may be chosen, each with the node port to which the load balancer itself connects, or 0."""
        for service in items(self._client.list(SERVICES, index=("address", [address]))):
            spec = spec_of(service)
            served = next(
                (
                    p
                    for p in spec.get("ports") or ()
                    if p.get("port") == port and (p.get("protocol") or "TCP") == protocol
                ),
                None,
            )
            if served is None or address in (spec.get("clusterIPs") or ()):
                continue
            if address in (spec.get("externalIPs") or ()):
                return [(node, 0) for node in self._ready()]
            points = dig(service, "status", "loadBalancer", "ingress", default=[])
            proxied = any(p.get("ip") == address and p.get("ipMode") == "Proxy" for p in points)
            node_port = int(served.get("nodePort") or 0) if proxied else 0
            if proxied and not node_port:
                return []
            nodes = self._ready()
            if spec.get("externalTrafficPolicy") == "Local":
                near = self._nodes_of(service)
                nodes = [n for n in nodes if n.name in near]
            return [(n, node_port) for n in nodes]
        return None

    def _ready(self) -> Sequence[NodePlace]:
        return [n for n in self._world.nodes if n.ready]

    def _nodes_of(self, service: JSONObject) -> set[str]:
        """The nodes with an endpoint that takes traffic: what kube-proxy's health check says."""
        slices = items(
            self._client.list(
                ENDPOINT_SLICES,
                namespace_of(service),
                label_selector=f"{SERVICE_NAME}={name_of(service)}",
            )
        )
        return {
            e["nodeName"]
            for s in slices
            if s.get("ports")  # Pods that do not have the port by its name stand in a slice without any
            for e in s.get("endpoints") or ()
            if e.get("nodeName") and dig(e, "conditions", "ready") is not False
        }
