"""From the dict of an object to protobuf, for clients that take nothing else.

Fields that the dict does not have are not written, which every decoder takes for their zero values.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from kubesim.apimachinery.protobuf.decode import MAGIC
from kubesim.apimachinery.protobuf.table import (
    BASE64,
    BOOL,
    DOUBLE,
    DURATION,
    INLINE,
    INT32,
    INT64,
    INT_OR_STRING,
    LIST,
    MAP,
    MESSAGE,
    MICRO_TIME,
    QUANTITY,
    RAW,
    STRING,
    STRINGS,
    TIME,
    Field,
    Message,
    Table,
    table,
)
from kubesim.apimachinery.protobuf.unions import PARTED
from kubesim.apimachinery.protobuf.wire import varint
from kubesim.util.clock import parse_time
from kubesim.util.jsontypes import JSONObject, encode

_FRAME: Final = 4


def has_protobuf(obj: JSONObject) -> bool:
    """Whether an object is of a kind that is built in: the others have no protobuf."""
    return table().message_of(obj.get("apiVersion", ""), obj.get("kind", "")) is not None


def encode_object(obj: JSONObject) -> bytes:
    """The body with an object or a list. Raises KeyError for a kind that is not built in."""
    known = table()
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    name = known.message_of(api_version, kind)
    if name is None:
        raise KeyError((api_version, kind))
    type_meta = _text(1, api_version) + _text(2, kind)
    raw = _message(known, known.message(name), obj)
    # gogo writes the two empty texts as well: contentEncoding and contentType.
    return MAGIC + _bytes(1, type_meta) + _bytes(2, raw) + _text(3, "") + _text(4, "")


def encode_event(kind: str, obj: JSONObject) -> bytes:
    """A frame of a watch: its length in four bytes, and a WatchEvent. Raises KeyError as `encode_object`.

    Source: apimachinery pkg/runtime/serializer/protobuf, LengthDelimitedFramer.
    """
    event = _text(1, kind) + _bytes(2, _bytes(1, encode_object(obj)))
    return len(event).to_bytes(_FRAME, "big") + event


def _message(known: Table, message: Message, obj: JSONObject) -> bytes:
    parts = []
    for field in message.by_number.values():
        if field.kind == INLINE:
            parts.append(_bytes(field.number, _message(known, known.message(field.message), obj)))
            continue
        value = obj.get(field.name)
        if value is None:
            continue
        if field.shape == LIST:
            parts.extend(_field(known, field, item) for item in value)
        elif field.shape == MAP:
            parts.extend(_entry(known, field, key, value[key]) for key in sorted(value))
        else:
            parts.append(_field(known, field, value))
    return b"".join(parts)


def _entry(known: Table, field: Field, key: str, value: Any) -> bytes:
    held = b"" if value is None else _field(known, field.entry.by_number[2], value)
    return _bytes(field.number, _text(1, key) + held)


def _field(known: Table, field: Field, value: Any) -> bytes:
    kind = field.kind
    if kind == STRING:
        return _text(field.number, value)
    if kind == MESSAGE:
        parted = PARTED.get(field.message)
        part = value if parted is None else parted(value)
        return _bytes(field.number, _message(known, known.message(field.message), part))
    if kind in (INT32, INT64, BOOL):
        return varint(field.tag) + varint(int(value))
    if kind == DOUBLE:
        return varint(field.tag) + struct.pack("<d", value)
    return _bytes(field.number, _SPECIAL[kind](value))


def _bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode("utf-8", "surrogatepass"))


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def _time(value: str) -> bytes:
    since = parse_time(value) - _EPOCH
    return _number(1, since // _SECOND) + _number(2, since % _SECOND // timedelta(microseconds=1) * 1000)


_EPOCH: Final = parse_time("1970-01-01T00:00:00Z")
_SECOND: Final = timedelta(seconds=1)


def _duration(value: str) -> bytes:
    from kubesim.util.durations import parse_nanoseconds

    return _number(1, parse_nanoseconds(value))


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return _number(1, 1) + _number(2, 0) + _text(3, value)
    return _number(1, 0) + _number(2, value) + _text(3, "")


_SPECIAL: Final[dict[str, Callable[[Any], bytes]]] = {
    BASE64: binascii.a2b_base64,
    TIME: _time,
    MICRO_TIME: _time,
    DURATION: _duration,
    QUANTITY: lambda value: _text(1, value),
    INT_OR_STRING: _int_or_string,
    RAW: lambda value: _bytes(1, encode(value)),
    STRINGS: lambda value: b"".join(_text(1, item) for item in value),
}
