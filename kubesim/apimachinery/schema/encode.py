"""An object as Go's encoder writes it: fields in the order of the struct, zero values left out or filled in.

Go cannot tell a field that was not given from one that has the zero value of its type; what `omitempty` and
pointers say decides which of them are written. So `status: {}`, `resources: {}`, `creationTimestamp: null`
come about.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.schema.shapes import ALWAYS, DROP, KEEP, LIST, MAP, RAW, STRUCT, Definition, Field
from kubesim.util.jsontypes import JSONObject, deep_copy


def encode_struct(definitions: list[Definition], at: int, obj: JSONObject) -> JSONObject:
    """A new object in Go's order. Fields that the definition does not have are left out."""
    made: JSONObject = {}
    for name, field in definitions[at].items():
        kind, argument, omit, zero, _ = field
        value = obj.get(name)
        if value is None:
            if omit == ALWAYS:
                made[name] = deep_copy(zero) if zero else zero
            continue
        if kind == STRUCT:
            made[name] = encode_struct(definitions, argument, value)
        elif kind == LIST:
            if value or omit == KEEP:
                made[name] = _list(definitions, argument, value)
            elif omit == ALWAYS:
                made[name] = None  # storage does not tell an empty list from none
        elif kind == MAP:
            if value or omit == KEEP:
                made[name] = _map(definitions, argument, value)
            elif omit == ALWAYS:
                made[name] = None
        elif value or omit != DROP or kind == RAW:
            made[name] = value
    return made


def _list(definitions: list[Definition], item: Field, value: list[Any]) -> list[Any]:
    kind = item[0]
    if kind == STRUCT:
        at = item[1]
        return [encode_struct(definitions, at, v) for v in value]
    if kind == LIST:
        return [_list(definitions, item[1], v) for v in value]
    if kind == MAP:
        return [_map(definitions, item[1], v) for v in value]
    return value.copy()


def _map(definitions: list[Definition], item: Field, value: dict[str, Any]) -> dict[str, Any]:
    kind = item[0]
    if kind == STRUCT:
        at = item[1]
        return {k: encode_struct(definitions, at, v) for k, v in sorted(value.items())}
    if kind == LIST:
        return {k: _list(definitions, item[1], v) for k, v in sorted(value.items())}
    if kind == MAP:
        return {k: _map(definitions, item[1], v) for k, v in sorted(value.items())}
    return dict(sorted(value.items())) if len(value) > 1 else value.copy()
