"""The network between Pods, nodes and Services. From test/e2e: common/network/networking.go, network/networking.go ("Granular
Checks"), hostport.go, no_snat.go, conntrack.go; and what common/node/pods.go asks of the environment.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.e2e import E2E, NODE_1, NODE_2, SERVERS, cluster_ip, node_port
from support.nettest import HTTP_PORT, PORT, PROTOCOLS, SCTP_PORT, SERVICE_PORTS, UDP_PORT, Nettest


@pytest.fixture(scope="module")
def shared() -> Iterator[Nettest]:
    """For tests that change nothing."""
    e2e = E2E()
    yield Nettest(e2e)
    e2e.cluster.close()


@pytest.fixture
def net(e2e: E2E) -> Nettest:
    return Nettest(e2e)


# Pods


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pod_to_pod(shared: Nettest, protocol: str) -> None:
    port = {"http": HTTP_PORT, "udp": UDP_PORT, "sctp": SCTP_PORT}[protocol]
    for name in shared.names:
        assert shared.dial(protocol, shared.e2e.ip(name), port, times=1) == {name}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_node_to_pod(shared: Nettest, protocol: str) -> None:
    for name in shared.names:
        port = HTTP_PORT if protocol == "http" else UDP_PORT
        assert shared.dial_from_node(protocol, shared.e2e.ip(name), port) == {name}


def test_pods_see_each_others_addresses(shared: Nettest) -> None:
    """no_snat.go"""
    for server in shared.names:
        for client in [*shared.names, "test-container-pod"]:
            seen = shared.e2e.sh(client, f"curl -q -s {shared.e2e.ip(server)}:{HTTP_PORT}/clientip").check()
            assert seen.stdout.partition(":")[0] == shared.e2e.ip(client)


# Services


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pod_to_service(shared: Nettest, protocol: str) -> None:
    assert shared.dial(protocol, shared.vip, PORT[protocol]) == shared.names
    node = shared.e2e.node_ip(NODE_1)
    assert shared.dial(protocol, node, shared.node_port(protocol)) == shared.names


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_node_to_service(shared: Nettest, protocol: str) -> None:
    assert shared.dial_from_node(protocol, shared.vip, PORT[protocol]) == shared.names
    for address in (shared.e2e.node_ip(NODE_1), shared.e2e.node_ip(NODE_2), "127.0.0.1"):
        assert shared.dial_from_node(protocol, address, shared.node_port(protocol)) == shared.names


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_endpoint_to_service(shared: Nettest, protocol: str) -> None:
    """From a Pod behind the Service, which may be led back to itself."""
    assert shared.dial(protocol, shared.vip, PORT[protocol], dialler="netserver-0") == shared.names
    node = shared.e2e.node_ip(NODE_1)
    assert shared.dial(protocol, node, shared.node_port(protocol), dialler="netserver-0") == shared.names


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_large_requests(shared: Nettest, protocol: str) -> None:
    text = "x" * 2000
    request = f"echo?msg={text}" if protocol == "http" else f"echo%20{text}"
    assert shared.dial(protocol, shared.vip, PORT[protocol], request=request, times=2) == {text}


def test_services_with_the_same_selector(net: Nettest) -> None:
    """The end of one does not concern the other."""
    second = net.e2e.service("second", *SERVICE_PORTS, type="NodePort")
    addresses = [(cluster_ip(second), 80), (net.e2e.node_ip(NODE_1), node_port(second))]
    assert [net.dial("http", *address) for address in addresses] == [net.names] * 2
    net.e2e.cluster.delete("service", "node-port-service", "e2e")
    assert [net.dial("http", *address) for address in addresses] == [net.names] * 2
    assert net.dial("http", net.vip, 80, times=1) == {"error"}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_endpoints_are_updated(net: Nettest, protocol: str) -> None:
    assert net.dial(protocol, net.vip, PORT[protocol]) == net.names
    net.e2e.delete_pod("netserver-0")
    assert net.dial(protocol, net.vip, PORT[protocol]) == {"netserver-1"}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_node_ports_are_updated(net: Nettest, protocol: str) -> None:
    node = net.e2e.node_ip(NODE_1)
    assert net.dial(protocol, node, net.node_port(protocol)) == net.names
    net.e2e.cluster.delete("service", "node-port-service", "e2e")
    assert net.dial(protocol, node, net.node_port(protocol), times=2) == {"error"}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_client_address_affinity(net: Nettest, protocol: str) -> None:
    service = net.e2e.service("session-affinity", *SERVICE_PORTS, sessionAffinity="ClientIP")
    assert len(net.dial(protocol, cluster_ip(service), PORT[protocol])) == 1


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_endpoints_in_the_host_network(e2e: E2E, protocol: str) -> None:
    for node in (NODE_1, NODE_2):
        args = ("netexec", f"--http-port={HTTP_PORT}", f"--udp-port={UDP_PORT}")
        e2e.pod(f"host-{node}", *args, node=node, labels=SERVERS, hostNetwork=True)
    e2e.pod("client")
    vip = cluster_ip(e2e.service("svc", *SERVICE_PORTS[:2]))
    if protocol == "http":
        assert e2e.hostnames("client", vip) == {NODE_1, NODE_2}
    else:
        assert {e2e.udp("client", vip, 90) for _ in range(20)} == {NODE_1, NODE_2}


# What is not of Pods


def test_urls_of_kube_proxy(e2e: E2E) -> None:
    e2e.pod("host", hostNetwork=True)
    answer = e2e.sh("host", "curl -i -q -s --connect-timeout 1 http://localhost:10256/healthz").check().stdout
    assert "200 OK" in answer
    assert "lastUpdated" in answer
    command = (
        'curl -o /dev/null -i -q -s -w "%{http_code}" --connect-timeout 1 http://localhost:10249/proxyMode'
    )
    assert e2e.sh("host", command).stdout == "200"


def test_host_ports_with_different_addresses_and_protocols(e2e: E2E) -> None:
    host, port = e2e.node_ip(NODE_1), 54323
    for name, address, protocol in (
        ("pod1", "127.0.0.1", "TCP"),
        ("pod2", host, "TCP"),
        ("pod3", host, "UDP"),
    ):
        taken = {"hostPort": port, "containerPort": 8080, "protocol": protocol, "hostIP": address}
        probe = {"readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080, "scheme": "HTTP"}}}
        args = ("netexec", "--http-port=8080", "--udp-port=8080")
        e2e.pod(name, *args, node=NODE_1, ports=(taken,), container=probe)
    e2e.pod("e2e-host-exec", node=NODE_1, hostNetwork=True)
    for _ in range(5):
        first = f"curl -g --connect-timeout 5 --interface {host} http://127.0.0.1:{port}/hostname"
        assert e2e.sh("e2e-host-exec", first).check().stdout == "pod1"
        assert e2e.hostname("e2e-host-exec", host, port) == "pod2"
        assert e2e.sh("e2e-host-exec", f"nc -vuz -w 5 {host} {port}").exit_code == 0
        assert e2e.udp("e2e-host-exec", host, port) == "pod3"


# Connections that outlive their endpoint


@pytest.mark.parametrize(
    ("kind", "host_network"),
    [("NodePort", False), ("ClusterIP", False), ("ClusterIP", True)],
    ids=["node port", "cluster IP", "cluster IP from the host network"],
)
def test_udp_goes_on_when_the_server_is_replaced(e2e: E2E, kind: str, host_network: bool) -> None:
    """A client that always sends from the same port must not be held to a server that is gone."""
    e2e.pod("pod-client", node=NODE_1, hostNetwork=host_network)
    service = e2e.service("svc-udp", {"name": "udp", "port": 80, "protocol": "UDP"}, type=kind)
    address = (e2e.node_ip(NODE_2), node_port(service)) if kind == "NodePort" else (cluster_ip(service), 80)
    assert e2e.udp("pod-client", *address, source=12345) == ""
    e2e.netexec("pod-server-1", node=NODE_2)
    assert e2e.udp("pod-client", *address, source=12345) == "pod-server-1"
    e2e.netexec("pod-server-2", node=NODE_2)
    e2e.delete_pod("pod-server-1")
    assert e2e.udp("pod-client", *address, source=12345) == "pod-server-2"


def test_udp_reaches_endpoints_that_become_ready_later(e2e: E2E) -> None:
    e2e.pod("pod-client", node=NODE_1)
    vip = cluster_ip(e2e.service("svc-udp", {"name": "udp", "port": 80, "protocol": "UDP"}))
    probe = {"readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}}
    e2e.netexec("pod-server-1", node=NODE_2, container=probe, ready=False)
    assert e2e.udp("pod-client", vip, 80, source=12345) == ""
    e2e.sh("pod-server-1", "touch /tmp/ready").check()
    e2e.cluster.wait("pod/pod-server-1", "condition=Ready", 60, "e2e")
    assert e2e.udp("pod-client", vip, 80, source=12345) == "pod-server-1"


# The environment


def test_variables_of_services(e2e: E2E) -> None:
    """sig-node: Pods should contain environment variables for services."""
    e2e.netexec("server-envvars", 8080, labels={"name": "server"})
    e2e.service("fooservice", {"port": 8765, "targetPort": 8080}, selector={"name": "server"})
    container = {"name": "env3cont", "image": "busybox", "command": ["sh", "-c", "env"]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client-envvars"}}
    e2e.cluster.create(body | {"spec": {"restartPolicy": "Never", "containers": [container]}}, "e2e")
    e2e.cluster.wait("pod/client-envvars", "jsonpath={.status.phase}=Succeeded", 60, "e2e")
    found = e2e.cluster.logs("client-envvars", "e2e")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT"):
        assert f"FOOSERVICE_{name}=" in found
    for name in ("TCP_PORT", "TCP_PROTO", "TCP", "TCP_ADDR"):
        assert f"FOOSERVICE_PORT_8765_{name}=" in found
