from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cluster import make_cluster
from support.objects import HOLD, edit_node, events_of, pod_body

from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import EVENTS, NODES, PODS
from kubesim.cluster.build import Cluster
from kubesim.scheduler.nodeaffinity import matches_required
from kubesim.scheduler.usage import UsageLedger
from kubesim.util.state import MemoryState

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster(settle=True, nodes=2)


def make_pod(
    cluster: Cluster, name: str, labels: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    body = pod_body(name, labels, **spec)
    body["metadata"]["annotations"] = dict(HOLD)
    return cluster.client.create(PODS, body, "default")


def node_of(cluster: Cluster, name: str) -> str | None:
    found = cluster.client.get(PODS, name, "default")["spec"].get("nodeName")
    return str(found) if found else None


def refusal_of(cluster: Cluster, name: str) -> str:
    pod = cluster.client.get(PODS, name, "default")
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "PodScheduled",
        "False",
        "Unschedulable",
    )
    assert ("Warning", "FailedScheduling", condition["message"]) in events_of(cluster.client, name)
    return str(condition["message"])


def requests(cpu: str) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}]


def test_a_pod_gets_a_node_and_an_event(cluster: Cluster) -> None:
    make_pod(cluster, "p")
    cluster.settle()
    pod = cluster.client.get(PODS, "p", "default")
    assert pod["spec"]["nodeName"] == "node-1"
    assert [(c["type"], c["status"]) for c in pod["status"]["conditions"]] == [("PodScheduled", "True")]
    (event,) = cluster.client.list(EVENTS, "default", field_selector="involvedObject.name=p")["items"]
    assert (event["reason"], event["message"]) == ("Scheduled", "Successfully assigned default/p to node-1")
    assert (event["reportingComponent"], event["action"]) == ("default-scheduler", "Binding")


def test_pods_are_spread_over_the_nodes(cluster: Cluster) -> None:
    for number in range(6):
        make_pod(cluster, f"p{number}")
    cluster.settle()
    assert [node_of(cluster, f"p{i}") for i in range(6)] == ["node-1", "node-2"] * 3


def test_a_node_that_lost_its_pods_gets_the_next_ones(cluster: Cluster) -> None:
    for number in range(4):
        make_pod(cluster, f"p{number}")
    cluster.settle()
    for name in ("p1", "p3"):
        cluster.client.delete(PODS, name, "default", delete_options={"gracePeriodSeconds": 0})
    for number in range(4, 6):
        make_pod(cluster, f"p{number}")
    cluster.settle()
    assert [node_of(cluster, f"p{i}") for i in (4, 5)] == ["node-2", "node-2"]


def test_another_scheduler_does_its_own_work(cluster: Cluster) -> None:
    make_pod(cluster, "p", schedulerName="mine")
    cluster.settle()
    assert node_of(cluster, "p") is None
    assert events_of(cluster.client, "p") == []


def test_a_gated_pod_waits_without_a_word(cluster: Cluster) -> None:
    make_pod(cluster, "p", schedulingGates=[{"name": "example.com/gate"}])
    cluster.settle()
    assert (node_of(cluster, "p"), events_of(cluster.client, "p")) == (None, [])
    cluster.client.patch(PODS, "p", {"spec": {"schedulingGates": None}}, MERGE_PATCH, "default")
    cluster.settle()
    assert node_of(cluster, "p") == "node-1"


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
            ]
        }
    }
}


@pytest.mark.parametrize(
    ("spec", "reasons", "preemption"),
    [
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}},
            "2 node(s) didn't match Pod's node affinity/selector",
            NOT_HELPFUL,
            id="nodeSelector",
        ),
        pytest.param(
            {"affinity": AFFINITY},
            "2 node(s) didn't match Pod's node affinity/selector",
            NOT_HELPFUL,
            id="node affinity",
        ),
        pytest.param(
            {"containers": requests("9")}, "2 Insufficient cpu", NOT_HELPFUL, id="more than a node has"
        ),
        pytest.param(
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
            'persistentvolumeclaim "data" not found',
            NOT_HELPFUL,
            id="a claim that is missing",
        ),
    ],
)
def test_the_reasons_of_all_nodes_are_told(
    cluster: Cluster, spec: dict[str, Any], reasons: str, preemption: str
) -> None:
    make_pod(cluster, "p", **spec)
    cluster.settle()
    assert refusal_of(cluster, "p") == (
        f"0/2 nodes are available: {reasons}. preemption: 0/2 nodes are available: 2 {preemption}."
    )


def test_different_reasons_are_counted_apart(cluster: Cluster) -> None:
    edit_node(cluster, "node-1", unschedulable=True)
    edit_node(cluster, "node-2", taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}])
    cluster.settle()
    make_pod(cluster, "p")
    cluster.settle()
    assert refusal_of(cluster, "p") == (
        "0/2 nodes are available: 1 node(s) had untolerated taint {team: a}, 1 node(s) were unschedulable."
        f" preemption: 0/2 nodes are available: 2 {NOT_HELPFUL}."
    )


def test_a_full_node_might_be_preempted(cluster: Cluster) -> None:
    for number in range(2):
        make_pod(cluster, f"big-{number}", containers=requests("7"))
    make_pod(cluster, "p", containers=requests("2"))
    cluster.settle()
    assert refusal_of(cluster, "p") == (
        f"0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 {NO_VICTIMS}."
    )


def test_a_host_port_is_free_once_a_node(cluster: Cluster) -> None:
    containers = [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 80}]}]
    for number in range(3):
        make_pod(cluster, f"p{number}", containers=containers)
    cluster.settle()
    assert [node_of(cluster, f"p{i}") for i in range(2)] == ["node-1", "node-2"]
    assert refusal_of(cluster, "p2").startswith(
        "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    )


def test_no_nodes_at_all() -> None:
    cluster = make_cluster(settle=True, nodes=0)
    make_pod(cluster, "p")
    cluster.settle()
    assert refusal_of(cluster, "p") == "no nodes available to schedule pods"


def test_a_pending_pod_is_tried_again_when_a_node_changes(cluster: Cluster) -> None:
    make_pod(cluster, "p", nodeSelector={"disk": "ssd"})
    cluster.settle()
    assert node_of(cluster, "p") is None
    cluster.client.patch(NODES, "node-2", {"metadata": {"labels": {"disk": "ssd"}}}, MERGE_PATCH)
    cluster.settle()
    assert node_of(cluster, "p") == "node-2"


def test_a_pending_pod_is_tried_again_when_another_leaves(cluster: Cluster) -> None:
    for number in range(2):
        make_pod(cluster, f"big-{number}", containers=requests("7"))
    make_pod(cluster, "p", containers=requests("2"))
    cluster.settle()
    cluster.client.delete(PODS, "big-1", "default", delete_options={"gracePeriodSeconds": 0})
    cluster.settle()
    assert node_of(cluster, "p") == "node-2"


def _anti_affinity(key: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": key}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_pods_with_anti_affinity_keep_apart(cluster: Cluster) -> None:
    for number in range(3):
        make_pod(cluster, f"db-{number}", {"app": "db"}, affinity=_anti_affinity("kubernetes.io/hostname"))
    cluster.settle()
    assert {node_of(cluster, f"db-{i}") for i in range(2)} == {"node-1", "node-2"}
    assert "2 node(s) didn't match pod anti-affinity rules" in refusal_of(cluster, "db-2")
    make_pod(cluster, "intruder", {"app": "db"})
    cluster.settle()
    assert "2 node(s) didn't satisfy existing pods anti-affinity rules" in refusal_of(cluster, "intruder")


def test_a_pod_with_affinity_goes_where_the_other_is(cluster: Cluster) -> None:
    make_pod(cluster, "db", {"app": "db"}, nodeSelector={"kubernetes.io/hostname": "node-2"})
    cluster.settle()
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    for number in range(2):
        make_pod(cluster, f"web-{number}", affinity=affinity)
    cluster.settle()
    assert [node_of(cluster, f"web-{i}") for i in range(2)] == ["node-2", "node-2"]


def test_a_spread_constraint_keeps_the_skew(cluster: Cluster) -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    for number in range(4):
        make_pod(cluster, f"other-{number}", nodeSelector={"kubernetes.io/hostname": "node-1"})
    cluster.settle()
    for number in range(4):
        make_pod(cluster, f"web-{number}", {"app": "web"}, topologySpreadConstraints=[constraint])
    cluster.settle()
    assert sorted(str(node_of(cluster, f"web-{i}")) for i in range(4)) == [
        "node-1",
        "node-1",
        "node-2",
        "node-2",
    ]


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["a", "b"], True),
        ("In", ["b"], False),
        ("NotIn", ["b"], True),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
        ("Gt", ["1"], False),
    ],
)
def test_node_affinity_knows_its_operators(operator: str, values: list[str] | None, matches: bool) -> None:
    expression = {"key": "zone", "operator": operator, "values": values}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    pod = {"metadata": {"name": "p"}, "spec": {"affinity": affinity}}
    assert matches_required(pod, {"metadata": {"name": "n", "labels": {"zone": "a"}}}) is matches


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["make", "delete", "end"]), st.integers(0, 5)), max_size=12))
def test_the_ledger_is_what_counting_all_pods_gives(steps: list[tuple[str, int]]) -> None:
    cluster = make_cluster(settle=True, nodes=2)
    for action, number in steps:
        name = f"p{number}"
        names = {p["metadata"]["name"] for p in cluster.client.list(PODS, "default")["items"]}
        if action == "make" and name not in names:
            make_pod(cluster, name, containers=requests("100m"))
        elif action == "delete" and name in names:
            cluster.client.delete(PODS, name, "default", delete_options={"gracePeriodSeconds": 0})
        elif action == "end" and name in names:
            change = {"status": {"phase": "Succeeded"}}
            cluster.client.patch(PODS, name, change, MERGE_PATCH, "default", subresource="status")
        cluster.settle()
    ledger = UsageLedger(cluster.state)
    ledger.load()
    counted: dict[str, int] = {}
    for pod in cluster.client.list(PODS)["items"]:
        node = pod["spec"].get("nodeName")
        if node and pod["status"].get("phase") not in ("Succeeded", "Failed"):
            counted[node] = counted.get(node, 0) + 1
    assert {n: u.pods for n, u in ledger.nodes.items() if u.pods} == counted
    assert {n: u.requested["cpu"] for n, u in ledger.nodes.items() if u.pods} == {
        n: 100 * c for n, c in counted.items()
    }


def test_the_ledger_counts_a_change_that_it_sees_twice_once() -> None:
    from kubesim.apimachinery.watch import WatchEvent

    pod = pod_body("p", nodeName="n", containers=requests("1"))
    pod["metadata"] |= {"namespace": "default", "resourceVersion": "7"}
    state = MemoryState()
    for _ in range(2):
        ledger = UsageLedger(state)
        ledger.load()
        ledger.follow([WatchEvent("ADDED", pod)])
    assert (ledger.nodes["n"].pods, ledger.nodes["n"].requested) == (1, {"cpu": 1000})
