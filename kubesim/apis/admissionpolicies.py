"""What validating and mutating admission policies share."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import UNSET, age
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject, dig


def default_policy(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    missing(spec, "failurePolicy", "Fail")
    if spec.get("matchConstraints") is not None:
        default_match(spec["matchConstraints"])


def default_match(match: JSONObject) -> None:
    missing(match, "matchPolicy", "Equivalent")
    missing(match, "namespaceSelector", {})
    missing(match, "objectSelector", {})
    for rules in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(rules) or ():
            missing(rule, "scope", "*")


def validate_policy(obj: JSONObject, rules: str) -> list[FieldError]:
    """The errors of a policy whose rules stand at `spec.<rules>`."""
    spec, path = obj.get("spec") or {}, Path("spec")
    errors: list[FieldError] = []
    policy = spec.get("failurePolicy")
    if policy is not None and policy not in {"Fail", "Ignore"}:
        errors.append(field.not_supported(path.child("failurePolicy"), policy, ("Fail", "Ignore")))
    if spec.get("matchConstraints") is None:
        errors.append(field.required(path.child("matchConstraints"), ""))
    elif not spec["matchConstraints"].get("resourceRules"):
        errors.append(field.required(path.child("matchConstraints", "resourceRules"), ""))
    if not spec.get(rules) and not spec.get("auditAnnotations"):
        if rules == "validations":
            detail = "validations or auditAnnotations must contain at least one item"
            errors += [field.required(path.child(n), detail) for n in ("validations", "auditAnnotations")]
        else:
            errors.append(field.required(path.child(rules), ""))
    for i, rule in enumerate(spec.get(rules) or ()):
        if rules == "validations" and not str(rule.get("expression") or "").strip():
            errors.append(
                field.required(path.child(rules).index(i).child("expression"), "expression is not specified")
            )
    return errors


def policy_cells(obj: JSONObject, now: datetime, rules: str) -> Cells:
    kind = dig(obj, "spec", "paramKind")
    shown = f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}" if kind else UNSET
    return [name_of(obj), len(dig(obj, "spec", rules, default=())), shown, age(obj, now)]
