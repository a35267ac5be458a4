"""Code 33: an address that nobody has, and who had it before: the log of changes still knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.core_v1.service import ingress_of
from kubesim.apis.podfacts import is_terminal, pod_ips, spec_of, status_of
from kubesim.apis.servicespec import NONE
from kubesim.client.resources import PODS, SERVICES
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.view import View, matches, selector_of, view_of_pod
from kubesim.network.journey import NO_POD
from kubesim.util.jsontypes import JSONObject

_OUTSIDE: Final = "use the address of a node with a node port, or that of a load balancer"


def nobody(view: View, address: str, why: str, *, outside: bool) -> Finding:
    """What is to be said of an address that no Pod, Service or node has, to somebody inside or outside of the cluster;
    `why` is the network's word for it.
    """
    found = _last_owner(view, address)
    if found is None:
        return _finding(
            ObjectRef("Address", "", address),
            "",
            f"nobody has the address {address}: no Pod, no Service and no node",
            (why,) if why == NO_POD else (),
            _OUTSIDE if outside else "write the name of a Service: names stay, addresses are given anew",
        )
    if found.get("kind") == "Pod":
        return _of_pod(view, found, address, outside=outside)
    return _of_service(view, found, address, outside=outside)


def addresses_of(service: JSONObject) -> Iterator[str]:
    """Every address at which a Service answers."""
    spec = spec_of(service)
    yield from (a for a in spec.get("clusterIPs") or (spec.get("clusterIP"),) if a and a != NONE)
    yield from spec.get("externalIPs") or ()
    yield from ingress_of(service)


def _last_owner(view: View, address: str) -> JSONObject | None:
    """The Pod or Service that had an address last, as it was then; None where the log does not go back so far."""
    if view.since is None:
        return None
    found = None
    try:
        for event in view.client.log(view.since, resources=(PODS, SERVICES)):
            obj = event.object
            own = pod_ips(obj) if obj.get("kind") == "Pod" else addresses_of(obj)
            if address in own and not spec_of(obj).get("hostNetwork"):
                found = obj
    except StatusError:
        return None  # compacted meanwhile
    return found


def _of_pod(view: View, pod: JSONObject, address: str, *, outside: bool) -> Finding:
    old = view_of_pod(pod)
    now = view.get(PODS, name_of(pod), namespace_of(pod))
    evidence = []
    if now is not None and is_terminal(now) and address in pod_ips(now):
        became = f"which has ended ({status_of(now).get('phase')})"
    elif now is not None:
        became = (
            "which was made anew" if now["metadata"]["uid"] != pod["metadata"]["uid"] else "which has moved"
        )
        evidence.append(f"{old} is at {', '.join(pod_ips(now)) or 'no address yet'} now")
    else:
        became = "which has gone"
        if when := pod["metadata"].get("deletionTimestamp"):
            evidence.append(f"it was deleted at {when}")
    services = [
        s for s in view.services(old.namespace) if selector_of(s) and matches(selector_of(s), old.labels)
    ]
    fix = _OUTSIDE if outside else "use a Service: the addresses of Pods come and go"
    if services and not outside:
        fix = f"use service/{name_of(services[0])}, which leads to the Pods with its labels: addresses of Pods come and go"
    return _finding(
        old.ref,
        "status.podIP",
        f"nobody has the address {address}; it was that of {old.ref.qualified}, {became}",
        evidence,
        fix,
    )


def _of_service(view: View, service: JSONObject, address: str, *, outside: bool) -> Finding:
    ref = ObjectRef.of(service, "Service")
    now = view.service(ref.name, ref.namespace)
    own = address in (spec_of(service).get("clusterIPs") or [spec_of(service).get("clusterIP")])
    if now is None:
        became, fix = (
            "which has gone",
            "make the Service again, and use its name: it will have another address",
        )
    else:
        addresses = ", ".join(addresses_of(now)) or "none"
        became = f"whose addresses are others now: {addresses}"
        fix = f"write {ref.name}.{ref.namespace}: names stay, addresses are given anew"
        fix = _OUTSIDE if outside else fix
    return _finding(
        ref,
        "spec.clusterIP" if own else "status.loadBalancer.ingress",
        f"nobody has the address {address}; it was one of {ref.qualified}, {became}",
        (),
        fix,
    )


def _finding(
    ref: ObjectRef, field: str, message: str, evidence: tuple[str, ...] | list[str], fix: str
) -> Finding:
    return Finding(
        code=33,
        severity="error",
        object=ref,
        field=field,
        message=message,
        evidence=tuple(evidence),
        fix=fix,
    )
