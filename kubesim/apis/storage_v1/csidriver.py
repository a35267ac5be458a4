"""CSIDrivers: what a storage driver wants of the cluster."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_immutable
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, UNSET, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty, missing
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns(
    "Name, AttachRequired:b, PodInfoOnMount:b, StorageCapacity:b, TokenRequests, RequiresRepublish:b, Modes,"
    " Age"
)
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Ephemeral", "Persistent")
_SWITCHES = ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    missing(spec, "attachRequired", True)  # noqa: FBT003 - the field's value
    for name in _SWITCHES:
        missing(spec, name, False)  # noqa: FBT003 - the field's value
    missing(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
    empty(spec, "volumeLifecycleModes", ["Persistent"])


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_volumes import validate_csi_driver_name

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = validate_csi_driver_name(name_of(obj), Path("name"))
    for name in ("attachRequired", "podInfoOnMount", "storageCapacity"):
        if spec.get(name) is None:
            errors.append(field.required(path.child(name), ""))
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        errors.append(field.not_supported(path.child("fsGroupPolicy"), policy, _GROUP_POLICIES))
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            errors.append(field.not_supported(path.child("volumeLifecycleModes"), mode, _MODES))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    spec, before, path = new.get("spec") or {}, old.get("spec") or {}, Path("spec")
    errors = validate(new)
    for name in ("attachRequired", "volumeLifecycleModes"):
        errors += validate_immutable(spec.get(name), before.get(name), path.child(name))
    return errors


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get csidrivers`: printCSIDriver."""
    spec = obj.get("spec") or {}
    requests = spec.get("tokenRequests")
    return [
        name_of(obj),
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        UNSET if requests is None else ",".join(str(r.get("audience") or "") for r in requests),
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, now),
    ]
