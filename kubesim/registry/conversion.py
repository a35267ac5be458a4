"""Kinds that are served under two names but stored once: Events, and HorizontalPodAutoscalers.

Sources: pkg/apis/core/v1/conversion of events (renamed fields), pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.util.jsontypes import JSONObject


@dataclass(frozen=True, slots=True)
class Conversion:
    """How an object becomes the stored kind, and back; both own their argument."""

    to_stored: Callable[[JSONObject], JSONObject]
    from_stored: Callable[[JSONObject], JSONObject]


# events.k8s.io/v1 → v1
_EVENT_NAMES: Final = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_EVENT_NAMES_BACK: Final = {v: k for k, v in _EVENT_NAMES.items()}
# Written in v1 whether set or not.
_EVENT_EMPTY: Final[JSONObject] = {
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def _event_to_stored(obj: JSONObject) -> JSONObject:
    found = {_EVENT_NAMES.get(k, k): v for k, v in obj.items()}
    return {**_EVENT_EMPTY, **found, "apiVersion": "v1", "kind": "Event"}


def _event_from_stored(obj: JSONObject) -> JSONObject:
    found = {_EVENT_NAMES_BACK.get(k, k): v for k, v in obj.items()}
    return {**found, "apiVersion": "events.k8s.io/v1", "kind": "Event"}


def _autoscaler_to_stored(obj: JSONObject) -> JSONObject:
    """The one metric that v1 knows becomes a resource metric of v2."""
    obj = {**obj, "apiVersion": "autoscaling/v2"}
    spec = obj.get("spec")
    if isinstance(spec, dict):
        percent = spec.pop("targetCPUUtilizationPercentage", None)
        if percent is not None:
            target = {"type": "Utilization", "averageUtilization": percent}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    status = obj.get("status")
    if isinstance(status, dict):
        percent = status.pop("currentCPUUtilizationPercentage", None)
        if percent is not None:
            current = {"averageUtilization": percent}
            status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    return obj


def _autoscaler_from_stored(obj: JSONObject) -> JSONObject:
    obj = {**obj, "apiVersion": "autoscaling/v1"}
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.pop("behavior", None)
        for metric in spec.pop("metrics", None) or []:
            resource = metric.get("resource") or {}
            percent = (resource.get("target") or {}).get("averageUtilization")
            if resource.get("name") == "cpu" and percent is not None:
                spec["targetCPUUtilizationPercentage"] = percent
    status = obj.get("status")
    if isinstance(status, dict):
        status.pop("conditions", None)
        for metric in status.pop("currentMetrics", None) or []:
            resource = metric.get("resource") or {}
            percent = (resource.get("current") or {}).get("averageUtilization")
            if resource.get("name") == "cpu" and percent is not None:
                status["currentCPUUtilizationPercentage"] = percent
        status.setdefault("currentReplicas", 0)
        status.setdefault("desiredReplicas", 0)
    return obj


_CONVERSIONS: Final = {
    GroupVersionResource("events.k8s.io", "v1", "events"): Conversion(_event_to_stored, _event_from_stored),
    GroupVersionResource("autoscaling", "v1", "horizontalpodautoscalers"): Conversion(
        _autoscaler_to_stored, _autoscaler_from_stored
    ),
}


def conversion_of(resource: GroupVersionResource) -> Conversion | None:
    """How a resource is converted; None for one that is stored as it is."""
    return _CONVERSIONS.get(resource)
