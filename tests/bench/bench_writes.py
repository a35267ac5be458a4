"""How many Services a second go the whole way: decode, default, admit, allocate, validate, store, on a real file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kubesim.client.resources import SERVICES
from kubesim.cluster.build import build
from kubesim.cluster.config import ClusterConfig
from kubesim.storage.sql import SQLStorage
from kubesim.util.jsontypes import encode
from tests.bench.measure import Measurement, cost_of, median_cost

TARGET = 1_500
BATCH = 2_000
ROUNDS = 5
SINGLE = 300


def draft(name: str) -> dict[str, Any]:
    """A Service as a manifest has it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as directory:
        storage = SQLStorage(Path(directory) / "cluster.db")
        cluster = build(ClusterConfig(nodes=1), storage)
        cluster.settle()

        def create(names: Iterable[str]) -> None:
            for name in names:
                cluster.client.create(SERVICES, draft(name), "default")

        def create_together(prefix: str, number: int) -> None:
            with cluster.client.batch():
                create(f"{prefix}-{n}" for n in range(number))

        def limit(prefix: str) -> None:
            value = encode(cluster.client.get(SERVICES, "warm-0", "default"))
            with storage.transaction() as tx:
                for n in range(BATCH):
                    entries = [
                        ("label", f"app={n}"),
                        ("field", "spec.type=ClusterIP"),
                        ("selecting", f"app={n}"),
                    ]
                    tx.create(f"/registry/limit/{prefix}-{n}", value, entries)

        create_together("warm", SINGLE)
        batches, limits, singles = [], [], []
        for turn in range(ROUNDS):
            batches.append(cost_of(lambda turn=turn: create_together(f"batch-{turn}", BATCH)))
            limits.append(cost_of(lambda turn=turn: limit(f"batch-{turn}")))
            names = [f"single-{turn}-{n}" for n in range(SINGLE)]
            singles.append(cost_of(lambda names=names: create(names)))
        cluster.close()
    stored = BATCH / median_cost(limits).cpu
    batch, single = median_cost(batches), median_cost(singles)
    return [
        Measurement(
            f"Service creates, whole pipeline, batches of {BATCH:,}",
            BATCH / batch.cpu,
            "/s",
            "the store alone",
            stored,
            target=TARGET,
            at_least=True,
            wall=BATCH / batch.wall,
        ),
        Measurement(
            "Service creates, whole pipeline, one by one",
            SINGLE / single.cpu,
            "/s",
            "the store alone, in batches",
            stored,
            wall=SINGLE / single.wall,
        ),
    ]
