"""Network commands where they differ from image to image; `test_like_real_programs.py` has what the real ones print."""

from __future__ import annotations

import pytest
from support.machines import Lab

ZONE = {
    ("kubernetes.default.svc.cluster.local.", "A"): ["10.96.0.1"],
    ("web.default.svc.cluster.local.", "A"): ["10.96.7.7"],
    ("1.0.96.10.in-addr.arpa.", "PTR"): ["kubernetes.default.svc.cluster.local."],
}


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab(ZONE)
    lab.start("web", "nginx", ip="10.244.1.3")
    lab.start("nginx", "nginx", ip="10.244.1.4")
    lab.start("busybox", "busybox", "sleep", "infinity", ip="10.244.1.5")
    lab.start("old", "busybox:1.28", "sleep", "infinity", ip="10.244.1.6")
    lab.start("alpine", "alpine", "sleep", "infinity", ip="10.244.1.7")
    lab.start("redis", "redis", ip="10.244.1.9")
    lab.start("deb", "debian", "sleep", "infinity", ip="10.244.1.10")
    lab.sh(
        "deb",
        "apt-get update; apt-get install -y dnsutils iputils-ping iproute2 net-tools procps netcat-openbsd wget",
    )
    lab.sh("alpine", "apk add --no-cache curl")
    for wire in lab.wires.values():
        wire.virtual[("10.96.7.7", 80)] = ("10.244.1.3", 80)
    return lab


def test_nginx_image_has_nslookup_once_dnsutils_is_installed() -> None:
    lab = Lab(ZONE)
    lab.start("c", "nginx")
    assert lab.sh("c", "nslookup web") == (127, "", "sh: 1: nslookup: not found\n")
    code, _, err = lab.sh("c", "apt-get install -y dnsutils")
    assert (code, err) == (100, "E: Unable to locate package dnsutils\n")
    code, out, _ = lab.sh("c", "apt update && apt-get -y install dnsutils")
    assert code == 0
    assert (
        "The following NEW packages will be installed:\n  bind9-dnsutils bind9-host bind9-libs dnsutils libedit2"
        in out
    )
    assert "Setting up dnsutils (1:9.18.49-1~deb12u3) ...\n" in out
    assert lab.sh("c", "nslookup web.default")[0] == 0
    lab.start("other", "nginx", ip="10.244.1.11")
    assert lab.sh("other", "nslookup web")[0] == 127


def test_nslookup_of_old_busybox_asks_the_c_library(lab: Lab) -> None:
    head = "Server:    10.96.0.10\nAddress 1: 10.96.0.10\n\n"
    found = lab.sh("old", "nslookup kubernetes.default")
    assert found == (
        0,
        f"{head}Name:      kubernetes.default\nAddress 1: 10.96.0.1 kubernetes.default.svc.cluster.local\n",
        "",
    )
    assert lab.sh("old", "nslookup nosuch") == (1, head, "nslookup: can't resolve 'nosuch'\n")


def test_musl_does_not_search_for_names_with_enough_dots(lab: Lab) -> None:
    name = "a.b.c.d.e.f"
    lab.sh("alpine", f"curl -s {name}")
    assert lab.sh("alpine", "curl -sS -o /dev/null -w '%{http_code}' web.default")[1] == "200"


def test_busybox_of_alpine_has_the_words_of_its_c_library(lab: Lab) -> None:
    assert (
        lab.sh("alpine", "nc -v -w 1 10.96.9.9 80")[2]
        == "nc: 10.96.9.9 (10.96.9.9:80): Operation timed out\n"
    )
    assert lab.sh("alpine", "ping -Z x")[2].startswith("ping: unrecognized option: Z\nBusyBox v1.37.0 ")
    assert lab.sh("alpine", "ping -c")[2].startswith("ping: option requires an argument: c\n")


def test_a_listening_netcat_answers_once_and_listens_again() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "while true; do echo hello | nc -l -p 8080; done")
    for _ in range(3):
        assert lab.sh("c", "nc 127.0.0.1 8080 < /dev/null")[1] == "hello\n"


def test_sockets_and_interfaces_are_those_of_the_container(lab: Lab) -> None:
    lab.start("tools", "nginx", ip="10.244.1.12")
    lab.sh("tools", "apt-get update; apt-get install -y iproute2 net-tools")
    assert lab.sh("tools", "ss -ltn")[1] == (
        "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
        "LISTEN 0      511          0.0.0.0:80        0.0.0.0:*   \nLISTEN 0      511             [::]:80           [::]:*   \n"
    )
    assert (
        "tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN      1/nginx"
        in lab.sh("tools", "netstat -tlnp")[1]
    )
    assert lab.sh("tools", "ip -br a; ip route")[1] == (
        "lo               UNKNOWN        127.0.0.1/8 ::1/128 \neth0@if7         UP             10.244.1.12/24 \n"
        "default via 10.244.1.1 dev eth0 \n10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.12 \n"
    )
    assert lab.sh("busybox", "ip foo")[::2] == (1, 'Object "foo" is unknown, try "ip help".\n')


def test_apk_knows_nothing_before_it_has_an_index() -> None:
    lab = Lab({})
    lab.start("c", "alpine", "sleep", "infinity")
    code, _, err = lab.sh("c", "apk add curl")
    assert (
        code,
        "ERROR: unable to select packages:\n  curl (no such package):\n    required by: world[curl]\n" in err,
    ) == (1, True)
    assert lab.sh("c", "apk update >/dev/null; apk add curl >/dev/null; which curl")[1] == "/usr/bin/curl\n"
    assert lab.sh("c", "apk del curl; which curl")[0] == 1


def test_redis_cli_talks_to_redis(lab: Lab) -> None:
    out = lab.sh(
        "redis",
        "redis-cli ping; redis-cli set a 1; redis-cli incr a; redis-cli lpush l x y; redis-cli lrange l 0 -1; redis-cli get l",
    )[1]
    assert (
        out == "PONG\nOK\n2\n2\ny\nx\nWRONGTYPE Operation against a key holding the wrong kind of value\n\n"
    )
    assert lab.sh("redis", "redis-cli -h nosuch ping")[::2] == (
        1,
        "Could not connect to Redis at nosuch:6379: Name or service not known\n",
    )


def test_a_busy_port_is_told_as_the_server_tells_it() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    code, _, err = lab.sh("c", "nginx -g 'daemon off;'")
    assert code == 1
    assert "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n" in err
