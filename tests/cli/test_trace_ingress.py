"""`trace` through an ingress controller: the rule that wins and why, TLS, the backend, and where each of them breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kubesim import Cluster

BASE = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  hostAliases: [{ip: 172.18.0.3, hostnames: [a.test]}]
  containers: [{name: client, image: busybox, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: closed}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: nobody.invalid, ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: good}
type: kubernetes.io/tls
stringData: {tls.crt: a certificate, tls.key: its key}
---
apiVersion: v1
kind: Secret
metadata: {name: opaque}
stringData: {cert.pem: a certificate}
"""


def ingress(name: str, host: str, *paths: tuple[str, str, str, object], **spec: Any) -> dict[str, Any]:
    """Paths are a path, its type, a Service and its port."""
    annotations = spec.pop("annotations", {})
    entries = [
        {
            "path": path,
            "pathType": kind,
            "backend": {
                "service": {
                    "name": service,
                    "port": {"number" if isinstance(port, int) else "name": port},
                }
            },
        }
        for path, kind, service, port in paths
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{**({"host": host} if host else {}), "http": {"paths": entries}}],
            **spec,
        },
    }


SOUND = [
    ingress(
        "main",
        "a.test",
        ("/", "Prefix", "web", "http"),
        ("/exact", "Exact", "web", 8080),
        ("/deep", "Prefix", "web", 8080),
    ),
    ingress("wild", "*.wild.test", ("/", "Prefix", "web", 8080)),
    ingress(
        "secure", "s.test", ("/", "Prefix", "web", 8080), tls=[{"hosts": ["s.test"], "secretName": "good"}]
    ),
    ingress(
        "rewriting",
        "r.test",
        ("/api(/|$)(.*)", "ImplementationSpecific", "web", 8080),
        annotations={"nginx.ingress.kubernetes.io/rewrite-target": "/$2"},
    ),
]
BROKEN = [
    ingress(
        "broken",
        "b.test",
        ("/empty", "Prefix", "empty", 80),
        ("/closed", "Prefix", "closed", 80),
        ("/port", "Prefix", "web", 80),
        ("/name", "Prefix", "web", "htpp"),
        ("/alias", "Prefix", "alias", 80),
        ("/exact", "Exact", "web", 8080),
    ),
    ingress(
        "opaque", "o.test", ("/", "Prefix", "web", 8080), tls=[{"hosts": ["o.test"], "secretName": "opaque"}]
    ),
    ingress("classless", "n.test", ("/", "Prefix", "web", 8080), ingressClassName=None),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z", ingress=True) as found:
        for manifest in (BASE, *SOUND, *BROKEN):
            found.apply(manifest)
        found.advance(10)
        yield found


def trace(cluster: Cluster, words: str) -> dict[str, Any]:
    done = cluster.kubectl(f"trace {words} -o json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if found["reachable"] else 1)
    return found


def first(found: dict[str, Any]) -> tuple[int, str, str]:
    finding = found["findings"][0]
    ref = finding["object"]
    assert finding["fix"]
    assert finding["severity"] == "error"
    return finding["code"], f"{ref['kind'].lower()}/{ref['name']}", finding["field"]


def test_the_text_shows_the_rule_the_backend_and_the_endpoint(cluster: Cluster) -> None:
    pod = cluster.get("pod", "web")["status"]["podIP"]
    lines = cluster.kubectl("trace outside http://a.test/deep/er", check=True).stdout.splitlines()
    hops = [line.split(None, 2) for line in lines[1:-1] if line[2:6].strip()]
    assert [kind for _, kind, _ in hops] == [
        "name", "route", "listener", "ingress", "backend", "route", "listener"
    ]  # fmt: skip
    assert hops[0][2].startswith(
        "a.test is to be 172.18.0.3, where ingress/main in namespace default is served"
    )
    assert (
        hops[3][2]
        == "ingress/main in namespace default takes a.test/deep/er: host a.test, path /deep (Prefix)"
    )
    assert hops[4][2] == f"service/web in namespace default port 8080 leads to {pod}:80 (the only endpoint)"
    assert "spec.rules[0].http.paths[2]" in [line.strip() for line in lines]
    assert (
        "before host a.test, path / (Prefix) of ingress/main: the longest prefix wins"
        in [line.strip() for line in lines]
    )  # fmt: skip
    assert "nginx listens on port 80" in hops[6][2]
    assert lines[-1] == "reachable"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("outside http://a.test/exact", "the path itself comes first"),
        ("outside http://any.wild.test/", "*.wild.test stands for one label"),
        ("outside http://r.test/api/v1", "rewrite-target: the backend sees /v1"),
        ("pod/client http://a.test/", "a.test is 172.18.0.3, by /etc/hosts"),
        ("pod/client ingress/main", "host a.test, path /exact (Exact)"),
        ("node/node-2 ingress/main", "host a.test, path /deep (Prefix)"),
        ("outside ingress/rewriting.default", "path /api(/|$)(.*) (ImplementationSpecific)"),
        ("outside ingress/wild", "takes any.wild.test/"),
        ("outside https://s.test/", "TLS with the certificate of Secret default/good"),
        ("outside http://s.test/x", "308 Permanent Redirect to https://s.test/x"),
    ],
)
def test_a_sound_request_arrives_and_its_way_is_told(cluster: Cluster, words: str, said: str) -> None:
    found = trace(cluster, words)
    assert (found["outcome"], found["findings"]) == ("reached", [])
    assert all(hop["ok"] for hop in found["hops"])
    assert said in "\n".join(f"{hop['text']} {' '.join(hop['details'])}" for hop in found["hops"])


BACKEND = "spec.rules[0].http.paths[{}].backend.service.port"
CASES = {
    "outside http://b.test/empty": (
        "503 Service Temporarily Unavailable", "backend", (1, "service/empty", "spec.selector.app")
    ),
    "outside http://b.test/closed": (
        "502 Bad Gateway", "listener", (4, "service/closed", "spec.ports[0].targetPort")
    ),
    "outside http://b.test/port": (
        "503 Service Temporarily Unavailable", "backend", (11, "ingress/broken", BACKEND.format(2) + ".number")
    ),
    "outside http://b.test/name": (
        "503 Service Temporarily Unavailable", "backend", (5, "ingress/broken", BACKEND.format(3) + ".name")
    ),
    "outside http://b.test/alias": (
        "503 Service Temporarily Unavailable", "backend", (18, "service/alias", "spec.externalName")
    ),
    "outside http://b.test/exact/x": (
        "404 Not Found", "ingress", (30, "ingress/broken", "spec.rules[0].http.paths[5].pathType")
    ),
    "outside http://b.test/clsoed": (
        "404 Not Found", "ingress", (30, "ingress/broken", "spec.rules[0].http.paths[1].path")
    ),
    "outside http://x.y.wild.test/": (
        "404 Not Found", "ingress", (30, "ingress/wild", "spec.rules[0].host")
    ),
    "pod/client http://172.18.0.3/": ("404 Not Found", "ingress", (30, "host/172.18.0.3", "")),
    "pod/client http://s.test/": ("not resolved", "name", (13, "ingress/secure", "spec.rules")),
    "outside https://a.test/": ("the certificate is not for this host", "tls", (29, "ingress/main", "spec.tls")),
    "outside https://o.test/": (
        "the certificate is not for this host", "tls", (29, "ingress/opaque", "spec.tls[0].secretName")
    ),
    "outside https://a.test:80/": ("400 Bad Request", "ingress", (8, "ingress/main", "")),
    "outside ingress/classless": ("not served", "ingress", (27, "ingress/classless", "spec.ingressClassName")),
    "outside http://n.test/": ("not resolved", "name", (27, "ingress/classless", "spec.ingressClassName")),
    "outside ingress/broken": (
        "503 Service Temporarily Unavailable", "backend", (1, "service/empty", "spec.selector.app")
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", CASES)
def test_a_request_breaks_at_its_hop_and_its_field(cluster: Cluster, words: str) -> None:
    outcome, hop, reason = CASES[words]
    found = trace(cluster, words)
    assert found["outcome"] == outcome
    assert [h["kind"] for h in found["hops"] if not h["ok"]] == [hop]
    assert first(found) == reason


def test_what_curl_gets_is_what_trace_says(cluster: Cluster) -> None:
    """The walk and the server have the same routes: none of these requests is told otherwise than it is answered."""
    for host, path, wanted in (
        ("a.test", "/exact", "200"),
        ("b.test", "/empty", "503"),
        ("b.test", "/closed", "502"),
        ("b.test", "/exact/x", "404"),
        ("s.test", "/", "308"),
    ):
        words = [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            f"Host: {host}",
            f"http://172.18.0.3{path}",
        ]
        code = cluster.kubectl(words).stdout
        if code == "404":  # of nginx in the Pod: there is no such page
            body = cluster.kubectl(["curl", "-s", "-H", f"Host: {host}", f"http://172.18.0.3{path}"]).stdout
            code = "200" if "nginx/" in body else code
        assert code == wanted, (host, path)
        said = trace(cluster, f"outside http://{host}{path}")
        texts = [said["outcome"], *(hop["text"] for hop in said["hops"])]
        assert (wanted == "200" and said["reachable"]) or any(text.startswith(wanted) for text in texts)


def test_a_near_host_is_proposed_and_all_are_named() -> None:
    rules = ingress("shop", "shop.example.com", ("/", "Prefix", "web", 8080))
    with Cluster(nodes=1, seed=1, clock="2026-01-01T09:00:00Z", ingress=True) as cluster:
        for manifest in (BASE, rules):
            cluster.apply(manifest)
        cluster.advance(10)
        done = cluster.kubectl("trace outside http://shop.exmaple.com/")
    assert (
        "no rule of an Ingress has the host shop.exmaple.com, and there is no default backend" in done.stdout
    )
    assert "hosts of the rules: shop.example.com" in done.stdout
    assert "fix: ask for shop.example.com, or write host: shop.exmaple.com" in done.stdout


def test_a_policy_between_the_controller_and_its_backend_is_named() -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]},
    }
    with Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z", ingress=True) as cluster:
        for manifest in (BASE, SOUND[0], policy):
            cluster.apply(manifest)
        cluster.advance(10)
        found = trace(cluster, "outside ingress/main")
    assert found["outcome"] == "504 Gateway Time-out"
    assert [h["kind"] for h in found["hops"] if not h["ok"]] == ["policy"]
    assert first(found) == (24, "networkpolicy/deny", "spec.ingress")
    assert "from pod ingress-nginx/ingress-nginx-controller" in found["findings"][0]["message"]


def test_nothing_is_said_to_the_application(cluster: Cluster) -> None:
    before = cluster.logs("web")
    assert trace(cluster, "outside ingress/main")["reachable"]
    assert cluster.logs("web") == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("outside ingress/nothing", 1, 'ingresses.networking.k8s.io "nothing" not found'),
        ("outside ingress/main:80", 2, 'there is nothing to send to in "ingress/main:80"'),
    ],
)
def test_ingresses_that_are_none_are_told(cluster: Cluster, words: str, code: int, said: str) -> None:
    done = cluster.kubectl(f"trace {words}")
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.parametrize(("protocol", "reason"), [("", 8), ("HTTPS", 0)], ids=["HTTP", "HTTPS"])
def test_a_backend_that_speaks_tls_has_to_be_told_so(protocol: str, reason: int) -> None:
    """The controller's own port 443 is such a backend."""
    name = "nginx.ingress.kubernetes.io/backend-protocol"
    annotations = {name: protocol} if protocol else {}
    rules = ingress(
        "loop", "loop.test", ("/", "Prefix", "ingress-nginx-controller", 443), annotations=annotations
    )
    with Cluster(nodes=1, seed=1, clock="2026-01-01T09:00:00Z", ingress=True) as cluster:
        cluster.apply(rules, namespace="ingress-nginx")
        cluster.advance(10)
        found = trace(cluster, "outside ingress/loop.ingress-nginx")
    if reason:
        assert found["outcome"] == "502 Bad Gateway"
        assert first(found) == (reason, "ingress/loop", f"metadata.annotations[{name}]")
    else:
        assert found["reachable"]


def test_a_load_balancer_in_front_of_the_controller_is_walked_too() -> None:
    pool = "172.18.255.200-172.18.255.210"
    with Cluster(
        nodes=2, seed=1, clock="2026-01-01T09:00:00Z", ingress=True, load_balancer_pool=pool
    ) as cluster:
        for manifest in (BASE, SOUND[0]):
            cluster.apply(manifest)
        cluster.advance(10)
        found = trace(cluster, "outside http://a.test/")
    kinds = [hop["kind"] for hop in found["hops"]]
    assert kinds[:6] == ["name", "route", "rules", "listener", "ingress", "backend"]
    assert "172.18.255.200" in found["hops"][1]["text"]
