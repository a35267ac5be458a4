"""`port-forward` with real clients; what it refuses is compared with the real kubectl (tests/kubectl/parity/lines)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest
from support.edge import curl
from support.manifests import STORE, WEB
from support.ways import WAYS, Way, way_to

PODS = f"""\
{WEB}{STORE}apiVersion: v1
kind: Service
metadata: {{name: headless}}
spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"""
AT_ONCE = 40


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way_to(request.param, tmp_path_factory.mktemp("forward"), PODS) as found:
        for pod in ("web", "store"):
            found.run("wait", "--for=condition=Ready", f"pod/{pod}").check()
        yield found


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=20)


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("web", ":http"),
        ("pod/web", ":80"),
        ("svc/web", ":8080"),
        ("svc/web", ":http"),
        ("svc/headless", ":80"),
    ],
)
def test_curl_reaches_the_target_port(way: Way, target: str, port: str) -> None:
    with way.listening("port-forward", target, port) as (local, process):
        assert process.stdout is not None
        assert process.stdout.readline() == f"Forwarding from [::1]:{local} -> 80\n"
        assert "<title>Welcome to nginx!</title>" in curl(f"http://localhost:{local}").stdout
        assert process.stdout.readline() == f"Handling connection for {local}\n"


def test_many_connections_at_once(way: Way) -> None:
    with way.listening("port-forward", "web", ":80") as (port, _):
        opened = [connect(port) for _ in range(AT_ONCE)]
        try:
            for connection in opened:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            for connection in reversed(opened):
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
        finally:
            for connection in opened:
                connection.close()


def test_answer_comes_after_the_client_has_ended_its_half(way: Way) -> None:
    with way.listening("port-forward", "web", ":80") as (port, _), connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b"Welcome to nginx!" in answer
        assert answer.rstrip().endswith(b"</html>")


def test_large_values_both_ways_and_exec_sees_them(way: Way) -> None:
    value = os.urandom(300_000).hex().encode()
    with (
        way.listening("port-forward", "store", ":6379") as (port, _),
        connect(port) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n%s\r\n" % (len(value), value))
        stream.flush()
        assert stream.readline() == b"+OK\r\n"
        stream.write(b"GET big\r\n")
        stream.flush()
        assert stream.readline() == b"$%d\r\n" % len(value)
        assert stream.read(len(value) + 2) == value + b"\r\n"
        assert way.run("exec", "store", "--", "redis-cli", "strlen", "big").out == f"{len(value)}\n"


def test_a_slow_reader_holds_up_nobody_else(way: Way) -> None:
    """While its part of the tunnel's memory lasts."""
    with (
        way.listening("port-forward", "store", ":6379") as (port, _),
        connect(port) as slow,
        connect(port) as quick,
    ):
        slow.sendall(b"SET text %s\r\n" % (b"x" * 200_000))
        assert slow.recv(5) == b"+OK\r\n"
        slow.sendall(b"GET text\r\n" * 20)
        quick.sendall(b"PING\r\n")
        assert quick.recv(7) == b"+PONG\r\n"


def test_a_port_where_nothing_listens_ends_it_as_kubectl_ends(way: Way) -> None:
    with way.listening("port-forward", "web", ":81") as (port, process):
        with connect(port) as connection:
            assert connection.recv(1) == b""
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
    first, last = err.splitlines()
    assert (
        f'portforward.go:424] "Unhandled Error" err="an error occurred forwarding {port} -> 81: error '
        in first
    )
    assert "dial tcp4 127.0.0.1:81: connect: connection refused" in first
    assert last == "error: lost connection to pod"


@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "started with &"])
def test_control_c_is_no_failure(way: Way, ignored: bool) -> None:
    start = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if ignored else []
    with subprocess.Popen(
        [*start, *way.argv("port-forward", "web", ":80")],
        env=way.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[2].rpartition(":")[2])
            process.stdout.readline()
            with connect(port):  # it ends in the middle of a connection
                assert process.stdout.readline() == f"Handling connection for {port}\n"
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=20) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


def test_addresses(way: Way) -> None:
    with way.listening("port-forward", "web", ":80", "--address=127.0.0.2,127.0.0.1") as (port, process):
        assert process.stdout is not None
        assert process.stdout.readline() == f"Forwarding from 127.0.0.2:{port} -> 80\n"
        connect(port, "127.0.0.2").close()
        with pytest.raises(ConnectionRefusedError):
            connect(port, "::1")


def test_a_port_that_is_taken(way: Way) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        found = way.run("port-forward", "web", f"{port}:80", "--address=127.0.0.1")
        assert (found.code, found.out) == (1, "")
        assert found.err == (
            f"Unable to listen on port {port}: Listeners failed to create with the following errors: "
            f"[unable to create listener: Error listen tcp4 127.0.0.1:{port}: bind: address already in use]\n"
            f"error: unable to listen on any of the requested ports: [{{{port} 80}}]\n"
        )
        with way.start("port-forward", "web", f"{port}:80") as process:  # of localhost's two one is enough
            assert process.stdout is not None
            assert process.stdout.readline() == f"Forwarding from [::1]:{port} -> 80\n"
