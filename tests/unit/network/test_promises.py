"""Random Services in front of real Pods, asked from Pods, nodes and outside, against what Kubernetes promises about who may
answer. The model is naive: it knows Pods, readiness and traffic policies, and neither slices nor rules nor hops.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support.network import HTTP_PORT, NODE_IPS, UDP_PORT, Answer, NetLab

from kubesim.client.resources import PODS, SERVICES
from kubesim.runtime.application import TransportProtocol

OUTSIDE = "172.18.0.1"
GATEWAYS = {"node-1": "10.244.0.1", "node-2": "10.244.1.1"}
EXTERNAL, BALANCED = "192.0.2.10", "203.0.113.5"
SHUT = 81
REFUSED, TIMED_OUT = "refused", "timed out"


@dataclass(frozen=True)
class Server:
    """A Pod that serves HTTP_PORT and UDP_PORT; `named` Pods call the first one web."""

    node: str
    labels: tuple[str, ...]
    ready: bool = True
    named: bool = False


SERVERS = {
    "a-1": Server("node-1", ("a", "ab"), named=True),
    "a-2": Server("node-2", ("a", "all")),
    "b-1": Server("node-1", ("b", "ab", "all")),
    "slow": Server("node-2", ("s", "all"), ready=False, named=True),
}
PLACES = {
    "client-1": "node-1",
    "client-2": "node-2",
    "node/node-1": "node-1",
    "node/node-2": "node-2",
    "outside": "",
}
PLACES |= {name: server.node for name, server in SERVERS.items()}
LABELS = ("a", "b", "ab", "s", "all", "nobody")


@cache
def _lab() -> tuple[NetLab, dict[str, str]]:
    """Made once: only the Services come and go."""
    lab = NetLab()
    addresses = {}
    for name, server in SERVERS.items():
        ports = [{"name": "web", "containerPort": HTTP_PORT}] if server.named else None
        labels = dict.fromkeys(server.labels, "yes")
        addresses[name] = lab.pod(name, node=server.node, labels=labels, ready=server.ready, ports=ports)
    for number in (1, 2):
        addresses[f"client-{number}"] = lab.pod(f"client-{number}", node=f"node-{number}", labels={})
    return lab, addresses


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer")))
    protocol: TransportProtocol = draw(st.sampled_from(("TCP", "TCP", "TCP", "UDP")))
    target = UDP_PORT if protocol == "UDP" else draw(st.sampled_from((HTTP_PORT, HTTP_PORT, "web", SHUT)))
    spec: dict[str, Any] = {
        "type": kind,
        "selector": {draw(st.sampled_from(LABELS)): "yes"},
        "ports": [{"port": 80, "targetPort": target, "protocol": protocol}],
        "publishNotReadyAddresses": draw(st.booleans()),
        "internalTrafficPolicy": draw(st.sampled_from(("Cluster", "Cluster", "Local"))),
        "sessionAffinity": draw(st.sampled_from(("None", "None", "ClientIP"))),
    }
    if kind != "ClusterIP":
        spec["externalTrafficPolicy"] = draw(st.sampled_from(("Cluster", "Local")))
    if draw(st.booleans()):
        spec["externalIPs"] = [EXTERNAL]
    return spec


@dataclass(frozen=True)
class Goal:
    """An address of a Service: `way` is cluster, external, balanced, loopback, or the node of a node port."""

    way: str
    address: str
    port: int


def goals(service: dict[str, Any]) -> list[Goal]:
    spec = service["spec"]
    found = [Goal("cluster", spec["clusterIP"], 80), Goal("wrong", spec["clusterIP"], 83)]
    found += [Goal("external", address, 80) for address in spec.get("externalIPs", [])]
    if spec["type"] == "LoadBalancer":
        found.append(Goal("balanced", BALANCED, 80))
    if number := spec["ports"][0].get("nodePort"):
        found += [Goal(node, address, number) for node, address in NODE_IPS.items() if node in GATEWAYS]
        found.append(Goal("loopback", "127.0.0.1", number))
    return found


def endpoints(spec: dict[str, Any]) -> dict[str, str]:
    """Who is behind a Service, and what they answer."""
    (label,) = spec["selector"]
    (port,) = spec["ports"]
    found = {}
    for name, server in SERVERS.items():
        if label not in server.labels or not (server.ready or spec.get("publishNotReadyAddresses")):
            continue
        if port["targetPort"] == "web" and not server.named:
            continue
        found[name] = REFUSED if port["targetPort"] == SHUT else name
    return found


def promised(spec: dict[str, Any], place: str, goal: Goal) -> set[str]:
    """How it may end."""
    found, home = endpoints(spec), PLACES[place]
    everybody = set(found.values())

    def on(node: str) -> set[str]:
        """What a node's endpoints answer. Without any it is as if nobody was there; there are others, though."""
        local = {answer for name, answer in found.items() if SERVERS[name].node == node}
        return local or {TIMED_OUT if found else REFUSED}

    if goal.way == "wrong" or (goal.way == "cluster" and not home):
        return {TIMED_OUT}
    if goal.way == "loopback" and not place.startswith("node/"):
        return {REFUSED}  # its own loopback, where nothing listens
    if goal.way == "cluster":
        return on(home) if spec["internalTrafficPolicy"] == "Local" else everybody or {REFUSED}
    local = spec.get("externalTrafficPolicy") == "Local"
    if goal.way in GATEWAYS:
        # From its own Pods, and from itself, a node leads on to all endpoints.
        return on(goal.way) if local and home != goal.way else everybody or {REFUSED}
    if goal.way == "loopback":
        return everybody or {REFUSED}
    if home and found:
        return everybody
    nowhere = {TIMED_OUT} if goal.way == "balanced" and local else {REFUSED}
    if home:
        # A node's own request to an address that leads nowhere goes out, and comes back in as any other.
        return {*nowhere, REFUSED}
    if local and goal.way == "external":
        return on("node-1") | on("node-2")  # the router knows nothing of endpoints
    return everybody or nowhere


def seen(spec: dict[str, Any], place: str, goal: Goal, server: str, addresses: dict[str, str]) -> str | None:
    """Whom the server sees, where that is promised."""
    if goal.way == "cluster" and place in addresses:
        return GATEWAYS[SERVERS[server].node] if place == server else addresses[place]
    if place == "outside" and spec.get("externalTrafficPolicy") == "Local":
        return OUTSIDE
    return None


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=services(), data=st.data())
def test_those_answer_who_may(spec: dict[str, Any], data: st.DataObject) -> None:
    lab, addresses = _lab()
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": spec}
    lab.client.create(SERVICES, body, "default")
    try:
        if spec["type"] == "LoadBalancer":
            lab.balanced("app", BALANCED)
        lab.cluster.settle()
        service = lab.client.get(SERVICES, "app", "default")
        protocol = service["spec"]["ports"][0]["protocol"]
        for _ in range(8):
            place = data.draw(st.sampled_from(sorted(PLACES)), "from")
            goal = data.draw(st.sampled_from(goals(service)), "to")
            answers = [lab.ask(place, goal.address, goal.port, protocol) for _ in range(3)]
            allowed = promised(spec, place, goal)
            for answer in answers:
                if not isinstance(answer, Answer):
                    event(answer)
                    assert answer in allowed
                    continue
                event(f"answered at {'node port' if goal.way in GATEWAYS else goal.way}")
                assert answer.pod in allowed
                client = seen(spec, place, goal, answer.pod, addresses)
                assert client in (None, answer.client)
            if spec["sessionAffinity"] == "ClientIP" and goal.way in ("cluster", *GATEWAYS):
                assert len({a.pod for a in answers if isinstance(a, Answer)}) <= 1
    finally:
        lab.client.delete(SERVICES, "app", "default")
        lab.cluster.settle()


def test_the_model_stands_on_what_the_cluster_has() -> None:
    lab, addresses = _lab()
    found = {p["metadata"]["name"]: p["spec"]["nodeName"] for p in lab.client.list(PODS)["items"]}
    assert found == {name: PLACES[name] for name in addresses}
