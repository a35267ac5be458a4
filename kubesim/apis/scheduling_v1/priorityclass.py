"""PriorityClasses: how much a pod matters to the scheduler."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.apis.podtemplate import empty, missing
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Value:i, Global-Default:b, Age, PreemptionPolicy")
HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_KEPT = "may not be changed in an update."


def default(obj: JSONObject) -> None:
    empty(obj, "preemptionPolicy", "PreemptLowerPriority")
    missing(obj, "value", 0)


def validate(obj: JSONObject) -> list[FieldError]:
    name, value = name_of(obj), obj.get("value") or 0
    errors: list[FieldError] = []
    if name.startswith("system-"):
        if SYSTEM.get(name) != value or obj.get("globalDefault"):
            detail = "priority class names with 'system-' prefix are reserved for system use only. error: "
            detail += (
                f"{name} is not a known system priority class"
                if name not in SYSTEM
                else f"value of {name} PriorityClass must be {SYSTEM[name]}"
            )
            errors.append(field.forbidden(Path("metadata").child("name"), detail))
    elif value > HIGHEST_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errors.append(field.forbidden(Path("value"), detail))
    policy = obj.get("preemptionPolicy") or ""
    if policy not in {"PreemptLowerPriority", "Never"}:
        supported = ("PreemptLowerPriority", "Never")
        errors.append(field.not_supported(Path("preemptionPolicy"), policy, supported))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = []
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.append(field.forbidden(Path("value"), _KEPT))
    if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
        errors.append(field.forbidden(Path("preemptionPolicy"), _KEPT))
    return errors


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [
        name_of(obj),
        obj.get("value") or 0,
        bool(obj.get("globalDefault")),
        age(obj, now),
        obj.get("preemptionPolicy") or "PreemptLowerPriority",
    ]
