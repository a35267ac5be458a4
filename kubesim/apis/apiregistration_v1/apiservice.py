"""APIServices: which server answers for a group and version."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_dns1035_label, is_dns1123_subdomain
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Service, Available, Age")


def default(obj: JSONObject) -> None:
    service = section(obj, "spec").get("service")
    if service is not None:
        missing(service, "port", 443)


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}
    if dig(obj, "spec", "service") is None:
        # A group that the API server serves itself needs nobody to look whether it is there.
        obj["status"] = {
            "conditions": [
                {
                    "lastTransitionTime": dig(obj, "metadata", "creationTimestamp"),
                    "message": "Local APIServices are always available",
                    "reason": "Local",
                    "status": "True",
                    "type": "Available",
                }
            ]
        }


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    group, version = spec.get("group") or "", spec.get("version") or ""
    errors: list[FieldError] = []
    wanted = f"{version}.{group}"
    if name_of(obj) != wanted:
        detail = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        errors.append(field.invalid(Path("metadata").child("name"), name_of(obj), detail))
    if group:
        errors += [field.invalid(path.child("group"), group, e) for e in is_dns1123_subdomain(group)]
    errors += [field.invalid(path.child("version"), version, e) for e in is_dns1035_label(version)]
    for name, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(name) or 0
        if not 0 < value <= limit:
            detail = f"must be positive and less than {limit}"
            errors.append(field.invalid(path.child(name), value, detail))
    service = spec.get("service")
    if service is None:
        return errors
    for name in ("namespace", "name"):
        if not service.get(name):
            errors.append(field.required(path.child("service", name), ""))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        detail = "may not be true if caBundle is present"
        errors.append(field.invalid(path.child("insecureSkipTLSVerify"), True, detail))  # noqa: FBT003
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    service = dig(obj, "spec", "service")
    where = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    available = "Unknown"
    for condition in dig(obj, "status", "conditions", default=()):
        if condition.get("type") == "Available":
            status = condition.get("status") or ""
            available = status if status == "True" else f"{status} ({condition.get('reason') or ''})"
    return [name_of(obj), where, available, age(obj, now)]
