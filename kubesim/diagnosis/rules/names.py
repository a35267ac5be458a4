"""Codes 3, 13, 15 and 18: names that do not lead where they are thought to lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.names import ip_family
from kubesim.apis.podfacts import spec_of
from kubesim.apis.servicespec import EXTERNAL_NAME, NONE, ports_of, type_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.view import PodView, View, matches, selector_of
from kubesim.util.jsontypes import JSONObject, dig

_NAME: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_URL: Final = re.compile(rf"\b[a-z][a-z0-9+.-]*://(?:[^/@\s]*@)?({_NAME}(?:\.{_NAME})*)(?=[:/\s'\"]|$)")
_HOST: Final = re.compile(rf"({_NAME}(?:\.{_NAME})*)(?::\d{{1,5}})?")
_HOST_VARIABLE: Final = re.compile(r"(?:^|_)(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS|URL|URI|ENDPOINT|SERVICE)$")


def used_names(pod: PodView) -> Iterator[tuple[str, str]]:
    """Where the text of a Pod names a host: the field, and the name."""
    for path, container in pod.placed_containers():
        for at, one in enumerate(container.get("env") or ()):
            value, field = str(one.get("value") or ""), f"{path}.env[{at}].value"
            found = list(_URL.findall(value))
            if not found and _HOST_VARIABLE.search(str(one.get("name") or "")):
                whole = _HOST.fullmatch(value)
                found = [whole.group(1)] if whole else []
            yield from ((field, name) for name in found)
        for word in ("command", "args"):
            for at, value in enumerate(container.get(word) or ()):
                yield from ((f"{path}.{word}[{at}]", name) for name in _URL.findall(str(value)))


def short_names(view: View, pod: PodView) -> Iterator[Finding]:
    """Codes 3 and 15: a Service named by its short name alone, which leads to the Pod's own namespace."""
    seen: set[str] = set()
    for field, name in used_names(pod):
        if name in seen or ip_family(name):
            continue
        seen.add(name)
        first, _, rest = name.partition(".")
        own = (
            view.service(first, pod.namespace)
            if rest in ("", pod.namespace, f"{pod.namespace}.svc")
            else None
        )
        if own is not None:
            yield from _hairpin(pod, own, field, name)
        elif not rest:
            others = sorted(
                namespace_of(s) for s in view.services_named(name) if namespace_of(s) != pod.namespace
            )
            if others:
                yield across_namespaces(pod.ref, field, name, pod.namespace, others)


def across_namespaces(
    ref: ObjectRef, field: str, name: str, namespace: str, others: Iterable[str]
) -> Finding:
    """Code 3, of a Pod or of a request from one."""
    there = list(others)
    return Finding(
        code=3,
        severity="error",
        object=ref,
        field=field,
        message=f"{name} is looked for in namespace {namespace} only, where no Service is called so; "
        f"it is in {', '.join(there)}",
        evidence=tuple(f"service/{name} in namespace {other}" for other in there[:3]),
        fix=f"write {name}.{there[0]} (in full {name}.{there[0]}.svc.cluster.local)",
    )


def _hairpin(pod: PodView, service: JSONObject, field: str, name: str) -> Iterator[Finding]:
    selector = selector_of(service)
    if name == (pod.spec.get("hostname") or pod.ref.name):
        return  # by /etc/hosts it is the Pod itself, and no packet leaves it
    if selector and matches(selector, pod.labels) and spec_of(service).get("clusterIP") != NONE:
        yield hairpin(pod.ref, field, name)


def hairpin(ref: ObjectRef, field: str, name: str) -> Finding:
    """Code 15, of a Pod or of a request from one."""
    return Finding(
        code=15,
        severity="info",
        object=ref,
        field=field,
        message=f"{name} leads to this Pod itself, among others: such a packet goes out and comes back (hairpin), and "
        "the Pod sees its node's address as the client's",
        evidence=(f"the selector of service/{name.partition('.')[0]} matches {ref}",),
        fix="use localhost to reach oneself, or the names of a headless Service to reach the others",
    )


def stateful_set(view: View, workload: JSONObject) -> Iterator[Finding]:
    """Code 13: the Service that a StatefulSet names gives its Pods their names."""
    ref = ObjectRef.of(workload, "StatefulSet")
    wanted = str(spec_of(workload).get("serviceName") or "")
    labels = dig(workload, "spec", "template", "metadata", "labels", default=None) or {}
    selecting = [
        s for s in view.services(ref.namespace) if selector_of(s) and matches(selector_of(s), labels)
    ]
    headless = [name_of(s) for s in selecting if spec_of(s).get("clusterIP") == NONE]
    service = view.service(wanted, ref.namespace) if wanted else None
    lost = f"{ref.name}-0.{wanted}" if wanted else f"{ref.name}-0"
    message = ""
    if not wanted:
        message = "it names no Service" if headless else ""
    elif service is None:
        near = closest(wanted, [name_of(s) for s in view.services(ref.namespace)])
        if near or headless or not view.planning:
            message = f"there is no Service {wanted}" + (f"; there is {near}" if near else "")
            headless = headless or ([near] if near else [])
    elif not (selector_of(service) and matches(selector_of(service), labels)):
        message = f"service/{wanted} does not select its Pods"
    elif spec_of(service).get("clusterIP") != NONE:
        yield Finding(
            code=13,
            severity="info",
            object=ref,
            field="spec.serviceName",
            message=f"service/{wanted} is not headless: its name leads to one address, and {lost} to a Pod",
            evidence=(f"spec.clusterIP of service/{wanted} is {spec_of(service).get('clusterIP')}",),
            fix=f"make service/{wanted} anew with clusterIP: None if its name is to lead to all Pods",
        )
        return
    if message:
        fix = f"write serviceName: {headless[0]}" if headless else f"make a headless Service {wanted}"
        yield Finding(
            code=13,
            severity="error",
            object=ref,
            field="spec.serviceName",
            message=f"{message}: DNS has no records such as {lost}",
            evidence=tuple(f"service/{n} is headless and selects its Pods" for n in headless[:2]),
            fix=fix,
        )


def headless_without_ports(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 13: without ports a headless Service has no SRV records."""
    del view
    if spec_of(service).get("clusterIP") != NONE or type_of(service) == EXTERNAL_NAME or ports_of(service):
        return
    name = name_of(service)
    yield Finding(
        code=13,
        severity="info",
        object=ObjectRef.of(service, "Service"),
        field="spec.ports",
        message=f"the headless Service has no ports: there are addresses under {name}, and no SRV records",
        fix="name the ports if clients look for them by SRV records",
    )


def external_name(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 18: what a CNAME cannot do."""
    if type_of(service) != EXTERNAL_NAME:
        return
    spec, ref = spec_of(service), ObjectRef.of(service, "Service")
    target = str(spec.get("externalName") or "")
    if ip_family(target):
        yield Finding(
            code=18,
            severity="error",
            object=ref,
            field="spec.externalName",
            message=f"{target} is taken for a DNS name made of digits, and not for an address: no server resolves it",
            fix="use a Service without a selector and an EndpointSlice with this address",
        )
    if ports := ports_of(service):
        shown = ", ".join(str(p.get("port")) for p in ports)
        mapped = [p for p in ports if p.get("targetPort") not in (None, 0, "", p.get("port"))]
        yield Finding(
            code=18,
            severity="warning" if mapped else "info",
            object=ref,
            field=f"spec.ports[{ports.index(mapped[0])}].targetPort" if mapped else "spec.ports",
            message=f"an ExternalName Service is a CNAME in DNS: its ports ({shown}) are ignored",
            evidence=(f"{ref.name} is an alias of {target}",),
            fix=f"let clients name the port of {target} themselves",
        )
    if spec.get("selector"):  # kubectl's own `create service externalname` writes one
        yield Finding(
            code=18,
            severity="info",
            object=ref,
            field="spec.selector",
            message=f"an ExternalName Service selects no Pods: it is an alias of {target}",
            fix="remove the selector, or the type",
        )
    local = _own_service(view, ref, target)
    if local is not None:
        yield local
    yield Finding(
        code=18,
        severity="info",
        object=ref,
        field="spec.externalName",
        message=f"clients of {ref.name} send its name, and not {target}, in the Host header and in TLS",
        fix=f"let clients use {target} itself where the server looks at the name",
    )


def _own_service(view: View, ref: ObjectRef, target: str) -> Finding | None:
    """An alias of a Service of the cluster that is not there."""
    match = re.fullmatch(rf"({_NAME})\.({_NAME})\.svc\.cluster\.local\.?", target)
    if match is None or view.service(match[1], match[2]) is not None or view.planning:
        return None
    return Finding(
        code=18,
        severity="error",
        object=ref,
        field="spec.externalName",
        message=f"there is no Service {match[1]} in namespace {match[2]}: the alias leads to no record",
        fix="name a Service that exists",
    )
