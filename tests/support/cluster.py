"""A whole cluster for tests: real parts on the store in memory, at a time that stands still."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubesim.cluster.build import Cluster, RuntimeFactory, build
from kubesim.cluster.config import ClusterConfig
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.util.clock import Clock, FrozenClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_cluster(
    storage: Storage | None = None,
    *,
    clock: Clock | None = None,
    runtime: RuntimeFactory | None = None,
    settle: bool = False,
    seed: str | None = "test",
    **config: Any,
) -> Cluster:
    """A new cluster; `config` are fields of `ClusterConfig`. `settle` runs the controllers once.

    Without `settle` there are no ServiceAccounts yet: Pods are refused until there are. Without a `runtime`
    (`kubesim.cluster.containers.make_runtime`) no kubelet runs: Pods get a node, and that is all.
    """
    cluster = build(
        ClusterConfig(seed=seed, **{"nodes": 1, **config}),
        storage or MemoryStorage(),
        clock=clock or FrozenClock(START),
        runtime=runtime,
    )
    if settle:
        cluster.settle()
    return cluster
