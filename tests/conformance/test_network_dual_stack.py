"""Clusters with both families of addresses. From test/e2e/network/dual_stack.go, with the primary family either way, and what it
leaves to others: slices of the second family, names, policies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.e2e import E2E, NODE_1, NODE_2, bracketed, cluster_ip, node_port
from support.nettest import HTTP_PORT, PORT, PROTOCOLS, SERVICE_PORTS, Nettest

from kubesim.util.jsontypes import JSONObject

RANGES = {"IPv4": "10.96.0.0/16", "IPv6": "fd00:10:96::/112"}
ORDERS = [("IPv4", "IPv6"), ("IPv6", "IPv4")]
BOTH = {"ipFamilyPolicy": "RequireDualStack"}
TWO_PORTS: list[JSONObject] = SERVICE_PORTS[:2]


def families_of(addresses: list[str]) -> list[str]:
    return ["IPv6" if ":" in address else "IPv4" for address in addresses]


def made(*families: str) -> E2E:
    return E2E(service_cidr=",".join(RANGES[family] for family in families))


@pytest.fixture(params=ORDERS, ids=" first, then ".join)
def order(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def dual(order: tuple[str, str]) -> Iterator[E2E]:
    e2e = made(*order)
    yield e2e
    e2e.cluster.close()


@pytest.fixture
def net(dual: E2E, order: tuple[str, str]) -> Nettest:
    """Everything is asked at the addresses of the second family."""
    return Nettest(dual, order[1], **BOTH)


@pytest.fixture(scope="module", params=ORDERS, ids=" first, then ".join)
def shared(request: pytest.FixtureRequest) -> Iterator[Nettest]:
    """The same, for tests that change nothing."""
    e2e = made(*request.param)
    yield Nettest(e2e, request.param[1], **BOTH)
    e2e.cluster.close()


# Addresses


def test_nodes_have_addresses_of_both_families(dual: E2E, order: tuple[str, str]) -> None:
    for node in (NODE_1, NODE_2):
        found = dual.cluster.get("node", node)
        internal = [a["address"] for a in found["status"]["addresses"] if a["type"] == "InternalIP"]
        assert families_of(internal) == families_of(found["spec"]["podCIDRs"]) == list(order)
        assert found["spec"]["podCIDR"] == found["spec"]["podCIDRs"][0]


@pytest.mark.parametrize("host_network", [False, True], ids=["", "host network"])
def test_pods_have_addresses_of_both_families(dual: E2E, order: tuple[str, str], host_network: bool) -> None:
    status = dual.pod("pod-dualstack-ips", hostNetwork=host_network)["status"]
    for name in ("pod", "host"):
        addresses = [entry["ip"] for entry in status[f"{name}IPs"]]
        assert families_of(addresses) == list(order)
        assert status[f"{name}IP"] == addresses[0]


def test_pods_are_reached_at_both_addresses(dual: E2E) -> None:
    for node in (NODE_1, NODE_2):
        dual.netexec(f"server-{node}", node=node)
        dual.pod(f"client-{node}", node=node)
    for client in (f"client-{NODE_1}", f"client-{NODE_2}"):
        for server in (f"server-{NODE_1}", f"server-{NODE_2}"):
            for family in RANGES:
                url = f"http://{bracketed(dual.ip(server, family))}/clientip"
                seen = dual.sh(client, f"curl -g -q -s --connect-timeout 5 {url}").check().stdout
                assert seen.rpartition(":")[0] == bracketed(dual.ip(client, family))


def test_downward_api_has_addresses_of_both_families(dual: E2E) -> None:
    """test/e2e/common/node/downwardapi.go asks for status.hostIPs and status.podIPs."""
    env = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"status.{path}"}}}
        for name, path in (("POD_IPS", "podIPs"), ("POD_IP", "podIP"), ("HOST_IPS", "hostIPs"))
    ]
    status = dual.pod("client", container={"env": env})["status"]
    printed = dual.sh("client", 'echo "$POD_IPS"; echo "$POD_IP"; echo "$HOST_IPS"').check().stdout.split()
    own = [entry["ip"] for entry in status["podIPs"]]
    assert printed == [",".join(own), own[0], ",".join(entry["ip"] for entry in status["hostIPs"])]
    hosts = dual.sh("client", "cat /etc/hosts").check().stdout.splitlines()
    assert hosts[-2:] == [f"{address}\tclient" for address in own]


# Services


@pytest.mark.parametrize(
    ("asked", "families"),
    [
        ({}, []),
        ({"ipFamilies": ["IPv4"]}, ["IPv4"]),
        ({"ipFamilies": ["IPv6"]}, ["IPv6"]),
        (BOTH | {"ipFamilies": ["IPv4", "IPv6"]}, ["IPv4", "IPv6"]),
        (BOTH | {"ipFamilies": ["IPv6", "IPv4"]}, ["IPv6", "IPv4"]),
    ],
    ids=["default", "IPv4", "IPv6", "IPv4 and IPv6", "IPv6 and IPv4"],
)
def test_families_of_a_service(
    dual: E2E, order: tuple[str, str], asked: JSONObject, families: list[str]
) -> None:
    """Endpoints are of the first family; slices there are of each."""
    families = families or [order[0]]
    names = dual.servers(2)
    spec = dual.service("families", *TWO_PORTS, **asked)["spec"]
    assert (spec["ipFamilies"], families_of(spec["clusterIPs"])) == (families, families)
    assert spec["ipFamilyPolicy"] == ("SingleStack" if len(families) == 1 else "RequireDualStack")
    subsets = dual.get("endpoints", "families")["subsets"]
    endpoints = {a["ip"] for s in subsets for a in s["addresses"]}
    assert endpoints == {dual.ip(name, families[0]) for name in names}
    slices = {
        part["addressType"]: {a for e in part["endpoints"] for a in e["addresses"]}
        for part in dual.slices("families")
    }
    assert slices == {family: {dual.ip(name, family) for name in names} for family in families}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pod_to_second_address_of_a_service(shared: Nettest, protocol: str) -> None:
    assert shared.dial(protocol, shared.vip, PORT[protocol]) == shared.names
    assert shared.dial(protocol, shared.node_ip(NODE_1), shared.node_port(protocol)) == shared.names


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_node_to_second_address_of_a_service(shared: Nettest, protocol: str) -> None:
    assert shared.dial_from_node(protocol, shared.vip, PORT[protocol]) == shared.names
    for node in (NODE_1, NODE_2):
        assert (
            shared.dial_from_node(protocol, shared.node_ip(node), shared.node_port(protocol)) == shared.names
        )


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_endpoint_to_second_address_of_a_service(shared: Nettest, protocol: str) -> None:
    assert shared.dial(protocol, shared.vip, PORT[protocol], dialler="netserver-0") == shared.names
    port = shared.node_port(protocol)
    assert shared.dial(protocol, shared.node_ip(NODE_1), port, dialler="netserver-0") == shared.names


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_endpoints_of_the_second_family_are_updated(net: Nettest, protocol: str) -> None:
    assert net.dial(protocol, net.vip, PORT[protocol]) == net.names
    net.e2e.delete_pod("netserver-0")
    assert net.dial(protocol, net.vip, PORT[protocol]) == {"netserver-1"}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_client_address_affinity_in_the_second_family(net: Nettest, protocol: str) -> None:
    service = net.e2e.service("session-affinity", *SERVICE_PORTS, sessionAffinity="ClientIP", **BOTH)
    assert len(net.dial(protocol, cluster_ip(service, net.family), PORT[protocol])) == 1


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_large_requests_to_the_second_address(shared: Nettest, protocol: str) -> None:
    text = "42" * 1000 if protocol == "http" else "n" + "o" * 1999
    request = f"echo?msg={text}" if protocol == "http" else f"echo%20{text}"
    assert shared.dial(protocol, shared.vip, PORT[protocol], request=request, times=2) == {text}


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_endpoints_in_the_host_network_at_the_second_address(
    dual: E2E, order: tuple[str, str], protocol: str
) -> None:
    net = Nettest(dual, order[1], host_network=True, **BOTH)
    names = {NODE_1, NODE_2}  # what a Pod in the host's network is called
    assert net.dial(protocol, net.vip, PORT[protocol]) == names
    assert net.dial_from_node(protocol, net.vip, PORT[protocol]) == names
    assert net.dial_from_node(protocol, net.node_ip(NODE_1), net.node_port(protocol)) == names


# What dual_stack.go does not ask


def test_a_service_gains_and_loses_its_second_family(dual: E2E, order: tuple[str, str]) -> None:
    """test/integration/dualstack: upgrades and downgrades, here with the traffic."""
    names = set(dual.servers(2))
    dual.pod("client")
    first = cluster_ip(dual.service("web"))
    upgraded = dual.patch("service", "web", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
    assert families_of(upgraded["spec"]["clusterIPs"]) == list(order)
    assert upgraded["spec"]["clusterIPs"][0] == first
    second = upgraded["spec"]["clusterIPs"][1]
    assert dual.hostnames("client", first) == dual.hostnames("client", second) == names
    downgraded = dual.patch("service", "web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert downgraded["spec"]["clusterIPs"] == [first]
    assert [part["addressType"] for part in dual.slices("web")] == [order[0]]
    assert dual.hostnames("client", first) == names
    assert dual.connect("client", second) == "TIMEOUT"  # nobody has that address any more


def test_variables_have_the_first_address_of_a_service(dual: E2E) -> None:
    for families in (["IPv4", "IPv6"], ["IPv6", "IPv4"]):
        service = dual.service(f"web-{families[0].lower()}", ipFamilies=families, **BOTH)
        assert families_of(service["spec"]["clusterIPs"]) == families
    dual.pod("client")
    variables = dual.sh("client", "env").check().stdout.splitlines()
    for family in ("IPv4", "IPv6"):
        ip = dual.get("service", f"web-{family.lower()}")["spec"]["clusterIP"]
        assert f"WEB_{family.upper()}_SERVICE_HOST={ip}" in variables
        assert f"WEB_{family.upper()}_PORT=tcp://{bracketed(ip)}:80" in variables


def test_names_have_addresses_of_both_families(dual: E2E, order: tuple[str, str]) -> None:
    names = dual.servers(2)
    dual.pod("client")
    web = dual.service("web", **BOTH)
    dual.service("headless", clusterIP="None", **BOTH)
    for family, qtype in (("IPv4", "A"), ("IPv6", "AAAA")):
        vip, pods = cluster_ip(web, family), {dual.ip(name, family) for name in names}

        def dig(*words: str) -> list[str]:
            return dual.sh("client", f"dig +short {' '.join(words)}").check().stdout.split()

        assert dig("web.e2e.svc.cluster.local", qtype) == [vip]
        assert set(dig("headless.e2e.svc.cluster.local", qtype)) == pods
        assert dig("-x", vip) == ["web.e2e.svc.cluster.local."]
        for address in pods:
            label = address.replace(".", "-").replace(":", "-")
            assert dig(f"{label}.e2e.pod.cluster.local", qtype) == [address]
            assert set(dig("-x", address)) == {
                f"{label}.{service}.e2e.svc.cluster.local." for service in ("web", "headless")
            }
    answered = dual.sh("client", "dig web.e2e.svc.cluster.local | grep SERVER").check().stdout
    assert f" {dns_address(order)}#53" in answered


def dns_address(order: tuple[str, str]) -> str:
    return {"IPv4": "10.96.0.10", "IPv6": "fd00:10:96::a"}[order[0]]


def test_policies_know_blocks_of_both_families(dual: E2E) -> None:
    server = dual.netexec("server", HTTP_PORT)
    dual.pod("near")
    dual.pod("far")
    for family, length in (("IPv4", 32), ("IPv6", 128)):
        policy = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "only-near"},
            "spec": {
                "podSelector": {"matchLabels": server["metadata"]["labels"]},
                "ingress": [{"from": [{"ipBlock": {"cidr": f"{dual.ip('near', family)}/{length}"}}]}],
            },
        }
        dual.cluster.create(policy, "e2e")
        other = "IPv6" if family == "IPv4" else "IPv4"
        assert dual.connect("near", dual.ip("server", family), HTTP_PORT) == "ok"
        assert dual.connect("near", dual.ip("server", other), HTTP_PORT) == "TIMEOUT"
        assert dual.connect("far", dual.ip("server", family), HTTP_PORT) == "TIMEOUT"
        dual.cluster.delete("networkpolicy", "only-near", "e2e")


def test_handmade_endpoints_of_both_families_are_mirrored(dual: E2E) -> None:
    dual.netexec("server", labels={})
    dual.pod("client")
    service = dual.service("example", selector=None, **BOTH)
    addresses = [dual.ip("server", family) for family in RANGES]
    subsets = [{"addresses": [{"ip": a} for a in addresses], "ports": [{"name": "http", "port": 80}]}]
    body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "example"}, "subsets": subsets}
    dual.cluster.create(body, "e2e")
    mirrored = {s["addressType"]: [e["addresses"] for e in s["endpoints"]] for s in dual.slices("example")}
    assert mirrored == {"IPv4": [[addresses[0]]], "IPv6": [[addresses[1]]]}
    for family in RANGES:
        assert dual.hostname("client", cluster_ip(service, family)) == "server"


def test_a_cluster_of_ipv6_alone() -> None:
    """Which kind makes with ipFamily: ipv6: nothing has an IPv4 address."""
    e2e = made("IPv6")
    names = e2e.servers(2)
    e2e.pod("client")
    service = e2e.service("web", type="NodePort")
    assert families_of(service["spec"]["clusterIPs"]) == ["IPv6"]
    assert families_of([entry["ip"] for entry in e2e.get("pod", "client")["status"]["podIPs"]]) == ["IPv6"]
    assert e2e.hostnames("client", "web") == set(names)
    url = f"http://{bracketed(e2e.node_ip(NODE_1))}:{node_port(service)}/hostname"
    assert e2e.outside("-g", url).stdout in names
    kubernetes = e2e.cluster.get("endpointslice", "kubernetes", "default")
    assert (kubernetes["addressType"], kubernetes["endpoints"][0]["addresses"]) == (
        "IPv6",
        ["fc00:f853:ccd:e793::2"],
    )
    versions = json.loads(e2e.cluster.kubectl("get --raw /api").stdout)
    assert versions["serverAddressByClientCIDRs"][0]["serverAddress"] == "[fc00:f853:ccd:e793::2]:6443"
    variables = e2e.sh("client", "env").check().stdout.splitlines()
    assert "KUBERNETES_SERVICE_HOST=fd00:10:96::1" in variables
    assert "KUBERNETES_PORT=tcp://[fd00:10:96::1]:443" in variables
    secure = "curl -sk -o /dev/null -w '%{http_code}' https://kubernetes.default/livez"
    assert e2e.sh("client", secure).check().stdout == "200"
    e2e.cluster.close()
