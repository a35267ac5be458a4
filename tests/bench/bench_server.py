"""The API server over HTTPS: requests a second, lists, watches, memory.

The load comes from another process over 32 connections that are kept alive. Beside ours stands Starlette on uvicorn with
a handler that does nothing, over TLS, under the same load: what this stack can do at all. The load and the server share
the machine's two cores.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.http_load import load
from tests.bench.measure import Measurement

GETS, CREATES, LISTS = 8000, 10_000, 20
WATCHERS, IDLE = 100, 1000
POD = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod-%d", "labels": {"app": "bench"}},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]},
    }
)
CONFIG_MAP = json.dumps(
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-%d"}, "data": {"a": "b"}}
)
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@dataclass(slots=True)
class Server:
    """A server in another process, and how to reach it."""

    process: subprocess.Popen[str]
    settings: dict[str, Any]

    def ask(self, word: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def load(self, **how: Any) -> dict[str, Any]:
        found = load(**{"host": "127.0.0.1", "connections": 32, **self.settings, **how})
        wrong = [s for s, _ in found["statuses"] if s >= 300]
        if wrong:
            raise RuntimeError(f"answers: {found['statuses']}")
        return found

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.settings["ca"])
        if self.settings.get("cert"):
            context.load_cert_chain(self.settings["cert"], self.settings["key"])
        plain = socket.create_connection(("127.0.0.1", self.settings["port"]))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as every HTTP client does
        return context.wrap_socket(plain, server_hostname="127.0.0.1")


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server of ours in another process, until the block ends."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(30)


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder, running("tests.bench.served_cluster", folder) as process:
        assert process.stdout
        server = Server(process, json.loads(process.stdout.readline()))
        with _trivial(folder, server) as trivial:
            rows = [_idle(server), *_requests(server, trivial)]
        rows += _watches(server)
        rows += _many_pods(server)
        return rows


@contextlib.contextmanager
def _trivial(folder: str, server: Server) -> Iterator[Server]:
    """The trivial server with a certificate of the same authority: it takes the administrator's for its own."""
    chain, key = Path(folder, "trivial.crt"), Path(folder, "trivial.key")
    subprocess.run(
        [sys.executable, "-m", "tests.bench.server_certificate", folder, str(chain), str(key)], check=True
    )
    with running("tests.bench.trivial_server", str(chain), str(key)) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        yield Server(process, {"port": port, "ca": server.settings["ca"]})


def _idle(server: Server) -> Measurement:
    time.sleep(1.0)
    return Measurement("resident memory, idle", int(server.ask("rss")) / 1024, "MiB", target=110)


def _requests(server: Server, trivial: Server) -> list[Measurement]:
    path = "/api/v1/namespaces/default/services/kubernetes"
    gets, limits, posts, creates = [], [], [], []
    for turn in range(3):
        gets.append(server.load(count=GETS, path=path)["rate"])
        limits.append(trivial.load(count=GETS, path=path)["rate"])
        posts.append(trivial.load(count=GETS, path=path, method="POST", body=POD)["rate"])
        how = {"count": 1000, "method": "POST", "path": CONFIG_MAPS, "body": CONFIG_MAP}
        creates.append(server.load(first=turn * 1000, **how)["rate"])
    limit, post = statistics.median(limits), statistics.median(posts)
    first, *_, last = _create_pods(server)
    server.ask("settle")
    lists = server.load(count=LISTS, connections=1, path=f"{PODS}?limit=1000")
    name = "Starlette, a trivial handler"
    return [
        Measurement(
            "GET of a Service", statistics.median(gets), "/s", name, limit, target=3000, at_least=True
        ),
        Measurement("create a ConfigMap", statistics.median(creates), "/s", name, post),
        Measurement(
            "create a Pod, the first 1,000 of 10,000, controllers at work",
            first, "/s", name, post, target=1000, at_least=True,
        ),
        Measurement(
            "create a Pod, the last 1,000 of 10,000",
            last, "/s", "the first 1,000", first, target_ratio=0.8, at_least=True,
        ),
        Measurement("list 1,000 of 10,000 Pods", 1000 * lists["seconds"] / LISTS, "ms", target=40),
    ]  # fmt: skip


def _create_pods(server: Server) -> list[float]:
    how = {"count": 1000, "method": "POST", "path": PODS, "body": POD}
    return [server.load(first=at, **how)["rate"] for at in range(0, CREATES, 1000)]


def _many_pods(server: Server) -> list[Measurement]:
    return [
        Measurement("resident memory, 10,000 Pods that run", int(server.ask("rss")) / 1024, "MiB", target=350)
    ]


def _watches(server: Server) -> list[Measurement]:
    before = int(server.ask("rss"))
    watches = [_watch(server) for _ in range(IDLE)]
    time.sleep(1.0)
    each = (int(server.ask("rss")) - before) / IDLE
    for connection in watches[WATCHERS:]:
        connection.close()
    delays = [_delay(server, watches[:WATCHERS], number) for number in range(20)]
    for connection in watches[:WATCHERS]:
        connection.close()
    return [
        Measurement("memory of each of 1,000 idle watches", each, "KiB", target=50),
        Measurement("from a write to the 50th of 100 watchers", statistics.median(delays), "ms", target=20),
    ]


def _watch(server: Server) -> ssl.SSLSocket:
    connection = server.connect()
    path = "/api/v1/namespaces/kube-public/configmaps?watch=1&resourceVersion=0"
    connection.sendall(f"GET {path}&timeoutSeconds=600 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while b'"type":"ADDED"' not in data:
        data += connection.recv(65536)
    return connection


def _delay(server: Server, watches: list[ssl.SSLSocket], number: int) -> float:
    """Milliseconds from sending a write until the middle one of the watchers has its event."""
    import threading

    done: list[float] = []

    def listen(connection: ssl.SSLSocket) -> None:
        data = b""
        while f'"name":"w-{number}"'.encode() not in data:
            data += connection.recv(65536)
        done.append(time.perf_counter())

    threads = [threading.Thread(target=listen, args=(w,)) for w in watches]
    for thread in threads:
        thread.start()
    connection = server.connect()
    body = CONFIG_MAP.replace("c-%d", f"w-{number}").encode()
    head = f"POST /api/v1/namespaces/kube-public/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    start = time.perf_counter()
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    for thread in threads:
        thread.join()
    connection.close()
    return 1000 * (sorted(done)[len(done) // 2] - start)
