"""Strategic merge patches: applying them.

Semantics and texts of k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (mergeMap and what it calls):
`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`, lists merged by key.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.patch import lookup
from kubesim.apimachinery.patch.errors import (
    StrategicPatchError,
    bad_directive,
    bad_element_order,
    bad_primitive_list,
    bad_retain_keys,
    bad_type,
    no_merge_key,
)
from kubesim.apimachinery.patch.lists import (
    DELETE,
    DIRECTIVE,
    Items,
    element_type,
    find,
    merge_orders,
    partition,
    without_duplicates,
)
from kubesim.apimachinery.patch.values import identity, same
from kubesim.apimachinery.schema.node import Node
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject, deep_copy

REPLACE = "replace"
MERGE = "merge"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"


def apply_strategic_patch(original: JSONObject, patch: JSONObject, node: Node | None) -> JSONObject:
    """A patched copy of an object. `node` is the root of its kind. Raises StrategicPatchError."""
    return Merger(into_patch=False).merge(deep_copy(original), deep_copy(patch), node)


class Merger:
    """Lays a patch over an object, or (`into_patch`) over another patch, keeping its directives and nulls.

    Both are used up.
    """

    def __init__(self, *, into_patch: bool) -> None:
        self._into_patch = into_patch

    def merge(self, original: JSONObject, patch: JSONObject, node: Node | None) -> JSONObject:
        """The object with the patch laid over it. Raises StrategicPatchError."""
        if DIRECTIVE in patch:
            return _whole_object(patch)
        self._retain_keys(original, patch)
        for key in [k for k in patch if k.startswith(ELEMENT_ORDER)]:
            self._ordered_list(original, patch, key, node)
        for key, value in patch.items():
            if not key.startswith(DELETE_FROM):
                self._field(original, key, value, node)
            elif self._into_patch:
                original[key] = value
            else:
                self._delete_scalars(original, _directive_field(key, DELETE_FROM), value, node)
        return original

    def _field(self, original: JSONObject, key: str, value: Any, node: Node | None) -> None:
        if value is None:
            original.pop(key, None)
            if not self._into_patch:
                return
        if key not in original or type(original[key]) is not type(value):
            self._take(original, key, value)
        elif isinstance(value, dict):
            meta = lookup.of_struct(node, key)
            if meta.strategy == REPLACE:
                original[key] = value
            else:
                original[key] = self.merge(original[key], value, meta.node)
        elif isinstance(value, list):
            meta = lookup.of_slice(node, key)
            if meta.strategy == MERGE:
                original[key] = self._merge_list(original[key], value, meta)
            else:
                original[key] = value
        else:
            original[key] = value

    def _take(self, original: JSONObject, key: str, value: Any) -> None:
        """The patch's value as it is, without directives."""
        if not self._into_patch:
            _drop_nulls(value)
        kept = _without_directives(value)
        if kept is _DROPPED:
            original.pop(key, None)
        else:
            original[key] = kept

    def _delete_scalars(self, original: JSONObject, key: str, gone: Any, node: Node | None) -> None:
        if gone is None:
            original.pop(key, None)
            return
        there = original.get(key)
        if not isinstance(there, list) or not isinstance(gone, list):
            return
        meta = lookup.of_slice(node, key)
        if not there and not gone:
            return
        if element_type(there, gone) is dict:
            original[key] = self._merge_list(there, gone, meta)
            return
        dropped = {identity(v) for v in gone}
        left = [v for v in there if identity(v) not in dropped]
        original[key] = left

    def _retain_keys(self, original: JSONObject, patch: JSONObject) -> None:
        if RETAIN_KEYS not in patch:
            return
        kept = patch.pop(RETAIN_KEYS)
        if self._into_patch:
            if RETAIN_KEYS not in original:
                original[RETAIN_KEYS] = kept
            elif not same(original[RETAIN_KEYS], kept):
                raise StrategicPatchError(
                    f"{sprint(original[RETAIN_KEYS])} and {sprint(kept)} are not deep equal: "
                    "this may happen when calculating the 3-way diff patch"
                )
            return
        if not isinstance(kept, list):
            raise bad_retain_keys()
        names = {v for v in kept if isinstance(v, str)}
        for key, value in patch.items():
            if value is not None and not key.startswith((DELETE_FROM, ELEMENT_ORDER)) and key not in names:
                raise bad_retain_keys()
        for key in [k for k in original if k not in names]:
            del original[key]

    def _ordered_list(self, original: JSONObject, patch: JSONObject, key: str, node: Node | None) -> None:
        """Merge the list that a `$setElementOrder/x` is about, and bring it into that order."""
        order = patch.pop(key)
        if self._into_patch:
            if key not in original:
                original[key] = order
            elif not same(original[key], order):
                raise bad_element_order()
        if not isinstance(order, list):
            raise bad_type(list, order)
        name = _directive_field(key, ELEMENT_ORDER)
        there: Any = original.get(name)
        given: Any = patch.get(name)
        for found, value in ((name in original, there), (name in patch, given)):
            if found and not isinstance(value, list):
                raise bad_type(list, value)
        meta = lookup.of_slice(node, name)
        _check_order(given or [], order, meta.merge_key)
        merged: Items
        if name in original and name in patch:
            merged = self._merge_list(there, given, meta) if meta.strategy == MERGE else given
        elif name in original:
            merged = there
        elif name in patch:
            merged = _without_directives(given)
        else:
            return
        maps = element_type(there or [], given or []) is dict
        asked, server_only = partition(merged, order, meta.merge_key)
        original[name] = merge_orders(asked, server_only, order, there or [], meta.merge_key, maps=maps)
        patch.pop(name, None)

    def _merge_list(self, original: Items, patch: Items, meta: lookup.FieldMeta) -> Items:
        if not original and not patch:
            return original
        maps = element_type(original, patch) is dict
        if maps:
            if not meta.merge_key:
                struct = "struct" if meta.node is None or meta.node.is_struct else "map"
                raise StrategicPatchError(f"cannot merge lists without merge key for {struct}")
            original, patch = _special_items(original, patch, meta.merge_key)
            merged = self._merge_items(original, patch, meta)
        else:
            merged = without_duplicates([*original, *patch])
        asked, server_only = partition(merged, patch, meta.merge_key)
        return merge_orders(asked, server_only, patch, original, meta.merge_key, maps=maps)

    def _merge_items(self, original: Items, patch: Items, meta: lookup.FieldMeta) -> Items:
        merged = list(original)
        for item in patch:
            if meta.merge_key not in item:
                raise no_merge_key(item, meta.merge_key)
            at = find(merged, meta.merge_key, item[meta.merge_key])
            if at < 0:
                merged.append(item)
            else:
                merged[at] = self.merge(merged[at], item, meta.node)
        return merged


def _whole_object(patch: JSONObject) -> JSONObject:
    """An object with `$patch`: it stands for itself, or for nothing."""
    directive = patch[DIRECTIVE]
    if directive == REPLACE:
        del patch[DIRECTIVE]
        return patch
    if directive == DELETE:
        return {}
    raise bad_directive(directive, patch)


def _special_items(original: Items, patch: Items, merge_key: str) -> tuple[Items, Items]:
    """The server's items that stay, and the items of the patch that are no directives."""
    plain: Items = []
    left = list(original)
    replace = False
    for item in patch:
        if DIRECTIVE not in item:
            plain.append(item)
        elif item[DIRECTIVE] == DELETE:
            if merge_key not in item:
                raise no_merge_key(item, merge_key)
            while (at := find(left, merge_key, item[merge_key])) >= 0:
                del left[at]
        elif item[DIRECTIVE] == REPLACE:
            replace = True
        elif item[DIRECTIVE] == MERGE:
            raise StrategicPatchError("merging lists cannot yet be specified in the patch")
        else:
            raise bad_directive(item[DIRECTIVE], item)
    return ([], plain) if replace else (left, plain)


def _directive_field(key: str, prefix: str) -> str:
    """The field that a directive is about."""
    lead, slash, name = key.partition("/")
    if not slash or lead != prefix:
        raise bad_primitive_list() if prefix == DELETE_FROM else bad_element_order()
    return name


def _check_order(patch: Items, order: Items, merge_key: str) -> None:
    """Every item of the patch is in the order list, in the same sequence (items to be deleted aside)."""
    if not patch or not order:
        return
    items = patch
    if merge_key:
        for item in patch:
            if not isinstance(item, dict):
                raise bad_type(dict, item)
        items = [i for i in patch if i.get(DIRECTIVE) != DELETE]
    at = wanted = 0
    while at < len(items) and wanted < len(order):
        if isinstance(items[at], dict) and DIRECTIVE in items[at]:
            at += 1
            continue
        if _key(items[at], merge_key) == _key(order[wanted], merge_key):
            at += 1
        wanted += 1
    if at < len(items) and wanted >= len(order):
        asked = f"doesn't match {ELEMENT_ORDER} list:\n{sprint(order)}\n"
        raise StrategicPatchError(f"The order in patch list:\n{sprint(patch)}\n {asked}")


def _key(item: Any, merge_key: str) -> Any:
    if not merge_key:
        return identity(item)
    if not isinstance(item, dict):
        raise bad_type(dict, item)
    if merge_key not in item:
        raise no_merge_key(item, merge_key)
    return identity(item[merge_key])


class _Dropped:
    """Stands for an object that was nothing but a directive."""


_DROPPED = _Dropped()


def _without_directives(value: Any) -> Any:
    """A value that was nowhere before: objects with `$patch` in it are left out."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _DROPPED
        below = ((k, _without_directives(v)) for k, v in value.items())
        return {k: v for k, v in below if v is not _DROPPED}
    if isinstance(value, list):
        return [v for v in map(_without_directives, value) if v is not _DROPPED]
    return value


def _drop_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for key in [k for k, v in value.items() if v is None]:
            del value[key]
        for below in value.values():
            _drop_nulls(below)
    elif isinstance(value, list):
        for below in value:
            _drop_nulls(below)
