"""Channels in WebSocket messages, and the messages themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.apiserver.streaming.channels import (
    COMMANDS,
    FORWARDING,
    UNNAMED,
    ChannelError,
    ChannelProtocol,
    choose,
    port_channels,
    port_prefix,
)
from kubesim.apiserver.streaming.websocket import WebSocketConnection, accept_key


@given(st.sampled_from(COMMANDS), st.integers(0, 9), st.binary(max_size=100))
def test_channels_come_through(protocol: ChannelProtocol, channel: int, data: bytes) -> None:
    assert protocol.decode(protocol.encode(channel, data)) == (channel, data)


def test_base64_protocols_write_text() -> None:
    protocol = next(p for p in COMMANDS if p.name == "v4.base64.channel.k8s.io")
    assert protocol.encode(1, b"hello") == "1aGVsbG8="


@pytest.mark.parametrize("message", ["", "x", "1!!!"], ids=["empty", "no number", "no base64"])
def test_messages_of_no_channel(message: str) -> None:
    protocol = next(p for p in COMMANDS if p.base64)
    if message:
        with pytest.raises(ChannelError):
            protocol.decode(message)
    else:
        assert protocol.decode(message) == (0, b"")


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        (["v5.channel.k8s.io"], "v5.channel.k8s.io"),
        (["v4.channel.k8s.io", "v5.channel.k8s.io"], "v4.channel.k8s.io"),
        (["chat", "channel.k8s.io"], "channel.k8s.io"),
        ([], ""),
        (["chat"], None),
    ],
)
def test_choice_is_the_first_of_the_clients_that_is_known(offered: list[str], name: str | None) -> None:
    found = choose(offered, COMMANDS)
    assert (found.name if found else None) == name
    assert choose([], FORWARDING) is UNNAMED


def test_ports_have_two_channels_and_a_prefix() -> None:
    assert [port_channels(i) for i in (0, 1)] == [(0, 1), (2, 3)]
    assert port_prefix(8080) == b"\x90\x1f"


def test_accept_key_is_that_of_the_specification() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=50)), max_size=6), st.integers(1, 50))
def test_messages_come_through_however_they_are_cut(messages: list[bytes | str], step: int) -> None:
    client, server = WebSocketConnection(client=True), WebSocketConnection()
    for message in messages:
        client.send(message)
    client.close()
    sent = client.take()
    got = [m for at in range(0, len(sent), step) for m in server.receive(sent[at : at + step])]
    assert got == messages
    assert server.closed


def test_a_message_that_is_too_large_ends_the_connection() -> None:
    client, server = WebSocketConnection(client=True), WebSocketConnection(max_message=1000)
    client.send(bytes(1001))
    assert list(server.receive(client.take())) == []
    assert server.closed
    assert list(client.receive(server.take())) == []
    assert client.closed


def test_pings_are_answered() -> None:
    client, server = WebSocketConnection(client=True), WebSocketConnection()
    client.ping(b"there?")
    assert list(server.receive(client.take())) == []
    assert b"there?" in server.take()
