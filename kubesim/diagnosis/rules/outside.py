"""Codes 14, 20, 25 and 32: what those meet who come from outside, or come again."""

from __future__ import annotations

from collections.abc import Iterator

from kubesim.apimachinery.meta import name_of
from kubesim.apis.core_v1.service import ingress_of
from kubesim.apis.podfacts import is_ready
from kubesim.apis.servicespec import LOAD_BALANCER, externally_accessible, ports_of, spec_of, type_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.view import View, selector_of
from kubesim.util.jsontypes import JSONObject


def no_local_endpoint(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 14: nodes on which the packets of externalTrafficPolicy Local are dropped."""
    local = externally_accessible(service) and spec_of(service).get("externalTrafficPolicy") == "Local"
    if not local or view.planning or not selector_of(service):
        return
    ref = ObjectRef.of(service, "Service")
    pods = [p for p in view.selected(ref.namespace, selector_of(service)) if is_ready(p.obj)]
    if not pods:
        return  # code 1 or 7
    used = {str(p.spec.get("nodeName")) for p in pods}
    empty = [name_of(n) for n in view.nodes() if name_of(n) not in used]
    if not empty:
        return
    ports = ", ".join(str(p["nodePort"]) for p in ports_of(service) if p.get("nodePort"))
    yield Finding(
        code=14,
        severity="warning",
        object=ref,
        field="spec.externalTrafficPolicy",
        message=f"externalTrafficPolicy is Local, and {', '.join(empty)} "
        f"{'have' if len(empty) > 1 else 'has'} no ready Pod of it: what comes there from outside is dropped"
        + (f" (node port {ports})" if ports else ""),
        evidence=tuple(f"{p} is on {p.spec.get('nodeName')}" for p in pods[:5]),
        fix="use the address of a node that has one, run a Pod on every node (DaemonSet), or write externalTrafficPolicy: "
        "Cluster, which hides the client's address",
    )


def pending(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 25: a load balancer that nobody has given an address."""
    if type_of(service) != LOAD_BALANCER or view.planning or ingress_of(service):
        return
    spec, ref = spec_of(service), ObjectRef.of(service, "Service")
    kind = spec.get("loadBalancerClass")
    why = (
        f"spec.loadBalancerClass is {kind}, and no controller of that class runs"
        if kind
        else "no controller that gives addresses to load balancers has taken it up"
    )
    said = [f"{e.get('reason')}: {e.get('message')}" for e in view.events(ref) if e.get("type") == "Warning"]
    ports = [str(p["nodePort"]) for p in ports_of(service) if p.get("nodePort")]
    fix = "run a controller that has addresses to give (here: `sim create --load-balancer-pool`)"
    if ports:
        fix += f"; meanwhile every node answers on node port {', '.join(ports)}"
    yield Finding(
        code=25,
        severity="warning",
        object=ref,
        field="spec.loadBalancerClass" if kind else "status.loadBalancer.ingress",
        message=f"the load balancer has no address (EXTERNAL-IP is <pending>): {why}",
        evidence=tuple(said[-2:]),
        fix=fix,
    )


def affinity(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 20: a client is one address, and each port of the Service remembers by itself."""
    del view
    spec = spec_of(service)
    ports = ports_of(service)
    if spec.get("sessionAffinity") != "ClientIP" or len(ports) < 2:
        return
    named = ", ".join(str(p.get("name") or p.get("port")) for p in ports)
    yield Finding(
        code=20,
        severity="info",
        object=ObjectRef.of(service, "Service"),
        field="spec.sessionAffinity",
        message="sessionAffinity ClientIP is kept for each port by itself: one client may be with one Pod on one port, "
        "and with another Pod on the next",
        evidence=(f"ports: {named}", "all clients behind one address (NAT, a proxy) are one client"),
        fix="keep what belongs together on one port, or the session in a store that all Pods share",
    )


def sources(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 32: a load balancer that does not take everybody."""
    del view
    ranges = spec_of(service).get("loadBalancerSourceRanges") or ()
    if type_of(service) != LOAD_BALANCER or not ranges:
        return
    ports = [str(p["nodePort"]) for p in ports_of(service) if p.get("nodePort")]
    yield Finding(
        code=32,
        severity="info",
        object=ObjectRef.of(service, "Service"),
        field="spec.loadBalancerSourceRanges",
        message=f"at the address of the load balancer nodes drop what does not come from {', '.join(ranges)}, "
        "requests of Pods and nodes too",
        evidence=(f"node port {', '.join(ports)} takes everybody",) if ports else (),
        fix="add the ranges of all who are to reach it",
    )


def source_not_allowed(service: JSONObject, node: str, source: str) -> Finding:
    """Code 32, of a request: the range that would let it in."""
    ranges = spec_of(service).get("loadBalancerSourceRanges") or ()
    fitting = f"{source}/{128 if ':' in source else 32}"
    return Finding(
        code=32,
        severity="error",
        object=ObjectRef.of(service, "Service"),
        field="spec.loadBalancerSourceRanges",
        message=f"the load balancer takes {', '.join(ranges)} only, and this comes from {source}: {node} drops it",
        fix=f"add {fitting} to spec.loadBalancerSourceRanges, or a wider range with it",
    )
