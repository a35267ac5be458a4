"""What holds for every resource of the API, whatever its kind: the API conventions, on every built-in kind."""

from __future__ import annotations

from typing import Any

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.rest import Request, Response
from kubesim.apimachinery.schema import available_versions
from kubesim.apimachinery.scheme import Resource
from kubesim.apis import build_scheme
from kubesim.client.client import resource_path
from kubesim.cluster.build import Cluster

RESOURCES = [r for r in build_scheme("1.32").resources if "list" in r.verbs and r.kind != "ComponentStatus"]
CREATABLE = [r for r in RESOURCES if "create" in r.verbs]
NAMES = [r.gvr.qualified + "/" + r.gvk.version for r in RESOURCES]


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return make_cluster(settle=True)


def send(cluster: Cluster, method: str, path: str, body: Any = None, **query: str) -> Response:
    headers = {"user-agent": "conformance", "content-type": "application/json"}
    return cluster.server(Request(method, path, {k: [v] for k, v in query.items()}, headers, body))


def place(resource: Resource) -> str:
    return "default" if resource.namespaced else ""


def message(response: Response) -> str:
    assert isinstance(response.body, dict)
    return str(response.body.get("message", ""))


@pytest.mark.parametrize("resource", RESOURCES, ids=NAMES)
def test_a_list_is_a_list(cluster: Cluster, resource: Resource) -> None:
    response = send(cluster, "GET", resource_path(resource.gvr, place(resource)))
    assert response.status == 200
    assert isinstance(response.body, dict)
    assert response.body["kind"] == f"{resource.kind}List"
    assert response.body["apiVersion"] == resource.api_version
    assert int(response.body["metadata"]["resourceVersion"]) > 0
    assert isinstance(response.body["items"], list)


@pytest.mark.parametrize("resource", RESOURCES, ids=NAMES)
def test_what_is_not_there_is_not_found(cluster: Cluster, resource: Resource) -> None:
    for method in ("GET", "DELETE", "PUT"):
        body = {"metadata": {"name": "nosuch"}} if method == "PUT" else None
        if method == "PUT" and resource.allow_create_on_update:
            continue
        response = send(cluster, method, resource_path(resource.gvr, place(resource), "nosuch"), body)
        assert (response.status, message(response)) == (404, f'{resource.gvr.qualified} "nosuch" not found')


@pytest.mark.parametrize("resource", RESOURCES, ids=NAMES)
def test_an_unknown_field_label_is_refused(cluster: Cluster, resource: Resource) -> None:
    response = send(
        cluster, "GET", resource_path(resource.gvr, place(resource)), fieldSelector="spec.nosuch=x"
    )
    assert response.status == 400
    assert "spec.nosuch" in message(response)


@pytest.mark.parametrize(
    "resource", CREATABLE, ids=[r.gvr.qualified + "/" + r.gvk.version for r in CREATABLE]
)
def test_an_object_without_a_name_is_refused(cluster: Cluster, resource: Resource) -> None:
    response = send(cluster, "POST", resource_path(resource.gvr, place(resource)), {})
    assert 400 <= response.status < 500
    assert isinstance(response.body, dict)
    assert response.body["kind"] == "Status"


@pytest.mark.parametrize(
    "resource", CREATABLE, ids=[r.gvr.qualified + "/" + r.gvk.version for r in CREATABLE]
)
@pytest.mark.parametrize("body", [[], "text", 5, None], ids=["list", "text", "number", "nothing"])
def test_a_body_that_is_no_object_is_refused(cluster: Cluster, resource: Resource, body: Any) -> None:
    response = send(cluster, "POST", resource_path(resource.gvr, place(resource)), body)
    assert response.status == 400


@pytest.mark.parametrize(
    "resource", CREATABLE, ids=[r.gvr.qualified + "/" + r.gvk.version for r in CREATABLE]
)
def test_metadata_of_wrong_types_is_refused(cluster: Cluster, resource: Resource) -> None:
    for metadata in ({"name": 5}, {"name": "x", "labels": {"a": 1}}, "x", {"name": "x", "finalizers": "f"}):
        response = send(cluster, "POST", resource_path(resource.gvr, place(resource)), {"metadata": metadata})
        assert response.status == 400
        assert "cannot unmarshal" in message(response)


@pytest.mark.parametrize("resource", RESOURCES, ids=NAMES)
def test_a_table_has_a_cell_for_every_column(cluster: Cluster, resource: Resource) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    path = resource_path(resource.gvr, place(resource))
    response = cluster.server(Request("GET", path, {}, {"accept": accept}))
    assert isinstance(response.body, dict)
    columns = response.body["columnDefinitions"]
    assert columns
    assert all(len(row["cells"]) == len(columns) for row in response.body["rows"])


def test_every_resource_is_discovered_with_what_it_can_do(cluster: Cluster) -> None:
    for resource in cluster.scheme.resources:
        path = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.gvk.version}"
        found = send(cluster, "GET", path).body
        assert isinstance(found, dict)
        listed = {r["name"]: r for r in found["resources"]}
        entry = listed[resource.plural]
        assert (entry["kind"], entry["namespaced"]) == (resource.kind, resource.namespaced)
        assert entry["verbs"] == sorted(resource.verbs)
        for subresource in resource.subresources:
            assert f"{resource.plural}/{subresource}" in listed


@pytest.mark.parametrize("version", available_versions())
def test_a_cluster_of_every_version_begins(version: str) -> None:
    cluster = make_cluster(kubernetes_version=version)
    body = send(cluster, "GET", "/version").body
    assert isinstance(body, dict)
    assert body["gitVersion"].startswith(f"v{version}.")
    assert send(cluster, "GET", "/api/v1/nodes/node-1").status == 200
