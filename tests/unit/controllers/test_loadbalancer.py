"""Services of type LoadBalancer get addresses from a pool, and give them back."""

from __future__ import annotations

from typing import Any

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import EVENTS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.controllers.loadbalancer import ADDRESS, FINALIZER, SERVICE
from kubesim.util.clock import FrozenClock
from kubesim.util.jsontypes import JSONObject

POOL = "172.18.255.200-172.18.255.202"


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(settle=True, load_balancer_pool=(POOL,))


def _make(cluster: Cluster, name: str, **spec: Any) -> JSONObject:
    body = {"metadata": {"name": name}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec}}
    cluster.client.create(SERVICES, body, "default")
    cluster.settle()
    return _get(cluster, name)


def _get(cluster: Cluster, name: str) -> JSONObject:
    return cluster.client.get(SERVICES, name, "default")


def _change(cluster: Cluster, name: str, spec: JSONObject) -> JSONObject:
    cluster.client.patch(SERVICES, name, {"spec": spec}, MERGE_PATCH, "default")
    cluster.settle()
    return _get(cluster, name)


def _delete(cluster: Cluster, name: str) -> None:
    cluster.client.delete(SERVICES, name, "default")
    cluster.settle()


def _addresses(service: JSONObject) -> list[str]:
    return [p["ip"] for p in service["status"]["loadBalancer"].get("ingress") or ()]


def _events(cluster: Cluster, name: str) -> list[tuple[str, str, str]]:
    found = cluster.client.list(EVENTS, "default")["items"]
    return [(e["type"], e["reason"], e["message"]) for e in found if e["involvedObject"]["name"] == name]


def test_without_a_pool_nobody_touches_the_service() -> None:
    cluster = make_cluster(settle=True)
    made = _make(cluster, "a")
    assert made["status"] == {"loadBalancer": {}}
    assert "finalizers" not in made["metadata"]
    assert _events(cluster, "a") == []


def test_the_first_free_address_is_given(cluster: Cluster) -> None:
    made = _make(cluster, "a")
    assert made["status"]["loadBalancer"] == {"ingress": [{"ip": "172.18.255.200", "ipMode": "VIP"}]}
    assert made["metadata"]["finalizers"] == [FINALIZER]
    assert _addresses(_make(cluster, "b")) == ["172.18.255.201"]
    assert _events(cluster, "a") == [
        ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
        ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
    ]
    cluster.settle()
    assert len(_events(cluster, "a")) == 2


def test_a_class_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    made = _make(cluster, "a", loadBalancerClass="example.com/other")
    assert _addresses(made) == []
    assert "finalizers" not in made["metadata"]


def test_deleting_gives_the_address_back(cluster: Cluster) -> None:
    _make(cluster, "a")
    _delete(cluster, "a")
    assert cluster.client.list(SERVICES, "default", field_selector="metadata.name=a")["items"] == []
    assert cluster.state.items(ADDRESS) == {} == cluster.state.items(SERVICE)
    assert _events(cluster, "a")[-2:] == [
        ("Normal", "DeletingLoadBalancer", "Deleting load balancer"),
        ("Normal", "DeletedLoadBalancer", "Deleted load balancer"),
    ]
    assert _addresses(_make(cluster, "b")) == ["172.18.255.200"]


def test_another_type_gives_the_address_back(cluster: Cluster) -> None:
    _make(cluster, "a")
    changed = _change(cluster, "a", {"type": "ClusterIP"})
    assert changed["status"] == {"loadBalancer": {}}
    assert "finalizers" not in changed["metadata"]
    assert cluster.state.items(ADDRESS) == {}
    assert ("Normal", "Type", "LoadBalancer -> ClusterIP") in _events(cluster, "a")
    assert _addresses(_change(cluster, "a", {"type": "LoadBalancer"})) == ["172.18.255.200"]


def test_an_address_that_is_asked_for_is_honoured(cluster: Cluster) -> None:
    assert _addresses(_make(cluster, "a", loadBalancerIP="172.18.255.202")) == ["172.18.255.202"]
    changed = _change(cluster, "a", {"loadBalancerIP": "172.18.255.201"})
    assert _addresses(changed) == ["172.18.255.201"]
    assert set(cluster.state.items(ADDRESS)) == {ADDRESS + "172.18.255.201"}
    assert ("Normal", "LoadbalancerIP", "172.18.255.202 -> 172.18.255.201") in _events(cluster, "a")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("172.18.255.200", "requested loadBalancerIP 172.18.255.200 is already in use"),
        ("172.18.254.1", "requested loadBalancerIP 172.18.254.1 is not in the pool"),
    ],
    ids=["taken", "of another network"],
)
def test_an_address_that_cannot_be_had_is_told(cluster: Cluster, wanted: str, text: str) -> None:
    _make(cluster, "first")
    assert _addresses(_make(cluster, "a", loadBalancerIP=wanted)) == []
    failure = f"Error syncing load balancer: failed to ensure load balancer: {text}"
    assert _events(cluster, "a")[-1] == ("Warning", "SyncLoadBalancerFailed", failure)


def test_who_waits_for_an_address_gets_the_next_that_is_free(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        _make(cluster, name)
    assert _addresses(_make(cluster, "late")) == []
    failure = "failed to ensure load balancer: no address is left in the pool"
    assert _events(cluster, "late")[-1][2] == f"Error syncing load balancer: {failure}"
    _delete(cluster, "b")
    assert _addresses(_get(cluster, "late")) == ["172.18.255.201"]


def test_who_waits_tries_again_later(cluster: Cluster) -> None:
    _make(cluster, "taken", loadBalancerIP="172.18.255.200")
    _make(cluster, "a", loadBalancerIP="172.18.255.200")
    assert isinstance(cluster._base_clock, FrozenClock)
    cluster.pause(60)  # as long as the next timer
    cluster.settle()
    found = [
        e for e in cluster.client.list(EVENTS, "default")["items"] if e["reason"] == "SyncLoadBalancerFailed"
    ]
    assert [e["count"] for e in found] == [2]


def test_a_change_is_ensured_again(cluster: Cluster) -> None:
    _make(cluster, "a")
    changed = _change(cluster, "a", {"loadBalancerSourceRanges": ["10.0.0.0/8"]})
    assert _addresses(changed) == ["172.18.255.200"]
    assert ("Normal", "LoadBalancerSourceRanges", "[] -> [10.0.0.0/8]") in _events(cluster, "a")


def test_a_status_that_somebody_has_emptied_is_put_right(cluster: Cluster) -> None:
    _make(cluster, "a")
    cluster.client.patch(
        SERVICES,
        "a",
        {"status": {"loadBalancer": {"ingress": None}}},
        MERGE_PATCH,
        "default",
        subresource="status",
    )
    cluster.settle()
    assert _addresses(_get(cluster, "a")) == ["172.18.255.200"]


def test_both_families_are_given_where_the_pool_has_them() -> None:
    cluster = make_cluster(
        settle=True,
        service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"),
        load_balancer_pool=(POOL, "fd00:18::/120"),
    )
    made = _make(cluster, "a", ipFamilyPolicy="PreferDualStack")
    assert _addresses(made) == ["172.18.255.200", "fd00:18::"]


def test_a_cluster_without_nodes_says_so() -> None:
    cluster = make_cluster(settle=True, nodes=0, load_balancer_pool=(POOL,))
    assert _addresses(_make(cluster, "a")) == ["172.18.255.200"]
    text = "There are no available nodes for LoadBalancer"
    assert ("Warning", "UnAvailableLoadBalancer", text) in _events(cluster, "a")


def test_a_service_that_is_made_anew_at_once_keeps_nothing_of_the_old_one(cluster: Cluster) -> None:
    _make(cluster, "a")
    cluster.client.patch(SERVICES, "a", {"metadata": {"finalizers": None}}, MERGE_PATCH, "default")
    cluster.client.delete(SERVICES, "a", "default")
    made = _make(cluster, "a")
    assert _addresses(made) == ["172.18.255.200"]
    assert list(cluster.state.items(ADDRESS).values()) == [made["metadata"]["uid"].encode()]
