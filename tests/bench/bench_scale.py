"""Whether reading a little costs the same in a large cluster: 100,000 Pods beside 1,000."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from kubesim.client.resources import PODS
from kubesim.cluster.build import Cluster
from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster
from kubesim.controllers.workstate import WorkState
from kubesim.util.clock import SystemClock, format_time
from tests.bench import objects
from tests.bench.measure import Measurement, cpu_of, kubesim, run_once

FEW, MANY = 1_000, 100_000
TARGET_RATIO = 1.5
SELECTED = 10
CALLS = 100
ROUNDS = 25
RUNS = 15


def measure() -> list[Measurement]:
    """Both clusters in turn, so that what else the machine does falls on both alike."""
    with tempfile.TemporaryDirectory() as few_home, tempfile.TemporaryDirectory() as many_home:
        few, many = _filled(Path(few_home), FEW), _filled(Path(many_home), MANY)
        ways = [(what, few_call, _calls(many)[what], ROUNDS) for what, few_call in _calls(few).items()]
        rows = [_compared(*way) for way in ways]
        few.close()
        many.close()
        for words in (("get", "pod", "pod-77"), ("get", "pods", "-l", "app=svc-7")):
            few_run, many_run = _command(few_home, words), _command(many_home, words)
            rows.append(_compared(f"`kubesim {' '.join(words)}`", few_run, many_run, RUNS))
    return rows


def _compared(what: str, few: Callable[[], float], many: Callable[[], float], rounds: int) -> Measurement:
    found = [(few(), many()) for _ in range(rounds + 1)][1:]
    small, large = (statistics.median(column) * 1000 for column in zip(*found, strict=True))
    return Measurement(
        f"{MANY:,} Pods: {what}", large, "ms", f"{FEW:,} Pods", small, target_ratio=TARGET_RATIO
    )


def _filled(home: Path, pods: int) -> Cluster:
    cluster = open_cluster(Home(home), "default")
    now = format_time(SystemClock().now())
    objects.put(cluster, PODS, (objects.pod(n, pods // SELECTED, now) for n in range(pods)))
    # The controllers have nothing to do with what is read here, and a good while to do with so many Pods.
    WorkState(cluster.state).save((), {"*": cluster.storage.revision()})
    return cluster


def _calls(cluster: Cluster) -> dict[str, Callable[[], float]]:
    """CPU seconds of reading in this process."""
    client = cluster.client
    assert len(client.list(PODS, "default", label_selector="app=svc-7")["items"]) == SELECTED

    def get() -> None:
        for n in range(CALLS):
            client.get(PODS, f"pod-{n}", "default")

    def select() -> None:
        for n in range(CALLS):
            client.list(PODS, "default", label_selector=f"app=svc-{n}")

    return {
        f"{CALLS} gets by name, in process": lambda: cpu_of(get),
        f"{CALLS} lists of {SELECTED} by label, in process": lambda: cpu_of(select),
    }


def _command(home: str, words: tuple[str, ...]) -> Callable[[], float]:
    """CPU seconds of a command in a process of its own."""
    return lambda: run_once(kubesim(*words), env={"KUBESIM_HOME": home, "KUBESIM_AUTOSTART": "0"}).cpu
