"""Where objects lie in the store, and by which look-ups they are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from kubesim.apimachinery.scheme import Resource
from kubesim.util.jsontypes import JSONObject

ROOT: Final = "/registry/"

# Two resources that show the same objects: the first stands for both in the store.
STORED_AS: Final[Mapping[GroupVersionResource, GroupVersionKind]] = {
    GroupVersionResource("events.k8s.io", "v1", "events"): GroupVersionKind("", "v1", "Event"),
    GroupVersionResource("autoscaling", "v1", "horizontalpodautoscalers"): GroupVersionKind(
        "autoscaling", "v2", "HorizontalPodAutoscaler"
    ),
}

# Fields that most objects of a kind have in common: a look-up would find nearly all of them, and the entries are most
# of what it costs to store an Event. They can be selected by; the objects are then read.
UNINDEXED: Final = frozenset(
    {
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "reportingComponent",
        "source",
        "spec.hostNetwork",
        "spec.restartPolicy",
        "spec.schedulerName",
    }
)

# In a name or a namespace, what the keys themselves are made of: IsValidPathSegmentName.
_NOT_IN_SEGMENTS: Final = ("/", "%")


def prefix_of(gvr: GroupVersionResource, namespace: str = "") -> str:
    """The beginning of all keys of a resource, or of those in a namespace."""
    stored = STORED_AS.get(gvr)
    group = (stored.group if stored else gvr.group) or "core"
    return f"{ROOT}{group}/{gvr.resource}/{namespace}/" if namespace else f"{ROOT}{group}/{gvr.resource}/"


def key_of(gvr: GroupVersionResource, namespace: str, name: str) -> str:
    return prefix_of(gvr, namespace) + name


def resource_part(key: str) -> tuple[str, str]:
    """Group (empty for the core) and plural of a key."""
    _, _, group, plural, _ = key.split("/", 4)
    return "" if group == "core" else group, plural


def path_segment_error(name: str) -> str:
    """Why a name cannot be part of a path; empty if it can: path.IsValidPathSegmentName."""
    if name in {".", ".."}:
        return f"may not be '{name}'"
    found = [f"may not contain '{c}'" for c in _NOT_IN_SEGMENTS if c in name]
    return found[0] if found else ""


def indexes_of(resource: Resource, obj: JSONObject) -> list[tuple[str, str]]:
    """Every (index, value) under which an object can be looked up."""
    metadata = obj["metadata"]
    found: list[tuple[str, str]] = []
    if labels := metadata.get("labels"):
        found += [("label", f"{k}={v}") for k, v in labels.items()]
    if owners := metadata.get("ownerReferences"):
        found += [("owner", o["uid"]) for o in owners]
    # Name and namespace are the key itself; nobody has to be told twice.
    found += [
        ("field", f"{label}={value}")
        for label, value in resource.fields(obj).items()
        if value and label not in UNINDEXED and not label.startswith("metadata.")
    ]
    found += resource.indexes(obj)
    return found
