"""The endpoints of a resource that change a part of it alone: /status, /approval."""

from __future__ import annotations

from collections.abc import Callable

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.scheme import Resource
from kubesim.registry.store import UpdateStrategy
from kubesim.util.jsontypes import JSONObject

# Their strategies take labels and annotations from the stored object too (metav1.ResetObjectMetaForStatus).
_METADATA_STAYS = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "resource.k8s.io",
        "storagemigration.k8s.io",
    }
)
# What of the metadata a write to /status changes there; everything else is taken from the stored object.
_OF_THE_WRITE = ("resourceVersion", "managedFields", "uid")


def status_strategy(resource: Resource) -> UpdateStrategy:
    """How /status of a resource changes objects."""
    return UpdateStrategy(
        prepare=resource.prepare_status_update or _preparation(resource),
        validate=resource.validate_status_update,
        subresource="status",
    )


def _preparation(resource: Resource) -> Callable[[JSONObject, JSONObject], None]:
    if resource.group in _METADATA_STAYS:
        return keep_all_but_status
    return _keep_labels_too if resource.kind == "Deployment" else _keep_all_but_status_and_metadata


def _keep_all_but_status_and_metadata(new: JSONObject, old: JSONObject) -> None:
    """Labels and annotations may change together with the status, as most strategies have it."""
    metadata, status = new["metadata"], new.get("status")
    new.clear()
    new |= {k: v for k, v in old.items() if k not in ("metadata", "status")}
    new["metadata"] = metadata
    if status is not None:
        new["status"] = status


def _keep_labels_too(new: JSONObject, old: JSONObject) -> None:
    """pkg/registry/apps/deployment: old controllers would write labels of their own."""
    _keep_all_but_status_and_metadata(new, old)
    new["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]


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
