"""The validation of a pod's status: ValidatePodStatusUpdate in pkg/apis/core/validation."""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import ip_family, is_dns1123_subdomain, is_qualified_name, is_valid_ip
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apis.podtemplate import is_sidecar
from kubesim.util.jsontypes import JSONObject

_OWN_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_NOT_BACK = "may not be transitioned to non-terminated state"


def validate_pod_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The errors of an update of /status."""
    spec = old.get("spec") or {}
    status, before = new.get("status") or {}, old.get("status") or {}
    path = Path("status")
    errors: list[FieldError] = []
    for i, condition in enumerate(status.get("conditions") or ()):
        kind = str(condition.get("type") or "")
        if kind not in _OWN_CONDITIONS:
            at = Path("metadata").child("conditions").index(i).child("Type")
            errors += [field.invalid(at, kind, e) for e in is_qualified_name(kind)]
    node = status.get("nominatedNodeName") or ""
    if node and node != (before.get("nominatedNodeName") or ""):
        at = path.child("nominatedNodeName")
        errors += [field.invalid(at, node, e) for e in is_dns1123_subdomain(node)]
    qos, old_qos = status.get("qosClass") or "", before.get("qosClass") or ""
    if qos != old_qos:
        errors.append(field.invalid(path.child("qosClass"), qos, IMMUTABLE))
    policy = spec.get("restartPolicy") or ""
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if is_sidecar(c)}
    for name, restart, spared in (
        ("containerStatuses", policy, set()),
        ("initContainerStatuses", policy, sidecars),
        ("ephemeralContainerStatuses", "Never", set()),
    ):
        errors += _validate_transition(status, before, name, restart, spared)
    errors += _validate_ips(status, "podIPs")
    return errors + _validate_host_ips(status)


def _validate_transition(
    status: JSONObject, before: JSONObject, name: str, policy: str, spared: set[str]
) -> list[FieldError]:
    """A container that has ended for good does not come back."""
    if policy == "Always":
        return []
    errors: list[FieldError] = []
    for i, old in enumerate(before.get(name) or ()):
        terminated = (old.get("state") or {}).get("terminated")
        if terminated is None or old.get("name") in spared:
            continue
        if terminated.get("exitCode") and policy == "OnFailure":
            continue
        at = Path("status").child(name).index(i).child("state")
        errors += [
            field.forbidden(at, _NOT_BACK)
            for new in status.get(name) or ()
            if new.get("name") == old.get("name") and (new.get("state") or {}).get("terminated") is None
        ]
    return errors


def _validate_ips(status: JSONObject, name: str) -> list[FieldError]:
    path = Path("status").child(name)
    addresses = [str(a.get("ip") or "") for a in status.get(name) or ()]
    errors = [field.invalid(path.index(i), a, e) for i, a in enumerate(addresses) for e in is_valid_ip(a)]
    if len(addresses) < 2:
        return errors
    families = {ip_family(a) for a in addresses}
    if len(families) < 2 or len(addresses) > 2:
        detail = "may specify no more than one IP for each IP family"
        errors.append(field.invalid(path, addresses, detail))
    for i, address in enumerate(addresses):
        if address in addresses[:i]:
            errors.append(field.duplicate(path.index(i), address))
    return errors


def _validate_host_ips(status: JSONObject) -> list[FieldError]:
    addresses = status.get("hostIPs") or []
    if not addresses:
        return []
    first = addresses[0].get("ip") or ""
    errors: list[FieldError] = []
    if first != (status.get("hostIP") or ""):
        at = Path("status").child("hostIPs").index(0).child("ip")
        errors.append(field.invalid(at, first, "must be equal to `hostIP`"))
    return errors + _validate_ips(status, "hostIPs")
