"""The engine: which rule looks at which objects, and in which order findings are told.

A rule is a function of the cluster and one object, and yields what it finds; none knows of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from kubesim.client.resources import SERVICES
from kubesim.diagnosis.finding import SEVERITIES, Finding, ObjectRef
from kubesim.diagnosis.rules import (
    environment,
    ingresses,
    names,
    outside,
    policies,
    ports,
    readiness,
    selectors,
    virtualhosts,
    zones,
)
from kubesim.diagnosis.view import INGRESSES, NETWORK_POLICIES, STATEFUL_SETS, PodView, View
from kubesim.util.jsontypes import JSONObject

ObjectRule = Callable[[View, JSONObject], Iterator[Finding]]
PodRule = Callable[[View, PodView], Iterator[Finding]]

SERVICE_RULES: Final[tuple[ObjectRule, ...]] = (
    selectors.matches_nothing,
    readiness.none_ready,
    ports.target_ports,
    selectors.no_endpoints,
    names.external_name,
    names.headless_without_ports,
    outside.no_local_endpoint,
    outside.affinity,
    outside.sources,
    zones.hints,
    outside.pending,
)
INGRESS_RULES: Final[tuple[ObjectRule, ...]] = (
    ingresses.backends,
    ingresses.missing,
    virtualhosts.not_served,
    virtualhosts.claimed_twice,
    virtualhosts.certificates,
    virtualhosts.hosts_without_rules,
)
POD_RULES: Final[tuple[PodRule, ...]] = (names.short_names, environment.variables, readiness.probes)
RULES: Final = (
    (SERVICES, "Service", SERVICE_RULES),
    (STATEFUL_SETS, "StatefulSet", (names.stateful_set,)),
    (NETWORK_POLICIES, "NetworkPolicy", (policies.policy,)),
    (INGRESSES, "Ingress", INGRESS_RULES),
)


def examine(
    view: View, namespaces: Iterable[str], wanted: Callable[[ObjectRef], bool] | None = None
) -> list[Finding]:
    """What is wrong in some namespaces, the worst of each object first; of those objects only that are `wanted`."""
    found: list[Finding] = []
    for namespace in namespaces:
        for gvr, kind, rules in RULES:
            for obj in view.all(gvr, namespace):
                if wanted is None or wanted(ObjectRef.of(obj, kind)):
                    found += (f for rule in rules for f in rule(view, obj))
        for pod in view.pods(namespace):
            if wanted is None or wanted(pod.ref):
                found += (f for pod_rule in POD_RULES for f in pod_rule(view, pod))
    return ordered(view, found)


def examine_service(view: View, service: JSONObject) -> list[Finding]:
    """What is wrong with one Service, the worst first."""
    return ordered(view, (f for rule in SERVICE_RULES for f in rule(view, service)))


def examine_ingress(view: View, ingress: JSONObject) -> list[Finding]:
    """What is wrong with one Ingress, the worst first."""
    return ordered(view, (f for rule in INGRESS_RULES for f in rule(view, ingress)))


def ordered(view: View, findings: Iterable[Finding]) -> list[Finding]:
    """Findings with the places of their objects, by place or name, the worst of each first, each once."""
    placed = dict.fromkeys(f if f.place else replace(f, place=view.place(f.object)) for f in findings)
    return sorted(placed, key=_order)


def _order(finding: Finding) -> tuple[object, ...]:
    place = finding.place
    where = (place.file, place.document) if place else ("", 0)
    return (*where, finding.object, SEVERITIES.index(finding.severity), finding.code, finding.field)
