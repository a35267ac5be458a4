"""The network as a Pod, a node and the outside see it: the `NetworkView`s on a fabric."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.meta import key_of, name_of, namespace_of, uid_of
from kubesim.apis.podfacts import pod_ips, spec_of, status_of
from kubesim.network.places import Origin
from kubesim.network.resolving import PORT
from kubesim.runtime.application import Listener, NameServer, TransportProtocol
from kubesim.runtime.network_view import (
    LOOPBACK,
    Connection,
    Interface,
    Refused,
    Route,
    TimedOut,
    Unreachable,
    is_loopback,
)
from kubesim.util.dnsmessage import DNSMessage
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.network.fabric import Fabric
    from kubesim.network.trip import Trip
    from kubesim.network.world import NodePlace, PodPlace
    from kubesim.runtime.spec import ContainerSpec

HOST_NETWORKS: Final = ("172.18.0.0/16", "fc00:f853:ccd:e793::/64")
"""The network that joins the nodes, in both families; the first address is that of the computer outside."""
LINK_LOCAL: Final = "fe80::/64"
_LOCAL_TRIP, _TRIP = 0.045, 0.084  # milliseconds


class FabricView(ABC):
    """What all places have in common: packets are sent by the fabric."""

    def __init__(self, fabric: Fabric, origin: Origin) -> None:
        self._fabric = fabric
        self.origin = origin

    @abstractmethod
    def interfaces(self) -> tuple[Interface, ...]: ...

    @abstractmethod
    def routes(self) -> tuple[Route, ...]: ...

    def listeners(self) -> Iterable[Listener]:
        return self._fabric.own_listeners(self.origin)

    def send(
        self,
        address: str,
        port: int,
        protocol: TransportProtocol = "TCP",
        *,
        source: str = "",
        source_port: int = 0,
    ) -> Trip:
        """Send a packet from here, and say what became of it."""
        return self._fabric.send(self.origin, address, port, protocol, source=source, source_port=source_port)

    def connect(
        self, address: str, port: int, protocol: TransportProtocol = "TCP", *, source: str = ""
    ) -> Connection:
        trip = self.send(address, port, protocol, source=source)
        if trip.listener is not None and trip.peer is not None:
            return Connection(trip.listener.application, trip.peer, address, port)
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if trip.outcome == "refused":
            raise Refused(where)
        if trip.outcome == "unreachable":
            raise Unreachable(where)
        raise TimedOut(where)

    def query(self, name: str, qtype: str, server: str) -> DNSMessage:
        connection = self.connect(server, PORT, "UDP")
        application = connection.application
        if isinstance(application, NameServer):
            return application.resolve(name, qtype, connection.peer.address, server)
        raise TimedOut(
            f"{server}:{PORT}: {name} {qtype}"
        )  # what listens there does not understand the question

    def ping(self, address: str) -> float | None:
        if is_loopback(address) or address in self.origin.addresses:
            return _LOCAL_TRIP
        if not self.origin.address(address):
            raise Unreachable(address)
        return _TRIP if self._fabric.ping(self.origin, address) else None


class PodView(FabricView):
    """A Pod's network: one interface, tied to its node."""

    def interfaces(self) -> tuple[Interface, ...]:
        addresses = self.origin.addresses
        if not addresses:
            return (LOOPBACK,)
        mac = mac_of(addresses[0])
        own = _with_link_local([_with_length(a) for a in addresses], mac)
        return (LOOPBACK, Interface("eth0", own, mac, peer_index=peer_of(addresses[0])))

    def routes(self) -> tuple[Route, ...]:
        """As the CNI plugin ptp makes them: everything goes to the node, the Pod's own range too. Linux lists those of IPv6
        the most special first, and without their sources.
        """
        found: list[Route] = []
        for own in filter(None, (self.origin.address(""), self.origin.address(":"))):
            network = ip_interface(_with_length(own)).network
            gateway, source = str(network[1]), "" if network.version == 6 else own
            routes = [
                Route("default", "eth0", gateway=gateway),
                Route(str(network), "eth0", gateway=gateway, source=source),
                Route(gateway, "eth0", source=source, scope="" if network.version == 6 else "link"),
            ]
            if network.version == 6:
                routes = [*routes[:0:-1], Route(LINK_LOCAL, "eth0", protocol="kernel"), routes[0]]
            found += routes
        return tuple(found)


class NodeView(FabricView):
    """A node's network: its own card, and an interface for each Pod."""

    def _pods(self) -> list[PodPlace]:
        return self._fabric.world.with_addresses_on(self.origin.node)

    def interfaces(self) -> tuple[Interface, ...]:
        node = self._node()
        own = self.origin.addresses
        found = [LOOPBACK]
        if own:
            lengths = [f"{a}/{'64' if ':' in a else '16'}" for a in own]
            mac = "02:42:" + ":".join(f"{b:02x}" for b in ip_address(own[0]).packed[-4:])
            found.append(Interface("eth0", _with_link_local(lengths, mac), mac, peer_index=7))
        if node is not None:
            for pod in self._pods():
                gateways = dict.fromkeys(node.gateway(a) for a in pod.addresses)
                addresses = tuple(f"{g}/{'128' if ':' in g else '32'}" for g in gateways if g)
                found.append(Interface(veth_of(pod), addresses, mac_of(pod.uid), peer_index=2))
        return tuple(found)

    def routes(self) -> tuple[Route, ...]:
        node = self._node()
        if node is None:
            return ()
        found: list[Route] = []
        pods = self._pods()
        for network in map(ip_network, HOST_NETWORKS):
            like = ":" if network.version == 6 else ""
            own = self.origin.address(like)
            if not own:
                continue
            routes = [
                Route(a, veth_of(pod), scope="" if like else "host")
                for pod in pods
                for a in pod.addresses
                if (":" in a) == bool(like)
            ]
            routes += [
                Route(str(n), "eth0", gateway=other.address(like))
                for other in self._fabric.world.nodes
                if other.name != node.name and other.address(like)
                for n in other.pod_networks
                if n.version == network.version
            ]
            default = Route("default", "eth0", gateway=str(network[1]))
            if like:
                local = [Route(str(n), "eth0", protocol="kernel") for n in (network, LINK_LOCAL)]
                found += [*sorted([*routes, *local], key=_by_network), default]
            else:
                local = [Route(str(network), "eth0", source=own, scope="link", protocol="kernel")]
                found += [default, *sorted(routes, key=_by_network), *local]
        return tuple(found)

    def _node(self) -> NodePlace | None:
        with self._fabric.runtime.lock:
            self._fabric.world.refresh()
            return self._fabric.world.node(self.origin.node)


class OutsideView(FabricView):
    """The computer outside, on the network of the nodes."""

    def interfaces(self) -> tuple[Interface, ...]:
        mac = "02:42:ac:12:00:01"
        own = [f"{a}/{'64' if ':' in a else '16'}" for a in self.origin.addresses]
        return (LOOPBACK, Interface("eth0", _with_link_local(own, mac), mac))

    def routes(self) -> tuple[Route, ...]:
        four, six = HOST_NETWORKS
        found = []
        if own := self.origin.address(""):
            found.append(Route(four, "eth0", source=own, scope="link", protocol="kernel"))
        if self.origin.address(":"):
            found += [Route(network, "eth0", protocol="kernel") for network in (six, LINK_LOCAL)]
        return tuple(found)


def view_of_pod(fabric: Fabric, spec: ContainerSpec) -> FabricView:
    """The network of a container: that of its Pod, or of its node with `hostNetwork`."""
    title = f"pod {spec.pod_namespace}/{spec.pod_name}"
    origin = Origin(
        kind="node" if spec.host_network else "pod",
        title=title,
        addresses=spec.host_ips if spec.host_network else spec.pod_ips,
        node=spec.node_name,
        namespace=spec.pod_namespace,
        name=spec.pod_name,
        uid=spec.pod_uid,
        container=spec.id,
    )
    return (NodeView if spec.host_network else PodView)(fabric, origin)


def view_beside(fabric: Fabric, pod: JSONObject) -> FabricView:
    """The network of a Pod, for one that is in none of its containers."""
    spec, status = spec_of(pod), status_of(pod)
    host = [entry["ip"] for entry in status.get("hostIPs") or ()]
    is_host = bool(spec.get("hostNetwork"))
    addresses = host if is_host else pod_ips(pod)
    origin = Origin(
        kind="node" if is_host else "pod",
        title=f"pod {key_of(pod)}",
        addresses=tuple(addresses),
        node=spec.get("nodeName") or "",
        namespace=namespace_of(pod),
        name=name_of(pod),
        uid=uid_of(pod),
    )
    return (NodeView if is_host else PodView)(fabric, origin)


def view_of_node(fabric: Fabric, name: str) -> FabricView | None:
    """The network of a node; None where there is no such node."""
    with fabric.runtime.lock:
        fabric.world.refresh()
        node = fabric.world.node(name)
    if node is None:
        return None
    return NodeView(fabric, Origin(kind="node", title=node.title, addresses=node.addresses, node=name))


def view_of_outside(fabric: Fabric) -> FabricView:
    """The network from outside of the cluster."""
    return OutsideView(fabric, Origin(kind="outside", title="outside", addresses=fabric.outside))


def _with_length(address: str) -> str:
    return address if "/" in address else address + ("/64" if ":" in address else "/24")


def _with_link_local(addresses: list[str], mac: str) -> tuple[str, ...]:
    """An interface's addresses: where IPv6 is, it has one for the link alone, made of its hardware address (EUI-64)."""
    if not any(":" in a for a in addresses):
        return tuple(addresses)
    parts = [int(part, 16) for part in mac.split(":")]
    number = bytes([parts[0] ^ 2, *parts[1:3], 0xFF, 0xFE, *parts[3:]])
    return (*addresses, f"{ip_address(bytes([0xFE, 0x80, *bytes(6), *number]))}/64")


def _by_network(route: Route) -> int:
    return int(ip_network(route.destination).network_address)


def mac_of(seed: str) -> str:
    """The address of a virtual interface, which the kernel draws at random: the same each time for the same thing."""
    data = hashlib.sha256(seed.encode()).digest()
    return ":".join(f"{b:02x}" for b in (data[0] & 0xFC | 0x02, *data[1:6]))


def peer_of(address: str) -> int:
    """The number of the interface at the node's end of a Pod's."""
    return 2 + ip_address(address).packed[-1]


def veth_of(pod: PodPlace) -> str:
    """The name of the interface at the node's end: as the CNI plugins make them."""
    return "veth" + hashlib.sha256(pod.uid.encode()).hexdigest()[:8]
