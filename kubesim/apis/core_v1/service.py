"""Service: a name and an address for whatever Pods a selector matches.

Cluster IPs, node ports and address families are given out by registry.service; this is what a Service is by
itself. Sources: pkg/apis/core/v1/defaults.go, pkg/registry/core/service/strategy.go, pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import name_is_dns1035_label
from kubesim.apimachinery.scheme import Cells, Column, standard_fields
from kubesim.apis.lazy import lazy
from kubesim.apis.meta import AGE, NAME, created, drop_empty, format_labels, items, section
from kubesim.apis.serviceselectors import INDEX, selector_entry
from kubesim.apis.servicespec import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    addresses_of,
    externally_accessible,
    needs_cluster_ip,
    needs_health_check,
    needs_node_port,
    node_ports_of,
    ports_of,
    spec_of,
    type_of,
)
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

COLUMNS: Final = (
    NAME,
    Column("Type", description="How the Service is exposed."),
    Column("Cluster-IP", description="The first of the Service's virtual addresses, or None."),
    Column("External-IP", description="Addresses at which it is reached from outside the cluster."),
    Column("Port(s)", description="Ports, with the node port of each where it has one."),
    AGE,
    Column("Selector", description="Labels of the Pods that it leads to.", priority=1),
)
AFFINITY_SECONDS: Final = 10800

_OMITTED: Final = (
    "ports",
    "selector",
    "clusterIP",
    "clusterIPs",
    "type",
    "externalIPs",
    "sessionAffinity",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "publishNotReadyAddresses",
    "ipFamilies",
)

name_errors = name_is_dns1035_label
validate = lazy("kubesim.apis.servicevalidation", "validate")
validate_update = lazy("kubesim.apis.servicevalidation", "validate_update")
validate_status_update = lazy("kubesim.apis.servicevalidation", "validate_status_update")
warnings = lazy("kubesim.apis.servicewarnings", "warnings")


def default(service: JSONObject) -> None:
    """SetDefaults_Service."""
    spec = section(service, "spec")
    drop_empty(spec, _OMITTED)
    _default_affinity(spec)
    kind = spec.setdefault("type", CLUSTER_IP)
    for port in items(spec, "ports"):
        _default_port(port)
    if externally_accessible(service):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec.get("internalTrafficPolicy") is None and kind in {CLUSTER_IP, NODE_PORT, LOAD_BALANCER}:
        spec["internalTrafficPolicy"] = "Cluster"
    status = section(section(service, "status"), "loadBalancer")
    if kind == LOAD_BALANCER:
        if spec.get("allocateLoadBalancerNodePorts") is None:
            spec["allocateLoadBalancerNodePorts"] = True
        for point in items(status, "ingress"):
            if point.get("ip") and point.get("ipMode") is None:
                point["ipMode"] = "VIP"


def _default_affinity(spec: JSONObject) -> None:
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP" and dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds") is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def _default_port(port: JSONObject) -> None:
    drop_empty(port, ("name", "nodePort"))
    if not port.get("protocol"):
        port["protocol"] = "TCP"
    number = port["port"] = port.get("port") or 0
    if port.get("targetPort") in {None, 0, ""}:
        port["targetPort"] = number


def prepare_create(service: JSONObject) -> None:
    service["status"] = {"loadBalancer": {}}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = deep_copy(old.get("status") or {"loadBalancer": {}})
    drop_type_dependent_fields(new, old)


def drop_type_dependent_fields(new: JSONObject, old: JSONObject) -> None:
    """Clear what the new type has no use for, where the user did not change it at the same time.

    What the user did change stays, and fails in validation. Source: strategy.go, dropTypeDependentFields.
    """
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        for names in (("clusterIP", "clusterIPs"), ("ipFamilies",), ("ipFamilyPolicy",)):
            _clear_if_same(new, old, *names)
    if needs_node_port(old) and not needs_node_port(new) and _node_ports(new) <= _node_ports(old):
        for port in ports_of(new):
            port.pop("nodePort", None)
    if needs_health_check(old) and not needs_health_check(new):
        _clear_if_same(new, old, "healthCheckNodePort")
    if type_of(old) == LOAD_BALANCER != type_of(new):
        _clear_if_same(new, old, "allocateLoadBalancerNodePorts")
        _clear_if_same(new, old, "loadBalancerClass")
    if externally_accessible(old) and not externally_accessible(new):
        _clear_if_same(new, old, "externalTrafficPolicy")
    if type_of(new) != LOAD_BALANCER:
        new["status"]["loadBalancer"] = {}


def _clear_if_same(new: JSONObject, old: JSONObject, *names: str) -> None:
    after, before = spec_of(new), spec_of(old)
    if all(after.get(name) == before.get(name) for name in names):
        for name in names:
            after.pop(name, None)


def _node_ports(service: JSONObject) -> set[int]:
    return {port["nodePort"] for port in ports_of(service) if port.get("nodePort")}


def fields(service: JSONObject) -> dict[str, str]:
    return standard_fields(service) | {
        "spec.clusterIP": spec_of(service).get("clusterIP") or "",
        "spec.type": type_of(service),
    }


def indexes(service: JSONObject) -> Iterable[tuple[str, str]]:
    """`selector`: each pair of it; `selecting`: the one entry by which the Services of a Pod are found; `address` and
    `nodePort`: where it is asked for.
    """
    selector = spec_of(service).get("selector") or {}
    for key, value in selector.items():
        yield "selector", f"{key}={value}"
    if selector:
        yield INDEX, selector_entry(selector)
    for address in addresses_of(service):
        yield "address", address
    for port in node_ports_of(service):
        yield "nodePort", str(port)


def cells(service: JSONObject, now: datetime) -> Cells:
    """PrintService."""
    spec = spec_of(service)
    return [
        name_of(service),
        type_of(service),
        dig(spec, "clusterIPs", 0, default="<none>"),
        external_ips(service),
        ",".join(_port_text(port) for port in ports_of(service)) or "<none>",
        time_since(created(service), now),
        format_labels(spec.get("selector")),
    ]


def external_ips(service: JSONObject) -> str:
    """getServiceExternalIP: `<pending>` while a load balancer has none, `<unknown>` for no known type."""
    kind, spec = type_of(service), spec_of(service)
    external = ",".join(items(spec, "externalIPs"))
    if kind in {CLUSTER_IP, NODE_PORT}:
        return external or "<none>"
    if kind == LOAD_BALANCER:
        balanced = ",".join(sorted(ingress_of(service)))
        return ",".join(text for text in (balanced, external) if text) or "<pending>"
    return str(spec.get("externalName") or "") if kind == EXTERNAL_NAME else "<unknown>"


def ingress_of(service: JSONObject) -> set[str]:
    """Addresses, or host names, of the load balancer."""
    points = dig(service, "status", "loadBalancer", "ingress", default=[])
    return {point.get("ip") or point.get("hostname") for point in points} - {None, ""}


def _port_text(port: JSONObject) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port') or 0}{node_port}/{port.get('protocol') or ''}"
