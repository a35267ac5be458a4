"""Node ports and load balancers as real sockets: whoever connects comes in from the outside."""

from __future__ import annotations

import gc
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.edge import (
    AGNHOST,
    Open,
    curl,
    opened,
    own_node_ports,
    read_all,
    read_until_reset,
    take_port,
    until,
)

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.edge import REASON
from kubesim.network.edge.reachable import loopback_of
from kubesim.network.edge.server import EdgeServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def web() -> Iterator[Open]:
    """nginx behind a node port, and agnhost behind another."""
    with opened() as found:
        found.pod("web", "nginx:1.27")
        found.service("web", {"port": 80})
        found.pod("net", AGNHOST, "netexec", "--http-port=8080", "--udp-port=8081")
        found.service(
            "net",
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "udp", "port": 81, "targetPort": 8081, "protocol": "UDP"},
        )
        yield found


def test_the_real_curl_gets_the_page_through_a_node_port(web: Open) -> None:
    port = web.opening("web").port
    service = web.client.get(SERVICES, "web", "default")
    assert port == service["spec"]["ports"][0]["nodePort"]
    done = curl(f"http://127.0.0.1:{port}/?who=curl")
    assert "<title>Welcome to nginx!</title>" in done.stdout
    assert re.search(r'(172\.18\.0\.3|10\.244\.0\.1) - .*"GET /\?who=curl HTTP/1\.1" 200', web.log("web"))


def test_the_server_sees_the_client_as_in_the_cluster(web: Open) -> None:
    port = web.opening("net", port=80).port
    assert curl(f"http://127.0.0.1:{port}/clientip").stdout.startswith(("172.18.0.3:", "10.244."))
    web.change("net", {"externalTrafficPolicy": "Local"})
    assert curl(f"http://127.0.0.1:{port}/clientip").stdout.startswith("172.18.0.1:")
    web.change("net", {"externalTrafficPolicy": "Cluster"})


def test_datagrams_are_answered(web: Open) -> None:
    port = web.opening("net", port=81).port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for _ in range(3):
            client.sendto(b"hostname", ("127.0.0.1", port))
            assert client.recv(2048) == b"net"


def test_connections_are_kept_alive(web: Open) -> None:
    with web.connect("web") as client:
        for _ in range(5):
            client.sendall(GET)
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
            body = head.partition(b"\r\n\r\n")[2]
            while len(body) < length:
                body += client.recv(65536)


def test_requests_that_come_all_at_once_are_answered_in_order(web: Open) -> None:
    with web.connect("net", port=80) as client:
        for number in range(200):
            client.sendall(f"GET /echo?msg=n{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        found = re.findall(rb"\bn(\d+)", read_all(client))
    assert [int(n) for n in found] == list(range(200))


def test_who_has_closed_his_half_is_still_answered(web: Open) -> None:
    with web.connect("web") as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert b"200 OK" in read_all(client)


def test_a_slow_client_holds_nobody_up(web: Open) -> None:
    with web.connect("web") as slow, web.connect("web") as quick:
        for byte in GET[:-1]:
            slow.sendall(bytes([byte]))
        quick.sendall(GET)
        assert quick.recv(1024).startswith(b"HTTP/1.1 200")
        slow.sendall(GET[-1:])
        assert slow.recv(1024).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_is_not_sent_more_than_he_takes(web: Open) -> None:
    body = "x" * 100_000
    with web.connect("net", port=80) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body) + 4}\r\n\r\nmsg={body}".encode()
        client.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 50_000_000:
                client.sendall(request)
                sent += len(request)
        assert sent < 50_000_000  # most of it is never taken
        with web.connect("web") as other:
            other.sendall(GET)
            assert other.recv(1024).startswith(b"HTTP/1.1 200")


def test_a_large_body_arrives_whole(web: Open) -> None:
    port = web.opening("net", port=80).port
    done = curl(
        f"http://127.0.0.1:{port}/echo", "--data-binary", "msg=" + "x" * 100_000, "-w", "%{size_download}"
    )
    assert done.stdout.endswith("100000")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\r\n\r\n" * 20,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"A" * 100_000,
    ],
    ids=["binary", "TLS", "another version", "a word without an end"],
)
def test_garbage_is_refused_and_the_connection_closed(web: Open, garbage: bytes) -> None:
    with web.connect("web") as client:
        client.sendall(garbage)
        assert re.match(rb"HTTP/1.1 (400|414|431|505) ", read_all(client))


def test_a_thousand_connections_at_once(web: Open) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("too few files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    clients: list[socket.socket] = []
    try:
        clients += [web.connect("web") for _ in range(1000)]
        for client in clients:
            client.sendall(GET)
        assert all(client.recv(100).startswith(b"HTTP/1.1 200") for client in clients)
        assert web.edge.connections >= 1000
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: web.edge.connections == 0)


def test_too_many_connections_make_the_idlest_go(web: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    server = web.edge._server
    assert isinstance(server, EdgeServer)
    monkeypatch.setattr(server, "_limit", 3)
    first = web.connect("web")
    until(lambda: web.edge.connections == 1)
    others = [web.connect("web") for _ in range(3)]
    with pytest.raises(ConnectionResetError):
        first.recv(10)
    for client in others:
        client.sendall(GET)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    for client in (first, *others):
        client.close()
    until(lambda: web.edge.connections == 0)


def test_many_clients_at_once(web: Open) -> None:
    port = web.opening("net", port=80).port
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(f"GET /echo?msg=c{number}t{turn} HTTP/1.0\r\n\r\n".encode())
                if not read_all(client).endswith(f"c{number}t{turn}".encode()):
                    wrong.append(f"{number} {turn}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# What follows the Services


@pytest.fixture
def lab() -> Iterator[Open]:
    with opened(load_balancer_pool=("172.18.255.200-172.18.255.250",)) as found:
        yield found


def test_ports_follow_the_services(lab: Open) -> None:
    lab.pod("a", "nginx:1.27")
    first = own_node_ports()[0] + 1
    second = first + 1
    lab.service("a", {"port": 80, "nodePort": first})
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{first}").stdout == "200"
    lab.change("a", {"ports": [{"port": 80, "nodePort": second}]})
    until(lambda: [o.port for o in lab.edge.openings] == [second])
    assert curl(f"http://127.0.0.1:{first}").returncode == 7
    lab.client.delete(SERVICES, "a", "default")  # nobody tells the edge: it follows
    until(lambda: lab.edge.openings == [])
    assert curl(f"http://127.0.0.1:{second}").returncode == 7


def test_a_service_without_endpoints_resets(lab: Open) -> None:
    lab.service("nobody", {"port": 80})
    done = curl(f"http://127.0.0.1:{lab.opening('nobody').port}")
    assert done.returncode in (7, 55, 56)  # the reset comes while curl connects, sends, or after that


def test_local_traffic_goes_to_nodes_with_endpoints(lab: Open) -> None:
    for name, node in (("one", "node-1"), ("two", "node-2")):
        lab.pod(name, AGNHOST, "netexec", "--http-port=80", labels={"app": "local"}, nodeName=node)
    lab.service("local", {"port": 80}, externalTrafficPolicy="Local")
    port = lab.opening("local").port
    assert {curl(f"http://127.0.0.1:{port}/hostname").stdout for _ in range(4)} == {"one", "two"}
    lab.client.delete(PODS, "one", "default")
    lab.settle()
    assert {curl(f"http://127.0.0.1:{port}/hostname").stdout for _ in range(4)} == {"two"}


def test_a_load_balancer_is_opened_at_its_port_or_another(lab: Open) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        lab.pod("lb", "nginx:1.27")
        lab.service("lb", {"port": number, "targetPort": 80}, type="LoadBalancer")
        opening = lab.opening("lb", "LoadBalancer")
        assert opening.port != number
        assert opening.exposure.address == "172.18.255.200"
        assert "Welcome" in curl(f"http://127.0.0.1:{opening.port}").stdout
    lab.service("other", {"port": number, "targetPort": 80}, type="LoadBalancer", selector={"app": "lb"})
    assert lab.opening("other", "LoadBalancer").port == number


def test_source_ranges_of_a_load_balancer_hold(lab: Open) -> None:
    lab.pod("lb", "nginx:1.27")
    ranges = ["192.0.2.0/24"]
    lab.service("lb", {"port": 80}, type="LoadBalancer", loadBalancerSourceRanges=ranges)
    port = lab.opening("lb", "LoadBalancer").port
    assert curl(f"http://127.0.0.1:{port}", timeout=1).returncode == 28  # nobody answers


def test_a_port_that_is_taken_is_told_and_stops_nothing(lab: Open) -> None:
    lab.pod("a", "nginx:1.27")
    with socket.socket() as taken:
        number = take_port(taken, range(own_node_ports()[0], own_node_ports()[1]))
        lab.service(
            "a", {"name": "x", "port": 80, "nodePort": number}, {"name": "y", "port": 81, "targetPort": 80}
        )
        text = (
            f"the node port {number}/TCP cannot be opened at 127.0.0.1 of this computer: address already in use; "
            "it answers inside of the simulation alone"
        )
        assert [e for e in lab.events("a") if e[0] == REASON] == [(REASON, text)]
        assert len(lab.edge.failures) == 1
        assert "Welcome" in curl(f"http://127.0.0.1:{lab.opening('a').port}").stdout
        lab.edge.refresh()
        assert [reason for reason, _ in lab.events("a")].count(REASON) == 1  # it is told once
    lab.edge.refresh()
    assert lab.edge.failures == []
    assert "Welcome" in curl(f"http://127.0.0.1:{number}").stdout


def test_a_pod_that_has_gone_answers_on_no_old_connection(lab: Open) -> None:
    lab.pod("a", "nginx:1.27")
    lab.service("a", {"port": 80})
    with lab.connect("a") as client:
        client.sendall(GET)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        lab.client.delete(PODS, "a", "default")
        lab.settle()
        client.sendall(GET)
        with pytest.raises(ConnectionResetError):
            read_until_reset(client)


def test_stopping_closes_everything(lab: Open) -> None:
    lab.pod("a", "nginx:1.27")
    lab.service("a", {"port": 80})
    port = lab.opening("a").port
    with lab.connect("a") as client:
        client.sendall(GET)
        assert client.recv(100)
        lab.plane.stop()
        with pytest.raises(ConnectionError):
            read_until_reset(client)
    assert curl(f"http://127.0.0.1:{port}").returncode == 7
    assert not lab.edge._thread.is_alive()
    assert lab.edge._server._thread is None


def test_the_api_answers_meanwhile(lab: Open) -> None:
    """While sixty-four connections ask as fast as they can."""
    lab.pod("a", "nginx:1.27")
    lab.service("a", {"port": 80})
    port, stop, answered = lab.opening("a").port, threading.Event(), threading.Semaphore(0)

    def work() -> None:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(64)]
        while not stop.is_set():
            for client in clients:
                client.sendall(GET)
            for client in clients:
                client.recv(65536)
                answered.release()
        for client in clients:
            client.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(50):
            assert answered.acquire(timeout=20)
            assert lab.client.get(SERVICES, "a", "default")["spec"]["type"] == "NodePort"
    finally:
        stop.set()
        thread.join()


# Addresses inside of 127.0.0.0/8


@pytest.mark.parametrize(
    ("address", "here"),
    [("10.96.0.1", "127.96.0.1"), ("172.18.0.3", "127.18.0.3"), ("10.0.0.7", ""), ("fd00::1", ""), ("", "")],
)
def test_where_an_address_is_on_this_computer(address: str, here: str) -> None:
    assert loopback_of(address) == here


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_addresses_of_the_cluster_are_reached_from_here(lab: Open) -> None:
    lab.pod("net", AGNHOST, "netexec", "--http-port=18080", "--udp-port=18081")
    ports = (
        {"name": "a", "port": 18000, "targetPort": 18080},
        {"name": "u", "port": 18001, "targetPort": 18081, "protocol": "UDP"},
    )
    service = lab.service("net", *ports, type="LoadBalancer")
    lab.edge.make_reachable()
    pod = lab.client.get(PODS, "net", "default")["status"]
    for address, port in (
        (service["spec"]["clusterIP"], 18000),
        (pod["podIP"], 18080),
        ("172.18.255.200", 18000),
        ("172.18.0.3", service["spec"]["ports"][0]["nodePort"]),
        ("172.18.0.4", service["spec"]["ports"][0]["nodePort"]),
    ):
        assert curl(f"http://{loopback_of(address)}:{port}/hostname").stdout == "net", address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hostname", (loopback_of(service["spec"]["clusterIP"]), 18001))
        assert client.recv(2048) == b"net"
    lab.client.delete(PODS, "net", "default")
    lab.settle()
    assert curl(f"http://{loopback_of(pod['podIP'])}:18080/hostname").returncode == 7


def test_stopping_while_clients_come_leaves_nobody_behind() -> None:
    """What is left open is told by the interpreter, and that is an error."""
    for _ in range(5):
        with opened(nodes=1) as found:
            found.pod("a", "nginx:1.27")
            found.service("a", {"port": 80})
            address = ("127.0.0.1", found.opening("a").port)
            clients = [socket.create_connection(address, timeout=10) for _ in range(64)]
        for client in clients:
            client.close()
    gc.collect()
