"""A real kubectl posts protobuf and reads it: its generators make what JSON makes, and Go's own code, which it has in it,
agrees with ours about every field of whole objects.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.kubectl import find_kubectl
from support.schemas import default_schema
from support.served import Served, served

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.protobuf.decode import decode_object
from kubesim.apimachinery.protobuf.encode import encode_object
from kubesim.apimachinery.rest import PROTOBUF
from kubesim.apimachinery.schema import Node, shapes

Kubectl = Callable[..., str]

GENERATORS = [
    "service clusterip web --tcp=80:8080 --tcp=443:https",
    "service clusterip headless --clusterip=None",
    "service nodeport np --tcp=80:8080 --node-port=30080",
    "service externalname ext --external-name=db.example.com",
    "service loadbalancer lb --tcp=80:8080",
    "deployment web --image=nginx --replicas=2 --port=8080",
    "job hello --image=busybox -- echo hi",
    "cronjob tick --image=busybox --schedule='*/5 * * * *' --restart=Never -- date",
    "configmap cfg --from-literal=a=1 --from-literal=b=two",
    "configmap binary --from-file=x=BINARY",
    "secret generic s --from-literal=user=admin --from-literal=empty=",
    "secret docker-registry reg --docker-username=u --docker-password=p --docker-server=example.com",
    "serviceaccount robot",
    "quota q --hard=cpu=1000m,memory=2Gi,pods=300 --scopes=NotTerminating",
    "role reader --verb=get,list --resource=pods,deployments.apps",
    "rolebinding rb --role=reader --serviceaccount=default:robot --user=jane",
    "clusterrole cr --verb=get --non-resource-url=/healthz",
    "clusterrole agg --aggregation-rule=rbac.example.com/aggregate=true",
    "clusterrolebinding crb --clusterrole=view --group=devs",
    "ingress ing --class=nginx --rule=example.com/path*=web:80,tls=cert --default-backend=web:http",
    "pdb half --selector=app=web --min-available=50%",
    "pdb one --selector='app in (web, db)' --max-unavailable=1",
    "priorityclass high --value=1000 --description=high",
    "namespace team",
]


@dataclass
class Double:
    """Stands before the API server: notes what is posted, and answers some requests itself."""

    url: str
    posted: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture(scope="module")
def double(cluster: Served) -> Iterator[Double]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            if self.command == "POST":
                made.posted.append((path, self.headers["content-type"], body))
            own = made.answers.get((self.command, path))
            if own is not None:
                status, headers, data = (
                    201 if self.command == "POST" else 200,
                    {"content-type": own[0]},
                    own[1],
                )
            else:
                connection = http.client.HTTPConnection(cluster.host, cluster.port, timeout=20)
                connection.request(self.command, self.path, body or None, dict(self.headers.items()))
                answer = connection.getresponse()
                status, headers, data = answer.status, dict(answer.headers.items()), answer.read()
                connection.close()
            self.send_response(status)
            headers["content-length"] = str(len(data))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Double(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def kubectl(double: Double, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    program = find_kubectl()
    home = tmp_path_factory.mktemp("kubectl")
    (home / "BINARY").write_bytes(b"\0\xff\xfe" + bytes(range(256)))

    def run(*arguments: str, stdin: str = "") -> str:
        told = subprocess.run(
            [program, "--server", double.url, "-n", "default", *arguments],
            env={"HOME": str(home), "KUBECONFIG": os.devnull, "PATH": os.defpath},
            cwd=home,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    return run


def stored(kubectl: Kubectl, name: str) -> Any:
    """What is there under a TYPE/NAME, but for what differs from one object to the next."""
    obj = json.loads(kubectl("get", name, "-o", "json"))
    text = json.dumps(obj).replace(obj["metadata"]["uid"], "UID")
    obj = json.loads(text)
    for part in ("resourceVersion", "creationTimestamp"):
        del obj["metadata"][part]
    spec = obj.get("spec", {})
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    for port in spec.get("ports", []):
        port.pop("nodePort", None)
    obj.pop("status", None)
    return obj


def with_flags(words: list[str], *flags: str) -> list[str]:
    """A command line with flags, in front of a `--`."""
    at = words.index("--") if "--" in words else len(words)
    return [*words[:at], *flags, *words[at:]]


@pytest.mark.parametrize("line", GENERATORS, ids=lambda line: " ".join(line.split()[:3]))
def test_generator_makes_what_json_makes(kubectl: Kubectl, double: Double, line: str) -> None:
    words = ["create", *shlex.split(line)]
    double.posted.clear()
    name = kubectl(*with_flags(words, "-o", "name")).strip()
    assert [media_type for _, media_type, _ in double.posted] == [PROTOBUF]
    binary = stored(kubectl, name)
    kubectl("delete", name, "--now")
    text = kubectl(*with_flags(words, "--dry-run=client", "-o", "json"))
    kubectl("create", "-f", "-", stdin=text)
    plain = stored(kubectl, name)
    kubectl("delete", name, "--now")
    assert json.dumps(binary) == json.dumps(plain)


def test_questions_are_answered(kubectl: Kubectl) -> None:
    assert kubectl("create", "token", "default", "--duration=10m").count(".") == 2
    assert kubectl("auth", "can-i", "get", "pods") == "yes\n"
    assert "kubernetes-admin" in kubectl("auth", "whoami")


# Whole objects: every field that the kind has in 1.32, each with a value that is not zero.


def whole(node: Node, values: dict[int, Any], name: str = "", depth: int = 0) -> Any:
    kind = node.field[0]
    if kind == shapes.STRUCT:
        names = [n for n in node.fields if depth or n not in ("apiVersion", "kind")]
        made = {n: whole(child, values, n, depth + 1) for n in names if (child := node.child(n)) is not None}
        return {n: v for n, v in made.items() if v is not None}
    if node.items is not None:
        return [whole(node.items, values, name, depth + 1)]
    if kind == shapes.MAP:
        value = node.child("")
        return {"some": "key"} if value is None else {f"{name}-key": whole(value, values, name, depth + 1)}
    return values.get(kind, name)


VALUES: dict[int, Any] = {
    shapes.INT32: -32,
    shapes.INT64: 1 << 40,
    shapes.BOOL: True,
    shapes.BYTES: "/wA=",
    shapes.TIME: "2026-01-02T03:04:05Z",
    shapes.MICRO_TIME: "2026-01-02T03:04:05.000006Z",
    shapes.QUANTITY: "1500m",
    shapes.INT_OR_STRING: "50%",
    shapes.RAW: {"f:some": {"raw": [1, "x"]}},
}
WHOLE = {
    "clusterrole": (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
        "cr --verb=get --resource=pods",
    ),
    "configmap": ("v1", "ConfigMap", "configmaps", "cfg"),
    "cronjob": ("batch/v1", "CronJob", "cronjobs", "tick --image=busybox --schedule='* * * * *'"),
    "deployment": ("apps/v1", "Deployment", "deployments", "web --image=nginx"),
    "ingress": ("networking.k8s.io/v1", "Ingress", "ingresses", "ing --rule=a/b=c:80"),
    "job": ("batch/v1", "Job", "jobs", "hello --image=busybox"),
    "namespace": ("v1", "Namespace", "namespaces", "team"),
    "pdb": (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "half --selector=a=b --min-available=1",
    ),
    "priorityclass": ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "high --value=1"),
    "quota": ("v1", "ResourceQuota", "resourcequotas", "q"),
    "rolebinding": ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "rb --role=a --user=b"),
    "secret generic": ("v1", "Secret", "secrets", "s"),
    "service clusterip": ("v1", "Service", "services", "web --tcp=80"),
    "serviceaccount": ("v1", "ServiceAccount", "serviceaccounts", "robot"),
}
CLUSTER_WIDE = ("ClusterRole", "Namespace", "PriorityClass")


def whole_object(api_version: str, kind: str, values: dict[int, Any]) -> dict[str, Any]:
    group, _, version = api_version.rpartition("/")
    node = default_schema().node(GroupVersionKind(group, version, kind))
    return {"apiVersion": api_version, "kind": kind, **whole(node, values)}


@pytest.mark.parametrize(("word", "given"), WHOLE.items(), ids=WHOLE)
def test_kubectl_reads_every_field_that_is_written(
    kubectl: Kubectl, double: Double, word: str, given: tuple[str, str, str, str]
) -> None:
    api_version, kind, plural, rest = given
    obj = whole_object(api_version, kind, VALUES)
    base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    path = f"{base}/{plural}" if kind in CLUSTER_WIDE else f"{base}/namespaces/default/{plural}"
    double.answers[("POST", path)] = (PROTOBUF, encode_object(obj))
    try:
        printed = json.loads(
            kubectl("create", *word.split(), *shlex.split(rest), "-o", "json", "--show-managed-fields")
        )
    finally:
        del double.answers[("POST", path)]
    assert printed == obj


ZEROS: dict[int, Any] = {
    shapes.STRING: "",
    shapes.INT32: 0,
    shapes.INT64: 0,
    shapes.BOOL: False,
    shapes.BYTES: "",
    shapes.QUANTITY: "0",
    shapes.INT_OR_STRING: 0,
    shapes.TIME: None,
}


@pytest.mark.parametrize("values", [VALUES, ZEROS], ids=["values", "zeros"])
def test_every_field_that_kubectl_writes_is_read(
    kubectl: Kubectl, double: Double, values: dict[int, Any]
) -> None:
    """A Job from a CronJob has all that a Pod's template may have. Of zeros, Go's JSON leaves out some."""
    source = whole_object("batch/v1", "CronJob", values)
    source["metadata"] = {"name": "tick", "namespace": "default"}
    path = "/apis/batch/v1/namespaces/default"
    double.answers["GET", f"{path}/cronjobs/tick"] = ("application/json", json.dumps(source).encode())
    double.answers["POST", f"{path}/jobs"] = (
        PROTOBUF,
        encode_object({"apiVersion": "batch/v1", "kind": "Job"}),
    )
    double.posted.clear()
    line = ("create", "job", "hello", "--from=cronjob/tick")
    try:
        kubectl(*line)
        printed = json.loads(kubectl(*line, "--dry-run=client", "-o", "json"))
    finally:
        double.answers.clear()
    [(_, media_type, body)] = double.posted
    assert media_type == PROTOBUF
    job = decode_object(body, GroupVersionKind("", "", ""))
    assert job == without_null(printed)
    if values is VALUES:
        assert job["spec"] == source["spec"]["jobTemplate"]["spec"]


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    return [without_null(v) for v in value] if isinstance(value, list) else value
