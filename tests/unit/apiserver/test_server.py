"""The server as HTTP clients see it: status codes, exact texts, content types, discovery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.rest import Request, Response, UserInfo
from kubesim.apiserver.auth import Attributes, Decision, Rules
from kubesim.apiserver.server import APIServer
from kubesim.cluster.build import Cluster

SERVICES = "/api/v1/namespaces/default/services"
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = make_cluster(settle=True)
    send(made.server, "POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    yield made
    made.close()


@pytest.fixture
def server(cluster: Cluster) -> APIServer:
    return cluster.server


def send(server: APIServer, method: str, url: str, body: Any = None, **headers: str) -> Response:
    """As it comes over the wire: bytes and header names in lower case."""
    parts = urlsplit(url)
    named = {"user-agent": "curl/8.0", **{k.replace("_", "-"): v for k, v in headers.items()}}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None:
        named.setdefault("content-type", "application/json")
    return server(Request(method, parts.path, parse_qs(parts.query, keep_blank_values=True), named, data))


def body_of(response: Response) -> dict[str, Any]:
    assert isinstance(response.body, dict)
    return response.body


NOT_THERE = "the server could not find the requested resource"
NOT_ALLOWED = "the server does not allow this method on the requested resource"
AVAILABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"

FAILURES: dict[str, tuple[str, str, Any, dict[str, str], int, str, str]] = {
    "no such object": ("GET", f"{SERVICES}/nosuch", None, {}, 404, "NotFound", 'services "nosuch" not found'),
    "no such version": ("GET", "/api/v9/foo", None, {}, 404, "NotFound", NOT_THERE),
    "no such resource": ("GET", "/api/v1/namespaces/default/nosuchs", None, {}, 404, "NotFound", NOT_THERE),
    "no such version of a group": ("GET", "/apis/apps/v9/foos", None, {}, 404, "NotFound", NOT_THERE),
    "no such subresource": ("GET", f"{SERVICES}/web/nosuch", None, {}, 404, "NotFound", NOT_THERE),
    "a cluster resource in a namespace": (
        "GET",
        "/api/v1/namespaces/default/nodes",
        None,
        {},
        404,
        "NotFound",
        NOT_THERE,
    ),
    "a name without a namespace": ("GET", "/api/v1/services/web", None, {}, 404, "NotFound", NOT_THERE),
    "POST to an object": ("POST", f"{SERVICES}/web", {}, {}, 405, "MethodNotAllowed", NOT_ALLOWED),
    "POST to all namespaces": ("POST", "/api/v1/services", {}, {}, 405, "MethodNotAllowed", NOT_ALLOWED),
    "HEAD of an object": ("HEAD", f"{SERVICES}/web", None, {}, 405, "MethodNotAllowed", NOT_ALLOWED),
    "DELETE of all namespaces": (
        "DELETE",
        "/api/v1/namespaces",
        None,
        {},
        405,
        "MethodNotAllowed",
        NOT_ALLOWED,
    ),
    "no JSON": (
        "POST",
        SERVICES,
        b"{bad",
        {},
        400,
        "BadRequest",
        (
            "the object provided is unrecognized (must be of type Service): couldn't get version/kind; json parse error: "
            "invalid character 'b' looking for beginning of object key string ({bad)"
        ),
    ),
    "nothing": (
        "POST",
        SERVICES,
        b"",
        {},
        400,
        "BadRequest",
        (
            "the object provided is unrecognized (must be of type Service): couldn't get version/kind; json parse error: "
            "unexpected end of JSON input (<empty>)"
        ),
    ),
    "a field given twice, strictly": (
        "POST",
        f"{SERVICES}?fieldValidation=Strict",
        b'{"metadata":{"name":"x","name":"y"},"spec":{"ports":[{"port":1}]}}',
        {},
        400,
        "BadRequest",
        (
            'Service in version "v1" cannot be handled as a Service: strict decoding error: duplicate field '
            '"metadata.name"'
        ),
    ),
    "a type nobody reads": (
        "POST",
        SERVICES,
        b"x",
        {"content_type": "text/plain"},
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {AVAILABLE}",
    ),
    "no patch type": (
        "PATCH",
        f"{SERVICES}/web",
        {},
        {},
        415,
        "UnsupportedMediaType",
        "415: Unsupported Media Type",
    ),
    "server-side apply": (
        "PATCH",
        f"{SERVICES}/web?fieldManager=x",
        {},
        {"content_type": "application/apply-patch+yaml"},
        415,
        "UnsupportedMediaType",
        (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
        ),
    ),
    "a type nobody writes, of a list": (
        "GET",
        SERVICES,
        None,
        {"accept": "text/html"},
        406,
        "NotAcceptable",
        (
            f"406: Not Acceptable\n\nAvailable representations: {AVAILABLE}, application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch"
        ),
    ),
    "a type nobody writes, of an object": (
        "GET",
        f"{SERVICES}/web",
        None,
        {"accept": "text/html"},
        406,
        "NotAcceptable",
        f"406: Not Acceptable\n\nAvailable representations: {AVAILABLE}",
    ),
    "too much": (
        "POST",
        MAPS,
        b" " * (3 * 1024 * 1024 + 1),
        {},
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    ),
    "a name that is a path": (
        "GET",
        f"{MAPS}/a%2Fb",
        None,
        {},
        400,
        "BadRequest",
        "Name parameter invalid: \"a/b\": may not contain '/'",
    ),
}


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "code", "reason", "message"), FAILURES.values(), ids=FAILURES
)
def test_failure(
    server: APIServer,
    method: str,
    url: str,
    body: Any,
    headers: dict[str, str],
    code: int,
    reason: str,
    message: str,
) -> None:
    response = send(server, method, url, body, **headers)
    status = body_of(response)
    assert (response.status, status["reason"], status["message"]) == (code, reason, message)
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)


@pytest.mark.parametrize("path", ["/nosuch", "/apis/nosuch", "/apis/nosuch/v1", "/apis/nosuch/v1/foos"])
def test_what_no_handler_knows_is_plain_text(server: APIServer, path: str) -> None:
    response = send(server, "GET", path)
    assert (response.status, response.body) == (404, "404 page not found\n")


def test_the_manager_is_the_beginning_of_the_user_agent(server: APIServer) -> None:
    made = body_of(send(server, "POST", MAPS, {"metadata": {"generateName": "gen-"}}))
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "curl",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:generateName": {}}},
        }
    ]


def test_the_manager_can_be_named(server: APIServer) -> None:
    made = body_of(
        send(server, "POST", f"{MAPS}?fieldManager=me", {"metadata": {"name": "m"}, "data": {"a": "b"}})
    )
    assert made["metadata"]["managedFields"][0]["manager"] == "me"


def test_yaml_is_read(server: APIServer) -> None:
    body = b"metadata:\n  name: y\ndata:\n  a: b\n"
    response = send(server, "POST", MAPS, body, content_type="application/yaml")
    assert response.status == 201
    assert body_of(response)["data"] == {"a": "b"}


def test_yaml_is_written_if_asked_for(server: APIServer) -> None:
    assert (
        send(server, "GET", f"{SERVICES}/web", accept="application/yaml").headers["content-type"]
        == "application/yaml"
    )


def test_protobuf_or_json_is_json(server: APIServer) -> None:
    accept = "application/vnd.kubernetes.protobuf,application/json"
    assert send(server, "GET", f"{SERVICES}/web", accept=accept).headers["content-type"] == "application/json"


def test_a_table(server: APIServer) -> None:
    table = body_of(send(server, "GET", f"{SERVICES}?includeObject=None", accept=f"{TABLE},application/json"))
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [c["name"] for c in table["columnDefinitions"]][:2] == ["Name", "Type"]
    assert [r["cells"][0] for r in table["rows"]] == ["kubernetes", "web"]
    assert all(r["object"] is None for r in table["rows"])


def test_the_rows_of_a_table_hold_metadata(server: APIServer) -> None:
    row = body_of(send(server, "GET", f"{SERVICES}/web", accept=TABLE))["rows"][0]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert "spec" not in row["object"]


def test_metadata_alone(server: APIServer) -> None:
    found = body_of(send(server, "GET", f"{SERVICES}/web", accept=PARTIAL))
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert set(found) == {"kind", "apiVersion", "metadata"}
    listed = body_of(send(server, "GET", SERVICES, accept=PARTIAL.replace("Metadata;", "MetadataList;")))
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {i["kind"] for i in listed["items"]} == {"PartialObjectMetadata"}


def test_a_watch_as_tables_names_its_columns_once(server: APIServer) -> None:
    events = send(server, "GET", f"{SERVICES}?watch=1&timeoutSeconds=1", accept=TABLE).events
    assert events is not None
    tables = [e.object for e in events]
    assert [bool(t["columnDefinitions"]) for t in tables] == [True, False]


# Discovery.


def test_groups_and_versions(server: APIServer) -> None:
    assert body_of(send(server, "GET", "/api"))["versions"] == ["v1"]
    groups = [g["name"] for g in body_of(send(server, "GET", "/apis"))["groups"]]
    assert groups[:5] == [
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
    ]
    assert body_of(send(server, "GET", "/apis/apps"))["preferredVersion"]["groupVersion"] == "apps/v1"


def test_resources_of_the_core(server: APIServer) -> None:
    found = {r["name"]: r for r in body_of(send(server, "GET", "/api/v1"))["resources"]}
    assert found["services"] == {
        "name": "services",
        "singularName": "service",
        "namespaced": True,
        "kind": "Service",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["svc"],
        "categories": ["all"],
        "storageVersionHash": "0/CO1lhkEBI=",
    }
    assert found["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }
    assert found["pods/exec"]["kind"] == "PodExecOptions"
    assert "storageVersionHash" not in found["bindings"]
    assert list(found) == sorted(found)


def test_aggregated_discovery(server: APIServer) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    response = send(server, "GET", "/apis", accept=accept)
    found = body_of(response)
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert response.headers["content-type"] == accept
    again = send(server, "GET", "/apis", accept=accept, if_none_match=response.headers["etag"])
    assert (again.status, again.body) == (304, None)
    apps = next(g for g in found["items"] if g["metadata"]["name"] == "apps")
    deployments = next(r for r in apps["versions"][0]["resources"] if r["resource"] == "deployments")
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert [s["subresource"] for s in deployments["subresources"]] == ["scale", "status"]


def test_version_and_health(server: APIServer) -> None:
    assert body_of(send(server, "GET", "/version"))["gitVersion"].startswith("v1.32.")
    assert send(server, "GET", "/livez").body == "ok"
    verbose = send(server, "GET", "/readyz?verbose").body
    assert isinstance(verbose, str)
    assert verbose.startswith("[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]etcd-readiness ok\n")
    assert verbose.endswith("readyz check passed\n")
    assert send(server, "GET", "/livez/nosuch").status == 404


# What is asked for by creating.


def test_reviews(server: APIServer) -> None:
    group = "/apis/authorization.k8s.io/v1"
    asked = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert body_of(send(server, "POST", f"{group}/selfsubjectaccessreviews", asked))["status"] == {
        "allowed": True
    }
    rules = body_of(
        send(server, "POST", f"{group}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    )
    assert rules["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    me = body_of(send(server, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}))
    assert me["status"]["userInfo"]["username"] == "kubernetes-admin"
    nothing = send(server, "POST", f"{group}/selfsubjectaccessreviews", {"spec": {}})
    assert nothing.status == 422


def test_impersonation(server: APIServer) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    me = body_of(send(server, "POST", path, {}, impersonate_user="jane"))
    assert me["status"]["userInfo"] == {"username": "jane", "groups": ["system:authenticated"]}


class OnlyReading:
    """An authorizer that lets nobody write."""

    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(attributes.verb in ("get", "list", "watch"))

    def rules(self, user: UserInfo, namespace: str) -> Rules:
        return Rules((), ())


def test_a_refusal_says_who_may_not_what(cluster: Cluster) -> None:
    server = make_cluster().server
    server._authorizer = OnlyReading()
    response = send(server, "POST", SERVICES, {"metadata": {"name": "x"}}, impersonate_user="jane")
    assert response.status == 403
    assert body_of(response)["message"] == (
        'services is forbidden: User "jane" cannot create resource "services" in API group "" in the namespace '
        '"default"'
    )
    response = send(server, "DELETE", "/api/v1/nodes/n", impersonate_user="jane")
    assert body_of(response)["message"] == (
        'nodes "n" is forbidden: User "jane" cannot delete resource "nodes" in API group "" at the cluster scope'
    )


def test_component_statuses_are_deprecated(server: APIServer) -> None:
    response = send(server, "GET", "/api/v1/componentstatuses")
    assert response.warnings == ["v1 ComponentStatus is deprecated in v1.19+"]
    assert [i["metadata"]["name"] for i in body_of(response)["items"]] == [
        "scheduler",
        "controller-manager",
        "etcd-0",
    ]


# Subresources.

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
PODS = "/api/v1/namespaces/default/pods"
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "node-1"}}


@pytest.mark.parametrize("path", [f"{PODS}/p/binding", "/api/v1/namespaces/default/bindings"])
def test_binding(server: APIServer, path: str) -> None:
    send(server, "POST", PODS, POD)
    response = send(server, "POST", path, BINDING)
    assert (response.status, body_of(response)["status"]) == (201, "Success")
    pod = body_of(send(server, "GET", f"{PODS}/p"))
    assert pod["spec"]["nodeName"] == "node-1"
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert condition["status"] == "True"
    again = send(server, "POST", path, BINDING)
    assert (again.status, body_of(again)["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "node-1"',
    )


def test_scale(server: APIServer) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    send(server, "POST", deployments, {"metadata": {"name": "d"}, "spec": spec})
    scale = body_of(send(server, "GET", f"{deployments}/d/scale"))
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "a=b"})
    merge = {"content_type": "application/merge-patch+json"}
    changed = send(server, "PATCH", f"{deployments}/d/scale", {"spec": {"replicas": 5}}, **merge)
    assert body_of(changed)["spec"] == {"replicas": 5}
    deployment = body_of(send(server, "GET", f"{deployments}/d"))
    assert (deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (5, 2)
    wrong = send(server, "PATCH", f"{deployments}/d/scale", {"spec": {"replicas": -1}}, **merge)
    assert body_of(wrong)["message"] == (
        'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )
    stale = dict(scale, spec={"replicas": 1})
    assert send(server, "PUT", f"{deployments}/d/scale", stale).status == 409


def test_eviction_asks_the_budget(server: APIServer) -> None:
    labelled = {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": POD["spec"] | {"nodeName": "node-1"}}
    send(server, "POST", PODS, labelled)
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    merge = {"content_type": "application/merge-patch+json"}
    send(server, "PATCH", f"{PODS}/p/status", ready, **merge)
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    send(server, "POST", budgets, {"metadata": {"name": "b"}, "spec": spec})
    status = {"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    send(server, "PATCH", f"{budgets}/b/status", {"status": status | {"disruptionsAllowed": 0}}, **merge)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    response = send(server, "POST", f"{PODS}/p/eviction", eviction)
    assert response.status == 429
    refusal = body_of(response)
    assert refusal["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert refusal["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
        }
    ]
    send(server, "PATCH", f"{budgets}/b/status", {"status": {"disruptionsAllowed": 1}}, **merge)
    assert send(server, "POST", f"{PODS}/p/eviction", eviction).status == 201
    assert body_of(send(server, "GET", f"{PODS}/p"))["metadata"]["deletionTimestamp"]
    assert list(body_of(send(server, "GET", f"{budgets}/b"))["status"]["disruptedPods"]) == ["p"]


def test_ephemeral_containers_are_only_added(server: APIServer) -> None:
    send(server, "POST", PODS, POD)
    path = f"{PODS}/p/ephemeralcontainers"
    strategic = {"content_type": "application/strategic-merge-patch+json"}
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}], "schedulerName": "x"}}
    pod = body_of(send(server, "PATCH", path, change, **strategic))
    assert [c["name"] for c in pod["spec"]["ephemeralContainers"]] == ["debug"]
    assert pod["spec"]["schedulerName"] == "default-scheduler"
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "other"}]}}
    assert send(server, "PATCH", path, change, **strategic).status == 422


def test_resizing_changes_resources_alone() -> None:
    server = make_cluster(kubernetes_version="1.33", settle=True).server
    send(server, "POST", PODS, POD)
    container = {"name": "c", "image": "other", "resources": {"requests": {"cpu": "1"}}}
    strategic = {"content_type": "application/strategic-merge-patch+json"}
    changed = send(server, "PATCH", f"{PODS}/p/resize", {"spec": {"containers": [container]}}, **strategic)
    found = body_of(changed)["spec"]["containers"][0]
    assert (found["image"], found["resources"]) == ("nginx", {"requests": {"cpu": "1"}})


def test_tokens(server: APIServer) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request = body_of(send(server, "POST", path, {"spec": {"expirationSeconds": 600}}))
    assert request["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z"
    assert request["status"]["token"].count(".") == 2
    short = send(server, "POST", path, {"spec": {"expirationSeconds": 5}})
    assert "may not specify a duration less than 10 minutes" in body_of(short)["message"]


def test_who_connects_to_what_runs_is_answered_by_the_runtime(server: APIServer) -> None:
    send(server, "POST", PODS, POD)
    assert send(server, "GET", f"{PODS}/p/log").status == 503

    class Runtime:
        def connect(self, obj: dict[str, Any], subresource: str, rest: str, request: Request) -> Response:
            return Response(200, f"{subresource} of {obj['metadata']['name']} {rest}")

    server.runtime = Runtime()
    assert send(server, "GET", f"{PODS}/p/log").body == "log of p "
    assert send(server, "GET", f"{SERVICES}/http:web:80/proxy/a/b").body == "proxy of web /a/b"
