"""Many threads on one cluster of one process: they write, read, watch and settle at once, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.cluster import make_cluster
from support.consistency import inconsistencies
from support.objects import pod_body, service_body

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import ENDPOINTS, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.cluster.containers import make_runtime
from kubesim.runtime.spec import Streams
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import SystemClock
from kubesim.util.ids import SystemIdentities

WRITERS, ROUNDS = 4, 12
PATIENCE = 60.0  # far more than it takes: who is not back by then never will be


@pytest.fixture(params=["memory", "sql"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    storage: Storage = MemoryStorage() if request.param == "memory" else SQLStorage(tmp_path / "cluster.db")
    made = make_cluster(storage, clock=SystemClock(), runtime=make_runtime, nodes=3, settle=True)
    yield made
    made.close()


class Crowd:
    """Threads that work until they are done, and threads that go on until those are."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.failures: list[BaseException] = []
        self._workers: list[threading.Thread] = []
        self._others: list[threading.Thread] = []

    def add(self, work: Callable[[], object]) -> None:
        self._workers.append(threading.Thread(target=self._guarded, args=(work,), daemon=True))

    def meanwhile(self, work: Callable[[], object]) -> None:
        """Again and again, until the workers are done."""

        def repeat() -> None:
            while not self.stop.is_set():
                work()

        self._others.append(threading.Thread(target=self._guarded, args=(repeat,), daemon=True))

    def run(self) -> None:
        for thread in (*self._others, *self._workers):
            thread.start()
        for thread in self._workers:
            thread.join(PATIENCE)
        self.stop.set()
        for thread in self._others:
            thread.join(PATIENCE)
        assert [t.name for t in (*self._others, *self._workers) if t.is_alive()] == []
        assert self.failures == []

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test judges
            self.failures.append(error)


def make_pod(cluster: Cluster, name: str, app: str) -> None:
    body = pod_body(name, {"app": app})
    body["spec"]["containers"] = [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}]
    cluster.client.create(PODS, body, "default")


def patched(cluster: Cluster, gvr: Any, name: str, change: dict[str, Any]) -> None:
    """Patch an object; somebody else may be at it, or have deleted it."""
    try:
        cluster.client.patch(gvr, name, change, MERGE_PATCH, "default")
    except StatusError as error:
        if error.code not in (404, 409):
            raise


def test_writers_readers_watchers_and_the_controllers_at_once(cluster: Cluster) -> None:
    crowd = Crowd()
    kept: list[set[str]] = [set() for _ in range(WRITERS)]
    watched: dict[str, str] = {}
    start = str(cluster.storage.revision())
    revisions, done = [0], []

    def write(number: int) -> None:
        chance = SystemIdentities(number)
        for turn in range(ROUNDS):
            name = f"w{number}-{turn}"
            kind = "NodePort" if turn % 3 else "ClusterIP"
            body = service_body(name, {"app": f"app-{chance.below(4)}"}, type=kind)
            cluster.client.create(SERVICES, body, "default")
            make_pod(cluster, name, f"app-{chance.below(4)}")
            kept[number].add(name)
            patched(cluster, SERVICES, name, {"metadata": {"labels": {"turn": str(turn)}}})
            patched(
                cluster, PODS, f"w{(number + 1) % WRITERS}-{turn}", {"metadata": {"labels": {"seen": "1"}}}
            )
            if turn % 4 == 3:
                gone = sorted(kept[number])[chance.below(len(kept[number]))]
                kept[number].discard(gone)
                cluster.client.delete(SERVICES, gone, "default")
                options = {"gracePeriodSeconds": 0}
                with suppress(StatusError):
                    cluster.client.delete(PODS, gone, "default", delete_options=options)
            if turn % 5 == 4:
                cluster.settle()
        done.append(number)
        if len(done) == WRITERS:
            cluster.client.create(SERVICES, service_body("last"), "default")

    def watch() -> None:
        for event in cluster.client.watch(SERVICES, "default", resource_version=start, timeout_seconds=60):
            metadata = event.object["metadata"]
            revision = int(metadata["resourceVersion"])
            assert revision > revisions[-1]
            revisions.append(revision)
            watched[metadata["name"]] = event.type
            if metadata["name"] == "last":
                return

    def read() -> None:
        for service in cluster.client.list(SERVICES, "default")["items"]:
            assert service["spec"]["clusterIP"]
        cluster.client.list(PODS, "default", label_selector="app=app-1")
        cluster.is_settled()

    for number in range(WRITERS):
        crowd.add(lambda number=number: write(number))
    crowd.add(watch)
    crowd.meanwhile(lambda: cluster.settle(budget=0.02))
    crowd.meanwhile(read)
    crowd.run()
    names = set().union(*kept)
    services = {s["metadata"]["name"] for s in cluster.client.list(SERVICES, "default")["items"]}
    assert services == {*names, "kubernetes", "last"}
    assert {n for n, kind in watched.items() if kind in ("ADDED", "MODIFIED")} == {*names, "last"}
    assert inconsistencies(cluster) == []
    pods = cluster.client.list(PODS, "default")["items"]
    assert {p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]} == names
    uids = [o["metadata"]["uid"] for gvr in (SERVICES, PODS) for o in cluster.client.list(gvr)["items"]]
    assert len(set(uids)) == len(uids)


def test_commands_in_containers_beside_the_controllers(cluster: Cluster) -> None:
    make_pod(cluster, "p", "web")
    cluster.client.create(SERVICES, service_body("web", {"app": "web"}), "default")
    cluster.settle()
    pod = cluster.client.get(PODS, "p", "default")
    crowd = Crowd()

    def session(number: int) -> None:
        for turn in range(8):
            streams, out, err = Streams.captured(b"line\n")
            script = (
                f"read x; echo $x > /tmp/s{number}-{turn}; curl -s -o /dev/null localhost/?s{number}-{turn}"
            )
            code = cluster.pods.exec(pod, "c", ["sh", "-c", script], streams)
            assert (code, bytes(out), bytes(err)) == (0, b"", b"")

    def churn() -> None:
        for turn in range(8):
            make_pod(cluster, f"other-{turn}", "web")

    for number in range(3):
        crowd.add(lambda number=number: session(number))
    crowd.add(churn)
    crowd.meanwhile(lambda: cluster.settle(budget=0.01))
    crowd.run()
    cluster.settle()
    streams, out, _ = Streams.captured()
    assert cluster.pods.exec(pod, "c", ["sh", "-c", "cat /tmp/s*-* | wc -l"], streams) == 0
    assert bytes(out).split() == [b"24"]
    from kubesim.kubelet.server import LogOptions

    log = cluster.pods.logs(pod, LogOptions())
    assert [log.count(f"GET /?s{n}-{t} ") for n in range(3) for t in range(8)] == [1] * 24
    assert inconsistencies(cluster) == []
    addresses = cluster.client.get(ENDPOINTS, "web", "default")["subsets"][0]["addresses"]
    assert len(addresses) == 9


def test_allocations_of_many_threads_are_never_shared(cluster: Cluster) -> None:
    """A range so small that everybody wants the same."""
    crowd = Crowd()
    got: list[str] = []

    def take(number: int) -> None:
        for turn in range(15):
            body = service_body(f"s{number}-{turn}", {"app": "x"}, type="NodePort")
            made = cluster.client.create(SERVICES, body, "default")
            got.append(made["spec"]["clusterIP"])
            got.append(str(made["spec"]["ports"][0]["nodePort"]))

    for number in range(4):
        crowd.add(lambda number=number: take(number))
    crowd.run()
    assert len(set(got)) == len(got) == 120
    assert cluster.repair() == []


def test_old_revisions_are_dropped_while_others_work(cluster: Cluster) -> None:
    from datetime import timedelta

    crowd = Crowd()
    age = timedelta(0)

    def write(number: int) -> None:
        for turn in range(25):
            name = f"s{number}-{turn % 5}"
            if turn < 5:
                cluster.client.create(SERVICES, service_body(name, {"app": "x"}), "default")
            else:
                patched(cluster, SERVICES, name, {"metadata": {"labels": {"turn": str(turn)}}})

    for number in range(3):
        crowd.add(lambda number=number: write(number))
    crowd.meanwhile(lambda: cluster.settle(budget=0.02))
    crowd.meanwhile(lambda: cluster.compact(older_than=age, beyond=5))
    crowd.run()
    assert inconsistencies(cluster) == []
    assert cluster.compact(older_than=age, beyond=5) == cluster.storage.oldest_revision() > 50
    assert len(cluster.client.list(SERVICES, "default")["items"]) == 16
