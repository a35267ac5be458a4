"""Addresses of the cluster inside of 127.0.0.0/8: what has an address there is reached at the same one with 127 as its first
number, 10.96.0.1 at 127.96.0.1. All of 127.0.0.0/8 belongs to a Linux computer itself: no rights and no routes are needed.

To Services and Pods a connection comes from a node, as where the networks of a cluster are routed by way of one; to nodes
and load balancers it comes from outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from kubesim.apimachinery.meta import name_of, namespace_of, uid_of
from kubesim.apis.podfacts import is_terminal, pod_ips, spec_of, status_of
from kubesim.apis.servicespec import NONE, cluster_ips_of, ports_of
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.resources import NODES, PODS, SERVICES
from kubesim.network.edge.exposures import Exposure, Kind, Origin
from kubesim.runtime.network_view import is_loopback
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.network.fabric import Fabric

MAX_PORTS: Final = 1000
_LOOPBACKS_OWN: Final = "127.0."


def loopback_of(address: str) -> str:
    """Where an IPv4 address is on this computer; empty where it is nowhere, because 127.0.x.x is for others."""
    if ":" in address or not address:
        return ""
    found = "127." + address.partition(".")[2]
    return "" if found.startswith(_LOOPBACKS_OWN) else found


def find_reachable(client: Client, fabric: Fabric) -> list[Exposure]:
    """Every port of every address, Services first; no more than MAX_PORTS, and each place of this computer once."""
    found: dict[tuple[str, str, int], Exposure] = {}
    for exposure in _all(client, fabric):
        if len(found) >= MAX_PORTS:
            break
        if exposure.host:
            found.setdefault((exposure.host, exposure.protocol, exposure.wanted), exposure)
    return list(found.values())


def _all(client: Client, fabric: Fabric) -> Iterable[Exposure]:
    services = items(client.list(SERVICES))
    for service in services:
        yield from _service(service)
    for node in items(client.list(NODES)):
        for found in status_of(node).get("addresses") or ():
            if found.get("type") == "InternalIP":
                yield from _node(found["address"], services)
    for pod in items(client.list(PODS)):
        yield from _pod(pod, fabric)


def _service(service: JSONObject) -> Iterable[Exposure]:
    for port in ports_of(service):
        for address in cluster_ips_of(service):
            if address != NONE:
                yield from _port(service, "ClusterIP", address, port, port["port"], "node")
        for point in dig(service, "status", "loadBalancer", "ingress", default=[]):
            yield from _port(service, "LoadBalancerIP", point.get("ip") or "", port, port["port"], "outside")


def _node(address: str, services: Iterable[JSONObject]) -> Iterable[Exposure]:
    for service in services:
        for port in ports_of(service):
            if port.get("nodePort"):
                yield from _port(service, "NodeIP", address, port, port["nodePort"], "outside")


def _pod(pod: JSONObject, fabric: Fabric) -> Iterable[Exposure]:
    if is_terminal(pod) or spec_of(pod).get("hostNetwork"):
        return
    for address in pod_ips(pod):
        with fabric.runtime.lock:
            fabric.world.refresh()
            place = fabric.world.pod_at(address)
            listeners = fabric.listeners_of_pod(place) if place is not None else []
        for listener in listeners:
            if not is_loopback(listener.address):
                port = {"port": listener.port, "protocol": listener.protocol}
                yield from _port(pod, "PodIP", address, port, listener.port, "node")


def _port(
    obj: JSONObject, kind: Kind, address: str, port: JSONObject, number: int, origin: Origin
) -> Iterable[Exposure]:
    protocol: Literal["TCP", "UDP"] = "UDP" if port.get("protocol") == "UDP" else "TCP"
    if port.get("protocol") == "SCTP":
        return
    yield Exposure(
        kind,
        namespace_of(obj),
        name_of(obj),
        uid_of(obj),
        protocol,
        port.get("name") or "",
        port["port"],
        number,
        address,
        number,
        (address,),
        loopback_of(address),
        origin,
    )
