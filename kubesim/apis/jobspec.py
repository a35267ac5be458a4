"""The validation of a job's spec, in a Job and in a CronJob's template: pkg/apis/batch/validation."""

from __future__ import annotations

import re
from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.objectmeta import validate_label_name, validate_nonnegative
from kubesim.apis.podtemplate_validation import validate_pod_template
from kubesim.util.jsontypes import JSONObject, dig

_NONNEGATIVE = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
MAX_PARALLELISM = 100_000
_MAX_RULES = 20
_MAX_EXIT_CODES = 255
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def validate_job_spec(spec: JSONObject, path: Path) -> list[FieldError]:
    """The errors of a JobSpec but for its selector."""
    errors = [
        e
        for name in _NONNEGATIVE
        if spec.get(name) is not None
        for e in validate_nonnegative(spec[name], path.child(name))
    ]
    manager = spec.get("managedBy")
    if manager is not None and "/" not in manager:
        detail = 'should be a domain-prefixed path (such as "acme.io/foo")'
        errors.append(field.invalid(path.child("managedBy"), manager, detail))
    errors += _validate_completion_mode(spec, path)
    restart = dig(spec, "template", "spec", "restartPolicy", default="")
    if spec.get("podFailurePolicy") is not None:
        errors += _validate_failure_policy(spec, path.child("podFailurePolicy"))
    if spec.get("successPolicy") is not None:
        errors += _validate_success_policy(spec, path.child("successPolicy"))
    errors += _validate_replacement(spec, path.child("podReplacementPolicy"))
    errors += validate_pod_template(spec.get("template") or {}, path.child("template"))
    at = path.child("template", "spec", "restartPolicy")
    if restart in {"", "Always"}:
        errors.append(field.required(at, 'valid values: "OnFailure", "Never"'))
    elif restart not in {"OnFailure", "Never"}:
        errors.append(field.not_supported(at, restart, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and restart != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(field.invalid(at, restart, detail))
    return errors


def _validate_completion_mode(spec: JSONObject, path: Path) -> list[FieldError]:
    mode, completions = spec.get("completionMode"), spec.get("completions")
    errors: list[FieldError] = []
    if mode not in {None, "NonIndexed", "Indexed"}:
        errors.append(field.not_supported(path.child("completionMode"), mode, ("NonIndexed", "Indexed")))
    if mode == "Indexed":
        if completions is None:
            errors.append(field.required(path.child("completions"), "when completion mode is Indexed"))
        for name in ("parallelism", "maxFailedIndexes"):
            value = spec.get(name) or 0
            if value > MAX_PARALLELISM:
                detail = f"must be less than or equal to {MAX_PARALLELISM} when completion mode is Indexed"
                errors.append(field.invalid(path.child(name), value, detail))
    else:
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                at = path.child(name)
                errors.append(field.invalid(at, spec[name], "requires indexed completion mode"))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "when maxFailedIndexes is specified"
        errors.append(field.required(path.child("backoffLimitPerIndex"), detail))
    return errors


def _validate_failure_policy(spec: JSONObject, path: Path) -> list[FieldError]:
    rules, at = spec["podFailurePolicy"].get("rules") or [], path.child("rules")
    errors: list[FieldError] = []
    if len(rules) > _MAX_RULES:
        errors.append(field.too_many(at, len(rules), _MAX_RULES))
    pod = dig(spec, "template", "spec", default={})
    names = {c.get("name") for key in ("containers", "initContainers") for c in pod.get(key) or ()}
    for i, rule in enumerate(rules):
        errors += _validate_rule(rule, spec, names, at.index(i))
    return errors


def _validate_rule(rule: JSONObject, spec: JSONObject, names: set[Any], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    action = rule.get("action") or ""
    if not action:
        errors.append(field.required(path.child("action"), f"valid values: {list(_ACTIONS)}"))
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        detail = "requires the backoffLimitPerIndex to be set"
        errors.append(field.invalid(path.child("action"), action, detail))
    elif action not in _ACTIONS:
        errors.append(field.not_supported(path.child("action"), action, _ACTIONS))
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if codes is not None:
        errors += _validate_exit_codes(codes, names, path.child("onExitCodes"))
    for i, pattern in enumerate(patterns):
        at = path.child("onPodConditions").index(i)
        errors += validate_label_name(pattern.get("type") or "", at.child("type"))
        status = pattern.get("status") or ""
        if status not in {"True", "False", "Unknown"}:
            errors.append(field.not_supported(at.child("status"), status, ("False", "True", "Unknown")))
    if codes is not None and patterns:
        detail = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(field.invalid(path, rule, detail))
    if codes is None and not patterns:
        detail = "specifying one of OnExitCodes and OnPodConditions is required"
        errors.append(field.invalid(path, rule, detail))
    return errors


def _validate_exit_codes(codes: JSONObject, names: set[Any], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if operator not in {"In", "NotIn"}:
        errors.append(field.not_supported(path.child("operator"), operator, ("In", "NotIn")))
    container = codes.get("containerName")
    if container is not None and container not in names:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(field.invalid(path.child("containerName"), container, detail))
    at = path.child("values")
    if not values:
        errors.append(field.invalid(at, values, "at least one value is required"))
    elif len(values) > _MAX_EXIT_CODES:
        errors.append(field.too_many(at, len(values), _MAX_EXIT_CODES))
    for i, value in enumerate(values):
        if value == 0 and operator == "In":
            errors.append(field.invalid(at.index(i), value, "must not be 0 for the In operator"))
        if value in values[:i]:
            errors.append(field.duplicate(at.index(i), value))
    if values != sorted(values):
        errors.append(field.invalid(at, values, "must be ordered"))
    return errors


def _validate_success_policy(spec: JSONObject, path: Path) -> list[FieldError]:
    if spec.get("completionMode") != "Indexed":
        return [field.invalid(path, spec["successPolicy"], "requires indexed completion mode")]
    rules, at = spec["successPolicy"].get("rules") or [], path.child("rules")
    if not rules:
        return [
            field.required(at, "at least one rules must be specified when the successPolicy is specified")
        ]
    errors: list[FieldError] = []
    for i, rule in enumerate(rules):
        indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if indexes is None and count is None:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(field.required(at.index(i), detail))
        if indexes is not None and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", indexes):
            detail = (
                f'error parsing succeededIndexes: cannot convert string to integer for index: "{indexes}"'
            )
            errors.append(field.invalid(at.index(i).child("succeededIndexes"), indexes, detail))
        if count is not None:
            errors += validate_nonnegative(count, at.index(i).child("succeededCount"))
            if spec.get("completions") is not None and count > spec["completions"]:
                limit = f"{spec['completions']} (the number of specified completions)"
                detail = f"must be less than or equal to {limit}"
                errors.append(field.invalid(at.index(i).child("succeededCount"), count, detail))
    return errors


def _validate_replacement(spec: JSONObject, path: Path) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return []
    supported = ("Failed", "TerminatingOrFailed")
    if spec.get("podFailurePolicy") is not None:
        supported = ("Failed",)  # type: ignore[assignment]
    return [] if policy in supported else [field.not_supported(path, policy, supported)]
