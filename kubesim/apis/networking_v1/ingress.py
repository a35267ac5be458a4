"""Ingresses: their strategy, as pkg/registry/networking/ingress has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.names import (
    ip_family,
    is_dns1035_label,
    is_dns1123_subdomain,
    is_valid_ip,
    is_valid_port_name,
    is_valid_port_num,
    is_wildcard_dns1123_subdomain,
)
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, age, columns
from kubesim.apis.meta import and_more
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Class, Hosts, Address, Ports, Age")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {"loadBalancer": {}}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {"loadBalancer": {}}


def validate(obj: JSONObject) -> list[FieldError]:
    errors = _validate_spec(obj.get("spec") or {}, Path("spec"))
    annotation = annotations_of(obj).get(CLASS_ANNOTATION)
    if annotation is not None and dig(obj, "spec", "ingressClassName") is not None:
        at = Path("metadata").child("annotations").child(CLASS_ANNOTATION)
        detail = "can not be set when the class field is also set"
        errors.append(field.invalid(at, annotation, detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return _validate_spec(new.get("spec") or {}, Path("spec"))


def _validate_spec(spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        errors.append(field.invalid(path, field.GoValue("[]networking.IngressRule(nil)"), detail))
    if backend is not None:
        errors += _validate_backend(backend, path.child("defaultBackend"))
    for i, rule in enumerate(rules):
        errors += _validate_rule(rule, path.child("rules").index(i))
    for i, tls in enumerate(spec.get("tls") or ()):
        for j, host in enumerate(tls.get("hosts") or ()):
            at = path.child("tls").index(i).child("hosts").index(j)
            errors += [field.invalid(at, host, e) for e in _host_errors(host)]
    name = spec.get("ingressClassName")
    if name is not None:
        errors += [field.invalid(path.child("ingressClassName"), name, e) for e in is_dns1123_subdomain(name)]
    return errors


def _host_errors(host: str) -> list[str]:
    return is_wildcard_dns1123_subdomain(host) if "*" in host else is_dns1123_subdomain(host)


def _validate_rule(rule: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    host = str(rule.get("host") or "")
    if host:
        if ip_family(host):
            detail = "must be a DNS name, not an IP address"
            errors.append(field.invalid(path.child("host"), host, detail))
        errors += [field.invalid(path.child("host"), host, e) for e in _host_errors(host)]
    http = rule.get("http")
    if http is None:
        return errors
    at = path.child("http", "paths")
    if not http.get("paths"):
        errors.append(field.required(at, ""))
    for i, entry in enumerate(http.get("paths") or ()):
        errors += _validate_path(entry, at.index(i))
    return errors


def _validate_path(entry: JSONObject, path: Path) -> list[FieldError]:
    kind, target = entry.get("pathType"), str(entry.get("path") or "")
    if kind is None:
        return [field.required(path.child("pathType"), "pathType must be specified")]
    errors: list[FieldError] = []
    at = path.child("path")
    if kind in {"Exact", "Prefix"}:
        if not target.startswith("/"):
            errors.append(field.invalid(at, target, "must be an absolute path"))
        if target:
            errors += [
                field.invalid(at, target, f"must not contain '{s}'") for s in _BAD_SEQUENCES if s in target
            ]
            errors += [
                field.invalid(at, target, f"cannot end with '{s}'") for s in _BAD_ENDS if target.endswith(s)
            ]
    elif kind == "ImplementationSpecific":
        if target and not target.startswith("/"):
            errors.append(field.invalid(at, target, "must be an absolute path"))
    else:
        errors.append(field.not_supported(path.child("pathType"), kind, _PATH_TYPES))
    return errors + _validate_backend(entry.get("backend") or {}, path.child("backend"))


def _validate_backend(backend: JSONObject, path: Path) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [field.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        at = path.child("resource")
        return [field.required(at.child(n), "") for n in ("kind", "name") if not resource.get(n)]
    if service is None:
        return [field.invalid(path, "", "resource or service backend is required")]
    errors: list[FieldError] = []
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        errors.append(field.required(path.child("service", "name"), ""))
    else:
        errors += [field.invalid(path.child("service", "name"), name, e) for e in is_dns1035_label(name)]
    at = path.child("service", "port")
    if port.get("name") and port.get("number"):
        errors.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        errors += [field.invalid(at.child("name"), port["name"], e) for e in is_valid_port_name(port["name"])]
    elif port.get("number"):
        errors += [
            field.invalid(at.child("number"), port["number"], e) for e in is_valid_port_num(port["number"])
        ]
    else:
        errors.append(field.required(path, "port name or number is required"))
    return errors


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, point in enumerate(dig(new, "status", "loadBalancer", "ingress", default=())):
        path = Path("status").child("loadBalancer", "ingress").index(i)
        address, host = point.get("ip") or "", point.get("hostname") or ""
        if address:
            errors += [field.invalid(path.child("ip"), address, e) for e in is_valid_ip(address)]
        if host:
            errors += [field.invalid(path.child("hostname"), host, e) for e in is_dns1123_subdomain(host)]
            if ip_family(host):
                detail = "must be a DNS name, not an IP address"
                errors.append(field.invalid(path.child("hostname"), host, detail))
    return errors


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    if old is None and CLASS_ANNOTATION in annotations_of(new):
        return [
            f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
        ]
    return []


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get ingresses`: printIngress."""
    spec = obj.get("spec") or {}
    hosts = [r["host"] for r in spec.get("rules") or () if r.get("host")]
    points = dig(obj, "status", "loadBalancer", "ingress", default=())
    found = [p.get("ip") or p.get("hostname") or "" for p in points]
    return [
        name_of(obj),
        spec.get("ingressClassName") or annotations_of(obj).get(CLASS_ANNOTATION) or NONE,
        and_more(hosts, len(hosts)) if hosts else "*",
        ",".join(filter(None, found)),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]
