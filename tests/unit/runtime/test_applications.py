"""What listens, answers: over values, and over bytes of any kind."""

from __future__ import annotations

import json
import struct
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.machines import Lab

from kubesim.runtime.application import Application, Peer
from kubesim.runtime.applications.base import sniff
from kubesim.runtime.http1 import (
    BadMessage,
    HTTPRequest,
    HTTPResponse,
    RequestReader,
    split_request,
    split_response,
)

PEER = Peer("10.244.0.1", 43210, "10.244.1.2", 80)
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def _application(
    image: str, *argv: str, port: int = 0, protocol: str = "TCP", **more: object
) -> tuple[Lab, Any]:
    lab = Lab({})
    lab.start("my-pod", image, *argv, **more)  # type: ignore[arg-type]
    found = lab.runtime.listeners("my-pod")
    return lab, next(x.application for x in found if x.protocol == protocol and port in (0, x.port))


def _get(
    application: Any, target: str = "/", *headers: tuple[str, str], method: str = "GET", body: bytes = b""
) -> HTTPResponse:
    found: HTTPResponse = application.handle(
        HTTPRequest(method, target, [("Host", "x"), *headers], body), PEER
    )
    return found


def test_nginx_answers_as_nginx_does() -> None:
    lab, nginx = _application("nginx")
    answer = _get(nginx)
    assert answer.head().decode() == (
        "HTTP/1.1 200 OK\r\nServer: nginx/1.27.3\r\nDate: Wed, 01 Jan 2025 12:00:00 GMT\r\nContent-Type: text/html\r\n"
        "Content-Length: 615\r\nLast-Modified: Tue, 03 Dec 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n"
        'ETag: "674e4a00-267"\r\nAccept-Ranges: bytes\r\n\r\n'
    )
    assert b"<h1>Welcome to nginx!</h1>" in answer.body
    assert _get(nginx, "/nope").body == (
        b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
        b"<hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n"
    )
    assert lab.runtime.logs("my-pod", tail=3).splitlines() == [
        '10.244.0.1 - - [01/Jan/2025:12:00:00 +0000] "GET / HTTP/1.1" 200 615 "-" "-" "-"',
        (
            '2025/01/01 12:00:00 [error] 29#29: *2 open() "/usr/share/nginx/html/nope" failed (2: No such file or directory), '
            'client: 10.244.0.1, server: localhost, request: "GET /nope HTTP/1.1", host: "x"'
        ),
        '10.244.0.1 - - [01/Jan/2025:12:00:00 +0000] "GET /nope HTTP/1.1" 404 153 "-" "-" "-"',
    ]


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("POST", "/", (), 405),
        ("GET", "/", (("If-None-Match", '"674e4a00-267"'),), 304),
        ("GET", "/", (("If-Modified-Since", "Tue, 03 Dec 2024 00:00:00 GMT"),), 304),
        ("GET", "/", (("Range", "bytes=0-9"),), 206),
        ("GET", "/", (("Range", "bytes=9999-"),), 416),
        ("GET", "/../../etc/passwd", (), 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", (), 404),
        ("HEAD", "/", (), 200),
    ],
)
def test_nginx_knows_its_http(
    method: str, target: str, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    assert _get(_application("nginx")[1], target, *headers, method=method).status == status


CONF = r"""
upstream backends { server 10.244.1.3:80; server 10.244.1.4:80; }
server {
    listen 8080 default_server;
    server_name a.example *.b.example;
    add_header X-From "$hostname";
    location = /exact { return 200 "exact $request_method $arg_q\n"; }
    location /api/ { proxy_pass http://backends/v1/; proxy_set_header X-Real-IP $remote_addr; }
    location /down/ { proxy_pass http://10.244.1.9:1; }
    location ~* \.(png|jpg)$ { return 403; }
    location /old { rewrite ^/old/(.*)$ /exact permanent; }
    location / { root /srv; try_files $uri $uri/ =404; autoindex on; }
    location /closed { deny all; }
    location = /empty { return 204; }
    error_page 403 /403.html;
}
server { listen 8080; server_name other; return 301 https://$host$request_uri; }
"""


def test_nginx_follows_its_configuration() -> None:
    lab = Lab({})
    lab.start("one", "example.com/echo", ip="10.244.1.3", ports=_port(80))
    lab.start("two", "example.com/echo", ip="10.244.1.4", ports=_port(80))
    lab.start(
        "my-pod",
        "nginx",
        "sh",
        "-c",
        f"mkdir -p /srv/d; echo file > /srv/f.txt; cat > /etc/nginx/conf.d/default.conf <<'EOF'\n{CONF}EOF\nexec nginx -g 'daemon off;'",
    )
    assert [x.port for x in lab.runtime.listeners("my-pod")] == [8080], lab.runtime.logs("my-pod")
    nginx: Any = lab.runtime.listeners("my-pod")[0].application
    assert _get(nginx, "/exact?q=1").body == b"exact GET 1\n"
    assert _get(nginx, "/exact").header("X-From") == "my-pod"
    assert [name for name, _ in _get(nginx, "/empty").headers] == ["Server", "Date", "Connection", "X-From"]
    assert _get(nginx, "/f.txt").body == b"file\n"
    assert (_get(nginx, "/d").status, _get(nginx, "/none").status) == (200, 404)
    assert (_get(nginx, "/x.PNG").status, _get(nginx, "/closed").status, _get(nginx, "/down/").status) == (
        403,
        403,
        502,
    )
    assert _get(nginx, "/old/x").header("Location") == "http://x/exact"
    hosts = {_get(nginx, "/api/users?x=1").body.decode().splitlines()[0] for _ in range(4)}
    assert hosts == {"Hostname: one", "Hostname: two"}
    seen = _get(nginx, "/api/users?x=1").body.decode()
    assert "GET /v1/users?x=1 HTTP/1.0\n" in seen
    assert "X-Real-IP: 10.244.0.1\n" in seen
    other = nginx.handle(HTTPRequest("GET", "/p", [("Host", "other")]), PEER)
    assert (other.status, other.header("Location")) == (301, "https://other/p")


def _port(number: int) -> tuple[Any, ...]:
    from kubesim.runtime.container import ContainerPort

    return (ContainerPort(number),)


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        ("server { foo bar; }", 'unknown directive "foo" in /etc/nginx/conf.d/default.conf:1'),
        ("server { listen 80 }", 'unexpected "}" in /etc/nginx/conf.d/default.conf:1'),
        ("server { listen 80;", 'unexpected end of file, expecting "}" in /etc/nginx/conf.d/default.conf:1'),
        (
            "server { location / { proxy_pass http://backend; } }",
            'host not found in upstream "backend" in /etc/nginx/conf.d/default.conf:1',
        ),
        ("listen 80;", '"listen" directive is not allowed here in /etc/nginx/conf.d/default.conf:1'),
    ],
)
def test_nginx_refuses_a_bad_configuration(conf: str, problem: str) -> None:
    lab = Lab({})
    lab.start(
        "c", "nginx", "sh", "-c", f"echo '{conf}' > /etc/nginx/conf.d/default.conf; nginx -g 'daemon off;'"
    )
    assert (lab.runtime.status("c").exit_code, lab.runtime.logs("c").splitlines()[-1]) == (
        1,
        f"nginx: [emerg] {problem}",
    )


def test_reloading_nginx_changes_what_listens() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    lab.sh("c", "sed -i 's/80;/81;/' /etc/nginx/conf.d/default.conf; nginx -s reload")
    assert {x.port for x in lab.runtime.listeners("c")} == {81}


def test_httpd_answers_as_apache_does() -> None:
    lab, httpd = _application("httpd")
    assert _get(httpd).body == b"<html><body><h1>It works!</h1></body></html>\n"
    assert _get(httpd).header("Server") == "Apache/2.4.62 (Unix)"
    assert _get(httpd, "/x").status == 404
    assert (
        lab.runtime.logs("my-pod", tail=1)
        == '10.244.0.1 - - [01/Jan/2025:12:00:00 +0000] "GET /x HTTP/1.1" 404 196\n'
    )


@pytest.mark.parametrize(
    ("image", "env", "part"),
    [
        ("traefik/whoami", {}, "Hostname: my-pod\nIP: 127.0.0.1\n"),
        ("registry.k8s.io/echoserver:1.4", {}, "CLIENT VALUES:\nclient_address=10.244.0.1\ncommand=GET\n"),
        (
            "registry.k8s.io/echoserver:1.10",
            {},
            "\n\nHostname: my-pod\n\nPod Information:\n\t-no pod information available-\n",
        ),
        ("registry.k8s.io/echoserver:1.10", {"POD_NAME": "p"}, "Pod Information:\n\tpod name:\tp\n"),
        ("ealen/echo-server", {}, '"originalUrl":"/"'),
        ("jmalloc/echo-server", {}, "Request served by my-pod\n\nGET / HTTP/1.1\n"),
        ("gcr.io/google-samples/hello-app:2.0", {}, "Hello, world!\nVersion: 2.0.0\nHostname: my-pod\n"),
        ("nginxdemos/hello", {}, "Server name: my-pod\n"),
    ],
)
def test_echoes_tell_who_answered(image: str, env: dict[str, str], part: str) -> None:
    assert part in _get(_application(image, env=env)[1]).body.decode()


def test_http_echo_says_its_text_where_it_is_told_to() -> None:
    lab, echo = _application("hashicorp/http-echo", args=("-text=hello there", "-listen=:8080"))
    assert (_get(echo).body, lab.runtime.listeners("my-pod")[0].port) == (b"hello there\n", 8080)


def test_python_serves_files_from_where_it_stands() -> None:
    lab, server = _application("python:3", "python", "-m", "http.server", "8000", working_dir="/srv")
    lab.sh("my-pod", "echo hi > f.txt; mkdir d")
    assert _get(server, "/f.txt").body == b"hi\n"
    assert b'<li><a href="d/">d/</a></li>' in _get(server).body
    assert _get(server, "/x").reason == "File not found"
    assert '"GET /x HTTP/1.1" 404 -' in lab.runtime.logs("my-pod")


def test_netexec_has_its_endpoints() -> None:
    lab, netexec = _application(AGNHOST, args=("netexec",))
    assert _get(netexec, "/hostname").body == b"my-pod"
    assert _get(netexec, "/clientip").body == b"10.244.0.1:43210"
    assert (_get(netexec, "/echo?msg=hi&code=418").status, _get(netexec, "/echo?msg=hi").body) == (418, b"hi")
    assert _get(netexec, "/header?key=X-A", ("X-A", "b")).body == b"b"
    assert _get(netexec, "/healthz").status == 200
    assert json.loads(_get(netexec, "/shell?cmd=echo+a%3B+exit+3").body) == {
        "output": "a\n",
        "error": "exit status 3",
    }
    assert _get(netexec, "/redirect?location=/x&code=307").header("Location") == "/x"
    assert _get(netexec, "/dial?host=127.0.0.1&port=8080").status == 400
    dialled = json.loads(_get(netexec, "/dial?host=127.0.0.1&port=8080&request=hostname&tries=3").body)
    assert dialled == {"responses": ["my-pod"] * 3}
    refused = json.loads(_get(netexec, "/dial?host=127.0.0.1&port=1&request=hostname").body)
    assert refused == {
        "errors": ['Get "http://127.0.0.1:1/hostname": dial tcp 127.0.0.1:1: connect: connection refused']
    }
    udp: Any = next(x.application for x in lab.runtime.listeners("my-pod") if x.protocol == "UDP")
    assert [udp.datagram(d, PEER) for d in (b"hostname\n", b"echo Hi", b"clientip", b"what")] == [
        b"my-pod",
        b"hi",
        b"10.244.0.1:43210",
        None,
    ]


def test_netexec_ends_when_it_is_asked_to() -> None:
    lab, netexec = _application(AGNHOST, args=("netexec",))
    ended = []
    lab.runtime.on_exit = ended.append
    _get(netexec, "/exit?code=7")
    assert (ended, lab.runtime.status("my-pod").exit_code, lab.runtime.listeners("my-pod")) == (
        ["my-pod"],
        7,
        [],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("foo", "text/plain; charset=utf-8", id="text"),
        pytest.param('<a href="/x">test</a>', "text/html; charset=utf-8", id="a link"),
        pytest.param("\n  <!DOCTYPE HTML><p>", "text/html; charset=utf-8", id="a page"),
        pytest.param("<abbr>", "text/plain; charset=utf-8", id="a word that only begins alike"),
        pytest.param('{"a": 1}', "text/plain; charset=utf-8", id="JSON"),
        pytest.param("\x00\x01", "application/octet-stream", id="bytes"),
    ],
)
def test_servers_in_go_say_what_their_answer_looks_like(text: str, expected: str) -> None:
    assert sniff(text.encode()) == expected


def test_porter_serves_what_its_environment_says() -> None:
    env = {
        "SERVE_PORT_9001": "one",
        "SERVE_TLS_PORT_9002": "two",
        "SERVE_UDP_PORT_9003": "three",
        "SERVE_SCTP_PORT_9004": "four",
    }
    lab, one = _application(AGNHOST, args=("porter",), env=env, port=9001)
    found = {(x.protocol, x.port, x.application.tls) for x in lab.runtime.listeners("my-pod")}
    assert found == {("TCP", 9001, False), ("TCP", 9002, True), ("UDP", 9003, False), ("SCTP", 9004, False)}
    assert _get(one).body == b"one"


def test_liveness_is_well_for_ten_seconds() -> None:
    from datetime import timedelta

    lab, server = _application(AGNHOST, args=("liveness",))
    assert _get(server, "/healthz").status == 200
    lab.clock.advance(timedelta(seconds=11))
    assert _get(server, "/healthz").status == 500


def test_grpc_health_follows_its_control_port() -> None:
    lab, grpc = _application(AGNHOST, args=("grpc-health-checking",), port=5000)
    control: Any = next(x.application for x in lab.runtime.listeners("my-pod") if x.port == 8080)
    assert (grpc.grpc_health(""), grpc.grpc_health("x")) == ("SERVING", "NOT_FOUND")
    _get(control, "/make-not-serving")
    assert grpc.grpc_health("") == "NOT_SERVING"


def test_redis_speaks_inline_and_resp() -> None:
    _, redis = _application("redis")
    talk = redis.open(PEER)
    assert talk.receive(b"PING\r\n") == b"+PONG\r\n"
    assert talk.receive(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nxy\r\n*2\r\n$3\r\nGET\r\n$1\r\n") == b"+OK\r\n"
    assert talk.receive(b"a\r\n") == b"$2\r\nxy\r\n"
    assert talk.receive(b"*x\r\n") == b"-ERR Protocol error: invalid multibulk length\r\n"
    assert talk.closed


def test_redis_hangs_up_on_what_speaks_http() -> None:
    talk = _application("redis")[1].open(PEER)
    assert talk.receive(b"GET a b\r\n") == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert talk.receive(b"GET / HTTP/1.1\r\nHost: cache\r\nAccept: */*\r\n\r\n") == b""
    assert talk.closed


def test_databases_open_the_door_and_say_why_not_further() -> None:
    postgres = _application("postgres", env={"POSTGRES_PASSWORD": "x"})[1].open(PEER)
    assert postgres.receive(struct.pack(">II", 8, 80877103)) == b"N"
    assert b"runs no queries" in postgres.receive(struct.pack(">II", 9, 196608) + b"\0")
    mysql = _application("mysql", env={"MYSQL_ROOT_PASSWORD": "x"})[1].open(PEER)
    assert b"9.1.0" in mysql.greeting


_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_bytes_of_several_requests_are_answered_in_order() -> None:
    talk = _application("nginx")[1].open(PEER)
    assert talk.receive(_REQUEST[:10]) == b""
    answer = talk.receive(_REQUEST[10:] + b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (answer.count(b"HTTP/1.1 200 OK"), answer.count(b"HTTP/1.1 404 Not Found"), talk.closed) == (
        1,
        1,
        True,
    )


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", 400),
        (b"GET\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /" + b"a" * 40_000, 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000, 400),
    ],
)
def test_what_is_no_http_is_refused_and_closed(data: bytes, status: int) -> None:
    talk = _application("nginx")[1].open(PEER)
    answer = talk.receive(data)
    assert (answer.split(b" ")[1], talk.closed) == (str(status).encode(), True)


def _head(line: int = 0, *headers: int, end: str = "Host: x") -> bytes:
    """A head whose request line and headers have so many bytes, with their line ends."""
    first = b"GET /?" + b"a" * (line - 17) + b" HTTP/1.1\r\n" if line else b"GET / HTTP/1.1\r\n"
    return first + b"".join(b"X: " + b"b" * (n - 5) + b"\r\n" for n in headers) + f"{end}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("head", "status"),
    [  # recorded from nginx 1.22.1
        (_head(1024), 200),
        (_head(1025), 200),
        (_head(8192), 200),
        (_head(8193), 414),
        (_head(40_000), 414),
        (_head(0, 8192), 200),
        (_head(0, 8193), 400),
        (_head(0, 40_000), 400),
        (_head(0, *[8192] * 3), 200),
        (_head(0, *[8192] * 4), 400),
        (_head(0, *[1000] * 33), 200),
        (_head(0, *[1000] * 34), 400),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else str(value),
)
def test_nginx_has_buffers_for_so_long_a_head(head: bytes, status: int) -> None:
    talk = _application("nginx")[1].open(PEER)
    assert talk.receive(head).split(b" ")[1] == str(status).encode()
    assert talk.closed is (status != 200)


def _page(status: str, title: str, more: str = "") -> str:
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n{more}"
        "<hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n"
    )
    return (
        f"HTTP/1.1 {status}\r\nServer: nginx/1.27.3\r\nDate: Wed, 01 Jan 2025 12:00:00 GMT\r\nContent-Type: text/html\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )


def test_the_pages_and_log_lines_of_too_long_heads_are_those_of_nginx() -> None:
    lab, nginx = _application("nginx")
    late = _get(nginx, "/x?y", ("User-Agent", "me"), ("Cookie", "c" * 9000), ("Referer", "there"))
    long = _get(nginx, "/" + "a" * 9000, ("User-Agent", "me"))
    _get(nginx, "/", ("Cookie", "c" * 9000), method="HEAD")
    more = "<center>Request Header Or Cookie Too Large</center>\r\n"
    title = "400 Request Header Or Cookie Too Large"
    assert late.encode().decode() == _page("400 Bad Request", title, more)
    assert long.encode().decode() == _page("414 Request-URI Too Large", "414 Request-URI Too Large")
    start = "10.244.0.1 - - [01/Jan/2025:12:00:00 +0000] "
    assert lab.runtime.logs("my-pod", tail=3).splitlines() == [
        start + '"GET /x?y HTTP/1.1" 400 233 "-" "me" "-"',
        start + f'"{("GET /" + "a" * 9000)[:8192]}" 414 177 "-" "-" "-"',
        start + '"HEAD / HTTP/1.1" 400 0 "-" "-" "-"',
    ]


def test_nginx_takes_the_buffers_of_its_configuration() -> None:
    text = "server { listen 80; large_client_header_buffers 2 16k; location / { return 200; } }"
    start = f"echo '{text}' >/etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"
    nginx = _application("nginx", "sh", "-c", start)[1]
    assert [_get(nginx, "/" + "a" * n).status for n in (16_000, 17_000)] == [200, 414]
    assert [_get(nginx, "/", ("A", "a" * 16_000), ("B", "b" * n)).status for n in (15_000, 17_000)] == [
        200,
        400,
    ]


def test_chunked_bodies_and_expectations_are_read() -> None:
    talk = _application("example.com/echo", ports=_port(80))[1].open(PEER)
    assert (
        talk.receive(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        == b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    assert b"\n\nhello\n" in talk.receive(b"hello")
    assert b"\n\nabcde\n" in talk.receive(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_request_or_refused(data: bytes, cut: int) -> None:
    for text in (data, _REQUEST[: cut % 30] + data, data + _REQUEST):
        for parse in (split_request, split_response):
            try:
                parse(text)
            except BadMessage:
                continue


_WHOLE = (
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nT: 1\r\n\r\n"
    b"GET /d HTTP/1.0\n\n"
)


@given(st.lists(st.integers(0, len(_WHOLE)), max_size=8))
def test_requests_are_the_same_in_whatever_pieces_they_come(cuts: list[int]) -> None:
    reader = RequestReader()
    found = []
    edges = [0, *sorted(cuts), len(_WHOLE)]
    for start, end in pairwise(edges):
        reader.feed(_WHOLE[start:end])
        while (request := reader.next()) is not None:
            found.append((request.path, request.body))
    assert found == [("/a", b""), ("/b", b"hello"), ("/c", b"abcde"), ("/d", b"")]
    assert not reader


@pytest.mark.parametrize(
    "head", ["Content-Length: 50000000", "Transfer-Encoding: chunked"], ids=["plain", "chunked"]
)
def test_a_large_body_in_many_pieces_costs_what_its_length_is(head: str) -> None:
    reader = RequestReader()
    reader.feed(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    piece = bytes(10_000)
    if "chunked" in head:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    before = time.process_time()
    for _ in range(5000):
        assert reader.next() is None
        reader.feed(piece)
    if "chunked" in head:
        reader.feed(b"0\r\n\r\n")
    request = reader.next()
    assert request is not None
    assert len(request.body) == 50_000_000
    assert time.process_time() - before < 5


@pytest.fixture(scope="module")
def servers() -> list[Application]:
    images = ("nginx", "httpd", "redis", "traefik/whoami", AGNHOST)
    return [_application(image, args=("netexec",) if image == AGNHOST else ())[1] for image in images]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_bytes_break_a_server(servers: list[Application], pieces: list[bytes]) -> None:
    for server in servers:
        talk = server.open(PEER)
        for piece in pieces:
            assert isinstance(talk.receive(piece), bytes)
        talk.end()
        assert talk.closed


COREFILE = """
. {
    hosts {
        1.1.1.1 one.test uno.test  # comment
        fd00::1 six.test
        fallthrough
    }
    log
}
other:53 { whoami }
"""


def test_coredns_knows_the_names_of_its_corefile() -> None:
    lab = Lab({})
    script = 'printf "%s" "$COREFILE" > /tmp/Corefile; exec /coredns -conf /tmp/Corefile'
    lab.start("dns", AGNHOST, "sh", "-c", script, env=(("COREFILE", COREFILE),))
    assert lab.runtime.logs("dns").startswith(".:53\n")
    found = lab.fresh().listeners("dns")
    assert [(x.protocol, x.port) for x in found] == [("UDP", 53), ("TCP", 53)]
    server = found[0].application

    def ask(name: str, qtype: str) -> tuple[str, list[str]]:
        answer = server.resolve(name, qtype, "10.244.0.9", "10.244.0.2")
        return answer.rcode, [r.data for r in answer.answers]

    assert ask("one.test.", "A") == ("NOERROR", ["1.1.1.1"])
    assert ask("UNO.test.", "A") == ("NOERROR", ["1.1.1.1"])
    assert ask("one.test.", "AAAA") == ("NOERROR", [])
    assert ask("six.test.", "AAAA") == ("NOERROR", ["fd00::1"])
    assert ask("1.1.1.1.in-addr.arpa.", "PTR") == ("NOERROR", ["one.test.", "uno.test."])
    assert ask("two.test.", "A") == ("SERVFAIL", [])


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (("-conf", "/nosuch"), 1, "loading Caddyfile via flag: open /nosuch: no such file or directory\n"),
        (("-x",), 2, "flag provided but not defined: -x\n"),
        (("-version",), 0, ""),
    ],
    ids=["no file", "no such flag", "version"],
)
def test_coredns_says_what_is_wrong(argv: tuple[str, ...], code: int, error: str) -> None:
    lab = Lab({})
    lab.start("c", AGNHOST, "sleep", "3600")
    found, out, err = lab.run("c", "/coredns", *argv)
    assert (found, err) == (code, error)
    assert bool(out) is (code == 0)
