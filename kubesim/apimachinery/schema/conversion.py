"""Conversion of an untyped object to a typed one, as the API server does after a strategic merge patch.

Rules and texts as in k8s.io/apimachinery/pkg/runtime/converter.go (FromUnstructuredWithValidation): fields in
Go's order, the first error ends it, unknown fields are reported sorted.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.schema import shapes
from kubesim.apimachinery.schema.decode import DecodeError
from kubesim.apimachinery.schema.mistakes import GoTypes, number_word, word
from kubesim.apimachinery.schema.shapes import Definition, Field
from kubesim.apimachinery.schema.values import base64_text, quantity_text, time_text
from kubesim.util.jsontypes import JSONObject, deep_copy

_GO_KIND = {str: "string", bool: "bool", int: "int64", float: "float64", list: "slice", dict: "map"}
_CONTAINER = {shapes.LIST: "slice from", shapes.MAP: "map from", shapes.STRUCT: "struct from:"}


class Conversion:
    """One conversion of one object."""

    def __init__(self, definitions: list[Definition], types: GoTypes) -> None:
        self._definitions = definitions
        self._types = types
        self._unknown: list[str] = []

    def convert(self, at: int, obj: JSONObject) -> tuple[JSONObject, list[str]]:
        """The pruned object and the texts about unknown fields. Raises DecodeError."""
        made = self._struct(at, obj, "")
        return made, sorted(self._unknown)

    def _struct(self, at: int, obj: JSONObject, path: str) -> JSONObject:
        fields = self._definitions[at]
        made: JSONObject = {}
        for name, field in fields.items():
            value = obj.get(name)
            if value is None:
                continue
            below = f"{path}.{name}" if path else name
            found = self._value(field, value, below, self._types.field(at, name, field))
            if found is not None and (found or field[2] != shapes.DROP):
                made[name] = found
        self._unknown += [
            f'unknown field "{path}.{name}"' if path else f'unknown field "{name}"'
            for name in obj
            if name not in fields
        ]
        return made

    def _value(self, field: Field, value: Any, path: str, shown: str) -> Any:
        kind, argument = field[0], field[1]
        if kind in _CONTAINER:
            return self._container(kind, argument, field, value, path, shown)
        if kind == shapes.RAW:
            return deep_copy(value)
        if kind == shapes.BYTES:
            return self._bytes(value)
        if kind in (shapes.QUANTITY, shapes.INT_OR_STRING, shapes.TIME, shapes.MICRO_TIME, shapes.DURATION):
            return self._special(kind, value)
        return self._plain(kind, value, shown)

    def _container(self, kind: int, argument: Any, field: Field, value: Any, path: str, shown: str) -> Any:
        if type(value) is not (list if kind == shapes.LIST else dict):
            raise DecodeError(f"cannot restore {_CONTAINER[kind]} {_GO_KIND[type(value)]}")
        found: Any = value
        if kind == shapes.STRUCT:
            return self._struct(argument, found, path)
        item = self._types.item(shown, field)
        if kind == shapes.LIST:
            return [self._inner(argument, v, f"{path}[{i}]", item) for i, v in enumerate(found)]
        return {k: self._inner(argument, v, path, item) for k, v in found.items()}

    def _inner(self, field: Field, value: Any, path: str, shown: str) -> Any:
        if value is None:
            return {} if field[0] == shapes.STRUCT else shapes.ZERO[field[0]]
        return self._value(field, value, path, shown)

    def _bytes(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise DecodeError(f"cannot restore slice from {_GO_KIND[type(value)]}")
        try:
            return base64_text(value)
        except ValueError as wrong:
            raise DecodeError(f"error decoding from json: {wrong}") from None

    def _special(self, kind: int, value: Any) -> Any:
        """Types that decode JSON themselves."""
        if kind == shapes.INT_OR_STRING:
            if isinstance(value, str):
                return value
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            if type(whole) is int and -(1 << 31) <= whole < 1 << 31:
                return whole
            raise DecodeError(f"json: cannot unmarshal {number_word(value)} into Go value of type int32")
        try:
            if kind == shapes.QUANTITY:
                return quantity_text(value)
            if isinstance(value, str):
                return value if kind == shapes.DURATION else time_text(value, micro=kind == shapes.MICRO_TIME)
        except ValueError as wrong:
            raise DecodeError(str(wrong)) from None
        raise DecodeError(f"json: cannot unmarshal {word(value)} into Go value of type string")

    def _plain(self, kind: int, value: Any, shown: str) -> Any:
        given = type(value)
        if kind == shapes.STRING:
            if given is str:
                return value
            if given is int:  # reflect would make a character of it, which the converter refuses
                raise DecodeError(f"cannot convert int64 to {shown}")
            raise DecodeError("unrecognized type: string")
        if kind == shapes.BOOL:
            if given is bool:
                return value
            raise DecodeError("unrecognized type: bool")
        if kind == shapes.FLOAT:
            if given in (int, float):
                return value
            raise DecodeError("unrecognized type: float64")
        size = 64 if kind == shapes.INT64 else 32
        if given is float and not value.is_integer():
            raise DecodeError(f"cannot convert float64 to {shown}")
        if given in (int, float):
            half = 1 << (size - 1)
            return (int(value) + half) % (
                1 << size
            ) - half  # as reflect's Convert, which does not look at the size
        raise DecodeError(f"unrecognized type: int{size}")
