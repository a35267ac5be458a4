"""ValidatingAdmissionPolicies: rules for writes, as expressions."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.admissionpolicies import default_policy, policy_cells, validate_policy
from kubesim.apis.columns import columns
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Validations:i, ParamKind, Age")

default = default_policy


def validate(obj: JSONObject) -> list[FieldError]:
    return validate_policy(obj, "validations")


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    return policy_cells(obj, now, "validations")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}
