"""Why a request that was walked did not arrive: from the hop where it broke to the object and the field at fault.

Where the rules of `check` know the reason from the objects, they speak; the rest is what only a request shows: an address
that means nothing here, a port that the Service does not have, a policy that was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.meta import host_port
from kubesim.apis.podfacts import spec_of, status_of
from kubesim.apis.servicespec import EXTERNAL_NAME, LOAD_BALANCER, NONE, ports_of, type_of
from kubesim.client.resources import NODES, SERVICES
from kubesim.diagnosis import explainingroutes
from kubesim.diagnosis.engine import examine_ingress, examine_service
from kubesim.diagnosis.explainingaddresses import nobody
from kubesim.diagnosis.finding import Finding, ObjectRef, Severity
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.routing import Routed
from kubesim.diagnosis.rules import names, policies, zones
from kubesim.diagnosis.rules.outside import no_local_endpoint, pending, source_not_allowed
from kubesim.diagnosis.rules.ports import shown_bound
from kubesim.diagnosis.rules.virtualhosts import ref_of
from kubesim.diagnosis.tracing import Target, Trace, pod_at, service_at, service_on_node_port
from kubesim.diagnosis.view import (
    NETWORK_POLICIES,
    STATEFUL_SETS,
    PodView,
    View,
    matches,
    selector_of,
    view_of_pod,
)
from kubesim.network.ingress.table import Location
from kubesim.network.trip import Arrived, Lost, Policies, Rules, Trip
from kubesim.util.jsontypes import JSONObject

DNS_PORT = 53


def explain(
    view: View, trace: Trace, origin: JSONObject | None, namespace: str, probe: Callable[[], Trip | None]
) -> list[Finding]:
    """What is to be said of a trace, the reason why it broke first; where it arrived, what may surprise.

    `origin` is the Pod that sent it, if one did; `namespace` is where short names are looked for. `probe` sends a packet
    to the DNS server of the place.
    """
    if trace.reached:
        return list(_arrived(view, trace, origin))
    if trace.outcome == "not served":
        return list(explainingroutes.unserved(view, trace.target.ingress))
    if trace.routed is not None:
        return list(_routed(view, trace, trace.routed))
    if trace.trip is None:
        return list(_unresolved(view, trace, origin, namespace, probe))
    return list(_broken(view, trace, trace.trip))


def _routed(view: View, trace: Trace, routed: Routed) -> Iterator[Finding]:
    """A request that came to an ingress controller, and no further."""
    backend, trip = routed.location.backend if routed.location else None, routed.trip
    if routed.problem == "name" and backend is not None:
        service = view.service(backend.service, backend.namespace)
        yield from _empty_service(view, trace, service) if service is not None else ()
    elif routed.problem == "packet" and trip is not None:
        onward = Target(trip.address, trip.port, trip.protocol, trace.target.shown)
        service_key = (
            (backend.namespace, backend.service) if backend and trip.origin != trace.origin else None
        )
        part = Trace(trip.origin, onward, address=trip.address, trip=trip, service=service_key)
        yield from _broken(view, part, trip)
    else:
        yield from explainingroutes.misrouted(view, trace, routed)


# It arrived.


def _arrived(view: View, trace: Trace, origin: JSONObject | None) -> Iterator[Finding]:
    if trace.routed is not None and trace.routed.location is not None:
        yield from _routed_well(view, trace.routed.location)
        return
    service = _service(view, trace)
    if service is None:
        return
    if origin is not None and selector_of(service) and namespace_of(origin) == namespace_of(service):
        pod = view_of_pod(origin)
        if matches(selector_of(service), pod.labels) and spec_of(service).get("clusterIP") != NONE:
            yield names.hairpin(pod.ref, "metadata.labels", name_of(service))
    yield from (f for f in examine_service(view, service) if f.severity == "warning")
    yield from _of_the_zone(view, trace, service)


def _of_the_zone(view: View, trace: Trace, service: JSONObject) -> Iterator[Finding]:
    """Where kube-proxy chose among all endpoints of the cluster: which ones hints for zones left out."""
    chosen = [s for s in trace.trip.steps if isinstance(s, Rules)] if trace.trip is not None else []
    step = next((s for s in chosen if any(h.chain.startswith("KUBE-SVC-") for h in s.verdict.hops)), None)
    found = None
    if step is not None:
        family = "IPv6" if ":" in step.verdict.destination else "IPv4"
        found = zones.left_out(view, service, step.node, family)
    if found is not None:
        yield found


def _routed_well(view: View, location: Location) -> Iterator[Finding]:
    """What may surprise of the Ingress, and of the Service behind it."""
    ingress = explainingroutes.ingress_of(view, location.claim.ingress)
    service = view.service(location.backend.service, location.backend.namespace)
    found = examine_ingress(view, ingress) if ingress is not None else []
    found += examine_service(view, service) if service is not None else []
    yield from (f for f in found if f.severity == "warning")


def _service(view: View, trace: Trace) -> JSONObject | None:
    """The Service by which a request went, or wanted to go."""
    if trace.service is not None:
        namespace, name = trace.service
        return view.service(name, namespace)
    address, port = trace.address, trace.target.port
    found = service_at(view.client, address, port) or service_on_node_port(view.client, port)
    if found is not None or trace.trip is None:
        return found
    return _headless(view, trace)


def _headless(view: View, trace: Trace) -> JSONObject | None:
    """The headless Service whose name led to a Pod."""
    first, _, rest = _resolved_name(trace).partition(".")
    found = view.service(first, rest.partition(".")[0]) if rest else None
    return found if found is not None and spec_of(found).get("clusterIP") == NONE else None


def _resolved_name(trace: Trace) -> str:
    return next((r.name for a in reversed(trace.answers) for r in a.answers), "")


# The name does not resolve.


def _unresolved(
    view: View, trace: Trace, origin: JSONObject | None, namespace: str, probe: Callable[[], Trip | None]
) -> Iterator[Finding]:
    if trace.silent:
        trip = probe()
        if trip is not None and trip.outcome != "reached":
            yield from _broken(view, trace, trip)
        return
    if trace.target.ingress:
        yield from _host_of_ingress(view, trace, origin)
        return
    labels = trace.target.host.rstrip(".").split(".")
    name = labels[0]
    where = labels[1] if len(labels) > 1 and labels[1] in view.namespaces() else namespace
    service = view.service(name, where)
    ref = ObjectRef.of(origin, "Pod") if origin is not None else ObjectRef("Service", where, name)
    if _is_elsewhere(view, labels, namespace):
        yield _no_such_namespace(view, ref, trace.target.host, labels)
    elif service is not None and origin is None:
        yield _not_here(trace, service)
    elif service is not None and origin is not None:
        found = list(_empty_service(view, trace, service))
        yield from found or (_asks_elsewhere(trace, origin),)
    elif len(labels) == 1 and (others := sorted({namespace_of(s) for s in view.services_named(name)})):
        there = ObjectRef("Service", others[0], name)
        yield names.across_namespaces(there, "metadata.namespace", name, where, others)
    elif (found_set := _of_stateful_set(view, labels, where)) is not None:
        yield from found_set
    else:
        yield _no_such_service(view, ref, trace.target.host, name, where)


def _host_of_ingress(view: View, trace: Trace, origin: JSONObject | None) -> Iterator[Finding]:
    """A host of an Ingress' rules: they make no records."""
    host, address = trace.target.host, trace.target.served_at
    if not address:
        yield from explainingroutes.unserved(view, trace.target.ingress)
        return
    ref = ref_of(trace.target.ingress)
    fix = f"write {address} {host} into /etc/hosts of the node, or a record into its DNS"
    if origin is not None:
        fix = f"add hostAliases with ip: {address} to the Pod, or call the Service itself"
    yield Finding(
        code=13,
        severity="error",
        object=ref,
        field="spec.rules",
        message=f"{host} is a host of {ref.qualified}, and no DNS has it: an Ingress makes no records",
        evidence=(f"it is served at {address}",),
        fix=fix,
    )


def _not_here(trace: Trace, service: JSONObject) -> Finding:
    """Nodes and the outside ask other servers than Pods do."""
    ref, address = ObjectRef.of(service, "Service"), spec_of(service).get("clusterIP")
    return Finding(
        code=13,
        severity="error",
        object=ref,
        field="metadata.name",
        message=f"{trace.target.host} is a name of the cluster's DNS, which Pods ask; {trace.origin} asks another server",
        fix="use the addresses of its Pods from there" if address == NONE else f"use {address} from there",
    )


def _asks_elsewhere(trace: Trace, origin: JSONObject) -> Finding:
    """A Pod whose own settings lead its resolver past the Service's records."""
    policy = str(spec_of(origin).get("dnsPolicy") or "ClusterFirst")
    settings = policy == "ClusterFirst" or bool(spec_of(origin).get("dnsConfig"))
    why = "its dnsConfig does not lead to the record" if settings else "it does not ask the cluster's DNS"
    return Finding(
        code=13,
        severity="error",
        object=ObjectRef.of(origin, "Pod"),
        field="spec.dnsConfig" if settings else "spec.dnsPolicy",
        message=f"the Service is there, but the Pod's resolver does not find {trace.target.host}: "
        f"its dnsPolicy is {policy}, and {why}",
        evidence=tuple(d for hop in trace.hops for d in hop.details),
        fix="write dnsPolicy: ClusterFirst (ClusterFirstWithHostNet with hostNetwork), or the full name of the Service",
    )


def _empty_service(view: View, trace: Trace, service: JSONObject) -> Iterator[Finding]:
    """A Service that is there, and has no records."""
    ref, spec = ObjectRef.of(service, "Service"), spec_of(service)
    if type_of(service) == EXTERNAL_NAME:
        yield Finding(
            code=18,
            severity="error",
            object=ref,
            field="spec.externalName",
            message=f"{ref.name} is an alias of {spec.get('externalName')}, which does not resolve",
            evidence=tuple(d for h in trace.hops for d in h.details),
            fix="name a host that exists",
        )
        return
    yield from _errors(examine_service(view, service))


def _of_stateful_set(view: View, labels: Sequence[str], namespace: str) -> Iterator[Finding] | None:
    """A name such as `db-0.database`, of a StatefulSet."""
    if len(labels) < 2:
        return None
    where = labels[2] if len(labels) > 2 and labels[2] in view.namespaces() else namespace
    base = labels[0].rpartition("-")[0]
    for found in view.all(STATEFUL_SETS, where):
        if name_of(found) == base or spec_of(found).get("serviceName") == labels[1]:
            return names.stateful_set(view, found)
    return None


def _is_elsewhere(view: View, labels: Sequence[str], namespace: str) -> bool:
    """Whether the second label of a name is neither a namespace nor a Service, as in the names of single Pods."""
    if len(labels) < 2 or labels[1] in view.namespaces() or view.service(labels[1], namespace) is not None:
        return False
    return _of_stateful_set(view, labels, namespace) is None


def _no_such_namespace(view: View, ref: ObjectRef, host: str, labels: Sequence[str]) -> Finding:
    """The second label of a name is no namespace: a mistake in it, or a name that is not of the cluster."""
    known = sorted(view.namespaces())
    meant = closest(labels[1], known)
    of_the_cluster = len(labels) == 2 or labels[2] == "svc"
    fix = "make the namespace, or write the name of one that exists"
    if of_the_cluster and meant:
        fix = f"write {'.'.join((labels[0], meant, *labels[2:]))}"
    return Finding(
        code=13,
        severity="error",
        object=ref if ref.kind == "Pod" else ObjectRef("Service", labels[1], labels[0]),
        field="" if ref.kind == "Pod" else "metadata.namespace",
        message=f"no record is called {host}: there is no namespace {labels[1]}"
        if of_the_cluster
        else f"{host} is no name of the cluster, and the simulation has no others",
        evidence=(f"Namespaces: {', '.join(known)}",) if of_the_cluster else (),
        fix=fix if of_the_cluster else "write the name of a Service, or an address",
    )


def _no_such_service(view: View, ref: ObjectRef, host: str, name: str, namespace: str) -> Finding:
    known = [name_of(s) for s in view.services(namespace)]
    meant = closest(name, known)
    return Finding(
        code=13,
        severity="error",
        object=ref,
        field="metadata.name" if ref.kind == "Service" else "",
        message=f"no record is called {host}: there is no Service {name} in namespace {namespace}",
        evidence=(f"Services there: {', '.join(known) or 'none'}",),
        fix=f"write {meant}" if meant else "make the Service, or write the name of one that exists",
    )


# The packet does not arrive.


def _broken(view: View, trace: Trace, trip: Trip) -> Iterator[Finding]:
    last = trip.steps[-1] if trip.steps else None
    if isinstance(last, Policies):
        yield from _denied(view, last, trip)
    elif isinstance(last, Rules):
        yield from _stopped_by_rules(view, trace, last)
    elif isinstance(last, Arrived):
        yield from _nobody_listens(view, trace, last)
    elif isinstance(last, Lost):
        yield from _lost(view, trace, last)


def _errors(found: Iterable[Finding]) -> list[Finding]:
    """The errors alone; without any, all."""
    listed = list(found)
    return [f for f in listed if f.severity == "error"] or listed


def _denied(view: View, step: Policies, trip: Trip) -> Iterator[Finding]:
    """Code 24: which policies, and what they would have to allow."""
    decision = step.decision
    ingress = decision.direction == "Ingress"
    namespace, _, name = step.pod.removeprefix("pod ").partition("/")
    first = decision.isolating[0]
    where, _, policy = first.rpartition("/")
    ref = ObjectRef("NetworkPolicy", where or namespace, policy)
    verdict = next((s.verdict for s in reversed(trip.steps) if isinstance(s, Rules)), None)
    address, port = (
        (trip.address, trip.port) if verdict is None else (verdict.destination, verdict.destination_port)
    )
    found = view.get(NETWORK_POLICIES, policy, ref.namespace)
    mistakes = [f.message for f in policies.policy(view, found)] if found is not None else []
    way, peer = ("ingress", "from") if ingress else ("egress", "to")
    what = "DNS (port 53)" if trip.port == DNS_PORT else f"{trip.protocol} port {port}"
    yield Finding(
        code=24,
        severity="error",
        object=ref,
        field=f"spec.{way}",
        message=f"pod/{name} is isolated for {way} by {', '.join(decision.isolating)}, and no rule allows {what} "
        f"{'from ' + trip.origin if ingress else 'to ' + address}",
        evidence=tuple(mistakes),
        fix=f"add a rule to spec.{way} with this port, and the other side in `{peer}`; policies see the Pods' ports and "
        "addresses, and not the Service's",
    )


def _stopped_by_rules(view: View, trace: Trace, step: Rules) -> Iterator[Finding]:
    """A Service without endpoints here, or a load balancer that takes only certain sources."""
    service = _service(view, trace)
    if service is None:
        return
    found = examine_service(view, service)
    if step.verdict.action == "reject":
        yield from _errors(found)
        return
    comment = step.verdict.hops[-1].comment if step.verdict.hops else ""
    if "has no local endpoints" in comment:
        yield from _no_local(view, service, step.node)
        return
    if spec_of(service).get("loadBalancerSourceRanges"):
        yield source_not_allowed(service, step.node, step.source)


def _no_local(view: View, service: JSONObject, node: str) -> Iterator[Finding]:
    found = list(no_local_endpoint(view, service))
    ref = ObjectRef.of(service, "Service")
    internal = spec_of(service).get("internalTrafficPolicy") == "Local" and not found
    field = "spec.internalTrafficPolicy" if internal else "spec.externalTrafficPolicy"
    yield Finding(
        code=14,
        severity="error",
        object=ref,
        field=field,
        message=f"{field.partition('.')[2]} is Local, and {node} has no ready Pod of the Service: it drops the packet",
        evidence=found[0].evidence if found else (),
        fix=found[0].fix
        if found
        else f"write {field.partition('.')[2]}: Cluster, or run a Pod on every node",
    )


def _nobody_listens(view: View, trace: Trace, step: Arrived) -> Iterator[Finding]:
    """At a Pod or a node."""
    pod = pod_at(view.client, step.address)
    service = _service(view, trace)
    if service is not None and (found := _errors(examine_service(view, service))):
        listening = [f for f in found if f.code in (4, 8, 11, 12, 21)]
        yield from listening or found
        return
    if (
        service is not None
        and step.place.startswith("node ")
        and (wrong := _other_family(view, service, step))
    ):
        yield wrong
    elif pod is not None:
        yield _closed(view, view_of_pod(pod), step, trace.target.protocol)
    elif step.place.startswith("node "):
        yield from _closed_node(view, trace, step)


def _other_family(view: View, service: JSONObject, step: Arrived) -> Finding | None:
    """Code 11: a node port that the nodes have at their addresses of the other family."""
    families = spec_of(service).get("ipFamilies") or ()
    asked = "IPv6" if ":" in step.address else "IPv4"
    if asked in families or not any(p.get("nodePort") == step.port for p in ports_of(service)):
        return None
    node = view.get(NODES, step.place.removeprefix("node ")) or {}
    own = [a["address"] for a in status_of(node).get("addresses") or () if a.get("type") == "InternalIP"]
    there = next((a for a in own if (":" in a) != (asked == "IPv6")), "")
    ref = ObjectRef.of(service, "Service")
    return _finding(
        11,
        "error",
        ref,
        "spec.ipFamilies",
        f"{step.port} is the node port of {ref} for {', '.join(families)}, and {step.address} is an {asked} address",
        (f"addresses of {step.place}: {', '.join(own)}",),
        f"use {host_port(there, step.port)}, or write ipFamilyPolicy: PreferDualStack",
    )


def _closed(view: View, pod: PodView, step: Arrived, protocol: str) -> Finding:
    """A port of a Pod on which nothing listens, asked for without a Service."""
    port = step.port
    bound = view.bound(pod) or ()
    on_loopback = [b for b in bound if b.port == port and b.protocol == protocol and b.on_loopback]
    other = [b for b in bound if b.port == port and b.protocol != protocol]
    code, fix = 4, "name a port on which something listens"
    message = f"nothing listens on port {port}/{protocol} in {pod}"
    if on_loopback:
        code, message = 21, f"in {pod} port {port} is open on {on_loopback[0].address} only"
        fix = "let the application listen on 0.0.0.0"
    elif ":" in step.address and any(b.port == port and b.protocol == protocol for b in bound):
        message = f"in {pod} port {port} is open for IPv4 only"
        fix = "let the application listen on ::, which takes IPv4 too"
    elif other:
        code, message = 8, f"port {port} of {pod} takes {other[0].protocol}, and not {protocol}"
        fix = f"send {other[0].protocol}"
    elif bound:
        fix = f"use port {min(b.port for b in bound)}"
    return _finding(
        code, "error", pod.ref, "spec.containers", message, (f"what listens: {shown_bound(bound)}",), fix
    )


def _closed_node(view: View, trace: Trace, step: Arrived) -> Iterator[Finding]:
    """A port of a node that is no node port."""
    low, high = view.node_ports
    port = step.port
    ref = ObjectRef("Node", "", step.place.removeprefix("node "))
    having = [
        (s, p)
        for s in _all_services(view)
        for p in ports_of(s)
        if port in (p.get("port"), p.get("targetPort"))
    ]
    mapped = [(s, p) for s, p in having if p.get("nodePort")]
    if mapped:
        service, one = mapped[0]
        which = "port" if one.get("port") == port else "targetPort"
        yield _finding(
            11,
            "error",
            ObjectRef.of(service, "Service"),
            f"spec.ports[{ports_of(service).index(one)}].{which}",
            f"{port} is the {which} of service/{name_of(service)}; the nodes have it on port {one['nodePort']}",
            (),
            f"use port {one['nodePort']} of the node",
        )
        return
    outside = "" if low <= port <= high else f"; node ports are {low}-{high}"
    yield _finding(
        10 if outside else 4,
        "error",
        ref,
        "",
        f"nothing listens on port {port} of {ref.name}, and no Service has it as its node port{outside}",
        tuple(f"service/{name_of(s)} has port {port}, and no node port" for s, _ in having[:1]),
        "make the Service one of type NodePort, and use the port that it gets",
    )


def _all_services(view: View) -> list[JSONObject]:
    return view.all(SERVICES)


def _lost(view: View, trace: Trace, step: Lost) -> Iterator[Finding]:
    """An address that leads nowhere from there."""
    address, port = trace.address, trace.target.port
    service = service_at(view.client, address, port)
    if service is None:
        pod = pod_at(view.client, address)
        if pod is None:
            yield nobody(view, address, step.why, outside=trace.origin == "outside")
            return
        ref = ObjectRef.of(pod, "Pod")
        message = f"{address} is the address of {ref}, which means nothing outside of the cluster"
        fix = "go through a node port or a load balancer"
        if trace.origin != "outside":
            message, fix = f"{address}: {step.why}", "use a Service: the addresses of Pods come and go"
        yield _finding(11, "error", ref, "status.podIP", message, (), fix)
        return
    if trace.origin == "outside" and address in _own_addresses(service):
        yield from _from_outside(view, service, address)
        return
    yield from _no_such_port(service, trace)


def _own_addresses(service: JSONObject) -> list[str]:
    return spec_of(service).get("clusterIPs") or [spec_of(service).get("clusterIP")]


def _from_outside(view: View, service: JSONObject, address: str) -> Iterator[Finding]:
    ref = ObjectRef.of(service, "Service")
    if waiting := [replace(f, severity="error") for f in pending(view, service)]:
        yield from waiting
        return
    ports = [str(p["nodePort"]) for p in ports_of(service) if p.get("nodePort")]
    fix = "make it a Service of type NodePort or LoadBalancer"
    if ports:
        fix = f"use the address of a node, with node port {', '.join(ports)}"
        fix += ", or the address of the load balancer" if type_of(service) == LOAD_BALANCER else ""
    yield _finding(
        11,
        "error",
        ref,
        "spec.clusterIP",
        f"{address} is the cluster IP of {ref}, which means nothing outside of the cluster",
        (f"its type is {type_of(service)}",),
        fix,
    )


def _no_such_port(service: JSONObject, trace: Trace) -> Iterator[Finding]:
    """kube-proxy has no rule: the Service has the address, and not this port."""
    ref, port, protocol = ObjectRef.of(service, "Service"), trace.target.port, trace.target.protocol
    ports = ports_of(service)
    has = ", ".join(f"{p.get('port')}/{p.get('protocol') or 'TCP'}" for p in ports)
    for at, one in enumerate(ports):
        if one.get("port") == port:
            wanted = one.get("protocol") or "TCP"
            message = (
                f"port {port} of {ref} is {wanted}, and the request {protocol}: kube-proxy has no rule for it"
            )
            yield _finding(
                8,
                "error",
                ref,
                f"spec.ports[{at}].protocol",
                message,
                (f"its ports: {has}",),
                f"write protocol: {protocol}",
            )
            return
    for at, one in enumerate(ports):
        for word in ("targetPort", "nodePort"):
            if one.get(word) == port:
                message = f"{port} is the {word} of {ref}; its own address has port {one.get('port')}"
                yield _finding(
                    11,
                    "error",
                    ref,
                    f"spec.ports[{at}].{word}",
                    message,
                    (f"its ports: {has}",),
                    f"use port {one.get('port')}",
                )
                return
    message = f"{ref} has no port {port}: kube-proxy has no rule for it, and nobody answers"
    yield _finding(
        11, "error", ref, "spec.ports", message, (f"its ports: {has}",), f"use one of its ports: {has}"
    )


def _finding(
    code: int, severity: Severity, ref: ObjectRef, field: str, message: str, evidence: Sequence[str], fix: str
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        object=ref,
        field=field,
        message=message,
        evidence=tuple(evidence),
        fix=fix,
    )
