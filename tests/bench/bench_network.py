"""The simulated network: a request from a Pod through a Service to another Pod, in a process that is warm.

Beside the whole request stand its parts: the way of the packet alone, and the server's answer alone.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.runtime.http1 import HTTPRequest
from kubesim.runtime.network_view import NetworkView
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import FrozenClock, SystemClock
from tests.bench.measure import Measurement

TURNS, REQUESTS = 5, 2000
MICROSECONDS = 150
OTHERS = 1000
"""Services that have nothing to do with it: a packet's way does not depend on how many there are."""


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        storage = SQLStorage(Path(folder) / "cluster.db")
        clock = FrozenClock(SystemClock().now())
        cluster = build(ClusterConfig(), storage, clock=clock, runtime=make_runtime)
        cluster.settle()
        _pod(cluster, "web", "node-1", "nginx", None)
        _pod(cluster, "client", "node-2", "busybox", ["sleep", "3600"])
        cluster.settle()
        clock.advance(timedelta(seconds=10))
        cluster.settle()
        address = _service(cluster, "web", {"app": "web"})
        few = _one(cluster, address)
        way, answer = _parts(cluster, address)
        for number in range(OTHERS):
            _service(cluster, f"other-{number}", None)
        many = _one(cluster, address)
        cluster.close()
    return [
        Measurement("a request Pod → cluster IP → Pod", few, "µs", target=MICROSECONDS),
        Measurement("the way of its packet alone", way, "µs"),
        Measurement("the answer of nginx alone", answer, "µs"),
        Measurement(f"with {OTHERS:,} other Services", many, "µs", "without", few, target_ratio=1.3),
    ]


def _one(cluster: Cluster, address: str) -> float:
    view = _view(cluster)
    headers = [("Host", address), ("User-Agent", "bench"), ("Accept", "*/*")]

    def request() -> None:
        found = view.connect(address, 80).http(HTTPRequest("GET", "/", headers))
        if found.status != 200:
            raise RuntimeError(f"status {found.status}")

    return _microseconds(request)


def _parts(cluster: Cluster, address: str) -> tuple[float, float]:
    view = _view(cluster)
    connection = view.connect(address, 80)
    request = HTTPRequest("GET", "/", [("Host", address)])
    return _microseconds(lambda: view.connect(address, 80)), _microseconds(lambda: connection.http(request))


def _microseconds(call: Callable[[], object]) -> float:
    """CPU time of one call, the median of some turns."""
    found = []
    for _ in range(TURNS):
        call()
        start = time.process_time()
        for _ in range(REQUESTS):
            call()
        found.append((time.process_time() - start) / REQUESTS * 1e6)
    return statistics.median(found)


def _view(cluster: Cluster) -> NetworkView:
    status = cluster.client.get(PODS, "client", "default")["status"]["containerStatuses"][0]
    runtime = cluster.runtime
    if runtime is None:
        raise RuntimeError("a cluster without containers")
    return runtime.machine(status["containerID"].rpartition("//")[2]).network


def _pod(cluster: Cluster, name: str, node: str, image: str, args: list[str] | None) -> None:
    container: dict[str, Any] = {"name": "c", "image": image} | ({"args": args} if args else {})
    metadata = {"name": name, "labels": {"app": name}}
    spec = {"nodeName": node, "containers": [container]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    cluster.client.create(PODS, body, "default")


def _service(cluster: Cluster, name: str, selector: dict[str, str] | None) -> str:
    spec: dict[str, Any] = {"ports": [{"port": 80}]} | ({"selector": selector} if selector else {})
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
    made = cluster.client.create(SERVICES, body, "default")
    cluster.settle()
    return str(made["spec"]["clusterIP"])
