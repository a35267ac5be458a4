"""Services, Endpoints and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.describe.page import NONE, UNSET, Page, go_bool
from kubesim.util.jsontypes import JSONObject, dig

SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
SHOWN = 3


def service(page: Page, obj: JSONObject) -> None:
    """DescribeService."""
    spec: JSONObject = obj.get("spec") or {}
    selector = f"kubernetes.io/service-name={name_of(obj)}"
    slices = page.items(SLICES, namespace_of(obj), label_selector=selector)
    page.head(obj)
    page.line(0, "Selector:", format_labels(spec.get("selector")))
    page.line(0, "Type:", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        page.line(0, "IP Family Policy:", spec["ipFamilyPolicy"])
    page.line(0, "IP Families:", ",".join(spec.get("ipFamilies") or []) or NONE)
    page.line(0, "IP:", spec.get("clusterIP", ""))
    page.line(0, "IPs:", ",".join(spec.get("clusterIPs") or []) or NONE)
    for title, value in (
        ("External IPs:", ",".join(spec.get("externalIPs") or [])),
        ("Desired LoadBalancer IP:", spec.get("loadBalancerIP")),
        ("External Name:", spec.get("externalName")),
        ("LoadBalancer Ingress:", _ingress(dig(obj, "status", "loadBalancer", "ingress", default=[]))),
    ):
        if value:
            page.line(0, title, value)
    for port in spec.get("ports") or []:
        _service_port(page, port, slices)
    page.line(0, "Session Affinity:", spec.get("sessionAffinity", ""))
    for title, key in (
        ("External Traffic Policy:", "externalTrafficPolicy"),
        ("Internal Traffic Policy:", "internalTrafficPolicy"),
        ("HealthCheck NodePort:", "healthCheckNodePort"),
    ):
        if spec.get(key):
            page.line(0, title, spec[key])
    if spec.get("loadBalancerSourceRanges"):
        page.line(0, "LoadBalancer Source Ranges:", ",".join(spec["loadBalancerSourceRanges"]))
    page.events(obj)


def _service_port(page: Page, port: JSONObject, slices: Sequence[JSONObject]) -> None:
    name, protocol = port.get("name") or UNSET, port.get("protocol", "")
    page.line(0, "Port:", name, f"{port.get('port', 0)}/{protocol}")
    page.line(0, "TargetPort:", f"{port.get('targetPort', 0)}/{protocol}")
    if port.get("nodePort"):
        page.line(0, "NodePort:", name, f"{port['nodePort']}/{protocol}")
    page.line(0, "Endpoints:", format_slices(slices, port.get("name") or ""))


def _ingress(ingress: Iterable[JSONObject]) -> str:
    shown = []
    for item in ingress:
        if item.get("ip"):
            shown.append(f"{item['ip']} ({item['ipMode']})" if item.get("ipMode") else item["ip"])
        else:
            shown.append(item.get("hostname", ""))
    return ", ".join(shown)


def format_slices(slices: Sequence[JSONObject], port_name: str | None) -> str:
    """The ready addresses of slices, the first three of them; all ports where `port_name` is None."""
    if not slices:
        return NONE
    shown: list[str] = []
    count, more = 0, False
    for address in _addresses(slices, port_name):
        if len(shown) == SHOWN:
            more = True
        if address is None:
            continue
        if not more:
            shown.append(address)
        count += 1
    text = ",".join(shown)
    return f"{text} + {count - SHOWN} more..." if more else text


def _addresses(slices: Sequence[JSONObject], port_name: str | None) -> Iterable[str | None]:
    """Each endpoint's address with port; None for one that is not ready."""
    for item in slices:
        endpoints = item.get("endpoints") or []
        ports = item.get("ports") or []
        if not ports:
            yield from (e["addresses"][0] if _ready(e) else None for e in endpoints)
            continue
        for port in ports:
            if port_name is not None and (port.get("name") or "") != port_name:
                continue
            for endpoint in endpoints:
                yield _joined(endpoint["addresses"][0], port.get("port", 0)) if _ready(endpoint) else None


def _ready(endpoint: JSONObject) -> bool:
    ready = dig(endpoint, "conditions", "ready")
    return ready is None or bool(ready)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def endpoints(page: Page, obj: JSONObject) -> None:
    """DescribeEndpoints."""
    page.head(obj)
    page.write(0, "Subsets:\n")
    for subset in obj.get("subsets") or []:
        for title, key in (("Addresses:", "addresses"), ("NotReadyAddresses:", "notReadyAddresses")):
            page.line(1, title, ",".join(a["ip"] for a in subset.get(key) or []) or NONE)
        if subset.get("ports"):
            page.write(1, "Ports:\n")
            page.write(2, "Name\tPort\tProtocol\n")
            page.write(2, "----\t----\t--------\n")
            for port in subset["ports"]:
                page.line(2, port.get("name") or UNSET, port.get("port", 0), port.get("protocol", ""))
        page.write(0, "\n")
    page.events(obj)


def endpoint_slice(page: Page, obj: JSONObject) -> None:
    """As describeEndpointSliceV1."""
    page.head(obj)
    page.line(0, "AddressType:", obj.get("addressType", ""))
    if not obj.get("ports"):
        page.write(0, "Ports: <unset>\n")
    else:
        page.write(0, "Ports:\n")
        page.write(1, "Name\tPort\tProtocol\n")
        page.write(1, "----\t----\t--------\n")
        for port in obj["ports"]:
            number = port.get("port")
            page.line(
                1, port.get("name") or UNSET, UNSET if number is None else number, port.get("protocol", "")
            )
    if not obj.get("endpoints"):
        page.write(0, "Endpoints: <none>\n")
    else:
        page.write(0, "Endpoints:\n")
        for endpoint in obj["endpoints"]:
            _endpoint(page, endpoint)
    page.events(obj)


def _endpoint(page: Page, endpoint: JSONObject) -> None:
    page.line(1, "- Addresses:", ", ".join(endpoint.get("addresses") or []) or NONE)
    page.write(2, "Conditions:\n")
    ready = dig(endpoint, "conditions", "ready")
    page.line(3, "Ready:", UNSET if ready is None else go_bool(ready))
    page.line(2, "Hostname:", endpoint.get("hostname", UNSET))
    reference = endpoint.get("targetRef")
    if reference:
        page.line(2, "TargetRef:", f"{reference.get('kind', '')}/{reference.get('name', '')}")
    page.line(2, "NodeName:", endpoint.get("nodeName", UNSET))
    page.line(2, "Zone:", endpoint.get("zone", UNSET))
