"""What controllers of pods have in common: selectors, templates, rolling updates, table cells.

Source: pkg/apis/apps/validation.
"""

from __future__ import annotations

import re
from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import (
    Selector,
    SelectorError,
    selector_from_label_selector,
)
from kubesim.apimachinery.names import is_percentage
from kubesim.apimachinery.objectmeta import IMMUTABLE, validate_label_selector, validate_nonnegative
from kubesim.apis.govalue import pretty
from kubesim.apis.podtemplate_validation import validate_pod_template
from kubesim.util.jsontypes import JSONObject, dig

MISMATCH = "`selector` does not match template `labels`"


def validate_selector(spec: JSONObject, path: Path, empty: str) -> list[FieldError]:
    """The errors of `spec.selector`, which must be there, select something and select the template's pods.

    `empty` is what is said of a selector that selects everything.
    """
    selector = spec.get("selector")
    at = path.child("selector")
    if selector is None:
        return [field.required(at, "")]
    errors = validate_label_selector(selector, at)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        shown = pretty("v1.LabelSelector", selector)
        errors.append(field.invalid(at, shown, empty))
    return errors


def parsed_selector(spec: JSONObject) -> Selector | None:
    """The selector as it matches labels; None where it cannot be read."""
    try:
        return selector_from_label_selector(spec.get("selector"))
    except SelectorError:
        return None


def validate_template(spec: JSONObject, path: Path) -> list[FieldError]:
    """The errors of `spec.template`: its labels against the selector, and its pod spec."""
    if spec.get("template") is None:
        return [field.required(path.child("template"), "")]
    return validate_template_labels(spec, path) + validate_template_spec(spec, path)


def validate_template_spec(spec: JSONObject, path: Path) -> list[FieldError]:
    return validate_pod_template(spec.get("template") or {}, path.child("template"))


def validate_selector_and_labels(spec: JSONObject, path: Path, empty: str) -> list[FieldError]:
    """As a DaemonSet's: a selector that is not there is not missed, but it matches no template."""
    selector = spec.get("selector")
    errors = validate_label_selector(selector, path.child("selector")) + validate_template_labels(spec, path)
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(field.invalid(path.child("selector"), pretty("v1.LabelSelector", selector), empty))
    return errors


def validate_template_labels(spec: JSONObject, path: Path) -> list[FieldError]:
    template, at = spec.get("template") or {}, path.child("template")
    errors: list[FieldError] = []
    selector = parsed_selector(spec)
    if selector is None:
        shown = pretty("v1.LabelSelector", spec["selector"])
        errors.append(field.invalid(path.child("selector"), shown, "invalid label selector"))
    elif not selector.empty():
        labels = dig(template, "metadata", "labels")
        if not selector.matches(labels or {}):
            errors.append(field.invalid(at.child("metadata", "labels"), go_labels(labels), MISMATCH))
    return errors


def go_labels(labels: dict[str, str] | None) -> Any:
    """Labels as a bad value; Go tells none from no map."""
    return labels if labels else pretty("map[string]string", labels)


def validate_restart_policy(spec: JSONObject, path: Path, kind: str = "ReplicaSet") -> list[FieldError]:
    """A workload that goes on for ever restarts its containers always, and sets its pods no deadline."""
    pod = dig(spec, "template", "spec", default={})
    at = path.child("template", "spec")
    errors: list[FieldError] = []
    policy = pod.get("restartPolicy") or ""
    if policy != "Always":
        errors.append(field.not_supported(at.child("restartPolicy"), policy, ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(field.forbidden(at.child("activeDeadlineSeconds"), detail))
    return errors


def validate_selector_kept(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """A selector never changes."""
    selector, before = dig(new, "spec", "selector"), dig(old, "spec", "selector")
    if _normal(selector) == _normal(before):
        return []
    shown = None if selector is None else pretty("v1.LabelSelector", selector)
    return [field.invalid(Path("spec").child("selector"), shown, IMMUTABLE)]


def _normal(selector: JSONObject | None) -> Any:
    return {k: v for k, v in (selector or {}).items() if v}


def validate_positive_int_or_percent(value: Any, path: Path) -> list[FieldError]:
    if isinstance(value, str):
        return [field.invalid(path, pretty("intstr.IntOrString", value), e) for e in is_percentage(value)]
    return validate_nonnegative(value or 0, path)


def is_not_more_than_100_percent(value: Any, path: Path) -> list[FieldError]:
    if not isinstance(value, str) or not re.fullmatch("[0-9]+%", value) or int(value[:-1]) <= 100:
        return []
    return [field.invalid(path, pretty("intstr.IntOrString", value), "must not be greater than 100%")]


def int_or_percent(value: Any) -> int:
    """The number in it: getIntOrPercentValue."""
    if isinstance(value, str):
        return int(value[:-1]) if re.fullmatch("[0-9]+%", value) else 0
    return int(value or 0)


def status_counts(status: JSONObject, names: tuple[str, ...], path: Path) -> list[FieldError]:
    """None of these numbers is below zero."""
    return [e for name in names for e in validate_nonnegative(status.get(name) or 0, path.child(name))]


def not_above(status: JSONObject, pairs: tuple[tuple[str, str], ...], path: Path) -> list[FieldError]:
    """Of each pair, the first number is not above the second."""
    return [
        field.invalid(path.child(name), status.get(name) or 0, f"cannot be greater than {_described(other)}")
        for name, other in pairs
        if (status.get(name) or 0) > (status.get(other) or 0)
    ]


def _described(name: str) -> str:
    return "status.replicas" if name == "replicas" else name


def not_decremented(new: JSONObject, old: JSONObject, name: str) -> list[FieldError]:
    """A counter of the status that only grows."""
    value, before = dig(new, "status", name), dig(old, "status", name)
    if before is None or (value is not None and value >= before):
        return []
    return [field.invalid(Path("status").child(name), value or 0, "cannot be decremented")]
