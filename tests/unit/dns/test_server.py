"""The server on real sockets: UDP and TCP, and clients that behave badly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from dnslib import DNSRecord
from support.cluster import make_cluster
from support.names import dns_of, named_cluster

from kubesim.cluster.controlplane import ControlPlane
from kubesim.dns import server as serving
from kubesim.dns.server import DNSServer

WEB = "web.default.svc.cluster.local"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[DNSServer]:
    cluster = named_cluster()
    made = DNSServer(dns_of(cluster, revision=cluster.storage.revision))
    made.start()
    yield made
    made.stop()


def question(name: str = WEB, qtype: str = "A") -> bytes:
    return bytes(DNSRecord.question(name, qtype).pack())


def framed(packet: bytes) -> bytes:
    return struct.pack("!H", len(packet)) + packet


def connect(server: DNSServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def read_answer(connection: socket.socket) -> DNSRecord:
    (length,) = struct.unpack("!H", read(connection, 2))
    return DNSRecord.parse(read(connection, length))


def read(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        assert more, "the server has closed the connection"
        found += more
    return found


def udp(server: DNSServer, packet: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(packet, ("127.0.0.1", server.port))
        return client.recv(65535)


def addresses(found: DNSRecord) -> list[str]:
    return [str(record.rdata) for record in found.rr]


def test_udp_and_tcp_on_one_port(server: DNSServer) -> None:
    assert addresses(DNSRecord.parse(udp(server, question()))) == ["10.96.1.1"]
    with connect(server) as client:
        client.sendall(framed(question()))
        assert addresses(read_answer(client)) == ["10.96.1.1"]


def test_questions_in_a_row_are_answered_in_a_row(server: DNSServer) -> None:
    packets = [
        question("web.default.svc.cluster.local" if n % 2 else "plain.default.svc.cluster.local")
        for n in range(500)
    ]
    with connect(server) as client:
        client.sendall(b"".join(map(framed, packets)))
        client.shutdown(socket.SHUT_WR)
        for n, packet in enumerate(packets):
            found = read_answer(client)
            assert found.header.id == DNSRecord.parse(packet).header.id
            assert addresses(found) == [f"10.96.1.{1 if n % 2 else 2}"]
        assert client.recv(1) == b""


def test_a_question_that_comes_byte_by_byte(server: DNSServer) -> None:
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(question()):
            client.sendall(bytes([byte]))
        assert addresses(read_answer(client)) == ["10.96.1.1"]


def test_nonsense_does_not_end_the_server(server: DNSServer) -> None:
    for packet in (b"", b"x", b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", question() * 9):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(packet, ("127.0.0.1", server.port))
        with connect(server) as client:
            client.sendall(framed(packet) + packet)
    assert addresses(DNSRecord.parse(udp(server, question()))) == ["10.96.1.1"]


def test_who_does_not_read_does_not_hold_up_others(server: DNSServer) -> None:
    with connect(server) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.settimeout(0.2)
        with pytest.raises(TimeoutError):
            greedy.sendall(framed(question()) * 300_000)
        with connect(server) as other:
            other.sendall(framed(question()))
            assert addresses(read_answer(other)) == ["10.96.1.1"]
        assert addresses(DNSRecord.parse(udp(server, question()))) == ["10.96.1.1"]


def test_a_new_connection_takes_the_place_of_the_idlest(server: DNSServer) -> None:
    clients = [connect(server) for _ in range(serving.MAX_CONNECTIONS)]
    try:
        for client in clients:
            client.sendall(framed(question()))
            read_answer(client)
        with connect(server) as late:
            late.sendall(framed(question()))
            assert addresses(read_answer(late)) == ["10.96.1.1"]
            assert server.connections == serving.MAX_CONNECTIONS
            with pytest.raises(ConnectionError):
                read_or_fail(clients[0])
            clients[-1].sendall(framed(question()))
            read_answer(clients[-1])
    finally:
        for client in clients:
            client.close()


def read_or_fail(client: socket.socket, sent: bytes = b"") -> None:
    client.sendall(sent)
    if client.recv(1) == b"":
        raise ConnectionResetError


@pytest.mark.parametrize("sent", [b"", framed(question())[:9]], ids=["nothing said", "half a question"])
def test_an_idle_connection_is_closed(sent: bytes) -> None:
    server = DNSServer(dns_of(make_cluster()), idle=0.05)
    server.start()
    try:
        with connect(server) as client, pytest.raises(ConnectionError):
            read_or_fail(client, sent)
        assert server.connections == 0
    finally:
        server.stop()


def test_stopping_ends_everything() -> None:
    server = DNSServer(dns_of(make_cluster()))
    port = server.start()
    with connect(server) as client:
        client.sendall(framed(question()))
        read_answer(client)
        server.stop()
        with pytest.raises(ConnectionError):
            read_or_fail(client)
    server.stop()
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))


def test_a_port_that_is_taken(server: DNSServer) -> None:
    with pytest.raises(OSError, match="in use"):
        DNSServer(dns_of(make_cluster()), port=server.port).start()


def test_many_clients_at_once(server: DNSServer) -> None:
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(100):
            found = addresses(DNSRecord.parse(udp(server, question("headless.default.svc.cluster.local"))))
            if sorted(found) != ["10.244.0.20", "10.244.0.21"]:
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_control_plane_serves_names_until_it_stops() -> None:
    cluster = make_cluster(settle=True)
    plane = ControlPlane(cluster)
    plane.start()
    try:
        port = plane.serve_dns()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.sendto(question("kubernetes.default.svc.cluster.local"), ("127.0.0.1", port))
            assert addresses(DNSRecord.parse(client.recv(65535))) == ["10.96.0.1"]
    finally:
        plane.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
