"""The proxies of the API server (test/e2e/network/proxy.go): Pods and Services by name, scheme and port, with any method; and
its paths that never change (networking.go). Over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.e2e import AGNHOST
from support.served import Served, served

PREFIX = "/api/v1/namespaces/default"
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
LINK = '<a href="/rewriteme">test</a>'
TLS_LINK = '<a href="/tlsrewriteme">test</a>'
SERVES = {
    "PORT_80": LINK, "PORT_1080": LINK, "PORT_160": "foo", "PORT_162": "bar",
    "TLS_PORT_443": TLS_LINK, "TLS_PORT_460": "tls baz", "TLS_PORT_462": "tls qux",
}  # fmt: skip
NAMED = {"http": 80, "dest1": 160, "dest2": 162, "tlsdest1": 460, "tlsdest2": 462}
SERVICE_PORTS: list[tuple[str, int, Any]] = [
    ("portname1", 80, "dest1"), ("portname2", 81, 162),
    ("tlsportname1", 443, "tlsdest1"), ("tlsportname2", 444, 462),
]  # fmt: skip


def porter(name: str, serves: dict[str, str], ports: dict[str, int], *flags: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": AGNHOST,
        "command": ["/agnhost", "porter", *flags],
        "env": [{"name": f"SERVE_{key}", "value": value} for key, value in serves.items()],
        "ports": [{"name": key, "containerPort": number} for key, number in ports.items()],
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
    }
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """An API server, two Pods that serve texts, and a Service in front of each."""
    with served() as made:
        pods = [
            porter("proxied", SERVES, NAMED),
            porter("agnhost", {"PORT_80": "foo"}, {}, "--json-response"),
        ]
        ports = {"proxied": SERVICE_PORTS, "agnhost": [("", 80, 80)]}
        for pod in pods:
            name = pod["metadata"]["name"]
            listed = [
                {"port": port, "targetPort": target} | ({"name": port_name} if port_name else {})
                for port_name, port, target in ports[name]
            ]
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"{name}-service"},
                "spec": {"selector": {"app": name}, "ports": listed},
            }
            assert made.ask("POST", f"{PREFIX}/services", service).status == 201
            assert made.ask("POST", f"{PREFIX}/pods", pod).status == 201
        for name in ports:
            with made.watch(
                f"{PREFIX}/endpoints?watch=true&fieldSelector=metadata.name={name}-service"
            ) as events:
                assert any(s.get("addresses") for e in events for s in e["object"].get("subsets") or ())
        yield made


CASES = [
    ("services", "proxied-service:portname1", "foo"),
    ("services", "http:proxied-service:portname1", "foo"),
    ("services", "proxied-service:portname2", "bar"),
    ("services", "http:proxied-service:portname2", "bar"),
    ("services", "https:proxied-service:tlsportname1", "tls baz"),
    ("services", "https:proxied-service:tlsportname2", "tls qux"),
    ("pods", "proxied", f'<a href="{PREFIX}/pods/proxied/proxy/rewriteme">test</a>'),
    ("pods", "proxied:1080", f'<a href="{PREFIX}/pods/proxied:1080/proxy/rewriteme">test</a>'),
    ("pods", "http:proxied:1080", f'<a href="{PREFIX}/pods/http:proxied:1080/proxy/rewriteme">test</a>'),
    ("pods", "proxied:160", "foo"),
    ("pods", "http:proxied:160", "foo"),
    ("pods", "proxied:162", "bar"),
    ("pods", "http:proxied:162", "bar"),
    ("pods", "https:proxied:443", f'<a href="{PREFIX}/pods/https:proxied:443/proxy/tlsrewriteme">test</a>'),
    ("pods", "https:proxied:460", "tls baz"),
    ("pods", "https:proxied:462", "tls qux"),
]


@pytest.mark.parametrize(("resource", "name", "expected"), CASES, ids=[f"{r} {n}" for r, n, _ in CASES])
def test_through_a_service_and_a_pod(server: Served, resource: str, name: str, expected: str) -> None:
    answer = server.ask("GET", f"{PREFIX}/{resource}/{name}/proxy/")
    assert (answer.status, answer.body.decode()) == (200, expected)


BOTH = [("pods", "agnhost"), ("services", "agnhost-service")]


@pytest.mark.parametrize(("resource", "name"), BOTH, ids=["Pod", "Service"])
@pytest.mark.parametrize("method", METHODS)
def test_methods_with_a_path(server: Served, resource: str, name: str, method: str) -> None:
    answer = server.ask(method, f"{PREFIX}/{resource}/{name}/proxy/some/path/with/{method}")
    assert answer.status == 200
    if method != "HEAD":
        assert answer.json == {"Method": method, "Body": "foo"}


@pytest.mark.parametrize(("resource", "name"), BOTH, ids=["Pod", "Service"])
@pytest.mark.parametrize("method", METHODS)
def test_methods_without_a_path(server: Served, resource: str, name: str, method: str) -> None:
    """What reads is led to the path with a slash."""
    answer = server.ask(method, f"{PREFIX}/{resource}/{name}/proxy?method={method}")
    if method in {"GET", "HEAD"}:
        assert answer.status == 301
        assert answer.headers["location"].endswith(f"/{name}/proxy/?method={method}")
    else:
        assert (answer.status, answer.json) == (200, {"Method": method, "Body": "foo"})


@pytest.mark.parametrize("path", ["/healthz", "/api", "/apis", "/metrics", "/openapi/v2", "/version"])
def test_static_paths(server: Served, path: str) -> None:
    assert server.ask("GET", path).status == 200
