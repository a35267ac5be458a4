"""Servers that are stopped while clients come: whoever was let in is let go of again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from support.cluster import make_cluster
from support.names import dns_of
from support.storm import Storm

from kubesim.client.resources import SERVICES
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.controlplane import ControlPlane
from kubesim.dns.server import DNSServer

GET = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"
ROUNDS = 5


def _dns() -> tuple[int, Callable[[], None]]:
    cluster = make_cluster(settle=True)
    server = DNSServer(dns_of(cluster, revision=cluster.storage.revision))
    server.start()
    return server.port, server.stop


def _http(*, tls: bool) -> tuple[int, Callable[[], None]]:
    plane = ControlPlane(make_cluster(settle=True))
    url = plane.serve(tls=tls)
    return int(url.rpartition(":")[2]), plane.stop


def _edge() -> tuple[int, Callable[[], None]]:
    cluster = make_cluster(settle=True, runtime=make_runtime)
    service = {"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    cluster.client.create(SERVICES, service, "default")
    cluster.settle()
    plane = ControlPlane(cluster)
    [opening] = [o for o in plane.serve_edge().openings if ":" not in o.host]
    return opening.port, plane.stop


SERVERS: dict[str, tuple[Callable[[], tuple[int, Callable[[], None]]], bytes]] = {
    "edge": (_edge, GET),
    "dns": (_dns, b"\x00\x01\x00"),
    "http": (lambda: _http(tls=False), GET),
    "https": (lambda: _http(tls=True), b"\x16\x03\x01\x02\x00\x01"),  # a handshake that does not go on
}


@pytest.mark.parametrize(("start", "hello"), SERVERS.values(), ids=SERVERS.keys())
def test_nobody_is_left_with_an_open_connection(
    start: Callable[[], tuple[int, Callable[[], None]]], hello: bytes
) -> None:
    for _ in range(ROUNDS):
        port, stop = start()
        storm = Storm(port, hello)
        with closing(storm):
            assert storm.through(stop) == []
