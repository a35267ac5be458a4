"""The validation of what steers a pod to nodes: node selectors, affinity, tolerations, topology spread.

Source: pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import (
    is_dns1123_label,
    is_dns1123_subdomain,
    is_qualified_name,
    is_valid_label_value,
)
from kubesim.apimachinery.objectmeta import validate_label_name, validate_label_selector
from kubesim.util.jsontypes import JSONObject

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_WEIGHT = "must be in the range 1-100"
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")


def validate_affinity(affinity: JSONObject | None, path: Path) -> list[FieldError]:
    """The errors of node, pod and pod anti-affinity."""
    if affinity is None:
        return []
    errors: list[FieldError] = []
    if (node := affinity.get("nodeAffinity")) is not None:
        errors += _validate_node_affinity(node, path.child("nodeAffinity"))
    for name in ("podAffinity", "podAntiAffinity"):
        if (terms := affinity.get(name)) is not None:
            errors += _validate_pod_affinity(terms, path.child(name))
    return errors


def _validate_node_affinity(affinity: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if (selector := affinity.get(REQUIRED)) is not None:
        errors += validate_node_selector(selector, path.child(REQUIRED))
    for i, term in enumerate(affinity.get(PREFERRED) or ()):
        at = path.child(PREFERRED).index(i)
        errors += _validate_weight(term, at)
        preference = term.get("preference") or {}
        errors += _validate_term(preference, at.child("preference"), any_values=True)
    return errors


def _validate_weight(term: JSONObject, path: Path) -> list[FieldError]:
    weight = term.get("weight") or 0
    return [] if 0 < weight <= 100 else [field.invalid(path.child("weight"), weight, _WEIGHT)]


def validate_node_selector(selector: JSONObject, path: Path) -> list[FieldError]:
    """The errors of a NodeSelector."""
    at = path.child("nodeSelectorTerms")
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        return [field.required(at, "must have at least one node selector term")]
    return [e for i, t in enumerate(terms) for e in _validate_term(t, at.index(i), any_values=False)]


def _validate_term(term: JSONObject, path: Path, *, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        at = path.child("matchExpressions").index(i)
        errors += _validate_expression(expression, at, any_values=any_values)
    for i, expression in enumerate(term.get("matchFields") or ()):
        errors += _validate_field_expression(expression, path.child("matchFields").index(i))
    return errors


def _validate_expression(expression: JSONObject, path: Path, *, any_values: bool) -> list[FieldError]:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    errors: list[FieldError] = []
    at = path.child("values")
    if operator in {"In", "NotIn"}:
        if not values:
            errors.append(field.required(at, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(field.forbidden(at, detail))
    elif operator in {"Gt", "Lt"}:
        if len(values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(field.required(at, detail))
    else:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    errors += validate_label_name(expression.get("key") or "", path.child("key"))
    if not any_values:
        for i, value in enumerate(values):
            errors += [field.invalid(at.index(i), value, e) for e in is_valid_label_value(value)]
    return errors


def _validate_field_expression(expression: JSONObject, path: Path) -> list[FieldError]:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    errors: list[FieldError] = []
    if operator not in {"In", "NotIn"}:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(field.required(path.child("values"), detail))
    key = expression.get("key") or ""
    if key != "metadata.name":
        return [*errors, field.invalid(path.child("key"), key, "not a valid field selector key")]
    for i, value in enumerate(values):
        at = path.child("values").index(i)
        errors += [field.invalid(at, value, e) for e in is_dns1123_subdomain(value)]
    return errors


def _validate_pod_affinity(affinity: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, term in enumerate(affinity.get(REQUIRED) or ()):
        errors += _validate_pod_term(term, path.child(REQUIRED).index(i))
    for i, weighted in enumerate(affinity.get(PREFERRED) or ()):
        at = path.child(PREFERRED).index(i)
        errors += _validate_weight(weighted, at)
        errors += _validate_pod_term(weighted.get("podAffinityTerm") or {}, at.child("podAffinityTerm"))
    return errors


def _validate_pod_term(term: JSONObject, path: Path) -> list[FieldError]:
    errors = validate_label_selector(term.get("labelSelector"), path.child("labelSelector"))
    errors += validate_label_selector(term.get("namespaceSelector"), path.child("namespaceSelector"))
    for name in term.get("namespaces") or ():
        errors += [field.invalid(path.child("namespace"), name, e) for e in is_dns1123_label(name)]
    errors += _validate_key_lists(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        errors.append(field.required(path.child("topologyKey"), "can not be empty"))
    return errors + validate_label_name(key, path.child("topologyKey"))


def _validate_key_lists(term: JSONObject, path: Path) -> list[FieldError]:
    matching, mismatching = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    errors: list[FieldError] = []
    for name, keys in (("matchLabelKeys", matching), ("mismatchLabelKeys", mismatching)):
        for i, key in enumerate(keys):
            errors += validate_label_name(key, path.child(name).index(i))
            if term.get("labelSelector") is None:
                detail = "must not be specified when labelSelector is not set"
                errors.append(field.forbidden(path.child(name), detail))
    for i, key in enumerate(matching):
        if key in mismatching:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(field.invalid(path.child("matchLabelKeys").index(i), key, detail))
    return errors


def validate_tolerations(tolerations: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, toleration in enumerate(tolerations):
        errors += _validate_toleration(toleration, path.index(i))
    return errors


def _validate_toleration(toleration: JSONObject, path: Path) -> list[FieldError]:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    errors: list[FieldError] = []
    if key:
        errors += validate_label_name(key, path.child("key"))
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(field.invalid(path.child("operator"), operator, detail))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(field.invalid(path.child("effect"), effect, detail))
    if operator in {"Equal", ""}:
        wrong = is_valid_label_value(value)
        if wrong:
            errors.append(field.invalid(path.child("operator"), value, ";".join(wrong)))
    elif operator == "Exists":
        if value:
            detail = "value must be empty when `operator` is 'Exists'"
            errors.append(field.invalid(path.child("operator"), value, detail))
    else:
        errors.append(field.not_supported(path.child("operator"), operator, ("Equal", "Exists")))
    if effect and effect not in TAINT_EFFECTS:
        errors.append(field.not_supported(path.child("effect"), effect, TAINT_EFFECTS))
    return errors


def validate_topology_spread(constraints: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, constraint in enumerate(constraints):
        errors += _validate_constraint(constraint, constraints[i + 1 :], path.index(i))
    return errors


def _validate_constraint(constraint: JSONObject, rest: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    skew, key = constraint.get("maxSkew") or 0, constraint.get("topologyKey") or ""
    when = constraint.get("whenUnsatisfiable") or ""
    if skew <= 0:
        errors.append(field.invalid(path.child("maxSkew"), skew, "must be greater than zero"))
    if not key:
        errors.append(field.required(path.child("topologyKey"), "can not be empty"))
    else:
        errors += [field.invalid(path.child("topologyKey"), key, e) for e in is_qualified_name(key)]
    if when not in _UNSATISFIABLE:
        errors.append(field.not_supported(path.child("whenUnsatisfiable"), when, _UNSATISFIABLE))
    for other in rest:
        if (other.get("topologyKey") or "", other.get("whenUnsatisfiable") or "") == (key, when):
            at = path.child("{topologyKey, whenUnsatisfiable}")
            errors.append(field.duplicate(at, f"{{{key}, {when}}}"))
            break
    errors += _validate_min_domains(constraint.get("minDomains"), when, path.child("minDomains"))
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(name)
        if policy is not None and policy not in {"Honor", "Ignore"}:
            errors.append(field.not_supported(path.child(name), policy, ("Honor", "Ignore")))
    errors += _validate_spread_keys(constraint, path.child("matchLabelKeys"))
    return errors + validate_label_selector(constraint.get("labelSelector"), path.child("labelSelector"))


def _validate_min_domains(value: Any, when: str, path: Path) -> list[FieldError]:
    if value is None:
        return []
    errors = []
    if value <= 0:
        errors.append(field.invalid(path, value, "must be greater than zero"))
    if when != "DoNotSchedule":
        detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
        errors.append(field.invalid(path, value, detail))
    return errors


def _validate_spread_keys(constraint: JSONObject, path: Path) -> list[FieldError]:
    keys, selector = constraint.get("matchLabelKeys") or [], constraint.get("labelSelector")
    if not keys:
        return []
    if selector is None:
        return [field.forbidden(path, "must not be specified when labelSelector is not set")]
    selected = {*(selector.get("matchLabels") or {})}
    selected |= {e.get("key") for e in selector.get("matchExpressions") or ()}
    errors: list[FieldError] = []
    for i, key in enumerate(keys):
        errors += validate_label_name(key, path.index(i))
        if key in selected:
            errors.append(
                field.invalid(path.index(i), key, "exists in both matchLabelKeys and labelSelector")
            )
    return errors
