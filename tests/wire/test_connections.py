"""Conversations over HTTP, spoken byte by byte: what kubectl does not do, and what it should better not do."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from support.served import Served, served
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from kubesim.apiserver.streaming.channels import TUNNEL
from kubesim.apiserver.streaming.spdy import DataReceived, SPDYConnection, StreamReset
from kubesim.apiserver.streaming.websocket import WebSocketConnection
from kubesim.util.clock import SystemClock

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "box"},
    "spec": {
        "containers": [
            {"name": "box", "image": "busybox", "command": ["sh", "-c", "echo one; echo two; sleep 100000"]},
            {"name": "web", "image": "nginx"},
        ]
    },
}
PODS = "/api/v1/namespaces/default/pods"
GET = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Served]:
    with served() as found:
        assert found.ask("POST", PODS, POD).status == 201
        wait_until(lambda: found.ask("GET", f"{PODS}/box").json["status"]["phase"] == "Running")
        yield found


def wait_until(holds: Callable[[], bool]) -> None:
    clock = SystemClock()
    end = clock.monotonic() + 20
    while not holds():
        assert clock.monotonic() < end
        clock.sleep(0.01)


def command(*words: str, container: str = "box", **options: str) -> str:
    query = [("command", word) for word in words] + [("container", container), *options.items()]
    if "stdout" not in options:
        query.append(("stdout", "true"))
    return f"{PODS}/box/exec?{urlencode(query)}"


def open_socket(cluster: Served, path: str, *protocols: str) -> ClientConnection:
    return connect(
        f"ws://{cluster.host}:{cluster.port}{path}",
        subprotocols=[Subprotocol(p) for p in protocols] or None,
        proxy=None,
        max_size=None,
    )


def everything(connection: ClientConnection) -> list[bytes | str]:
    found: list[bytes | str] = []
    while True:
        try:
            found.append(connection.recv(timeout=20))
        except ConnectionClosedOK:
            return found


class Tunnel:
    """SPDY inside a WebSocket: the library does not let a subprotocol have such a name."""

    def __init__(self, cluster: Served) -> None:
        self.raw = cluster.connect()
        self._socket = WebSocketConnection(client=True)
        head = (
            f"GET {PODS}/box/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        )
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {TUNNEL}"
        self.raw.sendall(f"{head}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.raw.recv(1)
        assert f"\r\nSec-WebSocket-Protocol: {TUNNEL}\r\n".encode() in answer

    def send(self, data: bytes) -> None:
        self._socket.send(data)
        self.raw.sendall(self._socket.take())

    def receive(self) -> bytes:
        data = self.raw.recv(65536)
        assert data
        return b"".join(m for m in self._socket.receive(data) if isinstance(m, bytes))


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


# Protocols.


def test_channels_of_version_4(cluster: Served) -> None:
    path = command("sh", "-c", "echo out; echo err >&2; exit 3", stderr="true")
    with open_socket(cluster, path, "v4.channel.k8s.io") as connection:
        first, *rest = everything(connection)
    assert first == b"\1"
    assert b"\1out\n" in rest
    assert b"\2err\n" in rest
    last = rest[-1]
    assert isinstance(last, bytes)
    assert last[0] == 3
    assert json.loads(last[1:]) == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: error executing command "
        "[sh -c echo out; echo err >&2; exit 3], exit code 3",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }


def test_channels_in_base64(cluster: Served) -> None:
    with open_socket(cluster, command("cat", stdin="true"), "base64.channel.k8s.io") as connection:
        assert connection.recv(timeout=20) == "1"
        connection.send("0" + base64.b64encode(b"hello\n").decode())
        assert connection.recv(timeout=20) == "1" + base64.b64encode(b"hello\n").decode()


def test_oldest_protocol_tells_failures_alone_as_text(cluster: Served) -> None:
    with open_socket(cluster, command("true")) as connection:
        assert everything(connection) == [b"\1"]
    with open_socket(cluster, command("sh", "-c", "exit 2")) as connection:
        text = (
            b"command terminated with non-zero exit code: error executing command [sh -c exit 2], exit code 2"
        )
        assert everything(connection) == [b"\1", b"\3" + text]


def test_version_5_ends_input_by_a_message(cluster: Served) -> None:
    with open_socket(cluster, command("wc", "-c", stdin="true"), "v5.channel.k8s.io") as connection:
        connection.send(b"\0four")
        connection.send(b"\xff\0")
        assert [m for m in everything(connection) if m[:1] == b"\1"] == [b"\1", b"\0014\n"[:1] + b"4\n"]


def test_noise_on_channels_is_borne(cluster: Served) -> None:
    with open_socket(cluster, command("cat", stdin="true"), "v5.channel.k8s.io") as connection:
        for noise in (
            b"",
            b"\x04{",
            b'\x04{"Width":"x"}',
            b'\x04{"Width":80,"Height":24}',
            b"\x63??",
            b"\xff\x07",
            "text",
        ):
            connection.send(noise)
        connection.send(b"\0ok\n")
        assert [connection.recv(timeout=20) for _ in range(2)] == [b"\1", b"\1ok\n"]


# Refusals.


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", command("ls"), 400, "Upgrade request required"),
        ("POST", command("ls"), 400, "Upgrade request required"),
        ("GET", f"{PODS}/box/portforward?ports=80", 400, "Upgrade request required"),
        ("GET", f"{PODS}/box/attach?container=box", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("GET", f"{PODS}/nosuch/exec?command=ls&stdout=true", 404, 'pods "nosuch" not found'),
        ("GET", command("ls", container="nosuch"), 400, "container nosuch is not valid for pod box"),
        ("DELETE", command("ls"), 405, "the server does not allow this method on the requested resource"),
        ("GET", f"{PODS}/box/exec?command=ls&stdout=true", 400,
         "a container name must be specified for pod box, choose one of: [box web]"),
        ("GET", f"{PODS}/box/log?container=nosuch&follow=true", 400, "container nosuch is not valid for pod box"),
    ],
    ids=["no upgrade", "no upgrade by POST", "no upgrade to forward", "no streams", "no pod", "no container", "method",
         "which container", "log of no container"],
)  # fmt: skip
def test_refusals(cluster: Served, method: str, path: str, status: int, message: str) -> None:
    answer = cluster.ask(method, path)
    assert (answer.status, answer.json["message"]) == (status, message)


def test_unknown_protocols_are_refused(cluster: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket(cluster, command("ls"), "chat")
    assert refused.value.response.status_code == 400
    answer = cluster.ask(
        "POST",
        command("ls"),
        headers={
            "connection": "Upgrade",
            "upgrade": "SPDY/3.1",
            "x-stream-protocol-version": "v9.channel.k8s.io",
        },
    )
    assert answer.status == 403
    assert answer.json["message"] == (
        "unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], "
        "server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]"
    )


def test_upgrades_that_nobody_offers_are_ignored(cluster: Served) -> None:
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}
    assert cluster.ask("GET", "/version", headers=headers).json["major"] == "1"


# Clients that misbehave.


def test_command_ends_with_its_client(cluster: Served) -> None:
    with open_socket(cluster, command("sleep", "100000"), "v5.channel.k8s.io") as connection:
        connection.recv(timeout=20)
        wait_until(lambda: running("kubesim-command") == 1)
        connection.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: running("kubesim-command") == 0)


def test_client_that_does_not_read_holds_its_command_up(cluster: Served) -> None:
    script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i > /tmp/count; head -c 100000 /dev/zero; done"

    def count() -> str:
        with open_socket(cluster, command("cat", "/tmp/count"), "v4.channel.k8s.io") as asking:
            return b"".join(m[1:] for m in everything(asking) if isinstance(m, bytes) and m[0] == 1).decode()

    raw = cluster.connect()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    head = f"GET {command('sh', '-c', script)} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    raw.sendall(head.encode())
    assert raw.recv(12) == b"HTTP/1.1 101"
    seen: list[str] = []

    def stands_still() -> bool:
        seen.append(count())
        return len(seen) > 20 and bool(seen[-1].strip()) and len(set(seen[-20:])) == 1

    wait_until(stands_still)
    assert int(seen[-1]) < 150
    raw.close()
    wait_until(lambda: running("kubesim-command") == 0)


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x80\x02\0\1\0\0\0\0"])
@pytest.mark.parametrize(
    "subresource", ["exec?command=cat&stdin=true&stdout=true&container=box", "portforward"]
)
def test_garbage_after_the_upgrade_ends_the_connection(
    cluster: Served, subresource: str, garbage: bytes
) -> None:
    with cluster.connect() as raw:
        head = f"POST {PODS}/box/{subresource} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        raw.sendall(head.encode() + garbage)
        received = b""
        while data := raw.recv(65536):
            received += data
    assert received.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert cluster.ask("GET", "/readyz").body == b"ok"


# Port forwarding.


def test_forwarding_in_channels(cluster: Served) -> None:
    path = f"{PODS}/box/portforward?ports=80&ports=81"
    received: dict[int, bytes] = {}
    with open_socket(cluster, path, "v4.channel.k8s.io") as connection:
        connection.send(b"\0" + GET)
        for message in everything(connection):
            assert isinstance(message, bytes)
            received[message[0]] = received.get(message[0], b"") + message[1:]
    assert received[0].startswith(b"\x50\0HTTP/1.1 200 OK\r\n")
    assert received[1] == b"\x50\0"
    assert received[2] == b"\x51\0"
    assert received[3].startswith(b"\x51\0error forwarding port 81 to pod ")


@pytest.mark.parametrize("query", ["", "?ports=", "?ports=0", "?ports=65536", "?ports=http"])
def test_forwarding_in_channels_wants_ports(cluster: Served, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket(cluster, f"{PODS}/box/portforward{query}", "v4.channel.k8s.io")
    assert refused.value.response.status_code == 400


def test_forwarding_through_a_tunnel(cluster: Served) -> None:
    spdy = SPDYConnection(client=True)
    connection = Tunnel(cluster)
    with connection.raw:
        streams = {}
        for request in ("0", "1"):
            for kind in ("error", "data"):
                streams[kind, request] = spdy.open({"streamType": kind, "port": "80", "requestID": request})
        wrong = spdy.open({"streamType": "data", "port": "no port", "requestID": "2"})
        for request in ("1", "0"):
            spdy.send(streams["data", request], GET, fin=True)
        connection.send(spdy.take())
        answers: dict[int, bytes] = {}
        ended: set[int] = set()
        resets: list[int] = []
        while len(ended) < 4:
            for event in spdy.receive(connection.receive()):
                if isinstance(event, DataReceived):
                    answers[event.stream] = answers.get(event.stream, b"") + event.data
                    ended |= {event.stream} if event.fin else set()
                elif isinstance(event, StreamReset):
                    resets.append(event.stream)
    assert resets == [wrong]
    for request in ("0", "1"):
        assert answers[streams["data", request]].startswith(b"HTTP/1.1 200 OK")
        assert answers[streams["error", request]] == b""


# Logs.


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", b"one\ntwo\n"),
        ("&tailLines=1", b"two\n"),
        ("&tailLines=0", b""),
        ("&limitBytes=5", b"one\nt"),
        ("&sinceTime=2999-01-01T00:00:00Z", b""),
    ],
)
def test_log_that_is_followed_begins_where_it_was_asked_to(cluster: Served, query: str, text: bytes) -> None:
    raw = cluster.connect()
    try:
        raw.sendall(
            f"GET {PODS}/box/log?container=box&follow=true{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        stream = raw.makefile("rb")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        while stream.readline() != b"\r\n":
            pass
        if text:
            size = int(stream.readline(), 16)
            assert stream.read(size) == text
        stream.close()
    finally:
        raw.close()
    wait_until(lambda: running("kubesim-log") == 0)


# Proxy.


def test_proxy_hands_on_method_headers_query_and_body(cluster: Served) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "echo"},
        "spec": {"containers": [{"name": "echo", "image": "traefik/whoami"}]},
    }
    assert cluster.ask("POST", PODS, pod).status == 201
    wait_until(lambda: cluster.ask("GET", f"{PODS}/echo").json["status"]["phase"] == "Running")
    answer = cluster.ask("PUT", f"{PODS}/echo:80/proxy/a%20b/c/?x=1&y=", b"body", {"x-mine": "yes"})
    text = answer.body.decode()
    assert answer.status == 200, text
    assert text.startswith("Hostname: echo\n")
    assert "\nPUT /a%20b/c/?x=1&y= HTTP/1.1\n" in text
    assert "\nX-Mine: yes\n" in text
    assert "\nX-Forwarded-Uri: /api/v1/namespaces/default/pods/echo:80/proxy/a%20b/c/\n" in text
    assert "Authorization" not in text


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("box:81/proxy/", 503, "error trying to reach service: dial tcp POD:81: connect: connection refused"),
        (
            "https:box:80/proxy/",
            503,
            "error trying to reach service: tls: first record does not look like a TLS handshake",
        ),
        ("ftp:box:80/proxy/", 400, 'invalid pod request "ftp:box:80"'),
        ("a:b:c:d/proxy/", 400, 'invalid pod request "a:b:c:d"'),
        ("nosuch:80/proxy/", 404, 'pods "nosuch" not found'),
    ],
)
def test_proxy_refusals(cluster: Served, path: str, status: int, message: str) -> None:
    ip = cluster.ask("GET", f"{PODS}/box").json["status"]["podIP"]
    answer = cluster.ask("GET", f"{PODS}/{path}")
    assert (answer.status, answer.json["message"].replace(ip, "POD")) == (status, message)


# The end.


def test_server_stops_with_conversations_going_on() -> None:
    with ExitStack() as open_ones:
        with served() as found:
            assert found.ask("POST", PODS, POD).status == 201
            wait_until(lambda: found.ask("GET", f"{PODS}/box").json["status"]["phase"] == "Running")
            path = command("sh", stdin="true", tty="true")
            shell = open_ones.enter_context(open_socket(found, path, "v5.channel.k8s.io"))
            open_ones.enter_context(Tunnel(found).raw)
            log = open_ones.enter_context(found.connect())
            log.sendall(f"GET {PODS}/box/log?container=box&follow=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert log.recv(12) == b"HTTP/1.1 200"
            assert shell.recv(timeout=20) == b"\1"
        wait_until(lambda: running("kubesim-command") + running("kubesim-log") == 0)
