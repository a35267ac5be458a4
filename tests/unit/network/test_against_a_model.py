"""Random policies and requests on a whole cluster, against what the documentation says in a few sentences.

The model knows nothing of rules and hops: it says who is asked and whom the server sees, case by case.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.network import HTTP_PORT, POLICIES, Answer, NetLab
from support.policymodel import NAMESPACES, allowed, policies

from kubesim.client.resources import NAMESPACES as NAMESPACE_RESOURCE
from kubesim.client.resources import PODS as POD_RESOURCE
from kubesim.network.policy import EGRESS, INGRESS, Party

NODE_IPS = {
    "IPv4": {"node-1": "172.18.0.3", "node-2": "172.18.0.4"},
    "IPv6": {"node-1": "fc00:f853:ccd:e793::3", "node-2": "fc00:f853:ccd:e793::4"},
}
OUTSIDE = {"IPv4": "172.18.0.1", "IPv6": "fc00:f853:ccd:e793::1"}
GATEWAYS = {
    "IPv4": {"node-1": "10.244.0.1", "node-2": "10.244.1.1"},
    "IPv6": {"node-1": "fd00:10:244::1", "node-2": "fd00:10:244:1::1"},
}
PODS = {"a/one": "node-1", "a/two": "node-2", "b/one": "node-2", "b/two": "node-1"}
PLACES = (*PODS, "node/node-1", "node/node-2", "outside")
WAYS = ("direct", "service", "node-1", "node-2")


@cache
def _lab() -> tuple[NetLab, dict[str, dict[str, str]], dict[str, dict[str, tuple[str, int]]]]:
    """Four Pods in two namespaces on two nodes, each behind a Service with a node port; made once. Addresses, and those of
    Services with their node ports, by family and Pod.
    """
    lab = NetLab(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"))
    for name, labels in NAMESPACES.items():
        lab.namespace(name, **labels)
    addresses: dict[str, dict[str, str]] = {family: {} for family in OUTSIDE}
    services: dict[str, dict[str, tuple[str, int]]] = {family: {} for family in OUTSIDE}
    for key, node in PODS.items():
        namespace, app = key.split("/")
        ports = [{"name": "web", "containerPort": HTTP_PORT}]
        lab.pod(app, node=node, namespace=namespace, labels={"app": app}, ports=ports)
        both = {"type": "NodePort", "ipFamilyPolicy": "RequireDualStack"}
        spec = lab.service(app, {"app": app}, namespace=namespace, **both)["spec"]
        status = lab.client.get(POD_RESOURCE, app, namespace)["status"]
        for family, entry, vip in zip(OUTSIDE, status["podIPs"], spec["clusterIPs"], strict=True):
            addresses[family][key] = entry["ip"]
            services[family][key] = vip, spec["ports"][0]["nodePort"]
    return lab, addresses, services


def _party(key: str, addresses: dict[str, str]) -> Party:
    namespace, app = key.split("/")
    named = {("TCP", "web"): frozenset({HTTP_PORT})}
    labels = NAMESPACES[namespace] | {"kubernetes.io/metadata.name": namespace}
    return Party(addresses[key], namespace, app, {"app": app}, labels, named)


def _expected(found: list[dict[str, Any]], place: str, target: str, way: str, family: str) -> Answer | str:
    addresses, nodes, gateways = _lab()[1][family], NODE_IPS[family], GATEWAYS[family]
    server, home = _party(target, addresses), PODS[target]
    is_pod = place in PODS
    own_node = PODS.get(place) or place.removeprefix("node/")
    if place == "outside" and way in ("direct", "service"):
        return "timed out"

    # Who led to the Pod behind a node port: the node that was asked.
    led_by = way if way in nodes else ""
    # The sender's own policies look at the Pod; or, where another node is to find it, at that node.
    if is_pod and place != target:
        goal = server if not led_by or led_by == own_node else Party(nodes[led_by])
        if not allowed(found, EGRESS, _party(place, addresses), goal, _port(goal, target, way), "TCP"):
            return "timed out"
    if is_pod and place == target and led_by and led_by != own_node:
        goal = Party(nodes[led_by])
        if not allowed(found, EGRESS, server, goal, _port(goal, target, way), "TCP"):
            return "timed out"

    # As whom it comes to the Pod's node.
    if led_by and led_by != home:
        seen = Party(nodes[led_by])
    elif is_pod and (not led_by or led_by == own_node):
        seen = _party(place, addresses)
    else:
        seen = Party(OUTSIDE[family] if place == "outside" else nodes[own_node])
    from_own_node = place == f"node/{home}" and led_by in ("", home)
    if place != target and not from_own_node and not allowed(found, INGRESS, seen, server, HTTP_PORT, "TCP"):
        return "timed out"

    # Whom the server sees.
    if led_by:
        client = gateways[home] if led_by == home else nodes[led_by]
    elif is_pod:
        client = gateways[home] if place == target and way == "service" else addresses[place]
    else:
        client = gateways[home] if own_node == home else nodes[own_node]
    return Answer(target.split("/")[1], client)


def _port(goal: Party, target: str, way: str) -> int:
    return HTTP_PORT if goal.namespace else _lab()[2]["IPv4"][target][1]


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
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
            family = data.draw(st.sampled_from(list(OUTSIDE)))
            vip, node_port = services[family][target]
            address, port = {"direct": (addresses[family][target], HTTP_PORT), "service": (vip, 80)}.get(
                way, (NODE_IPS[family].get(way, ""), node_port)
            )
            assert lab.ask(place, address, port) == _expected(found, place, target, way, family), (
                place,
                target,
                way,
                family,
            )
    finally:
        for one in found:
            lab.client.delete(POLICIES, one["metadata"]["name"], one["metadata"]["namespace"])


def test_the_model_stands_on_what_the_cluster_has() -> None:
    lab, _, _ = _lab()
    for name, labels in NAMESPACES.items():
        assert lab.client.get(NAMESPACE_RESOURCE, name)["metadata"]["labels"].items() >= labels.items()
