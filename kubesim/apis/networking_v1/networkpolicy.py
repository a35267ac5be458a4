"""NetworkPolicies: who may talk to a pod, and to whom it may talk."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import format_label_selector
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_valid_cidr, is_valid_port_name, is_valid_port_num
from kubesim.apimachinery.objectmeta import validate_label_selector
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.apis.meta import PROTOCOLS, section
from kubesim.apis.podtemplate import empty, missing
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Pod-Selector, Age")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    missing(spec, "podSelector", {})
    for rules in ("ingress", "egress"):
        for rule in spec.get(rules) or ():
            for port in rule.get("ports") or ():
                empty(port, "protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    errors = validate_label_selector(spec.get("podSelector"), path.child("podSelector"))
    for rules, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(rules) or ()):
            at = path.child(rules).index(i)
            for j, port in enumerate(rule.get("ports") or ()):
                errors += _validate_port(port, at.child("ports").index(j))
            for j, peer in enumerate(rule.get(peers) or ()):
                errors += _validate_peer(peer, at.child(peers).index(j))
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        detail = "may not specify more than two policyTypes"
        errors.append(field.invalid(path.child("policyTypes"), _go_types(types), detail))
        return errors
    for i, kind in enumerate(types):
        if kind not in {"Ingress", "Egress"}:
            at = path.child("policyTypes").index(i)
            errors.append(field.not_supported(at, kind, ("Egress", "Ingress")))
    return errors


def _go_types(types: list[str]) -> field.GoValue:
    listed = ", ".join(f'"{t}"' for t in types)
    return field.GoValue(f"[]networking.PolicyType{{{listed}}}")


def _validate_port(port: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None and protocol not in PROTOCOLS:
        errors.append(field.not_supported(path.child("protocol"), protocol, PROTOCOLS))
    if number is None:
        if end is not None:
            detail = "may not be specified when `port` is not specified"
            errors.append(field.forbidden(path.child("endPort"), detail))
        return errors
    if isinstance(number, str):
        if end is not None:
            detail = "may not be specified when `port` is non-numeric"
            errors.append(field.forbidden(path.child("endPort"), detail))
        return errors + [field.invalid(path.child("port"), number, e) for e in is_valid_port_name(number)]
    errors += [field.invalid(path.child("port"), number, e) for e in is_valid_port_num(number)]
    if end is not None:
        if end < number:
            detail = "must be greater than or equal to `port`"
            errors.append(field.invalid(path.child("endPort"), number, detail))
        errors += [field.invalid(path.child("endPort"), end, e) for e in is_valid_port_num(end)]
    return errors


def _validate_peer(peer: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    present = 0
    for name in ("podSelector", "namespaceSelector"):
        if peer.get(name) is not None:
            present += 1
            errors += validate_label_selector(peer[name], path.child(name))
    block = peer.get("ipBlock")
    if block is not None:
        errors += _validate_block(block, path.child("ipBlock"))
        if present:
            errors.append(field.forbidden(path, "may not specify both ipBlock and another peer"))
        present += 1
    if not present:
        errors.append(field.required(path, "must specify a peer"))
    return errors


def _validate_block(block: JSONObject, path: Path) -> list[FieldError]:
    cidr = str(block.get("cidr") or "")
    if not cidr:
        return [field.required(path.child("cidr"), "")]
    errors = [field.invalid(path.child("cidr"), cidr, e) for e in is_valid_cidr(cidr)]
    if errors:
        return errors
    whole = ip_network(cidr, strict=False)
    for i, text in enumerate(block.get("except") or ()):
        at = path.child("except").index(i)
        wrong = is_valid_cidr(text)
        errors += [field.invalid(at, text, e) for e in wrong]
        if wrong:
            continue
        part = ip_network(text, strict=False)
        inside = part.version == whole.version and part.network_address in whole
        if not inside or part.prefixlen <= whole.prefixlen:
            errors.append(field.invalid(at, text, "must be a strict subset of `cidr`"))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), format_label_selector(dig(obj, "spec", "podSelector", default={})), age(obj, now)]
