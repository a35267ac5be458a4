"""What the schema says of a field that a strategic merge patch is about to walk into."""

from __future__ import annotations

from typing import NamedTuple

from kubesim.apimachinery.patch.errors import StrategicPatchError
from kubesim.apimachinery.schema.node import Node
from kubesim.apimachinery.schema.shapes import BOOL, FLOAT, INT32, INT64, LIST, MAP, RAW, STRUCT
from kubesim.util.gotext import quote

RETAIN_KEYS = "retainKeys"

_KINDS = {MAP: "map", LIST: "slice", INT32: "int32", INT64: "int64", BOOL: "bool", FLOAT: "float64"}


class FieldMeta(NamedTuple):
    """The node to go on with, and how the field is merged."""

    node: Node | None
    strategy: str
    merge_key: str
    retain_keys: bool


_UNKNOWN = FieldMeta(None, "", "", False)  # noqa: FBT003 - a value, not a switch


def of_struct(node: Node | None, name: str) -> FieldMeta:
    """The field of an object. Raises StrategicPatchError for a field that the object does not have.

    Without a schema (`node` is None) every field is an object that is merged or a list that is replaced.
    """
    if node is None:
        return _UNKNOWN
    found = node.child(name) if node.is_struct else None
    if found is None:
        raise _not_found(node, name)
    return _meta(found, found)


def of_slice(node: Node | None, name: str) -> FieldMeta:
    """The field of an object that has to be a list; the node is that of its items."""
    if node is None:
        return _UNKNOWN
    found = node.child(name) if node.is_struct else None
    if found is None:
        raise _not_found(node, name)
    items = found.items
    if items is None:
        if found.field[0] == RAW:
            return _UNKNOWN
        raise StrategicPatchError(f"expected slice or array type, but got: {_kind(node)}")
    return _meta(found, items)


def _meta(field: Node, below: Node) -> FieldMeta:
    strategies = field.patch_strategies
    others = [s for s in strategies if s != RETAIN_KEYS]
    if len(others) > 1:
        raise StrategicPatchError(f"unexpected patch strategy: [{' '.join(strategies)}]")
    strategy = others[0] if others else ""
    node = None if below.field[0] == RAW else below
    return FieldMeta(node, strategy, field.merge_key, RETAIN_KEYS in strategies)


def _not_found(node: Node, name: str) -> StrategicPatchError:
    if not node.is_struct:
        what = f"merging an object in json but data type is not struct, instead is: {_kind(node)}"
        return StrategicPatchError(what)
    struct = node.definition.rsplit(".", 1)[-1]
    return StrategicPatchError(
        f"unable to find api field in struct {struct} for the json field {quote(name)}"
    )


def _kind(node: Node) -> str:
    return "struct" if node.field[0] in (STRUCT, RAW) else _KINDS.get(node.field[0], "string")
