"""What a Service promises beyond one Pod: who is an endpoint, who is asked again, what stands in front."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from support.network import HTTP_PORT, NODE_IPS, Answer, NetLab

from kubesim.client.resources import PODS, SERVICES
from kubesim.network.trip import Arrived, Balanced, Lost, Moved, Policies, Rules
from kubesim.runtime.http1 import HTTPRequest

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


def test_a_pod_that_ends_takes_requests_only_where_no_other_does(lab: NetLab) -> None:
    slow = {"preStop": {"sleep": {"seconds": 50}}}
    image = "registry.k8s.io/e2e-test-images/agnhost:2.47"
    container = {"name": "c", "image": image, "args": ["netexec"], "lifecycle": slow}
    for name in ("old", "new"):
        lab.pod(name, labels=APP, containers=[container], terminationGracePeriodSeconds=60)
    vip = lab.service("app", APP)["spec"]["clusterIP"]
    address = lab.address("old")
    lab.client.delete(PODS, "old", "default")
    lab.cluster.settle()
    assert set(_names(lab, "client", vip)) == {"new"}
    assert lab.ask("client", address, HTTP_PORT) == Answer("old", lab.address("client"))
    lab.client.delete(PODS, "new", "default")
    lab.cluster.settle()
    assert set(_names(lab, "client", vip)) == {"old", "new"}
    lab.settle(120)
    assert lab.ask("client", vip) == "refused"
    assert lab.ask("client", address, HTTP_PORT) == "timed out"


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


def test_load_balancer_sends_to_no_node_whose_pods_lack_the_named_port(lab: NetLab) -> None:
    lab.pod("app", labels=APP, ports=[{"name": "web", "containerPort": HTTP_PORT}])
    lab.pod("other", node="node-2", labels=APP)
    ports = [{"port": 80, "targetPort": "web"}]
    lab.service("app", APP, type="LoadBalancer", externalTrafficPolicy="Local", ports=ports)
    lab.balanced("app", "203.0.113.5")
    assert {lab.ask("outside", "203.0.113.5") for _ in range(20)} == {Answer("app", "172.18.0.1")}


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


def test_shares_of_a_node_port_are_even(lab: NetLab) -> None:
    """Chi-square at 1 %, as the identities of a seeded cluster draw."""
    for name in ("one", "two"):
        lab.pod(name, labels=APP, node="node-2")
    node_port = lab.service("app", APP, type="NodePort")["spec"]["ports"][0]["nodePort"]
    view, addresses = lab.view("outside"), Counter[str]()
    for _ in range(10_000):
        peer = view.send(NODE_1, node_port).peer
        assert peer is not None
        addresses[peer.local_address] += 1
    assert len(addresses) == 2
    assert sum((n - 5000) ** 2 / 5000 for n in addresses.values()) < 6.635


def test_dns_shows_as_a_service_where_the_cluster_is_made_with_it() -> None:
    lab = NetLab(kube_dns=True)
    lab.pod("client")
    lab.pod("app", labels=APP)
    vip = lab.service("app", APP)["spec"]["clusterIP"]
    trip = lab.send("client", "10.96.0.10", 53, "UDP")
    assert [type(s) for s in trip.steps] == [Rules, Moved, Arrived]
    assert f"Address: {vip}\n" in lab.sh("client", "nslookup", "app.default.svc.cluster.local")[1]
    egress = {
        "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"protocol": "UDP", "port": 53}],
    }
    lab.policy("dns", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [egress]})
    assert lab.send("client", "10.96.0.10", 53, "UDP").outcome == "reached"
    assert lab.send("client", "10.96.0.10", 53, "TCP").outcome == "timed out"
    assert lab.send("client", vip, 80).outcome == "timed out"


def test_dns_speaks_the_wire_format_over_both_protocols(lab: NetLab) -> None:
    from dnslib import DNSRecord

    question = bytes(DNSRecord.question("kubernetes.default.svc.cluster.local").pack())
    over_udp = lab.view("client").connect("10.96.0.10", 53, "UDP").datagram(question)
    framed = len(question).to_bytes(2, "big") + question
    over_tcp = lab.view("client").connect("10.96.0.10", 53).exchange(framed + framed)
    assert over_udp is not None
    for answer in (over_udp, over_tcp[2 : 2 + len(over_udp)]):
        assert [str(r.rdata) for r in DNSRecord.parse(answer).rr] == ["10.96.0.1"]
    assert len(over_tcp) == 2 * (2 + len(over_udp))
    assert lab.view("client").connect("10.96.0.10", 53).exchange(b"\x00\x01?") == b""


def test_api_server_answers_pods_by_their_token(lab: NetLab) -> None:
    token = "$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)"
    lab.pod("tools", image="nicolaka/netshoot", args=["sleep", "3600"])
    base = "curl -sk -o /dev/null -w '%{http_code} '"
    script = f"{base} https://kubernetes/api/v1/pods; {base} -H \"Authorization: Bearer {token}\" https://kubernetes/api/v1/pods; {base} -H 'Authorization: Bearer x' https://kubernetes/version"
    code, out, _ = lab.sh("tools", "sh", "-c", script)
    assert (code, out.split()) == (0, ["403", "200", "401"])
    trip = lab.send("tools", "172.18.0.2", 6443)
    assert trip.peer is not None
    assert trip.peer.address == NODE_1


def test_health_checks_of_a_service_are_asked_on_every_node(lab: NetLab) -> None:
    lab.pod("app", labels=APP)
    service = lab.service("app", APP, type="LoadBalancer", externalTrafficPolicy="Local")
    port = service["spec"]["healthCheckNodePort"]
    found = {}
    for node in (NODE_1, NODE_2):
        connection = lab.view("outside").connect(node, port)
        found[node] = connection.http(HTTPRequest("GET", "/")).status
    assert found == {NODE_1: 200, NODE_2: 503}
