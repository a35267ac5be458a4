"""The way of one packet between Pods, nodes and the outside.

The network is that of kind (kindnet): a Pod is tied to its node by a pair of interfaces (the CNI plugin ptp), nodes route
the ranges of each other's Pods, and what a Pod sends to anything but a Pod leaves its node with the node's address
(ip-masq). A packet fares as with Linux:

* At the node of its sender, and at each node that it comes to, kube-proxy's rules may give it another destination
  (PREROUTING, OUTPUT), then its way is chosen, then policies are asked (FORWARD), then its source may be masqueraded
  (POSTROUTING): so policies see the Pods' addresses behind a Service, and the client's own address on the node where the
  Service was resolved.
* Masqueraded to a Pod of the same node it comes from the node's address on the Pods' side, the first of the range.
* A Pod cannot be kept from itself, nor from its own node.
* An address that no Pod has (any more) and that no rule knows goes to the default gateway and is never answered: with
  ptp there is nobody on the link who would say "no route to host".
* From outside there is a way to the nodes, and to the load balancers and external addresses in front of them. Addresses
  of Services and Pods mean nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from kubesim.network.journey import Journey
from kubesim.network.places import Entry, Origin, Server
from kubesim.network.trip import Trip
from kubesim.network.world import NodePlace, PodPlace, World
from kubesim.runtime.application import Listener, TransportProtocol
from kubesim.runtime.network_view import is_loopback

if TYPE_CHECKING:
    from kubesim.proxy import Packet, Verdict
    from kubesim.runtime.container import ContainerRuntime

FIRST_PORT, LAST_PORT = 32_768, 60_999  # net.ipv4.ip_local_port_range
OUTSIDE: Final = ("172.18.0.1",)
"""The computer outside, on the network of the nodes, as the one that runs kind is."""


class Translator(Protocol):
    """kube-proxy of one node."""

    def translate(self, packet: Packet) -> Verdict: ...


class Fabric:
    """The network of a cluster. Its methods hold the runtime's lock, as all do who touch what listens.

    `proxies` gives the kube-proxy of a node, `servers` who answers at fixed addresses (port 0: on any
    port that has no entry of its own), `entries` where an external address
    leads (None: it is none), `node_listeners` what the processes of a node listen on, those on a
    certain port among them.
    """

    def __init__(
        self,
        world: World,
        runtime: ContainerRuntime,
        *,
        proxies: Callable[[str], Translator],
        servers: Mapping[tuple[str, int], Server],
        entries: Callable[[str, int, str], Entry | None],
        node_listeners: Callable[[NodePlace, int], Sequence[Listener]],
        outside: tuple[str, ...] = OUTSIDE,
    ) -> None:
        self.world = world
        self.runtime = runtime
        self.proxies = proxies
        self.servers = servers
        self.entry = entries
        self.outside = outside
        self._node_listeners = node_listeners
        self._port = FIRST_PORT

    def send(
        self,
        origin: Origin,
        address: str,
        port: int,
        protocol: TransportProtocol = "TCP",
        *,
        source: str = "",
        source_port: int = 0,
    ) -> Trip:
        """Send the first packet of a connection, or a datagram, and say what became of it."""
        with self.runtime.lock:
            self.world.refresh()
            return Journey(
                self, origin, address, port, protocol, source, source_port or self.next_port()
            ).go()

    def next_port(self) -> int:
        """The port that a client gets."""
        self._port = self._port + 1 if self._port < LAST_PORT else FIRST_PORT
        return self._port

    def ping(self, origin: Origin, address: str) -> bool:
        """Whether an echo request is answered."""
        with self.runtime.lock:
            self.world.refresh()
            if address in origin.addresses or is_loopback(address):
                return True
            return Journey(self, origin, address, 0, "TCP", "", 0).echo()

    def translate(self, node: str, packet: Packet) -> Verdict:
        return self.proxies(node).translate(packet)

    def server(self, address: str, port: int = 0) -> Server | None:
        """Who answers at a fixed address: on a certain port, or on all the others."""
        return self.servers.get((address, port)) or self.servers.get((address, 0))

    # What listens where

    def own_listeners(self, origin: Origin) -> list[Listener]:
        """What listens on the addresses of a place."""
        with self.runtime.lock:
            if origin.kind == "outside":
                return []
            ids: dict[str, None] = {}
            if origin.kind == "pod":
                pod = self.world.pod(origin.namespace, origin.name)
                ids = dict.fromkeys(pod.containers if pod is not None and pod.uid == origin.uid else ())
            # Those that have only just been started are in no status yet.
            ids |= dict.fromkeys(self.runtime.containers_of(origin.uid) if origin.uid else ())
            ids |= dict.fromkeys((origin.container,) if origin.container else ())
            if origin.kind == "node" and (node := self.world.node(origin.node)) is not None:
                ids |= dict.fromkeys(i for p in self._host_network(node) for i in p.containers)
                return [*self._node_listeners(node, 0), *self._listeners(ids)]
            return self._listeners(ids)

    def listeners_of_pod(self, pod: PodPlace) -> list[Listener]:
        """What the containers of a Pod listen on."""
        return self._listeners(pod.containers)

    def listeners_of_node(self, node: NodePlace, port: int) -> list[Listener]:
        """What may listen on a port of a node's own addresses: its processes, and Pods with `hostNetwork`."""
        ids = [i for p in self._host_network(node) for i in p.containers]
        return [*self._node_listeners(node, port), *self._listeners(ids)]

    def _host_network(self, node: NodePlace) -> list[PodPlace]:
        return [p for p in self.world.on_node(node.name) if p.host_network]

    def _listeners(self, ids: Iterable[str]) -> list[Listener]:
        return [listener for i in ids for listener in self.runtime.listeners(i)]
