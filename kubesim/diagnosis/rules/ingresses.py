"""Codes 5, 11 and 26: the backends of an Ingress name Services and ports of Services."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.podfacts import spec_of
from kubesim.apis.servicespec import ports_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.view import View
from kubesim.util.jsontypes import JSONObject, dig


def backends(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Each backend whose Service is there, and does not have the port."""
    return backend_findings(ingress, view.service)


def backend_findings(
    ingress: JSONObject, find_service: Callable[[str, str], JSONObject | None]
) -> Iterator[Finding]:
    """The same, with Services found by name and namespace."""
    ref = ObjectRef.of(ingress, "Ingress")
    for path, backend in placed_backends(ingress):
        wanted = dig(backend, "service", default=None) or {}
        name = str(wanted.get("name") or "")
        service = find_service(name, ref.namespace) if name else None
        if service is None:
            continue
        ports = ports_of(service)
        number, word = dig(wanted, "port", "number"), dig(wanted, "port", "name")
        if any((number and p.get("port") == number) or (word and p.get("name") == word) for p in ports):
            continue
        yield _no_such_port(ref, f"{path}.service.port", wanted, ports, number, word)


def missing(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Code 26. Of manifests nobody knows whether the Service stands elsewhere, unless there is one that was meant."""
    ref = ObjectRef.of(ingress, "Ingress")
    seen: set[str] = set()
    for path, backend in placed_backends(ingress):
        name = str(dig(backend, "service", "name", default=None) or "")
        if not name or name in seen or view.service(name, ref.namespace) is not None:
            continue
        seen.add(name)
        known = [name_of(s) for s in view.services(ref.namespace)]
        meant = closest(name, known)
        away = sorted({namespace_of(s) for s in view.services_named(name)} - {ref.namespace})
        if view.planning and not meant and not away:
            continue
        yield _missing(ref, f"{path}.service.name", name, known, meant, away)


def _missing(ref: ObjectRef, field: str, name: str, known: list[str], meant: str, away: list[str]) -> Finding:
    evidence = [f"Services there: {', '.join(known[:5]) or 'none'}"]
    fix = f"write name: {meant}" if meant else "make the Service, or name one that exists"
    if away:
        evidence.append(f"service/{name} is in namespace {', '.join(away[:3])}")
    if away and not meant:
        fix = f"move the Ingress to namespace {away[0]}: it leads to Services of its own namespace alone"
    return Finding(
        code=26,
        severity="error",
        object=ref,
        field=field,
        message=f"there is no Service {name} in namespace {ref.namespace}",
        evidence=tuple(evidence),
        fix=fix,
    )


def _no_such_port(
    ref: ObjectRef, path: str, wanted: JSONObject, ports: list[JSONObject], number: object, name: object
) -> Finding:
    has = ", ".join(f"{p.get('port')}" + (f" ({p['name']})" if p.get("name") else "") for p in ports)
    evidence = (f"service/{wanted.get('name')} has port {has}",)
    if number:
        mapped = next((p for p in ports if number in (p.get("targetPort"), p.get("nodePort"))), None)
        what = "the targetPort" if mapped and mapped.get("targetPort") == number else "a nodePort"
        said = (
            f"{number} is {what} of service/{wanted.get('name')}"
            if mapped
            else (f"service/{wanted.get('name')} has no port {number}")
        )
        fix = f"write number: {(mapped or ports[0]).get('port')}" if ports else "give the Service a port"
        return Finding(
            code=11,
            severity="error",
            object=ref,
            field=f"{path}.number",
            message=f"{said}; an Ingress names the Service's own port",
            evidence=evidence,
            fix=fix,
        )
    meant = closest(str(name), [str(p["name"]) for p in ports if p.get("name")])
    return Finding(
        code=5,
        severity="error",
        object=ref,
        field=f"{path}.name",
        message=f"service/{wanted.get('name')} has no port called {name}",
        evidence=evidence,
        fix=f"write name: {meant}" if meant else "write a name or number that the Service has",
    )


def placed_backends(ingress: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    """Each backend, with its path in the object."""
    spec = spec_of(ingress)
    if spec.get("defaultBackend"):
        yield "spec.defaultBackend", spec["defaultBackend"]
    for at, rule in enumerate(spec.get("rules") or ()):
        for i, path in enumerate(dig(rule, "http", "paths", default=None) or ()):
            yield f"spec.rules[{at}].http.paths[{i}].backend", path.get("backend") or {}
