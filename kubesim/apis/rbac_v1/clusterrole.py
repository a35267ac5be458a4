"""ClusterRoles: what may be done in the whole cluster."""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import name_is_path_segment
from kubesim.apimachinery.objectmeta import validate_label_selector
from kubesim.apis.rbac import validate_rules
from kubesim.util.jsontypes import JSONObject

name_errors = name_is_path_segment


def default(obj: JSONObject) -> None:
    obj.setdefault("rules", None)


def validate(obj: JSONObject) -> list[FieldError]:
    errors = validate_rules(obj, namespaced=False)
    rule = obj.get("aggregationRule")
    if rule is None:
        return errors
    path = Path("aggregationRule").child("clusterRoleSelectors")
    selectors = rule.get("clusterRoleSelectors") or []
    if not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(field.required(path, detail))
    for i, selector in enumerate(selectors):
        errors += validate_label_selector(selector, path.index(i))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)
