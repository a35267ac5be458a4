"""The endpoints of a resource that change a part of it alone: /status, /approval."""

from __future__ import annotations

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.scheme import Resource
from kubesim.registry.store import UpdateStrategy
from kubesim.util.jsontypes import JSONObject

# What of the metadata a write to /status may change; everything else is taken from the stored object.
_OF_THE_WRITE = ("resourceVersion", "managedFields", "uid")


def status_strategy(resource: Resource) -> UpdateStrategy:
    """How /status of a resource changes objects."""
    return UpdateStrategy(
        prepare=resource.prepare_status_update or keep_all_but_status,
        validate=resource.validate_status_update,
        subresource="status",
    )


def keep_all_but_status(new: JSONObject, old: JSONObject) -> None:
    """Take everything outside `status` from the stored object."""
    metadata = dict(old["metadata"])
    for name in _OF_THE_WRITE:
        metadata.pop(name, None)
        if name in new["metadata"]:
            metadata[name] = new["metadata"][name]
    status = new.get("status")
    new.clear()
    new |= {k: v for k, v in old.items() if k not in ("metadata", "status")}
    new["metadata"] = metadata
    if status is not None:
        new["status"] = status


def _keep_all_but_conditions(new: JSONObject, old: JSONObject) -> None:
    """An approval changes the conditions of a CertificateSigningRequest, nothing else of its status."""
    conditions = (new.get("status") or {}).get("conditions")
    keep_all_but_status(new, old)
    new["status"] = {k: v for k, v in (old.get("status") or {}).items() if k != "conditions"}
    if conditions:
        new["status"]["conditions"] = conditions


def _no_errors(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return []


APPROVAL = UpdateStrategy(prepare=_keep_all_but_conditions, validate=_no_errors, subresource="approval")
