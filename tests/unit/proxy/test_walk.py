"""What becomes of a packet, feature by feature; the facts are those that upstream's proxier tests ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from support.proxies import (
    CLUSTER_IP,
    NODE_ADDRESSES,
    NODE_PORT,
    OUTSIDE,
    Network,
    balanced,
    endpoint_slice,
    node_port,
    not_ready,
    ready,
    service,
    terminating,
)

from kubesim.client.resources import NODES
from kubesim.proxy import Packet, ProxyConfig
from kubesim.util.jsontypes import JSONObject

POD = "10.244.0.99"
LB = "203.0.113.5"
EXTERNAL = "192.0.2.10"
HERE, THERE = ready("10.244.0.2", "node-1"), ready("10.244.1.2", "node-2")
HERE_TEXT, THERE_TEXT = "10.244.0.2:8080", "10.244.1.2:8080"
BOTH = {HERE_TEXT, THERE_TEXT}


def pod_to(address: str, port: int = 80, **more: Any) -> Packet:
    return Packet(POD, 40000, address, port, interface="pod", **more)


def outside_to(address: str, port: int, source: str = OUTSIDE, **more: Any) -> Packet:
    return Packet(source, 40000, address, port, interface="outside", **more)


def node_to(address: str, port: int, node: str = "node-1", **more: Any) -> Packet:
    return Packet(NODE_ADDRESSES[node], 40000, address, port, interface="node", **more)


@dataclass
class Case:
    """A Service with endpoints, a packet that comes to node-1 or another, and who may answer."""

    service: JSONObject
    endpoints: tuple[JSONObject, ...]
    packet: Packet
    answers: set[str]
    masquerade: bool | None = None
    node: str = "node-1"
    slices: dict[str, Any] = field(default_factory=dict)


LOCAL_EXTERNAL = {"externalTrafficPolicy": "Local"}
TO_NODE_PORT = outside_to(NODE_ADDRESSES["node-1"], NODE_PORT)
UDP_PORT = {"ports": [{"name": "http", "port": 80, "protocol": "UDP"}]}
SCTP_PORT = {"ports": [{"name": "http", "port": 80, "protocol": "SCTP"}]}

CASES = {
    "cluster IP, from a Pod": Case(service(), (HERE, THERE), pod_to(CLUSTER_IP), BOTH, masquerade=False),
    "cluster IP, from the node": Case(
        service(), (THERE,), node_to(CLUSTER_IP, 80), {THERE_TEXT}, masquerade=True
    ),
    "cluster IP, from outside the Pods' network": Case(
        service(), (THERE,), outside_to(CLUSTER_IP, 80), {THERE_TEXT}, masquerade=True
    ),
    "cluster IP, a port that the Service does not have": Case(
        service(), (HERE,), pod_to(CLUSTER_IP, 81), {"accept"}, masquerade=False
    ),
    "cluster IP, another protocol": Case(service(), (HERE,), pod_to(CLUSTER_IP, protocol="UDP"), {"accept"}),
    "UDP": Case(
        service(**UDP_PORT),
        (HERE,),
        pod_to(CLUSTER_IP, protocol="UDP"),
        {HERE_TEXT},
        slices={"protocol": "UDP"},
    ),
    "SCTP": Case(
        service(**SCTP_PORT),
        (HERE,),
        pod_to(CLUSTER_IP, protocol="SCTP"),
        {HERE_TEXT},
        slices={"protocol": "SCTP"},
    ),
    "a slice's port of another protocol is another port": Case(
        service(), (HERE,), pod_to(CLUSTER_IP), {"reject"}, slices={"protocol": "UDP"}
    ),
    "a slice's port of another name is another port": Case(
        service(), (HERE,), pod_to(CLUSTER_IP), {"reject"}, slices={"port_name": "other"}
    ),
    "hairpin": Case(
        service(),
        (ready(POD),),
        pod_to(CLUSTER_IP),
        {f"{POD}:8080"},
        masquerade=True,
    ),
    "no endpoints": Case(service(), (), pod_to(CLUSTER_IP), {"reject"}),
    "no endpoints, from the node": Case(service(), (), node_to(CLUSTER_IP, 80), {"reject"}),
    "no ready endpoints": Case(service(), (not_ready("10.244.0.2"),), pod_to(CLUSTER_IP), {"reject"}),
    "those that are not ready get nothing": Case(
        service(), (HERE, not_ready("10.244.1.2")), pod_to(CLUSTER_IP), {HERE_TEXT}
    ),
    "those that terminate get nothing while others are ready": Case(
        service(), (HERE, terminating("10.244.1.2")), pod_to(CLUSTER_IP), {HERE_TEXT}
    ),
    "those that still serve while they terminate are the last resort": Case(
        service(), (not_ready("10.244.0.2"), terminating("10.244.1.2")), pod_to(CLUSTER_IP), {THERE_TEXT}
    ),
    "those that terminate and serve no more are none": Case(
        service(), (terminating("10.244.1.2", serving=False),), pod_to(CLUSTER_IP), {"reject"}
    ),
    "headless": Case(service(clusterIP="None"), (HERE,), pod_to(CLUSTER_IP), {"accept"}),
    "another proxy's Service": Case(
        service(labels={"service.kubernetes.io/service-proxy-name": "mine"}),
        (HERE,),
        pod_to(CLUSTER_IP),
        {"accept"},
    ),
    "marked as headless": Case(
        service(labels={"service.kubernetes.io/headless": ""}), (HERE,), pod_to(CLUSTER_IP), {"accept"}
    ),
    "ExternalName": Case(
        service(type="ExternalName", externalName="example.com"), (HERE,), pod_to(CLUSTER_IP), {"accept"}
    ),
    # Node ports.
    "node port, from outside": Case(node_port(), (HERE, THERE), TO_NODE_PORT, BOTH, masquerade=True),
    "node port, on a node without endpoints": Case(
        node_port(), (THERE,), TO_NODE_PORT, {THERE_TEXT}, masquerade=True
    ),
    "node port, from a Pod": Case(
        node_port(), (THERE,), pod_to(NODE_ADDRESSES["node-1"], NODE_PORT), {THERE_TEXT}, masquerade=True
    ),
    "node port, of another node": Case(
        node_port(), (HERE,), pod_to(NODE_ADDRESSES["node-2"], NODE_PORT), {"accept"}
    ),
    "node port, from the node to itself": Case(
        node_port(), (THERE,), node_to(NODE_ADDRESSES["node-1"], NODE_PORT), {THERE_TEXT}, masquerade=True
    ),
    "node port, on the node's loopback": Case(
        node_port(),
        (THERE,),
        Packet("127.0.0.1", 40000, "127.0.0.1", NODE_PORT, interface="node"),
        {THERE_TEXT},
        masquerade=True,
    ),
    "node port, on the node's end of the Pods' network": Case(
        node_port(), (THERE,), pod_to("10.244.0.1", NODE_PORT), {THERE_TEXT}
    ),
    "node port at the cluster IP": Case(node_port(), (HERE,), pod_to(CLUSTER_IP, NODE_PORT), {"accept"}),
    "the Service's port at the node": Case(
        node_port(), (HERE,), outside_to(NODE_ADDRESSES["node-1"], 80), {"accept"}
    ),
    "node port without endpoints": Case(node_port(), (), TO_NODE_PORT, {"reject"}),
    "node port without endpoints, from the node to itself": Case(
        node_port(), (), node_to(NODE_ADDRESSES["node-1"], NODE_PORT), {"reject"}
    ),
    "a host network endpoint on this node sees who asks": Case(
        node_port(), (ready(NODE_ADDRESSES["node-1"]),), TO_NODE_PORT, {"172.18.0.3:8080"}, masquerade=False
    ),
    # externalTrafficPolicy: Local.
    "external Local: only endpoints of this node": Case(
        node_port(**LOCAL_EXTERNAL), (HERE, THERE), TO_NODE_PORT, {HERE_TEXT}, masquerade=False
    ),
    "external Local without local endpoints": Case(
        node_port(**LOCAL_EXTERNAL), (THERE,), TO_NODE_PORT, {"drop"}
    ),
    "external Local without any endpoints": Case(node_port(**LOCAL_EXTERNAL), (), TO_NODE_PORT, {"reject"}),
    "external Local: a Pod takes the short cut": Case(
        node_port(**LOCAL_EXTERNAL),
        (THERE,),
        pod_to(NODE_ADDRESSES["node-1"], NODE_PORT),
        {THERE_TEXT},
        False,
    ),
    "external Local: the node takes the short cut": Case(
        node_port(**LOCAL_EXTERNAL),
        (THERE,),
        node_to(NODE_ADDRESSES["node-1"], NODE_PORT),
        {THERE_TEXT},
        True,
    ),
    "external Local: the cluster IP is not concerned": Case(
        node_port(**LOCAL_EXTERNAL), (HERE, THERE), pod_to(CLUSTER_IP), BOTH
    ),
    "external Local: local ones that terminate, though others are ready": Case(
        node_port(**LOCAL_EXTERNAL), (terminating("10.244.0.2"), THERE), TO_NODE_PORT, {HERE_TEXT}
    ),
    # internalTrafficPolicy: Local.
    "internal Local": Case(
        service(internalTrafficPolicy="Local"),
        (HERE, THERE),
        pod_to(CLUSTER_IP),
        {HERE_TEXT},
        masquerade=False,
    ),
    "internal Local without local endpoints": Case(
        service(internalTrafficPolicy="Local"), (THERE,), pod_to(CLUSTER_IP), {"drop"}
    ),
    "internal Local without any endpoints": Case(
        service(internalTrafficPolicy="Local"), (), pod_to(CLUSTER_IP), {"reject"}
    ),
    "internal Local: node ports are not concerned": Case(
        node_port(internalTrafficPolicy="Local"), (THERE,), TO_NODE_PORT, {THERE_TEXT}
    ),
    "internal Local, for the node itself": Case(
        service(internalTrafficPolicy="Local"), (THERE,), node_to(CLUSTER_IP, 80), {"drop"}
    ),
    # External IPs and load balancers.
    "external IP": Case(
        service(externalIPs=[EXTERNAL]), (THERE,), outside_to(EXTERNAL, 80), {THERE_TEXT}, True
    ),
    "external IP without endpoints": Case(
        service(externalIPs=[EXTERNAL]), (), outside_to(EXTERNAL, 80), {"reject"}
    ),
    "external IP, external Local": Case(
        service(externalIPs=[EXTERNAL], **LOCAL_EXTERNAL), (THERE,), outside_to(EXTERNAL, 80), {"drop"}
    ),
    "external IP, external Local, from a Pod": Case(
        service(externalIPs=[EXTERNAL], **LOCAL_EXTERNAL), (THERE,), pod_to(EXTERNAL), {THERE_TEXT}
    ),
    "load balancer": Case(balanced(), (THERE,), outside_to(LB, 80), {THERE_TEXT}, masquerade=True),
    "load balancer, from a Pod": Case(balanced(), (THERE,), pod_to(LB), {THERE_TEXT}, masquerade=True),
    "load balancer without endpoints": Case(balanced(), (), outside_to(LB, 80), {"reject"}),
    "load balancer, external Local": Case(
        balanced(**LOCAL_EXTERNAL), (HERE, THERE), outside_to(LB, 80), {HERE_TEXT}, masquerade=False
    ),
    "load balancer, external Local, no local endpoints": Case(
        balanced(**LOCAL_EXTERNAL), (THERE,), outside_to(LB, 80), {"drop"}
    ),
    "load balancer of mode Proxy is passed by": Case(
        balanced(ingress=[{"ip": LB, "ipMode": "Proxy"}]), (THERE,), pod_to(LB), {"accept"}
    ),
    "load balancer of mode VIP": Case(
        balanced(ingress=[{"ip": LB, "ipMode": "VIP"}]), (THERE,), pod_to(LB), {THERE_TEXT}
    ),
    "load balancer with a host name only": Case(
        balanced(ingress=[{"hostname": "lb.example.com"}]), (THERE,), pod_to(LB), {"accept"}
    ),
    "source ranges: from one of them": Case(
        balanced(loadBalancerSourceRanges=["198.51.100.0/24"]), (THERE,), outside_to(LB, 80), {THERE_TEXT}
    ),
    "source ranges: from elsewhere": Case(
        balanced(loadBalancerSourceRanges=["192.0.2.0/24", " 10.0.0.0/30 "]),
        (THERE,),
        outside_to(LB, 80),
        {"drop"},
    ),
    "source ranges do not hold for node ports": Case(
        balanced(loadBalancerSourceRanges=["192.0.2.0/24"]), (THERE,), TO_NODE_PORT, {THERE_TEXT}
    ),
    "source ranges, from the node, whose address is not in them": Case(
        balanced(loadBalancerSourceRanges=["192.0.2.0/24"]), (THERE,), node_to(LB, 80), {"drop"}
    ),
    "source ranges with the node's address: from the balancer's address too": Case(
        balanced(loadBalancerSourceRanges=["172.18.0.0/16"]),
        (THERE,),
        Packet(LB, 40000, LB, 80, interface="node"),
        {THERE_TEXT},
    ),
    "health check port": Case(
        balanced(healthCheckNodePort=31999, **LOCAL_EXTERNAL),
        (THERE,),
        outside_to(NODE_ADDRESSES["node-1"], 31999),
        {"accept"},
    ),
    "an endpoint in two slices that disagree: the one on this node counts": Case(
        node_port(**LOCAL_EXTERNAL),
        (ready("10.244.0.2", "node-2"), ready("10.244.0.2", "node-1")),
        TO_NODE_PORT,
        {HERE_TEXT},
    ),
    "conditions that are missing mean ready": Case(
        service(),
        ({"addresses": ["10.244.0.2"], "conditions": {}, "nodeName": "node-1"},),
        pod_to(CLUSTER_IP),
        {HERE_TEXT},
    ),
    "addresses that are none": Case(
        service(), (ready("fd00::1"), ready("pod.example.com"), HERE), pod_to(CLUSTER_IP), {HERE_TEXT}
    ),
    "from one Pod to another": Case(
        service(), (HERE,), pod_to("10.244.1.2", 8080), {"accept"}, masquerade=False
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_answers(case: Case) -> None:
    network = Network(case.service, endpoint_slice(*case.endpoints, **case.slices))
    assert network.targets(case.packet, case.node) == case.answers
    if case.masquerade is not None:
        assert network.send(case.packet, case.node).masquerade is case.masquerade


def test_endpoints_of_several_slices() -> None:
    network = Network(
        service(),
        endpoint_slice(HERE),
        endpoint_slice(THERE, part="b"),
        endpoint_slice(THERE, part="c", port=9090),
    )
    assert network.targets(pod_to(CLUSTER_IP)) == {*BOTH, "10.244.1.2:9090"}


def test_ports_are_told_apart_by_name() -> None:
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}, {"name": "empty", "port": 82}]
    network = Network(
        service(ports=ports),
        endpoint_slice(HERE),
        endpoint_slice(HERE, part="b", port=9000, port_name="admin"),
    )
    assert network.targets(pod_to(CLUSTER_IP)) == {HERE_TEXT}
    assert network.targets(pod_to(CLUSTER_IP, 81)) == {"10.244.0.2:9000"}
    assert network.targets(pod_to(CLUSTER_IP, 82)) == {"reject"}


def test_two_services_do_not_mix() -> None:
    network = Network(
        node_port(),
        endpoint_slice(HERE),
        node_port("db", port=30081, clusterIP="10.96.1.2"),
        endpoint_slice(THERE, name="db"),
    )
    assert network.targets(pod_to(CLUSTER_IP)) == {HERE_TEXT}
    assert network.targets(pod_to("10.96.1.2")) == {THERE_TEXT}
    assert network.targets(outside_to("172.18.0.3", 30081)) == {THERE_TEXT}


def test_without_a_network_of_pods_nothing_is_masqueraded_for_where_it_comes_from() -> None:
    network = Network(
        node_port(**LOCAL_EXTERNAL), endpoint_slice(THERE), config=ProxyConfig(cluster_cidrs=())
    )
    assert network.from_node().masquerade is False
    # Nor is there a short cut for Pods: nobody knows them.
    assert network.from_pod("172.18.0.3", NODE_PORT).action == "drop"


def test_masquerade_all() -> None:
    network = Network(service(), endpoint_slice(THERE), config=ProxyConfig(masquerade_all=True))
    assert network.from_pod().masquerade is True


@pytest.mark.parametrize(
    ("addresses", "to", "action"),
    [
        (("172.18.0.0/16",), "172.18.0.3", "dnat"),
        (("172.18.0.0/16",), "127.0.0.1", "accept"),
        (("127.0.0.0/8",), "127.0.0.1", "dnat"),
        (("10.0.0.0/8",), "172.18.0.3", "accept"),
    ],
)
def test_addresses_that_have_node_ports(addresses: tuple[str, ...], to: str, action: str) -> None:
    network = Network(node_port(), endpoint_slice(THERE), config=ProxyConfig(node_port_addresses=addresses))
    assert network.send(Packet("127.0.0.1", 1, to, NODE_PORT, interface="node")).action == action


def test_node_ports_off_the_loopback() -> None:
    network = Network(node_port(), endpoint_slice(THERE), config=ProxyConfig(localhost_node_ports=False))
    assert network.send(Packet("127.0.0.1", 1, "127.0.0.1", NODE_PORT, interface="node")).action == "accept"
    assert network.from_node("172.18.0.3", NODE_PORT).action == "dnat"


def test_what_comes_to_the_loopback_from_outside_is_dropped() -> None:
    assert Network().from_outside("127.0.0.1", 22).action == "drop"


def dual_stack() -> Network:
    """A NodePort Service of both families, on nodes that have addresses of both."""
    made = node_port(clusterIPs=[CLUSTER_IP, "fd00:10:96::1"], externalIPs=["2001:db8::10"], **LOCAL_EXTERNAL)
    six = endpoint_slice(ready("fd00:10:244::2", "node-1"), ready("fd00:10:244:1::2", "node-2"), part="six")
    network = Network(
        made,
        endpoint_slice(HERE),
        six | {"addressType": "IPv6"},
        config=ProxyConfig(cluster_cidrs=("10.244.0.0/16", "fd00:10:244::/56")),
    )
    node = network.client.get(NODES, "node-1")
    node["status"]["addresses"].append({"type": "InternalIP", "address": "fd00:172:18::3"})
    network.put(node)
    return network


@pytest.mark.parametrize(
    ("source", "to", "port", "interface", "answers"),
    [
        (POD, CLUSTER_IP, 80, "pod", {HERE_TEXT}),
        ("fd00:10:244::99", "fd00:10:96::1", 80, "pod", {"fd00:10:244::2:8080", "fd00:10:244:1::2:8080"}),
        ("fd00:10:244::99", "FD00:10:96:0::1", 80, "pod", {"fd00:10:244::2:8080", "fd00:10:244:1::2:8080"}),
        ("2001:db8::77", "fd00:172:18::3", NODE_PORT, "outside", {"fd00:10:244::2:8080"}),
        ("2001:db8::77", "2001:db8::10", 80, "outside", {"fd00:10:244::2:8080"}),
        ("2001:db8::77", "fd00:172:18::4", NODE_PORT, "outside", {"accept"}),
        ("::1", "::1", NODE_PORT, "node", {"accept"}),
    ],
    ids=[
        "IPv4",
        "IPv6",
        "another spelling",
        "node port",
        "external IP",
        "another node",
        "no node ports on ::1",
    ],
)
def test_two_families(source: str, to: str, port: int, interface: Any, answers: set[str]) -> None:
    packet = Packet(source, 40000, to, port, "TCP", interface)
    assert dual_stack().targets(packet) == answers


def test_a_health_check_counts_the_ready_endpoints_of_the_node() -> None:
    made = balanced(healthCheckNodePort=31999, **LOCAL_EXTERNAL)
    network = Network(made, endpoint_slice(HERE, ready("10.244.0.3"), not_ready("10.244.0.4"), THERE))
    answer = network.proxy("node-1").health_check(31999)
    assert answer is not None
    assert (answer.status, answer.headers["X-Load-Balancing-Endpoint-Weight"]) == (200, "2")
    assert answer.body.decode() == (
        '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n'
        '\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}'
    )
    elsewhere = network.proxy("node-3").health_check(31999)
    assert elsewhere is not None
    assert elsewhere.status == 503
    assert network.proxy("node-1").health_check(NODE_PORT) is None


def test_what_is_no_source_range_is_passed_over() -> None:
    made = balanced(loadBalancerSourceRanges=["everybody", "198.51.100.0/24"])
    assert Network(made, endpoint_slice(THERE)).from_outside(LB, 80).action == "dnat"


def test_a_ping_of_a_cluster_ip_meets_no_rule() -> None:
    assert Network(service(), endpoint_slice(HERE)).from_pod(port=0, protocol="ICMP").action == "accept"


def test_two_families_do_not_meet() -> None:
    with pytest.raises(ValueError, match="two families"):
        Network().from_pod("fd00::1")


def test_a_node_that_is_not_there_has_rules_too() -> None:
    network = Network(service(), endpoint_slice(HERE))
    assert network.send(pod_to(CLUSTER_IP), "node-9").destination == "10.244.0.2"


def test_hops_are_the_rules_on_the_way() -> None:
    network = Network(service(), endpoint_slice(HERE))
    hops = network.from_pod().hops
    assert [(hop.table, hop.chain) for hop in hops] == [
        ("nat", "PREROUTING"),
        ("nat", "KUBE-SERVICES"),
        ("nat", "KUBE-SVC-CDGGSHYLG3RE2FKL"),
        ("nat", "KUBE-SEP-QA4PSDNF5R2OJOPA"),
    ]
    assert [hop.comment for hop in hops] == [
        "kubernetes service portals",
        "default/web:http cluster IP",
        "default/web:http -> 10.244.0.2:8080",
        "default/web:http",
    ]
    saved = network.proxy().save().splitlines()
    assert all(hop.text in saved for hop in hops)


def test_nothing_on_the_way_leaves_no_hops() -> None:
    assert Network(service(), endpoint_slice(HERE)).from_pod("10.244.1.7", 80).hops == ()
