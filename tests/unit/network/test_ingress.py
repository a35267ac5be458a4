"""The simulated ingress-nginx: from a client outside to an endpoint, by host and path."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster import make_cluster
from support.edge import AGNHOST, Open, curl, opened

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.resources import EVENTS, PODS, SECRETS, SERVICES
from kubesim.controllers.ingressnginx import CONTROLLER, INGRESS_CLASSES, INGRESSES, NAME, NAMESPACE
from kubesim.network.views import view_of_outside
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.util.jsontypes import JSONObject

POLICIES = GroupVersionResource("networking.k8s.io", "v1", "networkpolicies")
POOL = "172.18.255.200-172.18.255.250"


class Lab(Open):
    """A cluster with an ingress controller, a web server and a server that tells what it saw."""

    def fill(self) -> None:
        self.pod("web", "nginx:1.27")
        self.service("web", {"port": 80, "name": "http"}, type="ClusterIP")
        for number in (1, 2):
            args = ("netexec", "--http-port=8080")
            self.pod(f"echo-{number}", AGNHOST, *args, labels={"app": "echo"}, nodeName=f"node-{number}")
        self.service("echo", {"port": 80, "targetPort": 8080}, type="ClusterIP")
        self.service("empty", {"port": 80}, type="ClusterIP")

    def ingress(self, name: str, host: str, paths: dict[str, str], **more: Any) -> None:
        annotations = {f"nginx.ingress.kubernetes.io/{k}": v for k, v in more.pop("annotations", {}).items()}
        entries = [
            {
                "path": path,
                "pathType": more.pop("kind", "Prefix"),
                "backend": {"service": {"name": service, "port": {"number": 80}}},
            }
            for path, service in paths.items()
        ]
        spec = {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": entries}}], **more}
        self.client.create(
            INGRESSES, {"metadata": {"name": name, "annotations": annotations}, "spec": spec}, "default"
        )
        self.settle()

    def ask(
        self, host: str, target: str = "/", *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> HTTPResponse:
        """From outside, in the simulation."""
        network = self.cluster.network
        status = self.client.get(SERVICES, NAME, NAMESPACE)["status"]
        address = (status["loadBalancer"].get("ingress") or [{"ip": "172.18.0.3"}])[0]["ip"]
        with network.fabric.runtime.lock:
            connection = view_of_outside(network.fabric).connect(address, 80)
            found = [("Host", host), *(headers or {}).items(), ("Content-Length", str(len(body)))]
            return connection.http(HTTPRequest("POST" if body else "GET", target, found, body))

    def port(self, number: int, kind: str = "HostPort") -> int:
        [found] = [
            o.port
            for o in self.edge.openings
            if (o.exposure.kind, o.exposure.port, o.exposure.name) == (kind, number, NAME)
        ]
        return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with opened(ingress=True) as found:
        lab = Lab(found.cluster, found.plane, found.edge)
        lab.fill()
        lab.ingress(
            "main",
            "a.test",
            {
                "/": "web",
                "/echo": "echo",
                "/header": "echo",
                "/hostname": "echo",
                "/empty": "empty",
                "/missing": "missing",
            },
        )
        yield lab


def test_nothing_of_it_is_there_unless_asked_for() -> None:
    cluster = make_cluster(settle=True)
    assert cluster.client.list(INGRESS_CLASSES)["items"] == []
    assert "ingress-nginx" not in [
        n["metadata"]["name"]
        for n in cluster.client.list(GroupVersionResource("", "v1", "namespaces"))["items"]
    ]


def test_its_objects_are_those_of_ingress_nginx(lab: Lab) -> None:
    [found] = lab.client.list(INGRESS_CLASSES)["items"]
    assert (found["metadata"]["name"], found["spec"]["controller"]) == ("nginx", CONTROLLER)
    pod = lab.client.get(PODS, NAME, NAMESPACE)
    assert pod["status"]["containerStatuses"][0]["ready"]
    lab.client.delete(PODS, NAME, NAMESPACE)
    lab.settle()
    assert lab.client.get(PODS, NAME, NAMESPACE)["metadata"]["uid"] != pod["metadata"]["uid"]
    assert lab.ask("a.test").status == 200


def test_the_ingress_has_the_address_of_the_node(lab: Lab) -> None:
    address = lab.client.get(PODS, NAME, NAMESPACE)["status"]["hostIP"]
    assert lab.client.get(INGRESSES, "main", "default")["status"]["loadBalancer"] == {
        "ingress": [{"ip": address}]
    }
    found = [e for e in lab.client.list(EVENTS, "default")["items"] if e["involvedObject"]["name"] == "main"]
    assert [(e["reason"], e["message"]) for e in found] == [("Sync", "Scheduled for sync")]


def test_ingresses_of_others_are_left_alone(lab: Lab) -> None:
    lab.ingress("other", "other.test", {"/": "web"}, ingressClassName="other")
    assert lab.client.get(INGRESSES, "other", "default")["status"] == {"loadBalancer": {}}
    assert lab.ask("other.test").status == 404


def test_paths_lead_to_their_services(lab: Lab) -> None:
    assert b"Welcome to nginx!" in lab.ask("a.test").body
    assert lab.ask("a.test", "/echo?msg=hello").body == b"hello"
    assert {lab.ask("a.test", "/hostname").body for _ in range(4)} == {b"echo-1", b"echo-2"}


@pytest.mark.parametrize(
    ("host", "path", "status", "reason"),
    [
        ("nobody.test", "/", 404, "Not Found"),
        ("a.test", "/empty", 503, "Service Temporarily Unavailable"),
        ("a.test", "/missing", 503, "Service Temporarily Unavailable"),
    ],
    ids=["no such host", "no endpoints", "no such Service"],
)
def test_pages_are_those_of_ingress_nginx(lab: Lab, host: str, path: str, status: int, reason: str) -> None:
    answer = lab.ask(host, path)
    assert answer.status == status
    assert answer.body.decode() == (
        f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    assert answer.header("Server") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "172.18.0.1"),
        ("X-Real-IP", "172.18.0.1"),
        ("X-Forwarded-Host", "a.test"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", "80"),
        ("X-Original-Forwarded-For", "192.0.2.9"),
        ("X-Mine", "kept"),
    ],
)
def test_the_backend_sees_who_asked(lab: Lab, name: str, value: str) -> None:
    answer = lab.ask(
        "a.test", f"/header?key={name}", headers={"X-Mine": "kept", "X-Forwarded-For": "192.0.2.9"}
    )
    assert answer.body.decode() == value


def test_a_body_of_more_than_a_megabyte_is_refused(lab: Lab) -> None:
    assert lab.ask("a.test", "/echo", body=b"x" * 1_100_000).status == 413
    lab.ingress("big", "big.test", {"/": "echo"}, annotations={"proxy-body-size": "8m"})
    assert lab.ask("big.test", "/echo", body=b"x" * 1_100_000).status == 200


def test_heads_that_are_too_long_are_refused(lab: Lab) -> None:
    cookie = lab.ask("a.test", "/echo", headers={"Cookie": "c" * 9000})
    assert (cookie.status, cookie.header("Connection")) == (400, "close")
    assert b"<center>Request Header Or Cookie Too Large</center>" in cookie.body
    line = lab.ask("a.test", "/echo?" + "a" * 9000)
    assert (line.status, line.reason) == (414, "Request-URI Too Large")


def test_paths_are_rewritten(lab: Lab) -> None:
    lab.ingress(
        "rewrite", "rewrite.test", {"/api(/|$)(.*)": "echo"}, annotations={"rewrite-target": "/$2", "use-regex": "true"},
        kind="ImplementationSpecific",
    )  # fmt: skip
    assert lab.ask("rewrite.test", "/api/echo?msg=there").body == b"there"
    assert lab.ask("rewrite.test", "/other").status == 404


def test_a_backend_that_is_not_reached_is_a_bad_gateway(lab: Lab) -> None:
    lab.service("wrong", {"port": 80, "targetPort": 9999}, type="ClusterIP", selector={"app": "echo"})
    lab.ingress("wrong", "wrong.test", {"/": "wrong"})
    answer = lab.ask("wrong.test")
    assert (answer.status, answer.reason) == (502, "Bad Gateway")
    log = lab.client.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/{NAME}/log", accept="*/*").body
    assert re.search(r"\[default-wrong-80\] \[\] 10\.244\.\d\.\d+:9999, 10\.244\.\d\.\d+:9999 ", str(log))


def test_policies_may_name_its_namespace(lab: Lab) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}
    spec: JSONObject = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [peer]}]}
    lab.client.create(POLICIES, {"metadata": {"name": "p"}, "spec": spec}, "default")
    assert lab.ask("a.test").status == 200
    lab.client.delete(POLICIES, "p", "default")
    lab.client.create(POLICIES, {"metadata": {"name": "p"}, "spec": spec | {"ingress": []}}, "default")
    assert lab.ask("a.test").status == 504
    lab.client.delete(POLICIES, "p", "default")


def test_a_readiness_of_endpoints_counts(lab: Lab) -> None:
    lab.client.delete(PODS, "echo-2", "default")
    lab.settle()
    assert {lab.ask("a.test", "/hostname").body for _ in range(4)} == {b"echo-1"}
    lab.pod("echo-2", AGNHOST, "netexec", "--http-port=8080", labels={"app": "echo"})


# With the real curl


def test_the_real_curl_comes_in(lab: Lab) -> None:
    port = lab.port(80)
    done = curl("--resolve", f"a.test:{port}:127.0.0.1", f"http://a.test:{port}/header?key=X-Forwarded-Host")
    assert done.stdout == ("a.test" if port == 80 else f"a.test:{port}")
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}").stdout == "404"


def test_a_host_without_a_certificate_shows_the_default_one(lab: Lab, tmp_path: Path) -> None:
    port = lab.port(443)
    ca = tmp_path / "ca.crt"
    ca.write_bytes(lab.cluster.authority.ca_pem)
    done = curl(
        "--cacert",
        str(ca),
        "--resolve",
        f"ingress.local:{port}:127.0.0.1",
        f"https://ingress.local:{port}/",
        "-v",
    )
    assert "CN=Kubernetes Ingress Controller Fake Certificate" in done.stderr
    assert "404 Not Found" in done.stdout
    assert curl(f"https://127.0.0.1:{port}/").returncode == 60
    plain = curl("-i", f"http://127.0.0.1:{port}/").stdout
    assert plain.startswith("HTTP/1.1 400 Bad Request\n")
    assert "<center>The plain HTTP request was sent to HTTPS port</center>" in plain


def test_a_certificate_comes_from_its_secret(lab: Lab, tmp_path: Path) -> None:
    certificate, key = lab.cluster.authority.server_certificate(["tls.test"])
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    lab.client.create(
        SECRETS, {"metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "data": data}, "default"
    )
    lab.ingress(
        "tls",
        "tls.test",
        {"/": "web", "/header": "echo"},
        tls=[{"hosts": ["tls.test"], "secretName": "cert"}],
    )
    ca = tmp_path / "ca.crt"
    ca.write_bytes(lab.cluster.authority.ca_pem)
    port = lab.port(443)
    words = ("--cacert", str(ca), "--resolve", f"tls.test:{port}:127.0.0.1")
    done = curl(*words, "-i", f"https://tls.test:{port}/header?key=X-Forwarded-Proto")
    assert done.stdout.endswith("https")
    assert "Strict-Transport-Security: max-age=31536000; includeSubDomains" in done.stdout
    plain = lab.ask("tls.test", "/x?y=1")
    assert (plain.status, plain.header("Location")) == (308, "https://tls.test/x?y=1")
    port = lab.port(80)
    done = curl("-o", "/dev/null", "-w", "%{json}", "-H", "Host: tls.test", f"http://127.0.0.1:{port}/")
    assert json.loads(done.stdout)["response_code"] == 308


def test_with_a_pool_it_has_an_address_of_its_own() -> None:
    with opened(ingress=True, load_balancer_pool=(POOL,)) as found:
        lab = Lab(found.cluster, found.plane, found.edge)
        lab.pod("web", "nginx:1.27")
        lab.service("web", {"port": 80}, type="ClusterIP")
        lab.ingress("main", "a.test", {"/": "web"})
        points = [{"ip": "172.18.255.200"}]
        assert lab.client.get(INGRESSES, "main", "default")["status"]["loadBalancer"]["ingress"] == points
        assert lab.ask("a.test").status == 200
        port = lab.port(80, "LoadBalancer")
        assert "Welcome" in curl("-H", "Host: a.test", f"http://127.0.0.1:{port}").stdout
        assert not any(o.exposure.kind == "HostPort" for o in lab.edge.openings)
