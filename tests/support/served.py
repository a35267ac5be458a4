"""A cluster that is served over HTTP on loopback, and small clients that say what no library would."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kubesim.apimachinery.rest import ADMIN, UserInfo
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.controlplane import ControlPlane
from kubesim.storage.memory import MemoryStorage


class Everybody:
    """Takes everybody for the administrator: what authentication does is not asked here."""

    def authenticate(self, headers: Mapping[str, str], certificate: bytes | None) -> UserInfo | None:
        return ADMIN


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A cluster with its control plane, and the address at which it answers plain HTTP."""

    def __init__(self, cluster: Cluster, plane: ControlPlane, url: str) -> None:
        self.cluster = cluster
        self.plane = plane
        self.url = url
        self.host, self.port = urlsplit(url).hostname or "", urlsplit(url).port or 0

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            given = {"content-type": "application/json"} if isinstance(body, dict) else {}
            connection.request(method, path, data, {**given, **(headers or {})})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A connection on which nothing has been said."""
        return socket.create_connection((self.host, self.port), timeout=20)

    @contextmanager
    def watch(self, path: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a watch as they come."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            yield (json.loads(line) for line in answer)
        finally:
            connection.close()


@contextmanager
def served(*, nodes: int = 1, patience: float | None = None) -> Iterator[Served]:
    """A new cluster in memory, served until the block ends."""
    cluster = build(ClusterConfig(nodes=nodes), MemoryStorage(), runtime=make_runtime)
    cluster.settle()
    plane = ControlPlane(cluster, patience=patience)
    plane.start()
    try:
        yield Served(cluster, plane, plane.serve(authenticator=Everybody(), tls=False))
    finally:
        plane.stop()
        cluster.close()
