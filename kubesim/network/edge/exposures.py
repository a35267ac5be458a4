"""What of a cluster is to be reached from this computer: node ports, the ports of load balancers, and those of an ingress
controller.

`127.0.0.1` stands for a node, whichever can answer, and `::1` for its IPv6 address. With `externalTrafficPolicy: Local`
those are the nodes with an endpoint of their own, each in turn, as whoever balances loads in front of the nodes would have
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from kubesim.apimachinery.meta import name_of, namespace_of, uid_of
from kubesim.apis.podfacts import condition, status_of
from kubesim.apis.servicespec import LOAD_BALANCER, NODE_PORT, ports_of, spec_of, type_of
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_label, items
from kubesim.client.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kubesim.util.jsontypes import JSONObject, dig

SERVICE_NAME: Final = "kubernetes.io/service-name"
_NAME_LABEL: Final = "app.kubernetes.io/name"
Kind = Literal["NodePort", "LoadBalancer", "HostPort", "ClusterIP", "LoadBalancerIP", "NodeIP", "PodIP"]
Origin = Literal["outside", "node"]
Family = Literal["IPv4", "IPv6"]
INGRESS: Final = ("ingress-nginx", "ingress-nginx-controller")
"""Where its Service has no address, its Pod is reached at the ports of its node: those of an ingress are to be opened."""


IPV4_ALONE: Final[Mapping[Family, str]] = {"IPv4": ""}


@dataclass(frozen=True, slots=True)
class Exposure:
    """A port of a Service that is to be opened. `wanted` is the port to open, `port` that of the Service.

    `targets` are addresses in the cluster's network, at `target_port`; they may change while it is open.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    protocol: Literal["TCP", "UDP"]
    port_name: str
    port: int
    wanted: int
    address: str
    """The one that is opened; empty for any node's."""
    target_port: int
    targets: tuple[str, ...] = field(compare=False)
    host: str = ""
    """Where it is to be opened; empty for where all are."""
    origin: Origin = "outside"
    """From where connections come in the cluster's network."""
    family: Family = "IPv4"
    """That of the targets, and of where it is opened."""


def find_exposures(client: Client, hosts: Mapping[Family, str] = IPV4_ALONE) -> list[Exposure]:
    """All of them, the oldest Services first: who was there first has the port. An ingress comes before all others.

    `hosts` says at which address of this computer those of a family are opened, empty for where all are; a family that is
    not there has no ports.
    """
    types = [f"spec.type={kind}" for kind in (NODE_PORT, LOAD_BALANCER)]
    services = by_index(client, SERVICES, "", "field", types)
    if not services:
        return []
    services.sort(key=_precedence)
    nodes = [n for n in items(client.list(NODES)) if (condition(n, "Ready") or {}).get("status") == "True"]
    addresses = {family: {name_of(n): a for n in nodes if (a := _address(n, family))} for family in hosts}
    found: list[Exposure] = []
    for service in services:
        near: set[str] | None = None
        if spec_of(service).get("externalTrafficPolicy") == "Local":
            near = _nodes_with_endpoints(client, service)
        for family, host in hosts.items():
            if family in (spec_of(service).get("ipFamilies") or ("IPv4",)):
                of_family = _of_family(client, service, family, addresses[family], near)
                found += [replace(e, host=host, family=family) for e in of_family]
    return found


def _of_family(
    client: Client, service: JSONObject, family: Family, addresses: Mapping[str, str], near: set[str] | None
) -> Iterable[Exposure]:
    targets = list(addresses.values())[:1]
    if near is not None:
        targets = [a for n, a in addresses.items() if n in near] or targets
    if targets or family == "IPv4":
        yield from _node_ports(service, targets)
    balanced = list(_load_balanced(service, family))
    yield from balanced
    if not balanced and (namespace_of(service), name_of(service)) == INGRESS:
        yield from _host_ports(client, service, addresses)


def _precedence(service: JSONObject) -> tuple[bool, str, tuple[str, str]]:
    key = namespace_of(service), name_of(service)
    return key != INGRESS, service["metadata"].get("creationTimestamp") or "", key


def _address(node: JSONObject, family: Family) -> str:
    found = [a["address"] for a in status_of(node).get("addresses") or () if a.get("type") == "InternalIP"]
    return next((a for a in found if (":" in a) == (family == "IPv6")), "")


def _node_ports(service: JSONObject, targets: Sequence[str]) -> Iterable[Exposure]:
    for port in ports_of(service):
        number = port.get("nodePort")
        if number:
            yield from _exposure("NodePort", service, port, number, "", number, tuple(targets))


def _load_balanced(service: JSONObject, family: Family) -> Iterable[Exposure]:
    if type_of(service) != LOAD_BALANCER:
        return
    for point in dig(service, "status", "loadBalancer", "ingress", default=[]):
        address = point.get("ip") or ""
        if not address or (":" in address) != (family == "IPv6"):
            continue
        for port in ports_of(service):
            number = port["port"]
            yield from _exposure("LoadBalancer", service, port, number, address, number, (address,))


def _host_ports(client: Client, service: JSONObject, nodes: Mapping[str, str]) -> Iterable[Exposure]:
    selector = spec_of(service).get("selector") or {}
    found = by_label(client, PODS, namespace_of(service), _NAME_LABEL, [selector.get(_NAME_LABEL, "")])
    targets = tuple(nodes[n] for p in found if (n := spec_of(p).get("nodeName") or "") in nodes)
    for port in ports_of(service):
        yield from _exposure("HostPort", service, port, port["port"], "", port["port"], targets)


def _exposure(
    kind: Kind,
    service: JSONObject,
    port: JSONObject,
    wanted: int,
    address: str,
    target_port: int,
    targets: tuple[str, ...],
) -> Iterable[Exposure]:
    protocol = port.get("protocol") or "TCP"
    if protocol == "SCTP":
        return  # most computers have no sockets for it
    yield Exposure(
        kind,
        namespace_of(service),
        name_of(service),
        uid_of(service),
        "UDP" if protocol == "UDP" else "TCP",
        port.get("name") or "",
        port["port"],
        wanted,
        address,
        target_port,
        targets,
    )


def _nodes_with_endpoints(client: Client, service: JSONObject) -> set[str]:
    """The nodes with an endpoint that takes traffic."""
    slices = by_label(client, ENDPOINT_SLICES, namespace_of(service), SERVICE_NAME, [name_of(service)])
    return {
        e.get("nodeName") or ""
        for s in slices
        for e in s.get("endpoints") or ()
        if dig(e, "conditions", "ready") is not False
    }
