"""The slow walk: what is wrong with an object, in the words of Go's JSON decoder.

Texts and their order as in sigs.k8s.io/json: a value of a wrong type is remembered and the walk goes on, an
error of a type that decodes itself ends it at once, and the first one remembered is reported at the end.
Unknown fields are collected by path. Keys are visited in sorted order unless the text of the document had
another one: that is how client-go sends an object.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.schema import shapes
from kubesim.apimachinery.schema.decode import DecodeError
from kubesim.apimachinery.schema.shapes import Definition, Field
from kubesim.apimachinery.schema.values import base64_text, quantity_text, time_text
from kubesim.util.gotext import float_json, quote
from kubesim.util.jsontypes import JSONObject, deep_copy

MAX_STRICT_ERRORS = 100  # saveStrictError stops there

_BASIC = {
    shapes.STRING: "string",
    shapes.INT32: "int32",
    shapes.INT64: "int64",
    shapes.BOOL: "bool",
    shapes.FLOAT: "float64",
    shapes.BYTES: "[]uint8",
    shapes.TIME: "v1.Time",
    shapes.MICRO_TIME: "v1.MicroTime",
    shapes.DURATION: "v1.Duration",
    shapes.QUANTITY: "resource.Quantity",
    shapes.INT_OR_STRING: "intstr.IntOrString",
    shapes.RAW: "runtime.RawExtension",
}


class GoTypes:
    """The names of Go's types, for messages."""

    def __init__(self, names: list[str], types: dict[str, dict[str, str]]) -> None:
        self._names = names
        self._types = types

    def struct(self, at: int) -> str:
        """`ServicePort`: what reflect calls a struct's Name."""
        return self._names[at].rsplit(".", 1)[1]

    def field(self, at: int, name: str, field: Field) -> str:
        """`v1.Protocol`, `[]v1.ServicePort`: what reflect writes for the type of a field, pointers taken
        off.
        """
        shown = self._types.get(self._names[at], {}).get(name, "").partition("|")[0].lstrip("*")
        return shown.replace("byte", "uint8") if shown else self.shape(field)

    def shape(self, field: Field) -> str:
        """The type of a field of which only the shape is known."""
        kind, argument = field[0], field[1]
        if kind == shapes.STRUCT:
            return ".".join(self._names[argument].split(".")[-2:])
        if kind == shapes.LIST:
            return "[]" + self.shape(argument)
        if kind == shapes.MAP:
            return "map[string]" + self.shape(argument)
        return _BASIC[kind]

    def item(self, shown: str, field: Field) -> str:
        """The type of the items of a list or the values of a map."""
        for lead in ("[]", "map[string]"):
            if shown.startswith(lead):
                return shown.removeprefix(lead).lstrip("*")
        return self.shape(field[1])


def word(value: Any) -> str:
    """What UnmarshalTypeError calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"


def number_word(value: Any) -> str:
    """As `word`, with the digits of a number that does not fit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return word(value)
    return f"number {value if isinstance(value, int) else float_json(value)}"


class Walk:
    """One decoding of one object."""

    def __init__(self, definitions: list[Definition], types: GoTypes, *, sort_keys: bool) -> None:
        self._definitions = definitions
        self._types = types
        self._sort_keys = sort_keys
        self._unknown: dict[str, None] = {}
        self._saved = ""
        self._struct = 0
        self._stack: tuple[str, ...] = ()

    def decode(self, at: int, obj: JSONObject) -> tuple[JSONObject, list[str]]:
        """The pruned object and the texts about unknown fields. Raises DecodeError."""
        made = self._decode_struct(at, obj, "")
        if self._saved:
            raise DecodeError(self._saved)
        return made, list(self._unknown)

    def _decode_struct(self, at: int, obj: JSONObject, path: str) -> JSONObject:
        fields = self._definitions[at]
        made: JSONObject = {}
        outer, stack = self._struct, self._stack
        for name in sorted(obj) if self._sort_keys else obj:
            field = fields.get(name)
            below = f"{path}.{name}" if path else name
            if field is None:
                if len(self._unknown) < MAX_STRICT_ERRORS:
                    self._unknown[f"unknown field {quote(below)}"] = None
                continue
            self._struct, self._stack = at, (*stack, name)
            value = self._value(field, obj[name], below, self._types.field(at, name, field))
            if value is not None and (value or field[2] != shapes.DROP):
                made[name] = value
        self._struct, self._stack = outer, stack
        return made

    def _value(self, field: Field, value: Any, path: str, shown: str) -> Any:
        if value is None:
            return None
        kind = field[0]
        if kind == shapes.STRUCT:
            if isinstance(value, dict):
                return self._decode_struct(field[1], value, path)
        elif kind == shapes.LIST:
            if isinstance(value, list):
                item = self._types.item(shown, field)
                return [self._inner(field[1], v, f"{path}[{i}]", item) for i, v in enumerate(value)]
        elif kind == shapes.MAP:
            if isinstance(value, dict):
                item = self._types.item(shown, field)
                keys = sorted(value) if self._sort_keys else list(value)
                return {k: self._inner(field[1], value[k], f"{path}.{k}", item) for k in keys}
        elif kind == shapes.RAW:
            return deep_copy(value)
        else:
            return self._scalar(kind, value, shown)
        return self._mismatch(word(value), shown)

    def _inner(self, field: Field, value: Any, path: str, shown: str) -> Any:
        """An item of a list or a value of a map: null is the zero value there."""
        found = self._value(field, value, path, shown)
        if found is None and value is None:
            return {} if field[0] == shapes.STRUCT else shapes.ZERO[field[0]]
        return found

    def _scalar(self, kind: int, value: Any, shown: str) -> Any:
        if kind in (shapes.INT32, shapes.INT64, shapes.INT_OR_STRING):
            return self._integer(kind, value, shown)
        if kind == shapes.BOOL:
            return value if isinstance(value, bool) else self._mismatch(word(value), shown)
        if kind == shapes.FLOAT:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return value if number else self._mismatch(word(value), shown)
        if kind == shapes.QUANTITY:
            return self._special(quantity_text, value)
        if not isinstance(value, str):
            if kind in (shapes.TIME, shapes.MICRO_TIME, shapes.DURATION):
                raise DecodeError(self._text(word(value), "string"))
            return self._mismatch(word(value), shown)
        if kind in (shapes.TIME, shapes.MICRO_TIME):
            return self._special(time_text, value, micro=kind == shapes.MICRO_TIME)
        if kind == shapes.BYTES:
            try:
                return base64_text(value)
            except ValueError as wrong:
                self._saved = self._saved or str(wrong)
                return None
        return value

    def _integer(self, kind: int, value: Any, shown: str) -> Any:
        if kind == shapes.INT_OR_STRING and isinstance(value, str):
            return value
        limit = 1 << (63 if kind == shapes.INT64 else 31)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit:
            return value
        if kind == shapes.INT_OR_STRING:
            raise DecodeError(self._text(number_word(value), "int32"))
        return self._mismatch(number_word(value), shown)

    def _special(self, read: Any, value: Any, **how: bool) -> Any:
        try:
            return read(value, **how)
        except ValueError as wrong:
            raise DecodeError(str(wrong)) from None

    def _mismatch(self, value: str, shown: str) -> None:
        self._saved = self._saved or self._text(value, shown)

    def _text(self, value: str, shown: str) -> str:
        where = f"{self._types.struct(self._struct)}.{'.'.join(self._stack)}"
        return f"json: cannot unmarshal {value} into Go struct field {where} of type {shown}"
