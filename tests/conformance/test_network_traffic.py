"""Who of several endpoints answers: session affinity, traffic policies, endpoints that end, zones. From test/e2e/network:
service.go, traffic_distribution.go, and what loadbalancer.go asks of node ports.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.e2e import E2E, NODE_1, NODE_2, cluster_ip, node_port

from kubesim.util.jsontypes import JSONObject

HTTP: JSONObject = {"name": "http", "port": 80, "protocol": "TCP"}
KINDS = ["ClusterIP", "NodePort"]


def asked_at(e2e: E2E, service: JSONObject) -> tuple[str, int]:
    """The address and port of a Service: on a node where it has one there."""
    if service["spec"]["type"] == "NodePort":
        return e2e.node_ip(NODE_1), node_port(service)
    return cluster_ip(service), 80


# Session affinity


@pytest.mark.parametrize("kind", KINDS)
def test_session_affinity(e2e: E2E, kind: str) -> None:
    e2e.servers(3)
    e2e.pod("execpod-affinity")
    address = asked_at(e2e, e2e.service("affinity", HTTP, type=kind, sessionAffinity="ClientIP"))
    assert len(e2e.hostnames("execpod-affinity", *address)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_session_affinity_is_switched(e2e: E2E, kind: str) -> None:
    names = set(e2e.servers(3))
    e2e.pod("execpod-affinity")
    address = asked_at(e2e, e2e.service("affinity", HTTP, type=kind, sessionAffinity="ClientIP"))
    assert len(e2e.hostnames("execpod-affinity", *address)) == 1
    e2e.patch("service", "affinity", {"spec": {"sessionAffinity": "None"}})
    assert e2e.hostnames("execpod-affinity", *address) == names
    e2e.patch("service", "affinity", {"spec": {"sessionAffinity": "ClientIP"}})
    assert len(e2e.hostnames("execpod-affinity", *address)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_session_affinity_times_out(e2e: E2E, kind: str) -> None:
    names = set(e2e.servers(3))
    e2e.pod("execpod-affinity")
    timeout = {"clientIP": {"timeoutSeconds": 10}}
    service = e2e.service(
        "affinity", HTTP, type=kind, sessionAffinity="ClientIP", sessionAffinityConfig=timeout
    )
    found = set()
    for _ in range(12):
        held = e2e.hostnames("execpod-affinity", *asked_at(e2e, service), times=5)
        assert len(held) == 1
        found |= held
        e2e.cluster.advance(15)
    assert found == names


# Traffic policies


@pytest.mark.parametrize(
    ("client", "server"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["pod to pod", "host network to pod", "pod to host network", "host network to host network"],
)
def test_internal_traffic_stays_on_its_node(e2e: E2E, client: bool, server: bool) -> None:
    port = 10180
    vip = cluster_ip(e2e.service("svc-itp", HTTP | {"targetPort": port}, internalTrafficPolicy="Local"))
    e2e.netexec("echo", port, node=NODE_1, hostNetwork=server)
    e2e.pod("near", node=NODE_1, hostNetwork=client)
    e2e.pod("far", node=NODE_2, hostNetwork=client)
    for _ in range(5):
        assert e2e.hostname("near", vip) == (NODE_1 if server else "echo")
        assert e2e.sh("far", f"curl -q -s --connect-timeout 5 {vip}/hostname").exit_code == 28


def test_external_traffic_stays_on_its_node(e2e: E2E) -> None:
    """externalTrafficPolicy Local of a node port: only where there is an endpoint, and the client keeps its address."""
    e2e.netexec("echo", node=NODE_1)
    service = e2e.service("external-local", HTTP, type="NodePort", externalTrafficPolicy="Local")
    here, there = (f"http://{e2e.node_ip(n)}:{node_port(service)}/clientip" for n in (NODE_1, NODE_2))
    assert e2e.outside(here).stdout.startswith("172.18.0.1:")
    assert e2e.outside(there).exit_code == 28
    e2e.pod("client", node=NODE_2)
    seen = e2e.sh("client", f"curl -s --connect-timeout 5 {here}").check().stdout
    assert seen.partition(":")[0] != e2e.ip(
        "client"
    )  # it left its node as the node, for it left the Pods' network
    e2e.patch("service", "external-local", {"spec": {"externalTrafficPolicy": "Cluster"}})
    for url in (here, there):
        assert e2e.outside(url).stdout.partition(":")[0] in {"10.244.0.1", e2e.node_ip(NODE_2)}


# Endpoints that end


def ending(e2e: E2E, **spec: Any) -> JSONObject:
    """A Service whose only Pod ends, for which it has a hundred seconds and takes them; a client on each node."""
    service = e2e.service("svc-proxy-terminating", HTTP, **spec)
    e2e.netexec("echo", node=NODE_1, extra=("--delay-shutdown", "100"), terminationGracePeriodSeconds=100)
    for name, node in (("near", NODE_1), ("far", NODE_2)):
        e2e.pod(name, node=node)
    assert e2e.served("svc-proxy-terminating") == {"echo": [80]}
    return service


def end(e2e: E2E) -> None:
    e2e.delete_pod("echo", None, wait=False)
    e2e.cluster.advance(5)
    conditions = e2e.slices("svc-proxy-terminating")[0]["endpoints"][0]["conditions"]
    assert conditions == {"ready": False, "serving": True, "terminating": True}


def test_ending_endpoints_answer_if_there_are_no_others(e2e: E2E) -> None:
    vip = cluster_ip(ending(e2e))
    end(e2e)
    for _ in range(5):
        assert (e2e.hostname("near", vip), e2e.hostname("far", vip)) == ("echo", "echo")
    e2e.cluster.advance(100)
    assert e2e.connect("near", vip) == "REFUSED"


def test_local_ending_endpoints_answer_if_there_are_no_others(e2e: E2E) -> None:
    vip = cluster_ip(ending(e2e, internalTrafficPolicy="Local"))
    end(e2e)
    for _ in range(5):
        assert e2e.hostname("near", vip) == "echo"
        assert e2e.connect("far", vip) == "TIMEOUT"


def test_ending_endpoints_answer_at_node_ports(e2e: E2E) -> None:
    service = ending(e2e, type="NodePort", externalTrafficPolicy="Cluster")
    end(e2e)
    for client in ("near", "far"):
        for node in (NODE_1, NODE_2):
            assert e2e.hostname(client, e2e.node_ip(node), node_port(service)) == "echo"


def test_local_ending_endpoints_answer_at_node_ports(e2e: E2E) -> None:
    service = ending(e2e, type="NodePort", externalTrafficPolicy="Local")
    end(e2e)
    assert e2e.hostname("near", e2e.node_ip(NODE_1), node_port(service)) == "echo"
    assert e2e.hostname("far", e2e.node_ip(NODE_1), node_port(service)) == "echo"
    assert e2e.connect("near", e2e.node_ip(NODE_2), node_port(service)) == "TIMEOUT"


def test_health_check_fails_where_endpoints_are_only_ending(e2e: E2E) -> None:
    service = ending(e2e, type="LoadBalancer", externalTrafficPolicy="Local")
    check = f"http://{e2e.node_ip(NODE_1)}:{service['spec']['healthCheckNodePort']}/healthz"
    command = f'curl -s -o /dev/null -w "%{{http_code}}" --max-time 5 {check}'
    assert e2e.sh("near", command).stdout == "200"
    end(e2e)
    assert e2e.sh("near", command).stdout == "503"
    assert e2e.hostname("near", e2e.node_ip(NODE_1), node_port(service)) == "echo"


def test_pods_talk_to_pods_that_end(e2e: E2E) -> None:
    """pod_lifecycle.go: to one, and from one."""
    e2e.netexec("ending", extra=("--delay-shutdown", "100"), terminationGracePeriodSeconds=100)
    e2e.netexec("other")
    e2e.delete_pod("ending", None, wait=False)
    assert e2e.hostname("other", e2e.ip("ending")) == "ending"
    assert e2e.hostname("ending", e2e.ip("other")) == "other"


# Zones


def test_traffic_prefers_what_is_close() -> None:
    """traffic_distribution.go: three nodes, each a zone; two of them have endpoints."""
    e2e = E2E(nodes=3)
    for number in (1, 2, 3):
        e2e.cluster.kubectl(f"label node node-{number} topology.kubernetes.io/zone=zone-{number}", check=True)
        e2e.pod(f"client-{number}", node=f"node-{number}")
    for number in (1, 2):
        e2e.netexec(f"server-{number}", node=f"node-{number}")
    vip = cluster_ip(e2e.service("traffic-dist-test", HTTP, trafficDistribution="PreferClose"))
    assert e2e.hostnames("client-1", vip) == {"server-1"}
    assert e2e.hostnames("client-2", vip) == {"server-2"}
    assert e2e.hostnames("client-3", vip) == {"server-1", "server-2"}
    e2e.cluster.close()


def test_endpoints_are_hinted_evenly() -> None:
    """topology_hints.go: a server on each of three nodes, each a zone, and the annotation."""
    e2e = E2E(nodes=3)
    for number in (1, 2, 3):
        e2e.cluster.kubectl(f"label node node-{number} topology.kubernetes.io/zone=zone-{number}", check=True)
        e2e.netexec(f"server-{number}", node=f"node-{number}")
    mode = {"service.kubernetes.io/topology-mode": "Auto"}
    service = e2e.service("topology-hints", HTTP, annotations=mode, publishNotReadyAddresses=True)
    endpoints = [e for s in e2e.slices("topology-hints") for e in s["endpoints"]]
    assert sorted(e["zone"] for e in endpoints) == ["zone-1", "zone-2", "zone-3"]
    assert all(e["hints"] == {"forZones": [{"name": e["zone"]}]} for e in endpoints)
    for number in (1, 2, 3):
        e2e.pod(f"client-{number}", node=f"node-{number}")
        assert e2e.hostnames(f"client-{number}", cluster_ip(service)) == {f"server-{number}"}
    e2e.cluster.close()
