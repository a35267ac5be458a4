"""The TLS side of the server: who may come in, and what happens to those who do not even speak TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.cluster import make_cluster

from kubesim.cluster.build import Cluster
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.pki import ADMIN


@dataclass
class Secured:
    cluster: Cluster
    port: int
    folder: Path

    def context(self, *pair: tuple[bytes, bytes]) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.cluster.authority.ca_pem.decode())
        for certificate, key in pair:
            path = self.folder / "client.pem"
            path.write_bytes(certificate + key)
            context.load_cert_chain(path)
        return context

    def ask(self, context: ssl.SSLContext, path: str, *headers: str) -> bytes:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            head = "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers))
            connection.sendall(f"{head}\r\n\r\n".encode())
            data = b""
            while piece := connection.recv(65536):
                data += piece
        return data


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    cluster = make_cluster(settle=True)
    plane = ControlPlane(cluster)
    plane.start()
    try:
        url = plane.serve()
        yield Secured(cluster, urlsplit(url).port or 0, tmp_path_factory.mktemp("tls"))
    finally:
        plane.stop()
        cluster.close()


def test_the_administrator_comes_in_with_a_certificate(secured: Secured) -> None:
    context = secured.context(secured.cluster.authority.client_certificate(*ADMIN))
    assert b'"kind":"NamespaceList"' in secured.ask(context, "/api/v1/namespaces")


@pytest.mark.parametrize(
    ("header", "code", "reason"),
    [
        ("X-Nothing: here", b"403 Forbidden", b'"reason":"Forbidden"'),
        ("Authorization: Bearer forged", b"401 Unauthorized", b'"reason":"Unauthorized"'),
        ("Authorization: Bearer a.b.c", b"401 Unauthorized", b'"reason":"Unauthorized"'),
        ("Authorization: Basic YTpi", b"403 Forbidden", b'"reason":"Forbidden"'),
    ],
    ids=["nobody", "no token", "forged", "basic"],
)
def test_others_are_refused_with_a_status(secured: Secured, header: str, code: bytes, reason: bytes) -> None:
    answer = secured.ask(secured.context(), "/api/v1/namespaces", header)
    assert answer.startswith(b"HTTP/1.1 " + code)
    assert reason in answer


def test_everybody_may_ask_for_health(secured: Secured) -> None:
    assert secured.ask(secured.context(), "/livez").endswith(b"\r\n\r\nok")


def test_a_certificate_of_another_authority_is_refused(secured: Secured) -> None:
    other = make_cluster(seed="other")
    context = secured.context(other.authority.client_certificate(*ADMIN))
    try:  # with TLS 1.3 a client has sent its request before it learns that it is not wanted
        answer = secured.ask(context, "/api/v1/namespaces")
    except (ssl.SSLError, ConnectionError):
        answer = b""
    assert answer == b""
    other.close()


@pytest.mark.parametrize(
    "said",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 100,
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        bytes(range(256)) * 8,
    ],
    ids=["plain http", "client hello", "ssl 2", "bytes"],
)
def test_what_is_not_tls_is_closed(secured: Secured, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", secured.port), timeout=20) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert secured.ask(secured.context(), "/livez").endswith(b"ok")
