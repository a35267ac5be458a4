"""Bodies in protobuf make what JSON makes; clients that take nothing else are answered in it."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster import make_cluster
from support.served import served

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.protobuf.decode import decode_object
from kubesim.apimachinery.protobuf.encode import encode_object
from kubesim.apimachinery.rest import JSON, PROTOBUF, Request, Response
from kubesim.apiserver.http.codec import body_bytes
from kubesim.apiserver.negotiation import PLAIN, negotiate
from kubesim.apiserver.server import APIServer
from kubesim.cluster.build import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
ANY = GroupVersionKind("", "", "")
RECORDED = json.loads(
    (Path(__file__).parents[1] / "apimachinery" / "protobuf" / "kubectl_1_32.json").read_text(
        encoding="utf-8"
    )
)
PATHS = {
    "ConfigMap": MAPS,
    "CronJob": "/apis/batch/v1/namespaces/default/cronjobs",
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    "Namespace": "/api/v1/namespaces",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "ResourceQuota": "/api/v1/namespaces/default/resourcequotas",
    "Secret": "/api/v1/namespaces/default/secrets",
    "Service": "/api/v1/namespaces/default/services",
    "ServiceAccount": "/api/v1/namespaces/default/serviceaccounts",
}
NEITHER = ("metadata", "uid"), ("metadata", "resourceVersion"), ("spec", "clusterIP"), ("spec", "clusterIPs")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = make_cluster(settle=True)
    yield made
    made.close()


@pytest.fixture
def server(cluster: Cluster) -> APIServer:
    return cluster.server


def send(
    server: APIServer,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    media_type: str = PROTOBUF,
    accept: str = f"{PROTOBUF},{JSON}",
    **query: str,
) -> Response:
    headers = {"content-type": media_type, "accept": accept, "user-agent": "kubectl/v1.32.0"}
    return server(Request(method, path, {k: [v] for k, v in query.items()}, headers, body))


def made(response: Response) -> dict[str, Any]:
    assert isinstance(response.body, dict)
    assert response.status < 300, response.body["message"]
    return response.body


def comparable(obj: dict[str, Any]) -> dict[str, Any]:
    for part, name in NEITHER:
        obj.get(part, {}).pop(name, None)
    for port in obj.get("spec", {}).get("ports", []):
        port.pop("nodePort", None)
    for entry in obj["metadata"].get("managedFields", []):
        entry["time"] = ""
    return obj


STORED = [r for r in RECORDED if r["object"]["kind"] in PATHS]


@pytest.mark.parametrize("recorded", STORED, ids=lambda r: r["command"][:40])
def test_stored_as_json_is_stored(server, recorded):
    path = PATHS[recorded["object"]["kind"]]
    binary = made(send(server, "POST", path, base64.b64decode(recorded["body"]), fieldValidation="Strict"))
    name = binary["metadata"]["name"]
    stored = made(send(server, "GET", f"{path}/{name}"))
    if path != "/api/v1/namespaces":
        made(send(server, "DELETE", f"{path}/{name}"))
        text = json.dumps(recorded["object"]).encode()
        again = made(send(server, "POST", path, text, media_type=JSON, fieldValidation="Strict"))
        assert json.dumps(comparable(binary)) == json.dumps(comparable(again))
        assert json.dumps(comparable(stored)) == json.dumps(
            comparable(made(send(server, "GET", f"{path}/{name}")))
        )


def config_map(name: str = "a", **fields: Any) -> bytes:
    return encode_object(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            **fields,
        }
    )


def test_put_replaces(server):
    send(server, "POST", MAPS, config_map())
    made(send(server, "PUT", f"{MAPS}/a", config_map(data={"k": "v"})))
    assert made(send(server, "GET", f"{MAPS}/a"))["data"] == {"k": "v"}


def test_fields_of_another_version_are_dropped_without_a_word(server):
    """`Strict` does not look at protobuf: upstream has no strict decoder for it."""
    pod = {"containers": [{"name": "c", "image": "nginx"}], "hostnameOverride": "since-1-34"}
    body = encode_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod})
    response = send(server, "POST", PODS, body, fieldValidation="Strict")
    assert "hostnameOverride" not in made(response)["spec"]
    assert response.warnings == []


def test_delete_options_are_read(server):
    send(server, "POST", MAPS, config_map())
    options = encode_object({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}})
    refused = send(server, "DELETE", f"{MAPS}/a", options)
    assert refused.status == 409
    assert "the UID in the precondition (other) does not match" in str(refused.body)


def test_review_is_answered(server):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert made(send(server, "POST", path, encode_object(review)))["status"]["allowed"] is True


def test_scale_is_set(server):
    deployment = next(r for r in RECORDED if r["object"]["kind"] == "Deployment")
    path = PATHS["Deployment"]
    send(server, "POST", path, base64.b64decode(deployment["body"]))
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "web"},
        "spec": {"replicas": 5},
    }
    assert made(send(server, "PUT", f"{path}/web/scale", encode_object(scale)))["spec"] == {"replicas": 5}


REFUSED = {
    "empty": (b"", "the object provided is unrecognized (must be of type ConfigMap): empty data (<empty>)"),
    "garbage": (b"garbage", ("the object provided is unrecognized (must be of type ConfigMap): provided data does not "
        "appear to be a protobuf message, expected prefix [107 56 115 0] (67617262616765)")),
    "cut off": (b"k8s\0\x0a\x05v", ("the object provided is unrecognized (must be of type ConfigMap): unexpected EOF "
        "(6b3873000a0576)")),
    "cut off within": (config_map()[:21] + b"\x12\x02\x0a\x05",
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'),
    "another kind": (encode_object({"apiVersion": "v1", "kind": "Secret"}),
        ('Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
        "unknown conversion")),
    "another version": (encode_object({"apiVersion": "apps/v1", "kind": "Deployment"}),
        ('Deployment in version "v1" cannot be handled as a ConfigMap: converting (v1.Deployment) to '
        "(core.ConfigMap): unknown conversion")),
    "no such kind": (b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Foo",
        ('Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in '
        'scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"')),
}  # fmt: skip


@pytest.mark.parametrize(("body", "text"), REFUSED.values(), ids=REFUSED)
def test_refused_with_400(server, body, text):
    response = send(server, "POST", MAPS, body)
    assert (response.status, response.body["message"]) == (400, text)


def test_json_is_answered_where_it_is_accepted(server):
    response = send(server, "POST", MAPS, config_map())
    assert response.headers["content-type"] == JSON


@pytest.mark.parametrize("accept", [JSON, "*/*", f"{JSON}, */*", f"{PROTOBUF},{JSON}", f"{PROTOBUF}, */*"])
def test_who_takes_json_is_answered_the_short_way(accept):
    assert negotiate({"accept": accept}) is PLAIN


def read(response: Response) -> dict[str, Any]:
    assert response.headers["content-type"] == PROTOBUF
    return decode_object(body_bytes(response, pretty=False), ANY)


def test_protobuf_is_answered_where_nothing_else_is_accepted(server):
    response = send(server, "POST", MAPS, config_map(data={"k": "v"}), accept=PROTOBUF)
    assert response.status == 201
    assert read(response)["data"] == {"k": "v"}
    assert read(send(server, "GET", f"{MAPS}/a", accept=PROTOBUF)) == made(send(server, "GET", f"{MAPS}/a"))


def test_list_in_protobuf(server):
    send(server, "POST", MAPS, config_map())
    found = read(send(server, "GET", MAPS, accept=PROTOBUF))
    assert found["kind"] == "ConfigMapList"
    assert "a" in [item["metadata"]["name"] for item in found["items"]]


def test_metadata_alone_in_protobuf(server):
    send(server, "POST", MAPS, config_map(data={"k": "v"}))
    accept = f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    found = read(send(server, "GET", f"{MAPS}/a", accept=accept))
    assert (found["kind"], found["metadata"]["name"], "data" in found) == (
        "PartialObjectMetadata",
        "a",
        False,
    )


def test_status_in_protobuf(server):
    found = read(send(server, "GET", f"{MAPS}/nosuch", accept=PROTOBUF))
    assert (found["kind"], found["code"], found["message"]) == (
        "Status",
        404,
        'configmaps "nosuch" not found',
    )


def test_table_is_not_to_be_had_in_protobuf(server):
    accept = f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"
    assert send(server, "GET", MAPS, accept=accept).status == 406


def frames(answer: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a watch: a length in four bytes, then a WatchEvent with a type and an object."""
    while size := int.from_bytes(answer.read(4), "big"):
        frame = answer.read(size)
        length = frame[1]
        yield frame[2 : 2 + length].decode(), decode_object(frame[frame.index(b"k8s\0") :], ANY)


def test_watch_in_protobuf_over_http():
    with served() as cluster:
        for name in ("a", "b"):
            assert cluster.ask("POST", MAPS, config_map(name), {"content-type": PROTOBUF}).status == 201
        listed = cluster.ask("GET", MAPS, headers={"accept": PROTOBUF})
        assert listed.headers["content-type"] == PROTOBUF
        revision = decode_object(listed.body, ANY)["metadata"]["resourceVersion"]
        connection = http.client.HTTPConnection(cluster.host, cluster.port, timeout=20)
        connection.request("GET", f"{MAPS}?watch=1&resourceVersion={revision}", headers={"accept": PROTOBUF})
        answer = connection.getresponse()
        assert answer.headers["content-type"] == f"{PROTOBUF};stream=watch"
        events = frames(answer)
        with cluster.watch(f"{MAPS}?watch=1&resourceVersion={revision}") as plain:
            cluster.ask("PUT", f"{MAPS}/a", config_map("a", data={"k": "v"}), {"content-type": PROTOBUF})
            cluster.ask("DELETE", f"{MAPS}/b")
            for kind in ("MODIFIED", "DELETED"):
                event = next(plain)
                assert next(events) == (kind, event["object"])
        connection.close()
