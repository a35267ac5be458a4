"""Load balancers as Kubernetes' own tests (test/e2e/network/loadbalancer.go) ask for them, on a cluster with a pool of addresses;
what answers is asked from outside, from Pods, and on the ports that tell a balancer where there are endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.e2e import E2E, NODE_1, NODE_2, SERVERS, cluster_ip, node_port

from kubesim.util.jsontypes import JSONObject

HTTP: JSONObject = {"name": "http", "port": 80, "protocol": "TCP"}
UDP: JSONObject = {"name": "udp", "port": 80, "protocol": "UDP"}
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
LOCAL = {"externalTrafficPolicy": "Local"}
OUTSIDE = "172.18.0.1"


@pytest.fixture
def e2e() -> Iterator[E2E]:
    made = E2E(load_balancer_pool="172.18.255.200-172.18.255.210")
    yield made
    made.cluster.close()


def balanced(e2e: E2E, *ports: JSONObject, **spec: object) -> JSONObject:
    """A Service that has an address of the pool."""
    e2e.service("lb", *ports, type="LoadBalancer", **spec)
    return e2e.get("service", "lb")


def ingress_of(service: JSONObject) -> str:
    (point,) = service["status"]["loadBalancer"]["ingress"]
    assert isinstance(point["ip"], str)
    return point["ip"]


def asked(e2e: E2E, address: str, port: int = 80, path: str = "/hostname") -> str:
    """What a client outside gets; how it failed, in curl's exit code."""
    result = e2e.outside(f"http://{address}:{port}{path}")
    return result.stdout if result.exit_code == 0 else f"exit {result.exit_code}"


def change(e2e: E2E, **spec: object) -> JSONObject:
    return e2e.patch("service", "lb", {"spec": spec}, type="merge") and e2e.get("service", "lb")


def test_type_and_ports_of_a_tcp_service_change(e2e: E2E) -> None:
    e2e.servers(1)
    e2e.service("lb", HTTP)
    first = node_port(change(e2e, type="NodePort"))
    node = e2e.node_ip(NODE_2)
    assert asked(e2e, node, first) == "server-0"
    service = change(e2e, type="LoadBalancer")
    assert node_port(service) == first
    address = ingress_of(service)
    assert asked(e2e, address) == asked(e2e, node, first) == "server-0"
    second = first + 1 if first < 32767 else first - 1
    service = change(e2e, ports=[HTTP | {"nodePort": second}])
    assert ingress_of(service) == address
    assert [asked(e2e, node, port) for port in (first, second)] == ["exit 7", "server-0"]
    service = change(e2e, ports=[HTTP | {"port": 81, "targetPort": 80, "nodePort": second}])
    assert (ingress_of(service), node_port(service)) == (address, second)
    assert [asked(e2e, address, port) for port in (80, 81)] == ["exit 28", "server-0"]
    assert asked(e2e, node, second) == "server-0"
    e2e.delete_pod("server-0")
    assert asked(e2e, address, 81) == "exit 7"
    e2e.servers(1)
    assert asked(e2e, address, 81) == "server-0"
    service = change(e2e, type="ClusterIP", ports=[HTTP | {"port": 81, "targetPort": 80}])
    assert "nodePort" not in service["spec"]["ports"][0]
    assert service["status"] == {"loadBalancer": {}}
    assert [asked(e2e, node, second), asked(e2e, address, 81)] == ["exit 7", "exit 28"]


def test_type_and_ports_of_a_udp_service_change(e2e: E2E) -> None:
    """A Pod in the network of a node asks: the `curl` from outside speaks no UDP."""
    e2e.servers(1)
    e2e.pod("client", node=NODE_2, hostNetwork=True)
    e2e.service("lb", UDP)
    port = node_port(change(e2e, type="NodePort"))
    assert e2e.udp("client", e2e.node_ip(NODE_1), port) == "server-0"
    service = change(e2e, type="LoadBalancer")
    address = ingress_of(service)
    assert e2e.udp("client", address, 80) == "server-0"
    service = change(e2e, ports=[UDP | {"port": 81, "targetPort": 80, "nodePort": port}])
    assert ingress_of(service) == address
    assert [e2e.udp("client", address, number) for number in (80, 81)] == ["", "server-0"]
    change(e2e, type="ClusterIP", ports=[UDP | {"port": 81, "targetPort": 80}])
    assert e2e.udp("client", e2e.node_ip(NODE_1), port) == ""
    assert e2e.udp("client", address, 81) == ""


def test_source_ranges(e2e: E2E) -> None:
    e2e.servers(1)
    for name, node in (("accept", NODE_1), ("drop", NODE_2)):
        e2e.pod(name, node=node)
    address = ingress_of(balanced(e2e, HTTP, loadBalancerSourceRanges=[f"{e2e.ip('accept')}/32"]))
    assert [e2e.connect(name, address) for name in ("accept", "drop")] == ["ok", "TIMEOUT"]
    change(e2e, loadBalancerSourceRanges=[f"{e2e.ip('drop')}/32"])
    assert [e2e.connect(name, address) for name in ("accept", "drop")] == ["TIMEOUT", "ok"]
    assert asked(e2e, address) == "exit 28"
    change(e2e, loadBalancerSourceRanges=None)
    assert [e2e.connect(name, address) for name in ("accept", "drop")] == ["ok", "ok"]
    assert asked(e2e, address) == "server-0"


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_session_affinity_of_a_load_balancer(e2e: E2E, policy: str) -> None:
    """It holds on each node for itself: the balancer sends all to one while there are endpoints on one alone."""
    for number in range(3):
        e2e.netexec(f"server-{number}", node=NODE_1)
    address = ingress_of(balanced(e2e, HTTP, sessionAffinity="ClientIP", externalTrafficPolicy=policy))
    e2e.pod("client")
    found = {e2e.hostname("client", address) for _ in range(15)}
    assert len(found) == 1
    change(e2e, sessionAffinity="None")
    assert len({e2e.hostname("client", address) for _ in range(30)}) == 3
    change(e2e, sessionAffinity="ClientIP")
    assert len({e2e.hostname("client", address) for _ in range(15)}) == 1
    if policy == "Local":
        assert len({asked(e2e, address) for _ in range(15)}) == 1


def test_finalizer_of_a_load_balancer(e2e: E2E) -> None:
    assert balanced(e2e, HTTP)["metadata"]["finalizers"] == [FINALIZER]
    assert "finalizers" not in change(e2e, type="ClusterIP")["metadata"]
    assert change(e2e, type="LoadBalancer")["metadata"]["finalizers"] == [FINALIZER]
    e2e.cluster.delete("service", "lb", "e2e")
    assert e2e.cluster.list("services", "e2e") == []


def test_load_balancer_without_node_ports(e2e: E2E) -> None:
    e2e.servers(1)
    service = balanced(e2e, HTTP, allocateLoadBalancerNodePorts=False)
    assert "nodePort" not in service["spec"]["ports"][0]
    assert asked(e2e, ingress_of(service)) == "server-0"
    service = change(e2e, allocateLoadBalancerNodePorts=True)
    assert asked(e2e, e2e.node_ip(NODE_1), node_port(service)) == "server-0"
    assert asked(e2e, ingress_of(service)) == "server-0"


@pytest.mark.parametrize("node", [NODE_1, NODE_2], ids=["the same node", "another node"])
def test_udp_to_a_load_balancer_goes_on_when_the_server_is_replaced(e2e: E2E, node: str) -> None:
    e2e.pod("client", node=NODE_1, hostNetwork=True)
    address = ingress_of(balanced(e2e, UDP))
    e2e.netexec("server-1", node=NODE_1)
    assert e2e.udp("client", address, 80, source=12345) == "server-1"
    e2e.netexec("server-2", node=node)
    e2e.delete_pod("server-1")
    assert e2e.udp("client", address, 80, source=12345) == "server-2"


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_no_request_is_lost_while_servers_are_replaced(e2e: E2E, policy: str) -> None:
    """One after the other, each of which may take its time to end."""
    slow = ("--delay-shutdown=30",)

    def start(name: str, node: str) -> None:
        e2e.netexec(name, node=node, extra=slow, terminationGracePeriodSeconds=60)

    for number, node in enumerate((NODE_1, NODE_2)):
        start(f"old-{number}", node)
    address = ingress_of(balanced(e2e, HTTP, externalTrafficPolicy=policy))
    found = []
    for number, node in enumerate((NODE_1, NODE_2)):
        start(f"new-{number}", node)
        e2e.delete_pod(f"old-{number}", None, wait=False)
        for _ in range(8):
            found += [asked(e2e, address) for _ in range(3)]
            e2e.cluster.advance(10)
    assert set(found) <= {"old-0", "old-1", "new-0", "new-1"}
    assert {asked(e2e, address) for _ in range(30)} == {"new-0", "new-1"}


# Those that keep the traffic on its node.


def health(e2e: E2E, service: JSONObject, node: str) -> str:
    url = f"http://{e2e.node_ip(node)}:{service['spec']['healthCheckNodePort']}/healthz"
    return e2e.outside(url, "-o", "/dev/null", "-w", "%{http_code}").stdout


def test_local_load_balancer_keeps_the_client(e2e: E2E) -> None:
    e2e.servers(1)
    service = balanced(e2e, HTTP, **LOCAL)
    assert asked(e2e, ingress_of(service), path="/clientip").partition(":")[0] == OUTSIDE
    port = service["spec"]["healthCheckNodePort"]
    changed = change(e2e, type="ClusterIP")
    assert "healthCheckNodePort" not in changed["spec"]
    assert asked(e2e, e2e.node_ip(NODE_1), port, "/healthz") == "exit 7"


def test_local_load_balancer_targets_only_nodes_with_endpoints(e2e: E2E) -> None:
    service = balanced(e2e, HTTP, **LOCAL)
    address = ingress_of(service)
    for node, other in ((NODE_1, NODE_2), (NODE_2, NODE_1)):
        e2e.netexec("server", node=node)
        assert {asked(e2e, address) for _ in range(10)} == {"server"}
        assert (health(e2e, service, node), health(e2e, service, other)) == ("200", "503")
        e2e.delete_pod("server")


def test_local_load_balancer_targets_all_nodes_with_endpoints(e2e: E2E) -> None:
    service = balanced(e2e, HTTP, **LOCAL)
    names = set(e2e.servers(2))
    assert {asked(e2e, ingress_of(service)) for _ in range(40)} == names
    assert [health(e2e, service, node) for node in (NODE_1, NODE_2)] == ["200", "200"]


def test_local_load_balancer_from_pods(e2e: E2E) -> None:
    """A Pod of a node without endpoints too: it takes the short cut, and is seen as itself."""
    e2e.netexec("server", node=NODE_1)
    address = ingress_of(balanced(e2e, HTTP, **LOCAL))
    for name, node in (("near", NODE_1), ("far", NODE_2)):
        e2e.pod(name, node=node)
        seen = e2e.sh(name, f"wget -T 30 -qO- {address}:80/clientip").check().stdout
        assert seen.partition(":")[0] == e2e.ip(name)


def test_external_traffic_policy_is_updated(e2e: E2E) -> None:
    e2e.netexec("server", node=NODE_1)
    service = balanced(e2e, HTTP, **LOCAL)
    address, check = ingress_of(service), service["spec"]["healthCheckNodePort"]
    service = change(e2e, externalTrafficPolicy="Cluster")
    assert "healthCheckNodePort" not in service["spec"]
    assert asked(e2e, e2e.node_ip(NODE_2), node_port(service)) == "server"
    assert asked(e2e, e2e.node_ip(NODE_1), check, "/healthz") == "exit 7"
    assert asked(e2e, address, path="/clientip").partition(":")[0] != OUTSIDE
    service = change(e2e, externalTrafficPolicy="Local", healthCheckNodePort=check)
    assert service["spec"]["healthCheckNodePort"] == check
    assert asked(e2e, address, path="/clientip").partition(":")[0] == OUTSIDE
    assert e2e.outside(f"http://{e2e.node_ip(NODE_2)}:{node_port(service)}/hostname").exit_code == 28
    assert cluster_ip(service)
    assert service["spec"]["selector"] == SERVERS
