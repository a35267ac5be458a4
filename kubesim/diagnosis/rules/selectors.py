"""Codes 1, 2 and 22: a Service that leads to no Pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.servicespec import EXTERNAL_NAME, ports_of, type_of
from kubesim.client.resources import ENDPOINTS
from kubesim.diagnosis.finding import Finding, ObjectRef, Place, Severity
from kubesim.diagnosis.nearest import Difference, closest, cost, differences, is_slip
from kubesim.diagnosis.view import SERVICE_NAME, PodView, View, matches, names_of, selector_of
from kubesim.util.jsontypes import JSONObject


def matches_nothing(view: View, service: JSONObject) -> Iterator[Finding]:
    """Codes 1 and 2."""
    selector, namespace = selector_of(service), namespace_of(service)
    if not selector or type_of(service) == EXTERNAL_NAME or view.selected(namespace, selector):
        return
    ref = ObjectRef.of(service, "Service")
    away = view.elsewhere(selector, namespace)
    if away:
        yield _in_other_namespace(ref, selector, away)
        return
    near = nearest(view, namespace, selector)
    severity = _severity(view, ref, selector, near)
    if severity is not None:
        yield _nothing(view, ref, selector, near, severity)


def _severity(view: View, ref: ObjectRef, selector: Mapping[str, str], near: Near | None) -> Severity | None:
    """Of manifests nobody knows whether the Pods stand elsewhere, or are made by an operator, unless there are some that
    were probably meant: but for a slip of the pen they match, or they are all that one file offers.
    """
    if not view.planning:
        return "error"
    if near is None:
        return None
    place = view.place(ref)
    if place is not None and place.file in view.incomplete:
        return None
    if is_slip(near.differences):
        return "error"
    offered = [p for p in view.pods(ref.namespace) if _is_offered(view, p, place, selector)]
    return "error" if offered == [near.pod] else None


def _is_offered(view: View, pod: PodView, place: Place | None, selector: Mapping[str, str]) -> bool:
    """Whether a Pod stands in the same file, has labels of the same keys, and belongs to no other Service."""
    beside = view.place(pod.ref)
    if place is None or beside is None or beside.file != place.file or pod.ref.kind in _JOBS:
        return False
    return all(key in pod.labels for key in selector) and not _is_selected(view, pod)


_JOBS: Final = ("Job", "CronJob")


def _is_selected(view: View, pod: PodView) -> bool:
    """Whether another Service leads to a Pod: then it was not meant by this one."""
    selectors = (selector_of(s) for s in view.services(pod.namespace))
    return any(s and matches(s, pod.labels) for s in selectors)


@dataclass(frozen=True, slots=True)
class Near:
    """The Pod that comes nearest to a selector, and what differs."""

    pod: PodView
    differences: Sequence[Difference]


def nearest(view: View, namespace: str, selector: Mapping[str, str]) -> Near | None:
    """The Pod of a namespace that comes nearest to a selector; None where none has anything of it."""
    best, least = None, 0.0
    for pod in view.pods(namespace):
        found = differences(selector, pod.labels)
        if all(d.has is None for d in found) and len(found) == len(selector):
            continue
        price = cost(found)
        if best is None or price < least:
            best, least = Near(pod, found), price
    return best


def _nothing(
    view: View, ref: ObjectRef, selector: Mapping[str, str], near: Near | None, severity: Severity
) -> Finding:
    pods = view.pods(ref.namespace)
    field, fix = "spec.selector", "give the Pods these labels, or the selector those of the Pods"
    if pods:
        lead = f"none of the {len(pods)} Pods" if len(pods) > 1 else "the only Pod"
        have = "has" if len(pods) > 1 else "does not have"
        what = f"{lead} in namespace {ref.namespace} {have} the labels {shown(selector)}"
        evidence = [f"Pods: {names_of(pods)}"]
    else:
        what = f"there are no Pods in namespace {ref.namespace}; the selector asks for {shown(selector)}"
        evidence, fix = [], "make the Pods, or look whether they are in another namespace"
    if near is not None:
        evidence += [f"nearest is {near.pod}: {d.text}" for d in near.differences]
        first = near.differences[0]
        field = f"spec.selector.{first.wanted[0]}"
        if first.has is not None:
            fix = f"write {first.has[0]}: {first.has[1]} in the selector, or label the Pods {'='.join(first.wanted)}"
    return Finding(
        code=1, severity=severity, object=ref, field=field, message=what, evidence=tuple(evidence), fix=fix
    )


def _in_other_namespace(ref: ObjectRef, selector: Mapping[str, str], away: Sequence[PodView]) -> Finding:
    where = sorted({p.namespace for p in away})
    there = ", ".join(where)
    return Finding(
        code=2,
        severity="error",
        object=ref,
        field="metadata.namespace",
        message=f"no Pod in namespace {ref.namespace} has the labels {shown(selector)}, but {len(away)} in {there} do",
        evidence=tuple(f"{p} in namespace {p.namespace}" for p in away[:3]),
        fix=f"a Service selects Pods of its own namespace only: make it in {where[0]}, and call it "
        f"{ref.name}.{where[0]} from elsewhere",
    )


def shown(selector: Mapping[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in selector.items())


def no_endpoints(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 22: a Service without a selector, whose Endpoints somebody has to write."""
    if selector_of(service) or type_of(service) == EXTERNAL_NAME or not ports_of(service):
        return
    ref = ObjectRef.of(service, "Service")
    slices, endpoints = view.slices(ref.name, ref.namespace), view.endpoints(ref.name, ref.namespace)
    if any(s.get("endpoints") for s in slices) or (endpoints and endpoints.get("subsets")):
        yield from _unknown_ports(service, ref, slices, endpoints)
        return
    others = [
        name_of(e)
        for e in view.all(ENDPOINTS, ref.namespace)
        if view.service(name_of(e), ref.namespace) is None
    ]
    meant = closest(ref.name, others) or (others[0] if len(others) == 1 and view.planning else "")
    evidence: tuple[str, ...] = ()
    if meant:
        evidence = (f"endpoints/{meant} has no Service of its name",)
        fix = f"name the Endpoints {ref.name}, as the Service, or the Service {meant}"
    else:
        fix = f"write an EndpointSlice labelled {SERVICE_NAME}: {ref.name}, or give the Service a selector"
    yield Finding(
        code=22,
        severity="info" if view.planning and not meant else "error",
        object=ref,
        field="spec.selector",
        message="the Service has no selector, and there are no Endpoints and no EndpointSlice with addresses for it",
        evidence=evidence,
        fix=fix,
    )


def _unknown_ports(
    service: JSONObject, ref: ObjectRef, slices: Sequence[JSONObject], endpoints: JSONObject | None
) -> Iterator[Finding]:
    """Ports are joined by their names: those of hand-made endpoints must be those of the Service."""
    groups = [s.get("ports") or [] for s in slices]
    if not groups and endpoints:
        groups = [s.get("ports") or [] for s in endpoints.get("subsets") or ()]
    there = {str(p.get("name") or "") for group in groups for p in group}
    for at, port in enumerate(ports_of(service)):
        name = str(port.get("name") or "")
        if name not in there and there:
            has = ", ".join(sorted(repr(n) for n in there)).replace("''", "no name")
            yield Finding(
                code=22,
                severity="error",
                object=ref,
                field=f"spec.ports[{at}].name",
                message=f"no port of its endpoints is called {name!r}"
                if name
                else "no port of its endpoints is without a name",
                evidence=(f"the endpoints have: {has}",),
                fix="give the ports of Service and endpoints the same names: by them they belong together",
            )
