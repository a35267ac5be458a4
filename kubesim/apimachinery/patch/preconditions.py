"""What a new patch must not change: k8s.io/apimachinery/pkg/util/mergepatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubesim.apimachinery.patch.errors import PreconditionFailedError
from kubesim.util.jsontypes import JSONObject

Precondition = Callable[[JSONObject], bool]


def key_unchanged(key: str) -> Precondition:
    """A field at the top is not in the patch."""
    return lambda patch: key not in patch


def metadata_key_unchanged(key: str) -> Precondition:
    """A field of metadata is not in the patch."""

    def check(patch: JSONObject) -> bool:
        metadata = patch.get("metadata")
        return not isinstance(metadata, dict) or key not in metadata

    return check


# What kubectl apply and kubectl edit ask of a patch.
IDENTITY_UNCHANGED: tuple[Precondition, ...] = (
    key_unchanged("apiVersion"),
    key_unchanged("kind"),
    metadata_key_unchanged("name"),
)


def check_preconditions(patch: JSONObject, preconditions: Sequence[Precondition]) -> None:
    """Raises PreconditionFailedError."""
    for precondition in preconditions:
        if not precondition(patch):
            raise PreconditionFailedError(patch)
