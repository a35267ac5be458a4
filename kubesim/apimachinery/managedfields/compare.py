"""What changed from one object to another, as sets of field paths.

As sigs.k8s.io/structured-merge-diff/v4/typed/compare.go, with the schema's list types, map types and list
keys. Both objects are seen as Go's encoder would write them: zero values that it leaves out are not there,
those that it always writes are.
"""

from __future__ import annotations

from typing import Any

import orjson

from kubesim.apimachinery.managedfields.sets import SELF, FieldSet
from kubesim.apimachinery.schema.node import Node
from kubesim.apimachinery.schema.shapes import ALWAYS, DROP, LIST, MAP, STRUCT, Definition, Field
from kubesim.util.jsontypes import JSONObject

# Never owned by anybody: managedfields/internal/stripmeta.go.
_STRIPPED = frozenset(("apiVersion", "kind"))
_STRIPPED_METADATA = frozenset(
    (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)
# List keys with a default, which the definitions do not tell: ServicePort and ContainerPort, +default="TCP".
_KEY_DEFAULTS = {"protocol": "TCP"}
_MISSING: Any = object()


def compare(old: JSONObject | None, new: JSONObject, node: Node) -> tuple[FieldSet, FieldSet]:
    """The fields that were added or modified, and those that were removed. `old` is None for a new object.

    Fields of metadata that belong to the system are left out.
    """
    return _Comparison(node).objects(old or {}, new)


class _Comparison:
    def __init__(self, node: Node) -> None:
        self._definitions = node.definitions
        self._maps = node.maps
        self._root = node.field

    def objects(self, old: JSONObject, new: JSONObject) -> tuple[FieldSet, FieldSet]:
        changed: FieldSet = {}
        removed: FieldSet = {}
        fields = self._definitions[self._root[1]]
        metadata = fields.get("metadata")
        if metadata is not None and metadata[0] == STRUCT:
            above: FieldSet = {}
            gone: FieldSet = {}
            inner = self._definitions[metadata[1]]
            self._struct(
                inner, old.get("metadata") or {}, new.get("metadata") or {}, above, gone, _STRIPPED_METADATA
            )
            if above:
                changed["f:metadata"] = above
            if gone:
                removed["f:metadata"] = gone
        self._struct(fields, old, new, changed, removed, _STRIPPED_TOP)
        return changed, removed

    def _struct(
        self,
        fields: Definition,
        old: JSONObject,
        new: JSONObject,
        changed: FieldSet,
        removed: FieldSet,
        skip: frozenset[str] = frozenset(),
    ) -> None:
        for name, field in fields.items():
            before = old.get(name)
            after = new.get(name)
            omit = field[2]
            if omit == ALWAYS:
                before = field[3] if before is None else before
                after = field[3] if after is None else after
            else:
                if before is None or (not before and omit == DROP):
                    before = _MISSING
                if after is None or (not after and omit == DROP):
                    if before is _MISSING:
                        continue
                    after = _MISSING
            if before is after or name in skip:
                continue
            if field[0] >= STRUCT and before == after and _same(before, after):
                continue  # most of an object is as it was: quicker than by the fields that it might have
            self._value(field, "f:" + name, before, after, changed, removed)

    def _value(
        self, field: Field, element: str, old: Any, new: Any, changed: FieldSet, removed: FieldSet
    ) -> None:
        if old is _MISSING:
            changed[element] = self._all(field, new)
            return
        if new is _MISSING:
            removed[element] = self._all(field, old)
            return
        kind = field[0]
        if kind < STRUCT or not (old or new) or self._atomic(field):
            if old != new or not _same(old, new):
                changed[element] = {}
            return
        above: FieldSet = {}
        gone: FieldSet = {}
        if kind == STRUCT:
            self._struct(self._definitions[field[1]], old or {}, new or {}, above, gone)
        elif kind == MAP:
            self._map(field[1], old or {}, new or {}, above, gone)
        else:
            self._list(field, old or [], new or [], above, gone)
        if above:
            changed[element] = above
        if gone:
            removed[element] = gone

    def _map(
        self, item: Field, old: JSONObject, new: JSONObject, changed: FieldSet, removed: FieldSet
    ) -> None:
        for key, value in new.items():
            self._value(item, "f:" + key, old.get(key, _MISSING), value, changed, removed)
        for key, value in old.items():
            if key not in new:
                self._value(item, "f:" + key, value, _MISSING, changed, removed)

    def _list(
        self, field: Field, old: list[Any], new: list[Any], changed: FieldSet, removed: FieldSet
    ) -> None:
        item = field[1]
        befores = self._by_element(field, old)
        afters = self._by_element(field, new)
        for element, after in afters.items():
            before = befores.get(element, [])
            if len(before) <= 1 and len(after) == 1:
                self._value(item, element, before[0] if before else _MISSING, after[0], changed, removed)
            elif len(before) > 1 and len(after) > 1:
                if not _same(before, after):
                    changed[element] = {}
            elif (
                len(before) > 1
            ):  # there were several, there is one: the mark of several goes, its fields come
                changed[element] = self._all(item, after[0])
                removed[element] = {}
            else:
                changed[element] = {}
                if before:
                    removed[element] = self._all(item, before[0])
        for element, before in befores.items():
            if element not in afters:
                removed[element] = self._all(item, before[0]) if len(before) == 1 else {}

    def _by_element(self, field: Field, values: list[Any]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for value in values:
            element = self._element(field, value)
            if element is not None:
                found.setdefault(element, []).append(value)
        return found

    def _element(self, field: Field, value: Any) -> str | None:
        """The path element of an item: `k:{"port":80,"protocol":"TCP"}` or `v:"x"`; None for an item
        without keys.
        """
        merge = field[4]
        if merge is None or merge[0] == "set":
            return None if value is None else _written("v:", value)
        if not isinstance(value, dict):
            return None
        fields = self._definitions[field[1][1]]
        keys = {}
        for name in sorted(merge[1]):
            found = value.get(name)
            if found is None or (not found and fields[name][2] == DROP):
                found = fields[name][3] if fields[name][2] == ALWAYS else _KEY_DEFAULTS.get(name)
            if found is not None:
                keys[name] = found
        return _written("k:", keys) if keys else None

    def _all(self, field: Field, value: Any) -> FieldSet:
        """A value with everything below it."""
        kind = field[0]
        if kind < STRUCT or not value or self._atomic(field):
            return {}
        made: FieldSet = {SELF: {}}
        if kind == STRUCT:
            for name, below in self._definitions[field[1]].items():
                found = value.get(name)
                omit = below[2]
                if found is None:
                    if omit != ALWAYS:
                        continue
                    found = below[3]
                elif not found and omit == DROP:
                    continue
                made["f:" + name] = self._all(below, found) if below[0] >= STRUCT else {}
        elif kind == MAP:
            item = field[1]
            for key, found in value.items():
                made["f:" + key] = self._all(item, found) if item[0] >= STRUCT else {}
        else:
            item = field[1]
            for element, found in self._by_element(field, value).items():
                made[element] = self._all(item, found[0]) if len(found) == 1 else {}
        return made if len(made) > 1 else {}

    def _atomic(self, field: Field) -> bool:
        kind = field[0]
        merge = field[4]
        if kind == LIST:
            return merge is None or merge[0] not in ("map", "set")
        if merge is not None and merge[4]:
            return merge[4] == "atomic"
        return kind == STRUCT and self._maps.get(field[1]) == "atomic"


_STRIPPED_TOP = _STRIPPED | {"metadata"}


def _same(left: Any, right: Any) -> bool:
    """Equal in type too: 1 is not true."""
    kind = type(left)
    if kind is not type(right):
        return kind in (int, float) and type(right) in (int, float) and bool(left == right)
    if kind is dict:
        return len(left) == len(right) and all(k in right and _same(v, right[k]) for k, v in left.items())
    if kind is list:
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _written(lead: str, value: Any) -> str:
    text = lead + orjson.dumps(value).decode()
    if "<" in text or ">" in text or "&" in text:  # as Go escapes them
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text
