"""How long it takes to derive Endpoints and EndpointSlices: 1,000 Services over 10,000 Pods, and one Pod's
change.

`python tests/bench/bench_endpoints.py [SERVICES] [PODS]` prints one line a measurement, with its bound.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.controllers.matching import match_all
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import SystemClock, format_time
from kubesim.util.jsontypes import encode

BOUND_ALL = 2.5
BOUND_MATCHING = 0.2
BOUND_IDLE = 0.001
DERIVERS = ("endpoints-controller", "endpointslice-controller")


def pod(number: int, services: int, now: str) -> dict[str, Any]:
    address = f"10.{244 + number // 65025}.{number // 255 % 255}.{number % 255 + 1}"
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "creationTimestamp": now,
            "labels": {"app": f"svc-{number % services}", "tier": "web", "pod": f"pod-{number}"},
            "annotations": {"example.com/kubelet-hold": "y"},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
            ],
        },
        "status": {
            "phase": "Running",
            "qosClass": "BestEffort",
            "conditions": [ready],
            "podIP": address,
            "podIPs": [{"ip": address}],
        },
    }


def service(number: int, now: str) -> dict[str, Any]:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": f"svc-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-4000-9000-{number:012d}",
            "creationTimestamp": now,
        },
        "spec": {
            "selector": {"app": f"svc-{number}", "tier": "web"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "clusterIP": f"10.97.{number // 250}.{number % 250 + 1}",
            "ipFamilies": ["IPv4"],
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def filled(storage: Storage, services: int, pods: int) -> Cluster:
    """A settled cluster in which these Services and Pods have just appeared."""
    cluster = build(ClusterConfig(seed="bench", nodes=1), storage)
    cluster.settle()
    now = format_time(SystemClock().now())
    with storage.transaction() as tx:
        for gvr, objects in (
            (SERVICES, [service(i, now) for i in range(services)]),
            (PODS, [pod(i, services, now) for i in range(pods)]),
        ):
            resource = cluster.scheme.by_resource(gvr)
            assert resource is not None
            for obj in objects:
                metadata = obj["metadata"]
                key = key_of(gvr, metadata["namespace"], metadata["name"])
                tx.create(key, encode(obj), indexes_of(resource, obj))
    return cluster


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def say(what: str, seconds: float, bound: float | None = None) -> None:
    limit = f"  (bound {bound * 1000:.0f} ms: {'ok' if seconds <= bound else 'MISSED'})" if bound else ""
    print(f"{what:<62}{seconds * 1000:>10.2f} ms{limit}")


def main(services: int = 1_000, pods: int = 10_000) -> None:
    labels = [pod(i * 7919 % pods, services, "")["metadata"]["labels"] for i in range(pods)]
    selectors = {i: service(i, "")["spec"]["selector"] for i in range(services)}
    say(
        f"matching {services} Services with {pods} Pods",
        timed(lambda: match_all(selectors, labels)),
        BOUND_MATCHING,
    )
    with tempfile.TemporaryDirectory() as directory:
        measure("in memory", MemoryStorage(), services, pods)
        measure("in SQLite", SQLStorage(Path(directory) / "bench.db"), services, pods)


def measure(where: str, storage: Storage, services: int, pods: int) -> None:
    cluster = filled(storage, services, pods)
    seconds = timed(lambda: cluster.settle(only=DERIVERS))
    say(f"endpoints and slices of all, stored {where}", seconds, BOUND_ALL)
    say(f"every other controller, {where}", timed(cluster.settle))
    say(f"nothing to do, {where}", min(timed(cluster.settle) for _ in range(20)), BOUND_IDLE)
    for status in ("False", "True"):
        changed = cluster.client.get(PODS, "pod-7", "default")
        changed["status"]["conditions"][0]["status"] = status
        cluster.client.update(PODS, changed, "default", subresource="status")
        say(f"one Pod is {'ready' if status == 'True' else 'not ready'}, {where}", timed(cluster.settle))
    cluster.close()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
