"""How long it takes to derive Endpoints and EndpointSlices: 1,000 Services over 10,000 Pods, and one
Pod's change.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.controllers.matching import match_all
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import SystemClock, format_time
from tests.bench import objects
from tests.bench.measure import Cost, Measurement, cost_of, cpu_of, median_cost, median_cpu

SERVICE_COUNT, POD_COUNT = 1_000, 10_000
ALL_TARGET, MATCHING_TARGET = 2.5, 0.2
SETTLED_TARGET_MS = 1
DERIVERS = ("endpoints-controller", "endpointslice-controller")
_PAIRWISE_SERVICES = 100


def measure() -> list[Measurement]:
    rows = [_matching()]
    with tempfile.TemporaryDirectory() as directory:
        places: list[tuple[str, Storage]] = [
            (f"stored in SQLite, {turn}", SQLStorage(Path(directory) / f"{turn}.db")) for turn in range(3)
        ]
        places.append(("in memory", MemoryStorage()))
        found = {where: _derive(storage) for where, storage in places}
        in_file = [figures for where, figures in found.items() if "SQLite" in where]
        small = _one_change(Path(directory) / "small.db", 100, 1_000)
    in_memory = found["in memory"]
    everything = median_cost(figures[0] for figures in in_file)
    change, settled = (statistics.median(figures[i] for figures in in_file) for i in (1, 2))
    what = f"{SERVICE_COUNT:,} Services x {POD_COUNT:,} Pods"
    return [
        Measurement(
            f"{what}: all endpoints and slices, stored in SQLite",
            everything.cpu,
            "s",
            "stored in memory",
            in_memory[0].cpu,
            target=ALL_TARGET,
            wall=everything.wall,
        ),
        *rows,
        Measurement(
            f"{what}: one Pod's readiness", change * 1000, "ms", "a tenth of the cluster", small * 1000
        ),
        Measurement(f"{what}: settle, nothing to do", settled * 1000, "ms", target=SETTLED_TARGET_MS),
        Measurement("memory of the process that has had four such clusters", _memory(), "MB"),
    ]


def _matching() -> Measurement:
    """The matching alone; its peer compares every pair, measured on a part and multiplied."""
    labels = [
        objects.pod(i * 7919 % POD_COUNT, SERVICE_COUNT, "")["metadata"]["labels"] for i in range(POD_COUNT)
    ]
    selectors = {i: objects.service(i, "")["spec"]["selector"] for i in range(SERVICE_COUNT)}
    few = list(selectors.values())[:_PAIRWISE_SERVICES]

    def pair_by_pair() -> list[list[int]]:
        return [
            [n for n, have in enumerate(labels) if all(have.get(k) == v for k, v in s.items())] for s in few
        ]

    return Measurement(
        f"{SERVICE_COUNT:,} Services x {POD_COUNT:,} Pods: the matching itself",
        median_cpu(lambda: match_all(selectors, labels), 5),
        "s",
        "pair by pair",
        cpu_of(pair_by_pair) * SERVICE_COUNT / _PAIRWISE_SERVICES,
        target=MATCHING_TARGET,
    )


def filled(storage: Storage, services: int, pods: int) -> Cluster:
    """A settled cluster in which these Services and Pods have just appeared."""
    cluster = build(ClusterConfig(seed="bench", nodes=1), storage)
    cluster.settle()
    now = format_time(SystemClock().now())
    objects.put(cluster, SERVICES, (objects.service(i, now) for i in range(services)))
    objects.put(cluster, PODS, (objects.pod(i, services, now) for i in range(pods)))
    return cluster


def _derive(storage: Storage) -> tuple[Cost, float, float]:
    """What the derivation of everything costs; CPU seconds of one Pod's change, and of nothing to do."""
    cluster = filled(storage, SERVICE_COUNT, POD_COUNT)
    everything = cost_of(lambda: cluster.settle(only=DERIVERS))
    cluster.settle()
    change = _change(cluster)
    settled = median_cpu(cluster.settle, 20)
    cluster.close()
    return everything, change, settled


def _one_change(path: Path, services: int, pods: int) -> float:
    cluster = filled(SQLStorage(path), services, pods)
    cluster.settle()
    change = _change(cluster)
    cluster.close()
    return change


def _change(cluster: Cluster) -> float:
    """What the controllers do when one Pod is ready no more, and ready again."""
    turns = []
    for status in itertools.islice(itertools.cycle(("False", "True")), 10):
        pod = cluster.client.get(PODS, "pod-7", "default")
        pod["status"]["conditions"][0]["status"] = status
        cluster.client.update(PODS, pod, "default", subresource="status")
        turns.append(cpu_of(cluster.settle))
    return statistics.median(turns)


def _memory() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024 * 1024 if sys.platform == "darwin" else 1024)
