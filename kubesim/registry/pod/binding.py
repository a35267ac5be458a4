"""Binding: a Pod gets its node, once.

Source: k8s.io/kubernetes pkg/registry/core/pod/storage/storage.go (BindingREST).
"""

from __future__ import annotations

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.registry.options import WriteOptions
from kubesim.registry.store import Store, UpdateStrategy
from kubesim.util.clock import Clock, format_time
from kubesim.util.jsontypes import JSONObject


def bind(
    pods: Store, name: str, binding: JSONObject, *, namespace: str, options: WriteOptions, clock: Clock
) -> JSONObject:
    """Assign a Pod to the node that a Binding names; a Status. Raises StatusError."""
    metadata = binding.get("metadata") or {}
    if metadata.get("name") and metadata["name"] != name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    if found := _errors(binding):
        raise errors.invalid("Binding", name, found)
    target = binding["target"]
    now = format_time(clock.now())

    def assign(pod: JSONObject) -> JSONObject:
        _check(pod, metadata, name)
        pod["spec"]["nodeName"] = target["name"]
        own = pod["metadata"]
        if metadata.get("annotations"):
            own["annotations"] = {**(own.get("annotations") or {}), **metadata["annotations"]}
        status = pod.setdefault("status", {})
        status["conditions"] = _scheduled(status.get("conditions") or [], now)
        return pod

    strategy = UpdateStrategy(prepare=_nothing, validate=_valid, subresource="binding", records=False)
    pods.modify(name, assign, namespace=namespace, options=options, strategy=strategy)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _errors(binding: JSONObject) -> list[FieldError]:
    """ValidatePodBinding."""
    target = binding.get("target") or {}
    found: list[FieldError] = []
    if target.get("kind") not in (None, "", "Node"):
        supported = ["Node", "<empty>"]
        found.append(field.not_supported(Path("target.kind"), target["kind"], supported))
    if not target.get("name"):
        found.append(field.required(Path("target.name")))
    return found


def _check(pod: JSONObject, metadata: JSONObject, name: str) -> None:
    own = pod["metadata"]
    wanted, found = metadata.get("uid"), own.get("uid")
    if wanted and wanted != found:
        detail = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        raise errors.conflict("pods/binding", name, detail)
    if own.get("deletionTimestamp"):
        raise errors.conflict(
            "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host"
        )
    node = (pod.get("spec") or {}).get("nodeName")
    if node:
        raise errors.conflict("pods/binding", name, f'pod {name} is already assigned to node "{node}"')
    if (pod.get("spec") or {}).get("schedulingGates"):
        raise errors.conflict("pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")


def _scheduled(conditions: list[JSONObject], now: str) -> list[JSONObject]:
    """PodScheduled becomes true: podutil.UpdatePodCondition."""
    made = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    found = next((c for c in conditions if c.get("type") == "PodScheduled"), None)
    if found is None:
        return [*conditions, made]
    if found.get("status") == "True":
        made["lastTransitionTime"] = found.get("lastTransitionTime") or now
    return [made if c is found else c for c in conditions]


def _nothing(new: JSONObject, old: JSONObject) -> None:
    """Everything in a binding is meant."""


def _valid(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return []
