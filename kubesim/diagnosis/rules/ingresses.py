"""Codes 5 and 11 of an Ingress: its backends name Services and ports of Services."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    for path, backend in _placed(ingress):
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


def _placed(ingress: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    spec = spec_of(ingress)
    if spec.get("defaultBackend"):
        yield "spec.defaultBackend", spec["defaultBackend"]
    for at, rule in enumerate(spec.get("rules") or ()):
        for i, path in enumerate(dig(rule, "http", "paths", default=None) or ()):
            yield f"spec.rules[{at}].http.paths[{i}].backend", path.get("backend") or {}
