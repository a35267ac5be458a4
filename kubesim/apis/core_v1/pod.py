"""Pods: their strategy, as pkg/registry/core/pod has it.

`/status`, `/ephemeralcontainers` and `/resize` have functions of their own here, for the registry to call.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells, standard_fields
from kubesim.apis.columns import NONE, age, columns
from kubesim.apis.podtemplate import default_pod, is_sidecar
from kubesim.apis.podtemplate_features import drop_disabled_fields
from kubesim.apis.podtemplate_qos import qos_class
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates")

_GATED = {
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "reason": "SchedulingGated",
    "status": "False",
    "type": "PodScheduled",
}


def default(obj: JSONObject) -> None:
    default_pod(_spec(obj))


def _spec(obj: JSONObject) -> JSONObject:
    spec = obj.get("spec")
    if spec is None:
        spec = obj["spec"] = {}
    return spec


def prepare_create(obj: JSONObject) -> None:
    spec = _spec(obj)
    drop_disabled_fields(spec)
    status: JSONObject = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [dict(_GATED)]
    obj["status"] = status
    _merge_match_label_keys(obj, spec)


def _merge_match_label_keys(obj: JSONObject, spec: JSONObject) -> None:
    """Turn matchLabelKeys and mismatchLabelKeys into expressions with the pod's own labels:
    applyMatchLabelKeys.
    """
    labels = dig(obj, "metadata", "labels", default={})
    affinity = spec.get("affinity") or {}
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(name) or {}
        found = list(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        found += [
            weighted.get("podAffinityTerm") or {}
            for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        for term in found:
            selector = term.get("labelSelector")
            if selector is None:
                continue
            for keys, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
                added = [
                    {"key": key, "operator": operator, "values": [labels[key]]}
                    for key in term.get(keys) or ()
                    if key in labels
                ]
                if added:
                    selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_fields(_spec(new), old.get("spec") or {})
    _keep(new, old, "status")


def prepare_status_update(new: JSONObject, old: JSONObject) -> None:
    """A status update leaves the spec, the deletion and the owners alone; labels and annotations may
    change.
    """
    _keep(new, old, "spec")
    metadata = new.setdefault("metadata", {})
    before = old.get("metadata") or {}
    # Old kubelets corrupt owner references, which a client may not add here anyway.
    _keep(metadata, before, "ownerReferences")
    _keep(metadata, before, "deletionTimestamp")
    status = new.setdefault("status", {})
    if not status.get("qosClass"):
        status["qosClass"] = dig(old, "status", "qosClass", default="") or qos_class(old.get("spec") or {})


def _keep(new: JSONObject, old: JSONObject, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def prepare_ephemeral_containers_update(new: JSONObject, old: JSONObject) -> JSONObject:
    """The object that a PUT on /ephemeralcontainers asks for: the old one with new ephemeral containers."""
    spec = {**(old.get("spec") or {})}
    containers = dig(new, "spec", "ephemeralContainers")
    if containers:
        spec["ephemeralContainers"] = containers
    else:
        spec.pop("ephemeralContainers", None)
    return {**old, "spec": spec, "metadata": _with_version(new, old)}


def prepare_resize_update(new: JSONObject, old: JSONObject) -> JSONObject:
    """The object that a PUT on /resize asks for: the old one with new resources and resize policies."""
    spec = {**(old.get("spec") or {})}
    for name in ("containers", "initContainers"):
        wanted = {c.get("name"): c for c in dig(new, "spec", name, default=[])}
        if name in spec:
            spec[name] = [_resized(c, wanted.get(c.get("name"), c)) for c in spec[name] or ()]
    return {**old, "spec": spec, "metadata": _with_version(new, old)}


def _resized(container: JSONObject, wanted: JSONObject) -> JSONObject:
    found = {**container, "resources": wanted.get("resources") or {}}
    if wanted.get("resizePolicy"):
        found["resizePolicy"] = wanted["resizePolicy"]
    return found


def _with_version(new: JSONObject, old: JSONObject) -> JSONObject:
    metadata = {**(old.get("metadata") or {})}
    version = dig(new, "metadata", "resourceVersion")
    if version:
        metadata["resourceVersion"] = version
    return metadata


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_update import validate_pod_create

    return validate_pod_create(obj)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_update import validate_pod_update

    return validate_pod_update(new, old)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_status import validate_pod_status_update

    return validate_pod_status_update(new, old)


def validate_ephemeral_containers_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_update import validate_pod_ephemeral_containers_update

    return validate_pod_ephemeral_containers_update(new, old)


def validate_resize_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_update import validate_pod_resize

    return validate_pod_resize(new, old)


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_pod

    return warnings_for_pod(new, old)


def fields(obj: JSONObject) -> dict[str, str]:
    """What a field selector of pods may name: ToSelectableFields."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return standard_fields(obj) | {
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": dig(status, "podIPs", 0, "ip", default=""),
        "status.podIPs": "",
        "status.nominatedNodeName": status.get("nominatedNodeName") or "",
    }


def indexes(obj: JSONObject) -> Iterable[tuple[str, str]]:
    """`address`: those beyond the first, which is a field of its own."""
    for entry in dig(obj, "status", "podIPs", default=[])[1:]:
        if entry.get("ip"):
            yield "address", entry["ip"]


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get pods`: printPod in pkg/printers/internalversion."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    summary = _Summary(obj)
    total = len(spec.get("containers") or ()) + sum(map(is_sidecar, spec.get("initContainers") or ()))
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart is not None:
        restarts = f"{summary.restarts} ({human_duration(now - summary.last_restart)} ago)"
    return [
        name_of(obj),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        age(obj, now),
        dig(status, "podIPs", 0, "ip", default="") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def _readiness_gates(spec: JSONObject, status: JSONObject) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    conditions = {c.get("type"): c.get("status") for c in reversed(status.get("conditions") or [])}
    return f"{sum(conditions.get(g.get('conditionType')) == 'True' for g in gates)}/{len(gates)}"


class _Summary:
    """What the columns READY, STATUS and RESTARTS say, worked out in printPod's order."""

    def __init__(self, obj: JSONObject) -> None:
        self.spec: JSONObject = obj.get("spec") or {}
        self.status: JSONObject = obj.get("status") or {}
        self.conditions = self.status.get("conditions") or []
        self.restarts = 0
        self.ready = 0
        self.last_restart: datetime | None = None
        phase = str(self.status.get("phase") or "")
        self.reason = str(self.status.get("reason") or phase)
        if any(
            c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in self.conditions
        ):
            self.reason = "SchedulingGated"
        if not self._initialize() or self._has_condition("Initialized"):
            self._containers()
        if dig(obj, "metadata", "deletionTimestamp"):
            if self.status.get("reason") == "NodeLost":
                self.reason = "Unknown"
            elif phase not in {"Succeeded", "Failed"}:
                self.reason = "Terminating"

    def _has_condition(self, kind: str) -> bool:
        return any(c.get("type") == kind and c.get("status") == "True" for c in self.conditions)

    def _initialize(self) -> bool:
        """Count the init containers; whether one of them is still at work or has failed."""
        containers = self.spec.get("initContainers") or []
        sidecars = {c.get("name") for c in containers if is_sidecar(c)}
        sidecar_restarts, sidecar_last = 0, None
        initializing = False
        for i, container in enumerate(self.status.get("initContainerStatuses") or ()):
            count, last = container.get("restartCount") or 0, _last_restart(container)
            self.restarts += count
            self.last_restart = _later(self.last_restart, last)
            sidecar = container.get("name") in sidecars
            if sidecar:
                sidecar_restarts += count
                sidecar_last = _later(sidecar_last, last)
            state = container.get("state") or {}
            terminated = state.get("terminated")
            if terminated is not None and not terminated.get("exitCode"):
                continue
            if sidecar and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            initializing = True
            waiting = dig(state, "waiting", "reason", default="")
            if terminated is not None:
                self.reason = f"Init:{_terminated(terminated)}"
            elif waiting and waiting != "PodInitializing":
                self.reason = f"Init:{waiting}"
            else:
                self.reason = f"Init:{i}/{len(containers)}"
            break
        if not initializing or self._has_condition("Initialized"):
            self.restarts, self.last_restart = sidecar_restarts, sidecar_last
        return initializing

    def _containers(self) -> None:
        running = False
        for container in reversed(self.status.get("containerStatuses") or []):
            self.restarts += container.get("restartCount") or 0
            self.last_restart = _later(self.last_restart, _last_restart(container))
            state = container.get("state") or {}
            waiting = dig(state, "waiting", "reason", default="")
            terminated = state.get("terminated")
            if waiting:
                self.reason = waiting
            elif terminated is not None:
                self.reason = _terminated(terminated)
            elif container.get("ready") and state.get("running") is not None:
                running = True
                self.ready += 1
        # One container that has ended does not make a pod ended while another goes on.
        if self.reason == "Completed" and running:
            self.reason = "Running" if self._has_condition("Ready") else "NotReady"


def _terminated(state: JSONObject) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode') or 0}"


def _last_restart(container: JSONObject) -> datetime | None:
    finished: Any = dig(container, "lastState", "terminated", "finishedAt")
    return parse_time(finished) if finished else None


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)
