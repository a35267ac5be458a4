"""Hints by the annotation: who gets them, how endpoints are shared out, what is said of it. The numbers of the first tables
are those of k8s.io/endpointslice/topologycache's own tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.cluster import make_cluster
from support.objects import events_of, make_service, running_pod, set_status, slices_of

from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import EVENTS, NODES, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.controllers.topologyhints import TopologyHints, cpu_ratios, is_overloaded
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage

ZONE = "topology.kubernetes.io/zone"
AUTO = {"service.kubernetes.io/topology-mode": "Auto"}
PREFIX = "TopologyAwareHints"


def endpoint(zone: str, ready: bool | None = True, hint: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"addresses": ["10.0.0.1"], "zone": zone, "conditions": {}}
    if ready is not None:
        found["conditions"]["ready"] = ready
    return found | ({"hints": {"forZones": [{"name": hint}]}} if hint else {})


def slice_of(*zones: str, name: str = "", hinted: bool = False) -> dict[str, Any]:
    endpoints = [endpoint(z, hint=z if hinted else "") for z in zones]
    return {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": endpoints}


def hints_of(found: dict[str, Any]) -> list[str]:
    return ["".join(z["name"] for z in e.get("hints", {}).get("forZones", ())) for e in found["endpoints"]]


def test_endpoints_are_shared_out_by_the_cpus_of_zones() -> None:
    create = [slice_of("a", "b"), slice_of("c", "c", "a")]
    update = [slice_of("a", "a", name="s-1"), slice_of("b", "c", "a", name="s-2")]
    hints = TopologyHints({"a": 0.35, "b": 0.35, "c": 0.30}, populated=False)
    hints.assign("IPv4", create, update, [])
    assert [hints_of(s) for s in create] == [["b", "b"], ["c", "c", "a"]]
    assert [hints_of(s) for s in update] == [["a", "a"], ["b", "c", "a"]]
    assert [(e.type, e.reason, e.message) for e in hints.events] == [
        ("Normal", f"{PREFIX}Enabled", "Topology Aware Hints has been enabled, addressType: IPv4")
    ]


def test_only_ready_endpoints_have_hints() -> None:
    found = slice_of("a", "b")
    found["endpoints"] += [endpoint("b", ready=False), endpoint("b", ready=None)]
    hints = TopologyHints({"a": 0.45, "b": 0.55}, populated=False)
    hints.assign("IPv4", [found], [], [])
    assert hints_of(found) == ["a", "b", "", ""]


NODES_MISSING = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4"
UNABLE = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"


@pytest.mark.parametrize(
    ("ratios", "zones", "message"),
    [
        ({}, ("a", "b"), NODES_MISSING),
        (
            {"a": 0.3, "b": 0.4, "c": 0.3},
            ("a", "b"),
            "Insufficient number of endpoints (2 endpoints, 3 zones), addressType: IPv4",
        ),
        ({"a": 0.5, "b": 0.5}, ("a", "b", "b"), f"{UNABLE} (3 endpoints, 2 zones), addressType: IPv4"),
        (
            {"a": 0.5, "b": 0.5},
            ("a", ""),
            "One or more endpoints do not have a zone specified, addressType: IPv4",
        ),
    ],
    ids=["nodes", "endpoints", "overload", "no zone"],
)
def test_hints_go_where_they_cannot_be(ratios: dict[str, float], zones: Sequence[str], message: str) -> None:
    update = [slice_of(*zones, name="s-1", hinted=True)]
    hints = TopologyHints(ratios, populated=True)
    hints.assign("IPv4", [], update, [])
    assert "".join(hints_of(update[0])) == ""
    assert [(e.type, e.reason, e.message) for e in hints.events] == [
        ("Warning", f"{PREFIX}Disabled", message)
    ]
    assert not hints.populated


def test_slices_that_are_right_stay_as_they_are() -> None:
    """Hints that were there before are kept while each zone has its share, however they came about."""
    before = slice_of("a", "b", "b", "b", name="s-1")
    for found, zone in zip(before["endpoints"], "abab", strict=True):
        found["hints"] = {"forZones": [{"name": zone}]}
    update: list[dict[str, Any]] = []
    hints = TopologyHints({"a": 0.5, "b": 0.5}, populated=True)
    hints.assign("IPv4", [], update, [before])
    assert (update, hints.events) == ([], [])


def test_a_slice_with_too_many_hints_for_a_zone_is_shared_out_anew() -> None:
    update: list[dict[str, Any]] = []
    before = slice_of("a", "b", "b", "b", name="s-1", hinted=True)
    TopologyHints({"a": 0.5, "b": 0.5}, populated=True).assign("IPv4", [], update, [before])
    assert [hints_of(s) for s in update] == [["a", "a", "b", "b"]]
    assert hints_of(before) == ["a", "b", "b", "b"]


def node(zone: str, cpu: str, ready: str = "True", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": labels | ({ZONE: zone} if zone else {})},
        "status": {
            "allocatable": {"cpu": cpu} if cpu else {},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}


@pytest.mark.parametrize(
    ("nodes", "ratios"),
    [
        ([], {}),
        ([node("a", "1000m")], {}),
        ([node("a", "1"), node("a", "1")], {}),
        ([node("a", "1000m"), node("b", "3")], {"a": 0.25, "b": 0.75}),
        ([node("a", "1"), node("b", "2"), node("b", "1")], {"a": 0.25, "b": 0.75}),
        ([node("a", "1"), node("b", "1", "False")], {}),
        ([node("a", "1"), node("b", "1"), node("", "1")], {}),
        ([node("a", "1"), node("b", "1"), node("", "1", "Unknown")], {"a": 0.5, "b": 0.5}),
        ([node("a", "1"), node("b", "")], {}),
        ([node("a", "1"), node("b", "1"), node("c", "2", **CONTROL_PLANE)], {"a": 0.5, "b": 0.5}),
    ],
    ids=[
        "none",
        "one",
        "one zone",
        "two",
        "three",
        "not ready",
        "no zone",
        "no zone and not ready",
        "no CPU",
        "control plane",
    ],
)
def test_ratios_of_zones(nodes: list[dict[str, Any]], ratios: dict[str, float]) -> None:
    assert cpu_ratios(nodes) == ratios


@pytest.mark.parametrize(
    ("hinted", "ratios", "overloaded"),
    [
        ("", {"a": 0.5, "b": 0.5}, False),
        ("ab", {}, True),
        ("ab", {"a": 0.5, "b": 0.5}, False),
        ("aa", {"a": 0.5, "b": 0.5}, True),
        ("aaabb", {"a": 0.5, "b": 0.5}, True),
        ("aaaaaabbbbb", {"a": 0.5, "b": 0.5}, False),
    ],
)
def test_hints_that_leave_a_zone_short(hinted: str, ratios: dict[str, float], overloaded: bool) -> None:
    assert is_overloaded([slice_of(*hinted, hinted=True)], ratios) is overloaded


# In a cluster.


def zoned(storage: Storage | None = None) -> Cluster:
    """Two nodes, each a zone, and a Pod on each."""
    made = make_cluster(storage, settle=True, nodes=2)
    for number, zone in (1, "a"), (2, "b"):
        set_zone(made, f"node-{number}", zone)
        running_pod(made, f"p{number}", {"app": "web"}, ip=f"10.244.{number}.9", node=f"node-{number}")
    return made


@pytest.fixture
def cluster() -> Cluster:
    return zoned()


def set_zone(cluster: Cluster, name: str, zone: str | None) -> None:
    cluster.client.patch(NODES, name, {"metadata": {"labels": {ZONE: zone}}}, MERGE_PATCH)


def annotate(cluster: Cluster, **annotations: str | None) -> None:
    named = {f"service.kubernetes.io/topology-{k.replace('_', '-')}": v for k, v in annotations.items()}
    cluster.client.patch(SERVICES, "web", {"metadata": {"annotations": named}}, MERGE_PATCH, "default")
    cluster.settle()


def hinted(cluster: Cluster) -> dict[str, str]:
    return {
        e["targetRef"]["name"]: e["hints"]["forZones"][0]["name"]
        for s in slices_of(cluster, "web")
        for e in s["endpoints"]
        if e.get("hints")
    }


def told(cluster: Cluster) -> list[tuple[str, str]]:
    found = events_of(cluster.client, "web")
    return [
        (reason.removeprefix(PREFIX), message) for _, reason, message in found if reason.startswith(PREFIX)
    ]


@pytest.mark.parametrize(
    ("annotations", "has"),
    [
        ({"mode": "Auto"}, True),
        ({"mode": "auto"}, True),
        ({"mode": "AUTO"}, False),
        ({"mode": "Disabled"}, False),
        ({"aware_hints": "auto"}, True),
        ({"aware_hints": "Auto"}, True),
        ({"aware_hints": "disabled"}, False),
    ],
)
def test_values_of_the_annotations(cluster: Cluster, annotations: dict[str, str], has: bool) -> None:
    make_service(cluster, "web", {"app": "web"})
    annotate(cluster, **annotations)
    assert hinted(cluster) == ({"p1": "a", "p2": "b"} if has else {})


def test_hints_come_and_go_with_the_annotation(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    annotate(cluster, mode="Auto")
    assert hinted(cluster) == {"p1": "a", "p2": "b"}
    annotate(cluster, mode=None)
    assert hinted(cluster) == {}
    enabled = ("Enabled", "Topology Aware Hints has been enabled, addressType: IPv4")
    disabled = ("Disabled", "Topology Aware Hints has been disabled, addressType: IPv4")
    assert told(cluster) == [enabled, disabled]


def test_nothing_is_said_twice_of_hints_that_stay() -> None:
    """Not by the controllers of another process on the same store either."""
    storage = MemoryStorage()
    cluster = zoned(storage)
    make_service(cluster, "web", {"app": "web"})
    annotate(cluster, mode="Auto")
    again = make_cluster(storage, nodes=2)
    again.client.patch(SERVICES, "web", {"metadata": {"labels": {"x": "y"}}}, MERGE_PATCH, "default")
    again.settle()
    (event,) = again.client.list(EVENTS, "default", field_selector="involvedObject.name=web")["items"]
    assert (event["reason"], event["count"]) == ("TopologyAwareHintsEnabled", 1)
    assert event["source"] == {"component": "endpoint-slice-controller"}
    assert hinted(again) == {"p1": "a", "p2": "b"}


def test_the_annotation_comes_before_traffic_distribution(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"}, trafficDistribution="PreferClose")
    running_pod(cluster, "p3", {"app": "web"}, ip="10.244.2.10", node="node-2")
    running_pod(cluster, "p4", {"app": "web"}, ip="10.244.2.11", node="node-2")
    cluster.settle()
    assert hinted(cluster) == {"p1": "a", "p2": "b", "p3": "b", "p4": "b"}
    annotate(cluster, mode="Auto")
    assert sorted(hinted(cluster).values()) == ["a", "a", "b", "b"]
    annotate(cluster, mode=None)
    assert hinted(cluster) == {"p1": "a", "p2": "b", "p3": "b", "p4": "b"}


def test_hints_go_when_an_endpoint_does_and_come_back(cluster: Cluster) -> None:
    make_service(cluster, "web", {"app": "web"})
    annotate(cluster, mode="Auto")
    pod = cluster.client.get(PODS, "p2", "default")
    set_status(cluster, pod, ips=["10.244.2.9"], ready=False)
    cluster.settle()
    assert hinted(cluster) == {}
    few = "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4"
    assert told(cluster)[1:] == [("Disabled", few)]
    set_status(cluster, pod, ips=["10.244.2.9"], ready=True)
    cluster.settle()
    assert hinted(cluster) == {"p1": "a", "p2": "b"}


def test_hints_follow_the_nodes(cluster: Cluster) -> None:
    """A node that has no zone any more takes them away, though no Pod of the Service is on it."""
    cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n3"}})
    make_service(cluster, "web", {"app": "web"})
    annotate(cluster, mode="Auto")
    assert hinted(cluster) == {"p1": "a", "p2": "b"}
    status = node("", "2")["status"]
    cluster.client.patch(NODES, "n3", {"status": status}, MERGE_PATCH, subresource="status")
    cluster.settle()
    assert hinted(cluster) == {}
    assert told(cluster)[1:] == [("Disabled", NODES_MISSING)]
    set_zone(cluster, "n3", "a")
    cluster.settle()
    assert sorted(hinted(cluster).values()) == ["a", "b"]
