"""StorageClasses: how volumes are made for claims."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.names import is_qualified_name
from kubesim.apimachinery.objectmeta import validate_immutable
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import UNSET, age, columns
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion:b, Age")
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_MAX_PARAMETERS = 512


def default(obj: JSONObject) -> None:
    missing(obj, "reclaimPolicy", "Delete")
    missing(obj, "volumeBindingMode", "Immediate")


def is_default_class(obj: JSONObject) -> bool:
    return any(annotations_of(obj).get(key) == "true" for key in _DEFAULT)


def validate(obj: JSONObject) -> list[FieldError]:
    provisioner = str(obj.get("provisioner") or "")
    errors: list[FieldError] = []
    if not provisioner:
        errors.append(field.required(Path("provisioner"), provisioner))
    else:
        lowered = provisioner.lower()
        errors += [field.invalid(Path("provisioner"), provisioner, e) for e in is_qualified_name(lowered)]
    parameters = obj.get("parameters") or {}
    if len(parameters) > _MAX_PARAMETERS:
        errors.append(
            field.too_long(Path("parameters"), "Provisioner Parameters exceeded max allowed", _MAX_PARAMETERS)
        )
    if "" in parameters:
        errors.append(field.invalid(Path("parameters"), "", "field can not be empty."))
    policy = obj.get("reclaimPolicy") or ""
    if policy and policy not in {"Delete", "Retain"}:
        errors.append(field.not_supported(Path("reclaimPolicy"), policy, ("Delete", "Retain")))
    mode = obj.get("volumeBindingMode")
    if mode is None:
        errors.append(field.required(Path("volumeBindingMode"), ""))
    elif mode not in _BINDING_MODES:
        errors.append(field.not_supported(Path("volumeBindingMode"), mode, _BINDING_MODES))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = [
        field.forbidden(Path(name), f"updates to {name} are forbidden.")
        for name in ("parameters", "provisioner", "reclaimPolicy")
        if (new.get(name) or None) != (old.get(name) or None)
    ]
    mode, before = new.get("volumeBindingMode"), old.get("volumeBindingMode")
    return errors + validate_immutable(mode, before, Path("volumeBindingMode"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get storageclasses`: printStorageClass."""
    name = name_of(obj)
    return [
        f"{name} (default)" if is_default_class(obj) else name,
        obj.get("provisioner") or "",
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or UNSET,
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]
