"""What a Service promises beyond one Pod: who is an endpoint, who is asked again, what stands in front."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from support.network import HTTP_PORT, NODE_IPS, Answer, NetLab

from kubesim.client.resources import PODS, SERVICES
from kubesim.network.trip import Arrived, Balanced, Lost, Moved, Policies, Rules

NODE_1, NODE_2 = NODE_IPS["node-1"], NODE_IPS["node-2"]
APP = {"tier": "app"}


@pytest.fixture
def lab() -> NetLab:
    lab = NetLab()
    lab.pod("client", node="node-2")
    return lab


def _names(lab: NetLab, place: str, address: str, port: int = 80, times: int = 30) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(times):
        answer = lab.ask(place, address, port)
        found[answer.pod if isinstance(answer, Answer) else answer] += 1
    return found


def test_two_backends_of_a_node_port_have_equal_shares(lab: NetLab) -> None:
    """Chi-square at one per cent, one degree of freedom."""
    for number in range(2):
        lab.pod(f"app-{number}", node=f"node-{number + 1}", labels=APP)
    port = lab.service("app", APP, type="NodePort")["spec"]["ports"][0]["nodePort"]
    found = _names(lab, "outside", NODE_1, port, times=10_000)
    assert sum((count - 5000) ** 2 / 5000 for count in found.values()) < 6.635
    assert sum(found.values()) == 10_000


def test_load_is_shared_over_all_endpoints(lab: NetLab) -> None:
    for number in range(3):
        lab.pod(f"app-{number}", node=f"node-{number % 2 + 1}", labels=APP)
    vip = lab.service("app", APP)["spec"]["clusterIP"]
    found = _names(lab, "client", vip, times=300)
    assert set(found) == {"app-0", "app-1", "app-2"}
    assert all(60 < n < 140 for n in found.values())


def test_only_ready_pods_answer_unless_the_service_wants_the_others_too(lab: NetLab) -> None:
    lab.pod("good", labels=APP)
    lab.pod("bad", labels=APP, ready=False)
    ready = lab.service("ready", APP)["spec"]["clusterIP"]
    every = lab.service("every", APP, publishNotReadyAddresses=True)["spec"]["clusterIP"]
    assert set(_names(lab, "client", ready)) == {"good"}
    assert set(_names(lab, "client", every)) == {"good", "bad"}
    assert lab.ask("client", lab.address("bad"), HTTP_PORT) == Answer("bad", lab.address("client"))


def test_a_pod_that_is_gone_answers_no_more_and_its_successor_has_another_address(lab: NetLab) -> None:
    before = lab.pod("app", labels=APP)
    vip = lab.service("app", APP)["spec"]["clusterIP"]
    assert lab.ask("client", before, HTTP_PORT) == Answer("app", lab.address("client"))
    lab.delete_pod("app")
    assert lab.ask("client", before, HTTP_PORT) == "timed out"
    assert lab.ask("client", vip) == "refused"
    after = lab.pod("app", labels=APP)
    assert after != before
    assert lab.ask("client", vip) == Answer("app", lab.address("client"))


def test_affinity_holds_a_client_to_one_endpoint_until_it_is_over(lab: NetLab) -> None:
    for number in range(8):
        lab.pod(f"app-{number}", labels=APP)
    config = {"clientIP": {"timeoutSeconds": 60}}
    service = lab.service(
        "app", APP, type="NodePort", sessionAffinity="ClientIP", sessionAffinityConfig=config
    )
    vip, node_port = service["spec"]["clusterIP"], service["spec"]["ports"][0]["nodePort"]
    held = _names(lab, "client", vip)
    assert len(held) == 1
    assert len(_names(lab, "outside", NODE_1, node_port)) == 1
    others = set()
    for _ in range(12):
        lab.clock.advance(timedelta(seconds=61))
        others |= set(_names(lab, "client", vip, times=1))
    assert len(others) > 1


def test_load_balancer_sends_only_to_nodes_with_an_endpoint_where_traffic_stays_local(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    lab.service("app", APP, type="LoadBalancer", externalTrafficPolicy="Local")
    lab.balanced("app", "203.0.113.5")
    assert {lab.ask("outside", "203.0.113.5") for _ in range(20)} == {Answer("app", "172.18.0.1")}
    lab.delete_pod("app")
    trip = lab.send("outside", "203.0.113.5", 80)
    assert (trip.outcome, trip.steps[-1].text) == (
        "timed out",
        "203.0.113.5: the load balancer has no node to send it to",
    )


def test_load_balancer_that_is_a_proxy_is_the_client(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    lab.service("app", APP, type="LoadBalancer", externalTrafficPolicy="Local")
    lab.balanced("app", "203.0.113.5", mode="Proxy")
    for place in ("outside", "client", "node/node-2"):
        assert lab.ask(place, "203.0.113.5") == Answer("app", "203.0.113.5"), place


def test_source_ranges_of_a_load_balancer(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    lab.service("app", APP, type="LoadBalancer", loadBalancerSourceRanges=["198.51.100.0/24"])
    lab.balanced("app", "203.0.113.5")
    assert lab.ask("outside", "203.0.113.5") == "timed out"


def test_host_port_leads_to_the_container_on_its_node_alone(lab: NetLab) -> None:
    address = lab.pod("app", ports=[{"containerPort": HTTP_PORT, "hostPort": 8888}])
    assert lab.ask("outside", NODE_1, 8888) == Answer("app", "172.18.0.1")
    assert lab.ask("client", NODE_1, 8888) == Answer("app", NODE_2)
    assert lab.ask("app", NODE_1, 8888) == Answer("app", "10.244.0.1")
    assert lab.ask("outside", NODE_2, 8888) == "refused"
    assert lab.ask("client", address, HTTP_PORT) == Answer("app", lab.address("client"))


def test_containers_of_a_pod_share_localhost(lab: NetLab) -> None:
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.47"
    containers = [
        {"name": "server", "image": agnhost, "args": ["netexec"]},
        {"name": "client", "image": "busybox", "command": ["sleep", "3600"]},
    ]
    lab.pod("pair", containers=containers)
    assert lab.ask("pair", "127.0.0.1", HTTP_PORT) == Answer("pair", "127.0.0.1")
    statuses = lab.client.get(PODS, "pair", "default")["status"]["containerStatuses"]
    own = next(s["containerID"] for s in statuses if s["name"] == "client").rpartition("//")[2]
    assert lab.cluster.runtime is not None
    code, out, _ = lab.cluster.runtime.exec_capture(
        own, ["wget", "-qO-", f"http://localhost:{HTTP_PORT}/hostname"]
    )
    assert (code, out) == (0, b"pair")


def test_several_ports_and_named_target_ports(lab: NetLab) -> None:
    lab.pod("app", labels=APP, ports=[{"name": "web", "containerPort": HTTP_PORT}])
    ports = [{"name": "web", "port": 80, "targetPort": "web"}, {"name": "shut", "port": 81, "targetPort": 1}]
    vip = lab.service("app", APP, ports=ports)["spec"]["clusterIP"]
    assert lab.ask("client", vip, 80) == Answer("app", lab.address("client"))
    assert lab.ask("client", vip, 81) == "refused"
    assert lab.ask("client", vip, 82) == "timed out"


def test_changes_of_a_service_count_at_once(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    service = lab.service("app", APP)
    vip = service["spec"]["clusterIP"]
    assert isinstance(lab.ask("client", vip), Answer)
    lab.client.delete(SERVICES, "app", "default")
    lab.cluster.settle()
    assert lab.ask("client", vip) == "timed out"


def test_a_trip_tells_its_way(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    service = lab.service("app", APP, type="NodePort")
    lab.policy("any", {"podSelector": {}, "ingress": [{}]})
    trip = lab.send("client", service["spec"]["clusterIP"], 80)
    assert [type(s) for s in trip.steps] == [Rules, Moved, Policies, Arrived]
    rules, moved, asked, arrived = (s.text for s in trip.steps)
    assert rules == f"node node-2: kube-proxy leads it to {lab.address('app')}:{HTTP_PORT}"
    assert moved == f"from node node-2 to pod default/app, as {lab.address('client')}"
    assert asked == "pod default/app: NetworkPolicy default/any allows it (spec.ingress[0])"
    assert arrived == f"pod default/app: agnhost listens on port {HTTP_PORT}"
    assert isinstance(trip.steps[0], Rules)
    assert any("KUBE-SVC-" in hop.text for hop in trip.steps[0].verdict.hops)
    lost = lab.send("outside", service["spec"]["clusterIP"], 80)
    assert [type(s) for s in lost.steps] == [Lost]
    lab.service("external", APP, externalIPs=["192.0.2.10"])
    assert isinstance(lab.send("outside", "192.0.2.10", 80).steps[0], Balanced)


def test_sctp(lab: NetLab) -> None:
    lab.pod("app", labels=APP, args=["netexec", "--sctp-port=8082"])
    vip = lab.service("app", APP, ports=[{"port": 80, "protocol": "SCTP", "targetPort": 8082}])["spec"][
        "clusterIP"
    ]
    assert lab.send("client", vip, 80, "SCTP").outcome == "reached"
    assert lab.send("client", vip, 80, "TCP").outcome == "timed out"
