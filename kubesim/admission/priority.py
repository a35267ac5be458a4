"""Priority: a Pod's priority and preemption policy come from its PriorityClass; there is one default class at
most.

Source: k8s.io/kubernetes/plugin/pkg/admission/priority.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.util.jsontypes import JSONObject

PRIORITY_CLASSES: Final = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")
DEFAULT_POLICY: Final = "PreemptLowerPriority"


class Priority(BasePlugin):
    """The plugin."""

    name = "Priority"
    handles = {
        "pods": frozenset({CREATE, UPDATE}),
        "priorityclasses.scheduling.k8s.io": frozenset({CREATE, UPDATE}),
    }

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        pod = attributes.obj
        if pod is None or attributes.resource.kind != "Pod" or not isinstance(pod.get("spec"), dict):
            return
        spec = pod["spec"]
        if attributes.operation == UPDATE:
            _keep(spec, (attributes.old or {}).get("spec") or {})
            return
        priority, policy = 0, DEFAULT_POLICY
        found = _class_of(spec, attributes, reader)
        if found is not None:
            spec["priorityClassName"] = found["metadata"]["name"]
            priority = int(found.get("value") or 0)
            policy = found.get("preemptionPolicy") or DEFAULT_POLICY
        if spec.get("priority") is not None and spec["priority"] != priority:
            raise attributes.forbidden(
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name"
            )
        spec["priority"] = priority
        if spec.get("preemptionPolicy") is not None and spec["preemptionPolicy"] != policy:
            raise attributes.forbidden(
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided "
                "in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec["preemptionPolicy"] = policy

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        found = attributes.obj
        if found is None or attributes.resource.kind != "PriorityClass" or not found.get("globalDefault"):
            return
        name = found["metadata"]["name"]
        for other in reader.list(PRIORITY_CLASSES):
            if other.get("globalDefault") and other["metadata"]["name"] != name:
                raise attributes.forbidden(
                    f"PriorityClass {other['metadata']['name']} is already marked as default. "
                    "Only one default can exist"
                )


def _keep(spec: JSONObject, old: JSONObject) -> None:
    """An update that leaves the priority out keeps it."""
    for field in ("priority", "preemptionPolicy"):
        if spec.get(field) is None and old.get(field) is not None:
            spec[field] = old[field]


def _class_of(spec: JSONObject, attributes: Attributes, reader: Reader) -> JSONObject | None:
    name = spec.get("priorityClassName")
    if name:
        found = reader.get(PRIORITY_CLASSES, name)
        if found is None:
            raise attributes.forbidden(f"no PriorityClass with name {name} was found")
        return found
    defaults = [c for c in reader.list(PRIORITY_CLASSES) if c.get("globalDefault")]
    # Should there be several, the lowest value counts.
    return min(defaults, key=lambda c: int(c.get("value") or 0)) if defaults else None
