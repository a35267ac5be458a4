from __future__ import annotations

from typing import Any

import pytest
from support.cluster import make_cluster
from support.objects import (
    events_of,
    make_service,
    running_pod,
    set_status,
    slice_addresses,
    slices_of,
)

from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.controllers.slicing import plan_slices

MANAGER = "endpointslice-controller.k8s.io"
MIRROR = "endpointslicemirroring-controller.k8s.io"


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(settle=True, nodes=2)


def test_a_slice_says_whose_it_is(cluster: Cluster) -> None:
    service = make_service(cluster, "web", {"app": "web"})
    pod = running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    metadata = found["metadata"]
    assert metadata["generateName"] == "web-"
    assert len(metadata["name"]) == len("web-") + 5
    assert metadata["labels"] == {
        "endpointslice.kubernetes.io/managed-by": MANAGER,
        "kubernetes.io/service-name": "web",
    }
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "name": "web",
            "uid": service["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert found["addressType"] == "IPv4"
    assert found["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert found["endpoints"] == [
        {
            "addresses": ["10.244.0.9"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "node-1",
            "targetRef": {
                "kind": "Pod",
                "namespace": "default",
                "name": "web-1",
                "uid": pod["metadata"]["uid"],
            },
        }
    ]


def test_a_service_without_pods_has_one_empty_slice(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    assert not found.get("endpoints")
    assert not found.get("ports")


def test_the_empty_slice_is_filled_and_emptied_again(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    before = slices_of(cluster, "web")[0]["metadata"]["name"]
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    cluster.client.delete(PODS, "web-1", "default", delete_options={"gracePeriodSeconds": 0})
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    assert found["metadata"]["name"] == before
    assert not found.get("endpoints")


def test_a_terminating_pod_serves_and_is_not_ready(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    cluster.client.delete(PODS, "web-1", "default")
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    assert found["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}


def test_each_address_family_has_its_own_slices() -> None:
    cluster = make_cluster(settle=True, service_cidrs=("10.96.0.0/12", "fd00:10:96::/112"))
    make_service(cluster, "web", {"app": "web"}, ipFamilyPolicy="RequireDualStack")
    pod = running_pod(cluster, "web-1", {"app": "web"}, ip="")
    set_status(cluster, pod, ips=["10.244.0.9", "fd00:10:244::9"], ready=True)
    cluster.settle()
    found = {s["addressType"]: s["endpoints"][0]["addresses"] for s in slices_of(cluster, "web")}
    assert found == {"IPv4": ["10.244.0.9"], "IPv6": ["fd00:10:244::9"]}


def test_the_zone_of_the_node_is_told(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"}, trafficDistribution="PreferClose")
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    node = cluster.client.get(NODES, "node-1")
    node["metadata"]["labels"]["topology.kubernetes.io/zone"] = "a"
    cluster.client.update(NODES, node)
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    assert found["endpoints"][0]["zone"] == "a"
    assert found["endpoints"][0]["hints"] == {"forZones": [{"name": "a"}]}


def test_a_slice_that_somebody_deleted_is_made_again(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    cluster.client.delete(ENDPOINT_SLICES, slices_of(cluster, "web")[0]["metadata"]["name"], "default")
    cluster.settle()
    assert slice_addresses(cluster, "web") == ["10.244.0.9"]


def test_a_slice_that_somebody_changed_is_put_right(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.9")
    cluster.settle()
    (found,) = slices_of(cluster, "web")
    found["endpoints"] = []
    cluster.client.update(ENDPOINT_SLICES, found, "default")
    cluster.settle()
    assert slice_addresses(cluster, "web") == ["10.244.0.9"]


def test_slices_go_with_their_service(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    cluster.settle()
    cluster.client.delete(SERVICES, "web", "default")
    cluster.settle()
    assert slices_of(cluster, "web") == []


# Packing, without a cluster.


def _service(**spec: Any) -> dict[str, Any]:
    metadata = {
        "name": "s",
        "namespace": "default",
        "uid": "service-uid",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    ports = [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    return {
        "metadata": metadata,
        "spec": {"clusterIP": "10.96.1.1", "ipFamilies": ["IPv4"], "ports": ports, **spec},
    }


def _pod(number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": f"p{number}", "namespace": "default", "uid": f"u{number}"},
        "spec": {"nodeName": "n"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}],
            "podIP": "x",
            "podIPs": [{"ip": f"10.0.{number // 250}.{number % 250}"}],
        },
    }


def _plan(pods: list[dict[str, Any]], current: list[dict[str, Any]]) -> Any:
    return plan_slices(_service(), pods, current, controller=MANAGER, zone_of=lambda name: "")


def _named(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        s | {"metadata": s["metadata"] | {"name": f"s-{i}", "uid": f"slice-{i}"}}
        for i, s in enumerate(slices)
    ]


def test_slices_hold_a_hundred_endpoints() -> None:
    plan = _plan([_pod(i) for i in range(250)], [])
    assert sorted(len(s["endpoints"]) for s in plan.create) == [50, 100, 100]


def test_nothing_is_written_where_all_is_well() -> None:
    pods = [_pod(i) for i in range(250)]
    assert _plan(pods, _named(_plan(pods, []).create)).is_empty


def test_one_changed_pod_changes_one_slice() -> None:
    pods = [_pod(i) for i in range(250)]
    current = _named(_plan(pods, []).create)
    pods[7]["status"]["conditions"][0]["status"] = "False"
    plan = _plan(pods, current)
    assert (len(plan.create), len(plan.update), plan.delete) == (0, 1, [])


def test_new_endpoints_fill_the_slice_with_the_closest_fit() -> None:
    pods = [_pod(i) for i in range(130)]
    current = _named(_plan(pods, []).create)
    plan = _plan([_pod(i) for i in range(150)], current)
    assert [len(s["endpoints"]) for s in plan.update] == [50]
    assert plan.create == []


def test_an_emptied_slice_is_deleted() -> None:
    current = _named(_plan([_pod(i) for i in range(150)], []).create)
    small = next(s for s in current if len(s["endpoints"]) == 50)
    gone = {e["targetRef"]["name"] for e in small["endpoints"]}
    plan = _plan([p for p in map(_pod, range(150)) if p["metadata"]["name"] not in gone], current)
    assert plan.delete == [(small["metadata"]["name"], small["metadata"]["uid"])]
    assert (plan.create, plan.update) == ([], [])


def test_a_slice_of_an_earlier_service_of_that_name_is_replaced() -> None:
    current = _named(_plan([_pod(1)], []).create)
    current[0]["metadata"]["ownerReferences"][0]["uid"] = "an older one"
    plan = _plan([_pod(1)], current)
    assert (len(plan.create), len(plan.delete)) == (1, 1)


# Mirroring.


def _endpoints(cluster: Cluster, name: str, **fields: Any) -> dict[str, Any]:
    body = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, **fields.pop("metadata", {})},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": [{"port": 9}]}],
    }
    return cluster.client.create(ENDPOINTS, body, "default")


def test_endpoints_made_by_hand_are_mirrored(cluster: Cluster) -> None:
    make_service(cluster, "ext")
    endpoints = _endpoints(cluster, "ext")
    cluster.settle()
    found = slices_of(cluster, "ext")
    assert {s["addressType"]: s["endpoints"][0]["addresses"] for s in found} == {
        "IPv4": ["192.0.2.1"],
        "IPv6": ["2001:db8::1"],
    }
    assert {s["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] for s in found} == {MIRROR}
    assert {s["metadata"]["ownerReferences"][0]["uid"] for s in found} == {endpoints["metadata"]["uid"]}


def test_a_mirror_follows_and_goes(cluster: Cluster) -> None:
    make_service(cluster, "ext")
    endpoints = _endpoints(cluster, "ext")
    cluster.settle()
    endpoints["subsets"] = [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 9}]}]
    cluster.client.update(ENDPOINTS, endpoints, "default")
    cluster.settle()
    assert slice_addresses(cluster, "ext") == ["192.0.2.7"]
    cluster.client.delete(SERVICES, "ext", "default")
    cluster.settle()
    assert slices_of(cluster, "ext") == []


@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"service": None}, id="no Service"),
        pytest.param({"service": {"selector": {"a": "b"}}}, id="a Service with a selector"),
        pytest.param({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}, id="the label says so"),
    ],
)
def test_what_is_not_mirrored(cluster: Cluster, case: dict[str, Any]) -> None:
    if (spec := case.get("service", {})) is not None:
        make_service(cluster, "ext", **spec)
    _endpoints(cluster, "ext", metadata={"labels": case.get("labels", {})})
    cluster.settle()
    mirrored = [
        s
        for s in slices_of(cluster, "ext")
        if s["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == MIRROR
    ]
    assert mirrored == []


def test_the_service_kubernetes_is_not_mirrored(cluster: Cluster) -> None:
    assert [s["metadata"]["name"] for s in slices_of(cluster, "kubernetes")] == ["kubernetes"]
    assert events_of(cluster.client, "kubernetes") == []
