"""Who reaches whom, and as whom: Pods, nodes and the outside, through every kind of Service."""

from __future__ import annotations

from typing import Any

import pytest
from support.network import HTTP_PORT, NODE_IPS, UDP_PORT, Answer, NetLab

NODE_1, NODE_2 = NODE_IPS["node-1"], NODE_IPS["node-2"]
GATEWAY_1, GATEWAY_2 = "10.244.0.1", "10.244.1.1"
OUTSIDE = "172.18.0.1"
REFUSED, TIMED_OUT = "refused", "timed out"
EXTERNAL, BALANCED = "192.0.2.10", "203.0.113.5"


class Town:
    """Two nodes: clients on both, a server `web` on the first, and Services in front of it."""

    def __init__(self) -> None:
        self.lab = lab = NetLab()
        self.ips = {
            "web": lab.pod("web"),
            "near": lab.pod("near", labels={}),
            "far": lab.pod("far", node="node-2", labels={}),
            "host": lab.pod(
                "host", node="node-2", labels={}, hostNetwork=True, args=["netexec", "--http-port=9000"]
            ),
        }
        lab.namespace("other")
        self.ips["stranger"] = lab.pod("stranger", node="node-2", namespace="other", labels={})
        web = {"app": "web"}
        made = {
            "plain": lab.service("plain", web),
            "port": lab.service("port", web, type="NodePort"),
            "local": lab.service("local", web, type="NodePort", externalTrafficPolicy="Local"),
            "inside": lab.service("inside", web, internalTrafficPolicy="Local"),
            "external": lab.service("external", web, externalIPs=[EXTERNAL]),
            "balanced": lab.service("balanced", web, type="LoadBalancer"),
            "wrong": lab.service("wrong", web, ports=[{"port": 80, "targetPort": 81}]),
            "empty": lab.service("empty", {"app": "nobody"}, type="NodePort"),
            "hand": lab.service("hand"),
            "udp": lab.service("udp", web, type="NodePort", ports=[{"port": 80, "protocol": "UDP", "targetPort": UDP_PORT}]),
        }  # fmt: skip
        lab.endpoints("hand", [self.ips["web"]], HTTP_PORT)
        lab.balanced("balanced", BALANCED)
        self.vip = {name: s["spec"]["clusterIP"] for name, s in made.items()}
        self.node_port = {name: s["spec"]["ports"][0].get("nodePort", 0) for name, s in made.items()}


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def _web(client: str) -> Any:
    return lambda town: Answer("web", town.ips.get(client, client))


def _is(outcome: str) -> Any:
    return lambda town: outcome


POD = [
    # A Pod's own address.
    ("near", _web("near")),
    ("far", _web("far")),
    ("other/stranger", _web("stranger")),
    ("web", _web("web")),
    ("node/node-1", _web(GATEWAY_1)),
    ("node/node-2", _web(NODE_2)),
    ("host", _web(NODE_2)),
    ("outside", _is(TIMED_OUT)),
]


@pytest.mark.parametrize(("place", "expected"), POD, ids=[p for p, _ in POD])
def test_address_of_a_pod(town: Town, place: str, expected: Any) -> None:
    assert town.lab.ask(place, town.ips["web"], HTTP_PORT) == expected(town)


SERVICES = [
    # Through a cluster IP the client is itself, unless it is a node, or the very Pod that answers.
    ("plain", "near", _web("near")),
    ("plain", "far", _web("far")),
    ("plain", "other/stranger", _web("stranger")),
    ("plain", "web", _web(GATEWAY_1)),
    ("plain", "node/node-1", _web(GATEWAY_1)),
    ("plain", "node/node-2", _web(NODE_2)),
    ("plain", "host", _web(NODE_2)),
    ("plain", "outside", _is(TIMED_OUT)),
    ("hand", "far", _web("far")),
    ("hand", "node/node-2", _web(NODE_2)),
    ("inside", "near", _web("near")),
    ("inside", "far", _is(TIMED_OUT)),
    ("wrong", "near", _is(REFUSED)),
    ("empty", "near", _is(REFUSED)),
    ("empty", "node/node-1", _is(REFUSED)),
]


@pytest.mark.parametrize(
    ("service", "place", "expected"), SERVICES, ids=[f"{s} from {p}" for s, p, _ in SERVICES]
)
def test_cluster_ip(town: Town, service: str, place: str, expected: Any) -> None:
    assert town.lab.ask(place, town.vip[service]) == expected(town)


NODE_PORTS = [
    # Every node answers, whichever has the Pod; the client is the node that was asked.
    ("port", "outside", NODE_1, _web(GATEWAY_1)),
    ("port", "outside", NODE_2, _web(NODE_2)),
    ("port", "node/node-1", NODE_1, _web(GATEWAY_1)),
    ("port", "node/node-1", "127.0.0.1", _web(GATEWAY_1)),
    ("port", "node/node-1", NODE_2, _web(NODE_2)),
    ("port", "node/node-2", NODE_1, _web(GATEWAY_1)),
    ("port", "far", NODE_2, _web(NODE_2)),
    ("port", "far", NODE_1, _web(GATEWAY_1)),
    ("port", "near", NODE_1, _web(GATEWAY_1)),
    ("port", "host", NODE_1, _web(GATEWAY_1)),
    # Local: only the node that has the Pod answers from outside, and the client is itself; inside all nodes lead on.
    ("local", "outside", NODE_1, _web(OUTSIDE)),
    ("local", "outside", NODE_2, _is(TIMED_OUT)),
    ("empty", "outside", NODE_1, _is(REFUSED)),
]


@pytest.mark.parametrize(
    ("service", "place", "address", "expected"),
    NODE_PORTS,
    ids=[f"{s} at {a} from {p}" for s, p, a, _ in NODE_PORTS],
)
def test_node_port(town: Town, service: str, place: str, address: str, expected: Any) -> None:
    assert town.lab.ask(place, address, town.node_port[service]) == expected(town)


ADDRESSES = [
    ("far", EXTERNAL, 80, _web(NODE_2)),
    ("outside", EXTERNAL, 81, _is(TIMED_OUT)),
    ("near", BALANCED, 80, _web(GATEWAY_1)),
    ("node/node-2", BALANCED, 80, _web(NODE_2)),
    ("outside", BALANCED, 81, _is(TIMED_OUT)),
    ("outside", "203.0.113.99", 80, _is(TIMED_OUT)),
    ("near", "203.0.113.99", 80, _is(TIMED_OUT)),
    # Addresses that nobody has, or has any more.
    ("near", "10.244.0.250", 80, _is(TIMED_OUT)),
    ("near", "10.244.9.1", 80, _is(TIMED_OUT)),
    ("node/node-1", "10.244.1.250", 80, _is(TIMED_OUT)),
    ("near", "10.96.77.77", 80, _is(TIMED_OUT)),
    # What listens on nodes.
    ("near", NODE_1, 81, _is(REFUSED)),
    ("outside", NODE_1, 81, _is(REFUSED)),
    ("outside", NODE_1, 10248, _is(REFUSED)),
    ("near", "172.18.0.200", 80, _is(TIMED_OUT)),
    ("outside", "127.0.0.1", 80, _is(REFUSED)),
    ("near", "127.0.0.1", 81, _is(REFUSED)),
    ("near", "fd00::1", 80, _is("unreachable")),
]


@pytest.mark.parametrize(
    ("place", "address", "port", "expected"), ADDRESSES, ids=[f"{a}:{p} from {f}" for f, a, p, _ in ADDRESSES]
)
def test_other_addresses(town: Town, place: str, address: str, port: int, expected: Any) -> None:
    assert town.lab.ask(place, address, port) == expected(town)


@pytest.mark.parametrize("address", [EXTERNAL, BALANCED])
def test_from_outside_any_node_may_lead_in(town: Town, address: str) -> None:
    found = {town.lab.ask("outside", address) for _ in range(40)}
    assert found == {Answer("web", GATEWAY_1), Answer("web", NODE_2)}


def test_ports_of_a_node(town: Town) -> None:
    for place in ("near", "outside", "node/node-2"):
        trip = town.lab.send(place, NODE_1, 10250)
        assert trip.listener is not None
        assert trip.listener.process == "kubelet"
    health = town.lab.send("node/node-1", "127.0.0.1", 10248)
    assert health.outcome == "reached"


def test_host_network_pod_listens_on_its_node(town: Town) -> None:
    assert town.ips["host"] == NODE_2
    for place, client in (
        ("near", NODE_1),
        ("far", town.ips["far"]),
        ("outside", OUTSIDE),
        ("node/node-2", NODE_2),
    ):
        assert town.lab.ask(place, NODE_2, 9000) == Answer("node-2", client), place
    assert town.lab.ask("host", "127.0.0.1", 9000) == Answer("node-2", "127.0.0.1")


def test_udp(town: Town) -> None:
    web = town.ips["web"]
    assert town.lab.ask("far", web, UDP_PORT, "UDP") == Answer("web", town.ips["far"])
    assert town.lab.ask("far", web, HTTP_PORT, "UDP") == REFUSED
    assert town.lab.ask("far", town.vip["udp"], 80, "UDP") == Answer("web", town.ips["far"])
    assert town.lab.ask("far", town.vip["udp"], 80, "TCP") == TIMED_OUT
    assert town.lab.ask("outside", NODE_2, town.node_port["udp"], "UDP") == Answer("web", NODE_2)


def test_ping_answers_for_pods_and_nodes_and_for_no_service(town: Town) -> None:
    answers = {
        (place, address): town.lab.view(place).ping(address) is not None
        for place in ("near", "node/node-1", "outside")
        for address in (town.ips["web"], town.vip["plain"], NODE_2, "10.244.0.250")
    }
    inside = {town.ips["web"]: True, town.vip["plain"]: False, NODE_2: True, "10.244.0.250": False}
    expected = {(p, a): inside[a] for p in ("near", "node/node-1") for a in inside}
    expected |= {("outside", a): a == NODE_2 for a in inside}
    assert answers == expected


def test_source_ports_differ(town: Town) -> None:
    peers = [town.lab.send("near", town.vip["plain"], 80).peer for _ in range(3)]
    assert len({p.port for p in peers if p is not None}) == 3
