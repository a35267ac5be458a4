"""Ingresses, their classes, and the kinds of networking.k8s.io about addresses."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, labels_of, name_of, namespace_of
from kubesim.cli.describe.network import SLICES, format_slices
from kubesim.cli.describe.page import NONE, Page, PrefixWriter
from kubesim.util.jsontypes import JSONObject, dig

SERVICES = GroupVersionResource("", "v1", "services")
CONDITIONS = (
    ("Type", "type", ""),
    ("Status", "status", ""),
    ("LastTransitionTime", "lastTransitionTime", ""),
    ("Reason", "reason", ""),
    ("Message", "message", ""),
)


def ingress(page: Page, obj: JSONObject) -> None:
    """As describeIngressV1."""
    spec: JSONObject = obj.get("spec") or {}
    namespace = namespace_of(obj)
    page.line(0, "Name:", name_of(obj))
    page.labels("Labels", labels_of(obj))
    page.line(0, "Namespace:", namespace)
    found = dig(obj, "status", "loadBalancer", "ingress", default=[])
    page.line(0, "Address:", ",".join(sorted({i.get("ip") or i.get("hostname") or "" for i in found} - {""})))
    class_name = spec.get("ingressClassName")
    page.line(0, "Ingress Class:", NONE if class_name is None else class_name)
    default = spec.get("defaultBackend")
    default_text = "<default>" if default is None else _backend(page, namespace, default)
    page.line(0, "Default backend:", default_text)
    _tls(page, spec.get("tls") or [])
    page.write(0, "Rules:\n  Host\tPath\tBackends\n")
    page.write(1, "----\t----\t--------\n")
    rules = [r for r in spec.get("rules") or [] if r.get("http") is not None]
    for rule in rules:
        page.write(1, f"{rule.get('host') or '*'}\t\n")
        for path in rule["http"].get("paths") or []:
            shown = _backend(page, namespace, path.get("backend") or {})
            page.write(2, f"\t{path.get('path') or ''} \t{shown}\n")
    if not rules:
        page.line(1, "*", "*", default_text)
    page.annotations(annotations_of(obj))
    page.events(obj)


def _tls(page: PrefixWriter, items: Sequence[JSONObject]) -> None:
    if items:
        page.write(0, "TLS:\n")
    for item in items:
        hosts = ",".join(item.get("hosts") or [])
        secret = item.get("secretName")
        page.write(1, f"{secret} terminates {hosts}\n" if secret else f"SNI routes {hosts}\n")


def _backend(page: Page, namespace: str, backend: JSONObject) -> str:
    """As describeBackendV1: the Service and where it leads, or the resource."""
    service = backend.get("service")
    if service is None:
        resource = backend.get("resource")
        if resource is None:
            return ""
        group = resource.get("apiGroup")
        return (
            f"APIGroup: {NONE if group is None else group}, Kind: {resource.get('kind', '')}, "
            f"Name: {resource.get('name', '')}"
        )
    name, port = str(service.get("name") or ""), service.get("port") or {}
    shown = f"{name}:{port.get('number') or port.get('name') or ''}"
    try:
        slices = page.items(SLICES, namespace, label_selector=f"kubernetes.io/service-name={name}")
        found = page.client.get(SERVICES, name, namespace)
    except StatusError as error:
        return f"{shown} (<error: {error.message}>)"
    return f"{shown} ({format_slices(slices, _port_name(found, port))})"


def _port_name(service: JSONObject, port: JSONObject) -> str:
    name = ""
    for candidate in dig(service, "spec", "ports", default=[]):
        by_number = port.get("number") and port["number"] == candidate.get("port")
        if by_number or (port.get("name") and port["name"] == candidate.get("name")):
            name = candidate.get("name") or ""
    return name


def ingress_class(page: Page, obj: JSONObject) -> None:
    """As describeIngressClassV1."""
    page.head(obj, namespaced=False)
    page.line(0, "Controller:", dig(obj, "spec", "controller", default=""))
    parameters = dig(obj, "spec", "parameters")
    if parameters is not None:
        page.write(0, "Parameters:\n")
        if parameters.get("apiGroup") is not None:
            page.line(1, "APIGroup:", parameters["apiGroup"])
        page.line(1, "Kind:", parameters.get("kind", ""))
        page.line(1, "Name:", parameters.get("name", ""))
    page.events(obj)


def service_cidr(page: Page, obj: JSONObject) -> None:
    """As describeServiceCIDRV1beta1."""
    page.head(obj, namespaced=False)
    page.line(0, "CIDRs:", ", ".join(dig(obj, "spec", "cidrs", default=[])))
    conditions = dig(obj, "status", "conditions", default=[])
    if conditions:
        page.conditions("Status:\nConditions:\n", CONDITIONS, conditions)
    page.events(obj)


def ip_address(page: Page, obj: JSONObject) -> None:
    """As describeIPAddressV1beta1."""
    page.head(obj, namespaced=False)
    parent = dig(obj, "spec", "parentRef")
    if parent is not None:
        page.write(0, "Parent Reference:\n")
        for word in ("Group", "Resource", "Namespace", "Name"):
            page.line(1, f"{word}:", parent.get(word.lower()) or "")
    page.events(obj)
