"""`from kubesim import Cluster` in a test: what a new cluster costs, and what the import does."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.bench.measure import Measurement, cost_of, median_cost, run

TIMES = 20
TARGET_MS = 20
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: nginx}]}\n"


def measure() -> list[Measurement]:
    from kubesim import Cluster

    def new() -> None:
        Cluster().close()

    def with_pod() -> None:
        with Cluster() as cluster:
            cluster.apply(POD)
            cluster.wait("pod/web", "condition=Ready")

    with_pod()
    bare = run([sys.executable, "-c", "pass"])
    loaded = run([sys.executable, "-c", "from kubesim import Cluster"])
    return [
        _row("a new `Cluster()` in a test, after import", new, target=TARGET_MS),
        _row("the same, a Pod applied and ready in it", with_pod),
        Measurement(
            "a Python that imports `kubesim.Cluster`",
            loaded.cpu * 1000,
            "ms",
            "python -c pass",
            bare.cpu * 1000,
            wall=loaded.wall * 1000,
        ),
    ]


def _row(what: str, work: Callable[[], None], *, target: float | None = None) -> Measurement:
    found = median_cost([cost_of(work) for _ in range(TIMES)])
    return Measurement(what, found.cpu * 1000, "ms", target=target, wall=found.wall * 1000)
