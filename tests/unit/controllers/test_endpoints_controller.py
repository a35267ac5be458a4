from __future__ import annotations

from typing import Any

import pytest
from support.cluster import START, make_cluster
from support.objects import (
    addresses_of,
    endpoints_of,
    make_service,
    running_pod,
    set_status,
)

from kubesim.client.resources import ENDPOINTS, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.controllers.endpoints import build_subsets, truncate
from kubesim.util.clock import FrozenClock


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(settle=True, nodes=2)


def test_ready_pods_are_addresses_with_their_port(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"}, ports=[{"port": 80, "targetPort": 5000}])
    pod = running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    assert endpoints_of(cluster, "web") == [
        {
            "addresses": [
                {
                    "ip": "10.244.0.9",
                    "nodeName": "node-1",
                    "targetRef": {
                        "kind": "Pod",
                        "namespace": "default",
                        "name": "web-1",
                        "uid": pod["metadata"]["uid"],
                    },
                }
            ],
            "ports": [{"port": 5000, "protocol": "TCP"}],
        }
    ]


def test_pods_that_are_not_ready_are_listed_apart(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "up", {"app": "web"}, ip="10.244.0.9")
    running_pod(cluster, "down", {"app": "web"}, ip="10.244.0.10", ready=False)
    cluster.settle()
    assert addresses_of(cluster, "web") == ["10.244.0.9"]
    assert addresses_of(cluster, "web", "notReadyAddresses") == ["10.244.0.10"]


def test_publish_not_ready_addresses_makes_no_difference_between_them(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"}, publishNotReadyAddresses=True)
    running_pod(cluster, "down", {"app": "web"}, ip="10.244.0.10", ready=False)
    cluster.settle()
    assert addresses_of(cluster, "web") == ["10.244.0.10"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_have_ended_are_no_endpoints(cluster: Cluster, phase: str) -> None:
    make_service(cluster, "web", {"app": "web"})
    pod = running_pod(cluster, "done", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    set_status(cluster, pod, ips=["10.244.0.9"], ready=False, phase=phase)
    cluster.settle()
    assert endpoints_of(cluster, "web") == []


def test_a_named_port_is_looked_up_in_each_pod(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"}, ports=[{"port": 80, "targetPort": "http"}])
    for name, ip, port in (("old", "10.244.0.9", 8080), ("new", "10.244.0.10", 9090)):
        containers = [{"name": "c", "image": "nginx", "ports": [{"name": "http", "containerPort": port}]}]
        running_pod(cluster, name, {"app": "web"}, ip=ip, containers=containers)
    running_pod(cluster, "nameless", {"app": "web"}, ip="10.244.0.11")
    cluster.settle()
    found = {s["ports"][0]["port"]: [a["ip"] for a in s["addresses"]] for s in endpoints_of(cluster, "web")}
    assert found == {8080: ["10.244.0.9"], 9090: ["10.244.0.10"]}


def test_a_headless_service_without_ports_has_addresses_all_the_same(cluster: Cluster) -> None:
    make_service(cluster, "db", {"app": "db"}, clusterIP="None", ports=[])
    running_pod(cluster, "db-0", {"app": "db"}, ip="10.244.0.9", hostname="db-0", subdomain="db")
    cluster.settle()
    (subset,) = endpoints_of(cluster, "db")
    assert "ports" not in subset
    assert subset["addresses"][0]["hostname"] == "db-0"
    labels = cluster.client.get(ENDPOINTS, "db", "default")["metadata"]["labels"]
    assert labels == {"service.kubernetes.io/headless": ""}


def test_endpoints_carry_the_labels_of_the_service(cluster: Cluster) -> None:
    service = make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    service = cluster.client.get(SERVICES, "web", "default")
    service["metadata"]["labels"] = {"team": "a"}
    cluster.client.update(SERVICES, service, "default")
    cluster.settle()
    assert cluster.client.get(ENDPOINTS, "web", "default")["metadata"]["labels"] == {"team": "a"}


def test_endpoints_go_with_their_service(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    cluster.client.delete(SERVICES, "web", "default")
    cluster.settle()
    names = [e["metadata"]["name"] for e in cluster.client.list(ENDPOINTS, "default")["items"]]
    assert names == ["kubernetes"]


def test_endpoints_that_somebody_deleted_come_back(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    cluster.client.delete(ENDPOINTS, "web", "default")
    cluster.settle()
    assert addresses_of(cluster, "web") == ["10.244.0.9"]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"type": "ExternalName", "externalName": "example.com", "ports": []}, id="ExternalName"),
        pytest.param({}, id="no selector"),
    ],
)
def test_services_without_own_pods_get_no_endpoints(cluster: Cluster, spec: dict[str, Any]) -> None:
    make_service(cluster, "web", **spec)
    cluster.settle()
    names = [e["metadata"]["name"] for e in cluster.client.list(ENDPOINTS, "default")["items"]]
    assert names == ["kubernetes"]


def test_the_trigger_time_is_that_of_the_pod_that_changed() -> None:
    clock = FrozenClock(START)
    cluster = make_cluster(settle=True, clock=clock)
    make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    key = "endpoints.kubernetes.io/last-change-trigger-time"
    assert cluster.client.get(ENDPOINTS, "web", "default")["metadata"]["annotations"] == {
        key: "2026-01-01T00:00:00Z"
    }
    cluster.pause(60)
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    moved = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.pause(60)
    cluster.settle()
    assert cluster.client.get(ENDPOINTS, "web", "default")["metadata"]["annotations"] == {key: moved}
    cluster.client.delete(PODS, "web-1", "default", delete_options={"gracePeriodSeconds": 0})
    cluster.settle()
    assert "annotations" not in cluster.client.get(ENDPOINTS, "web", "default")["metadata"]


def test_a_pod_that_changes_its_labels_changes_its_service(cluster: Cluster) -> None:
    make_service(cluster, "blue", {"color": "blue"})
    make_service(cluster, "green", {"color": "green"})
    running_pod(cluster, "p", {"color": "blue"}, ip="10.244.0.9")
    cluster.settle()
    pod = cluster.client.get(PODS, "p", "default")
    pod["metadata"]["labels"] = {"color": "green"}
    cluster.client.update(PODS, pod, "default")
    cluster.settle()
    assert (addresses_of(cluster, "blue"), addresses_of(cluster, "green")) == ([], ["10.244.0.9"])


def _pods(count: int, *, ready: bool = True) -> list[dict[str, Any]]:
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return [
        {
            "metadata": {"name": f"p{i}", "namespace": "default", "uid": f"u{ready}{i}"},
            "spec": {"nodeName": "n"},
            "status": {**status, "podIPs": [{"ip": f"10.{int(ready)}.{i // 250}.{i % 250}"}]},
        }
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("ready", "not_ready", "kept"),
    [
        pytest.param(1000, 0, (1000, 0), id="as many as fit"),
        pytest.param(1500, 10, (1000, 0), id="too many that are ready"),
        pytest.param(600, 700, (600, 400), id="the ready ones come first"),
    ],
)
def test_at_most_a_thousand_addresses_are_kept(ready: int, not_ready: int, kept: tuple[int, int]) -> None:
    service = {
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "ipFamilies": ["IPv4"]},
    }
    subsets = build_subsets(service, [*_pods(ready), *_pods(not_ready, ready=False)])
    assert truncate(subsets) is (ready + not_ready > 1000)
    assert (
        sum(len(s.get("addresses") or ()) for s in subsets),
        sum(len(s.get("notReadyAddresses") or ()) for s in subsets),
    ) == kept


def test_ports_with_the_same_addresses_are_one_subset() -> None:
    ports = [
        {"name": n, "port": p, "protocol": "TCP"} for n, p in (("http", 80), ("https", 443), ("admin", 8080))
    ]
    service = {"metadata": {"name": "s"}, "spec": {"ports": ports, "ipFamilies": ["IPv4"]}}
    (subset,) = build_subsets(service, _pods(2))
    assert sorted(p["name"] for p in subset["ports"]) == ["admin", "http", "https"]
    assert build_subsets(service, list(reversed(_pods(2)))) == [subset]
