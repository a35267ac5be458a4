"""A cluster comes into being once, complete, and the same each time with a seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cluster import START, make_cluster

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    NODES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig, ConfigError, decode_config
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import FrozenClock


def names(cluster: Cluster, gvr: GroupVersionResource, namespace: str = "") -> list[str]:
    return [o["metadata"]["name"] for o in cluster.client.list(gvr, namespace)["items"]]


def test_a_new_cluster_has_what_every_cluster_has() -> None:
    cluster = make_cluster(nodes=2)
    assert names(cluster, NAMESPACES) == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert names(cluster, NODES) == ["node-1", "node-2"]
    assert names(cluster, CONFIG_MAPS) == [
        "extension-apiserver-authentication",
        "kube-apiserver-legacy-service-account-token-tracking",
    ]
    assert (
        names(cluster, SERVICES)
        == names(cluster, ENDPOINTS)
        == names(cluster, ENDPOINT_SLICES)
        == ["kubernetes"]
    )
    service = cluster.client.get(SERVICES, "kubernetes", "default")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    assert service["metadata"]["labels"] == {"component": "apiserver", "provider": "kubernetes"}
    subset = cluster.client.get(ENDPOINTS, "kubernetes", "default")["subsets"][0]
    assert (subset["addresses"], subset["ports"][0]["port"]) == ([{"ip": "172.18.0.2"}], 6443)


def test_kube_dns_shows_where_it_is_asked_for() -> None:
    cluster = make_cluster(kube_dns=True, settle=True)
    service = cluster.client.get(SERVICES, "kube-dns", "kube-system")
    assert service["metadata"]["labels"] == {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    assert service["spec"]["clusterIP"] == cluster.config.dns_address == "10.96.0.10"
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP")]
    assert [(p["name"], p["port"], p["protocol"]) for p in service["spec"]["ports"]] == ports
    (subset,) = cluster.client.get(ENDPOINTS, "kube-dns", "kube-system")["subsets"]
    assert subset["addresses"] == [{"ip": "172.18.0.2"}]
    (piece,) = cluster.client.list(ENDPOINT_SLICES, "kube-system")["items"]
    assert [(p["name"], p["port"], p["protocol"]) for p in piece["ports"]] == ports
    assert decode_config(cluster.config.encode()).kube_dns


@pytest.mark.parametrize(
    ("cidr", "address"),
    [("10.96.0.0/12", "10.96.0.10"), ("10.0.0.0/29", "10.0.0.6"), ("fd00::/112", "fd00::a")],
)
def test_the_address_of_dns(cidr: str, address: str) -> None:
    assert ClusterConfig(service_cidrs=(cidr,)).dns_address == address


def test_the_controllers_add_accounts_and_certificates() -> None:
    cluster = make_cluster(settle=True)
    for namespace in ("default", "kube-node-lease", "kube-public", "kube-system"):
        assert names(cluster, SERVICE_ACCOUNTS, namespace) == ["default"]
        assert "kube-root-ca.crt" in names(cluster, CONFIG_MAPS, namespace)


def test_nodes_are_ready_and_have_networks_of_their_own() -> None:
    cluster = make_cluster(nodes=3)
    nodes = cluster.client.list(NODES)["items"]
    assert [n["spec"]["podCIDR"] for n in nodes] == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    addresses = [
        next(a["address"] for a in n["status"]["addresses"] if a["type"] == "InternalIP") for n in nodes
    ]
    assert addresses == ["172.18.0.3", "172.18.0.4", "172.18.0.5"]
    for node in nodes:
        assert "taints" not in node["spec"]
        conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def test_a_cluster_that_is_there_is_opened_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cluster.db"
    first = make_cluster(SQLStorage(path), nodes=1, name="mine")
    uid = first.client.get(NAMESPACES, "default")["metadata"]["uid"]
    first.close()
    second = build(ClusterConfig(nodes=5), SQLStorage(path), clock=FrozenClock(START))
    assert (second.config.nodes, second.config.name, second.config.created) == (1, "mine", START)
    assert second.client.get(NAMESPACES, "default")["metadata"]["uid"] == uid
    second.close()


def play(cluster: Cluster, name: str) -> None:
    cluster.client.create(CONFIG_MAPS, {"metadata": {"generateName": f"{name}-"}}, "default")
    ports = {"ports": [{"port": 80}]}
    cluster.client.create(SERVICES, {"metadata": {"name": f"s-{name}"}, "spec": ports}, "default")
    cluster.settle()


def everything(cluster: Cluster) -> list[object]:
    return [(e.type, e.object) for e in cluster.client.log(0)]


def test_the_same_seed_makes_the_same_cluster() -> None:
    clusters = [make_cluster(seed="7", settle=True) for _ in range(2)]
    for cluster in clusters:
        play(cluster, "a")
    assert everything(clusters[0]) == everything(clusters[1])


def test_another_seed_makes_another_cluster() -> None:
    first, second = (make_cluster(seed=s).client.get(NAMESPACES, "default") for s in ("7", "8"))
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_the_same_seed_makes_the_same_cluster_over_several_processes(tmp_path: Path) -> None:
    whole = make_cluster(SQLStorage(tmp_path / "whole.db"), seed="7", settle=True)
    for name in ("a", "b", "c"):
        play(whole, name)
    expected = everything(whole)
    whole.close()
    pieces = make_cluster(SQLStorage(tmp_path / "pieces.db"), seed="7", settle=True)
    for name in ("a", "b", "c"):
        play(pieces, name)
        pieces.close()
        pieces = make_cluster(SQLStorage(tmp_path / "pieces.db"))
    assert everything(pieces) == expected
    pieces.close()


def test_notes_keep_state() -> None:
    cluster = make_cluster()
    cluster.state.set("timers/a", b"1")
    cluster.state.set("timers/b", b"2")
    cluster.state.set("timers/a", None)
    assert cluster.state.get("timers/a") is None
    assert cluster.state.items("timers/") == {"timers/b": b"2"}


def test_state_written_in_a_batch_is_part_of_it() -> None:
    cluster = make_cluster()

    def fail() -> None:
        with cluster.client.batch():
            cluster.state.set("x", b"1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert cluster.state.get("x") is None


def test_a_configuration_survives_being_kept() -> None:
    config = ClusterConfig(name="x", seed="7", service_cidrs=("10.0.0.0/16", "fd00::/112"), frozen_at=START)
    assert decode_config(config.encode()) == config


def test_clusters_of_older_versions_have_the_usual_ranges() -> None:
    """They wrote the IPv4 one down whatever the families were."""
    kept = ClusterConfig(service_cidrs=("fd00::/112",), pod_cidr="10.244.0.0/16").encode()
    config = decode_config(kept)
    config.validate()
    assert config.pod_cidrs == ("fd00:10:244::/56",)


RANGES = ("10.96.0.0/16", "fd00:10:96::/112")
DUAL_STACK = {
    "IPv4 first": (RANGES, "", ["10.244.1.0/24", "fd00:10:244:1::/64"]),
    "IPv6 first": (RANGES[::-1], "", ["fd00:10:244:1::/64", "10.244.1.0/24"]),
    "IPv6 alone": (RANGES[1:], "", ["fd00:10:244:1::/64"]),
    "other ranges, in any order": (
        RANGES,
        "fd00:7::/60, 10.7.0.0/16",
        ["10.7.1.0/24", "fd00:7:0:1::/64"],
    ),
    "one other range": (RANGES, "10.7.0.0/16", ["10.7.1.0/24", "fd00:10:244:1::/64"]),
}


@pytest.mark.parametrize(("services", "pods", "expected"), DUAL_STACK.values(), ids=DUAL_STACK)
def test_families_of_nodes_are_those_of_services(
    services: tuple[str, ...], pods: str, expected: list[str]
) -> None:
    cluster = make_cluster(nodes=2, service_cidrs=services, pod_cidr=pods)
    node = cluster.client.get(NODES, "node-2")
    assert node["spec"] == {"podCIDR": expected[0], "podCIDRs": expected}
    own = {4: "172.18.0.4", 6: "fc00:f853:ccd:e793::4"}
    assert node["status"]["addresses"] == [
        *({"type": "InternalIP", "address": own[6 if ":" in cidr else 4]} for cidr in expected),
        {"type": "Hostname", "address": "node-2"},
    ]


BAD_CONFIGS = {
    "nodes": ({"nodes": -1}, "the number of nodes must be between"),
    "version": ({"kubernetes_version": "latest"}, "the Kubernetes version must be like 1.32"),
    "service CIDR": ({"service_cidrs": ("10.0.0.1/16",)}, "bad service CIDR"),
    "no service CIDR": ({"service_cidrs": ()}, "a cluster needs a service CIDR"),
    "two of a kind": ({"service_cidrs": ("10.0.0.0/16", "10.1.0.0/16")}, "one of IPv4, one of IPv6"),
    "a tiny service CIDR": ({"service_cidrs": ("10.0.0.0/30",)}, "too small"),
    "pod CIDR": ({"pod_cidr": "10.244.0.0/28"}, "the pod CIDR must hold a /24 for each node"),
    "a large pod CIDR": ({"pod_cidr": "10.0.0.0/7"}, "is larger than /8"),
    "a pod CIDR of another family": ({"pod_cidr": "fd00:1::/56"}, "pod CIDRs are one of each family"),
    "two pod CIDRs of a family": (
        {"pod_cidr": "10.1.0.0/16,10.2.0.0/16"},
        "pod CIDRs are one of each family that Services have",
    ),
    "an IPv6 pod CIDR": (
        {"service_cidrs": ("fd00::/112",), "pod_cidr": "fd00:1::/80"},
        "must hold a /64 for each node",
    ),
    "too many nodes for IPv6": (
        {"service_cidrs": ("fd00::/112",), "pod_cidr": "fd00:1::/64", "nodes": 2},
        "has no room for 2 nodes",
    ),
    "too many nodes": ({"pod_cidr": "10.244.0.0/24", "nodes": 2}, "has no room for 2 nodes"),
    "node ports": ({"node_port_range": (40000, 30000)}, "the node port range must lie"),
}


@pytest.mark.parametrize(("settings", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_bad_configurations(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(ClusterConfig(**settings), MemoryStorage())  # type: ignore[arg-type]


def test_repair_finds_nothing_in_a_sound_cluster_and_puts_a_damaged_one_right() -> None:
    cluster = make_cluster()
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    service = cluster.client.create(SERVICES, {"metadata": {"name": "s"}, "spec": spec}, "default")
    assert cluster.repair() == []
    address = service["spec"]["clusterIP"]
    pools = {p: cluster.storage.allocations(p) for p in _pools(cluster)}
    with cluster.storage.transaction() as tx:
        for pool, items in pools.items():
            for item, owner in items.items():
                if item == address:
                    tx.release(pool, item, owner)
        tx.allocate(next(iter(pools)), "leaked", "default/nobody")
    assert {r.action for r in cluster.repair()} == {"allocate", "release"}
    assert cluster.repair() == []
    assert {p: cluster.storage.allocations(p) for p in _pools(cluster)} == pools


def _pools(cluster: Cluster) -> list[str]:
    allocator = cluster._allocator
    return [*(n.pool for n in allocator.networks.values()), allocator.ports.pool]
