"""Node: a machine that runs Pods. Sources: pkg/registry/core/node/strategy.go, pkg/apis/core/validation."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.meta import labels_of, name_of
from kubesim.apimachinery.scheme import Cells, Column, standard_fields
from kubesim.apis.meta import (
    AGE,
    NAME,
    NONE,
    created,
    drop_empty,
    is_dual_stack,
    items,
    section,
    validate_cidr,
    validate_taints,
)
from kubesim.util.durations import time_since
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, deep_copy, dig
from kubesim.util.quantity import Quantity

COLUMNS: Final = (
    NAME,
    Column("Status", description="The status of the node"),
    Column("Roles", description="The roles of the node"),
    AGE,
    Column("Version", description="Version that the node's kubelet reports."),
    Column("Internal-IP", description="Address of the node within the cluster.", priority=1),
    Column("External-IP", description="Address of the node from outside.", priority=1),
    Column("OS-Image", description="Operating system that the node reports.", priority=1),
    Column("Kernel-Version", description="Kernel that the node reports.", priority=1),
    Column("Container-Runtime", description="Container runtime that the node reports.", priority=1),
)

_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_ROLE_LABEL: Final = "kubernetes.io/role"
_UNKNOWN: Final = "<unknown>"
_POD_CIDRS: Final = Path("spec.podCIDRs")
_SYSTEM_INFO: Final = (
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
)
# helper.IsIntegerResourceName
_COUNTED: Final = frozenset(
    {
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)


def default(node: JSONObject) -> None:
    """SetDefaults_NodeStatus; podCIDR as the first of podCIDRs; what is written even where it is empty."""
    spec, status = section(node, "spec"), section(node, "status")
    drop_empty(spec, ("podCIDR", "podCIDRs", "providerID", "unschedulable", "taints", "externalID"))
    single, ranges = spec.get("podCIDR"), items(spec, "podCIDRs")
    # As Convert_v1_NodeSpec_To_core_NodeSpec: the singular field wins over a list that disagrees.
    if single and (not ranges or ranges[0] != single):
        spec["podCIDRs"] = [single]
    elif ranges:
        spec["podCIDR"] = ranges[0]
    if status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    drop_empty(status, ("capacity", "allocatable", "conditions", "addresses", "images", "phase"))
    section(section(status, "daemonEndpoints"), "kubeletEndpoint").setdefault("Port", 0)
    info = section(status, "nodeInfo")
    for name in _SYSTEM_INFO:
        info.setdefault(name, "")


def prepare_create(node: JSONObject) -> None:
    """A kubelet may give the status at once; the dynamic configuration of kubelets is gone."""
    section(node, "spec").pop("configSource", None)
    section(node, "status").pop("config", None)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = deep_copy(old.get("status") or {})
    if (old.get("spec") or {}).get("configSource") is None:
        section(new, "spec").pop("configSource", None)


def prepare_status_update(new: JSONObject, old: JSONObject) -> None:
    """A kubelet may change labels and annotations together with the status: only the spec is kept."""
    new["spec"] = deep_copy(old.get("spec") or {})
    if (old.get("status") or {}).get("config") is None:
        section(new, "status").pop("config", None)


def validate(node: JSONObject) -> list[FieldError]:
    """ValidateNode."""
    spec = node.get("spec") or {}
    errors = validate_taints(items(spec, "taints"), Path("metadata.taints"))  # the path is upstream's
    errors += _validate_resources(node)
    ranges = items(spec, "podCIDRs")
    for at, value in enumerate(ranges):
        errors += validate_cidr(value, _POD_CIDRS.index(at))
    return errors + _validate_families(ranges) if len(ranges) > 1 else errors


def _validate_families(ranges: list[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    wrong = next((at for at, value in enumerate(ranges) if validate_cidr(value, _POD_CIDRS)), None)
    if wrong is not None:
        problem = f"invalid CIDR[{wrong}]: <nil> (invalid CIDR address: {ranges[wrong]})"
        detail = f"invalid PodCIDRs. failed to check with dual stack with error:{problem}"
        errors.append(field.internal_error(_POD_CIDRS, detail))
    if wrong is not None or not is_dual_stack(ranges) or len(ranges) > 2:
        detail = "may specify no more than one CIDR for each IP family"
        errors.append(field.invalid(_POD_CIDRS, ranges, detail))
    for at, value in enumerate(ranges):
        if value in ranges[:at]:
            errors.append(field.duplicate(_POD_CIDRS.index(at), value))
    return errors


def _validate_resources(node: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("capacity", "allocatable"):
        amounts = dig(node, "status", name, default={})
        for resource in sorted(amounts):
            path = Path(f"status.{name}.{resource}")
            quantity = Quantity.from_json(amounts[resource])
            if quantity.milli_value() < 0:
                errors.append(field.invalid(path, str(quantity), "must be greater than or equal to 0"))
            if _is_counted(resource) and quantity.milli_value() % 1000:
                errors.append(field.invalid(path, GoValue(_go_quantity(quantity)), "must be an integer"))
    return errors


def _is_counted(resource: str) -> bool:
    domain, slash, _ = resource.partition("/")
    return resource in _COUNTED or bool(slash and not domain.endswith("kubernetes.io"))


def _go_quantity(quantity: Quantity) -> str:
    return (
        f"resource.Quantity{{i:resource.int64Amount{{value:{quantity.mantissa}, scale:{quantity.scale}}},"
        f" d:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}, s:{quote(str(quantity))},"
        f" Format:{quote(quantity.format)}}}"
    )


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """A user's update has to pass ValidateNode too, so that what is wrong with taints is said twice."""
    return validate(new) + _validate_change(new, old)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return _validate_change(new, old)


def _validate_change(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateNodeUpdate."""
    errors = _validate_resources(new)
    addresses = dig(new, "status", "addresses", default=[])
    for at, address in enumerate(addresses):
        if address in addresses[:at]:
            errors.append(field.duplicate(Path("status.addresses").index(at), GoValue(_go_address(address))))
    before, after = old.get("spec") or {}, new.get("spec") or {}
    errors += _validate_ranges_change(items(after, "podCIDRs"), items(before, "podCIDRs"))
    if before.get("providerID") and before["providerID"] != after.get("providerID"):
        detail = 'node updates may not change providerID except from "" to valid'
        errors.append(field.forbidden(Path("spec.providerID"), detail))
    errors += validate_taints(items(after, "taints"), Path("metadata.taints"))
    if (after.get("externalID") or "") != (before.get("externalID") or ""):
        errors.append(field.forbidden(Path("spec.externalID"), "may not be updated"))
    return errors


def _validate_ranges_change(after: list[str], before: list[str]) -> list[FieldError]:
    if not before:
        return []
    error = field.forbidden(_POD_CIDRS, 'node updates may not change podCIDR except from "" to valid')
    if len(before) != len(after):
        return [error]
    return [error for old, new in zip(before, after, strict=True) if old != new]


def _go_address(address: JSONObject) -> str:
    kind, value = address.get("type") or "", address.get("address") or ""
    return f"core.NodeAddress{{Type:{quote(kind)}, Address:{quote(value)}}}"


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    spec = new.get("spec") or {}
    texts: list[str] = []
    if spec.get("configSource") is not None:
        texts.append("spec.configSource: the feature is removed")
    if spec.get("externalID"):
        texts.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return texts


def fields(node: JSONObject) -> dict[str, str]:
    unschedulable = dig(node, "spec", "unschedulable", default=False)
    return standard_fields(node) | {"spec.unschedulable": "true" if unschedulable else "false"}


def cells(node: JSONObject, now: datetime) -> Cells:
    """PrintNode."""
    info = dig(node, "status", "nodeInfo", default={})
    return [
        name_of(node),
        status_of(node),
        ",".join(roles_of(node)) or NONE,
        time_since(created(node), now),
        info.get("kubeletVersion") or "",
        address_of(node, "InternalIP"),
        address_of(node, "ExternalIP"),
        *(info.get(name) or _UNKNOWN for name in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def status_of(node: JSONObject) -> str:
    """`Ready`, `NotReady`, `Unknown`, and whether Pods may be scheduled here."""
    conditions = dig(node, "status", "conditions", default=[])
    ready = next((c for c in reversed(conditions) if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if dig(node, "spec", "unschedulable") else text


def roles_of(node: JSONObject) -> list[str]:
    """The roles that its labels name, sorted."""
    found: set[str] = set()
    for key, value in labels_of(node).items():
        role = key.removeprefix(_ROLE_PREFIX)
        if role != key:
            found.add(role)
        elif key == _ROLE_LABEL:
            found.add(value)
    return sorted(found - {""})


def address_of(node: JSONObject, kind: str) -> str:
    """The first address of a type, `<none>` where there is none."""
    addresses = dig(node, "status", "addresses", default=[])
    return next((str(a.get("address")) for a in addresses if a.get("type") == kind), NONE)
