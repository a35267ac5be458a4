"""A cluster whose Services are opened on loopback, and clients that behave as no good one would."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import EVENTS, PODS, SERVICES
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.edge import Edge
from kubesim.network.edge.server import Opening
from kubesim.storage.memory import MemoryStorage
from kubesim.util.clock import SystemClock
from kubesim.util.jsontypes import JSONObject

SECONDS = 10.0
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"


class Open:
    """A cluster whose Services are open on this computer. Nothing runs its controllers but `settle`."""

    def __init__(self, cluster: Cluster, plane: ControlPlane, edge: Edge) -> None:
        self.cluster = cluster
        self.plane = plane
        self.edge = edge
        self.client = cluster.client

    def settle(self) -> None:
        self.cluster.settle()
        self.edge.catch_up()

    def pod(
        self, name: str, image: str, *args: str, labels: dict[str, str] | None = None, **spec: Any
    ) -> None:
        container = {"name": "c", "image": image, **({"args": list(args)} if args else {})}
        body = {
            "metadata": {"name": name, "labels": labels or {"app": name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
        }
        self.client.create(PODS, body, "default")
        self.settle()

    def service(self, name: str, *ports: JSONObject, type: str = "NodePort", **spec: Any) -> JSONObject:  # noqa: A002
        spec = {"type": type, "selector": {"app": name}, "ports": list(ports), **spec}
        self.client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")
        self.settle()
        return self.client.get(SERVICES, name, "default")

    def change(self, name: str, spec: JSONObject) -> None:
        self.client.patch(SERVICES, name, {"spec": spec}, MERGE_PATCH, "default")
        self.settle()

    def opening(self, name: str, kind: str = "NodePort", port: int | None = None) -> Opening:
        [found] = [
            o
            for o in self.edge.openings
            if (o.exposure.name, o.exposure.kind) == (name, kind) and port in (None, o.exposure.port)
        ]
        return found

    def connect(self, name: str, *, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.opening(name, port=port).port), timeout=SECONDS)

    def log(self, pod: str) -> str:
        """What its container has logged, once the edge has kept it."""
        self.edge._server._dialler.flush()
        answer = self.client.request("GET", f"/api/v1/namespaces/default/pods/{pod}/log", accept="*/*")
        return answer.body.decode() if isinstance(answer.body, bytes) else str(answer.body)

    def events(self, name: str) -> list[tuple[str, str]]:
        found = self.client.list(EVENTS, "default")["items"]
        return [(e["reason"], e["message"]) for e in found if e["involvedObject"]["name"] == name]


def own_node_ports() -> tuple[int, int]:
    """A range of node ports that no other process of a test run opens on this computer."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = max(number + 1, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    share = (32768 - 30000) // count
    return 30000 + number * share, 30000 + (number + 1) * share - 1


@contextmanager
def opened(*, nodes: int = 2, **config: Any) -> Iterator[Open]:
    """A new cluster in memory whose Services are open until the block ends."""
    settings = {"node_port_range": own_node_ports(), **config}
    cluster = build(ClusterConfig(nodes=nodes, **settings), MemoryStorage(), runtime=make_runtime)
    cluster.settle()
    plane = ControlPlane(cluster)
    try:
        yield Open(cluster, plane, plane.serve_edge())
    finally:
        plane.stop()
        cluster.close()


def curl(*words: str, timeout: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """The host's real curl."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("there is no curl here")
    command = [program, "-sS", "--noproxy", "*", "-m", str(timeout), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout * 2, check=False)


def until(condition: Callable[[], object], what: str = "it") -> None:
    clock = SystemClock()
    end = clock.monotonic() + SECONDS
    while not condition():
        assert clock.monotonic() < end, f"{what} did not come about"
        clock.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    found = bytearray()
    while data := connection.recv(65536):
        found += data
    return bytes(found)


def read_until_reset(connection: socket.socket) -> None:
    """Read what there is, until the other side ends it by force. Raises ConnectionError."""
    while connection.recv(65536):
        continue


def take_port(taken: socket.socket, numbers: Iterable[int]) -> int:
    """Listen on the first of these ports that is free; its number."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for number in numbers:
        with suppress(OSError):
            taken.bind(("127.0.0.1", number))
            taken.listen()
            return number
    raise OSError("no port is free")
