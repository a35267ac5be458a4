"""Codes 16 and 17: the variables that tell containers of Services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubesim.apimachinery.meta import name_of
from kubesim.apis.podfacts import status_of
from kubesim.apis.servicespec import NONE, cluster_ips_of, ports_of, spec_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.view import PodView, View
from kubesim.util.jsontypes import JSONObject, dig

_USED: Final = re.compile(r"\$(?:\(([A-Za-z_]\w*)\)|\{([A-Za-z_]\w*)[^}]*\}|([A-Za-z_]\w*))")
_DISCOVERY: Final = re.compile(r"_SERVICE_(?:HOST|PORT(?:_\w+)?)$")


def variables(view: View, pod: PodView) -> Iterator[Finding]:
    """Both codes, for the variables that a Pod's commands and environment use."""
    if pod.spec.get("enableServiceLinks") is False:
        return
    used = list(_used(pod))
    if not used:
        return
    services = {_variable(name_of(s)): s for s in view.services(pod.namespace) if _has_variables(s)}
    for field, container, name in used:
        if any(e.get("name") == name for e in container.get("env") or ()):
            continue
        if _DISCOVERY.search(name):
            service = services.get(_DISCOVERY.sub("", name))
            if service is not None:
                yield from _too_late(view, pod, container, service, field, name)
        elif name.endswith("_PORT") and (service := services.get(name.removesuffix("_PORT"))) is not None:
            yield _surprise(view, pod, service, field, name)


def _used(pod: PodView) -> Iterator[tuple[str, JSONObject, str]]:
    """The variables that commands, arguments and other variables refer to: field, container, name; each name once."""
    for path, container in pod.placed_containers():
        texts = [
            (f"{path}.{w}[{i}]", t) for w in ("command", "args") for i, t in enumerate(container.get(w) or ())
        ]
        texts += [
            (f"{path}.env[{i}].value", e.get("value") or "") for i, e in enumerate(container.get("env") or ())
        ]
        seen: set[str] = set()
        for field, text in texts:
            for groups in _USED.findall(str(text)):
                name = "".join(groups)
                if name not in seen:
                    seen.add(name)
                    yield field, container, name


def _has_variables(service: JSONObject) -> bool:
    first = (cluster_ips_of(service) or [""])[0] or spec_of(service).get("clusterIP")
    return first not in (None, "", NONE) and bool(ports_of(service))


def _too_late(
    view: View, pod: PodView, container: JSONObject, service: JSONObject, field: str, name: str
) -> Iterator[Finding]:
    """Code 16: a container is told of the Services that are there when it starts."""
    made = ObjectRef.of(service, "Service")
    evidence: tuple[str, ...]
    first, second = view.place(pod.ref), view.place(made)
    if pod.planned:
        if first is None or second is None or (first.file, first.document) >= (second.file, second.document):
            return
        if first.file != second.file or pod.path:
            return  # a workload's Pods come later than the objects of its file; of other files nobody knows
        evidence = (f"{pod} is document {first.document}, {made} document {second.document} of {first.file}",)
        message = f"{pod} stands before {made}: where its container starts at once, it has no variable {name}"
        fix = "write the Service first, or use its DNS name"
    else:
        started = _started(pod.obj, str(container.get("name")))
        created = str(service["metadata"].get("creationTimestamp") or "")
        if not started or started >= created:
            return
        evidence = (
            f"container {container.get('name')} started at {started}",
            f"{made} was made at {created}",
        )
        message = f"{pod} has no variable {name}: {made} was made after its container had started"
        fix = "start the container again (delete the Pod), or use the DNS name of the Service"
    yield Finding(
        code=16, severity="warning", object=pod.ref, field=field, message=message, evidence=evidence, fix=fix
    )


def _started(pod: JSONObject, container: str) -> str:
    for status in status_of(pod).get("containerStatuses") or ():
        if status.get("name") == container:
            return str(dig(status, "state", "running", "startedAt", default="") or "")
    return ""


def _surprise(view: View, pod: PodView, service: JSONObject, field: str, name: str) -> Finding:
    """Code 17: `NAME_PORT` is a URL, as Docker's links had it."""
    spec = spec_of(service)
    port = ports_of(service)[0]
    address = "CLUSTER-IP" if view.planning else spec.get("clusterIP")
    url = f"{str(port.get('protocol') or 'TCP').lower()}://{address}:{port.get('port')}"
    return Finding(
        code=17,
        severity="warning",
        object=pod.ref,
        field=field,
        message=f"{name} is not a number here: because of service/{name_of(service)} it is {url}",
        evidence=(f"service/{name_of(service)} is in namespace {pod.namespace}",),
        fix=f"set {name} in the container's env, use {name.removesuffix('_PORT')}_SERVICE_PORT, "
        "or write enableServiceLinks: false",
    )


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
