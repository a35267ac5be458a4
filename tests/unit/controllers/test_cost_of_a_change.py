"""What a change costs, counted in objects read from the store and written to it: no clock is looked at."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from support.cluster import make_cluster
from support.counting import CountingStorage

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.memory import MemoryStorage
from kubesim.util.jsontypes import encode

NOW = "2026-01-01T00:00:00Z"
PODS_OF_A_SERVICE = 10


def pod(name: str, labels: dict[str, str], address: str) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": NOW,
            "labels": labels,
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "nginx"}]},
        "status": {
            "phase": "Running",
            "qosClass": "BestEffort",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}],
            "podIP": address,
            "podIPs": [{"ip": address}],
        },
    }


def service(name: str, selector: dict[str, str], address: str) -> dict[str, Any]:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": NOW},
        "spec": {
            "selector": selector,
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv4"],
            "type": "ClusterIP",
        },
    }


def filled(services: int, *, selecting: int = 1) -> tuple[Cluster, CountingStorage]:
    """A settled cluster of Services with ten Pods each; `selecting` further Services less one select those
    of the first.
    """
    storage = CountingStorage(MemoryStorage())
    cluster = make_cluster(storage, settle=True)
    objects = [(SERVICES, service(f"svc-{i}", {"app": f"app-{i}"}, f"10.97.{i}.1")) for i in range(services)]
    objects += [
        (PODS, pod(f"pod-{i}-{j}", {"app": f"app-{i}", "tier": "web"}, f"10.244.{i}.{j + 1}"))
        for i in range(services)
        for j in range(PODS_OF_A_SERVICE)
    ]
    objects += [
        (SERVICES, service(f"also-{i}", {"app": "app-0", "tier": "web"}, f"10.98.{i}.1"))
        for i in range(1, selecting)
    ]
    with storage.transaction() as tx:
        for gvr, obj in objects:
            resource = cluster.scheme.by_resource(gvr)
            assert resource is not None
            key = key_of(gvr, "default", obj["metadata"]["name"])
            tx.create(key, encode(obj), indexes_of(resource, obj))
    cluster.settle()
    return cluster, storage


def cost_of_unreadiness(cluster: Cluster, storage: CountingStorage) -> tuple[int, int]:
    """Objects read and written by the controllers when one Pod of the first Service is ready no more."""
    changed = cluster.client.get(PODS, "pod-0-0", "default")
    changed["status"]["conditions"][0]["status"] = "False"
    cluster.client.update(PODS, changed, "default", subresource="status")
    storage.reset()
    report = cluster.settle()
    assert report.actions
    return storage.read, storage.written


def test_a_pods_readiness_costs_the_same_in_a_cluster_ten_times_as_large():
    assert cost_of_unreadiness(*filled(2)) == cost_of_unreadiness(*filled(20))


def test_a_pods_readiness_costs_each_service_that_selects_it_alike():
    costs = [cost_of_unreadiness(*filled(3, selecting=n)) for n in (1, 2, 3, 4, 5)]
    assert [written for _, written in costs] == [2, 4, 6, 8, 10]  # its Endpoints and its slice
    steps = [later[0] - earlier[0] for earlier, later in pairwise(costs)]
    assert len(set(steps)) == 1


def test_a_settled_cluster_costs_nothing_more():
    cluster, storage = filled(3)
    storage.reset()
    cluster.settle()
    assert (storage.read, storage.written) == (0, 0)


@pytest.mark.parametrize("services", [2, 20])
def test_a_list_by_label_reads_what_it_returns(services):
    cluster, storage = filled(services)
    storage.reset()
    found = cluster.client.list(PODS, "default", label_selector="app=app-0")
    assert len(found["items"]) == storage.read == PODS_OF_A_SERVICE


@pytest.mark.parametrize("selector", ["app=app-0,tier=web", "a=b,tier=web", "tier in (web),app in (app-0)"])
def test_a_list_by_several_labels_reads_what_the_rarest_finds(selector):
    cluster, storage = filled(20)
    storage.reset()
    found = cluster.client.list(PODS, "default", label_selector=selector)
    assert len(found["items"]) == storage.read <= PODS_OF_A_SERVICE


def test_a_list_by_a_label_and_a_field_reads_what_the_rarer_finds():
    cluster, storage = filled(20)
    storage.reset()
    found = cluster.client.list(
        PODS,
        "default",
        label_selector="app=app-0",
        field_selector="spec.nodeName=node-1,status.phase=Running",
    )
    assert len(found["items"]) == storage.read == PODS_OF_A_SERVICE


@pytest.mark.parametrize("services", [2, 20])
def test_a_get_by_name_reads_one_object(services):
    cluster, storage = filled(services)
    storage.reset()
    cluster.client.get(PODS, "pod-0-3", "default")
    assert storage.read == 1


def test_pods_are_read_once_for_all_services_that_select_them():
    """Not once for each batch of sixteen Services: so the ninth Service costs as much as the seventeenth."""
    costs = []
    for selecting in (8, 16, 24, 32, 40):
        cluster, storage = filled(1, selecting=selecting)
        for n in range(PODS_OF_A_SERVICE):
            changed = cluster.client.get(PODS, f"pod-0-{n}", "default")
            changed["status"]["conditions"][0]["status"] = "False"
            cluster.client.update(PODS, changed, "default", subresource="status")
        storage.reset()
        cluster.settle()
        costs.append(storage.read)
    assert len({later - earlier for earlier, later in pairwise(costs)}) == 1
