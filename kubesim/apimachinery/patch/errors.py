"""Why a patch cannot be made or applied. The texts are those of the Go packages that do it for Kubernetes."""

from __future__ import annotations

from typing import Any

from kubesim.util.gotext import sprint

BAD_REQUEST = 400
TOO_LARGE = 413
UNPROCESSABLE = 422
INTERNAL = 500


class PatchError(ValueError):
    """A patch is wrong, or does not fit the object. `code` is the HTTP status that the API server answers
    with.

    400 is a BadRequest with this text, 413 a RequestEntityTooLarge; 422 is a generic response
    (NewGenericServerResponse) that has this text as its cause, 500 an internal error.
    """

    def __init__(self, text: str, code: int = INTERNAL) -> None:
        super().__init__(text)
        self.code = code


class JSONPatchError(PatchError):
    """A list of operations (RFC 6902) is wrong, or does not fit the object."""


class StrategicPatchError(PatchError):
    """A strategic merge patch is wrong, does not fit the object, or cannot be made."""


class PreconditionFailedError(PatchError):
    """A new patch changes what it must not: mergepatch.ErrPreconditionFailed."""

    def __init__(self, patch: Any) -> None:
        super().__init__(f"precondition failed for: {sprint(patch)}")


class PatchConflictError(PatchError):
    """A new patch changes what others have changed: mergepatch.ErrConflict."""


def conflict(patch: Any, changed: Any) -> PatchConflictError:
    """What the patch wants, and what it would undo."""
    lead = "conflicts with changes made from original to current:"
    return PatchConflictError(f"patch:\n{sprint(patch)}\n{lead}\n{sprint(changed)}\n")


# k8s.io/apimachinery/pkg/util/mergepatch/errors.go, with the codes of interpretStrategicMergePatchError.
def no_lists_of_lists() -> StrategicPatchError:
    return StrategicPatchError("lists of lists are not supported", UNPROCESSABLE)


def bad_primitive_list() -> StrategicPatchError:
    return StrategicPatchError("invalid patch format of primitive list", BAD_REQUEST)


def bad_retain_keys() -> StrategicPatchError:
    return StrategicPatchError("invalid patch format of retainKeys", BAD_REQUEST)


def bad_element_order() -> StrategicPatchError:
    return StrategicPatchError("invalid patch format of setElementOrder list", BAD_REQUEST)


def no_merge_key(item: Any, key: str) -> StrategicPatchError:
    return StrategicPatchError(f"map: {sprint(item)} does not contain declared merge key: {key}")


def bad_type(expected: type, value: Any) -> StrategicPatchError:
    return StrategicPatchError(f"expected a {_TYPES[expected]}, but received a {_TYPES[type(value)]}")


def bad_directive(directive: Any, patch: Any) -> StrategicPatchError:
    return StrategicPatchError(f"unknown patch type: {sprint(directive)} in map: {sprint(patch)}")


_TYPES: dict[type, str] = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    type(None): "%!s(<nil>)",
}
