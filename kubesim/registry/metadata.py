"""What the generic registry itself does to an object's metadata: registry/rest/{meta,create,update}.go."""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import name_is_dns_subdomain
from kubesim.apimachinery.objectmeta import validate_object_meta, validate_object_meta_update
from kubesim.apimachinery.scheme import Resource
from kubesim.util.jsontypes import JSONObject

METADATA: Final = Path("metadata")
MAX_NAME: Final = 63
SUFFIX: Final = 5

_SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def metadata_of(obj: JSONObject) -> JSONObject:
    """The object's metadata, made if there is none."""
    found = obj.get("metadata")
    if not isinstance(found, dict):
        found = obj["metadata"] = {}
    return found


def wipe_system_fields(metadata: JSONObject) -> None:
    """Forget what only the server sets: rest.WipeObjectMetaSystemFields."""
    for name in _SYSTEM_FIELDS:
        metadata.pop(name, None)


def generated_name(base: str, suffix: str) -> str:
    """names.SimpleNameGenerator: the base is cut so that the whole stays a DNS label."""
    return base[: MAX_NAME - SUFFIX] + suffix


def ensure_namespace(metadata: JSONObject, namespace: str) -> None:
    """Put in the request's namespace, or refuse another one: EnsureObjectNamespaceMatchesRequestNamespace."""
    own = metadata.get("namespace") or ""
    if own == namespace:
        return
    if not namespace:
        metadata.pop("namespace", None)
    elif not own:
        metadata["namespace"] = namespace
    else:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def check_name(metadata: JSONObject, name: str) -> None:
    """The object's own name must be that of the URL: handlers.checkName."""
    own = metadata.get("name") or ""
    if not own:
        raise errors.bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if own != name:
        raise errors.bad_request(
            f"the name of the object ({own}) does not match the name on the URL ({name})"
        )


def dedup_owner_references(metadata: JSONObject) -> str:
    """Take out what is there twice; the text of the warning, empty if nothing was."""
    references = metadata.get("ownerReferences")
    if not references or len(references) < 2:
        return ""
    kept = []
    doubled = ""
    for reference in references:
        if reference in kept:
            doubled = (
                ".metadata.ownerReferences contains duplicate entries, "
                "API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; "
                f"please fix your requests; duplicate UID(s) observed: {reference.get('uid')}"
            )
            continue
        kept.append(reference)
    if doubled:
        metadata["ownerReferences"] = kept
    return doubled


def creation_errors(resource: Resource, obj: JSONObject) -> list[FieldError]:
    """Every error of a new object."""
    names = resource.name_errors or name_is_dns_subdomain
    found = validate_object_meta(obj["metadata"], resource.namespaced, names, METADATA)
    found += resource.validate(obj)
    return found


def update_errors(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The errors of changed metadata."""
    return validate_object_meta_update(new["metadata"], old["metadata"], METADATA)


def carry_over(new: JSONObject, old: JSONObject) -> None:
    """What an update may leave out or cannot change: the middle of rest.BeforeUpdate."""
    if not new.get("uid") and old.get("uid"):
        new["uid"] = old["uid"]
    for name in ("creationTimestamp", "deletionTimestamp"):
        if old.get(name):
            new[name] = old[name]
    if old.get("deletionGracePeriodSeconds") is not None and new.get("deletionGracePeriodSeconds") is None:
        new["deletionGracePeriodSeconds"] = old["deletionGracePeriodSeconds"]


def uid_mismatch(resource: Resource, name: str, wanted: str, found: str, key: str) -> StatusError:
    """409 as the store's preconditions word it."""
    detail = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )
    return errors.conflict(resource.plural, name, detail, group=resource.group)


def must_have_resource_version(resource: Resource, name: str) -> StatusError:
    """422 for an update that does not say what it is based on, where the kind demands it."""
    detail = "must be specified for an update"
    error = field.invalid(METADATA.child("resourceVersion"), field.GoValue("0x0"), detail)
    return errors.invalid(resource.plural, name, [error], group=resource.group)
