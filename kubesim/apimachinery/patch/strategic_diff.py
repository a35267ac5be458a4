"""Strategic merge patches: making them from two or three versions of an object.

Semantics and texts of k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (diffMaps, CreateTwoWayMergePatch,
CreateThreeWayMergePatch, MergingMapsHaveConflicts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubesim.apimachinery.patch import lookup
from kubesim.apimachinery.patch.errors import StrategicPatchError, bad_type, conflict, no_merge_key
from kubesim.apimachinery.patch.lists import (
    DELETE,
    DIRECTIVE,
    Items,
    element_type,
    sort_by_order,
    sort_scalars,
    without_duplicates,
)
from kubesim.apimachinery.patch.preconditions import Precondition, check_preconditions
from kubesim.apimachinery.patch.strategic import (
    DELETE_FROM,
    ELEMENT_ORDER,
    MERGE,
    REPLACE,
    RETAIN_KEYS,
    Merger,
)
from kubesim.apimachinery.patch.values import identity, same
from kubesim.apimachinery.schema.node import Node
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject, deep_copy


class _Options(NamedTuple):
    element_order: bool = False
    changes: bool = True  # keep additions and changes
    deletions: bool = True  # keep deletions
    retain_keys: bool = False


def create_two_way_patch(
    original: JSONObject,
    modified: JSONObject,
    node: Node | None,
    *,
    preconditions: Sequence[Precondition] = (),
) -> JSONObject:
    """The patch that makes `modified` of `original`. Raises StrategicPatchError, PreconditionFailedError."""
    patch = _diff(deep_copy(original), deep_copy(modified), node, _Options(element_order=True))
    check_preconditions(patch, preconditions)
    return patch


def create_three_way_patch(
    original: JSONObject | None,
    modified: JSONObject,
    current: JSONObject,
    node: Node | None,
    *,
    overwrite: bool = True,
    preconditions: Sequence[Precondition] = (),
) -> JSONObject:
    """The patch for `current` that carries over what changed from `original` to `modified`, as kubectl
    apply makes it.

    Fields of `current` that neither of the two has are left alone. Raises StrategicPatchError,
    PreconditionFailedError and, without `overwrite`, PatchConflictError where others have changed the same
    fields.
    """
    before = original or {}
    changes = _Options(element_order=True, deletions=False)
    deletions = _Options(element_order=True, changes=False)
    delta = _diff(deep_copy(current), deep_copy(modified), node, changes)
    gone = _diff(deep_copy(before), deep_copy(modified), node, deletions)
    patch = Merger(into_patch=True).merge(gone, delta, node)
    check_preconditions(patch, preconditions)
    if not overwrite:
        changed = _diff(deep_copy(before), deep_copy(current), node, _Options())
        if _conflict(patch, changed, node, "", ""):
            raise conflict(patch, changed)
    return patch


def _diff(original: JSONObject, modified: JSONObject, node: Node | None, options: _Options) -> JSONObject:
    patch: JSONObject = {}
    for key, value in modified.items():
        if key not in original:
            if options.changes:
                patch[key] = value
        elif key == DIRECTIVE:
            _diff_directive(original[key], value, patch)
        elif isinstance(value, dict) and isinstance(original[key], dict):
            _diff_object(key, original[key], value, patch, node, options)
        elif isinstance(value, list) and isinstance(original[key], list):
            _diff_list(key, original[key], value, patch, node, options)
        elif options.changes and not same(original[key], value):
            patch[key] = value
    if options.deletions:
        patch |= {key: None for key in original if key not in modified}
    if options.retain_keys:
        kept = sorted(k for k, v in modified.items() if v is not None)
        if kept and (patch or any(v is not None and k not in modified for k, v in original.items())):
            patch[RETAIN_KEYS] = kept
    return patch


def _diff_directive(before: Any, after: Any, patch: JSONObject) -> None:
    if not isinstance(before, str) or not isinstance(after, str):
        raise StrategicPatchError(f"invalid value for special key: {DIRECTIVE}")
    if before != after:
        patch[DIRECTIVE] = after


def _diff_object(
    key: str,
    original: JSONObject,
    modified: JSONObject,
    patch: JSONObject,
    node: Node | None,
    options: _Options,
) -> None:
    try:
        meta = lookup.of_struct(node, key)
    except StrategicPatchError:
        if same(original, modified):
            return
        raise
    options = options._replace(retain_keys=meta.retain_keys)
    if meta.strategy == REPLACE:
        if options.changes:
            patch[key] = modified
        return
    below = _diff(original, modified, meta.node, options)
    if below:
        patch[key] = below


def _diff_list(
    key: str, original: Items, modified: Items, patch: JSONObject, node: Node | None, options: _Options
) -> None:
    try:
        meta = lookup.of_slice(node, key)
    except StrategicPatchError:
        if same(original, modified):
            return
        raise
    if meta.strategy != MERGE:
        if options.changes and not same(original, modified):
            patch[key] = modified
        return
    added, deleted, order = _diff_merged_list(
        original, modified, meta, options._replace(retain_keys=meta.retain_keys)
    )
    if added:
        patch[key] = added
    if deleted:
        patch[f"{DELETE_FROM}/{key}"] = deleted
    if order:
        patch[f"{ELEMENT_ORDER}/{key}"] = order


def _diff_merged_list(
    original: Items, modified: Items, meta: lookup.FieldMeta, options: _Options
) -> tuple[Items, Items, Items]:
    """Items to add or merge, scalars to delete, and the order to ask for."""
    if not original:
        return (modified if options.changes else []), [], []
    if element_type(original, modified) is not dict:
        return _diff_scalars(original, modified, options)
    key = meta.merge_key
    patch, deleted = _diff_items(original, modified, meta, options)
    patch = sort_by_order(patch, modified, key, maps=True)
    same_order = len(original) == len(modified) and all(
        identity(_key_value(a, key)) == identity(_key_value(b, key))
        for a, b in zip(original, modified, strict=True)
    )
    patch += deleted
    ordered = (options.changes and (patch or not same_order)) or (options.deletions and patch)
    order = [{key: item[key]} for item in modified] if options.element_order and ordered else []
    return patch, [], order


def _key_value(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict):
        raise bad_type(dict, item)
    if merge_key not in item:
        raise no_merge_key(item, merge_key)
    return item[merge_key]


def _diff_scalars(original: Items, modified: Items, options: _Options) -> tuple[Items, Items, Items]:
    sort_scalars(original)  # as in the original, which compares the sorted list with the other one below
    after = sort_scalars(list(modified))
    added: Items = []
    deleted: Items = []
    i = j = 0
    while i < len(original) or j < len(after):
        left = sprint(original[i]) if i < len(original) else None
        right = sprint(after[j]) if j < len(after) else None
        if left is not None and left == right:
            i, j = i + 1, j + 1
        elif left is None or (right is not None and left > right):
            added.append(after[j])
            j += 1
        else:
            deleted.append(original[i])
            i += 1
    added = sort_by_order(added, modified, "", maps=False) if options.changes else []
    deleted = without_duplicates(deleted) if options.deletions else []
    changed = options.changes and not same(original, modified)
    order = list(modified) if options.element_order and (deleted or changed) else []
    return added, deleted, order


def _diff_items(
    original: Items, modified: Items, meta: lookup.FieldMeta, options: _Options
) -> tuple[Items, Items]:
    """Changed and new items, and directives for those that are gone."""
    key = meta.merge_key
    before = sorted(original, key=lambda item: sprint(item.get(key)))
    after = sorted(modified, key=lambda item: sprint(item.get(key)))
    patch: Items = []
    deleted: Items = []
    i = j = 0
    while i < len(before) or j < len(after):
        left = sprint(_key_value(before[i], key)) if i < len(before) else None
        right = sprint(_key_value(after[j], key)) if j < len(after) else None
        if left is not None and left == right:
            below = _diff(before[i], after[j], meta.node, options)
            if below:
                below[key] = after[j][key]
                patch.append(below)
            i, j = i + 1, j + 1
        elif left is None or (right is not None and left > right):
            if options.changes:
                patch.append(after[j])
            j += 1
        else:
            if options.deletions:
                deleted.append({key: before[i][key], DIRECTIVE: DELETE})
            i += 1
    return patch, deleted


def _conflict(left: Any, right: Any, node: Node | None, strategy: str, merge_key: str) -> bool:
    """Whether two patches give one field different values."""
    if isinstance(left, dict):
        if not isinstance(right, dict) or (DIRECTIVE in left) != (DIRECTIVE in right):
            return True
        if DIRECTIVE in left and left[DIRECTIVE] != right[DIRECTIVE]:
            return True
        return strategy != REPLACE and _objects_conflict(left, right, node)
    if isinstance(left, list):
        return not isinstance(right, list) or _lists_conflict(left, right, node, strategy, merge_key)
    return not same(left, right)


def _objects_conflict(left: JSONObject, right: JSONObject, node: Node | None) -> bool:
    for key, value in left.items():
        if key in (DIRECTIVE, RETAIN_KEYS) or key not in right:
            continue
        if key.startswith((DELETE_FROM, ELEMENT_ORDER)):
            meta = lookup.FieldMeta(None, "", "", retain_keys=False)
        elif isinstance(value, list):
            meta = lookup.of_slice(node, key)
        elif isinstance(value, dict):
            meta = lookup.of_struct(node, key)
        else:
            meta = lookup.FieldMeta(None, "", "", retain_keys=False)
        if _conflict(value, right[key], meta.node, meta.strategy, meta.merge_key):
            return True
    return False


def _lists_conflict(left: Items, right: Items, node: Node | None, strategy: str, merge_key: str) -> bool:
    maps = element_type(left, right) is dict
    if strategy == MERGE:
        if not maps:
            return False
        others = {sprint(item.get(merge_key)): item for item in right}
        pairs = ((item, others.get(sprint(item.get(merge_key)))) for item in left)
        return any(other is not None and _conflict(item, other, node, "", "") for item, other in pairs)
    if len(left) != len(right):
        return True
    if not maps:
        left, right = (sort_scalars(without_duplicates(items)) for items in (left, right))
    return any(_conflict(a, b, node, "", "") for a, b in zip(left, right, strict=False))
