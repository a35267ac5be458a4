"""RuntimeClasses: which container runtime a pod wants."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_dns1123_label
from kubesim.apimachinery.objectmeta import validate_immutable, validate_labels
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Handler, Age")


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_scheduling import validate_tolerations
    from kubesim.apis.resources import validate_requirements

    handler = str(obj.get("handler") or "")
    errors = [field.invalid(Path("handler"), handler, e) for e in is_dns1123_label(handler)]
    fixed = dig(obj, "overhead", "podFixed")
    if fixed:
        errors += validate_requirements({"limits": fixed}, Path("overhead"), set())
    scheduling = obj.get("scheduling") or {}
    path = Path("scheduling")
    errors += validate_labels(scheduling.get("nodeSelector") or {}, path.child("nodeSelector"))
    return errors + validate_tolerations(scheduling.get("tolerations") or [], path.child("tolerations"))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate_immutable(new.get("handler"), old.get("handler"), Path("handler"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), obj.get("handler") or "", age(obj, now)]
