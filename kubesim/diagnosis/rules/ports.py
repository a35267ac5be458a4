"""Codes 4, 5, 8, 11, 12 and 21: what a Service's ports lead to in the Pods that it selects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubesim.apimachinery.meta import namespace_of
from kubesim.apis.podfacts import find_port
from kubesim.apis.servicespec import EXTERNAL_NAME, NONE, ports_of, spec_of, type_of
from kubesim.diagnosis.finding import Finding, ObjectRef, Severity
from kubesim.diagnosis.listening import Bound
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.view import PodView, View, matches, names_of, selector_of
from kubesim.util.jsontypes import JSONObject


@dataclass(frozen=True, slots=True)
class _Port:
    """One port of a Service, with the Pods that it may lead to."""

    view: View
    service: JSONObject
    at: int
    port: JSONObject
    pods: Sequence[PodView]

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef.of(self.service, "Service")

    @property
    def number(self) -> int:
        return int(self.port.get("port") or 0)

    @property
    def protocol(self) -> str:
        return str(self.port.get("protocol") or "TCP")

    @property
    def target(self) -> int | str:
        found: int | str = self.port.get("targetPort") or self.number
        return found

    def field(self, name: str = "targetPort") -> str:
        if name == "targetPort" and self.port.get("targetPort") in (None, 0, "", self.number):
            name = "targetPort" if self.port.get("targetPort") else "port"
        return f"spec.ports[{self.at}].{name}"

    def finding(
        self, code: int, severity: Severity, field: str, message: str, evidence: Sequence[str], fix: str
    ) -> Finding:
        return Finding(
            code=code,
            severity=severity,
            object=self.ref,
            field=field,
            message=message,
            evidence=tuple(evidence),
            fix=fix,
        )


def target_ports(view: View, service: JSONObject) -> Iterator[Finding]:
    """Each port of a Service, in the Pods that it selects."""
    selector = selector_of(service)
    if not selector or type_of(service) == EXTERNAL_NAME:
        return
    pods = view.selected(namespace_of(service), selector)
    if not pods:
        return
    headless = spec_of(service).get("clusterIP") == NONE
    for at, port in enumerate(ports_of(service)):
        one = _Port(view, service, at, port, pods)
        found = list(_named(one) if isinstance(one.target, str) else ())
        if headless and not found:
            found = list(_headless(one))
        yield from found or _listeners(one)


def _named(one: _Port) -> Iterator[Finding]:
    """Codes 5 and 8: a target port by name."""
    name = str(one.target)
    lacking = [p for p in one.pods if find_port(p.obj, one.port) is None]
    if not lacking:
        return
    all_names = [
        (str(d.get("name")), d)
        for p in lacking
        for c in p.containers
        for d in c.get("ports") or ()
        if d.get("name")
    ]
    other = next((d for n, d in all_names if n == name), None)
    some = len(lacking) < len(one.pods)
    severity: Severity = "warning" if some else "error"
    if other is not None:
        protocol = other.get("protocol") or "TCP"
        yield one.finding(
            8,
            severity,
            one.field("protocol"),
            f"the port called {name} in {names_of(lacking)} is {protocol}, and the Service's is {one.protocol}",
            [f"containerPort {other.get('containerPort')}/{protocol} is called {name}"],
            f"write protocol: {protocol} in the Service, or {one.protocol} in the Pods",
        )
        return
    names = list(dict.fromkeys(n for n, _ in all_names))
    meant = closest(name, names) or (names[0] if len(names) == 1 else "")
    evidence = [f"they call their ports {', '.join(names)}" if names else "none of their ports has a name"]
    who = f"{names_of(lacking)} have" if len(lacking) > 1 else f"{lacking[0]} has"
    fix = (
        f"write targetPort: {meant}"
        if meant
        else f"give the containerPort the name {name}, or write its number here"
    )
    yield one.finding(5, severity, one.field(), f"{who} no port called {name}", evidence, fix)


def _headless(one: _Port) -> Iterator[Finding]:
    """Code 12: clients of a headless Service connect to the Pods' addresses themselves, so no port is mapped."""
    numbers = {find_port(p.obj, one.port) for p in one.pods} - {None}
    if not numbers or numbers == {one.number}:
        return
    bound = [b for p in one.pods for b in one.view.bound(p) or ()]
    if any(b.port == one.number and not b.on_loopback for b in bound):
        return
    there = ", ".join(str(n) for n in sorted(n for n in numbers if n is not None))
    known = any(one.view.bound(p) is not None for p in one.pods)
    yield one.finding(
        12,
        "error" if known else "warning",
        one.field("port"),
        f"the Service is headless: a client that resolves its name connects to port {one.number} of the Pods, "
        f"and not to targetPort {one.target}",
        [f"the target port is {there}", *_heard(bound)],
        f"write port: {there}, or remove clusterIP: None",
    )


def _listeners(one: _Port) -> Iterator[Finding]:
    """Codes 4, 8, 11 and 21: whether something listens there."""
    deaf: list[PodView] = []
    heard: list[Bound] = []
    asked = 0
    for pod in one.pods:
        bound = one.view.bound(pod)
        number = find_port(pod.obj, one.port)
        if bound is None or number is None or _never_ran(pod):
            continue
        asked += 1
        if not any(b.port == number and b.protocol == one.protocol and not b.on_loopback for b in bound):
            deaf.append(pod)
            heard += bound
    if deaf:
        yield _unheard(one, deaf, list(dict.fromkeys(heard)), "error" if len(deaf) == asked else "warning")
    elif asked == 0:
        yield from _undeclared(one)
    elif "IPv6" in (spec_of(one.service).get("ipFamilies") or ()):
        yield from _deaf_to_ipv6(one)


def _deaf_to_ipv6(one: _Port) -> Iterator[Finding]:
    """Code 4: an application that was told to listen on 0.0.0.0, behind an IPv6 address."""
    deaf: list[PodView] = []
    programs: dict[str, None] = {}
    for pod in one.pods:
        number = find_port(pod.obj, one.port)
        heard = [
            b
            for b in one.view.bound(pod) or ()
            if b.port == number and b.protocol == one.protocol and not b.on_loopback
        ]
        if heard and all(b.for_ipv4_alone for b in heard):
            deaf.append(pod)
            programs[heard[0].process or "the application"] = None
    if not deaf:
        return
    alone = spec_of(one.service).get("ipFamilies") == ["IPv6"]
    yield one.finding(
        4,
        "error" if alone else "warning",
        one.field(),
        f"in {names_of(deaf)} {' and '.join(programs)} listens for IPv4 only, and the Service has an IPv6 address: "
        "connections to it are refused",
        [f"addresses of the Service: {', '.join(spec_of(one.service).get('clusterIPs') or ())}"],
        "let the application listen on ::, which takes IPv4 too"
        + ("" if alone else ", or write ipFamilyPolicy: SingleStack"),
    )


def _never_ran(pod: PodView) -> bool:
    """Whether a Pod has no container that runs, which is code 7's to tell."""
    statuses = (pod.obj.get("status") or {}).get("containerStatuses") or ()
    return not pod.planned and not any((s.get("state") or {}).get("running") for s in statuses)


def _unheard(one: _Port, deaf: Sequence[PodView], heard: Sequence[Bound], severity: Severity) -> Finding:
    number = find_port(deaf[0].obj, one.port)
    loopback = next(
        (b for b in heard if b.on_loopback and b.port == number and b.protocol == one.protocol), None
    )
    where = f"{number}/{one.protocol}"
    evidence = list(_heard(heard))
    who = names_of(deaf)
    if loopback is not None:
        program = loopback.process or "the application"
        return one.finding(
            21,
            severity,
            one.field(),
            f"in {who} {program} listens on port {number} of {loopback.address} only: nobody outside the Pod reaches it",
            evidence,
            "let the application listen on 0.0.0.0 (or on ::); probes and other Pods come to the Pod's address",
        )
    other = next((b for b in heard if b.port == number and b.protocol != one.protocol), None)
    if other is not None:
        return one.finding(
            8,
            severity,
            one.field("protocol"),
            f"the Service sends {one.protocol} to port {number}, where {who} takes {other.protocol}",
            evidence,
            f"write protocol: {other.protocol} in spec.ports[{one.at}]",
        )
    reachable = [b for b in heard if not b.on_loopback and b.protocol == one.protocol]
    mixed = _mixed_up(one, number or 0, reachable)
    if mixed is not None:
        return one.finding(11, severity, one.field(), mixed[0], evidence, mixed[1])
    fix = (
        f"write targetPort: {reachable[0].port}"
        if len({b.port for b in reachable}) == 1
        else ("write as targetPort a port on which the application listens")
    )
    return one.finding(4, severity, one.field(), f"nothing listens on port {where} in {who}", evidence, fix)


def _heard(bound: Sequence[Bound]) -> Iterator[str]:
    if bound:
        yield "what listens: " + shown_bound(bound)
    else:
        yield "nothing listens there at all"


def shown_bound(bound: Sequence[Bound]) -> str:
    """`nginx on 80/TCP, php-fpm on 9000/TCP`: IPv4 and IPv6 listeners of one port are one."""
    return ", ".join(dict.fromkeys(str(b) for b in bound)) or "nothing"


def _mixed_up(one: _Port, number: int, heard: Sequence[Bound]) -> tuple[str, str] | None:
    """Whether a port number stands in the place of another: what is said of it, and the fix."""
    low, high = one.view.node_ports
    ports = {b.port for b in heard}
    node_port = one.port.get("nodePort")
    explained = "port belongs to the Service's address, targetPort to the Pods', nodePort to the nodes'"
    if number == node_port or (low <= number <= high and ports):
        right = sorted(ports)[0] if ports else one.number
        return (
            f"targetPort {number} is a node port: it belongs to the nodes' addresses, and Pods do not listen there",
            f"write targetPort: {right} and nodePort: {number} ({explained})",
        )
    if one.number in ports and number in (80, 443) and one.number not in (80, 443):
        return (
            f"port and targetPort are swapped: the Pods listen on {one.number}, which is written as the Service's port",
            f"write port: {number} and targetPort: {one.number} ({explained})",
        )
    return None


def _undeclared(one: _Port) -> Iterator[Finding]:
    """Code 4 as information: nobody knows what listens, and the containers do not name the port."""
    if not isinstance(one.target, int):
        return
    declared = [
        (int(d.get("containerPort") or 0), str(d.get("protocol") or "TCP"))
        for p in one.pods
        for c in p.containers
        for d in c.get("ports") or ()
    ]
    if not declared or any(number == one.target for number, _ in declared):
        other = [p for number, p in declared if number == one.target and p != one.protocol]
        if declared and other and (one.target, one.protocol) not in declared:
            yield one.finding(
                8,
                "warning",
                one.field("protocol"),
                f"the Service sends {one.protocol} to port {one.target}, which the Pods declare as {other[0]}",
                [f"Pods: {names_of(one.pods)}"],
                f"write protocol: {other[0]} in spec.ports[{one.at}] if the application takes {other[0]}",
            )
        return
    low, high = one.view.node_ports
    if one.target == one.port.get("nodePort") or low <= one.target <= high:
        mixed = _mixed_up(one, one.target, [Bound(n, p, "", "", "") for n, p in declared])
        if mixed is not None:
            yield one.finding(11, "warning", one.field(), mixed[0], _declares(declared), mixed[1])
            return
    meant = sorted({n for n, p in declared if p == one.protocol})
    # Where other ports of Services lead to those that are declared, this one is probably one more, and not a slip.
    spoken_for = meant and all(_leads_to(one, number) for number in meant)
    yield one.finding(
        4,
        "info" if spoken_for else "warning",
        one.field(),
        f"{names_of(one.pods)} does not declare port {one.target}/{one.protocol}",
        _declares(declared),
        f"write targetPort: {meant[0]}, or declare the port if the application does listen on it"
        if meant
        else "look whether the application listens on it",
    )


def _leads_to(one: _Port, number: int) -> bool:
    """Whether another port of a Service of these Pods leads to a port of theirs."""
    for service in one.view.services(one.ref.namespace):
        selector = selector_of(service)
        if selector and all(matches(selector, p.labels) for p in one.pods):
            others = (p for p in ports_of(service) if p is not one.port)
            if any(find_port(one.pods[0].obj, p) == number for p in others):
                return True
    return False


def _declares(declared: Sequence[tuple[int, str]]) -> list[str]:
    return ["declared: " + ", ".join(f"{n}/{p}" for n, p in dict.fromkeys(declared))]
