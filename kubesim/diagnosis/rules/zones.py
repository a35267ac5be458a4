"""Code 31: endpoints with hints for zones, which nodes of other zones leave out; and hints that were asked for and are not
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubesim.apimachinery.meta import annotations_of, labels_of
from kubesim.apis.servicespec import spec_of
from kubesim.apis.servicevalidation import TOPOLOGY_HINTS, TOPOLOGY_MODE
from kubesim.client.resources import NODES
from kubesim.controllers.topologyhints import ZONE, TopologyHints, cpu_ratios, wants_hints
from kubesim.diagnosis.finding import Finding, ObjectRef, Severity
from kubesim.diagnosis.view import View
from kubesim.util.jsontypes import JSONObject

_CLOSE = "spec.trafficDistribution"


def hints(view: View, service: JSONObject) -> Iterator[Finding]:
    """Whether a Service that wants hints has them."""
    field = _asked_by(service)
    if field is None:
        return
    value = annotations_of(service).get(TOPOLOGY_HINTS, annotations_of(service).get(TOPOLOGY_MODE))
    if field != _CLOSE and not wants_hints(service):
        if value and value.lower() != "disabled" and "/" not in value:
            yield _finding(
                service, field, f"{value} is no value that gives hints", (), "write Auto", severity="warning"
            )
        return
    if view.planning:
        return
    slices = view.slices(service["metadata"]["name"], service["metadata"]["namespace"])
    ready = [e for s in slices for e in _ready(s)]
    if not ready or all(_zones(e) for e in ready):
        return
    if field == _CLOSE:
        bare = sorted({str(e.get("nodeName")) for e in ready if not e.get("zone")})
        has = "have" if len(bare) > 1 else "has"
        message = f"trafficDistribution has no effect: {', '.join(bare)} {has} no label {ZONE}"
        yield _finding(service, field, message, (), f"kubectl label node {bare[0]} {ZONE}=ZONE")
        return
    ratios = cpu_ratios(view.nodes())
    trial = TopologyHints(ratios, populated=True)
    for family in dict.fromkeys(s["addressType"] for s in slices):
        trial.assign(family, [dict(s) for s in slices if s["addressType"] == family], [], [])
    why = next((e.message for e in trial.events), "they will be made when its endpoints change next")
    nodes = [f"{n['metadata']['name']}: zone {labels_of(n).get(ZONE) or 'none'}" for n in view.nodes()]
    yield _finding(
        service,
        field,
        f"the annotation has no effect, its endpoints have no hints: {why}",
        nodes[:5],
        f"label every node with {ZONE}, and run enough Pods in each zone; or write trafficDistribution: PreferClose, "
        "which does not count",
        severity="warning",
    )


def left_out(view: View, service: JSONObject, node: str, family: str) -> Finding | None:
    """What hints mean for a request whose endpoint the rules of a node choose; None where there are none, or all are for its
    zone.
    """
    found = view.slices(service["metadata"]["name"], service["metadata"]["namespace"])
    ready = [e for s in found if s["addressType"] == family for e in _ready(s)]
    if not any(_zones(e) for e in ready):
        return None
    field = _asked_by(service) or "metadata.annotations"
    zone = labels_of(view.get(NODES, node) or {}).get(ZONE) or ""
    used = [e for e in ready if zone in _zones(e)]
    bare = [e for e in ready if not _zones(e)]
    if bare or not used:
        why = f"no endpoint is hinted for zone {zone}" if zone else f"{node} has no label {ZONE}"
        why = f"{_name(bare[0])} has no hint" if bare else why
        return _finding(
            service,
            field,
            f"{node} chooses among all endpoints, though some have hints for zones: {why}",
            [_hinted(e) for e in ready[:5]],
            f"run a Pod in each zone, and label every node with {ZONE}",
        )
    others = [e for e in ready if zone not in _zones(e)]
    if not others:
        return None
    return _finding(
        service,
        field,
        f"{node} is in zone {zone}, and chooses among the endpoints that are hinted for it alone: {_names(used)}; "
        f"it leaves out {_names(others)}",
        [_hinted(e) for e in (*used, *others)][:5],
        "nothing, if requests are to stay in their zone; else remove " + field,
    )


def _asked_by(service: JSONObject) -> str | None:
    """The field that asks for hints, or might: the annotation comes first."""
    for name in (TOPOLOGY_HINTS, TOPOLOGY_MODE):
        if name in annotations_of(service) and (
            wants_hints(service) or spec_of(service).get("trafficDistribution") != "PreferClose"
        ):
            return f"metadata.annotations[{name}]"
    return _CLOSE if spec_of(service).get("trafficDistribution") == "PreferClose" else None


def _ready(found: JSONObject) -> list[JSONObject]:
    return [e for e in found.get("endpoints") or () if (e.get("conditions") or {}).get("ready") is not False]


def _zones(endpoint: JSONObject) -> list[str]:
    return [z["name"] for z in (endpoint.get("hints") or {}).get("forZones") or ()]


def _name(endpoint: JSONObject) -> str:
    target = endpoint.get("targetRef") or {}
    return f"pod/{target['name']}" if target.get("kind") == "Pod" else str(endpoint["addresses"][0])


def _names(endpoints: Sequence[JSONObject]) -> str:
    shown = ", ".join(_name(e) for e in endpoints[:3])
    return shown + (f" and {len(endpoints) - 3} more" if len(endpoints) > 3 else "")


def _hinted(endpoint: JSONObject) -> str:
    zones = ", ".join(_zones(endpoint))
    there = f"{_name(endpoint)} is in zone {endpoint.get('zone') or 'none'}"
    return f"{there}, hinted for {zones}" if zones else f"{there}, without a hint"


def _finding(
    service: JSONObject,
    field: str,
    message: str,
    evidence: Sequence[str],
    fix: str,
    *,
    severity: Severity = "info",
) -> Finding:
    return Finding(
        code=31,
        severity=severity,
        object=ObjectRef.of(service, "Service"),
        field=field,
        message=message,
        evidence=tuple(evidence),
        fix=fix,
    )
