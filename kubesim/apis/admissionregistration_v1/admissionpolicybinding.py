"""ValidatingAdmissionPolicyBindings and MutatingAdmissionPolicyBindings: where a policy holds."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.admissionpolicies import default_match
from kubesim.apis.columns import UNSET, age, columns
from kubesim.apis.meta import section
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, PolicyName, ParamRef, Age")
_ACTIONS = ("Audit", "Deny", "Warn")


def default(obj: JSONObject) -> None:
    match = section(obj, "spec").get("matchResources")
    if match is not None:
        default_match(match)


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    errors = [] if spec.get("policyName") else [field.required(path.child("policyName"), "")]
    if obj.get("kind") != "ValidatingAdmissionPolicyBinding":
        return errors
    actions, at = spec.get("validationActions") or [], path.child("validationActions")
    if not actions:
        errors.append(field.required(at, ""))
    for i, action in enumerate(actions):
        if action not in _ACTIONS:
            errors.append(field.not_supported(at.index(i), action, _ACTIONS))
        if action in actions[:i]:
            errors.append(field.duplicate(at.index(i), action))
    if {"Deny", "Warn"} <= set(actions):
        detail = "must not contain both Deny and Warn (repeating the same validation failure information "
        detail += "in the API response and headers serves no purpose)"
        errors.append(field.invalid(at, actions, detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    reference = dig(obj, "spec", "paramRef")
    shown = UNSET
    if reference:
        parts = (reference.get("namespace"), reference.get("name") or "*")
        shown = "/".join(filter(None, parts))
    return [name_of(obj), dig(obj, "spec", "policyName", default=""), shown, age(obj, now)]
