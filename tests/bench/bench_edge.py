"""A node port as a real socket: requests a second over connections that are kept alive, and connections a second.

The load comes from another process. Beside ours stands a server of asyncio that answers the same bytes without looking at
the request: what sockets and loop can do at all.
"""

from __future__ import annotations

import json
import socket
import statistics
import tempfile
import time

from tests.bench.bench_server import running
from tests.bench.http_load import load
from tests.bench.measure import Measurement

CONNECTIONS, REQUESTS, TURNS, NEW = 64, 10_000, 3, 2000
REQUESTS_A_SECOND = 1500


def measure() -> list[Measurement]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running("tests.bench.served_edge", folder) as process,
    ):
        assert process.stdout
        ports = json.loads(process.stdout.readline())
        rates, limits = [], []
        for _ in range(TURNS):
            rates.append(_rate(ports["edge"]))
            limits.append(_rate(ports["fixed"]))
        fresh = _connections(ports["edge"])
    return [
        Measurement(
            f"node port, {CONNECTIONS} connections",
            statistics.median(rates),
            "requests/s",
            "asyncio alone",
            statistics.median(limits),
            target=REQUESTS_A_SECOND,
            at_least=True,
        ),
        Measurement("node port, a connection for each request", fresh, "requests/s"),
    ]


def _rate(port: int) -> float:
    found = load(host="127.0.0.1", port=port, connections=CONNECTIONS, count=REQUESTS, path="/")
    if found["statuses"] != [[200, REQUESTS]]:
        raise RuntimeError(f"answers: {found['statuses']}")
    return float(found["rate"])


def _connections(port: int) -> float:
    start = time.perf_counter()
    for _ in range(NEW):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while client.recv(65536):
                pass
    return NEW / (time.perf_counter() - start)
