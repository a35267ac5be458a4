"""A dual-stack cluster as programs in its Pods and on its nodes see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.e2e import E2E, NODE_1, cluster_ip, node_port

BOTH = {"ipFamilyPolicy": "RequireDualStack"}


@pytest.fixture(scope="module")
def lab() -> Iterator[E2E]:
    """A server for both families, one for IPv4 alone, and clients of three sorts on the other node."""
    e2e = E2E(service_cidr="10.96.0.0/16,fd00:10:96::/112")
    e2e.netexec("server", labels={"app": "web"}, node="node-2")
    web = e2e.service("web", selector={"app": "web"}, type="NodePort", **BOTH)
    assert cluster_ip(web, "IPv6")
    four = {"image": "python:3", "command": ["python3", "-m", "http.server", "80", "--bind", "0.0.0.0"]}
    e2e.pod("four", labels={"app": "four"}, container=four)
    e2e.service("four", selector={"app": "four"}, **BOTH)
    idle = {"command": ["sleep", "100000"]}
    for name, image in (("deb", "debian"), ("alp", "alpine"), ("shoot", "nicolaka/netshoot")):
        e2e.pod(name, container={"image": image} | idle, node=NODE_1)
    tools = "curl wget dnsutils iproute2 netcat-openbsd iputils-ping"
    e2e.sh("deb", f"apt-get update && apt-get install -y {tools}").check()
    yield e2e
    e2e.cluster.close()


def address(lab: E2E, service: str, family: str) -> str:
    return cluster_ip(lab.get("service", service), family)


PREFERRED = {
    "curl": ("deb", "curl -s -o /dev/null -w '%{remote_ip}' http://web", "IPv6"),
    "curl -4": ("deb", "curl -4 -s -o /dev/null -w '%{remote_ip}' http://web", "IPv4"),
    "curl -6": ("deb", "curl -6 -s -o /dev/null -w '%{remote_ip}' http://web", "IPv6"),
    "nc": ("deb", "nc -zv web 80 2>&1", "IPv6"),
    "nc -4": ("deb", "nc -4zv web 80 2>&1", "IPv4"),
    "wget": ("deb", "wget -O /dev/null http://web 2>&1 | grep 'Connecting'", "IPv6"),
    "wget -4": ("deb", "wget -4 -O /dev/null http://web 2>&1 | grep 'Connecting'", "IPv4"),
    "getent hosts": ("deb", "getent hosts web", "IPv6"),
    "getent ahosts": ("deb", "getent ahosts web | head -1", "IPv6"),
    "musl's wget": ("alp", "wget -O /dev/null http://web 2>&1 | grep Connecting", "IPv4"),
    "musl's curl": ("shoot", "curl -s -o /dev/null -w '%{remote_ip}' http://web", "IPv4"),
    "musl's curl -6": ("shoot", "curl -6 -s -o /dev/null -w '%{remote_ip}' http://web", "IPv6"),
}


@pytest.mark.parametrize(("pod", "command", "family"), PREFERRED.values(), ids=PREFERRED)
def test_which_address_of_a_name_is_taken(lab: E2E, pod: str, command: str, family: str) -> None:
    found = lab.sh(pod, command).check().stdout
    other = "IPv4" if family == "IPv6" else "IPv6"
    assert address(lab, "web", family) in found
    assert address(lab, "web", other) not in found


def test_an_application_for_ipv4_alone_is_reached_with_the_second_attempt(lab: E2E) -> None:
    six, four = (address(lab, "four", family) for family in ("IPv6", "IPv4"))
    tried = [
        f"*   Trying [{six}]:80...",
        f"* connect to {six} port 80 failed: Connection refused",
        f"*   Trying {four}:80...",
        f"* Connected to four ({four}) port 80 (#0)",
    ]
    assert lab.sh("deb", "curl -sv -o /dev/null http://four").check().stderr.splitlines()[:4] == tried
    assert lab.sh("deb", "curl -6 -s http://four").exit_code == 7
    printed = lab.sh("deb", "wget -O /dev/null http://four").check().stderr.splitlines()
    assert printed[1:4] == [
        f"Resolving four (four)... {six}, {four}",
        f"Connecting to four (four)|{six}|:80... failed: Connection refused.",
        f"Connecting to four (four)|{four}|:80... connected.",
    ]
    assert lab.sh("deb", "nc -zv four 80").check().stderr.splitlines() == [
        f"nc: connect to four ({six}) port 80 (tcp) failed: Connection refused",
        f"Connection to four ({four}) 80 port [tcp/http] succeeded!",
    ]


def test_curl_keeps_to_the_family_that_it_is_told(lab: E2E) -> None:
    six, four = (address(lab, "web", family) for family in ("IPv6", "IPv4"))
    for words in (f"-6 http://{four}", f"-4 http://[{six}]"):
        done = lab.sh("deb", f"curl -sS {words}")
        assert (done.exit_code, done.stderr) == (7, "curl: (7) Couldn't connect to server\n")
    form = "-s -o /dev/null -w '%{remote_ip}'"
    assert lab.sh("server", f"curl {form} http://localhost").stdout == "::1"
    assert lab.sh("server", f"curl -4 {form} http://localhost").stdout == "127.0.0.1"
    assert lab.sh("four", "wget -qO- http://localhost").exit_code == 0  # it goes on with 127.0.0.1


def test_a_silent_family_costs_a_moment(lab: E2E) -> None:
    """Where packets of one family vanish, the other one's turn comes after 200 ms."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "ipv4-alone"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        },
    }
    lab.cluster.create(policy, "e2e")
    try:
        form = "%{remote_ip} %{time_total}"
        found = lab.sh("deb", f"curl -s -o /dev/null -w '{form}' http://web").check().stdout.split()
    finally:
        lab.cluster.delete("networkpolicy", "ipv4-alone", "e2e")
    assert found[0] == address(lab, "web", "IPv4")
    assert 0.2 <= float(found[1]) < 1


def test_echo_requests(lab: E2E) -> None:
    six = lab.ip("server", "IPv6")
    for pod, command in (
        ("deb", f"ping -c1 {six}"),
        ("deb", f"ping -6 -c1 {six}"),
        ("alp", f"ping6 -c1 {six}"),
    ):
        assert f"bytes from {six}" in lab.sh(pod, command).check().stdout
    assert lab.sh("deb", f"ping -c1 -W1 {address(lab, 'web', 'IPv6')}").exit_code == 1


def test_a_pods_interface_and_routes(lab: E2E) -> None:
    six = lab.ip("deb", "IPv6")
    shown = lab.sh("deb", "ip -6 -br addr show eth0").check().stdout.split()
    assert shown[2] == f"{six}/64"
    assert shown[3].startswith("fe80::")
    assert lab.sh("deb", "ip -6 route").check().stdout.splitlines() == [
        "fd00:10:244::1 dev eth0 metric 1024 pref medium",
        "fd00:10:244::/64 via fd00:10:244::1 dev eth0 metric 1024 pref medium",
        "fe80::/64 dev eth0 proto kernel metric 256 pref medium",
        "default via fd00:10:244::1 dev eth0 metric 1024 pref medium",
    ]
    assert lab.sh("deb", "hostname -I").check().stdout.split() == [lab.ip("deb"), six]
    assert lab.sh("deb", "hostname -i").check().stdout.split() == [six, lab.ip("deb")]
    assert lab.sh("alp", "hostname -i").check().stdout.split() == [lab.ip("alp")]


def test_a_nodes_routes_and_rules(lab: E2E) -> None:
    routes = lab.ssh(NODE_1, "ip -6 route").check().stdout.splitlines()
    assert routes[0] == "fc00:f853:ccd:e793::/64 dev eth0 proto kernel metric 256 pref medium"
    assert "fd00:10:244:1::/64 via fc00:f853:ccd:e793::4 dev eth0 metric 1024 pref medium" in routes
    assert routes[-1] == "default via fc00:f853:ccd:e793::1 dev eth0 metric 1024 pref medium"
    assert any(r.startswith(f"{lab.ip('deb', 'IPv6')} dev veth") for r in routes)
    rules = lab.ssh(NODE_1, "ip6tables-save -t nat").check().stdout
    assert f"-j DNAT --to-destination [{lab.ip('server', 'IPv6')}]:80" in rules
    assert f"! -s fd00:10:244::/56 -d {address(lab, 'web', 'IPv6')}/128" in rules


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ("[fc00:f853:ccd:e793::3]", "[fc00:f853:ccd:e793::3]"),
        ("[fc00:f853:ccd:e793::4]", "[fd00:10:244:1::1]"),
        ("172.18.0.4", "10.244.1.1"),
    ],
    ids=["another node", "the Pod's node", "IPv4"],
)
def test_whom_a_server_behind_a_node_port_sees(lab: E2E, where: str, seen: str) -> None:
    port = node_port(lab.get("service", "web"))
    assert lab.outside("-g", f"http://{where}:{port}/clientip").stdout.rpartition(":")[0] == seen


def test_node_ports_are_not_on_the_loopback_address(lab: E2E) -> None:
    """kube-proxy has 127.0.0.1 lead on, and ::1 not."""
    port = node_port(lab.get("service", "web"))
    assert lab.ssh(NODE_1, f"curl -s http://127.0.0.1:{port}/hostname").stdout == "server"
    assert lab.ssh(NODE_1, f"curl -g -s 'http://[::1]:{port}/hostname'").exit_code == 7


HOST_PORTS = {"": "46", "0.0.0.0": "4", "::": "6", "fc00:f853:ccd:e793::3": "6"}


@pytest.mark.parametrize(("host_ip", "families"), HOST_PORTS.items(), ids=lambda found: found or "any")
def test_host_ports_are_of_the_family_of_their_address(host_ip: str, families: str) -> None:
    e2e = E2E(nodes=1, service_cidr="10.96.0.0/16,fd00:10:96::/112")
    port = {"containerPort": 80, "hostPort": 8888} | ({"hostIP": host_ip} if host_ip else {})
    e2e.netexec("server", node=NODE_1, container={"ports": [port]})
    for family, where in (("4", "172.18.0.3"), ("6", "[fc00:f853:ccd:e793::3]")):
        found = e2e.outside("-g", f"http://{where}:8888/hostname").stdout
        assert found == ("server" if family in families else "")
    e2e.cluster.close()


def test_nginx_goes_on_with_the_other_address_of_an_upstream(lab: E2E) -> None:
    conf = "server { listen 80; location / { proxy_pass http://four; } }"
    start = f"echo '{conf}' > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"
    lab.pod("front", container={"image": "nginx:1.27", "command": ["sh", "-c", start]})
    assert "Directory listing" in lab.sh("deb", f"curl -s http://{lab.ip('front')}/").check().stdout
    six = address(lab, "four", "IPv6")
    logged = lab.cluster.kubectl("logs front -n e2e").stdout
    said = "connect() failed (111: Connection refused) while connecting to upstream"
    assert said in logged
    assert f'upstream: "http://[{six}]:80/"' in logged


def test_the_api_server_passes_on_to_ipv6() -> None:
    e2e = E2E(service_cidr="fd00:10:96::/112,10.96.0.0/16")
    e2e.netexec("server", node=NODE_1)
    path = "/api/v1/namespaces/e2e/pods/server:80/proxy"
    seen = e2e.cluster.kubectl(f"get --raw {path}/clientip").stdout
    assert seen.rpartition(":")[0] == "[fd00:10:244::1]"
    host = e2e.cluster.kubectl(f"get --raw {path}/header?key=Host").stdout
    assert host == f"[{e2e.ip('server')}]:80"
    refused = e2e.cluster.kubectl("get --raw /api/v1/namespaces/e2e/pods/server:81/proxy/").stderr
    assert f"dial tcp [{e2e.ip('server')}]:81: connect: connection refused" in refused
    e2e.cluster.close()


def test_probes_ask_the_primary_address() -> None:
    e2e = E2E(nodes=1, service_cidr="fd00:10:96::/112,10.96.0.0/16")
    probe = {"httpGet": {"port": 81}, "periodSeconds": 1}
    e2e.netexec("server", container={"readinessProbe": probe}, ready=False)
    e2e.netexec("other", 81, container={"readinessProbe": probe})
    ip = e2e.ip("server")
    events = e2e.cluster.kubectl("get events -n e2e").stdout
    said = f'Readiness probe failed: Get "http://[{ip}]:81/": dial tcp [{ip}]:81: connect: connection refused'
    assert said in events
    e2e.cluster.close()


ECHOES = {
    "registry.k8s.io/echoserver:1.10": ("8080", "client_address={client}\n"),
    "ealen/echo-server": ("80", '"hostname":"[{server}]","ip":"{client}"'),
    "traefik/whoami": ("80", "RemoteAddr: [{client}]:"),
    "example.com/unknown:1": ("8080", "RemoteAddr: [{client}]:"),
}


@pytest.mark.parametrize(
    ("image", "port", "said"), [(i, *found) for i, found in ECHOES.items()], ids=list(ECHOES)
)
def test_echo_servers_show_the_ipv6_client(lab: E2E, image: str, port: str, said: str) -> None:
    name = f"echo-{list(ECHOES).index(image)}"
    lab.pod(name, container={"image": image, "ports": [{"containerPort": 8080}]})
    server, client = lab.ip(name, "IPv6"), lab.ip("deb", "IPv6")
    assert (
        said.format(client=client, server=server)
        in lab.sh("deb", f"curl -gs 'http://[{server}]:{port}/'").stdout
    )


def test_access_logs_show_the_ipv6_client(lab: E2E) -> None:
    for name, image in (("httpd", "httpd:2.4"), ("nginx", "nginx:1.27")):
        lab.pod(name, container={"image": image})
        lab.sh("deb", f"curl -gs 'http://[{lab.ip(name, 'IPv6')}]/'").check()
        last = lab.cluster.kubectl(f"logs {name} -n e2e").stdout.splitlines()[-1]
        assert last.startswith(f"{lab.ip('deb', 'IPv6')} - - [")
