"""Roles: what may be done in a namespace."""

from __future__ import annotations

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.names import name_is_path_segment
from kubesim.apis.rbac import validate_rules
from kubesim.util.jsontypes import JSONObject

name_errors = name_is_path_segment


def default(obj: JSONObject) -> None:
    obj.setdefault("rules", None)


def validate(obj: JSONObject) -> list[FieldError]:
    return validate_rules(obj, namespaced=True)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)
