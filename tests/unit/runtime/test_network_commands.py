"""curl, wget, nslookup, dig, host, ping, nc and their like: what the real programs print and how they exit."""

from __future__ import annotations

import pytest
from support.machines import Lab

ZONE = {
    ("kubernetes.default.svc.cluster.local.", "A"): ["10.96.0.1"],
    ("web.default.svc.cluster.local.", "A"): ["10.96.7.7"],
    ("pods.default.svc.cluster.local.", "A"): ["10.244.1.3", "10.244.1.4"],
    ("1.0.96.10.in-addr.arpa.", "PTR"): ["kubernetes.default.svc.cluster.local."],
    ("ext.default.svc.cluster.local.", "CNAME"): ["example.com."],
    ("example.com.", "A"): ["93.184.215.14"],
    ("_http._tcp.web.default.svc.cluster.local.", "SRV"): ["0 100 80 web.default.svc.cluster.local."],
}
METER = (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    "                                 Dload  Upload   Total   Spent    Left  Speed\n"
    "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
)
FAILED = METER + "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\n"


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab(ZONE)
    lab.start("web", "nginx", ip="10.244.1.3")
    lab.start("nginx", "nginx", ip="10.244.1.4")
    lab.start("busybox", "busybox", "sleep", "infinity", ip="10.244.1.5")
    lab.start("old", "busybox:1.28", "sleep", "infinity", ip="10.244.1.6")
    lab.start("alpine", "alpine", "sleep", "infinity", ip="10.244.1.7")
    lab.start("bind", "registry.k8s.io/e2e-test-images/jessie-dnsutils:1.7", ip="10.244.1.8")
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


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        pytest.param("-s -o /dev/null -w '%{http_code} %{remote_ip} %{size_download}\\n' web", 0, "200 10.96.7.7 615\n", "", id="write-out"),
        pytest.param("-sS http://10.244.1.4:81", 7, "", "curl: (7) Failed to connect to 10.244.1.4 port 81 after 0 ms: Couldn't connect to server\n", id="refused"),
        pytest.param("http://10.244.1.4:81", 7, "", FAILED + "curl: (7) Failed to connect to 10.244.1.4 port 81 after 0 ms: Couldn't connect to server\n", id="refused with meter"),
        pytest.param("-sS nosuch", 6, "", "curl: (6) Could not resolve host: nosuch\n", id="no such host"),
        pytest.param("nosuch", 6, "", METER + "curl: (6) Could not resolve host: nosuch\n", id="no such host with meter"),
        pytest.param("-sS -m 2 10.96.9.9", 28, "", "curl: (28) Connection timed out after 2001 milliseconds\n", id="max-time"),
        pytest.param("-sS --connect-timeout 2 10.96.9.9", 28, "", "curl: (28) Failed to connect to 10.96.9.9 port 80 after 2001 ms: Timeout was reached\n", id="connect-timeout"),
        pytest.param("-sSf web/nope", 22, "", "curl: (22) The requested URL returned error: 404\n", id="fail"),
        pytest.param("-s web/nope -o /dev/null", 0, "", "", id="404 without -f"),
        pytest.param("-sSk https://web:80", 35, "", "curl: (35) OpenSSL/3.0.15: error:0A00010B:SSL routines::wrong version number\n", id="tls to plain port"),
        pytest.param("-sS 10.244.1.9:6379", 1, "", "curl: (1) Received HTTP/0.9 when not allowed\n", id="no http"),
        pytest.param("-sS http://web:99999", 3, "", "curl: (3) URL using bad/illegal format or missing URL\n", id="bad port"),
        pytest.param("-sS foo://x", 1, "", 'curl: (1) Protocol "foo" not supported or disabled in libcurl\n', id="scheme"),
        pytest.param("", 2, "", "curl: try 'curl --help' or 'curl --manual' for more information\n", id="no url"),
        pytest.param("--nosuch", 2, "", "curl: option --nosuch: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n", id="bad option"),
        pytest.param("-sS --resolve a.test:80:10.244.1.3 a.test -o /dev/null -w '%{url_effective} %{num_redirects}'", 0, "http://a.test/ 0", "", id="resolve"),
    ],
)  # fmt: skip
def test_curl_prints_and_exits_as_curl_does(lab: Lab, words: str, code: int, out: str, err: str) -> None:
    assert lab.sh("nginx", f"curl {words}") == (code, out, err)


def test_curl_shows_the_conversation(lab: Lab) -> None:
    code, out, err = lab.sh("nginx", "curl -sv -d a=b -X PUT -H 'X-Y: z' web/x -o /dev/null")
    assert (code, out) == (0, "")
    assert err == (
        "*   Trying 10.96.7.7:80...\n* Connected to web (10.96.7.7) port 80 (#0)\n> PUT /x HTTP/1.1\n> Host: web\n"
        "> User-Agent: curl/7.88.1\n> Accept: */*\n> Content-Length: 3\n"
        "> Content-Type: application/x-www-form-urlencoded\n> X-Y: z\n> \n} [3 bytes data]\n< HTTP/1.1 405 Not Allowed\n"
        "< Server: nginx/1.27.3\n< Date: Wed, 01 Jan 2025 12:00:00 GMT\n< Content-Type: text/html\n< Content-Length: 157\n"
        "< Connection: keep-alive\n< \n{ [157 bytes data]\n* Connection #0 to host web left intact\n"
    )


def test_newer_curl_speaks_otherwise(lab: Lab) -> None:
    err = lab.sh("alpine", "curl -sSv web:81 2>&1; curl -sv web -o /dev/null 2>&1 | head -6")[1]
    assert (
        "* Host web:80 was resolved.\n* IPv6: (none)\n* IPv4: 10.96.7.7\n*   Trying 10.96.7.7:80...\n" in err
    )
    assert lab.sh("alpine", "curl -sS 10.244.1.4:81")[2].endswith("after 0 ms: Could not connect to server\n")


def test_curl_follows_redirects_and_stops() -> None:
    lab = Lab({})
    conf = "server { listen 80; location / { return 302 /b; } location = /b { return 200 'here\\n'; } location /loop { return 301 /loop; } }"
    lab.start(
        "c", "nginx", "sh", "-c", f"echo \"{conf}\" > /etc/nginx/conf.d/default.conf; nginx -g 'daemon off;'"
    )
    assert lab.sh("c", "curl -sL localhost/a") == (0, "here\n", "")
    assert lab.sh("c", "curl -sSL --max-redirs 3 localhost/loop")[::2] == (
        47,
        "curl: (47) Maximum (3) redirects followed\n",
    )
    assert "Location: http://localhost/b" in lab.sh("c", "curl -sI localhost/a")[1].replace("\r", "")


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        ("-O- 10.244.1.4:81", 1, "Connecting to 10.244.1.4:81 (10.244.1.4:81)\nwget: can't connect to remote host (10.244.1.4): Connection refused\n"),
        ("nosuch", 1, "wget: bad address 'nosuch'\n"),
        ("-T 2 10.96.9.9", 1, "Connecting to 10.96.9.9 (10.96.9.9:80)\nwget: download timed out\n"),
        ("web/nope", 1, "Connecting to web (10.96.7.7:80)\nwget: server returned error: HTTP/1.1 404 Not Found\n"),
        ("--spider web", 0, "Connecting to web (10.96.7.7:80)\nremote file exists\n"),
        ("-O /tmp/x web", 0, "Connecting to web (10.96.7.7:80)\nsaving to '/tmp/x'\nx                    100% |********************************|   615  0:00:00 ETA\n'/tmp/x' saved\n"),
    ],
)  # fmt: skip
def test_busybox_wget(lab: Lab, words: str, code: int, err: str) -> None:
    assert lab.sh("busybox", f"wget {words}") == (code, "", err)


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        ("10.244.1.4:81", 4, "--2025-01-01 12:00:00--  http://10.244.1.4:81/\nConnecting to 10.244.1.4:81... failed: Connection refused.\n"),
        ("nosuch", 4, "--2025-01-01 12:00:00--  http://nosuch/\nResolving nosuch (nosuch)... failed: Name or service not known.\nwget: unable to resolve host address 'nosuch'\n"),
        ("web/nope", 8, "--2025-01-01 12:00:00--  http://web/nope\nResolving web (web)... 10.96.7.7\nConnecting to web (web)|10.96.7.7|:80... connected.\nHTTP request sent, awaiting response... 404 Not Found\n2025-01-01 12:00:00 ERROR 404: Not Found.\n\n"),
        ("-q -O /dev/null web", 0, ""),
    ],
)  # fmt: skip
def test_gnu_wget(lab: Lab, words: str, code: int, err: str) -> None:
    assert lab.sh("deb", f"wget {words}") == (code, "", err)


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
    assert "Setting up dnsutils (1:9.18.28-1~deb12u2) ...\n" in out
    assert lab.sh("c", "nslookup web.default")[0] == 0
    lab.start("other", "nginx", ip="10.244.1.11")
    assert lab.sh("other", "nslookup web")[0] == 127


_HEAD = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n"
_RA = ";; Got recursion not available from 10.96.0.10\n"


@pytest.mark.parametrize(
    ("name", "code", "out"),
    [
        ("web", 0, f"{_RA}{_HEAD}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n{_RA}\n"),
        ("web.default", 0, f"{_RA * 2}{_HEAD}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n{_RA}\n"),
        ("web.default.svc.cluster.local", 0, f"{_RA * 4}{_HEAD}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n{_RA}\n"),
        ("pods", 0, f"{_RA}{_HEAD}Name:\tpods.default.svc.cluster.local\nAddress: 10.244.1.3\nName:\tpods.default.svc.cluster.local\nAddress: 10.244.1.4\n{_RA}\n"),
        ("nosuch", 1, f"{_RA * 4}{_HEAD}** server can't find nosuch: NXDOMAIN\n\n"),
        ("10.96.0.1", 0, f"{_RA}1.0.96.10.in-addr.arpa\tname = kubernetes.default.svc.cluster.local.\n\n"),
        ("10.96.0.9", 1, f"{_RA}** server can't find 9.0.96.10.in-addr.arpa: NXDOMAIN\n\n"),
        ("web 10.96.0.10", 0, f"{_HEAD}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n\n"),
        ("-type=SRV _http._tcp.web.default.svc.cluster.local. 10.96.0.10", 0, f"{_HEAD}_http._tcp.web.default.svc.cluster.local\tservice = 0 100 80 web.default.svc.cluster.local.\n\n"),
        ("-type=AAAA web.default.svc.cluster.local. 10.96.0.10", 0, f"{_HEAD}*** Can't find web.default.svc.cluster.local: No answer\n\n"),
        ("ext 10.96.0.10", 0, f"{_HEAD}ext.default.svc.cluster.local\tcanonical name = example.com.\nName:\texample.com\nAddress: 93.184.215.14\n\n"),
        ("web 10.9.9.9", 1, ";; communications error to 10.9.9.9#53: timed out\n" * 3 + ";; no servers could be reached\n\n"),
    ],
)  # fmt: skip
def test_binds_nslookup(lab: Lab, name: str, code: int, out: str) -> None:
    assert lab.sh("deb", f"nslookup {name}") == (code, out, "")


_BUSY = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n"


@pytest.mark.parametrize(
    ("name", "code", "out"),
    [
        ("web.default.svc.cluster.local", 0, f"{_BUSY}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n\n\n"),
        ("web.default", 1, f"{_BUSY}** server can't find web.default: NXDOMAIN\n\n** server can't find web.default: NXDOMAIN\n\n"),
        ("web", 1, f"{_BUSY}Name:\tweb.default.svc.cluster.local\nAddress: 10.96.7.7\n\n** server can't find web.svc.cluster.local: NXDOMAIN\n\n** server can't find web.cluster.local: NXDOMAIN\n\n\n** server can't find web.svc.cluster.local: NXDOMAIN\n\n** server can't find web.cluster.local: NXDOMAIN\n\n"),
        ("10.96.0.1", 0, f"{_BUSY}1.0.96.10.in-addr.arpa\tname = kubernetes.default.svc.cluster.local\n\n"),
        ("-type=srv _http._tcp.web.default.svc.cluster.local", 0, f"{_BUSY}_http._tcp.web.default.svc.cluster.local\tservice = 0 100 80 web.default.svc.cluster.local\n\n"),
    ],
)  # fmt: skip
def test_busybox_nslookup(lab: Lab, name: str, code: int, out: str) -> None:
    assert lab.sh("busybox", f"nslookup {name}") == (code, out, "")


def test_nslookup_of_old_busybox_asks_the_c_library(lab: Lab) -> None:
    head = "Server:    10.96.0.10\nAddress 1: 10.96.0.10\n\n"
    found = lab.sh("old", "nslookup kubernetes.default")
    assert found == (
        0,
        f"{head}Name:      kubernetes.default\nAddress 1: 10.96.0.1 kubernetes.default.svc.cluster.local\n",
        "",
    )
    assert lab.sh("old", "nslookup nosuch") == (1, head, "nslookup: can't resolve 'nosuch'\n")


def test_dig_lays_out_its_answer(lab: Lab) -> None:
    out = lab.sh("bind", "dig @10.96.0.10 web.default.svc.cluster.local")[1].splitlines()
    assert out[1:3] == [
        "; <<>> DiG 9.18.28-1~deb12u2-Debian <<>> @10.96.0.10 web.default.svc.cluster.local",
        "; (1 server found)",
    ]
    assert ";; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1" in out
    assert ";web.default.svc.cluster.local.\tIN\tA" in out
    assert "web.default.svc.cluster.local. 30 IN\tA\t10.96.7.7" in out
    assert ";; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)" in out


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("+short web +search", "10.96.7.7\n"),
        ("+short -x 10.96.0.1", "kubernetes.default.svc.cluster.local.\n"),
        ("+noall +answer SRV _http._tcp.web.default.svc.cluster.local", "_http._tcp.web.default.svc.cluster.local. 30 IN\tSRV 0 100 80 web.default.svc.cluster.local.\n"),
        ("+noall +authority nosuch", "cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1732000000 7200 1800 86400 30\n"),
        ("+noall +answer -x 10.96.0.1", "1.0.96.10.in-addr.arpa.\t30\tIN\tPTR\tkubernetes.default.svc.cluster.local.\n"),
    ],
)  # fmt: skip
def test_dig_shows_what_is_asked_for(lab: Lab, words: str, out: str) -> None:
    assert lab.sh("bind", f"dig {words}") == (0, out, "")


def test_host_and_getent(lab: Lab) -> None:
    assert lab.sh("deb", "host web; host nosuch; host 10.96.0.1; host -t AAAA web.default.svc.cluster.local")[
        1
    ] == (
        "web.default.svc.cluster.local has address 10.96.7.7\nHost nosuch not found: 3(NXDOMAIN)\n"
        "1.0.96.10.in-addr.arpa domain name pointer kubernetes.default.svc.cluster.local.\n"
        "web.default.svc.cluster.local has no AAAA record\n"
    )
    assert lab.sh("deb", "getent hosts web kubernetes.default; getent hosts nosuch || echo $?")[1] == (
        "10.96.7.7       web.default.svc.cluster.local\n10.96.0.1       kubernetes.default.svc.cluster.local\n2\n"
    )


def test_musl_does_not_search_for_names_with_enough_dots(lab: Lab) -> None:
    name = "a.b.c.d.e.f"
    lab.sh("alpine", f"curl -s {name}")
    assert lab.sh("alpine", "curl -sS -o /dev/null -w '%{http_code}' web.default")[1] == "200"


def test_ping_counts_and_times(lab: Lab) -> None:
    code, out, _ = lab.sh("deb", "ping -c 2 10.244.1.3")
    assert code == 0
    assert out.startswith(
        "PING 10.244.1.3 (10.244.1.3) 56(84) bytes of data.\n64 bytes from 10.244.1.3: icmp_seq=1 ttl=62 time=0."
    )
    assert "\n2 packets transmitted, 2 received, 0% packet loss, time 1000ms\nrtt min/avg/max/mdev = " in out
    code, out, _ = lab.sh("busybox", "ping -c 2 -W 1 10.96.7.7")
    assert (code, out) == (
        1,
        (
            "PING 10.96.7.7 (10.96.7.7): 56 data bytes\n\n--- 10.96.7.7 ping statistics ---\n"
            "2 packets transmitted, 0 packets received, 100% packet loss\n"
        ),
    )
    assert lab.sh("deb", "ping nosuch")[::2] == (2, "ping: nosuch: Name or service not known\n")
    assert lab.sh("busybox", "ping nosuch")[::2] == (1, "ping: bad address 'nosuch'\n")


def test_netcat_tries_ports_and_talks(lab: Lab) -> None:
    assert lab.sh("deb", "nc -zv 10.244.1.3 80; nc -zv 10.244.1.3 81; nc -zvw1 10.96.9.9 80")[::2] == (
        1,
        (
            "Connection to 10.244.1.3 80 port [tcp/http] succeeded!\n"
            "nc: connect to 10.244.1.3 port 81 (tcp) failed: Connection refused\n"
            "nc: connect to 10.96.9.9 port 80 (tcp) failed: Operation now in progress\n"
        ),
    )
    assert lab.sh("busybox", "printf 'PING\\r\\n' | nc 10.244.1.9 6379; nc 10.244.1.3 81") == (
        1, "+PONG\n".replace("\n", "\r\n"), "nc: can't connect to remote host (10.244.1.3): Connection refused\n",
    )  # fmt: skip


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
