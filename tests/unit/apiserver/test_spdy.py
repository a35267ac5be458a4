"""SPDY/3.1 framing: what one side calls, the other side sees, however the bytes are cut on their way."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.apiserver.streaming.spdy import (
    MAX_CONTROL,
    MAX_STREAMS,
    REFUSED_STREAM,
    DataReceived,
    Event,
    GoneAway,
    Pong,
    SPDYConnection,
    SPDYError,
    StreamOpened,
    StreamReplied,
    StreamReset,
)
from kubesim.apiserver.streaming.spdyheaders import HeaderError, HeaderPacker, HeaderUnpacker, dictionary

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
HEADERS = st.dictionaries(
    NAMES, st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50), max_size=8
)


def test_dictionary_is_the_one_of_the_specification() -> None:
    assert zlib.adler32(dictionary()) == 0xE3C6A7C2


@given(st.lists(HEADERS, min_size=1, max_size=6))
def test_headers_come_through_one_context_after_the_other(blocks: list[dict[str, str]]) -> None:
    packer, unpacker = HeaderPacker(), HeaderUnpacker()
    assert [unpacker.unpack(packer.pack(block)) for block in blocks] == blocks


def test_header_names_are_sent_in_lower_case() -> None:
    assert HeaderUnpacker().unpack(HeaderPacker().pack({"streamType": "data"})) == {"streamtype": "data"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0\0\0\1",
        b"\0\0\0\1\xff\xff\xff\xff",
        b"\0\0\0\1\0\0\0\0\0\0\0\0",
        b"\0\0\0\1\0\0\0\1A\0\0\0\0",
        bytes(99_999),
    ],
    ids=["empty", "no name", "endless name", "nameless", "upper case", "a bomb"],
)
def test_bad_header_blocks_are_refused(text: bytes) -> None:
    packer = zlib.compressobj(zdict=dictionary())
    with pytest.raises(HeaderError):
        HeaderUnpacker().unpack(packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))
    with pytest.raises(HeaderError):
        HeaderUnpacker().unpack(b"no zlib")


def _whole(events: list[Event]) -> list[Event]:
    """Pieces of data put together: into how many a frame is cut is nobody's concern."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        both = isinstance(event, DataReceived) and isinstance(last, DataReceived)
        if both and not last.fin and last.stream == event.stream:
            found[-1] = DataReceived(event.stream, last.data + event.data, event.fin)
        else:
            found.append(event)
    return found


@settings(max_examples=200)
@given(st.data())
def test_conversation_survives_any_cutting(data: st.DataObject) -> None:
    client, server = SPDYConnection(client=True), SPDYConnection()
    expected: list[Event] = []
    streams: list[int] = []
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["open", "send", "end", "reset", "ping"])):
            case "open":
                headers = data.draw(HEADERS)
                streams.append(client.open(headers))
                expected.append(StreamOpened(streams[-1], headers))
            case "send" if streams:
                stream, text = (
                    data.draw(st.sampled_from(streams)),
                    data.draw(st.binary(min_size=1, max_size=300)),
                )
                client.send(stream, text)
                expected.append(DataReceived(stream, text))
            case "end" if streams:
                stream = streams.pop()
                client.send(stream, b"", fin=True)
                expected.append(DataReceived(stream, b"", fin=True))
            case "reset" if streams:
                stream = streams.pop()
                client.reset(stream)
                expected.append(StreamReset(stream, 5))
            case "ping":
                client.ping()
    client.go_away()
    expected.append(GoneAway(0, 0))
    sent = client.take()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    got = [e for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) for e in server.receive(sent[a:b])]
    assert _whole(got) == _whole(expected)
    assert all(isinstance(event, Pong) for event in client.receive(server.take()))


def _opened() -> tuple[SPDYConnection, SPDYConnection, int]:
    client, server = SPDYConnection(client=True), SPDYConnection()
    stream = client.open({"streamtype": "data"})
    assert list(server.receive(client.take())) == [StreamOpened(stream, {"streamtype": "data"})]
    server.reply(stream)
    assert list(client.receive(server.take())) == [StreamReplied(stream, {})]
    return client, server, stream


def test_halves_end_one_by_one() -> None:
    client, server, stream = _opened()
    client.send(stream, b"question", fin=True)
    assert list(server.receive(client.take())) == [DataReceived(stream, b"question", fin=True)]
    assert server.is_open(stream)
    server.send(stream, b"answer", fin=True)
    assert not server.is_open(stream)
    assert list(client.receive(server.take())) == [DataReceived(stream, b"answer", fin=True)]


def test_large_data_is_cut_into_frames_and_only_the_last_ends_the_stream() -> None:
    client, server, stream = _opened()
    client.send(stream, bytes(1_000_000), fin=True)
    events = list(server.receive(client.take()))
    assert len(events) > 1
    assert _whole(list(events)) == [DataReceived(stream, bytes(1_000_000), fin=True)]


def test_data_for_no_stream_is_answered_with_a_reset_and_not_handed_on() -> None:
    client, server, stream = _opened()
    server.reset(stream)
    server.take()
    client.send(stream, b"late")
    assert list(server.receive(client.take())) == []
    assert list(client.receive(server.take())) == [StreamReset(stream, 2)]


def test_too_many_streams_are_refused() -> None:
    client, server = SPDYConnection(client=True), SPDYConnection()
    for _ in range(MAX_STREAMS + 1):
        client.open({})
    assert len(list(server.receive(client.take()))) == MAX_STREAMS
    assert list(client.receive(server.take())) == [StreamReset(2 * MAX_STREAMS + 1, REFUSED_STREAM)]


def test_unknown_control_frames_are_ignored() -> None:
    server = SPDYConnection()
    settings_frame = struct.pack(">HHIIII", 0x8003, 4, 12, 1, 4, 100)
    window = struct.pack(">HHIII", 0x8003, 9, 8, 1, 65536)
    assert list(server.receive(settings_frame + window + struct.pack(">HHI", 0x8003, 77, 0))) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x80\x02\0\1\0\0\0\0",
        struct.pack(">HHI", 0x8003, 1, MAX_CONTROL + 1),
        struct.pack(">HHI", 0x8003, 1, 0),
        struct.pack(">HHIIIH", 0x8003, 1, 12, 1, 0, 0) + b"??",
        b"\xff" * 100,
    ],
    ids=["version 2", "too large", "too short", "no headers", "noise"],
)
def test_garbage_ends_the_connection(garbage: bytes) -> None:
    with pytest.raises(SPDYError):
        list(SPDYConnection().receive(garbage))


@given(st.binary(max_size=300))
def test_any_bytes_are_borne(noise: bytes) -> None:
    connection = SPDYConnection()
    try:
        list(connection.receive(noise))
    except SPDYError:
        return
    connection.take()
