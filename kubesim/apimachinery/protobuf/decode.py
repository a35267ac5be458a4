"""From protobuf to the dict that Go would write as JSON.

gogo's encoder writes each field that is no pointer, zero or not; what JSON leaves out of these (`omitempty`) is left
out here. A pointer that is set is there, whatever it points to. A time that is zero is null in JSON, which is as good
as nothing.

Sources: k8s.io/apimachinery pkg/runtime/serializer/protobuf, pkg/apis/meta/v1/{time,micro_time}_proto.go.
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.protobuf.table import (
    BASE64,
    BOOL,
    DOUBLE,
    DROP,
    DURATION,
    INLINE,
    INT32,
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
from kubesim.apimachinery.protobuf.unions import JOINED
from kubesim.apimachinery.protobuf.wire import (
    BYTES,
    END_GROUP,
    FIXED64,
    VARINT,
    WireError,
    end_of_data,
    int32,
    int64,
    read_length,
    read_varint,
    skip,
)
from kubesim.util.jsontypes import JSONObject, decode

MAGIC: Final = b"k8s\x00"
_SHOWN_MAGIC: Final = "[107 56 115 0]"
_DEPTH: Final = 100
"""So many messages within each other, each of which takes up to four calls here. Upstream has no limit; the schema of a
CustomResourceDefinition, alone, can be nested at will.
"""
_ENVELOPE: Final = 25
"""What an object in an envelope within another counts for: it is copied on each level."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, without saying so in every text


class EnvelopeError(ValueError):
    """A body that does not even say what it is; the text is Go's."""


class MessageError(ValueError):
    """An object of a kind that is known, `gvk`, and that cannot be decoded; the text is Go's."""

    def __init__(self, gvk: GroupVersionKind, message: str) -> None:
        super().__init__(message)
        self.gvk = gvk


def decode_object(body: bytes, default: GroupVersionKind) -> JSONObject:
    """The object in a body, with apiVersion and kind; `default` says what the envelope does not.

    Fields that no version of Kubernetes has are left out without a word. Raises EnvelopeError or MessageError.
    """
    return _object(table(), body, default, 0)


def _object(known: Table, body: bytes, default: GroupVersionKind | None, depth: int) -> JSONObject:
    if not body:
        raise EnvelopeError("empty data")
    if not body.startswith(MAGIC):
        raise EnvelopeError(
            f"provided data does not appear to be a protobuf message, expected prefix {_SHOWN_MAGIC}"
        )
    if len(body) == len(MAGIC):
        raise EnvelopeError("empty body")
    try:
        envelope = _Walk(known, body).message(_UNKNOWN, len(MAGIC), len(body), {}, depth)
    except WireError as error:
        raise EnvelopeError(str(error)) from None
    gvk = _kind_of(envelope.get("typeMeta", {}), default)
    name = known.message_of(gvk.api_version, gvk.kind)
    if name is None:
        place = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
        raise MessageError(
            gvk, f'no kind "{gvk.kind}" is registered for version "{gvk.api_version}" in scheme "{place}"'
        )
    obj: JSONObject = {"kind": gvk.kind, "apiVersion": gvk.api_version}
    raw = envelope.get("raw", b"")
    try:
        return _Walk(known, raw).message(known.message(name), 0, len(raw), obj, depth)
    except WireError as error:
        raise MessageError(gvk, str(error)) from None


def _kind_of(said: JSONObject, default: GroupVersionKind | None) -> GroupVersionKind:
    """runtime.Unknown.GroupVersionKind, with what it leaves out as protobuf.copyKindDefaults fills it in."""
    api_version, kind = said.get("apiVersion", ""), said.get("kind", "")
    try:
        group, version = split_api_version(api_version) if api_version else ("", "")
    except ValueError:
        group, version = "", ""
    if default is not None:
        kind = kind or default.kind
        if not version:
            group, version = default.group, default.version
    if not kind:
        shown = f'runtime.TypeMeta{{APIVersion:"{api_version}", Kind:""}}'
        raise EnvelopeError(f"Object 'Kind' is missing in '{shown}'")
    return GroupVersionKind(group, version, kind)


class _Walk:
    """Reads one run of bytes."""

    def __init__(self, known: Table, data: bytes) -> None:
        self._known = known
        self._data = data

    def message(  # noqa: C901 - the loop that every field runs through, without calls that can be spared
        self, message: Message, at: int, end: int, made: JSONObject, depth: int
    ) -> JSONObject:
        """Fill `made` with the fields between two places. A field given again adds to what was there, or takes its
        place, as gogo does. Raises WireError.
        """
        if depth > _DEPTH:
            raise WireError("proto: exceeded max recursion depth")
        data, by_tag = self._data, message.by_tag
        while at < end:
            tag = data[at]
            if tag < 0x80:
                at += 1
            else:
                tag, at = read_varint(data, at, end)
            field = by_tag.get(tag)
            if field is None:
                at = self._odd(message, tag, at, end, made)
                continue
            if tag & 7 == BYTES:
                # The way of almost every field: a length of one byte.
                if at < end and data[at] < 0x80:
                    start = at + 1
                    at = start + data[at]
                    if at > end:
                        raise end_of_data()
                else:
                    start, at = read_length(data, at, end)
                kind, shape = field.kind, field.shape
                if kind == STRING and shape != MAP:
                    value: Any = data[start:at].decode("utf-8", "replace")
                elif shape == MAP:
                    key, value = self._entry(field, start, at, depth)
                    made.setdefault(field.name, {})[key] = value
                    continue
                elif kind == MESSAGE:
                    value = self._struct(field, start, at, made, depth)
                elif kind == INLINE:
                    self.message(self._known.message(field.message), start, at, made, depth + 1)
                    continue
                else:
                    value = _SPECIAL[kind](self, start, at, depth)
            else:
                value, at = self._scalar(field, at, end)
                shape = field.shape
            name = field.name
            if shape == LIST:
                made.setdefault(name, []).append(value)
            elif value is None or (shape == DROP and not value):
                made.pop(name, None)
            else:
                made[name] = value
        return made

    def _struct(self, field: Field, start: int, end: int, made: JSONObject, depth: int) -> Any:
        joined = JOINED.get(field.message)
        held = made.get(field.name) if field.shape != LIST and joined is None else None
        message = self._known.message(field.message)
        value = self.message(message, start, end, {} if held is None else held, depth + 1)
        return value if joined is None else joined(value)

    def _scalar(self, field: Field, at: int, end: int) -> tuple[Any, int]:
        kind = field.kind
        if kind == DOUBLE:
            if end - at < 8:
                raise end_of_data()
            return _double(self._data, at), at + 8
        value, at = read_varint(self._data, at, end)
        if kind == BOOL:
            return value != 0, at
        return (int32(value) if kind == INT32 else int64(value)), at

    def _odd(self, message: Message, tag: int, at: int, end: int, made: JSONObject) -> int:
        """Go on behind a field that is not known, or not written as expected."""
        number, wire = int32(tag >> 3), tag & 7
        if wire == END_GROUP:
            raise WireError(f"proto: {message.name}: wiretype end group for non-group")
        if number <= 0:
            raise WireError(f"proto: {message.name}: illegal tag {number} (wire type {tag})")
        field = message.by_number.get(number)
        if field is None:
            return skip(self._data, tag, at, end)
        if field.shape == LIST and wire == BYTES and field.wire in (VARINT, FIXED64):
            start, stop = read_length(self._data, at, end)
            packed = made.setdefault(field.name, [])
            while start < stop:
                value, start = self._scalar(field, start, stop)
                packed.append(value)
            return stop
        raise WireError(f"proto: wrong wireType = {wire} for field {field.own}")

    def _entry(self, field: Field, start: int, end: int, depth: int) -> tuple[str, Any]:
        """A key and a value of a map. What an entry leaves out is the zero value."""
        found = self.message(field.entry, start, end, {}, depth)
        key: str = found.get("key", "")
        if "value" in found:
            return key, found["value"]
        if field.kind == MESSAGE:
            return key, {}
        return key, _ZERO.get(field.kind)

    # What Go's types read themselves.

    def time(self, start: int, end: int, depth: int) -> str | None:
        if start == end:
            return None
        at = _moment(self.message(_TIMESTAMP, start, end, {}, depth).get("seconds", 0))
        return None if at == datetime.min else f"{at.isoformat()}Z"  # noqa: DTZ901 - Go's zero time

    def micro_time(self, start: int, end: int, depth: int) -> str | None:
        if start == end:
            return None
        parts = self.message(_TIMESTAMP, start, end, {}, depth)
        nanos = parts.get("nanos", 0)
        microseconds = nanos // 1000 if nanos >= 0 else -(-nanos // 1000)
        at = _moment(parts.get("seconds", 0), microseconds)
        return None if at == datetime.min else f"{at.isoformat(timespec='microseconds')}Z"  # noqa: DTZ901

    def duration(self, start: int, end: int, depth: int) -> str:
        from kubesim.util.durations import format_nanoseconds

        return format_nanoseconds(self.message(_DURATION, start, end, {}, depth).get("duration", 0))

    def quantity(self, start: int, end: int, depth: int) -> str:
        text: str = self.message(_QUANTITY, start, end, {}, depth).get("string", "0")
        from kubesim.util.quantity import canonical

        try:
            return canonical(text)
        except ValueError as error:
            raise WireError(str(error)) from None

    def int_or_string(self, start: int, end: int, depth: int) -> int | str:
        parts = self.message(_INT_OR_STRING, start, end, {}, depth)
        kind = parts.get("type", 0)
        if kind not in (0, 1):
            raise WireError("impossible IntOrString.Type")
        value: int | str = parts.get("strVal", "") if kind else parts.get("intVal", 0)
        return value

    def raw(self, start: int, end: int, depth: int) -> Any:
        raw = self.message(_RAW, start, end, {}, depth).get("raw", b"")
        if not raw:
            return None
        if raw.startswith(MAGIC):
            try:
                return _object(self._known, raw, None, depth + _ENVELOPE)
            except (EnvelopeError, MessageError) as error:
                raise WireError(str(error)) from None
        try:
            return decode(raw)
        except ValueError:
            return _go_json(raw)

    def strings(self, start: int, end: int, depth: int) -> list[str]:
        found: list[str] = self.message(_LIST_OF_STRINGS, start, end, {}, depth).get("items", [])
        return found

    def base64(self, start: int, end: int, depth: int) -> str:
        return binascii.b2a_base64(self._data[start:end], newline=False).decode("ascii")

    def plain_bytes(self, start: int, end: int, depth: int) -> bytes:
        return self._data[start:end]

    def type_meta(self, start: int, end: int, depth: int) -> JSONObject:
        return self.message(_TYPE_META, start, end, {}, depth)


def _go_json(raw: bytes) -> Any:
    from kubesim.util.gojson import GoJSONError, loads

    try:
        return loads(raw)
    except GoJSONError as error:
        raise WireError(str(error)) from None


def _double(data: bytes, at: int) -> int | float:
    value: float = struct.unpack_from("<d", data, at)[0]
    if not math.isfinite(value):
        shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise WireError(f"json: unsupported value: {shown}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _moment(seconds: int, microseconds: int = 0) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError:
        raise WireError("Time.MarshalJSON: year outside of range [0,9999]") from None


_PLAIN_BYTES: Final = "Y"
_TYPE: Final = "T"
_SPECIAL: Final[dict[str, Callable[[_Walk, int, int, int], Any]]] = {
    BASE64: _Walk.base64,
    TIME: _Walk.time,
    MICRO_TIME: _Walk.micro_time,
    DURATION: _Walk.duration,
    QUANTITY: _Walk.quantity,
    INT_OR_STRING: _Walk.int_or_string,
    RAW: _Walk.raw,
    STRINGS: _Walk.strings,
    _PLAIN_BYTES: _Walk.plain_bytes,
    _TYPE: _Walk.type_meta,
}
_ZERO: Final[dict[str, Any]] = {STRING: "", BASE64: "", QUANTITY: "0", STRINGS: []}


def _small(name: str, text: str) -> Message:
    """A message that is no kind, or is read otherwise than as a dict."""
    return Message.of(name, "", text)


_TYPE_META: Final = _small("TypeMeta", "1=apiVersion:s 2=kind:s")
_UNKNOWN: Final = _small(
    "Unknown", f"1=typeMeta:{_TYPE} 2=raw:{_PLAIN_BYTES} 3=contentEncoding:s 4=contentType:s"
)
_TIMESTAMP: Final = _small("Timestamp", "1=seconds:l 2=nanos:i")
_DURATION: Final = _small("Duration", "1=duration:l")
_QUANTITY: Final = _small("Quantity", "1=string:s")
_INT_OR_STRING: Final = _small("IntOrString", "1=type:l 2=intVal:i 3=strVal:s")
_RAW: Final = _small("RawExtension", f"1=raw:{_PLAIN_BYTES}")
_LIST_OF_STRINGS: Final = _small("ExtraValue", "1=items:[]s")
