"""One served cluster for the tests of a module, and a namespace of its own for each test."""

from __future__ import annotations

import gc
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kubesim import Cluster
from kubesim.embedded.serving import Served

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test works: the cluster, how clients reach it, and a namespace."""

    cluster: Cluster
    server: Served
    namespace: str

    @property
    def kubeconfig(self) -> str:
        return str(self.server.kubeconfig)


@pytest.fixture(autouse=True)
def _leave_nothing_behind() -> Iterator[None]:
    """Client libraries leave sockets to the garbage collector, which comes now, and not in somebody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Cluster, Served]]:
    with Cluster(nodes=2) as cluster, cluster.serve() as server:
        yield cluster, server


@pytest.fixture
def place(served: tuple[Cluster, Served]) -> Place:
    cluster, server = served
    namespace = f"test-{next(_numbers)}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return Place(cluster, server, namespace)
