"""What Kubernetes' own tests of Services (test/e2e/network/service.go) ask of a cluster: docs/compatibility.md says which of
them is which.
"""

from __future__ import annotations

import re

import pytest
from support.e2e import E2E, NODE_1, NODE_2, SERVERS, cluster_ip, node_port

from kubesim import StatusError
from kubesim.util.jsontypes import JSONObject

HTTP: JSONObject = {"name": "http", "port": 80, "protocol": "TCP"}


# The API alone.


def test_kubernetes_service_is_there(e2e: E2E) -> None:
    assert e2e.cluster.get("service", "kubernetes")["spec"]["ports"][0]["port"] == 443


def test_services_of_all_namespaces_are_listed(e2e: E2E) -> None:
    found = e2e.cluster.list("services", all_namespaces=True)
    assert ("default", "kubernetes") in {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in found}


def test_lifecycle_of_an_endpoint(e2e: E2E) -> None:
    body: JSONObject = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "testservice", "labels": {"static": "true"}},
        "subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80}]}],
    }
    e2e.cluster.create(body, "e2e")
    listed = e2e.cluster.list("endpoints", all_namespaces=True, label_selector="static=true")
    assert [e["metadata"]["name"] for e in listed] == ["testservice"]
    updated = e2e.update("endpoints", "testservice", lambda o: o["metadata"]["labels"].update(test="updated"))
    assert updated["metadata"]["labels"]["test"] == "updated"
    subsets = [{"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}]
    e2e.patch("endpoints", "testservice", {"metadata": {"labels": {"test": "patched"}}, "subsets": subsets})
    found = e2e.get("endpoints", "testservice")
    assert found["metadata"]["labels"] == {"static": "true", "test": "patched"}
    assert found["subsets"][0]["addresses"] == [{"ip": "10.0.0.25"}]
    assert found["subsets"][0]["ports"] == [{"name": "http-test", "port": 8080, "protocol": "TCP"}]
    e2e.cluster.kubectl("delete endpoints -l static=true -n e2e", check=True)
    with pytest.raises(StatusError, match="not found"):
        e2e.get("endpoints", "testservice")


def test_lifecycle_of_a_services_status(e2e: E2E) -> None:
    e2e.service("svc", HTTP, selector=None, type="LoadBalancer", loadBalancerClass="example.com/internal-vip")
    before = e2e.cluster.get("service", "svc", "e2e", subresource="status")
    assert before["status"] == {"loadBalancer": {}}
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
    }
    patched = e2e.patch("service", "svc", patch, type="merge", subresource="status")
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    assert patched["status"]["loadBalancer"]["ingress"] == [{"ip": "203.0.113.1", "ipMode": "VIP"}]
    condition = {
        "type": "StatusUpdate",
        "status": "True",
        "reason": "E2E",
        "message": "Set from e2e test",
        "lastTransitionTime": "2026-01-01T09:00:00Z",
    }
    updated = e2e.patch(
        "service", "svc", {"status": {"conditions": [condition]}}, type="merge", subresource="status"
    )
    assert updated["status"]["conditions"] == [condition]
    labelled = e2e.patch("service", "svc", {"metadata": {"labels": {"test-service": "patched"}}})
    assert labelled["metadata"]["labels"] == {"test-service": "patched"}
    e2e.cluster.delete("service", "svc", "e2e")
    with pytest.raises(StatusError, match='services "svc" not found'):
        e2e.get("service", "svc")


def test_a_collection_of_services_is_deleted(e2e: E2E) -> None:
    for name, label, port in (("a", "delete", 8001), ("b", "delete", 8002), ("c", "keep", 8003)):
        e2e.service(
            f"e2e-svc-{name}", HTTP | {"port": port}, selector=None, labels={"e2e-test-service": label}
        )
    assert len(e2e.cluster.list("services", "e2e")) == 3
    e2e.cluster.kubectl("delete services -l e2e-test-service=delete -n e2e", check=True)
    assert [s["metadata"]["name"] for s in e2e.cluster.list("services", "e2e")] == ["e2e-svc-c"]


# Who is an endpoint.


def test_basic_endpoints_from_pods(e2e: E2E) -> None:
    e2e.service("endpoint-test2", HTTP)
    assert e2e.served("endpoint-test2") == {}
    e2e.pod("execpod")
    e2e.netexec("pod1")
    assert e2e.served("endpoint-test2") == {"pod1": [80]}
    assert e2e.hostname("execpod", "endpoint-test2") == "pod1"
    e2e.netexec("pod2")
    assert e2e.served("endpoint-test2") == {"pod1": [80], "pod2": [80]}
    assert e2e.hostnames("execpod", "endpoint-test2") == {"pod1", "pod2"}
    e2e.delete_pod("pod1")
    assert e2e.served("endpoint-test2") == {"pod2": [80]}
    assert e2e.hostnames("execpod", "endpoint-test2") == {"pod2"}
    e2e.delete_pod("pod2")
    assert e2e.served("endpoint-test2") == {}


def test_multiport_endpoints_from_pods(e2e: E2E) -> None:
    """Two Pods, each of which has one of the two ports by name."""
    ports = [
        {"name": "portname1", "port": 80, "targetPort": "svc1"},
        {"name": "portname2", "port": 81, "targetPort": "svc2"},
    ]
    vip = cluster_ip(e2e.service("multi-endpoint-test", *ports))
    assert e2e.served("multi-endpoint-test") == {}
    e2e.pod("execpod")
    for name, port, number in (("pod1", "svc1", 100), ("pod2", "svc2", 101)):
        e2e.netexec(name, number, ports=({"name": port, "containerPort": number},))
    assert e2e.served("multi-endpoint-test") == {"pod1": [100], "pod2": [101]}
    assert (e2e.hostname("execpod", vip, 80), e2e.hostname("execpod", vip, 81)) == ("pod1", "pod2")
    e2e.delete_pod("pod1")
    assert e2e.served("multi-endpoint-test") == {"pod2": [101]}
    assert e2e.hostname("execpod", vip, 81) == "pod2"
    assert e2e.connect("execpod", vip, 80) == "REFUSED"
    e2e.delete_pod("pod2")
    assert e2e.served("multi-endpoint-test") == {}


def test_ports_are_added_and_deleted_while_serving(e2e: E2E) -> None:
    e2e.service("edge-port-test", HTTP)
    e2e.netexec("pod1", ports=({"containerPort": 80},))
    e2e.netexec("pod2", 81, ports=({"containerPort": 81},))
    e2e.pod("execpod")
    assert e2e.connect("execpod", "edge-port-test", 81) == "TIMEOUT"
    more = [HTTP, {"name": "more", "port": 81, "targetPort": 81, "protocol": "TCP"}]
    e2e.patch("service", "edge-port-test", {"spec": {"ports": more}}, type="merge")
    assert e2e.served("edge-port-test") == {"pod1": [80, 81], "pod2": [80, 81]}
    found = {e2e.connect("execpod", "edge-port-test", 81) for _ in range(20)}
    assert found == {"ok", "REFUSED"}  # pod1 does not listen there
    e2e.patch("service", "edge-port-test", {"spec": {"ports": [HTTP]}}, type="merge")
    assert e2e.served("edge-port-test") == {"pod1": [80], "pod2": [80]}
    assert e2e.connect("execpod", "edge-port-test", 81) == "TIMEOUT"


def test_unready_pods_have_endpoints_where_the_service_tolerates_them(e2e: E2E) -> None:
    """They answer, also while they end; not when the Service no longer wants them."""
    probe: JSONObject = {
        "readinessProbe": {"exec": {"command": ["/bin/false"]}},
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sleep", "600"]}}},
    }
    e2e.netexec("slow", container=probe, ready=False, terminationGracePeriodSeconds=600)
    e2e.service("tolerate-unready", HTTP, publishNotReadyAddresses=True)
    e2e.pod("execpod")
    name = "tolerate-unready.e2e.svc.cluster.local"
    assert e2e.hostname("execpod", name) == "slow"
    e2e.delete_pod("slow", None, wait=False)
    e2e.patch("service", "tolerate-unready", {"spec": {"publishNotReadyAddresses": False}})
    assert e2e.sh("execpod", f"wget -qO- -T 2 http://{name}:80/").exit_code == 1
    e2e.patch("service", "tolerate-unready", {"spec": {"publishNotReadyAddresses": True}})
    assert e2e.hostname("execpod", name) == "slow"
    e2e.delete_pod("slow")
    assert e2e.connect("execpod", name) == "REFUSED"


@pytest.mark.parametrize("publish", [True, False], ids=["published", "not published"])
def test_unready_and_ending_endpoints_are_reached_if_published(e2e: E2E, publish: bool) -> None:
    """By cluster IP and by node port. A Pod that has been told to end says that it is not ready any more."""
    service = e2e.service("svc", HTTP, type="NodePort", publishNotReadyAddresses=publish)
    probes = {
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 80}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 80}},
    }
    e2e.netexec(
        "web",
        node=NODE_1,
        container=probes,
        extra=("--delay-shutdown=300",),
        terminationGracePeriodSeconds=300,
    )
    assert e2e.served("svc") == {"web": [80]}
    e2e.pod("pause", node=NODE_2)
    e2e.delete_pod("web", None, wait=False)
    e2e.cluster.wait("pod/web", "condition=Ready=False", 60, "e2e")
    addresses = [(cluster_ip(service), 80)]
    addresses += [(e2e.node_ip(node), node_port(service)) for node in (NODE_1, NODE_2)]
    for _ in range(3):
        for address in addresses:
            assert e2e.connect("pause", *address) == ("ok" if publish else "REFUSED")
        e2e.cluster.advance(5)


# The way to them.


def test_source_address_is_kept_through_a_cluster_ip(e2e: E2E) -> None:
    e2e.netexec("echo", 8080, node=NODE_1)
    vip = cluster_ip(e2e.service("sourceip-test", {"port": 8080}))
    for name, node in (("pause-0", NODE_1), ("pause-1", NODE_2)):
        e2e.pod(name, node=node)
        seen = e2e.sh(name, f"curl -q -s --connect-timeout 30 {vip}:8080/clientip").check().stdout
        assert seen.partition(":")[0] == e2e.ip(name)


def test_a_pod_reaches_itself_through_its_service(e2e: E2E) -> None:
    e2e.netexec("hairpin", 8080)
    e2e.service("hairpin-test", {"port": 8080})
    assert e2e.hostname("hairpin", "hairpin-test", 8080) == "hairpin"


def test_services_come_and_go(e2e: E2E) -> None:
    """Three, one after the other; what happens to one does not concern the others."""
    e2e.pod("execpod")
    vips = {}
    for name in ("one", "two"):
        for number in range(3):
            e2e.netexec(f"{name}-{number}", 9376, labels={"name": name})
        vips[name] = cluster_ip(e2e.service(name, HTTP | {"targetPort": 9376}, selector={"name": name}))
        assert e2e.hostnames("execpod", vips[name]) == {f"{name}-{i}" for i in range(3)}
    e2e.cluster.delete("service", "one", "e2e")
    assert e2e.connect("execpod", vips["one"]) == "TIMEOUT"
    assert e2e.hostnames("execpod", vips["two"]) == {f"two-{i}" for i in range(3)}
    third = cluster_ip(e2e.service("three", HTTP | {"targetPort": 9376}, selector={"name": "one"}))
    assert third not in vips.values()
    assert e2e.hostnames("execpod", third) == {f"one-{i}" for i in range(3)}


def test_a_service_made_again_with_the_same_address_works(e2e: E2E) -> None:
    e2e.pod("execpod")
    names = set(e2e.servers())
    vip = cluster_ip(e2e.service("svc", HTTP))
    assert e2e.hostnames("execpod", vip) == names
    e2e.cluster.delete("service", "svc", "e2e")
    assert e2e.connect("execpod", vip) == "TIMEOUT"
    e2e.service("svc", HTTP, clusterIP=vip)
    assert e2e.hostnames("execpod", vip) == names


def test_functioning_node_port(e2e: E2E) -> None:
    e2e.pod("execpod")
    names = set(e2e.servers(2))
    service = e2e.service("nodeport-test", HTTP, type="NodePort")
    assert e2e.hostnames("execpod", "nodeport-test") == names
    assert e2e.hostnames("execpod", cluster_ip(service)) == names
    for node in (NODE_1, NODE_2):
        assert e2e.hostnames("execpod", e2e.node_ip(node), node_port(service)) == names
        for _ in range(5):
            assert e2e.outside(f"http://{e2e.node_ip(node)}:{node_port(service)}/hostname").stdout in names


def test_external_ip_that_no_node_has(e2e: E2E) -> None:
    e2e.pod("execpod")
    names = set(e2e.servers(2))
    e2e.service("externalip-test", HTTP, externalIPs=["203.0.113.250"])
    assert e2e.hostnames("execpod", "externalip-test") == names
    assert e2e.hostnames("execpod", "203.0.113.250") == names


def test_cluster_ip_with_leading_zeros_is_decimal(e2e: E2E) -> None:
    """funny_ips.go, CVE-2021-29923."""
    e2e.pod("execpod")
    e2e.servers(2)
    e2e.service("funny-ip", HTTP, clusterIP="10.096.0.011")
    assert e2e.hostname("execpod", "10.96.0.11").startswith("server-")


# Types and ports change.


def test_node_port_for_both_protocols_of_one_port(e2e: E2E) -> None:
    e2e.service("nodeport-update", HTTP)
    ports = [{"name": "tcp-port", "port": 80}, {"name": "udp-port", "port": 80, "protocol": "UDP"}]
    updated = e2e.patch(
        "service", "nodeport-update", {"spec": {"type": "NodePort", "ports": ports}}, type="merge"
    )
    e2e.servers(2)
    e2e.pod("execpod")
    tcp, udp = node_port(updated, 0), node_port(updated, 1)
    for node in (NODE_1, NODE_2):
        assert e2e.hostname("execpod", e2e.node_ip(node), tcp).startswith("server-")
        assert e2e.udp("execpod", e2e.node_ip(node), udp).startswith("server-")


def test_external_name_becomes_cluster_ip(e2e: E2E) -> None:
    made = e2e.service("svc", selector=None, type="ExternalName", externalName="foo.example.com")
    assert "clusterIP" not in made["spec"]
    e2e.pod("execpod")
    names = set(e2e.servers(2))
    change = {"type": "ClusterIP", "externalName": None, "ports": [HTTP], "selector": SERVERS}
    changed = e2e.patch("service", "svc", {"spec": change}, type="merge")
    assert e2e.hostnames("execpod", "svc") == names
    assert e2e.hostnames("execpod", cluster_ip(changed)) == names


def test_external_name_becomes_node_port(e2e: E2E) -> None:
    e2e.service("svc", selector=None, type="ExternalName", externalName="foo.example.com")
    e2e.pod("execpod")
    names = set(e2e.servers(2))
    change = {"type": "NodePort", "externalName": None, "ports": [HTTP], "selector": SERVERS}
    changed = e2e.patch("service", "svc", {"spec": change}, type="merge")
    assert e2e.hostnames("execpod", "svc") == names
    assert e2e.hostnames("execpod", e2e.node_ip(NODE_2), node_port(changed)) == names


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_becomes_external_name(e2e: E2E, kind: str) -> None:
    """The name is that of another Service, as upstream has it: what the alias points to answers."""
    e2e.pod("execpod")
    names = set(e2e.servers(2))
    e2e.service("externalsvc", HTTP)
    made = e2e.service("svc", HTTP, selector={"app": "nobody"}, type=kind)

    def change(svc: JSONObject) -> None:
        name = "externalsvc.e2e.svc.cluster.local"
        svc["spec"] = {"type": "ExternalName", "externalName": name, "ports": [HTTP]}

    changed = e2e.update("service", "svc", change)
    assert "clusterIP" not in changed["spec"]
    assert "nodePort" not in changed["spec"]["ports"][0]
    assert e2e.hostnames("execpod", "svc") == names
    assert e2e.sh("execpod", "nslookup svc.e2e.svc.cluster.local").exit_code == 0
    assert e2e.connect("execpod", cluster_ip(made)) == "TIMEOUT"
    if kind == "NodePort":  # its port is free again
        e2e.service("next", HTTP | {"nodePort": node_port(made)}, type="NodePort")


def test_one_port_with_two_protocols(e2e: E2E) -> None:
    tcp = {"name": "tcp", "port": 80, "protocol": "TCP", "targetPort": 80}
    udp = {"name": "udp", "port": 80, "protocol": "UDP", "targetPort": 80}
    vip = cluster_ip(e2e.service("multiprotocol-test", tcp, udp))
    e2e.netexec("pod1")
    e2e.pod("execpod")
    assert e2e.hostname("execpod", vip) == "pod1"
    assert e2e.udp("execpod", vip, 80) == "pod1"
    e2e.patch("service", "multiprotocol-test", {"spec": {"ports": [tcp]}}, type="merge")
    assert e2e.hostname("execpod", vip) == "pod1"
    assert e2e.udp("execpod", vip, 80) == ""
    e2e.patch("service", "multiprotocol-test", {"spec": {"ports": [udp]}}, type="merge")
    assert e2e.connect("execpod", vip) == "TIMEOUT"
    assert e2e.udp("execpod", vip, 80) == "pod1"


def test_node_ports_do_not_collide(e2e: E2E) -> None:
    port = node_port(e2e.service("first", HTTP, type="NodePort"))
    with pytest.raises(StatusError, match=f"{port}.*port is already allocated"):
        e2e.service("second", HTTP | {"nodePort": port}, type="NodePort")
    e2e.cluster.delete("service", "first", "e2e")
    assert node_port(e2e.service("second", HTTP | {"nodePort": port}, type="NodePort")) == port


def test_node_ports_are_in_the_range(e2e: E2E) -> None:
    assert 30000 <= node_port(e2e.service("svc", HTTP, type="NodePort")) <= 32767
    expected = re.compile("29999.*port is not in the valid range")
    with pytest.raises(StatusError, match=expected):
        e2e.patch("service", "svc", [{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 29999}])
    e2e.cluster.delete("service", "svc", "e2e")
    with pytest.raises(StatusError, match=expected):
        e2e.service("svc", HTTP | {"nodePort": 29999}, type="NodePort")


def test_node_ports_are_released(e2e: E2E) -> None:
    port = node_port(e2e.service("svc", HTTP, type="NodePort"))
    e2e.cluster.delete("service", "svc", "e2e")
    e2e.pod("hostexec", hostNetwork=True)
    assert e2e.sh("hostexec", f"! ss -ant46 'sport = :{port}' | tail -n +2 | grep LISTEN").exit_code == 0
    assert node_port(e2e.service("svc", HTTP | {"nodePort": port}, type="NodePort")) == port


# Whom kube-proxy leaves alone, and whom it turns away.


@pytest.mark.parametrize(
    "label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]
)
def test_services_for_another_proxy_have_no_rules(e2e: E2E, label: str) -> None:
    e2e.pod("execpod")
    names = set(e2e.servers())
    labelled = cluster_ip(e2e.service("labelled", HTTP, labels={label: "foo-bar"}))
    toggled = cluster_ip(e2e.service("toggled", HTTP))
    assert e2e.hostnames("execpod", toggled) == names
    assert e2e.connect("execpod", labelled) == "TIMEOUT"
    e2e.patch("service", "toggled", {"metadata": {"labels": {label: "foo-bar"}}})
    assert e2e.connect("execpod", toggled) == "TIMEOUT"
    e2e.patch("service", "toggled", {"metadata": {"labels": {label: None}}}, type="merge")
    assert e2e.hostnames("execpod", toggled) == names
    assert e2e.connect("execpod", labelled) == "TIMEOUT"


def test_refused_where_there_are_no_endpoints(e2e: E2E) -> None:
    e2e.service("no-pods", HTTP)
    e2e.pod("execpod", node=NODE_1)
    assert e2e.connect("execpod", "no-pods") == "REFUSED"


def test_refused_where_all_pods_have_failed(e2e: E2E) -> None:
    """Even where Pods that are not ready are published. Nobody evicts for storage here: the Pod ends by itself."""
    e2e.service("evicted-pods", HTTP, publishNotReadyAddresses=True)
    failing: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "evicted", "labels": SERVERS},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", "exit 1"]}],
        },
    }
    e2e.cluster.create(failing, "e2e")
    e2e.cluster.wait("pod/evicted", "jsonpath={.status.phase}=Failed", 60, "e2e")
    e2e.pod("execpod", node=NODE_1)
    assert "subsets" not in e2e.get("endpoints", "evicted-pods")
    assert [s.get("endpoints") or [] for s in e2e.slices("evicted-pods")] == [[]]
    assert e2e.connect("execpod", "evicted-pods") == "REFUSED"


def test_ports_of_restartable_init_containers(e2e: E2E) -> None:
    """Named ports of a sidecar are ports of the Pod."""
    sidecar: JSONObject = {
        "name": "sidecar",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec", "--http-port=8080"],
        "ports": [{"name": "side", "containerPort": 8080}],
        "restartPolicy": "Always",
    }
    e2e.pod("web", labels=SERVERS, initContainers=[sidecar])
    e2e.pod("execpod")
    vip = cluster_ip(e2e.service("sidecar-with-port", HTTP | {"targetPort": "side"}))
    assert e2e.served("sidecar-with-port") == {"web": [8080]}
    assert e2e.hostname("execpod", vip) == "web"


# SCTP


def test_sctp_service_and_endpoint(e2e: E2E) -> None:
    sctp = {"name": "sctp", "port": 5060, "protocol": "SCTP"}
    vip = cluster_ip(e2e.service("sctp-endpoint-test", sctp))
    assert e2e.served("sctp-endpoint-test") == {}
    e2e.pod(
        "web",
        "netexec",
        "--sctp-port=5060",
        labels=SERVERS,
        ports=({"containerPort": 5060, "protocol": "SCTP"},),
    )
    assert e2e.served("sctp-endpoint-test") == {"web": [5060]}
    e2e.pod("execpod")
    assert e2e.connect("execpod", vip, 5060, "sctp") == "ok"
    rules = e2e.ssh(NODE_1, "iptables-save -t nat | grep sctp").check().stdout
    assert "-p sctp" in rules
    e2e.delete_pod("web")
    assert e2e.served("sctp-endpoint-test") == {}


def test_sctp_host_port(e2e: E2E) -> None:
    port = {"containerPort": 5060, "hostPort": 5060, "protocol": "SCTP"}
    e2e.pod("hostport", "netexec", "--sctp-port=5060", node=NODE_1, ports=(port,))
    e2e.pod("execpod", node=NODE_2)
    assert e2e.connect("execpod", e2e.node_ip(NODE_1), 5060, "sctp") == "ok"


# How long it takes.


def test_endpoints_of_a_new_service_are_there_at_once(e2e: E2E) -> None:
    """service_latency.go."""
    e2e.pod("pause", labels=SERVERS)
    for number in range(20):
        e2e.service(f"latency-{number}", HTTP)
        assert e2e.served(f"latency-{number}") == {"pause": [80]}
