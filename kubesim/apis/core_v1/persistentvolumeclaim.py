"""PersistentVolumeClaims: their strategy, as pkg/registry/core/persistentvolumeclaim has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import annotations_of, is_terminating, name_of
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import UNSET, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty, missing
from kubesim.apis.volumes import access_modes, class_of
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

COLUMNS = columns(
    "Name, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age | VolumeMode"
)
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_KEPT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName"
    " for bound claims\n"
)


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    missing(spec, "volumeMode", "Filesystem")
    missing(spec, "resources", {})
    empty(section(obj, "status"), "phase", "Pending")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {"phase": "Pending"}
    spec = section(obj, "spec")
    # A data source is kept under both of its names: NormalizeDataSources.
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = deep_copy(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {k: v for k, v in reference.items() if k != "namespace"}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podclaims import validate_claim_spec

    return validate_claim_spec(obj.get("spec") or {}, Path("spec"))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = validate(new)
    spec, before = deep_copy(new.get("spec") or {}), deep_copy(old.get("spec") or {})
    if not before.get("volumeName"):
        # The binder sets it once.
        _take(before, spec, "volumeName")
    if before.get("storageClassName") is None and spec.get("storageClassName") is not None:
        beta = annotations_of(old).get(_BETA_CLASS)
        if beta is None or beta == spec["storageClassName"]:
            _take(before, spec, "storageClassName")
    if dig(old, "status", "phase") == "Bound":
        errors += _validate_size(new, old)
        for holder in (spec, before):
            section(holder, "resources").pop("requests", None)
    if spec != before:
        from kubesim.apis.godiff import diff

        shown = [o.get("spec") or {} for o in (old, new)]
        detail = _KEPT + diff("core.PersistentVolumeClaimSpec", *shown)
        errors.append(field.forbidden(Path("spec"), detail))
    mode, was = (dig(o, "spec", "volumeMode") for o in (new, old))
    if mode != was:
        errors.append(field.invalid(Path("spec").child("volumeMode"), mode, IMMUTABLE))
    return errors


def _take(before: JSONObject, spec: JSONObject, name: str) -> None:
    if name in spec:
        before[name] = spec[name]
    else:
        before.pop(name, None)


def _validate_size(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """A bound claim grows, or shrinks to what it has not got yet."""
    from kubesim.apis.resources import quantity

    size, was = (
        quantity(dig(o, "spec", "resources", "requests", "storage", default="0")) for o in (new, old)
    )
    capacity = quantity(dig(old, "status", "capacity", "storage", default="0"))
    path = Path("spec").child("resources", "requests", "storage")
    if size < was and size <= capacity:
        return [field.forbidden(path, "field can not be less than status.capacity")]
    return []


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get persistentvolumeclaims`: printPersistentVolumeClaim."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName") or ""
    return [
        name_of(obj),
        "Terminating" if is_terminating(obj) else status.get("phase") or "",
        volume,
        str(dig(status, "capacity", "storage", default="0")) if volume else "",
        access_modes(status.get("accessModes") or []) if volume else "",
        class_of(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]
