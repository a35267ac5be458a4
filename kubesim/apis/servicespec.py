"""What a Service's spec says, as the API server, the controllers and kube-proxy all read it.

Sources: pkg/api/service/util.go, pkg/apis/core/v1/helper.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kubesim.util.jsontypes import JSONObject, dig

CLUSTER_IP: Final = "ClusterIP"
NODE_PORT: Final = "NodePort"
LOAD_BALANCER: Final = "LoadBalancer"
EXTERNAL_NAME: Final = "ExternalName"
NONE: Final = "None"  # as a cluster IP: headless
_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")


def spec_of(service: JSONObject) -> JSONObject:
    """`spec`, or an empty object that is not part of the Service."""
    return service.get("spec") or {}


def type_of(service: JSONObject) -> str:
    return str(spec_of(service).get("type") or "")


def ports_of(service: JSONObject) -> list[JSONObject]:
    return spec_of(service).get("ports") or []


def cluster_ips_of(service: JSONObject) -> list[str]:
    return spec_of(service).get("clusterIPs") or []


def is_headless(service: JSONObject) -> bool:
    return cluster_ips_of(service) == [NONE]


def needs_cluster_ip(service: JSONObject) -> bool:
    """Whether clusterIPs holds a value, of which `None` is one."""
    return type_of(service) != EXTERNAL_NAME


def needs_node_port(service: JSONObject) -> bool:
    return type_of(service) in {NODE_PORT, LOAD_BALANCER}


def needs_health_check(service: JSONObject) -> bool:
    """Whether load balancers ask a port of their own which nodes have endpoints."""
    return type_of(service) == LOAD_BALANCER and spec_of(service).get("externalTrafficPolicy") == "Local"


def externally_accessible(service: JSONObject) -> bool:
    kind = type_of(service)
    return kind in {NODE_PORT, LOAD_BALANCER} or bool(
        kind == CLUSTER_IP and spec_of(service).get("externalIPs")
    )


def strings(spec: JSONObject, name: str) -> list[Any]:
    """A list of strings in a spec, empty where it is missing or null."""
    return spec.get(name) or []


def addresses_of(service: JSONObject) -> set[str]:
    """Every address at which a Service is asked for: cluster IPs, external IPs, and those of its load balancer.

    IPv6 addresses are in their shortest form.
    """
    spec = spec_of(service)
    found = {*cluster_ips_of(service), spec.get("clusterIP"), *strings(spec, "externalIPs")}
    found |= {point.get("ip") for point in dig(service, "status", "loadBalancer", "ingress", default=[])}
    return {canonical(address) for address in found if address and address != NONE}


def node_ports_of(service: JSONObject) -> set[int]:
    """Every port that a Service takes on the nodes."""
    found = {port.get("nodePort") for port in ports_of(service)}
    return {port for port in (*found, spec_of(service).get("healthCheckNodePort")) if port}


def canonical(address: str) -> str:
    """An address in its shortest form; what is none stays as it is. Leading zeros of IPv4 mean nothing."""
    if ":" not in address:
        return _ZEROS.sub("", address) if ".0" in address or address.startswith("0") else address
    from ipaddress import ip_address  # most Services have no address that needs it

    try:
        return str(ip_address(address))
    except ValueError:
        return address
