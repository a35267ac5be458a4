"""The wire format of protocol buffers: varints, lengths, and the skipping of what is unknown.

The texts are those of gogo's generated code, which upstream reads with.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

_UINT64: Final = (1 << 64) - 1
_INT64_MAX: Final = (1 << 63) - 1
_VARINT_MAX: Final = 10


class WireError(ValueError):
    """Bytes that are no message of their kind; the text is Go's."""


def end_of_data() -> WireError:
    """io.ErrUnexpectedEOF."""
    return WireError("unexpected EOF")


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned number of 64 bits and the place behind it. Raises WireError."""
    value = shift = 0
    stop = at + _VARINT_MAX
    while at < end:
        if at == stop:
            raise WireError("proto: integer overflow")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, at
        shift += 7
    raise WireError("proto: integer overflow") if at == stop else end_of_data()


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The beginning and the end of what has its length in front. Raises WireError."""
    size, at = read_varint(data, at, end)
    if size > _INT64_MAX:
        raise WireError("proto: negative length found during unmarshaling")
    if size > end - at:
        raise end_of_data()
    return at, at + size


def skip(data: bytes, tag: int, at: int, end: int) -> int:
    """The place behind a field whose tag has been read. Raises WireError."""
    depth = 0
    while True:
        wire = tag & 7
        if wire == VARINT:
            _, at = read_varint(data, at, end)
        elif wire == FIXED64:
            at += 8
        elif wire == BYTES:
            _, at = read_length(data, at, end)
        elif wire == START_GROUP:
            depth += 1
        elif wire == END_GROUP:
            if not depth:
                raise WireError("proto: unexpected end of group")
            depth -= 1
        elif wire == FIXED32:
            at += 4
        else:
            raise WireError(f"proto: illegal wireType {wire}")
        if at > end:
            raise end_of_data()
        if not depth:
            return at
        tag, at = read_varint(data, at, end)


def int32(value: int) -> int:
    """A varint as an int32, which has its sign in the lower half."""
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value > 0x7FFFFFFF else value


def int64(value: int) -> int:
    """A varint as an int64."""
    return value - 0x10000000000000000 if value > _INT64_MAX else value


def varint(value: int) -> bytes:
    """A number as a varint; one below zero has ten bytes."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= _UINT64
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
