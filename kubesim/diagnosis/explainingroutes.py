"""Why an ingress controller did not pass a request on, or nobody serves its Ingress: the object and the field at fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kubesim.apis.podfacts import spec_of
from kubesim.diagnosis.engine import examine_ingress, examine_service
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.routing import Routed
from kubesim.diagnosis.rules.virtualhosts import covers, not_served, ref_of, twice
from kubesim.diagnosis.tracing import Trace
from kubesim.diagnosis.view import INGRESSES, View
from kubesim.network.ingress.table import EVERY_HOST, PREFIX, Claim
from kubesim.util.jsontypes import JSONObject


def ingress_of(view: View, key: str) -> JSONObject | None:
    """The Ingress of a key."""
    ref = ref_of(key)
    return view.get(INGRESSES, ref.name, ref.namespace)


def unserved(view: View, key: str) -> Iterator[Finding]:
    """Code 27, of an Ingress without an address; what a request meets is an error."""
    ingress = ingress_of(view, key)
    if ingress is not None:
        yield from (_as_error(f) for f in not_served(view, ingress))


def misrouted(view: View, trace: Trace, found: Routed) -> Iterator[Finding]:
    """What the controller itself had to say; what became of a packet of its own is explained as any other's."""
    claim = found.claim
    if found.problem == "spoken":
        yield _misspoken(trace, found)
    elif found.problem == "rule":
        yield from _no_rule(view, trace, found)
    elif claim is None:
        return
    elif found.problem == "double":
        lost = next(c for c in found.routes.table.doubles if c.field == found.visit.field)
        yield twice(ref_of(lost.ingress), lost, claim, "error")
    elif found.problem == "certificate":
        yield _no_certificate(view, found, claim)
    elif found.problem == "upstream":
        yield from _no_upstream(view, found, claim)
    elif found.problem == "tls":
        yield _wrong_protocol(found, claim)


def _as_error(finding: Finding) -> Finding:
    return replace(finding, severity="error")


def _misspoken(trace: Trace, found: Routed) -> Finding:
    wanted, port = ("https", 80) if found.visit.tls else ("http", 443)
    return Finding(
        code=8,
        severity="error",
        object=ref_of(trace.target.ingress)
        if trace.target.ingress
        else ObjectRef("Host", "", found.visit.host),
        field="",
        message=f"port {trace.target.port} of the controller does not speak {wanted}: TLS is at 443, HTTP without it at 80",
        fix=f"leave port {port} out of the URL" if trace.target.port == port else "use the other port",
    )


# No rule.


def _no_rule(view: View, trace: Trace, found: Routed) -> Iterator[Finding]:
    table, host = found.routes.table, found.visit.host.lower()
    claims = list(dict.fromkeys(x.claim for x in found.site.locations))
    if claims:
        yield _no_path(found, claims)
        return
    asked = trace.target.ingress
    ingress = ingress_of(view, asked) if asked else None
    if ingress is not None and _has_host(ingress, host):
        yield from unserved(view, asked)  # its controller is another one
        return
    meant = closest(host, table.hosts)
    shorter = [h for h in table.hosts if h.startswith("*.") and host.endswith(h[1:])]
    near = meant or next(iter(shorter), "")
    claim = next((x.claim for x in table.site(near).locations), None) if near else None
    evidence = [f"hosts of the rules: {', '.join(table.hosts[:10]) or 'none'}"]
    if shorter:
        evidence.append(f"{shorter[0]} stands for exactly one label before {shorter[0][2:]}")
    fix = f"ask for {meant}, or write host: {host}"
    if not meant:
        fix = f"ask for one of these hosts (curl -H 'Host: HOST'), or add a rule with host: {host}"
    yield Finding(
        code=30,
        severity="error",
        object=ref_of(claim.ingress) if claim is not None else ObjectRef("Host", "", host),
        field=f"{claim.field.partition('.http')[0]}.host" if claim is not None and claim.path_type else "",
        message=f"no rule of an Ingress has the host {host}, and there is no default backend",
        evidence=tuple(evidence),
        fix=fix,
    )


def _has_host(ingress: JSONObject, host: str) -> bool:
    rules = spec_of(ingress).get("rules") or ()
    return any(not r.get("host") or covers(str(r["host"]).lower(), host) for r in rules)


def _no_path(found: Routed, claims: list[Claim]) -> Finding:
    path = found.visit.path
    # An Exact path of which the request is a continuation, or one that differs by a slash at its end.
    under = [c for c in claims if c.path_type == "Exact" and path.startswith(c.path.rstrip("/"))]
    near = closest(path, [c.path for c in claims])
    claim = under[0] if under else next((c for c in claims if c.path == near), claims[0])
    fix = f"write pathType: Prefix for {claim.path}" if under else f"add a path for {path} to the rule"
    if near and not under:
        fix = f"write path: {path}, or ask for {near}"
    host = f"host {found.visit.host}" if found.site.host != EVERY_HOST else "the rules without a host"
    return Finding(
        code=30,
        severity="error",
        object=ref_of(claim.ingress),
        field=f"{claim.field}.pathType" if under else f"{claim.field}.path",
        message=f"no path of {host} matches {path}",
        evidence=tuple(f"{ref_of(c.ingress)}: {c.path} ({c.path_type})" for c in claims[:5]),
        fix=fix,
    )


# The certificate.


def _no_certificate(view: View, found: Routed, claim: Claim) -> Finding:
    host = found.visit.host
    ingress = next(
        (
            i
            for k in _owners(found, claim)
            if (i := ingress_of(view, k)) is not None and spec_of(i).get("tls")
        ),
        None,
    )
    if found.site.secret is not None and ingress is not None:
        field = _field_of(ingress, found.site.secret[1])
        said = [f for f in examine_ingress(view, ingress) if f.code == 29 and f.field == field]
        if said:
            return _as_error(said[0])
    return Finding(
        code=29,
        severity="error",
        object=ref_of(claim.ingress),
        field="spec.tls",
        message=f"no Ingress names a Secret with a certificate for {host}: the controller shows one of its own, "
        "which no client trusts",
        fix=f"add tls with hosts: [{host}] and a secretName, or use http",
    )


def _owners(found: Routed, claim: Claim) -> list[str]:
    """The Ingresses that have a part in a host."""
    return list(dict.fromkeys([claim.ingress, *(x.claim.ingress for x in found.site.locations)]))


def _field_of(ingress: JSONObject, secret: str) -> str:
    sections = spec_of(ingress).get("tls") or ()
    return next(
        (f"spec.tls[{n}].secretName" for n, s in enumerate(sections) if s.get("secretName") == secret), ""
    )


# The backend.


def _no_upstream(view: View, found: Routed, claim: Claim) -> Iterator[Finding]:
    location, ingress = found.location, ingress_of(view, claim.ingress)
    if location is None or ingress is None:
        return
    said = [f for f in examine_ingress(view, ingress) if f.code in (5, 11, 26) and f.severity == "error"]
    path = claim.field if claim.field == "spec.defaultBackend" else f"{claim.field}.backend"
    here = [f for f in said if f.field.startswith(f"{path}.")]
    service = view.service(location.backend.service, location.backend.namespace)
    if here:
        yield from here
    elif service is not None:
        errors = examine_service(view, service)
        yield from [f for f in errors if f.severity == "error"] or errors
    else:  # the same Service is missing at another path, where it was told
        yield from (f for f in said if f.code == 26 and location.backend.service in f.message.split())


def _wrong_protocol(found: Routed, claim: Claim) -> Finding:
    speaks = (
        found.trip is not None and found.trip.listener is not None and found.trip.listener.application.tls
    )
    name = f"{PREFIX}backend-protocol"
    return Finding(
        code=8,
        severity="error",
        object=ref_of(claim.ingress),
        field=f"metadata.annotations[{name}]",
        message="the application speaks TLS, and the controller sends plain HTTP"
        if speaks
        else "the application speaks plain HTTP, and the controller sends TLS",
        fix=f'write {name}: "{"HTTPS" if speaks else "HTTP"}"',
    )
