"""Leases: who leads, and since when."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Holder, Age")


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    errors: list[FieldError] = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        errors.append(field.invalid(path.child("leaseDurationSeconds"), seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        detail = "must be greater than or equal to 0"
        errors.append(field.invalid(path.child("leaseTransitions"), transitions, detail))
    if spec.get("preferredHolder") and not spec.get("strategy"):
        detail = "can only be specified when strategy is defined"
        errors.append(field.forbidden(path.child("preferredHolder"), detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), dig(obj, "spec", "holderIdentity", default=""), age(obj, now)]
