"""A TLS connection that one thread reads while another one writes, with a server that sends session tickets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from support.cluster import make_cluster

from kubesim.client.tls import SharedTLSSocket

CONNECTIONS = 150
LARGE = 4 << 20


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where every byte comes back."""
    context = make_cluster().authority.server_context()
    context.num_tickets = 8
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(8) as workers:

        def accept() -> None:
            while True:
                try:
                    workers.submit(echo, context, listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def echo(context: ssl.SSLContext, connection: socket.socket) -> None:
    connection.settimeout(20)
    with context.wrap_socket(connection, server_side=True) as wrapped:
        while data := wrapped.recv(65536):
            wrapped.sendall(data)


def connect(address: tuple[str, int]) -> SharedTLSSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return SharedTLSSocket.begin(context, socket.create_connection(address, timeout=20), address[0])


def sent_and_received(address: tuple[str, int], data: bytes) -> bytes:
    with connect(address) as connection, ThreadPoolExecutor(1) as reader:

        def read() -> bytes:
            found = b""
            while len(found) < len(data) and (piece := connection.recv(65536)):
                found += piece
            return found

        found = reader.submit(read)
        connection.sendall(data)
        try:
            return found.result(timeout=20)
        finally:
            connection.close()


def test_what_is_written_at_once_arrives(address: tuple[str, int]) -> None:
    """The first write meets the tickets: a plain SSLSocket loses about one in a hundred."""
    with ThreadPoolExecutor(4) as several:
        found = list(several.map(lambda _: sent_and_received(address, b"hello"), range(CONNECTIONS)))
    assert found == [b"hello"] * CONNECTIONS


def test_much_goes_both_ways_at_once(address: tuple[str, int]) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    assert sent_and_received(address, data) == data


def test_closing_wakes_who_reads(address: tuple[str, int]) -> None:
    connection = connect(address)
    with ThreadPoolExecutor(1) as reader:
        found = reader.submit(lambda: connection.recv(1))
        assert not found.done()
        connection.close()
        with suppress(OSError):  # closed before it was read
            assert found.result(timeout=20) == b""
