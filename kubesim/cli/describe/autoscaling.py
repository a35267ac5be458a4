"""HorizontalPodAutoscalers."""

from __future__ import annotations

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import metadata_of, name_of, namespace_of
from kubesim.cli.describe.page import Page, PrefixWriter, long_time, or_unset
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

AUTOSCALERS = GroupVersionResource("autoscaling", "v2", "horizontalpodautoscalers")
UNKNOWN = "<unknown>"
CONDITIONS = (
    ("Type", "type", ""),
    ("Status", "status", ""),
    ("Reason", "reason", ""),
    ("Message", "message", ""),
)


def autoscaler(page: Page, obj: JSONObject) -> None:
    """HorizontalPodAutoscalerDescriber: version 2 where the server has it."""
    if obj.get("apiVersion") == "autoscaling/v1":
        try:
            obj = page.client.get(AUTOSCALERS, name_of(obj), namespace_of(obj))
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            _version_1(page, obj)
            return
    _version_2(page, obj)


def _head(page: Page, obj: JSONObject) -> None:
    page.head(obj)
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))
    target = dig(obj, "spec", "scaleTargetRef", default={})
    page.line(0, "Reference:", f"{target.get('kind', '')}/{target.get('name', '')}")


def _limits(page: Page, spec: JSONObject) -> None:
    page.line(0, "Min replicas:", or_unset(spec.get("minReplicas")))
    page.line(0, "Max replicas:", spec.get("maxReplicas", 0))


def _replicas(page: Page, obj: JSONObject) -> None:
    kind = dig(obj, "spec", "scaleTargetRef", "kind", default="")
    status = obj.get("status") or {}
    current, desired = status.get("currentReplicas") or 0, status.get("desiredReplicas") or 0
    page.line(0, f"{kind} pods:", f"{current} current / {desired} desired")


def _version_1(page: Page, obj: JSONObject) -> None:
    """As describeHorizontalPodAutoscalerV1."""
    spec: JSONObject = obj.get("spec") or {}
    _head(page, obj)
    if spec.get("targetCPUUtilizationPercentage") is not None:
        page.line(0, "Target CPU utilization:", f"{spec['targetCPUUtilizationPercentage']}%")
        current = dig(obj, "status", "currentCPUUtilizationPercentage", default=UNKNOWN)
        page.line(0, "Current CPU utilization:", f"{current}%")
    _limits(page, spec)
    _replicas(page, obj)
    page.events(obj)


def _version_2(page: Page, obj: JSONObject) -> None:
    """As describeHorizontalPodAutoscalerV2."""
    spec: JSONObject = obj.get("spec") or {}
    _head(page, obj)
    page.line(0, "Metrics:", "( current / target )")
    current = dig(obj, "status", "currentMetrics", default=[])
    for position, metric in enumerate(spec.get("metrics") or []):
        page.write(1, _metric(metric, current[position] if position < len(current) else {}))
    _limits(page, spec)
    if spec.get("behavior") is not None:
        page.write(0, "Behavior:\n")
        _behavior(page, "Scale Up", spec["behavior"].get("scaleUp"))
        _behavior(page, "Scale Down", spec["behavior"].get("scaleDown"))
    _replicas(page, obj)
    conditions = dig(obj, "status", "conditions", default=[])
    if conditions:
        page.conditions("Conditions:\n", CONDITIONS, conditions)
    page.events(obj)


def _metric(metric: JSONObject, current: JSONObject) -> str:
    """One line: what is measured, and how it stands to its target."""
    kind = str(metric.get("type") or "")
    key = kind[:1].lower() + kind[1:]
    source: JSONObject = metric.get(key) or {}
    target: JSONObject = source.get("target") or {}
    value: JSONObject | None = dig(current, key, "current")
    name = dig(source, "metric", "name", default="")
    match kind:
        case "External":
            return f"{quote(name)} {_external(target, value)}\n"
        case "Pods":
            return f"{quote(name)} on pods:\t{_average(value)} / {target.get('averageValue', '0')}\n"
        case "Object":
            on = source.get("describedObject") or {}
            title = f'"{name}" on {on.get("kind", "")}/{on.get("name", "")}'
            if target.get("type") == "AverageValue":
                return f"{title} (target average value):\t{_average(value)} / {target.get('averageValue', '0')}\n"
            return f"{title} (target value):\t{_value(value)} / {target.get('value', '0')}\n"
        case "Resource":
            return f"resource {source.get('name', '')} on pods{_utilization(target, value)}\n"
        case "ContainerResource":
            container = source.get("container", "")
            title = f'resource {source.get("name", "")} of container "{container}" on pods'
            return f"{title}{_utilization(target, value)}\n"
    return f"<unknown metric type {quote(kind)}>\n"


def _external(target: JSONObject, value: JSONObject | None) -> str:
    if target.get("averageValue") is not None:
        current = dig(value, "averageValue", default=UNKNOWN)
        return f"(target average value):\t{current} / {target['averageValue']}"
    return f"(target value):\t{_value(value)} / {target.get('value', '0')}"


def _value(value: JSONObject | None) -> str:
    return UNKNOWN if value is None else str(value.get("value", "0"))


def _average(value: JSONObject | None) -> str:
    return UNKNOWN if value is None else str(value.get("averageValue", "0"))


def _utilization(target: JSONObject, value: JSONObject | None) -> str:
    if target.get("averageValue") is not None:
        return f":\t{_average(value)} / {target['averageValue']}"
    used = dig(value, "averageUtilization")
    current = UNKNOWN if used is None else f"{used}% ({_average(value)})"
    wanted = target.get("averageUtilization")
    return f"  (as a percentage of request):\t{current} / {'<auto>' if wanted is None else f'{wanted}%'}"


def _behavior(page: PrefixWriter, direction: str, rules: JSONObject | None) -> None:
    """As printDirectionBehavior."""
    if rules is None:
        return
    page.write(1, f"{direction}:\n")
    if rules.get("stabilizationWindowSeconds") is not None:
        page.write(2, f"Stabilization Window: {rules['stabilizationWindowSeconds']} seconds\n")
    if rules.get("policies"):
        page.write(2, f"Select Policy: {rules.get('selectPolicy') or 'Max'}\n")
        page.write(2, "Policies:\n")
        for policy in rules["policies"]:
            page.line(
                3,
                f"- Type: {policy.get('type', '')}",
                f"Value: {policy.get('value', 0)}",
                f"Period: {policy.get('periodSeconds', 0)} seconds",
            )
