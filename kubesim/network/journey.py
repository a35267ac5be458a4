"""One packet on its way. `kubesim.network.fabric` says by which model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kubesim.network.places import Origin, Server
from kubesim.network.policy import EGRESS, INGRESS, Direction, Party, decide
from kubesim.network.trip import (
    Arrived,
    Balanced,
    Forwarded,
    Lost,
    Moved,
    Outcome,
    Policies,
    Rules,
    Step,
    Trip,
)
from kubesim.network.world import NodePlace, PodPlace
from kubesim.proxy import Packet
from kubesim.proxy.passage import Interface
from kubesim.runtime.application import Listener, Peer, TransportProtocol
from kubesim.runtime.network_view import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kubesim.network.fabric import Fabric

MAX_NODES: Final = 4
"""A packet that goes round in circles is dropped after so many nodes, as its time to live would have it."""
ICMP: Final = "ICMP"
NO_WAY: Final = "nobody has this address"
NO_POD: Final = "no Pod has this address"


class Journey:
    """Carries one packet from its origin to where it ends."""

    __slots__ = (
        "_address", "_asked", "_dialled", "_entered", "_fabric", "_node", "_origin", "_own", "_port", "_protocol", "_source",
        "_source_port", "_steps", "_world",
    )  # fmt: skip

    def __init__(
        self,
        fabric: Fabric,
        origin: Origin,
        address: str,
        port: int,
        protocol: TransportProtocol,
        source: str,
        source_port: int,
    ) -> None:
        self._fabric, self._world = fabric, fabric.world
        self._origin = origin
        self._dialled = (address, port)
        self._address, self._port, self._protocol = address, port, protocol
        self._source, self._source_port = source, source_port
        self._steps: list[Step] = []
        self._own = origin.kind == "node"
        """Whether a process of the node where the packet is now has sent it."""
        self._asked = origin.kind != "pod"
        """Whether the sender's policies have been asked, or there are none to ask."""
        self._entered = False
        """Whether it has come in by way of a load balancer or a router already."""
        self._node: NodePlace

    def go(self) -> Trip:
        """Send it."""
        origin, address = self._origin, self._address
        here = is_loopback(address)
        if origin.kind == "pod" and (here or address in origin.addresses):
            self._source = self._source or address
            return self._arrive(origin.title, self._fabric.own_listeners(origin))
        if origin.kind == "outside":
            return self._from_outside()
        own = here or address in origin.addresses
        self._source = self._source or (address if own else origin.address(address))
        node = self._world.node(origin.node)
        if not self._source or node is None or (":" in self._source) != (":" in address):
            return self._lose("there is no way from here to such an address", "unreachable")
        return self._walk(node, "node" if self._own else "pod")

    def _from_outside(self) -> Trip:
        address = self._address
        server = self._fabric.server(address, self._port)
        if server is not None and not server.in_cluster:
            self._source = self._source or self._origin.address(address)
            return self._arrive(server.title, server.listeners)
        if is_loopback(address) or address in self._origin.addresses:
            return self._arrive(self._origin.title, ())
        self._source = self._source or self._origin.address(address)
        if not self._source:
            return self._lose("there is no way from here to such an address", "unreachable")
        node = self._world.node_at(address)
        if node is not None and address in node.addresses:
            return self._walk(node, "outside")
        return self._by_entry("addresses of Services and Pods mean nothing outside of the cluster")

    def _by_entry(self, otherwise: str) -> Trip:
        """By way of a load balancer, or of a router that knows an external address."""
        entry = None if self._entered else self._fabric.entry(self._address, self._port, self._protocol)
        if entry is None:
            return self._lose(otherwise)
        self._entered, self._own = True, False
        node = self._world.node(entry.node) if entry.node else None
        if node is None:
            return self._lose("the load balancer has no node to send it to")
        self._steps.append(Balanced(self._address, node.name))
        if entry.address:
            self._source, self._address, self._port = self._address, entry.address, entry.port
        return self._walk(node, "outside")

    def _walk(self, node: NodePlace, interface: Interface) -> Trip:
        """From node to node, until it is delivered."""
        for _ in range(MAX_NODES):
            verdict = self._fabric.translate(
                node.name,
                Packet(self._source, self._source_port, self._address, self._port, self._protocol, interface),
            )
            if verdict.action != "accept":
                self._steps.append(Rules(node.name, verdict, self._source))
                if verdict.action == "reject":
                    return self._end("refused")
                if verdict.action == "drop":
                    return self._end("timed out")
                self._address, self._port = verdict.destination, verdict.destination_port
            trip = self._deliver(node, masquerade=verdict.masquerade)
            if trip is not None:
                return trip
            node, interface, self._own = self._node, "outside", False
        return self._lose("it went round in circles")

    def _deliver(self, node: NodePlace, *, masquerade: bool) -> Trip | None:
        """To whoever has the destination; None where that is another node, which is `_node` then."""
        world, address = self._world, self._address
        if (
            address in node.addresses
            or address == node.gateway(address)
            or (self._own and is_loopback(address))
        ):
            return self._at_node(node)
        pod = world.pod_at(address)
        if pod is not None:
            return self._to_pod(node, pod, masquerade=masquerade)
        server = self._fabric.server(address, self._port)
        if server is not None:
            return self._to_server(node, server, masquerade=masquerade)
        if not self._may_leave(Party(address)):
            return self._end("timed out")
        other = world.node_at(address)
        if masquerade or self._is_pods(self._source):
            self._source = node.address(address) or self._source
        if other is not None and address in other.addresses:
            self._steps.append(Moved(node.name, other.title, self._source))
            self._node = other
            return None
        if world.in_pod_networks(address):
            return self._lose(NO_POD)
        return self._by_entry(NO_WAY)

    def _is_pods(self, address: str) -> bool:
        """Whether an address is that of the Pod that sends; what it sends to others than Pods is masqueraded."""
        return self._origin.kind == "pod" and address in self._origin.addresses

    # Delivery

    def _at_node(self, node: NodePlace) -> Trip:
        for pod in self._world.on_node(node.name):
            for forwarded in pod.host_ports:
                if (forwarded.protocol, forwarded.port) == (self._protocol, self._port) and (
                    forwarded.address in ("", "::" if ":" in self._address else "0.0.0.0", self._address)  # noqa: S104 - any address
                ):
                    self._steps.append(Forwarded(node.name, pod.title, forwarded.target))
                    hairpin = self._source in pod.addresses or is_loopback(self._source)
                    self._address, self._port = pod.address(self._address), forwarded.target
                    return self._to_pod(node, pod, masquerade=hairpin)
        return self._arrive(node.title, self._fabric.listeners_of_node(node, self._port))

    def _to_pod(self, node: NodePlace, pod: PodPlace, *, masquerade: bool) -> Trip:
        is_self = bool(self._origin.uid) and pod.uid == self._origin.uid
        local = pod.node == node.name
        if not is_self and not self._may_leave(pod.party.at(self._address)):
            return self._end("timed out")
        if not local:
            if masquerade:
                self._source = node.address(self._address)
            self._steps.append(Moved(node.name, pod.title, self._source))
        exempt = is_self or (local and self._own)
        if not exempt and not self._may_enter(pod.title, pod.party):
            return self._end("timed out")
        if local and (masquerade or (self._own and self._dialled[0] == self._address)):
            # Whatever the node sends to a Pod on its own link has the link's address.
            self._source = node.gateway(self._address) or self._source
        return self._arrive(pod.title, self._fabric.listeners_of_pod(pod))

    def _to_server(self, node: NodePlace, server: Server, *, masquerade: bool) -> Trip:
        if not self._may_leave(server.party):
            return self._end("timed out")
        if masquerade or (not server.in_cluster and self._is_pods(self._source)):
            self._source = node.address(self._address) or self._source
        self._steps.append(Moved(node.name, server.title, self._source))
        if server.in_cluster and not self._may_enter(server.title, server.party):
            return self._end("timed out")
        return self._arrive(server.title, server.listeners)

    def _arrive(self, place: str, listeners: Iterable[Listener]) -> Trip:
        address, port, protocol = self._address, self._port, self._protocol
        for listener in listeners:
            if listener.port == port and listener.protocol == protocol and listener.accepts(address):
                self._steps.append(Arrived(place, address, port, listener))
                return self._end(
                    "reached", listener, Peer(self._source or address, self._source_port, address, port)
                )
        self._steps.append(Arrived(place, address, port, None))
        return self._end("refused")

    # Policies

    def _sender(self) -> Party:
        origin = self._origin
        pod = self._world.pod(origin.namespace, origin.name)
        if pod is not None and pod.uid == origin.uid:
            return pod.party.at(self._source)
        return Party(self._source, origin.namespace, origin.name)

    def _may_leave(self, destination: Party) -> bool:
        """Ask the sender's policies, once, about where the packet goes after the first node's rules."""
        if self._asked:
            return True
        self._asked = True
        return not self._world.policies(self._origin.namespace) or self._ask(
            EGRESS, self._origin.title, self._sender(), destination
        )

    def _may_enter(self, title: str, pod: Party) -> bool:
        """Ask the receiver's policies about whoever the packet comes from by now."""
        if not self._world.policies(pod.namespace):
            return True
        source = self._source
        if self._is_pods(source):
            return self._ask(INGRESS, title, self._sender(), pod)
        found = self._world.pod_at(source)
        return self._ask(INGRESS, title, found.party.at(source) if found is not None else Party(source), pod)

    def _ask(self, direction: Direction, title: str, source: Party, destination: Party) -> bool:
        namespace = destination.namespace if direction == INGRESS else source.namespace
        protocol = self._protocol if self._port else ICMP
        policies = self._world.policies(namespace)
        decision = decide(policies, direction, source, destination, self._port, protocol)
        if decision.isolating:
            self._steps.append(Policies(title, decision))
        return decision.allowed

    # The end

    def _lose(self, why: str, outcome: Outcome = "timed out") -> Trip:
        self._steps.append(Lost(self._address, why))
        return self._end(outcome)

    def _end(self, outcome: Outcome, listener: Listener | None = None, peer: Peer | None = None) -> Trip:
        address, port = self._dialled
        return Trip(
            self._origin.title,
            address,
            port,
            self._protocol,
            outcome,
            tuple(self._steps),
            listener,
            peer,
        )

    def echo(self) -> bool:
        """Whether an ICMP echo request is answered: by Pods and nodes. Addresses of Services have rules for their ports
        alone.
        """
        origin, address = self._origin, self._address
        self._source = origin.address(address)
        server, other = self._fabric.server(address), self._world.node_at(address)
        if origin.kind == "outside":
            return (server is not None and not server.in_cluster) or (
                other is not None and address in other.addresses
            )
        pod = self._world.pod_at(address)
        if pod is not None:
            if pod.uid == origin.uid or not self._may_leave(pod.party.at(address)):
                return pod.uid == origin.uid
            return (self._own and pod.node == origin.node) or self._may_enter(pod.title, pod.party)
        if other is not None and other.name == origin.node:
            return True
        party = server.party if server is not None else Party(address)
        reachable = server is not None or other is not None or address in self._fabric.outside
        return self._may_leave(party) and reachable
