"""The fast walk: an object whose types are right, pruned and made canonical in one pass.

Whatever is not plainly right (an unknown field, a wrong type) ends the walk with `Odd`; `mistakes` then takes
the slow one, which knows paths and Go's texts. The two agree about every object that this one accepts.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.schema.shapes import (
    BOOL,
    BYTES,
    DROP,
    DURATION,
    FLOAT,
    INT32,
    INT64,
    INT_OR_STRING,
    LIST,
    MAP,
    MICRO_TIME,
    QUANTITY,
    RAW,
    STRING,
    STRUCT,
    TIME,
    Definition,
    Field,
)
from kubesim.apimachinery.schema.values import PLAIN_TIME, base64_text, quantity_text, time_text
from kubesim.util.jsontypes import JSONObject, deep_copy

_INT32_MAX = 0x7FFFFFFF
_INT64_MAX = 0x7FFFFFFFFFFFFFFF


class DecodeError(ValueError):
    """An object cannot be decoded; the text is Go's, without what a request handler puts in front of it."""


class Odd(Exception):
    """Something is not plainly right."""


def decode_struct(definitions: list[Definition], at: int, obj: JSONObject) -> JSONObject:
    """A new object, pruned. Raises Odd."""
    fields = definitions[at]
    made: JSONObject = {}
    for name, value in obj.items():
        field = fields.get(name)
        if field is None:
            raise Odd
        if value is None:
            continue  # null leaves a Go field at its zero value
        kind = field[0]
        if kind == STRING:
            if type(value) is not str:
                raise Odd
        elif kind == STRUCT:
            if type(value) is not dict:
                raise Odd
            made[name] = decode_struct(definitions, field[1], value)
            continue
        else:
            value = _DECODE[kind](definitions, field, value)  # noqa: PLW2901
            if value is None:
                continue
        if not value and field[2] == DROP:
            continue
        made[name] = value
    return made


def _list(definitions: list[Definition], field: Field, value: Any) -> list[Any]:
    if type(value) is not list:
        raise Odd
    item = field[1]
    kind = item[0]
    if kind == STRUCT:
        at = item[1]
        for v in value:
            if type(v) is not dict:
                raise Odd
        return [decode_struct(definitions, at, v) for v in value]
    if kind == STRING:
        for v in value:
            if type(v) is not str:
                raise Odd
        return value.copy()
    decode = _DECODE[kind]
    made = []
    for v in value:
        if v is None:
            raise Odd
        made.append(decode(definitions, item, v))
    return made


def _map(definitions: list[Definition], field: Field, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Odd
    item = field[1]
    kind = item[0]
    if kind == STRING:
        for v in value.values():
            if type(v) is not str:
                raise Odd
        return value.copy()
    decode = _DECODE[kind]
    made = {}
    for k, v in value.items():
        if v is None:
            raise Odd
        made[k] = decode(definitions, item, v)
    return made


def _string(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not str:
        raise Odd
    return value


def _int32(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not int or not -_INT32_MAX - 1 <= value <= _INT32_MAX:
        raise Odd
    return value


def _int64(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not int or not -_INT64_MAX - 1 <= value <= _INT64_MAX:
        raise Odd
    return value


def _bool(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not bool:
        raise Odd
    return value


def _float(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) not in (int, float):
        raise Odd
    return value


def _int_or_string(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is str:
        return value
    return _int32(definitions, field, value)


def _time(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not str:
        raise Odd
    if PLAIN_TIME.fullmatch(value):
        return value
    return _special(time_text, value, micro=False)


def _micro_time(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not str:
        raise Odd
    return _special(time_text, value, micro=True)


def _bytes(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not str:
        raise Odd
    return _special(base64_text, value)


def _quantity(definitions: list[Definition], field: Field, value: Any) -> Any:
    return _special(quantity_text, value)


def _special(read: Any, value: Any, **how: bool) -> Any:
    try:
        return read(value, **how)
    except ValueError:
        raise Odd from None


def _raw(definitions: list[Definition], field: Field, value: Any) -> Any:
    return deep_copy(value)


def _struct(definitions: list[Definition], field: Field, value: Any) -> Any:
    if type(value) is not dict:
        raise Odd
    return decode_struct(definitions, field[1], value)


_DECODE = {
    STRING: _string,
    INT32: _int32,
    INT64: _int64,
    BOOL: _bool,
    FLOAT: _float,
    BYTES: _bytes,
    TIME: _time,
    MICRO_TIME: _micro_time,
    DURATION: _string,
    QUANTITY: _quantity,
    INT_OR_STRING: _int_or_string,
    RAW: _raw,
    STRUCT: _struct,
    LIST: _list,
    MAP: _map,
}
