"""What both versions of HorizontalPodAutoscalers share: defaults, validation, and the conversion between
them.

Objects are kept as autoscaling/v2; autoscaling/v1 shows the share of the processor as a field of its own,
and what it has no place for in annotations.
"""

from __future__ import annotations

import json
from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_valid_path_segment_name
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
EMPTY_STATUS: JSONObject = {"currentMetrics": None, "desiredReplicas": 0}
_SOURCES = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "External": "external",
    "ContainerResource": "containerResource",
}
_MAX_PERIOD, _MAX_WINDOW = 1800, 3600


def default_v2(obj: JSONObject) -> None:
    """SetDefaults_HorizontalPodAutoscaler of autoscaling/v2."""
    spec = section(obj, "spec")
    missing(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is None:
        return
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up = section(behavior, "scaleUp")
    missing(up, "stabilizationWindowSeconds", 0)
    missing(up, "selectPolicy", "Max")
    if not up.get("policies"):
        up["policies"] = [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent]
    down = section(behavior, "scaleDown")
    missing(down, "selectPolicy", "Max")
    if not down.get("policies"):
        down["policies"] = [dict(percent)]


def validate(obj: JSONObject) -> list[FieldError]:
    """The errors of an autoscaler in the form of autoscaling/v2: validateHorizontalPodAutoscalerSpec."""
    spec, path = obj.get("spec") or {}, Path("spec")
    errors: list[FieldError] = []
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 1:
        errors.append(field.invalid(path.child("minReplicas"), low, "must be greater than or equal to 1"))
    if high < 1:
        errors.append(field.invalid(path.child("maxReplicas"), high, "must be greater than 0"))
    if low is not None and high < low:
        detail = "must be greater than or equal to `minReplicas`"
        errors.append(field.invalid(path.child("maxReplicas"), high, detail))
    errors += _validate_reference(spec.get("scaleTargetRef") or {}, path.child("scaleTargetRef"))
    for i, metric in enumerate(spec.get("metrics") or ()):
        errors += _validate_metric(metric, path.child("metrics").index(i))
    behavior = spec.get("behavior") or {}
    for name in ("scaleUp", "scaleDown"):
        if behavior.get(name) is not None:
            errors += _validate_rules(behavior[name], path.child("behavior", name))
    return errors


def _validate_reference(reference: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("kind", "name"):
        value = reference.get(name) or ""
        if not value:
            errors.append(field.required(path.child(name), ""))
        else:
            errors += [field.invalid(path.child(name), value, e) for e in is_valid_path_segment_name(value)]
    return errors


def _validate_metric(metric: JSONObject, path: Path) -> list[FieldError]:
    kind = metric.get("type") or ""
    if not kind:
        return [field.required(path.child("type"), "must specify a metric source type")]
    if kind not in _SOURCES:
        supported = ("ContainerResource", "External", "Object", "Pods", "Resource")
        return [field.not_supported(path.child("type"), kind, supported)]
    name = _SOURCES[kind]
    source = metric.get(name)
    if source is None:
        detail = "must populate information for the given metric source"
        return [field.required(path.child(name), detail)]
    at = path.child(name)
    errors: list[FieldError] = []
    for other in _SOURCES.values():
        if other != name and metric.get(other) is not None:
            detail = "must populate the given metric source only"
            errors.append(field.forbidden(path.child(other), detail))
    if name in {"resource", "containerResource"}:
        if not source.get("name"):
            errors.append(field.required(at.child("name"), "must specify a resource name"))
        if name == "containerResource" and not source.get("container"):
            errors.append(field.required(at.child("container"), "must specify a container"))
    else:
        if name == "object":
            errors += _validate_reference(source.get("describedObject") or {}, at.child("describedObject"))
        if not dig(source, "metric", "name"):
            errors.append(field.required(at.child("metric", "name"), "must specify a metric name"))
    return errors + _validate_target(source.get("target") or {}, name, at.child("target"))


def _validate_target(target: JSONObject, source: str, path: Path) -> list[FieldError]:
    from kubesim.apis.resources import quantity

    errors: list[FieldError] = []
    kind = target.get("type") or ""
    if not kind:
        errors.append(field.required(path.child("type"), "must specify a metric target type"))
    elif kind not in {"Utilization", "Value", "AverageValue"}:
        detail = "must be either Utilization, Value, or AverageValue"
        errors.append(field.invalid(path.child("type"), kind, detail))
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        errors.append(field.invalid(path.child("averageUtilization"), share, "must be greater than 0"))
    for name in ("value", "averageValue"):
        amount = target.get(name)
        if amount is not None and quantity(amount).sign() != 1:
            errors.append(field.invalid(path.child(name), str(amount), "must be positive"))
    wanted = {"resource": ("averageUtilization", "averageValue"), "pods": ("averageValue",)}
    wanted["containerResource"] = wanted["resource"]
    names = wanted.get(source, ("value", "averageValue"))
    if all(target.get(name) is None for name in names):
        words = {
            "averageUtilization": "must set either a target raw value or a target utilization",
            "averageValue": "must specify a positive target averageValue",
            "value": "must set either a target value for metric or a per-pod target",
        }
        errors.append(field.required(path.child(names[0]), words[names[0]]))
    return errors


def _validate_rules(rules: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and not 0 <= window <= _MAX_WINDOW:
        at = path.child("stabilizationWindowSeconds")
        if window < 0:
            errors.append(field.invalid(at, window, "must be greater than or equal to zero"))
        else:
            errors.append(field.invalid(at, window, f"must be less than or equal to {_MAX_WINDOW}"))
    select = rules.get("selectPolicy")
    if select not in {None, "Max", "Min", "Disabled"}:
        errors.append(field.not_supported(path.child("selectPolicy"), select, ("Disabled", "Max", "Min")))
    policies = rules.get("policies") or []
    if not policies:
        errors.append(field.required(path.child("policies"), "must specify at least one Policy"))
    for i, policy in enumerate(policies):
        at = path.child("policies").index(i)
        kind, value, period = (
            policy.get("type") or "",
            policy.get("value") or 0,
            policy.get("periodSeconds") or 0,
        )
        if kind not in {"Pods", "Percent"}:
            errors.append(field.not_supported(at.child("type"), kind, ("Percent", "Pods")))
        if value <= 0:
            errors.append(field.invalid(at.child("value"), value, "must be greater than zero"))
        if period <= 0:
            errors.append(field.invalid(at.child("periodSeconds"), period, "must be greater than zero"))
        if period > _MAX_PERIOD:
            detail = f"must be less than or equal to {_MAX_PERIOD}"
            errors.append(field.invalid(at.child("periodSeconds"), period, detail))
    return errors


def format_metrics(obj: JSONObject) -> str:
    """The cell TARGETS: formatHPAMetrics."""
    metrics = dig(obj, "spec", "metrics", default=[])
    if not metrics:
        return "<none>"
    current = dig(obj, "status", "currentMetrics", default=[])
    texts = [_metric_text(m, current[i] if i < len(current) else {}) for i, m in enumerate(metrics)]
    shown = ", ".join(texts[:2])
    return f"{shown} + {len(texts) - 2} more..." if len(texts) > 2 else shown


def _metric_text(metric: JSONObject, current: JSONObject) -> str:
    name = _SOURCES.get(str(metric.get("type") or ""), "")
    source, now = metric.get(name) or {}, dig(current, name, "current", default={})
    target = source.get("target") or {}
    if name in {"resource", "containerResource"}:
        label = source.get("name") or ""
        if target.get("averageValue") is not None:
            return f"{label}: {now.get('averageValue') or '<unknown>'}/{target['averageValue']}"
        share = now.get("averageUtilization")
        wanted = target.get("averageUtilization")
        has = "<unknown>" if share is None else f"{share}%"
        return f"{label}: {has}/{'<auto>' if wanted is None else f'{wanted}%'}"
    if name == "pods":
        return f"{now.get('averageValue') or '<unknown>'}/{target.get('averageValue') or '0'}"
    if target.get("averageValue") is not None:
        return f"{now.get('averageValue') or '<unknown>'}/{target['averageValue']} (avg)"
    return f"{now.get('value') or '<unknown>'}/{target.get('value') or '0'}"


def to_v2(obj: JSONObject) -> JSONObject:
    """An autoscaling/v1 object as autoscaling/v2 has it."""
    found: JSONObject = deep_copy(obj)
    found["apiVersion"] = "autoscaling/v2"
    spec, status = section(found, "spec"), found.get("status") or {}
    annotations = dig(found, "metadata", "annotations", default={})
    metrics = _read(annotations.pop(_METRICS, None)) or []
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    if metrics:
        spec["metrics"] = metrics
    behavior = _read(annotations.pop(_BEHAVIOR, None))
    if behavior is not None:
        spec["behavior"] = behavior
    current = _read(annotations.pop(_CURRENT_METRICS, None)) or []
    share = status.pop("currentCPUUtilizationPercentage", None)
    if share is not None:
        shown = {"name": "cpu", "current": {"averageUtilization": share, "averageValue": "0"}}
        current = [{"type": "Resource", "resource": shown}, *current]
    conditions = _read(annotations.pop(_CONDITIONS, None))
    if conditions:
        status["conditions"] = conditions
    if status:
        status["currentMetrics"] = current or None
        found["status"] = status
    _drop_empty_annotations(found)
    return found


def to_v1(obj: JSONObject) -> JSONObject:
    """An autoscaling/v2 object as autoscaling/v1 has it."""
    found: JSONObject = deep_copy(obj)
    found["apiVersion"] = "autoscaling/v1"
    spec, status = section(found, "spec"), section(found, "status")
    annotations = section(section(found, "metadata"), "annotations")
    others = []
    for metric in spec.pop("metrics", None) or ():
        share = dig(metric, "resource", "target", "averageUtilization")
        if dig(metric, "resource", "name") == "cpu" and share is not None:
            spec["targetCPUUtilizationPercentage"] = share
        else:
            others.append(metric)
    _write(annotations, _METRICS, others)
    _write(annotations, _BEHAVIOR, spec.pop("behavior", None))
    rest = []
    for metric in status.pop("currentMetrics", None) or ():
        share = dig(metric, "resource", "current", "averageUtilization")
        if dig(metric, "resource", "name") == "cpu" and share is not None:
            status["currentCPUUtilizationPercentage"] = share
        else:
            rest.append(metric)
    _write(annotations, _CURRENT_METRICS, rest)
    _write(annotations, _CONDITIONS, status.pop("conditions", None))
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    _drop_empty_annotations(found)
    return found


def _drop_empty_annotations(obj: JSONObject) -> None:
    metadata = obj.get("metadata") or {}
    if metadata.get("annotations") == {}:
        del metadata["annotations"]


def _read(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _write(annotations: JSONObject, key: str, value: Any) -> None:
    if value:
        annotations[key] = json.dumps(value, separators=(",", ":"))
