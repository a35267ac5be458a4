"""SPDY/3.1 without sockets: bytes in, events out; calls in, bytes out.

As much of draft-mbelshe-httpbis-spdy-00 as clients of Kubernetes speak, which all use github.com/moby/spdystream: streams
with headers and two halves that end one by one. Nobody keeps to its windows of flow control there, so none are kept here:
whoever reads slowly is slowed down by TCP. What is kept in memory is bounded: data is handed on as it comes, control frames
and the number of streams have limits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from kubesim.apiserver.streaming.spdyheaders import HeaderError, HeaderPacker, HeaderUnpacker

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN: Final = 1
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, UNSUPPORTED_VERSION, CANCEL, INTERNAL_ERROR = 1, 2, 3, 4, 5, 6
VERSION: Final = 3
MAX_CONTROL: Final = 64 * 1024
MAX_STREAMS: Final = 1024
MAX_DATA: Final = 64 * 1024
"""How much one data frame of ours holds."""

_SMALLEST: Final = {SYN_STREAM: 10, SYN_REPLY: 4, RST_STREAM: 8, PING: 4, GOAWAY: 4, HEADERS: 4}


class SPDYError(Exception):
    """The other side does not speak SPDY; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The other side has opened a stream; `fin` says that it sends nothing on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class StreamReplied:
    """The other side has accepted a stream of ours."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Data on a stream; `fin` says that nothing follows."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The other side wants nothing more of a stream."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping of ours."""

    id: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The other side opens no more streams and accepts none."""

    last_stream: int
    status: int


Event = StreamOpened | StreamReplied | DataReceived | StreamReset | Pong | GoneAway


NOTHING: Final = DataReceived(0, b"")
"""A frame that concerns nobody."""


@dataclass(slots=True)
class _Stream:
    """Which halves are still open."""

    receiving: bool = True
    sending: bool = True


@dataclass(slots=True)
class _DataFrame:
    """A data frame that has begun: data is handed on before its frame is whole."""

    stream: int
    fin: bool
    left: int
    known: bool = field(default=True)


class SPDYConnection:
    """One side of a connection; a server's unless `client`."""

    def __init__(self, *, client: bool = False) -> None:
        self._client = client
        self._packer = HeaderPacker()
        self._unpacker = HeaderUnpacker()
        self._streams: dict[int, _Stream] = {}
        self._buffer = bytearray()
        self._data: _DataFrame | None = None
        self._out = bytearray()
        self._next = 1 if client else 2
        self._last_received = 0
        self._last_ping = -1 if client else 0
        self._has_gone = False

    # Receiving

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the other side's bytes mean, as far as they go. Raises SPDYError, and is of no use afterwards."""
        self._buffer += data
        while True:
            if self._data is not None:
                event: Event | None = self._take_data(self._data)
                if event is None:
                    return
            elif len(self._buffer) < 8:
                return
            elif not self._buffer[0] & 0x80:
                self._begin_data()
                continue
            else:
                frame = self._whole_control()
                if frame is None:
                    return
                event = self._take_control(*frame)
            if event is not None and event != NOTHING:
                yield event

    def _begin_data(self) -> None:
        number, second = struct.unpack_from(">II", self._buffer)
        del self._buffer[:8]
        stream = self._streams.get(number)
        known = stream is not None and stream.receiving
        if not known:
            self._control(RST_STREAM, 0, struct.pack(">II", number, INVALID_STREAM))
        self._data = _DataFrame(number, bool(second >> 24 & FIN), second & 0xFFFFFF, known)

    def _whole_control(self) -> tuple[int, int, bytes] | None:
        """Kind, flags and content of a control frame; None if it is not all there. Raises SPDYError."""
        version, kind, second = struct.unpack_from(">HHI", self._buffer)
        flags, length = second >> 24, second & 0xFFFFFF
        if version & 0x7FFF != VERSION:
            raise SPDYError(f"SPDY version {version & 0x7FFF}")
        if length > MAX_CONTROL:
            raise SPDYError("control frame too large")
        if length < _SMALLEST.get(kind, 0):
            raise SPDYError("control frame too short")
        if len(self._buffer) < 8 + length:
            return None
        payload = bytes(self._buffer[8 : 8 + length])
        del self._buffer[: 8 + length]
        return kind, flags, payload

    def _take_data(self, frame: _DataFrame) -> DataReceived | None:
        """What there is of a data frame; None if it has to be waited for."""
        if frame.left and not self._buffer:
            return None
        data = bytes(self._buffer[: frame.left])
        del self._buffer[: len(data)]
        frame.left -= len(data)
        is_whole = not frame.left
        if is_whole:
            self._data = None
        if not frame.known:
            return NOTHING
        fin = is_whole and frame.fin
        if fin:
            self._end_receiving(frame.stream)
        return DataReceived(frame.stream, data, fin) if data or fin else NOTHING

    def _take_control(self, kind: int, flags: int, payload: bytes) -> Event | None:
        match kind:
            case 1:
                return self._take_stream(flags, payload)
            case 2 | 8:
                return self._take_headers(kind, flags, payload)
            case 3:
                stream, status = struct.unpack_from(">II", payload)
                return StreamReset(stream, status) if self._streams.pop(stream, None) else None
            case 6:
                (number,) = struct.unpack_from(">I", payload)
                if number % 2 == (1 if self._client else 0):
                    return Pong(number)
                self._control(PING, 0, struct.pack(">I", number))
                return None
            case 7:
                last, status = struct.unpack(">II", payload[:8].ljust(8, b"\0"))
                return GoneAway(last & 0x7FFFFFFF, status)
            case _:  # settings and windows matter to nobody here; the protocol says to ignore what is unknown
                return None

    def _take_stream(self, flags: int, payload: bytes) -> Event | None:
        stream = struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF
        headers = self._unpack(payload[10:])
        if stream % 2 == (1 if self._client else 0) or stream <= self._last_received:
            raise SPDYError(f"invalid stream id {stream}")
        self._last_received = stream
        if self._has_gone or len(self._streams) >= MAX_STREAMS:
            self._control(RST_STREAM, 0, struct.pack(">II", stream, REFUSED_STREAM))
            return None
        fin = bool(flags & FIN)
        self._streams[stream] = _Stream(receiving=not fin)
        return StreamOpened(stream, headers, fin)

    def _take_headers(self, kind: int, flags: int, payload: bytes) -> Event | None:
        stream = struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF
        headers = self._unpack(payload[4:])
        if stream not in self._streams:
            return None
        fin = bool(flags & FIN)
        if fin:
            self._end_receiving(stream)
        if kind == SYN_REPLY:
            return StreamReplied(stream, headers, fin)
        return DataReceived(stream, b"", fin) if fin else None

    def _unpack(self, block: bytes) -> dict[str, str]:
        try:
            return self._unpacker.unpack(block)
        except HeaderError as error:
            raise SPDYError(str(error)) from None

    def _end_receiving(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.receiving = False
            if not stream.sending:
                del self._streams[number]

    # Sending

    def open(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Open a stream; its number."""
        stream, self._next = self._next, self._next + 2
        self._streams[stream] = _Stream(sending=not fin)
        self._control(
            SYN_STREAM, FIN if fin else 0, struct.pack(">IIH", stream, 0, 0) + self._packer.pack(headers)
        )
        return stream

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> None:
        """Accept a stream of the other side."""
        self._control(SYN_REPLY, 0, struct.pack(">I", stream) + self._packer.pack(headers or {}))

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send data; `fin` says that nothing follows. On a stream that is closed this does nothing."""
        found = self._streams.get(stream)
        if found is None or not found.sending:
            return
        view = memoryview(data)
        for at in range(0, len(data), MAX_DATA):
            self._frame_data(stream, view[at : at + MAX_DATA], fin=fin and at + MAX_DATA >= len(data))
        if not data and fin:
            self._frame_data(stream, view, fin=True)
        if fin:
            found.sending = False
            if not found.receiving:
                del self._streams[stream]

    def _frame_data(self, stream: int, data: memoryview, *, fin: bool) -> None:
        self._out += struct.pack(">II", stream, (FIN << 24 if fin else 0) | len(data))
        self._out += data

    def reset(self, stream: int, status: int = CANCEL) -> None:
        """Want nothing more of a stream. On a stream that is closed this does nothing."""
        if self._streams.pop(stream, None) is not None:
            self._control(RST_STREAM, 0, struct.pack(">II", stream, status))

    def ping(self) -> int:
        """Ask whether the other side is there; the number that its answer bears."""
        self._last_ping += 2
        self._control(PING, 0, struct.pack(">I", self._last_ping))
        return self._last_ping

    def go_away(self, status: int = 0) -> None:
        """Accept no more streams."""
        if not self._has_gone:
            self._has_gone = True
            self._control(GOAWAY, 0, struct.pack(">II", self._last_received, status))

    def take(self) -> bytes:
        """What is to be sent to the other side; it counts as sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def is_open(self, stream: int) -> bool:
        """Whether either half of a stream is open."""
        return stream in self._streams

    def _control(self, kind: int, flags: int, payload: bytes) -> None:
        self._out += struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload
