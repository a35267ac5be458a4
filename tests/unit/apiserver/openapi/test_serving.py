"""/openapi/v2 and /openapi/v3 as clients ask for them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.cluster import START, make_cluster

from kubesim.apimachinery.rest import Request, Response
from kubesim.apiserver.openapi.serving import BuiltinKinds, OpenAPI
from kubesim.apiserver.server import APIServer

OLD_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
METHODS = {
    "create": "post",
    "delete": "delete",
    "get": "get",
    "patch": "patch",
    "update": "put",
    "list": "get",
    "deletecollection": "delete",
}


@pytest.fixture(scope="module")
def server() -> Iterator[APIServer]:
    made = make_cluster()
    yield made.server
    made.close()


@pytest.fixture(scope="module")
def index(server: APIServer) -> dict[str, str]:
    found = document(get(server, "/openapi/v3"))
    return {key: entry["serverRelativeURL"] for key, entry in found["paths"].items()}


@pytest.fixture(scope="module")
def documents(server: APIServer, index: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {key: document(get(server, url)) for key, url in index.items()}


@pytest.fixture(scope="module")
def swagger(server: APIServer) -> dict[str, Any]:
    return document(get(server, "/openapi/v2"))


def get(server: APIServer, url: str, **headers: str) -> Response:
    parts = urlsplit(url)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return server(Request("GET", parts.path, parse_qs(parts.query), named))


def document(response: Response) -> dict[str, Any]:
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert isinstance(response.body, bytes)
    found: dict[str, Any] = json.loads(response.body)
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


def operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in paths.items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


# The index.


def test_index_has_a_document_for_each_group_version_of_discovery(
    server: APIServer, index: dict[str, str]
) -> None:
    groups = server(Request("GET", "/apis")).body
    assert isinstance(groups, dict)
    versions = {f"apis/{v['groupVersion']}" for group in groups["groups"] for v in group["versions"]}
    groups_alone = {key.rpartition("/")[0] for key in versions}
    others = {"api", "api/v1", "apis", "version", ".well-known/openid-configuration", "openid/v1/jwks"}
    assert set(index) == versions | groups_alone | others
    assert index["api/v1"].startswith("/openapi/v3/api/v1?hash=")


def test_index_is_not_sent_to_whom_it_is_known(server: APIServer) -> None:
    etag = get(server, "/openapi/v3").headers["etag"]
    assert get(server, "/openapi/v3", if_none_match=etag).status == 304


# Documents.


def test_every_reference_of_every_document_leads_somewhere(documents: dict[str, dict[str, Any]]) -> None:
    for key, found in documents.items():
        there = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
        assert set(references(found)) <= there, key


def test_every_verb_that_discovery_lists_is_an_operation(
    server: APIServer, documents: dict[str, dict[str, Any]]
) -> None:
    for key, found in documents.items():
        resources = server(Request("GET", f"/{key}")).body
        if not isinstance(resources, dict) or resources.get("kind") != "APIResourceList":
            continue
        for resource in resources["resources"]:
            plural, _, subresource = resource["name"].partition("/")
            inside = "/namespaces/{namespace}" if resource["namespaced"] else ""
            for verb in set(resource["verbs"]) - {"watch"}:
                path = f"/{key}{inside}/{plural}"
                single = verb not in ("list", "create", "deletecollection") or subresource
                path += ("/{name}" if single else "") + (f"/{subresource}" if subresource else "")
                assert METHODS[verb] in found["paths"][path], (path, verb)


def test_operations_have_names_of_their_own(documents: dict[str, dict[str, Any]]) -> None:
    names = [o["operationId"] for found in documents.values() for _, _, o in operations(found["paths"])]
    assert len(names) == len(set(names)) > 700


NAMES = {
    "listCoreV1PodForAllNamespaces": ("/api/v1/pods", "get", "list"),
    "deleteCoreV1CollectionNamespacedPod": (
        "/api/v1/namespaces/{namespace}/pods",
        "delete",
        "deletecollection",
    ),
    "readCoreV1Node": ("/api/v1/nodes/{name}", "get", "get"),
    "replaceCoreV1NamespaceFinalize": ("/api/v1/namespaces/{name}/finalize", "put", "put"),
    "createCoreV1NamespacedPodEviction": (
        "/api/v1/namespaces/{namespace}/pods/{name}/eviction",
        "post",
        "post",
    ),
    "connectCoreV1PostNamespacedPodExec": (
        "/api/v1/namespaces/{namespace}/pods/{name}/exec",
        "post",
        "connect",
    ),
    "connectCoreV1HeadNodeProxyWithPath": ("/api/v1/nodes/{name}/proxy/{path}", "head", "connect"),
    "watchCoreV1NamespacedPodList": ("/api/v1/watch/namespaces/{namespace}/pods", "get", "watchlist"),
    "patchAppsV1NamespacedDeploymentScale": (
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
        "patch",
        "patch",
    ),
    "createRbacAuthorizationV1ClusterRole": (
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "post",
        "post",
    ),
    "getFlowcontrolApiserverV1APIResources": ("/apis/flowcontrol.apiserver.k8s.io/v1/", "get", ""),
    "getAppsAPIGroup": ("/apis/apps/", "get", ""),
    "getCodeVersion": ("/version/", "get", ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_operation_is_named_as_in_kubernetes(swagger: dict[str, Any], name: str) -> None:
    path, method, action = NAMES[name]
    operation = swagger["paths"][path][method]
    assert (operation["operationId"], operation.get("x-kubernetes-action", "")) == (name, action)


def test_patch_has_what_clients_look_for(documents: dict[str, dict[str, Any]]) -> None:
    path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    operation = documents["apis/apps/v1"]["paths"][path]["patch"]
    gvk = {"group": "apps", "kind": "Deployment", "version": "v1"}
    assert operation["x-kubernetes-group-version-kind"] == gvk
    names = {p["name"] for p in operation["parameters"]}
    assert names == {"dryRun", "fieldManager", "fieldValidation", "force"}
    shared = documents["apis/apps/v1"]["paths"][path]["parameters"]
    assert [(p["name"], p["in"], p.get("required")) for p in shared] == [
        ("name", "path", True),
        ("namespace", "path", True),
        ("pretty", "query", None),
    ]


def test_lists_and_deletions_answer_with_their_definitions(documents: dict[str, dict[str, Any]]) -> None:
    paths = documents["api/v1"]["paths"]

    def answer(path: str, method: str) -> str:
        content = paths[path][method]["responses"]["200"]["content"]["application/json"]
        return str(content["schema"]["$ref"]).rpartition(".")[2]

    assert answer("/api/v1/pods", "get") == "PodList"
    assert answer("/api/v1/namespaces/{namespace}/pods/{name}", "delete") == "Pod"
    assert answer("/api/v1/namespaces/{namespace}/configmaps/{name}", "delete") == "Status"
    assert answer("/api/v1/watch/pods", "get") == "WatchEvent"


def test_documents_name_the_version_of_the_cluster(server: APIServer, swagger: dict[str, Any]) -> None:
    version = server(Request("GET", "/version")).body
    assert isinstance(version, dict)
    assert swagger["info"] == {"title": "Kubernetes", "version": version["gitVersion"]}


# Version 2.


def test_v2_has_the_paths_and_schemas_of_all_documents(
    swagger: dict[str, Any], documents: dict[str, dict[str, Any]]
) -> None:
    assert set(swagger["paths"]) == {path for found in documents.values() for path in found["paths"]}
    schemas = {name for found in documents.values() for name in found["components"]["schemas"]}
    assert set(swagger["definitions"]) == schemas
    assert set(references(swagger)) <= {f"#/definitions/{name}" for name in schemas}


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message that has no others."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        assert tag & 7 == 2
        size = varint()
        yield tag >> 3, message[at : at + size]
        at += size


@pytest.mark.parametrize("accept", [PROTOBUF, OLD_PROTOBUF, f"{OLD_PROTOBUF}, application/json;q=0.5"])
def test_v2_in_protobuf_has_what_it_has_in_json(
    server: APIServer, swagger: dict[str, Any], accept: str
) -> None:
    response = get(server, "/openapi/v2", accept=accept)
    assert (response.status, response.headers["content-type"]) == (200, PROTOBUF)
    assert isinstance(response.body, bytes)
    found = dict(_fields(response.body))
    assert found[1] == b"2.0"
    paths = [dict(_fields(entry))[1].decode() for _, entry in _fields(found[8])]
    definitions = {dict(_fields(e))[1].decode(): dict(_fields(e))[2] for _, e in _fields(found[9])}
    assert paths == sorted(swagger["paths"])
    assert sorted(definitions) == sorted(swagger["definitions"])
    info = list(_fields(definitions["io.k8s.apimachinery.pkg.version.Info"]))
    required = [value.decode() for number, value in info if number == 19]
    assert required == swagger["definitions"]["io.k8s.apimachinery.pkg.version.Info"]["required"]


# HTTP.


def test_document_asked_for_by_its_hash_may_be_kept_for_a_year(
    server: APIServer, index: dict[str, str]
) -> None:
    headers = get(server, index["apis/apps/v1"]).headers
    assert headers["cache-control"] == "public, immutable"
    assert headers["expires"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert headers["etag"] == f'"{index["apis/apps/v1"].partition("=")[2]}"'
    assert "cache-control" not in get(server, "/openapi/v3/apis/apps/v1").headers


def test_stale_hash_is_sent_to_the_current_one(server: APIServer, index: dict[str, str]) -> None:
    response = get(server, "/openapi/v3/apis/apps/v1?hash=OLD")
    assert (response.status, response.headers["location"]) == (301, index["apis/apps/v1"])


@pytest.mark.parametrize("url", ["/openapi/v2", "/openapi/v3/api/v1"])
def test_document_is_not_sent_to_whom_it_is_known(server: APIServer, url: str) -> None:
    etag = get(server, url).headers["etag"]
    again = get(server, url, if_none_match=f'"other", W/{etag}')
    assert (again.status, again.body, again.headers["etag"]) == (304, None, etag)
    assert get(server, url, if_none_match='"other"').status == 200


def test_document_is_compressed_for_whom_it_may_be(server: APIServer) -> None:
    plain = get(server, "/openapi/v3/apis/apps/v1")
    packed = get(server, "/openapi/v3/apis/apps/v1", accept_encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert isinstance(packed.body, bytes)
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers


REFUSED = {
    "v2 in another form": ("/openapi/v2", "application/yaml", 406),
    "v3 in another form": ("/openapi/v3/api/v1", "text/html", 406),
    "no such group version": ("/openapi/v3/apis/nosuch/v1", "*/*", 404),
    "nothing behind v3": ("/openapi/v3/", "*/*", 404),
    "no such version of OpenAPI": ("/openapi/v4", "*/*", 404),
}


@pytest.mark.parametrize(("url", "accept", "status"), REFUSED.values(), ids=REFUSED)
def test_refused(server: APIServer, url: str, accept: str, status: int) -> None:
    assert get(server, url, accept=accept).status == status


def test_other_versions_of_kubernetes_have_their_own_documents(server: APIServer) -> None:
    older = make_cluster(kubernetes_version="1.29")
    try:
        found = document(get(older.server, "/openapi/v3/apis/flowcontrol.apiserver.k8s.io/v1beta3"))
        assert found["info"]["version"].startswith("v1.29.")
        assert get(server, "/openapi/v3/apis/flowcontrol.apiserver.k8s.io/v1beta3").status == 404
        etags = [get(s, "/openapi/v3/api/v1").headers["etag"] for s in (server, older.server)]
        assert etags[0] != etags[1]
    finally:
        older.close()


# More sources than one.


class Thing:
    """A source whose one document changes: what a CustomResourceDefinition will be."""

    def __init__(self) -> None:
        self.version = 1

    def hashes(self) -> dict[str, str]:
        return {"apis/example.com/v1": f"V{self.version}", "api": "HIDDEN"}

    def writer(self) -> Thing:
        return self

    def v3(self, key: str) -> bytes:
        return json.dumps({"openapi": "3.0.0", "key": key, "version": self.version}).encode()

    def v2_paths(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "/apis/example.com/v1/", {}

    def v2_definitions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "com.example.v1.Thing", {"type": "object", "description": str(self.version)}
        yield "io.k8s.api.core.v1.Pod", {"description": "not the real one"}


def test_documents_of_a_second_source_are_served_beside_the_built_in_ones(server: APIServer) -> None:
    thing = Thing()
    kinds = BuiltinKinds(server.scheme, title_version="v1.32.0")
    served = OpenAPI((kinds, thing), title_version="v1.32.0", now=lambda: START)

    def ask(url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        response = served.handle(Request("GET", parts.path, parse_qs(parts.query)))
        assert response is not None
        return document(response)

    def url() -> str:
        found: str = ask("/openapi/v3")["paths"]["apis/example.com/v1"]["serverRelativeURL"]
        return found

    assert url() == "/openapi/v3/apis/example.com/v1?hash=V1"
    assert ask(url())["version"] == 1
    assert "/api/" in ask("/openapi/v3/api")["paths"]
    assert ask("/openapi/v2")["definitions"]["com.example.v1.Thing"]["description"] == "1"
    thing.version = 2
    assert url() == "/openapi/v3/apis/example.com/v1?hash=V2"
    assert ask(url())["version"] == 2
    swagger = ask("/openapi/v2")
    assert swagger["definitions"]["com.example.v1.Thing"]["description"] == "2"
    assert swagger["definitions"]["io.k8s.api.core.v1.Pod"]["description"] != "not the real one"
    assert {"/apis/example.com/v1/", "/api/v1/pods"} <= set(swagger["paths"])
