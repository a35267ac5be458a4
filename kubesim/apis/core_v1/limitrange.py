"""LimitRanges: what a container, a pod or a claim may ask for in a namespace, and asks for by default."""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_qualified_name
from kubesim.apis.meta import items, section
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def default(obj: JSONObject) -> None:
    """For containers, a maximum is the default limit, and that the default request:
    SetDefaults_LimitRangeItem.
    """
    for item in section(obj, "spec").get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits, requests = section(item, "default"), section(item, "defaultRequest")
        for name, amount in (item.get("max") or {}).items():
            limits.setdefault(name, amount)
        for source in (limits, item.get("min") or {}):
            for name, amount in source.items():
                requests.setdefault(name, amount)
        for name in ("default", "defaultRequest"):
            if not item[name]:
                del item[name]


def validate(obj: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, item in enumerate(items(obj.get("spec") or {}, "limits")):
        path = Path("spec").child("limits").index(i)
        kind = str(item.get("type") or "")
        errors += _validate_type(kind, path.child("type"))
        if kind in seen:
            errors.append(field.duplicate(path.child("type"), kind))
        seen.add(kind)
        errors += _validate_item(item, kind, path)
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def _validate_type(kind: str, path: Path) -> list[FieldError]:
    errors = [field.invalid(path, kind, e) for e in is_qualified_name(kind)]
    if not errors and "/" not in kind and kind not in _TYPES:
        errors.append(field.invalid(path, kind, "must be a standard limit type or fully qualified"))
    return errors


def _validate_item(item: JSONObject, kind: str, path: Path) -> list[FieldError]:
    from kubesim.apis import resources

    amounts = {n: {k: resources.quantity(v) for k, v in (item.get(n) or {}).items()} for n in _AMOUNTS}
    errors: list[FieldError] = []
    check = (
        resources.validate_container_resource_name
        if kind == "Container"
        else resources.validate_resource_name
    )
    for name in ("max", "min"):
        for key in sorted(amounts[name]):
            errors += check(key, path.child(name).key(key))
    for name in ("default", "defaultRequest"):
        if kind == "Pod" and amounts[name]:
            errors.append(field.forbidden(path.child(name), "may not be specified when `type` is 'Pod'"))
        elif kind != "Pod":
            for key in sorted(amounts[name]):
                errors += check(key, path.child(name).key(key))
    if kind == "PersistentVolumeClaim" and not ({"storage"} & {*amounts["max"], *amounts["min"]}):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(field.required(path.child("limits"), detail))
    for key in sorted({k for found in amounts.values() for k in found}):
        errors += _validate_order(key, amounts, path)
    return errors


# Of each pair the first is not above the second; the error stands at the third.
_ORDER: tuple[tuple[str, str, str, str], ...] = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)


def _validate_order(key: str, amounts: dict[str, dict[str, Quantity]], path: Path) -> list[FieldError]:
    from kubesim.apis.resources import go_quantity

    errors: list[FieldError] = []
    for low, high, place, text in _ORDER:
        one, other = amounts[low].get(key), amounts[high].get(key)
        if one is not None and other is not None and one > other:
            shown: Any = go_quantity(amounts[place][key])
            errors.append(field.invalid(path.child(place).key(key), shown, text.format(one, other)))
    ratio = amounts["maxLimitRequestRatio"].get(key)
    if ratio is not None and ratio < Quantity(1):
        at = path.child("maxLimitRequestRatio").key(key)
        errors.append(field.invalid(at, go_quantity(ratio), f"ratio {ratio} is less than 1"))
    return errors
