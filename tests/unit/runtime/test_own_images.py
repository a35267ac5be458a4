"""Images that users describe: the form, the layers, and what their containers do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.machines import Lab

from kubesim.runtime.application import Peer
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.runtime.imageform import read
from kubesim.runtime.images import TOLD, Catalogue, Document, ImagePullError, told
from kubesim.util.jsontypes import encode

BUILT_IN = Catalogue.load()
PEER = Peer("10.244.0.1", 43210, "10.244.1.2", 8080)


def catalogue(*texts: str) -> Catalogue:
    return BUILT_IN.extended([Document(f"{n}.yaml", text) for n, text in enumerate(texts, 1)])


def problems(*texts: str) -> list[str]:
    return [p.text for p in catalogue(*texts).problems]


# The form


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("{}", ": want what it does: one of runs, like, entrypoint and cmd"),
        ("sleep", ": want a mapping"),
        ("{cmd: [a], extra: 1}", ".extra: there is no such field"),
        ("{cmd: sleep}", ".cmd: want a list"),
        ("{cmd: [sleep, 5]}", ".cmd[1]: want a text; numbers, true and false are texts in quotes"),
        ("{cmd: [a], env: {PORT: 80}}", ".env.PORT: want a text; numbers, true and false are texts in quotes"),
        ("{cmd: [a], versions: [1.5]}", ".versions[0]: want a text; numbers, true and false are texts in quotes"),
        ("{cmd: [a], names: [a/B]}", ".names[0]: want the name of an image, such as registry.example.com/shop"),
        ("{cmd: [a], names: ['a:1']}", ".names[0]: want the name without a tag: it stands for all of them, and variants tell them apart"),
        ("{cmd: [a], commands: curl nonsense}", '.commands: there is no simulated program "nonsense"'),
        ("{cmd: [a], stop_signal: SIGNAL}", ".stop_signal: want a signal, such as SIGTERM"),
        ("{cmd: [a], files: {etc/x: z}}", ".files.etc/x: want a path from the root, such as /srv/app"),
        ("{cmd: [a], files: {/x: {mode: rwx}}}", ".files./x.mode: want a mode in octal, such as 0755"),
        ("{cmd: [a], variants: [{tag: '('}]}", ".variants[0].tag: want a regular expression: missing ), unterminated subpattern at position 0"),
        ("{cmd: [a], variants: [{base: alpine}]}", ".variants[0].tag: is missing"),
        ("{cmd: [a], base: debain}", '.base: there is no base "debain"; did you mean "debian"?'),
        ("{like: ngnix}", '.like: there is no image "ngnix"; did you mean "nginx"?'),
        ("{like: mine}", '.like: there is no image "mine"'),
        ("{runs: {listens: [{port: 0}]}}", ".runs.listens[0].port: want at least 1"),
        ("{runs: {listens: [{port: '80'}]}}", ".runs.listens[0].port: want a whole number, without quotes"),
        ("{runs: {listens: [{port: 80, protocol: tcp}]}}", ".runs.listens[0].protocol: want 'TCP', 'UDP' or 'SCTP'"),
        ("{runs: {listens: [{port: 80, echo: true, answer: x}]}}", ".runs.listens[0]: want one of http, echo and answer, not echo and answer"),
        ("{runs: {listens: [{port: 80, protocol: UDP, http: []}]}}", ".runs.listens[0]: HTTP is spoken over TCP, not over UDP"),
        ("{runs: {listens: [{port: 80}, {port: 80}]}}", ".runs: listens[1] has the port 80/TCP a second time"),
        ("{runs: {listens: [{port: 80, http: [{path: x}]}]}}", ".runs.listens[0].http[0].path: want a path, such as /healthz, or the beginning of paths, such as /shop/*"),
        ("{runs: {listens: [{port: 80, http: [{path: /, status: 99}]}]}}", ".runs.listens[0].http[0].status: want at least 200"),
        ("{runs: {listens: [{port: 80, http: [{path: /, delay: soon}]}]}}", ".runs.listens[0].http[0].delay: want seconds, such as 2.5, or a duration, such as 1m30s"),
        ("{runs: {listens: [{port: 80, http: [{path: /, headers: {'a b': c}}]}]}}", ".runs.listens[0].http[0].headers: 'a b' is no header that HTTP has"),
        ("{runs: {listens: [{port: 80, http: [{path: /, headers: {Content-Length: '1'}}]}]}}", ".runs.listens[0].http[0].headers: Content-Length follows from the body"),
        ("{runs: {listens: [" + "{port: 1}," * 101 + "]}}", ".runs.listens: want at most 100 of them"),
        ("{runs: {exits: {code: 256}}}", ".runs.exits.code: want at most 255"),
        ("{runs: {ready_after: -1}}", ".runs.ready_after: want a time from 0 to a year"),
        ("{runs: {ready_after: true}}", ".runs.ready_after: want seconds, such as 2.5, or a duration, such as 1m30s"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(entry: str, wanted: str) -> None:
    assert problems(f"images: {{mine: {entry}}}") == [f"1.yaml: images.mine{wanted}"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [", "1.yaml: yaml: line 1: did not find expected node content"),
        ("- a", "1.yaml: images: want a mapping from names of your own to images"),
        ("images: 1", "1.yaml: images: want a mapping from names of your own to images"),
        ("images: {}\nbases: {}", "1.yaml: bases: there is no such field; want images"),
        ("images: {}\n---\n5", "1.yaml: document 2: images: want a mapping from names of your own to images"),
        ("images: {A b: {like: nginx}}", "1.yaml: images.A b: want a name of lower-case letters, digits, -, . and _"),
        ("images: {a: {like: nginx}}\n---\nimages: {a: {like: nginx}}", "1.yaml: document 2: images.a: another document has an image of this name"),
        ("images: {a: {like: nginx}, b: {like: nginx, names: [a]}}", "1.yaml: images.b.names[0]: images.a has it, too"),
        ("images: {a: {like: b}, b: {like: a}}", "1.yaml: images.a.like: b is wrong: like: it is like itself, by way of a"),
        ("images: {a: {like: nginx, user: '" + "x" * 1024 * 1024 + "'}}", "1.yaml: want at most 1048576 bytes"),
    ],
    ids=str,
)  # fmt: skip
def test_a_document_that_is_wrong_is_told(text: str, wanted: str) -> None:
    assert problems(text)[0] == wanted


def test_one_mistake_stops_neither_the_others_nor_the_images_beside_it() -> None:
    found = catalogue("images: {good: {like: nginx}, bad: {cmd: [1], size: x, names: [example.com/bad]}}")
    assert found.image("good").known
    with pytest.raises(ImagePullError) as refused:
        found.image("example.com/bad:2")
    assert str(refused.value) == (
        'failed to pull and unpack image "example.com/bad:2": 1.yaml: images.bad.size: want a whole number, without '
        "quotes; 1.yaml: images.bad.cmd[0]: want a text; numbers, true and false are texts in quotes"
    )
    assert refused.value.reason == "ErrImagePull"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["names", "runs", "listens", "http", "port", "like", "env", "files", "variants", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_nothing_that_is_written_is_more_than_a_mistake(entry: Any) -> None:
    text = json.dumps({"images": {"mine": entry}})
    found = catalogue(text)
    assert found.problems or found.image("mine").known


@pytest.mark.parametrize(
    "line",
    ["a{n}: {{like: ngnix}}", "a{n}: {{x: 1, y: 2}}", "a{n}: {{like: a{next}}}", "a{n}: {{like: nginx}}"],
)
def test_a_large_document_is_read_and_its_first_mistakes_are_told(line: str) -> None:
    text = "images:\n" + "\n".join("  " + line.format(n=n, next=n + 1) for n in range(10_000))
    found = catalogue(text)
    assert len(told(found.problems)) in (0, TOLD + 1)


def test_an_expression_that_takes_for_ever_does_not_match() -> None:
    found = catalogue("images: {a: {cmd: [x], variants: [{tag: '(a+)+$', cmd: [z]}]}}")
    assert not found.problems
    assert found.image("a:" + "a" * 60 + ".").cmd == ("x",)


# Layers


def test_later_documents_win_image_by_image() -> None:
    first = "images: {one: {names: [a, b], cmd: [sleep, '1']}}"
    second = "images: {two: {names: [b], cmd: [sleep, '2']}}"
    found = catalogue(first, second)
    assert (found.image("a").cmd, found.image("b").cmd) == (("sleep", "1"), ("sleep", "2"))
    assert catalogue(second, first).image("b").cmd == ("sleep", "1")


def test_a_mistake_in_a_later_document_hides_what_an_earlier_one_says_and_is_mended_by_the_next() -> None:
    good, bad = "images: {a: {cmd: [sleep]}}", "images: {a: {cmd: sleep}}"
    with pytest.raises(ImagePullError):
        catalogue(good, bad).image("a")
    assert catalogue(good, bad, good).image("a").cmd == ("sleep",)


def test_an_image_can_be_like_a_built_in_one_of_its_own_name() -> None:
    page = {"/usr/share/nginx/html/index.html": "mine\n"}
    found = catalogue(f"images: {{nginx: {{like: nginx, files: {encode(page).decode()}}}}}")
    image = found.image("nginx:1.27")
    assert (image.version, image.cmd, image.files["/usr/share/nginx/html/index.html"].text) == (
        "1.27.3",
        ("nginx", "-g", "daemon off;"),
        "mine\n",
    )
    assert image.key == "nginx"
    assert found.image("nginxinc/nginx-unprivileged").own == ""
    assert found.image("httpd") == BUILT_IN.image("httpd")


def test_an_image_is_another_one_where_something_else_is_said_of_it() -> None:
    first, same, other = (
        catalogue(f"images: {{a: {{cmd: [sleep, '{n}']}}}}").image("a").image_id for n in (1, 1, 2)
    )
    assert first == same != other


def test_versions_and_variants_go_by_the_tag() -> None:
    found = catalogue(
        "images: {a: {versions: ['2.1.0', '1.0.3'], env: {V: '{version}'}, cmd: [x], variants: "
        "[{tag: slim$, base: scratch}, {tag: '^2', runs: {log: two}}]}}"
    )
    assert [found.image(f"a:{t}").env["V"] for t in ("latest", "2", "1.0", "7")] == [
        "2.1.0",
        "2.1.0",
        "1.0.3",
        "7",
    ]
    assert (found.image("a:1-slim").os, found.image("a").os) == ("", "alpine")
    assert (found.image("a").runs, (found.image("a:2").runs or {})["log"]) == (None, ["two"])


# What containers do


class Shop(Lab):
    """A lab with images of its own."""

    def __init__(self, text: str) -> None:
        super().__init__({})
        self.images = catalogue(text)
        assert not self.images.problems

    def start(self, name: str, image: str, *argv: str, ip: str = "10.244.1.2", **more: object) -> None:
        begin = self.runtime.start
        self.runtime.start = lambda spec: begin(spec, self.images)  # type: ignore[assignment,method-assign]
        try:
            super().start(name, image, *argv, ip=ip, **more)
        finally:
            self.runtime.start = begin  # type: ignore[method-assign]

    def pass_by(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def ports(self, name: str) -> list[tuple[int, str, str]]:
        return [(x.port, x.protocol, x.address) for x in self.runtime.listeners(name)]

    def get(self, name: str, target: str, method: str = "GET", port: int = 8080) -> HTTPResponse:
        [found] = [x.application for x in self.runtime.listeners(name) if x.port == port]
        answer: HTTPResponse = found.handle(HTTPRequest(method, target, [("Host", "x")]), PEER)  # type: ignore[attr-defined]
        return answer


ROUTES = """
images:
  shop:
    versions: [2.1.0]
    runs:
      log: |
        shop {version} of {pod} in {namespace} on {node}
        listening
      listens:
      - port: 8080
        http:
        - {path: /healthz, body: "ok\\n"}
        - {path: /cart/*, body: "cart"}
        - {path: /cart/new/*, method: POST, status: 201, headers: {X-Shop: "{version}", Content-Type: application/json}, body: '{"path": "{path}", "of": "{client}", "home": "{env.HOME}", "x": "{x}"}'}
        - {path: /gone, status: 204, body: nothing}
        - {path: /slow, delay: 2s, body: slow}
      - {port: 7, echo: true}
      - {port: 9, answer: "bye {client}\\n"}
      - {port: 9, protocol: UDP, answer: "pong"}
      - {port: 99, protocol: UDP}
      - {port: 8081, address: 127.0.0.1}
"""


@pytest.fixture
def shop() -> Shop:
    lab = Shop(ROUTES)
    lab.start("my-pod", "shop:2")
    return lab


def test_it_listens_where_it_says(shop: Shop) -> None:
    assert shop.ports("my-pod") == [
        (8080, "TCP", "*"), (7, "TCP", "*"), (9, "TCP", "*"), (9, "UDP", "*"), (99, "UDP", "*"), (8081, "TCP", "127.0.0.1"),
    ]  # fmt: skip


def test_what_it_writes_is_its_log_with_words_filled_in(shop: Shop) -> None:
    shop.get("my-pod", "/nope")
    assert shop.runtime.logs("my-pod") == (
        'shop 2.1.0 of my-pod in default on node-1\nlistening\n10.244.0.1 - "GET /nope HTTP/1.1" 404 19\n'
    )


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", "/healthz?x=1", 200, "ok\n"),
        ("HEAD", "/healthz", 200, "ok\n"),
        ("GET", "/healthz/", 404, "404 page not found\n"),
        ("GET", "/cart/5", 200, "cart"),
        ("GET", "/cart", 404, "404 page not found\n"),
        ("GET", "/cart/new/5", 200, "cart"),
        (
            "POST",
            "/cart/new/5",
            201,
            '{"path": "/cart/new/5", "of": "10.244.0.1", "home": "/root", "x": "{x}"}',
        ),
        ("POST", "/gone", 204, ""),
    ],
)
def test_the_longest_route_that_fits_answers(
    shop: Shop, method: str, target: str, status: int, body: str
) -> None:
    answer = shop.get("my-pod", target, method)
    assert (answer.status, answer.body.decode()) == (status, body)


def test_a_path_that_takes_other_methods_says_so() -> None:
    lab = Shop("images: {a: {runs: {listens: [{port: 8080, http: [{path: /, method: POST}]}]}}}")
    lab.start("p", "a")
    assert [lab.get("p", "/", m).status for m in ("POST", "GET")] == [200, 405]


def test_headers_are_its_own_and_the_length_follows(shop: Shop) -> None:
    head = shop.get("my-pod", "/cart/new/", "POST").headers
    assert dict(head) == {
        "X-Shop": "2.1.0",
        "Content-Type": "application/json",
        "Content-Length": "71",
        "Date": "Wed, 01 Jan 2025 12:00:00 GMT",
    }
    assert not any(name.startswith("Content-") for name, _ in shop.get("my-pod", "/gone").headers)


def test_programs_in_the_cluster_talk_to_it(shop: Shop) -> None:
    shop.start("client", "alpine", "sleep", "infinity", ip="10.244.1.3")
    shop.start("debian", "debian", "sleep", "infinity", ip="10.244.1.4")
    assert shop.sh("client", "echo hello | nc 10.244.1.2 7") == (0, "hello\n", "")
    assert shop.sh("client", "echo hello | nc 10.244.1.2 9") == (0, "bye 10.244.1.3\n", "")
    assert shop.sh("client", "echo ping | nc -u -w1 10.244.1.2 9")[1] == "pong"
    assert shop.sh("client", "echo ping | nc -u -w1 10.244.1.2 99")[1] == "ping\n"
    assert shop.sh("client", "wget -qO- 10.244.1.2:8080/healthz") == (0, "ok\n", "")
    assert shop.sh("client", "wget -qO- 10.244.1.2:8081")[0] == 1
    assert "Pod: my-pod" in shop.sh("my-pod", "wget -qO- 127.0.0.1:8081")[1]


def test_a_delay_is_time_for_its_clients(shop: Shop) -> None:
    shop.start("c", "curlimages/curl", "sleep", "infinity", ip="10.244.1.3")
    assert shop.run("c", "curl", "-sw", " %{time_total}", "http://10.244.1.2:8080/slow")[1].startswith(
        "slow 2.000"
    )
    assert shop.run("c", "curl", "-sS", "-m", "1.5", "http://10.244.1.2:8080/slow") == (
        28,
        "",
        "curl: (28) Operation timed out after 1501 milliseconds with 0 bytes received\n",
    )
    shop.start("box", "busybox", "sleep", "infinity", ip="10.244.1.4")
    slow = shop.run("box", "wget", "-q", "-T", "1", "-O-", "http://10.244.1.2:8080/slow")
    assert slow == (1, "", "wget: download timed out\n")


def test_a_proxy_waits_as_long_as_its_timeout() -> None:
    server = "server { listen 80; location / { proxy_pass http://10.244.1.2:8080; } }"
    lab = Shop(
        "images: {a: {runs: {listens: [{port: 8080, http: [{path: /slow, delay: 2}, {path: /stuck, delay: 2m}]}]}}, "
        f"proxy: {{like: nginx, files: {{/etc/nginx/conf.d/default.conf: '{server}'}}}}}}"
    )
    lab.start("p", "a")
    lab.start("proxy", "proxy", "nginx", "-g", "daemon off;", ip="10.244.1.3")
    lab.start("c", "curlimages/curl", "sleep", "infinity", ip="10.244.1.4")
    took = [
        lab.run("c", "curl", "-so", "/dev/null", "-w", "%{http_code} %{time_total}", f"10.244.1.3/{path}")[1][
            :6
        ]
        for path in ("slow", "stuck")
    ]
    assert took == ["200 2.", "504 60"]
    assert "upstream timed out (110: Connection timed out) while reading response header" in lab.runtime.logs(
        "proxy"
    )


def test_it_becomes_ready_late_and_a_later_process_finds_it_so() -> None:
    lab = Shop("images: {a: {runs: {log: up, ready_after: 3, listens: [{port: 80}]}}}")
    lab.start("p", "a")
    assert lab.ports("p") == []
    lab.pass_by(2.9)
    lab.fresh()
    assert lab.ports("p") == []
    lab.pass_by(0.2)
    assert lab.ports("p") == [(80, "TCP", "*")]
    lab.fresh()
    assert lab.ports("p") == [(80, "TCP", "*")]
    assert lab.runtime.logs("p") == "up\n"
    assert lab.runtime.stop("p").exit_code == 0


@pytest.mark.parametrize(
    ("runs", "listens", "ends", "code"),
    [
        ("{exits: {code: 3}}", False, 0, 3),
        ("{exits: {code: 0, after: 10}, listens: [{port: 80}]}", True, 10, 0),
        ("{exits: {code: 7, after: 10s}, ready_after: 4, listens: [{port: 80}]}", True, 10, 7),
        ("{exits: {code: 1, after: 2}, ready_after: 4, listens: [{port: 80}]}", False, 2, 1),
    ],
)
def test_it_ends_when_it_says(runs: str, listens: bool, ends: float, code: int) -> None:
    lab = Shop(f"images: {{a: {{runs: {runs}}}}}")
    lab.start("p", "a")
    began = lab.runtime.status("p").started_at
    seen = False
    for _ in range(12):
        lab.fresh()
        seen = seen or bool(lab.ports("p"))
        lab.pass_by(1)
    state = lab.runtime.advance("p")
    assert (seen, state.exit_code, state.finished_at) == (listens, code, began + timedelta(seconds=ends))


def test_a_running_container_keeps_its_image_and_forgets_it_at_its_end(shop: Shop) -> None:
    shop.start("second", "shop", ip="10.244.1.5")
    lab = shop.fresh()
    assert lab.catalogue.image("shop").known is False
    assert shop.get("my-pod", "/healthz").body == b"ok\n"
    assert [lab.machine(p).image.own for p in ("my-pod", "second")] == [shop.images.image("shop").own] * 2
    lab.remove("my-pod")
    assert shop.get("second", "/healthz").body == b"ok\n"
    lab.remove("second")
    assert list(shop.state.items("runtime/")) == []


def test_a_command_that_names_no_program_is_its_program_and_others_are_themselves() -> None:
    lab = Shop("images: {a: {entrypoint: [/app/a], runs: {listens: [{port: 80}]}}}")
    lab.start("own", "a", "/srv/server", "--port", "80")
    assert lab.ports("own") == [(80, "TCP", "*")]
    assert "/srv/server --port 80" in lab.run("own", "ps")[1]
    assert lab.run("own", "which", "a", "/app/a")[1] == "/app/a\n"
    lab.start("shell", "a", "sh", "-c", "echo hi; sleep 100", ip="10.244.1.3")
    assert (lab.ports("shell"), lab.runtime.logs("shell")) == ([], "hi\n")
    lab.start("bare", "a", args=("--verbose",), ip="10.244.1.4")
    assert lab.runtime.listeners("bare")[0].process == "a"


def test_two_of_them_in_a_pod_cannot_have_one_port() -> None:
    lab = Shop("images: {a: {runs: {listens: [{port: 80}]}}}")
    lab.start("one", "a")
    lab.start("two", "a")
    assert lab.runtime.status("two").exit_code == 1
    assert lab.runtime.logs("two") == "a: listen tcp :80: bind: address already in use\n"


def test_reading_is_the_same_each_time() -> None:
    document = Document("a", ROUTES)
    assert read(document) is read(Document("a", ROUTES))
