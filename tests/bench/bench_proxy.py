"""kube-proxy: the rules of 1,000 Services x 10,000 endpoints, one endpoint's change, and a packet's way through them."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.resources import ENDPOINT_SLICES, SERVICES
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.proxy import Catalog, NodeProxy, Packet, StateAffinity
from kubesim.proxy.chains import PortRules
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.ids import SystemIdentities
from kubesim.util.state import MemoryState
from tests.bench import objects
from tests.bench.measure import Measurement, cost_of, cpu_of

SERVICE_COUNT, ENDPOINT_COUNT = 1_000, 10_000
BUILD_TARGET, CHANGE_TARGET_MS, WALK_TARGET_US = 2.0, 5.0, 50.0
NODE = "node-1"
_WALKS = 5_000


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as directory:
        cluster = _filled(SQLStorage(Path(directory) / "a.db"), SERVICE_COUNT)
        proxy = _proxy(cluster)
        built = cost_of(proxy.all_rules)
        rules = proxy.all_rules()
        printed = cpu_of(proxy.save)
        change = _change(cluster, proxy)
        walk, passing = _walk(proxy, _PACKET), _walk(proxy, _PASSING)
        cold = _cold(cluster)
        cluster.close()
    small_cluster = _filled(MemoryStorage(), 10)
    small = _proxy(small_cluster)
    few = _walk(small, _PACKET)
    what = f"{SERVICE_COUNT:,} Services x {ENDPOINT_COUNT:,} endpoints"
    return [
        Measurement(
            f"{what}: all rules of a node, read from SQLite and derived",
            built.cpu,
            "s",
            target=BUILD_TARGET,
            wall=built.wall,
        ),
        Measurement(f"{what}: `iptables-save` of {_lines(rules):,} rules", printed, "s"),
        Measurement(f"{what}: one endpoint's change applied", change * 1000, "ms", target=CHANGE_TARGET_MS),
        Measurement(
            f"{what}: a packet's walk to a cluster IP, 10 endpoints",
            walk * 1e6,
            "µs",
            "10 Services",
            few * 1e6,
            target=WALK_TARGET_US,
        ),
        Measurement(f"{what}: a packet from Pod to Pod", passing * 1e6, "µs", target=WALK_TARGET_US),
        Measurement(f"{what}: the first packet in a process of its own", cold * 1000, "ms"),
    ]


_PACKET = Packet("10.244.0.9", 40000, "10.97.0.8", 80)
_PASSING = Packet("10.244.0.9", 40000, "10.244.0.10", 80)


def _filled(storage: Storage, services: int) -> Cluster:
    """A cluster with so many Services, of ten endpoints each."""
    cluster = build(ClusterConfig(seed="bench", nodes=1), storage)
    _put(cluster, SERVICES, [_service(i) for i in range(services)])
    _put(cluster, ENDPOINT_SLICES, [_slice(i) for i in range(services)])
    return cluster


def _service(number: int) -> dict[str, Any]:
    made = objects.service(number, "2026-01-01T00:00:00Z")
    made["spec"] |= {"type": "NodePort", "clusterIPs": [made["spec"]["clusterIP"]]}
    made["spec"]["ports"][0]["nodePort"] = 30000 + number
    return made


def _slice(number: int, *, without: int | None = None) -> dict[str, Any]:
    size = ENDPOINT_COUNT // SERVICE_COUNT
    addresses = [f"10.{64 + number // 250}.{number % 250}.{i + 1}" for i in range(size) if i != without]
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"svc-{number}-a",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": f"svc-{number}"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a], "nodeName": NODE, "conditions": conditions} for a in addresses],
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
    }


def _put(cluster: Cluster, gvr: GroupVersionResource, made: list[dict[str, Any]]) -> None:
    objects.put(cluster, gvr, made)


def _proxy(cluster: Cluster) -> NodeProxy:
    return NodeProxy(
        cluster.client,
        node_name=NODE,
        identities=SystemIdentities(1),
        affinity=StateAffinity(MemoryState(), cluster.clock),
        catalog=Catalog(cluster.client, cluster.storage.revision),
    )


def _lines(rules: list[PortRules]) -> int:
    return sum(len(r) for of_port in rules for r in (*of_port.shared.values(), *of_port.own.values()))


def _change(cluster: Cluster, proxy: NodeProxy) -> float:
    """What it costs to have all rules again when one endpoint has gone, or come back."""
    turns = []
    for without in itertools.islice(itertools.cycle((3, None)), 10):
        found = cluster.client.get(ENDPOINT_SLICES, "svc-7-a", "default")
        cluster.client.update(
            ENDPOINT_SLICES, found | {"endpoints": _slice(7, without=without)["endpoints"]}, "default"
        )
        turns.append(cpu_of(proxy.all_rules))
    return statistics.median(turns)


def _walk(proxy: NodeProxy, packet: Packet) -> float:
    proxy.translate(packet)
    return _each(lambda: proxy.translate(packet), _WALKS)


def _each(work: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def _cold(cluster: Cluster) -> float:
    """With nothing remembered: one Service is read, and its rules are derived."""
    return _each(lambda: _proxy(cluster).translate(_PACKET), 50)
