"""Walking a request, hop by hop, and saying at which hop and which field it breaks.

The walk is the network's own: names are asked of the resolver of the place, and a packet is sent through the fabric. Where
it ends without an answer, the rules of `check` say why; what they cannot see from the objects alone is told here.
Nothing is said to the application that listens at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from kubesim.apis.meta import host_port
from kubesim.client.client import Client
from kubesim.client.lister import by_index, pods_at
from kubesim.client.resources import SERVICES
from kubesim.diagnosis.finding import Finding
from kubesim.network.trip import Arrived, Balanced, Forwarded, Lost, Moved, Policies, Rules, Step, Trip
from kubesim.network.views import FabricView
from kubesim.runtime.addressorder import one_of_each
from kubesim.runtime.network_view import NetworkError
from kubesim.runtime.resolver import (
    addresses_in,
    has_ipv6,
    hosts_addresses,
    is_address,
    resolver_config,
    search_names,
    sorted_addresses,
    valid_name,
)
from kubesim.util.dnsmessage import DNSMessage
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.diagnosis.routing import Routed
    from kubesim.proxy import Hop as ProxyHop
    from kubesim.proxy import Verdict
    from kubesim.runtime.addressorder import Order
    from kubesim.runtime.application import TransportProtocol
    from kubesim.runtime.machine import Machine

HopKind = Literal["name", "rules", "route", "policy", "listener", "ingress", "tls", "backend"]
_OWN_CHAINS: Final = tuple(f"KUBE-{kind}-" for kind in ("SVC", "SVL", "EXT", "FW", "SEP"))


@dataclass(frozen=True, slots=True)
class Visit:
    """What an HTTP request asks for. `field` is the path of an Ingress for which it was made up."""

    host: str
    path: str
    tls: bool = False
    field: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request is to go: a name or an address, a port, a protocol; `shown` is what the user wrote.

    `visits` are the HTTP requests to send there, if it is HTTP. `ingress` is the key of the Ingress that was asked for, or
    that has the host; it is served at `served_at`, which outside of the cluster stands in for a record in DNS.
    """

    host: str
    port: int
    protocol: TransportProtocol
    shown: str
    visits: tuple[Visit, ...] = ()
    ingress: str = ""
    served_at: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way. `ok` is false at the one where it broke; `details` are rules, records and the like."""

    kind: HopKind
    text: str
    ok: bool = True
    details: tuple[str, ...] = ()


@dataclass(slots=True)
class Trace:
    """A request from a place to a target. `outcome` is that of its packet, or `not resolved`."""

    origin: str
    target: Target
    hops: list[Hop] = field(default_factory=list)
    outcome: str = ""
    address: str = ""
    trip: Trip | None = None
    answers: list[DNSMessage] = field(default_factory=list)
    silent: bool = False
    """Whether no DNS server answered at all."""
    service: tuple[str, str] | None = None
    """Namespace and name of the Service, where the address does not tell."""
    routed: Routed | None = None
    """What an ingress controller made of it, if it came to one."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        return self.outcome == "reached"

    def as_json(self) -> dict[str, Any]:
        """What `-o json` prints of it."""
        return {
            "from": self.origin,
            "to": self.target.shown,
            "reachable": self.reached,
            "outcome": self.outcome,
            "hops": [
                {"kind": h.kind, "ok": h.ok, "text": h.text, "details": list(h.details)} for h in self.hops
            ],
            "findings": [f.as_json() for f in self.findings],
        }


def walk(
    machine: Machine, view: FabricView, origin: str, target: Target, order: Order | None = None
) -> Trace:
    """Send a request from a place, and note each hop. Nothing is explained yet. `order` is that of the addresses of a name,
    where it is not the machine's.
    """
    trace = Trace(origin, target)
    if target.ingress and not (target.host or target.served_at):
        trace.hops.append(Hop("ingress", f"{target.shown} has no address: nobody serves it", ok=False))
        trace.outcome = "not served"
        return trace
    trace.address, *others = _resolve(machine, target, trace, order) or [""]
    if not trace.address and origin == "outside" and target.served_at:
        trace.address = _taken_for_granted(trace)
    if not trace.address:
        trace.outcome = "not resolved"
        return trace
    trip = view.send(trace.address, target.port, target.protocol)
    if trip.outcome != "reached" and others and target.protocol == "TCP":
        # RFC 8305: clients go on with the other family, and are never told.
        failed = tuple(hop.text for step in trip.steps for hop in _hops(step, trip))
        said = f"{trace.address}: {trip.outcome}; a client goes on with {others[0]}"
        trace.hops.append(Hop("route", said, details=failed))
        trace.address = others[0]
        trip = view.send(trace.address, target.port, target.protocol)
    trace.trip, trace.outcome = trip, trip.outcome
    trace.hops += [hop for step in trip.steps for hop in _hops(step, trip)]
    if not trip.steps:
        trace.hops.append(Hop("route", f"{trace.address}: {trip.outcome}", ok=trip.outcome == "reached"))
    if trip.listener is not None and target.visits:
        _pass_on(trace, view, trip.listener.application)
    return trace


def _pass_on(trace: Trace, view: FabricView, application: object) -> None:
    """Let an ingress controller route the requests; the first that breaks is the last."""
    from kubesim.diagnosis.routing import Routing, controller_of

    target, found = trace.target, controller_of(application)
    if found is None:
        return
    routing = Routing(
        *found,
        target.ingress if any(v.field for v in target.visits) else "",
        lambda port: view.send(trace.address, port),
        lambda trip: (hop for step in trip.steps for hop in _hops(step, trip)),
    )
    for visit in target.visits:
        trace.routed, hops = routing.route(visit)
        trace.hops += hops
        trace.outcome = trace.routed.outcome
        if trace.routed.problem:
            return


# Names.


def _resolve(machine: Machine, target: Target, trace: Trace, order: Order | None) -> list[str]:
    """The addresses of a name that are tried, asked for as the resolver of the place asks: one of a family."""
    name = target.host
    if is_address(name):
        return [name]
    both = has_ipv6(machine)
    if local := sorted_addresses(machine, hosts_addresses(machine, name), order):
        local = local if both else [a for a in local if ":" not in a] or local
        trace.hops.append(Hop("name", f"{name} is {local[0]}, by /etc/hosts"))
        return one_of_each(local)
    config, details, server = resolver_config(machine), [], ""
    for candidate in search_names(name, config) if valid_name(name) else ():
        found: list[str] = []
        for qtype in ("A", "AAAA") if both else ("A",):
            answer, by = _ask(machine, candidate, qtype, config.nameservers)
            if answer is None:
                trace.silent = True
                details.append(f"{candidate} {qtype}: nobody answers at {', '.join(config.nameservers)}")
                break
            trace.answers.append(answer)
            server, of_type = by, addresses_in(answer, qtype)
            details.append(f"{candidate} {qtype}: {_said(answer, of_type)}")
            found += of_type
        if trace.silent:
            break
        found = sorted_addresses(machine, found, order)
        if found:
            also = f" (one of {len(found)})" if len(found) > 1 else ""
            trace.hops.append(
                Hop("name", f"{name} is {found[0]}{also}, by DNS at {server}", details=tuple(details))
            )
            return one_of_each(found)
    trace.hops.append(Hop("name", f"{name} does not resolve", ok=False, details=tuple(details)))
    return []


def _taken_for_granted(trace: Trace) -> str:
    """Whoever tries an Ingress from outside has a record in DNS for it, or says so: `curl --resolve`."""
    target, last = trace.target, trace.hops.pop()
    namespace, _, name = target.ingress.rpartition("/")
    said = (
        f"{target.host} is to be {target.served_at}, where ingress/{name} in namespace {namespace} is served: "
        "no DNS says so, as a record, /etc/hosts or `curl --resolve` would"
    )
    trace.hops.append(Hop("name", said, details=last.details))
    return target.served_at


def _ask(machine: Machine, name: str, qtype: str, servers: Sequence[str]) -> tuple[DNSMessage | None, str]:
    for server in servers:
        try:
            answer = machine.network.query(name, qtype, server)
        except NetworkError:
            continue
        if answer.rcode not in ("SERVFAIL", "REFUSED", "NOTIMP"):
            return answer, server
    return None, ""


def _said(answer: DNSMessage, found: Sequence[str]) -> str:
    aliases = "".join(f"CNAME {r.data} " for r in answer.answers if r.type == "CNAME")
    if found:
        return aliases + ", ".join(found)
    return aliases + ("no such record" if answer.rcode == "NOERROR" else answer.rcode)


# Packets.


def _hops(step: Step, trip: Trip) -> Iterator[Hop]:
    match step:
        case Rules(node=node, verdict=verdict):
            ok = verdict.action in ("dnat", "accept")
            details = tuple(f"{h.table}: {h.text}" for h in _telling(verdict))
            yield Hop("rules", _ruled(node, verdict), ok, details)
        case Policies(decision=decision):
            yield Hop("policy", step.text, decision.allowed)
        case Arrived(listener=listener):
            text = step.text
            if listener is not None and trip.peer is not None:
                text += f", and sees {trip.peer.text} as its client"
            yield Hop("listener", text, listener is not None)
        case Lost():
            yield Hop("route", step.text, ok=False)
        case Forwarded() | Balanced() | Moved():
            yield Hop("route", step.text)


def _ruled(node: str, verdict: Verdict) -> str:
    words = {"reject": "rejects it", "drop": "drops it", "accept": "has no rule for it"}
    if verdict.action != "dnat":
        return f"kube-proxy of {node} {words[verdict.action]}"
    also = ", from the node's own address" if verdict.masquerade else ""
    return (
        f"kube-proxy of {node} leads it to {host_port(verdict.destination, verdict.destination_port)}{also}"
    )


def _telling(verdict: Verdict) -> Iterator[ProxyHop]:
    """The rules that are one Service's own: not those by which every packet passes."""
    for hop in verdict.hops:
        if "/" in hop.comment or hop.chain.startswith(_OWN_CHAINS):
            yield hop


# Whom an address belongs to.


def service_at(client: Client, address: str, port: int = 0) -> JSONObject | None:
    """The Service of an address (of its own, external, of a load balancer); with a port, rather one that has it."""
    found = by_index(client, SERVICES, "", "address", [address])
    has = (s for s in found if any(p.get("port") == port for p in (s.get("spec") or {}).get("ports") or ()))
    return next(has, found[0] if found else None)


def service_on_node_port(client: Client, port: int) -> JSONObject | None:
    found = by_index(client, SERVICES, "", "nodePort", [str(port)])
    return found[0] if found else None


def pod_at(client: Client, address: str) -> JSONObject | None:
    """The Pod of an address."""
    for pod in pods_at(client, address):
        if (
            not (pod.get("spec") or {}).get("hostNetwork")
            and (pod.get("status") or {}).get("phase") == "Running"
        ):
            return pod
    return None
