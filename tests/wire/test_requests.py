"""The API over HTTP: what a client sends and what comes back, on real sockets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.served import Answer, Served, served

SERVICES = "/api/v1/namespaces/default/services"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as found:
        yield found


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def refused(answer: Answer, code: int, reason: str) -> str:
    """The message of a refusal, which must be a Status with this code and reason."""
    found = answer.json
    assert (answer.status, found["code"], found.get("reason")) == (code, code, reason)
    assert (found["kind"], found["apiVersion"], found["status"]) == ("Status", "v1", "Failure")
    return str(found["message"])


def test_an_object_lives_through_every_verb(api: Served) -> None:
    made = api.ask("POST", CONFIG_MAPS, config_map("life", a="1"))
    assert made.status == 201
    assert made.json["metadata"]["managedFields"][0]["operation"] == "Update"
    path = f"{CONFIG_MAPS}/life"
    changed = made.json | {"data": {"a": "2"}}
    assert api.ask("PUT", path, changed).json["data"] == {"a": "2"}
    patch = b'{"data":{"b":"3"}}'
    merged = api.ask("PATCH", path, patch, {"content-type": "application/merge-patch+json"})
    assert merged.json["data"] == {"a": "2", "b": "3"}
    assert api.ask("GET", path).json == merged.json
    stale = api.ask("PUT", path, changed)
    assert "the object has been modified" in refused(stale, 409, "Conflict")
    assert api.ask("DELETE", path).json["status"] == "Success"
    assert refused(api.ask("GET", path), 404, "NotFound") == 'configmaps "life" not found'


def test_headers_are_those_of_an_api_server(api: Served) -> None:
    answer = api.ask("GET", SERVICES, headers={"audit-id": "mine"})
    assert answer.headers["audit-id"] == "mine"
    assert answer.headers["cache-control"] == "no-cache, private"
    assert answer.headers["content-type"] == "application/json"
    assert {
        "x-kubernetes-pf-flowschema-uid",
        "x-kubernetes-pf-prioritylevel-uid",
        "date",
    } <= answer.headers.keys()


def test_json_is_indented_for_people_alone(api: Served) -> None:
    path = f"{SERVICES}/kubernetes"
    for agent in ("curl/8.5.0", "Wget/1.21", "Mozilla/5.0 (X11)"):
        assert api.ask("GET", path, headers={"user-agent": agent}).body.startswith(b'{\n  "kind": "Service",')
    assert api.ask("GET", path, headers={"user-agent": "kubectl/v1.32"}).body.startswith(
        b'{"kind":"Service",'
    )
    assert api.ask("GET", f"{path}?pretty=true").body.startswith(b"{\n")
    assert api.ask("GET", f"{path}?pretty=0", headers={"user-agent": "curl/8"}).body.startswith(b'{"kind"')


def test_fields_stand_in_the_order_of_the_struct(api: Served) -> None:
    metadata = list(api.ask("GET", f"{SERVICES}/kubernetes").json["metadata"])
    assert metadata == [
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels", "managedFields",
    ]  # fmt: skip


def test_what_html_could_take_for_markup_is_escaped(api: Served) -> None:
    made = api.ask("POST", CONFIG_MAPS, config_map("markup", a="<b>&</b>"))
    assert rb"\u003cb\u003e\u0026\u003c/b\u003e" in made.body
    assert made.json["data"]["a"] == "<b>&</b>"


def test_yaml_comes_where_it_is_wanted(api: Served) -> None:
    answer = api.ask("GET", f"{SERVICES}/kubernetes", headers={"accept": "application/yaml"})
    assert answer.headers["content-type"] == "application/yaml"
    assert answer.body.startswith(b"apiVersion: v1\nkind: Service\n")


def test_yaml_can_be_sent(api: Served) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\n"
    assert api.ask("POST", CONFIG_MAPS, body, {"content-type": "application/yaml"}).status == 201


def test_large_answers_are_packed_for_who_takes_that(api: Served) -> None:
    assert api.ask("POST", CONFIG_MAPS, config_map("large", a="x" * 200_000)).status == 201
    path = f"{CONFIG_MAPS}/large"
    packed = api.ask("GET", path, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert len(packed.body) < 20_000
    assert json.loads(gzip.decompress(packed.body)) == api.ask("GET", path).json


def test_small_answers_are_not_packed(api: Served) -> None:
    answer = api.ask("GET", f"{SERVICES}/kubernetes", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_warnings_are_headers(api: Served) -> None:
    path = f"{CONFIG_MAPS}?fieldValidation=Warn"
    answer = api.ask("POST", path, config_map("warned") | {"foo": 1})
    assert answer.status == 201
    assert answer.headers["warning"] == '299 - "unknown field \\"foo\\""'


def test_a_table_has_columns_and_rows(api: Served) -> None:
    answer = api.ask("GET", SERVICES, headers={"accept": f"{TABLE},application/json"})
    assert [c["name"] for c in answer.json["columnDefinitions"]][:2] == ["Name", "Type"]
    assert answer.json["rows"][0]["cells"][0] == "kubernetes"


def test_a_list_comes_in_pieces(api: Served) -> None:
    names = []
    path = "/api/v1/namespaces?limit=2"
    more = ""
    while True:
        page = api.ask("GET", f"{path}&continue={more}").json
        names += [i["metadata"]["name"] for i in page["items"]]
        more = page["metadata"].get("continue", "")
        if not more:
            break
    assert names == sorted(names)
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(names)


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v9/foo", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nosuchs", 404, "NotFound"),
        ("GET", "/apis/apps/v9/deployments", 404, "NotFound"),
        ("POST", f"{SERVICES}/kubernetes", 405, "MethodNotAllowed"),
        ("HEAD", f"{SERVICES}/kubernetes", 405, ""),
        ("GET", f"{SERVICES}/..", 400, "BadRequest"),
        ("GET", f"{SERVICES}/%2e%2e", 400, "BadRequest"),
        ("GET", f"{SERVICES}/a%2fb", 400, "BadRequest"),
        ("GET", f"{SERVICES}/a%25b", 400, "BadRequest"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(
    api: Served, method: str, path: str, code: int, reason: str
) -> None:
    answer = api.ask(method, path, {} if method == "POST" else None)
    if method == "HEAD":
        assert (answer.status, answer.body) == (code, b"")
        assert int(answer.headers["content-length"]) > 0
    else:
        refused(answer, code, reason)


def test_an_unknown_group_is_not_even_a_status(api: Served) -> None:
    answer = api.ask("GET", "/apis/nosuch.example.com/v1/things")
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("body", "content_type", "code", "reason", "part"),
    [
        (b"{bad", "application/json", 400, "BadRequest", "invalid character 'b' looking for beginning"),
        (b"", "application/json", 400, "BadRequest", ""),
        (b"[]", "application/json", 400, "BadRequest", ""),
        (b"x", "text/plain", 415, "UnsupportedMediaType", "accepted media types include: application/json"),
        (b"{" + b'"a":{' * 20000 + b"}" * 20001, "application/json", 400, "BadRequest", "exceeded max depth"),
        (b"\xff\xfe\x00", "application/json", 400, "BadRequest", "invalid character"),
        (b"a: [", "application/yaml", 400, "BadRequest", ""),
        (b"k8s\0garbage", "application/vnd.kubernetes.protobuf", None, None, ""),
    ],
    ids=["syntax", "empty", "array", "type", "deep", "binary", "yaml", "protobuf"],
)
def test_bad_bodies_are_refused(
    api: Served, body: bytes, content_type: str, code: int | None, reason: str | None, part: str
) -> None:
    answer = api.ask("POST", CONFIG_MAPS, body, {"content-type": content_type})
    if code is None:
        assert answer.json["code"] in (400, 415)
        return
    assert part in refused(answer, code, reason or "")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(api: Served) -> None:
    told = api.ask("POST", CONFIG_MAPS, b"x" * (3 * 1024 * 1024 + 1), {"content-type": "application/json"})
    assert refused(told, 413, "RequestEntityTooLarge") == "Request entity too large: limit is 3145728"


def test_a_body_without_a_length_is_measured_as_it_comes(api: Served) -> None:
    with api.connect() as connection:
        head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        piece = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
        try:
            for _ in range(16):
                connection.sendall(piece)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # the server need not listen to the end
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_metrics_count_requests_and_objects(api: Served) -> None:
    api.ask("GET", f"{SERVICES}/kubernetes")
    api.ask("GET", "/made/up")
    text = api.ask("GET", "/metrics").body.decode()
    lines = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line[0] != "#"
    }
    counted = [
        name
        for name in lines
        if name.startswith("apiserver_request_total{") and 'resource="services"' in name
    ]
    assert any('verb="GET"' in name and 'code="200"' in name for name in counted)
    assert lines['apiserver_storage_objects{resource="namespaces"}'] == 4
    assert lines['workqueue_depth{name="endpoints-controller"}'] == 0
    assert "/made" not in text


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(api: Served, path: str) -> None:
    assert api.ask("GET", path).body == b"ok"
    verbose = api.ask("GET", f"{path}?verbose").body.decode()
    assert verbose.startswith("[+]ping ok\n")
    assert verbose.endswith(f"{path[1:]} check passed\n")


def test_discovery_is_not_sent_again_to_who_has_it(api: Served) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    first = api.ask("GET", "/apis", headers={"accept": accept})
    again = api.ask("GET", "/apis", headers={"accept": accept, "if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_endpoints_are_there_when_a_write_of_kubectl_is_answered(api: Served) -> None:
    agent = {"user-agent": "kubectl/v1.32.5 (linux/amd64)"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "settled", "labels": {"app": "settled"}},
        "spec": {"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "settled"},
        "spec": {"selector": {"app": "settled"}, "ports": [{"port": 80}]},
    }
    assert api.ask("POST", "/api/v1/namespaces/default/pods", pod, agent).status == 201
    assert api.ask("POST", SERVICES, service, agent).status == 201
    endpoints = api.ask("GET", "/api/v1/namespaces/default/endpoints/settled").json
    assert len(endpoints["subsets"][0]["addresses"]) == 1
