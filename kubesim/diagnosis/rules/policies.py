"""Code 24: NetworkPolicies that do not let through what they seem to let through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubesim.apimachinery.meta import name_of
from kubesim.apis.podfacts import find_port, spec_of
from kubesim.apis.servicespec import ports_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.nearest import is_slip
from kubesim.diagnosis.rules.selectors import nearest, shown
from kubesim.diagnosis.view import View, matches, selector_of
from kubesim.util.jsontypes import JSONObject, dig

_INGRESS: Final = "Ingress"


def policy(view: View, found: JSONObject) -> Iterator[Finding]:
    """A policy by itself: whom it selects, and the ports of its rules."""
    ref = ObjectRef.of(found, "NetworkPolicy")
    labels = dig(found, "spec", "podSelector", "matchLabels", default=None) or {}
    plain = not dig(found, "spec", "podSelector", "matchExpressions", default=None)
    if labels and plain and not view.selected(ref.namespace, labels):
        yield from _selects_nobody(view, ref, labels, "spec.podSelector.matchLabels")
    elif plain:
        yield from _service_ports(view, found, ref, labels)
    yield from _peers(view, found, ref)


def _selects_nobody(view: View, ref: ObjectRef, labels: Mapping[str, str], field: str) -> Iterator[Finding]:
    near = nearest(view, ref.namespace, labels)
    if near is None or not is_slip(near.differences):
        return
    wanted, has = near.differences[0].wanted, near.differences[0].has or ("", "")
    yield Finding(
        code=24,
        severity="warning",
        object=ref,
        field=f"{field}.{wanted[0]}",
        message=f"the policy speaks of Pods with {shown(labels)}, and there are none in namespace {ref.namespace}",
        evidence=tuple(f"nearest is {near.pod}: {d.text}" for d in near.differences),
        fix=f"write {has[0]}: {has[1]}",
    )


def _peers(view: View, found: JSONObject, ref: ObjectRef) -> Iterator[Finding]:
    """Peers in the policy's own namespace that nobody is."""
    for way, word in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec_of(found).get(way) or ()):
            for position, peer in enumerate((rule or {}).get(word) or ()):
                selector = peer.get("podSelector") or {}
                labels = selector.get("matchLabels") or {}
                if "namespaceSelector" in peer or not labels or selector.get("matchExpressions"):
                    continue
                if not view.selected(ref.namespace, labels):
                    field = f"spec.{way}[{at}].{word}[{position}].podSelector.matchLabels"
                    yield from _selects_nobody(view, ref, labels, field)


def _service_ports(
    view: View, found: JSONObject, ref: ObjectRef, labels: Mapping[str, str]
) -> Iterator[Finding]:
    """Policies look at the Pod's port, after the Service's has been translated: a rule with the Service's lets nobody in."""
    rules = spec_of(found).get("ingress") or []
    allowed = [
        (at, i, p) for at, rule in enumerate(rules) for i, p in enumerate((rule or {}).get("ports") or ())
    ]
    if not allowed or any(not (rule or {}).get("ports") for rule in rules):
        return
    numbers = [p.get("port") for _, _, p in allowed]
    for service in view.services(ref.namespace):
        selector = selector_of(service)
        pods = [p for p in view.selected(ref.namespace, selector) if matches(labels, p.labels)]
        if not pods:
            continue
        for port in ports_of(service):
            target, number = find_port(pods[0].obj, port), port.get("port")
            if target in (None, number) or port.get("targetPort") in numbers:
                continue
            if any(_covers(one, target) for _, _, one in allowed):
                continue
            bound = view.bound(pods[0])
            sure = bound is not None and not any(b.port == number for b in bound)
            for at, i, one in allowed:
                if one.get("port") == number and not one.get("endPort"):
                    yield Finding(
                        code=24,
                        severity="error" if sure else "warning",
                        object=ref,
                        field=f"spec.ingress[{at}].ports[{i}].port",
                        message=f"{number} is the port of service/{name_of(service)}; policies see the Pods' port, "
                        f"which is {target}, and let nothing through to it",
                        evidence=(
                            f"service/{name_of(service)} leads from port {number} to {target} of {pods[0]}",
                        ),
                        fix=f"write port: {target}",
                    )


def _covers(allowed: JSONObject, port: int | None) -> bool:
    """Whether a port of a rule, or its range, has a port in it; without a number it has all."""
    first, last = allowed.get("port"), allowed.get("endPort")
    if first is None:
        return True
    return isinstance(first, int) and port is not None and first <= port <= (last or first)
