"""What kube-proxy reads of Services and EndpointSlices, for one family of addresses.

Sources: pkg/proxy/serviceport.go, servicechangetracker.go, endpointslicecache.go, pkg/proxy/util.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from kubesim.apimachinery.meta import labels_of, name_of, namespace_of
from kubesim.apis.servicespec import (
    EXTERNAL_NAME,
    NONE,
    canonical,
    cluster_ips_of,
    externally_accessible,
    needs_health_check,
    ports_of,
    spec_of,
    strings,
    type_of,
)
from kubesim.proxy.addresses import Family, family_of, host_port, is_address, is_network
from kubesim.util.jsontypes import JSONObject, dig

SERVICE_NAME: Final = "kubernetes.io/service-name"
HEADLESS: Final = "service.kubernetes.io/headless"
PROXY_NAME: Final = "service.kubernetes.io/service-proxy-name"
AFFINITY_SECONDS: Final = 10800


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service. `affinity_seconds` is 0 without session affinity."""

    name: str
    """namespace/name:port, or without the port where it has no name."""
    port_name: str
    protocol: str
    """In small letters, as rules have it."""
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    health_check_node_port: int = 0

    @property
    def externally_accessible(self) -> bool:
        return bool(self.node_port or self.load_balancer_ips or self.external_ips)

    @property
    def uses_cluster_endpoints(self) -> bool:
        """With external traffic even where its policy is Local: Pods and the node itself take the short cut."""
        return not self.internal_local or self.externally_accessible

    @property
    def uses_local_endpoints(self) -> bool:
        return self.internal_local or (self.external_local and self.externally_accessible)


class Endpoint(NamedTuple):
    """One address and port behind a Service port."""

    text: str
    address: str
    port: int
    node: str
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str]


PortEndpoints = Mapping[tuple[str, str], tuple[Endpoint, ...]]
"""By name of the port and protocol, in the order of their texts. An endpoint of two slices comes twice."""


def is_proxied(service: JSONObject) -> bool:
    """Whether kube-proxy has to do with a Service: it has a cluster IP, and is not for another proxy."""
    labels = labels_of(service)
    if PROXY_NAME in labels or HEADLESS in labels or type_of(service) == EXTERNAL_NAME:
        return False
    return spec_of(service).get("clusterIP") not in {None, "", NONE}


def service_ports(service: JSONObject, family: Family) -> tuple[ServicePort, ...]:
    """The ports that the node's rules of a family serve; none where the Service has no cluster IP of it."""
    spec = spec_of(service)
    cluster_ips = cluster_ips_of(service) or [spec.get("clusterIP") or ""]
    cluster_ip = next((ip for ip in cluster_ips if ip and ip != NONE and family_of(ip) == family), "")
    if not cluster_ip or not is_proxied(service):
        return ()
    name = f"{namespace_of(service)}/{name_of(service)}"
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    seconds = 0
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
    external_local = externally_accessible(service) and spec.get("externalTrafficPolicy") == "Local"
    health_check = spec.get("healthCheckNodePort") or 0 if needs_health_check(service) else 0
    return tuple(
        ServicePort(
            name=f"{name}:{port['name']}" if port.get("name") else name,
            port_name=port.get("name") or "",
            protocol=(port.get("protocol") or "TCP").lower(),
            cluster_ip=canonical(cluster_ip),
            port=port["port"],
            node_port=port.get("nodePort") or 0,
            external_ips=_of_family(strings(spec, "externalIPs"), family),
            load_balancer_ips=_of_family(
                # ipMode Proxy: the load balancer itself must see the traffic, so nothing is caught here.
                (p["ip"] for p in ingress if p.get("ip") and p.get("ipMode") in {None, "VIP"}),
                family,
            ),
            source_ranges=tuple(
                r.strip()
                for r in strings(spec, "loadBalancerSourceRanges")
                if family_of(r) == family and is_network(r)
            ),
            affinity_seconds=seconds,
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=external_local,
            health_check_node_port=health_check,
        )
        for port in ports_of(service)
    )


def port_endpoints(slices: Iterable[JSONObject], family: Family) -> PortEndpoints:
    """The endpoints of a Service's slices."""
    found: dict[tuple[str, str], list[Endpoint]] = {}
    for part in slices:
        labels = labels_of(part)
        if part.get("addressType") != family or PROXY_NAME in labels or HEADLESS in labels:
            continue
        endpoints = [e for e in part.get("endpoints") or () if _is_usable(e, family)]
        for port in part.get("ports") or ():
            number = port.get("port")
            if number:
                key = port.get("name") or "", (port.get("protocol") or "TCP").lower()
                found.setdefault(key, []).extend(_endpoint(e, number) for e in endpoints)
    return {key: tuple(sorted(endpoints, key=_text)) for key, endpoints in found.items()}


_text = itemgetter(0)


def _is_usable(endpoint: JSONObject, family: Family) -> bool:
    addresses = endpoint.get("addresses")
    if not addresses:
        return False
    return family_of(addresses[0]) == family and is_address(addresses[0])


def _endpoint(endpoint: JSONObject, port: int) -> Endpoint:
    """Of several addresses, which mean the same, the first counts."""
    address = endpoint["addresses"][0]
    conditions = endpoint.get("conditions") or {}
    hints: list[JSONObject] = dig(endpoint, "hints", "forZones", default=[])
    return Endpoint(
        host_port(address, port),
        address,
        port,
        endpoint.get("nodeName") or "",
        conditions.get("ready") is not False,
        conditions.get("serving") is not False,
        bool(conditions.get("terminating")),
        frozenset(zone["name"] for zone in hints) if hints else _NO_ZONES,
    )


_NO_ZONES: Final[frozenset[str]] = frozenset()


def _of_family(addresses: Iterable[str], family: Family) -> tuple[str, ...]:
    found = (canonical(a) for a in addresses if family_of(a) == family)
    return tuple(a for a in found if is_address(a))
