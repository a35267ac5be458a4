"""Clients that do not speak HTTP, or do so badly, slowly or not at all: the server stays up, and others are served."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.served import Served, served


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served(patience=0.5) as found:
        yield found


def everything(connection: socket.socket) -> bytes:
    """All that the server says before it closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 64,
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["tls", "zeros", "short", "version", "header", "length", "smuggling", "ssh"],
)
def test_what_is_not_http_is_answered_and_closed(api: Served, said: bytes) -> None:
    with api.connect() as connection:
        connection.sendall(said)
        assert everything(connection).startswith((b"HTTP/1.1 400 Bad Request\r\n", b""))
    assert api.ask("GET", "/healthz").body == b"ok"


def test_a_head_without_an_end_is_refused(api: Served) -> None:
    with api.connect() as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(40):
                connection.sendall(b"x" * 65536)
        except OSError:
            pass
        assert everything(connection).startswith((b"HTTP/1.1 431 ", b""))
    assert api.ask("GET", "/healthz").body == b"ok"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
    ],
    ids=["silent", "half a head", "half a body"],
)
def test_patience_has_an_end(api: Served, said: bytes) -> None:
    with api.connect() as connection:
        connection.sendall(said)
        assert everything(connection) == b""


def test_idle_connections_do_not_keep_others_out(api: Served) -> None:
    idle = [api.connect() for _ in range(300)]
    assert api.ask("GET", "/healthz").body == b"ok"
    for connection in idle:
        connection.close()


def test_a_client_that_goes_in_the_middle_leaves_nothing(api: Served) -> None:
    for _ in range(20):
        connection = api.connect()
        connection.sendall(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.close()
    assert api.ask("GET", "/healthz").body == b"ok"
    while api.plane.connections:  # bounded by the suite's own time limit
        api.ask("GET", "/healthz")
        if api.plane.connections <= 1:
            break


def test_requests_may_follow_one_another_without_waiting(api: Served) -> None:
    with api.connect() as connection:
        request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request * 5 + last)
        assert everything(connection).count(b"HTTP/1.1 200 OK") == 6
