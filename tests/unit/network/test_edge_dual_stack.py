"""Services of a dual-stack cluster on this computer: `::1` stands for the IPv6 address of a node."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.edge import AGNHOST, Open, curl, opened, own_node_ports

from kubesim.network.edge.server import ipv6_host

pytestmark = pytest.mark.skipif(not ipv6_host("127.0.0.1"), reason="this computer has no ::1")
DUAL = {
    "service_cidrs": ("10.96.0.0/16", "fd00:10:96::/112"),
    "load_balancer_pool": ("172.18.255.0/28", "fc00:f853:ccd:e793:ff::/112"),
}
BOTH = {"ipFamilyPolicy": "RequireDualStack"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Open]:
    with opened(**DUAL) as found:
        found.pod("net", AGNHOST, "netexec", "--http-port=80", "--udp-port=81", nodeName="node-2")
        yield found


def hosts(lab: Open, name: str, kind: str = "NodePort") -> dict[str, int]:
    """Where a Service is open, by the address of this computer."""
    found = [o for o in lab.edge.openings if (o.exposure.name, o.exposure.kind) == (name, kind)]
    return {o.host: o.port for o in found}


def make(lab: Open, name: str, *ports: dict[str, object], **spec: object) -> None:
    lab.service(name, *ports, **({"selector": {"app": "net"}} | spec))  # type: ignore[arg-type]


def asked(host: str, port: int, path: str = "clientip") -> str:
    shown = f"[{host}]" if ":" in host else host
    return curl("-g", f"http://{shown}:{port}/{path}").stdout


def test_a_node_port_is_open_in_both_families(lab: Open) -> None:
    make(lab, "both", {"port": 80}, **BOTH)
    found = hosts(lab, "both")
    assert set(found) == {"127.0.0.1", "::1"}
    assert len(set(found.values())) == 1  # it is one node port
    assert asked("127.0.0.1", found["127.0.0.1"]).startswith("172.18.0.3:")
    assert asked("::1", found["::1"]).startswith("[fc00:f853:ccd:e793::3]:")


@pytest.mark.parametrize(("family", "host"), [("IPv4", "127.0.0.1"), ("IPv6", "::1")])
def test_a_service_of_one_family_is_open_there_alone(lab: Open, family: str, host: str) -> None:
    name = f"only-{family.lower()}"
    make(lab, name, {"port": 80}, ipFamilies=[family])
    assert list(hosts(lab, name)) == [host]
    assert asked(host, hosts(lab, name)[host], "hostname") == "net"


def test_datagrams_over_ipv6(lab: Open) -> None:
    make(lab, "udp", {"port": 81, "protocol": "UDP"}, **BOTH)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hostname", ("::1", hosts(lab, "udp")["::1"]))
        assert client.recv(2048) == b"net"


def test_a_load_balancer_is_open_in_both_families(lab: Open) -> None:
    make(lab, "lb", {"port": 80}, type="LoadBalancer", externalTrafficPolicy="Local", **BOTH)
    found = hosts(lab, "lb", "LoadBalancer")
    assert set(found) == {"127.0.0.1", "::1"}
    # Local: it comes to the Pod's own node, and the client keeps its address.
    assert asked("127.0.0.1", found["127.0.0.1"]).startswith("172.18.0.1:")
    assert asked("::1", found["::1"]).startswith("[fc00:f853:ccd:e793::1]:")


def test_ports_follow_the_families(lab: Open) -> None:
    make(lab, "changing", {"port": 80})
    assert set(hosts(lab, "changing")) == {"127.0.0.1"}
    lab.change("changing", {"ipFamilyPolicy": "PreferDualStack"})
    assert set(hosts(lab, "changing")) == {"127.0.0.1", "::1"}


def test_a_port_that_is_taken_in_one_family_is_told(lab: Open) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for number in range(own_node_ports()[0], own_node_ports()[1]):
            try:
                taken.bind(("::1", number))
                taken.listen()
                break
            except OSError:
                continue
        make(lab, "taken", {"port": 80, "nodePort": number}, **BOTH)
        assert set(hosts(lab, "taken")) == {"127.0.0.1"}
        [text] = [message for reason, message in lab.events("taken") if reason == "PortNotOpened"]
        assert text.startswith(f"the node port {number}/TCP cannot be opened at ::1 of this computer: ")


def test_a_single_stack_cluster_opens_no_ipv6() -> None:
    with opened(nodes=1) as lab:
        lab.pod("net", AGNHOST, "netexec", "--http-port=80")
        lab.service("net", {"port": 80})
        assert set(hosts(lab, "net")) == {"127.0.0.1"}


def test_a_cluster_of_ipv6_alone_is_open_there() -> None:
    with opened(nodes=1, service_cidrs=("fd00:10:96::/112",)) as lab:
        lab.pod("net", AGNHOST, "netexec", "--http-port=80")
        lab.service("net", {"port": 80})
        assert set(hosts(lab, "net")) == {"::1"}
        assert asked("::1", hosts(lab, "net")["::1"], "hostname") == "net"
