"""PodDisruptionBudgets: their strategy, as pkg/registry/policy/poddisruptionbudget has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_conditions, validate_label_selector, validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Min Available, Max Unavailable, Allowed Disruptions:i, Age")
_COUNTS = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = dict.fromkeys(_COUNTS, 0)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or dict.fromkeys(_COUNTS, 0)


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload
    from kubesim.apis.govalue import pretty

    spec, path = obj.get("spec") or {}, Path("spec")
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    errors: list[FieldError] = []
    if low is not None and high is not None:
        shown = pretty("policy.PodDisruptionBudgetSpec", spec)
        errors.append(field.invalid(path, shown, "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            errors += workload.validate_positive_int_or_percent(value, path.child(name))
            errors += workload.is_not_more_than_100_percent(value, path.child(name))
    errors += validate_label_selector(spec.get("selector"), path.child("selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(field.not_supported(path.child("unhealthyPodEvictionPolicy"), policy, _POLICIES))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    status, path = new.get("status") or {}, Path("status")
    errors = validate_conditions(status.get("conditions") or [], path.child("conditions"))
    return errors + [e for n in _COUNTS for e in validate_nonnegative(status.get(n) or 0, path.child(n))]


def cells(obj: JSONObject, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        name_of(obj),
        "N/A" if low is None else str(low),
        "N/A" if high is None else str(high),
        dig(obj, "status", "disruptionsAllowed", default=0),
        age(obj, now),
    ]
