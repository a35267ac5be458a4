"""The three-way JSON merge patch that kubectl apply makes for kinds without merge keys.

k8s.io/apimachinery/pkg/util/jsonmergepatch: additions and changes from current to modified, deletions from
original to modified, put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubesim.apimachinery.patch.errors import conflict
from kubesim.apimachinery.patch.merge import apply_merge_patch, create_merge_patch
from kubesim.apimachinery.patch.preconditions import Precondition, check_preconditions
from kubesim.apimachinery.patch.values import same
from kubesim.util.jsontypes import JSONObject


def create_three_way_json_patch(
    original: JSONObject | None,
    modified: JSONObject,
    current: JSONObject,
    *,
    preconditions: Sequence[Precondition] = (),
) -> JSONObject:
    """The patch for `current` that carries over what changed from `original` to `modified`.

    Raises PreconditionFailedError, and PatchConflictError where additions and deletions contradict each
    other.
    """
    changes = _filtered(create_merge_patch(current, modified), nulls=False)
    deletions = _filtered(create_merge_patch(original or {}, modified), nulls=True)
    if _conflict(changes, deletions):
        raise conflict(changes, deletions)
    patch: JSONObject = apply_merge_patch(deletions, changes)
    check_preconditions(patch, preconditions)
    return patch


def _filtered(patch: JSONObject, *, nulls: bool) -> JSONObject:
    """Of a patch the deletions alone, or everything but them."""
    kept: JSONObject = {}
    for key, value in patch.items():
        if value is None:
            if nulls:
                kept[key] = None
        elif isinstance(value, dict) and value:
            below = _filtered(value, nulls=nulls)
            if below:
                kept[key] = below
        elif not nulls:
            kept[key] = value
    return kept


def _conflict(left: Any, right: Any) -> bool:
    """mergepatch.HasConflicts: the two give one key different values."""
    if isinstance(left, dict):
        if not isinstance(right, dict):
            return True
        return any(key in right and _conflict(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        if not isinstance(right, list) or len(left) != len(right):
            return True
        return any(map(_conflict, left, right))
    return not same(left, right)
