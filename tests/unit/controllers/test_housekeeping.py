"""Namespaces, owners, nodes, quotas, Events: the controllers that look after the cluster itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster
from support.objects import edit_node, events_of, make_service, pod_body, running_pod, service_body

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kubesim.cluster.build import Cluster
from kubesim.util.clock import FrozenClock

REPLICA_SETS = GroupVersionResource("apps", "v1", "replicasets")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def cluster(clock: FrozenClock) -> Cluster:
    return make_cluster(settle=True, clock=clock)


def _names(cluster: Cluster, gvr: GroupVersionResource, namespace: str = "default") -> list[str]:
    return [o["metadata"]["name"] for o in cluster.client.list(gvr, namespace)["items"]]


def _make(
    cluster: Cluster, gvr: GroupVersionResource, kind: str, name: str, **metadata: Any
) -> dict[str, Any]:
    namespace = metadata.pop("namespace", "" if kind == "Namespace" else "default")
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}
    return cluster.client.create(gvr, body, namespace)


def _owner(obj: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        **more,
    }


# What every namespace has.


def test_every_namespace_has_its_service_account_and_certificate(cluster: Cluster) -> None:
    _make(cluster, NAMESPACES, "Namespace", "team-a")
    cluster.settle()
    assert _names(cluster, SERVICE_ACCOUNTS, "team-a") == ["default"]
    found = cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", "team-a")
    assert found["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert found["metadata"]["annotations"]["kubernetes.io/description"].startswith("Contains a CA bundle")


@pytest.mark.parametrize("gvr", [SERVICE_ACCOUNTS, CONFIG_MAPS], ids=["ServiceAccount", "ConfigMap"])
def test_what_every_namespace_has_comes_back(cluster: Cluster, gvr: GroupVersionResource) -> None:
    (name,) = _names(cluster, gvr)
    cluster.client.delete(gvr, name, "default")
    cluster.settle()
    assert _names(cluster, gvr) == [name]


def test_a_changed_certificate_is_put_right(cluster: Cluster) -> None:
    found = cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", "default")
    cluster.client.update(CONFIG_MAPS, found | {"data": {"ca.crt": "mine"}}, "default")
    cluster.settle()
    assert cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", "default")["data"] == found["data"]


def test_the_service_kubernetes_comes_back_with_its_endpoints(cluster: Cluster) -> None:
    before = cluster.client.get(SERVICES, "kubernetes", "default")
    cluster.client.delete(SERVICES, "kubernetes", "default")
    cluster.settle()
    after = cluster.client.get(SERVICES, "kubernetes", "default")
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert _names(cluster, ENDPOINTS) == ["kubernetes"]
    cluster.client.delete(ENDPOINTS, "kubernetes", "default")
    cluster.client.delete(ENDPOINT_SLICES, "kubernetes", "default")
    cluster.settle()
    assert (_names(cluster, ENDPOINTS), _names(cluster, ENDPOINT_SLICES)) == (["kubernetes"], ["kubernetes"])


# Namespaces.


def test_a_deleted_namespace_is_emptied_and_gone(cluster: Cluster) -> None:
    _make(cluster, NAMESPACES, "Namespace", "team-a")
    cluster.settle()
    _make(cluster, SECRETS, "Secret", "s", namespace="team-a")
    cluster.client.create(SERVICES, service_body("web", {"app": "web"}), "team-a")
    cluster.client.create(PODS, pod_body("p"), "team-a")
    cluster.settle()
    cluster.client.delete(PODS, "p", "team-a", delete_options={"gracePeriodSeconds": 0})
    cluster.client.delete(NAMESPACES, "team-a")
    cluster.settle()
    assert "team-a" not in _names(cluster, NAMESPACES, "")
    for gvr in (SECRETS, SERVICES, ENDPOINTS, ENDPOINT_SLICES, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS):
        assert _names(cluster, gvr, "team-a") == []


def test_what_keeps_a_namespace_is_said_after_five_seconds(cluster: Cluster, clock: FrozenClock) -> None:
    _make(cluster, NAMESPACES, "Namespace", "team-b")
    _make(cluster, CONFIG_MAPS, "ConfigMap", "c", namespace="team-b", finalizers=["x.example/f"])
    cluster.settle()
    cluster.client.delete(NAMESPACES, "team-b")
    clock.advance(timedelta(seconds=1))
    cluster.settle()
    assert cluster.client.get(NAMESPACES, "team-b")["status"] == {"phase": "Terminating"}
    clock.advance(timedelta(seconds=5))
    cluster.settle()
    conditions = cluster.client.get(NAMESPACES, "team-b")["status"]["conditions"]
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in conditions] == [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        (
            "NamespaceFinalizersRemaining",
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: x.example/f in 1 resource instances",
        ),
    ]
    assert {c["lastTransitionTime"] for c in conditions} == {"2026-01-01T00:00:05Z"}
    cluster.client.patch(CONFIG_MAPS, "c", {"metadata": {"finalizers": None}}, MERGE_PATCH, "team-b")
    cluster.settle()
    assert cluster.client.get(NAMESPACES, "team-b")["status"]["phase"] == "Terminating"
    clock.advance(timedelta(seconds=10))
    cluster.settle()
    assert "team-b" not in _names(cluster, NAMESPACES, "")


# Owners.


def test_dependents_go_with_their_owner(cluster: Cluster) -> None:
    owner = _make(cluster, CONFIG_MAPS, "ConfigMap", "owner")
    _make(cluster, SECRETS, "Secret", "mine", ownerReferences=[_owner(owner, "ConfigMap")])
    cluster.settle()
    child = cluster.client.get(SECRETS, "mine", "default")
    _make(cluster, SECRETS, "Secret", "grandchild", ownerReferences=[_owner(child, "Secret")])
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, "owner", "default")
    cluster.settle()
    assert _names(cluster, SECRETS) == []


def test_an_object_with_an_owner_that_never_was_is_deleted(cluster: Cluster) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-4000-8000-000000000000"}}
    _make(cluster, SECRETS, "Secret", "lost", ownerReferences=[_owner(ghost, "ConfigMap")])
    cluster.settle()
    assert _names(cluster, SECRETS) == []


def test_one_owner_that_is_left_keeps_an_object(cluster: Cluster) -> None:
    one, two = (_make(cluster, CONFIG_MAPS, "ConfigMap", n) for n in ("one", "two"))
    references = [_owner(one, "ConfigMap"), _owner(two, "ConfigMap")]
    _make(cluster, SECRETS, "Secret", "shared", ownerReferences=references)
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, "one", "default")
    cluster.settle()
    found = cluster.client.get(SECRETS, "shared", "default")
    assert [r["name"] for r in found["metadata"]["ownerReferences"]] == ["two"]


def test_a_cluster_scoped_owner_has_dependents_in_namespaces(cluster: Cluster) -> None:
    node = cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "extra"}})
    _make(cluster, SECRETS, "Secret", "of-node", ownerReferences=[_owner(node, "Node")])
    cluster.settle()
    assert _names(cluster, SECRETS) == ["of-node"]
    cluster.client.delete(NODES, "extra")
    cluster.settle()
    assert _names(cluster, SECRETS) == []


def test_orphan_deletion_leaves_the_dependents(cluster: Cluster) -> None:
    owner = _make(cluster, CONFIG_MAPS, "ConfigMap", "owner")
    _make(cluster, SECRETS, "Secret", "mine", ownerReferences=[_owner(owner, "ConfigMap")])
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, "owner", "default", delete_options={"propagationPolicy": "Orphan"})
    cluster.settle()
    assert "owner" not in _names(cluster, CONFIG_MAPS)
    assert "ownerReferences" not in cluster.client.get(SECRETS, "mine", "default")["metadata"]


def test_foreground_deletion_waits_for_the_dependents_that_block_it(cluster: Cluster) -> None:
    owner = _make(cluster, CONFIG_MAPS, "ConfigMap", "owner")
    references = [_owner(owner, "ConfigMap", blockOwnerDeletion=True)]
    _make(cluster, SECRETS, "Secret", "mine", ownerReferences=references, finalizers=["x.example/f"])
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, "owner", "default", delete_options={"propagationPolicy": "Foreground"})
    cluster.settle()
    held = cluster.client.get(CONFIG_MAPS, "owner", "default")["metadata"]
    assert held["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in cluster.client.get(SECRETS, "mine", "default")["metadata"]
    cluster.client.patch(SECRETS, "mine", {"metadata": {"finalizers": None}}, MERGE_PATCH, "default")
    cluster.settle()
    assert (_names(cluster, SECRETS), "owner" in _names(cluster, CONFIG_MAPS)) == ([], False)


# Nodes.


def test_a_node_is_registered_once(cluster: Cluster) -> None:
    assert events_of(cluster.client, "node-1") == [
        ("Normal", "RegisteredNode", "Node node-1 event: Registered Node node-1 in Controller")
    ]
    (event,) = cluster.client.list(EVENTS, "default", field_selector="involvedObject.name=node-1")["items"]
    assert event["source"] == {"component": "node-controller"}
    edit_node(cluster, "node-1", unschedulable=True)
    cluster.settle()
    assert len(events_of(cluster.client, "node-1")) == 1


def test_a_cordoned_node_has_the_taint(cluster: Cluster) -> None:
    edit_node(cluster, "node-1", unschedulable=True)
    cluster.settle()
    (taint,) = cluster.client.get(NODES, "node-1")["spec"]["taints"]
    assert (taint["key"], taint["effect"]) == ("node.kubernetes.io/unschedulable", "NoSchedule")
    edit_node(cluster, "node-1", unschedulable=False)
    cluster.settle()
    assert "taints" not in cluster.client.get(NODES, "node-1")["spec"]


def test_a_node_without_a_kubelet_is_unknown_after_a_minute(cluster: Cluster, clock: FrozenClock) -> None:
    cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "extra"}})
    cluster.settle()
    assert cluster.client.get(NODES, "extra")["metadata"]["annotations"] == {
        "node.alpha.kubernetes.io/ttl": "0"
    }
    assert "conditions" not in cluster.client.get(NODES, "extra").get("status", {})
    clock.advance(timedelta(seconds=61))
    cluster.settle()
    node = cluster.client.get(NODES, "extra")
    ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "Unknown",
        "NodeStatusNeverUpdated",
        "Kubelet never posted node status.",
    )
    assert {(t["key"], t["effect"]) for t in node["spec"]["taints"]} == {
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    }


def test_pods_that_do_not_tolerate_a_taint_are_evicted(cluster: Cluster, clock: FrozenClock) -> None:
    running_pod(cluster, "gone", {}, ip="10.244.0.9")
    stays = [{"key": "maintenance", "operator": "Exists"}]
    running_pod(cluster, "stays", {}, ip="10.244.0.10", tolerations=stays)
    waits = [{"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]
    running_pod(cluster, "waits", {}, ip="10.244.0.11", tolerations=waits)
    cluster.settle()
    edit_node(cluster, "node-1", taints=[{"key": "maintenance", "effect": "NoExecute"}])
    cluster.settle()

    def deleting() -> set[str]:
        found = cluster.client.list(PODS, "default")["items"]
        return {p["metadata"]["name"] for p in found if "deletionTimestamp" in p["metadata"]}

    assert deleting() == {"gone"}
    assert ("Normal", "TaintManagerEviction", "Marking for deletion Pod default/gone") in events_of(
        cluster.client, "gone"
    )
    clock.advance(timedelta(seconds=31))
    cluster.settle()
    assert deleting() == {"gone", "waits"}


def test_pods_of_a_node_that_is_gone_are_collected_after_a_while(
    cluster: Cluster, clock: FrozenClock
) -> None:
    cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "extra"}})
    running_pod(cluster, "p", {}, ip="10.244.0.9", node="extra")
    cluster.settle()
    cluster.client.delete(NODES, "extra")
    cluster.settle()
    assert _names(cluster, PODS) == ["p"]
    clock.advance(timedelta(seconds=41))
    cluster.settle()
    assert _names(cluster, PODS) == []


def test_pods_of_a_node_that_never_was_are_collected_too(cluster: Cluster, clock: FrozenClock) -> None:
    running_pod(cluster, "p", {}, ip="10.244.0.9", node="nowhere")
    cluster.settle()
    assert _names(cluster, PODS) == ["p"]
    clock.advance(timedelta(seconds=41))
    cluster.settle()
    assert _names(cluster, PODS) == []


# Quotas and Events.


def test_a_pod_that_cannot_be_deleted_does_not_count_for_ever(cluster: Cluster, clock: FrozenClock) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "9"}},
    }
    cluster.client.create(RESOURCE_QUOTAS, body, "default")
    running_pod(cluster, "p", {}, ip="10.244.0.9")
    cluster.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 10})
    cluster.settle()

    def used() -> str:
        return str(cluster.client.get(RESOURCE_QUOTAS, "q", "default")["status"]["used"]["pods"])

    assert used() == "1"
    clock.advance(timedelta(seconds=22))
    cluster.settle()
    assert used() == "0"


def test_a_quota_counts_what_is_there(cluster: Cluster) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {
            "hard": {
                "services": "100",
                "services.nodeports": "5",
                "pods": "10",
                "requests.cpu": "2",
                "count/configmaps": "9",
                "secrets": "3",
            }
        },
    }
    cluster.client.create(RESOURCE_QUOTAS, body, "default")
    cluster.settle()
    make_service(cluster, "web", {"app": "web"})
    resources = {"requests": {"cpu": "250m"}}
    containers = [{"name": "c", "image": "nginx", "resources": resources} for _ in range(1)]
    running_pod(cluster, "p", {}, ip="10.244.0.9", containers=containers)
    cluster.settle()
    status = cluster.client.get(RESOURCE_QUOTAS, "q", "default")["status"]
    assert status["hard"] == body["spec"]["hard"]  # type: ignore[index]
    assert status["used"] == {
        "services": "2",
        "services.nodeports": "0",
        "pods": "1",
        "requests.cpu": "250m",
        "count/configmaps": "1",
        "secrets": "0",
    }
    cluster.client.delete(SERVICES, "web", "default")
    cluster.settle()
    assert cluster.client.get(RESOURCE_QUOTAS, "q", "default")["status"]["used"]["services"] == "1"


def test_events_are_kept_for_an_hour(cluster: Cluster, clock: FrozenClock) -> None:
    assert events_of(cluster.client, "node-1")
    clock.advance(timedelta(minutes=59))
    cluster.settle()
    assert events_of(cluster.client, "node-1")
    clock.advance(timedelta(minutes=20))
    cluster.settle()
    assert events_of(cluster.client, "node-1") == []
