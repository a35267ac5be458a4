"""Random policies and requests on a whole cluster, against what the documentation says in a few sentences.

The model knows nothing of rules and hops: it says who is asked and whom the server sees, case by case.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.network import HTTP_PORT, NODE_IPS, POLICIES, Answer, NetLab
from support.policymodel import NAMESPACES, allowed, policies

from kubesim.client.resources import NAMESPACES as NAMESPACE_RESOURCE
from kubesim.network.policy import EGRESS, INGRESS, Party

OUTSIDE = "172.18.0.1"
GATEWAYS = {"node-1": "10.244.0.1", "node-2": "10.244.1.1"}
PODS = {"a/one": "node-1", "a/two": "node-2", "b/one": "node-2", "b/two": "node-1"}
PLACES = (*PODS, "node/node-1", "node/node-2", "outside")
WAYS = ("direct", "service", "node-1", "node-2")


@cache
def _lab() -> tuple[NetLab, dict[str, str], dict[str, tuple[str, int]]]:
    """Four Pods in two namespaces on two nodes, each behind a Service with a node port; made once."""
    lab = NetLab()
    for name, labels in NAMESPACES.items():
        lab.namespace(name, **labels)
    addresses, services = {}, {}
    for key, node in PODS.items():
        namespace, app = key.split("/")
        ports = [{"name": "web", "containerPort": HTTP_PORT}]
        addresses[key] = lab.pod(app, node=node, namespace=namespace, labels={"app": app}, ports=ports)
        spec = lab.service(app, {"app": app}, namespace=namespace, type="NodePort")["spec"]
        services[key] = spec["clusterIP"], spec["ports"][0]["nodePort"]
    return lab, addresses, services


def _party(key: str, addresses: dict[str, str]) -> Party:
    namespace, app = key.split("/")
    named = {("TCP", "web"): frozenset({HTTP_PORT})}
    labels = NAMESPACES[namespace] | {"kubernetes.io/metadata.name": namespace}
    return Party(addresses[key], namespace, app, {"app": app}, labels, named)


def _expected(
    found: list[dict[str, Any]], place: str, target: str, way: str, addresses: dict[str, str]
) -> Answer | str:
    server, home = _party(target, addresses), PODS[target]
    is_pod = place in PODS
    own_node = PODS.get(place) or place.removeprefix("node/")
    if place == "outside" and way in ("direct", "service"):
        return "timed out"

    # Who led to the Pod behind a node port: the node that was asked.
    led_by = way if way in NODE_IPS else ""
    # The sender's own policies look at the Pod; or, where another node is to find it, at that node.
    if is_pod and place != target:
        goal = server if not led_by or led_by == own_node else Party(NODE_IPS[led_by])
        if not allowed(found, EGRESS, _party(place, addresses), goal, _port(goal, target, way), "TCP"):
            return "timed out"
    if is_pod and place == target and led_by and led_by != own_node:
        goal = Party(NODE_IPS[led_by])
        if not allowed(found, EGRESS, server, goal, _port(goal, target, way), "TCP"):
            return "timed out"

    # As whom it comes to the Pod's node.
    if led_by and led_by != home:
        seen = Party(NODE_IPS[led_by])
    elif is_pod and (not led_by or led_by == own_node):
        seen = _party(place, addresses)
    else:
        seen = Party(OUTSIDE if place == "outside" else NODE_IPS[own_node])
    from_own_node = place == f"node/{home}" and led_by in ("", home)
    if place != target and not from_own_node and not allowed(found, INGRESS, seen, server, HTTP_PORT, "TCP"):
        return "timed out"

    # Whom the server sees.
    if led_by:
        client = GATEWAYS[home] if led_by == home else NODE_IPS[led_by]
    elif is_pod:
        client = GATEWAYS[home] if place == target and way == "service" else addresses[place]
    else:
        client = GATEWAYS[home] if own_node == home else NODE_IPS[own_node]
    return Answer(target.split("/")[1], client)


def _port(goal: Party, target: str, way: str) -> int:
    return HTTP_PORT if goal.namespace else _lab()[2][target][1]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(policies(), max_size=3), st.data())
def test_requests_go_as_the_model_says(drawn: list[dict[str, Any]], data: st.DataObject) -> None:
    lab, addresses, services = _lab()
    found = [
        p | {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": p["metadata"] | {"name": f"p-{n}"}}
        for n, p in enumerate(drawn)
    ]  # fmt: skip
    for one in found:
        lab.client.create(POLICIES, one, one["metadata"]["namespace"])
    try:
        for _ in range(6):
            place = data.draw(st.sampled_from(PLACES))
            target, way = data.draw(st.sampled_from(list(PODS))), data.draw(st.sampled_from(WAYS))
            vip, node_port = services[target]
            address, port = {"direct": (addresses[target], HTTP_PORT), "service": (vip, 80)}.get(
                way, (NODE_IPS.get(way, ""), node_port)
            )
            assert lab.ask(place, address, port) == _expected(found, place, target, way, addresses), (
                place,
                target,
                way,
            )
    finally:
        for one in found:
            lab.client.delete(POLICIES, one["metadata"]["name"], one["metadata"]["namespace"])


def test_the_model_stands_on_what_the_cluster_has() -> None:
    lab, _, _ = _lab()
    for name, labels in NAMESPACES.items():
        assert lab.client.get(NAMESPACE_RESOURCE, name)["metadata"]["labels"].items() >= labels.items()
