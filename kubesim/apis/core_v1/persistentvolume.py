"""PersistentVolumes: their strategy, as pkg/registry/core/persistentvolume has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import is_terminating, name_of
from kubesim.apimachinery.names import is_dns1123_subdomain
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import UNSET, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty, missing
from kubesim.apis.volumes import access_modes, class_of
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns(
    "Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass,"
    " Reason, Age | VolumeMode"
)
_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
_RECLAIM = ("Delete", "Recycle", "Retain")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    empty(spec, "persistentVolumeReclaimPolicy", "Retain")
    missing(spec, "volumeMode", "Filesystem")
    if spec.get("hostPath") is not None:
        missing(spec["hostPath"], "type", "")
    if spec.get("iscsi") is not None:
        empty(spec["iscsi"], "iscsiInterface", "default")
    empty(section(obj, "status"), "phase", "Pending")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {"phase": "Pending"}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podclaims import VOLUME_MODES, validate_access_modes
    from kubesim.apis.podtemplate_scheduling import validate_node_selector

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = validate_access_modes(spec.get("accessModes") or [], path.child("accessModes"), "")
    errors += _validate_capacity(spec.get("capacity") or {}, path.child("capacity"))
    policy = spec.get("persistentVolumeReclaimPolicy") or ""
    if policy and policy not in _RECLAIM:
        errors.append(field.not_supported(path.child("persistentVolumeReclaimPolicy"), policy, _RECLAIM))
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        at = path.child("nodeAffinity", "required")
        if affinity.get("required") is None:
            errors.append(field.required(at, "must specify required node constraints"))
        else:
            errors += validate_node_selector(affinity["required"], at)
    errors += _validate_source(spec, path)
    if dig(spec, "hostPath", "path") == "/" and policy == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(field.forbidden(path.child("persistentVolumeReclaimPolicy"), detail))
    name = spec.get("storageClassName") or ""
    if name:
        errors += [field.invalid(path.child("storageClassName"), name, e) for e in is_dns1123_subdomain(name)]
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(path.child("volumeMode"), mode, VOLUME_MODES))
    return errors


def _validate_capacity(capacity: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis import resources
    from kubesim.apis.govalue import pretty

    errors: list[FieldError] = []
    if not capacity:
        errors.append(field.required(path, ""))
    if "storage" not in capacity or len(capacity) > 1:
        shown = pretty("core.ResourceList", capacity or None)
        errors.append(field.not_supported(path, shown, ("storage",)))
    for name in sorted(capacity):
        amount = resources.quantity(capacity[name])
        if amount.sign() < 0:
            errors.append(field.invalid(path.key(name), amount.value(), "must be a valid resource quantity"))
        errors += resources.validate_positive_quantity(amount, path.key(name))
    return errors


def _validate_source(spec: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis import podtemplate_volumes as volumes

    validators = {
        "hostPath": volumes.validate_host_path,
        "nfs": volumes.validate_nfs,
        "iscsi": volumes.validate_iscsi,
        "flocker": volumes.validate_flocker,
        "fc": volumes.validate_fc,
        "flexVolume": volumes.validate_flex_volume,
        "azureDisk": volumes.validate_azure_disk,
        "local": volumes.required("path"),
        "gcePersistentDisk": volumes.required("pdName"),
        "awsElasticBlockStore": volumes.required("volumeID"),
        "glusterfs": volumes.required("endpoints", "path"),
        "rbd": volumes.required("monitors", "image"),
        "cephfs": volumes.required("monitors"),
        "cinder": volumes.required("volumeID"),
        "azureFile": volumes.required("secretName", "shareName"),
        "vsphereVolume": volumes.required("volumePath"),
    }
    present = [name for name in _SOURCES if spec.get(name) is not None]
    if not present:
        return [field.required(path, "must specify a volume type")]
    errors: list[FieldError] = []
    first = present[0]
    if first == "csi":
        driver = str(spec["csi"].get("driver") or "")
        errors += volumes.validate_csi_driver_name(driver, path.child("csi", "driver"))
        errors += volumes.required("volumeHandle")(spec["csi"], path.child("csi"))
    elif first in validators:
        errors += validators[first](spec[first], path.child(first))
    for name in present[1:]:
        errors.append(field.forbidden(path.child(name), "may not specify more than 1 volume type"))
    if "local" in present and spec.get("nodeAffinity") is None:
        errors.append(field.required(path.child("nodeAffinity"), "Local volume requires node affinity"))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = validate(new)
    sources = [{n: (o.get("spec") or {}).get(n) for n in _SOURCES} for o in (old, new)]
    if sources[0] != sources[1]:
        from kubesim.apis.godiff import diff

        text = diff("core.PersistentVolumeSource", *sources)
        detail = f"spec.persistentvolumesource is immutable after creation\n{text}"
        errors.append(field.forbidden(Path("spec").child("persistentvolumesource"), detail))
    mode, was = (dig(o, "spec", "volumeMode") for o in (new, old))
    if mode != was:
        errors.append(field.invalid(Path("spec").child("volumeMode"), mode, IMMUTABLE))
    affinity, before = (dig(o, "spec", "nodeAffinity") for o in (new, old))
    if before is not None and affinity != before:
        from kubesim.apis.govalue import pretty

        shown = pretty("core.VolumeNodeAffinity", affinity)
        detail = f"{IMMUTABLE}, except for updating from beta label to GA"
        errors.append(field.invalid(Path("spec").child("nodeAffinity"), shown, detail))
    return errors


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get persistentvolumes`: printPersistentVolume."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        name_of(obj),
        str(dig(spec, "capacity", "storage", default="0")),
        access_modes(spec.get("accessModes") or []),
        spec.get("persistentVolumeReclaimPolicy") or "",
        "Terminating" if is_terminating(obj) else status.get("phase") or "",
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else "",
        class_of(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason") or "",
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]
