"""The status of a Pod, as the kubelet reports it: from what it remembers of the containers. Pure.

Rules as in pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses) and
pkg/kubelet/status/generate.go of Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from kubesim.apis.podtemplate_qos import qos_class
from kubesim.kubelet.record import ContainerRecord, PodRecord
from kubesim.util.clock import format_time
from kubesim.util.jsontypes import JSONObject

_OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
_TERMINAL = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}


def pod_status(pod: JSONObject, record: PodRecord, now: datetime) -> JSONObject:
    """The whole status, fields in Go's order."""
    spec, before = pod.get("spec") or {}, pod.get("status") or {}
    record = _as_reported(record)
    phase = phase_of(pod, record)
    status: JSONObject = {"phase": phase, "conditions": _conditions(pod, record, phase, now)}
    if record.failed_reason:
        status["message"], status["reason"] = record.failed_message, record.failed_reason
    if before.get("nominatedNodeName"):
        status["nominatedNodeName"] = before["nominatedNodeName"]
    if record.host_ips:
        status["hostIP"] = record.host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in record.host_ips]
    if record.pod_ips:
        status["podIP"] = record.pod_ips[0]
        status["podIPs"] = [{"ip": ip} for ip in record.pod_ips]
    status["startTime"] = format_time(record.started_at)
    for field, name, kinds in (
        ("initContainerStatuses", "initContainers", ("init", "sidecar")),
        ("containerStatuses", "containers", ("app",)),
        ("ephemeralContainerStatuses", "ephemeralContainers", ("ephemeral",)),
    ):
        statuses = [
            _container_status(container, record.containers[container["name"]])
            for container in spec.get(name) or ()
            if container["name"] in record.containers and record.containers[container["name"]].kind in kinds
        ]
        if statuses:
            status[field] = statuses
    status["qosClass"] = before.get("qosClass") or qos_class(spec)
    if before.get("resize"):
        status["resize"] = before["resize"]
    return status


def _as_reported(record: PodRecord) -> PodRecord:
    """While a postStart hook runs the kubelet reports what was before: such a container is still being created."""
    if all(c.hook_until is None for c in record.containers.values()):
        return record
    reason = "PodInitializing" if any(record.of_kind("init", "sidecar")) else "ContainerCreating"
    return replace(
        record,
        containers={
            name: replace(c, state="waiting", reason=reason, message="") if c.hook_until is not None else c
            for name, c in record.containers.items()
        },
    )


# The phase.


def phase_of(pod: JSONObject, record: PodRecord) -> str:
    """GetPhase"""
    if record.failed_reason:
        return "Failed"
    policy = (pod.get("spec") or {}).get("restartPolicy") or "Always"
    if policy == "Never" and any(c.state == "terminated" and c.exit_code for c in record.of_kind("init")):
        return "Failed"
    if pending_initialisation(record):
        return "Pending"
    containers = list(record.of_kind("app"))
    stopped = [c for c in containers if c.state == "terminated" or (c.state == "waiting" and c.last)]
    if any(c.state == "waiting" and not c.last for c in containers):
        return "Pending"
    if any(c.running for c in containers):
        return "Running"
    if not stopped:
        return "Pending"
    if policy == "Always" and not record.ended:
        return "Running"
    if all(_exit_code(c) == 0 for c in stopped):
        return "Succeeded"
    return "Failed" if policy == "Never" or record.ended else "Running"


def _exit_code(container: ContainerRecord) -> int:
    if container.state == "terminated":
        return container.exit_code
    return int((container.last or {}).get("exitCode") or 0)


def pending_initialisation(record: PodRecord) -> bool:
    """Whether init containers have not done their part yet."""
    return any(not _is_done(c) for c in record.of_kind("init", "sidecar"))


def _is_done(container: ContainerRecord) -> bool:
    # A sidecar that has once started does not hold the Pod up any more.
    return container.ever_started if container.kind == "sidecar" else container.succeeded


# Conditions.


def _conditions(pod: JSONObject, record: PodRecord, phase: str, now: datetime) -> list[JSONObject]:
    before = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or ()}
    containers_ready = _containers_ready(record, phase)
    sandboxed = record.has_sandbox and not record.ended
    computed = {
        "PodReadyToStartContainers": (("True" if sandboxed else "False"), "", ""),
        "Initialized": _initialised(record, phase),
        "Ready": _ready(pod, before, containers_ready),
        "ContainersReady": containers_ready,
    }
    found = [_condition(name, before.get(name), computed[name], now) for name in _OWN_CONDITIONS]
    scheduled = before.get("PodScheduled")
    if scheduled is None or scheduled.get("status") != "True":
        scheduled = _condition("PodScheduled", None, ("True", "", ""), now)
    others = [c for name, c in before.items() if name not in (*_OWN_CONDITIONS, "PodScheduled")]
    return [*found, scheduled, *others]


def _condition(
    name: str, before: JSONObject | None, computed: tuple[str, str, str], now: datetime
) -> JSONObject:
    status, reason, message = computed
    since = format_time(now)
    if before is not None and before.get("status") == status:
        since = before.get("lastTransitionTime") or since
    found: JSONObject = {
        "type": name,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def _initialised(record: PodRecord, phase: str) -> tuple[str, str, str]:
    """GeneratePodInitializedCondition"""
    incomplete = [c.name for c in record.of_kind("init", "sidecar") if not _is_done(c)]
    if phase == "Succeeded" and not incomplete:
        return "True", "PodCompleted", ""
    if not incomplete:
        return "True", "", ""
    return "False", "ContainersNotInitialized", f"containers with incomplete status: {_names(incomplete)}"


def _containers_ready(record: PodRecord, phase: str) -> tuple[str, str, str]:
    """GenerateContainersReadyCondition"""
    if phase in _TERMINAL:
        return "False", _TERMINAL[phase], ""
    unready = [c.name for c in record.of_kind("sidecar", "app") if not c.ready]
    if unready:
        return "False", "ContainersNotReady", f"containers with unready status: {_names(unready)}"
    return "True", "", ""


def _ready(
    pod: JSONObject, before: dict[str, JSONObject], containers_ready: tuple[str, str, str]
) -> tuple[str, str, str]:
    """GeneratePodReadyCondition, with readiness gates."""
    if containers_ready[0] != "True":
        return containers_ready
    texts = []
    for gate in (pod.get("spec") or {}).get("readinessGates") or ():
        name = gate["conditionType"]
        found = before.get(name)
        if found is None:
            texts.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif found.get("status") != "True":
            texts.append(
                f'the status of pod readiness gate "{name}" is not "True", but {found.get("status")}'
            )
    if texts:
        return "False", "ReadinessGatesNotReady", ", ".join(texts)
    return "True", "", ""


def _names(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"


# Containers.


def _container_status(container: JSONObject, record: ContainerRecord) -> JSONObject:
    """convertContainerStatus, fields in Go's order."""
    status: JSONObject = {"name": record.name, "state": _state(record)}
    status["lastState"] = {"terminated": record.last} if record.last else {}
    status["ready"] = record.succeeded if record.kind == "init" else record.ready
    status["restartCount"] = record.restarts
    status["image"] = record.image or container.get("image") or ""
    status["imageID"] = record.image_id
    if record.id:
        status["containerID"] = f"containerd://{record.id}"
    status["started"] = record.started
    mounts = [_mount_status(m) for m in container.get("volumeMounts") or ()]
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _state(record: ContainerRecord) -> JSONObject:
    match record.state:
        case "running":
            return {"running": {"startedAt": format_time(record.started_at) if record.started_at else None}}
        case "terminated":
            return {"terminated": record.terminated_state()}
    waiting: JSONObject = {"reason": record.reason}
    if record.message:
        waiting["message"] = record.message
    return {"waiting": waiting}


def _mount_status(mount: JSONObject) -> JSONObject:
    found: JSONObject = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        found |= {"readOnly": True, "recursiveReadOnly": mount.get("recursiveReadOnly") or "Disabled"}
    return found
