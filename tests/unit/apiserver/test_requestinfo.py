"""What URLs ask for: the table of k8s.io/apiserver's requestinfo_test.go."""

from __future__ import annotations

import pytest

from kubesim.apiserver.requestinfo import BadPathError, request_info

# method, url, verb, prefix, group, version, namespace, resource, subresource, name, parts
RESOURCES = [
    ("GET", "/api/v1/namespaces", "list", "api", "", "v1", "", "namespaces", "", "", ("namespaces",)),
    ("GET", "/api/v1/namespaces/other", "get", "api", "", "v1", "other", "namespaces", "", "other", ("namespaces", "other")),
    ("GET", "/api/v1/namespaces/other/pods", "list", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/namespaces/other/pods/foo", "get", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo")),
    ("HEAD", "/api/v1/namespaces/other/pods/foo", "get", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo")),
    ("GET", "/api/v1/pods", "list", "api", "", "v1", "", "pods", "", "", ("pods",)),
    ("HEAD", "/api/v1/pods", "list", "api", "", "v1", "", "pods", "", "", ("pods",)),
    # The verb can be in the path.
    ("GET", "/api/v1/proxy/namespaces/other/pods/foo", "proxy", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo")),
    ("GET", "/api/v1/proxy/namespaces/other/pods/foo/sub/path", "proxy", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo", "sub", "path")),
    ("GET", "/api/v1/watch/pods", "watch", "api", "", "v1", "", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/pods?watch=true", "watch", "api", "", "v1", "", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/pods?watch=false", "list", "api", "", "v1", "", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/watch/namespaces/other/pods", "watch", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/namespaces/other/pods?watch=1", "watch", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    ("GET", "/api/v1/namespaces/other/pods?watch=0", "list", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    # Subresources.
    ("GET", "/api/v1/namespaces/other/pods/foo/status", "get", "api", "", "v1", "other", "pods", "status", "foo", ("pods", "foo", "status")),
    ("GET", "/api/v1/namespaces/other/pods/foo/proxy/a/b", "get", "api", "", "v1", "other", "pods", "proxy", "foo", ("pods", "foo", "proxy", "a", "b")),
    ("PUT", "/api/v1/namespaces/other/finalize", "update", "api", "", "v1", "other", "namespaces", "finalize", "other", ("namespaces", "other", "finalize")),
    ("PUT", "/api/v1/namespaces/other/status", "update", "api", "", "v1", "other", "namespaces", "status", "other", ("namespaces", "other", "status")),
    # Verbs.
    ("PATCH", "/api/v1/namespaces/other/pods/foo", "patch", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo")),
    ("DELETE", "/api/v1/namespaces/other/pods/foo", "delete", "api", "", "v1", "other", "pods", "", "foo", ("pods", "foo")),
    ("POST", "/api/v1/namespaces/other/pods", "create", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    ("DELETE", "/api/v1/nodes", "deletecollection", "api", "", "v1", "", "nodes", "", "", ("nodes",)),
    ("DELETE", "/api/v1/namespaces", "deletecollection", "api", "", "v1", "", "namespaces", "", "", ("namespaces",)),
    ("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "api", "", "v1", "other", "pods", "", "", ("pods",)),
    ("DELETE", "/apis/extensions/v1/namespaces/other/pods", "deletecollection", "apis", "extensions", "v1", "other", "pods", "", "", ("pods",)),
    # Groups, and characters in disguise.
    ("POST", "/apis/apps/v1/namespaces/other/deployments", "create", "apis", "apps", "v1", "other", "deployments", "", "", ("deployments",)),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode", "get", "apis", "rbac.authorization.k8s.io", "v1", "", "clusterroles", "", "system:node", ("clusterroles", "system:node")),
]  # fmt: skip


@pytest.mark.parametrize("row", RESOURCES, ids=[f"{r[0]} {r[1]}" for r in RESOURCES])
def test_resource(row: tuple[str, ...]) -> None:
    method, url, *expected = row
    path, _, text = url.partition("?")
    query = {p.partition("=")[0]: [p.partition("=")[2]] for p in text.split("&")} if text else {}
    info = request_info(method, path, query)
    found = [info.verb, info.api_prefix, info.group, info.version, info.namespace]
    assert info.is_resource
    assert [*found, info.resource, info.subresource, info.name, info.parts] == expected


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/livez/etcd"],
)
def test_not_a_resource(path: str) -> None:
    info = request_info("GET", path, {})
    assert (info.is_resource, info.verb, info.resource) == (False, "get", "")


@pytest.mark.parametrize("path", ["/api/v1/watch", "/apis/apps/v1/proxy"])
def test_a_verb_alone_is_no_path(path: str) -> None:
    with pytest.raises(BadPathError, match="unable to determine kind and namespace from url"):
        request_info("GET", path, {})


def test_the_rest_of_a_proxied_path() -> None:
    assert request_info("GET", "/api/v1/namespaces/d/services/s:80/proxy/a/b", {}).rest == "/a/b"
    assert request_info("GET", "/api/v1/namespaces/d/services/s:80/proxy", {}).rest == ""
