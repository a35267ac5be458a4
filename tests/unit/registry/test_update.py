"""How objects are replaced and patched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.client.client import Client
from kubesim.client.resources import CONFIG_MAPS, NODES, SERVICES
from kubesim.util.jsontypes import deep_copy


@pytest.fixture
def client() -> Iterator[Client]:
    cluster = make_cluster()
    cluster.client.create(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}}, "default")
    cluster.client.create(
        SERVICES,
        {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
        "default",
    )
    yield cluster.client
    cluster.close()


def version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def test_an_update_makes_a_new_revision(client: Client) -> None:
    obj = client.get(CONFIG_MAPS, "c", "default")
    obj["data"]["b"] = "2"
    changed = client.update(CONFIG_MAPS, deep_copy(obj), "default")
    assert changed["data"] == {"a": "1", "b": "2"}
    assert version(changed) > version(obj)
    assert changed["metadata"]["uid"] == obj["metadata"]["uid"]


def test_an_update_that_changes_nothing_writes_nothing(client: Client) -> None:
    obj = client.get(CONFIG_MAPS, "c", "default")
    assert version(client.update(CONFIG_MAPS, deep_copy(obj), "default")) == version(obj)


def test_another_manager_that_changes_nothing_writes_nothing(client: Client) -> None:
    other = Client(client.transport, user_agent="somebody")
    obj = client.get(CONFIG_MAPS, "c", "default")
    assert version(other.update(CONFIG_MAPS, deep_copy(obj), "default")) == version(obj)


def test_an_update_without_a_revision_is_unconditional(client: Client) -> None:
    changed = client.update(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"z": "9"}}, "default")
    assert changed["data"] == {"z": "9"}


def test_a_stale_update_conflicts(client: Client) -> None:
    obj = client.get(CONFIG_MAPS, "c", "default")
    client.update(CONFIG_MAPS, obj | {"data": {"b": "2"}}, "default")
    with pytest.raises(StatusError) as refusal:
        client.update(CONFIG_MAPS, obj | {"data": {"b": "3"}}, "default")
    assert refusal.value.reason == "Conflict"
    assert refusal.value.message == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your '
        "changes to the latest version and try again"
    )


def test_an_update_of_another_uid_conflicts(client: Client) -> None:
    body = {"metadata": {"name": "c", "uid": "other"}}
    with pytest.raises(
        StatusError, match="Precondition failed: UID in precondition: other, UID in object meta"
    ):
        client.update(CONFIG_MAPS, body, "default")


def test_an_update_of_nothing_is_not_found(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.update(CONFIG_MAPS, {"metadata": {"name": "none"}}, "default")
    assert refusal.value.code == 404


def test_the_name_must_be_that_of_the_url(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.request("PUT", "/api/v1/namespaces/default/configmaps/c", body={"metadata": {"name": "x"}})
    assert refusal.value.message == "the name of the object (x) does not match the name on the URL (c)"


def test_a_name_must_be_there(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.request("PUT", "/api/v1/namespaces/default/configmaps/c", body={"metadata": {}})
    assert refusal.value.message == (
        "the name of the object (c based on URL) was undeterminable: name must be provided"
    )


def test_what_is_immutable_is_refused(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.patch(CONFIG_MAPS, "c", {"metadata": {"uid": "x"}}, MERGE_PATCH, "default")
    assert refusal.value.message == (
        'ConfigMap "c" is invalid: metadata.uid: Invalid value: "x": field is immutable'
    )


def test_creation_time_and_deletion_time_stay(client: Client) -> None:
    before = client.get(CONFIG_MAPS, "c", "default")["metadata"]
    after = client.patch(
        CONFIG_MAPS,
        "c",
        {"metadata": {"creationTimestamp": "1999-01-01T00:00:00Z", "labels": {"x": "y"}}},
        MERGE_PATCH,
        "default",
    )["metadata"]
    assert after["creationTimestamp"] == before["creationTimestamp"]
    assert after["labels"] == {"x": "y"}


def test_a_dry_run_changes_nothing(client: Client) -> None:
    before = client.get(CONFIG_MAPS, "c", "default")
    shown = client.patch(
        CONFIG_MAPS, "c", {"data": {"a": "2"}}, MERGE_PATCH, "default", options={"dryRun": "All"}
    )
    assert shown["data"] == {"a": "2"}
    assert version(shown) == version(before)
    assert client.get(CONFIG_MAPS, "c", "default") == before


def test_status_takes_nothing_but_the_status(client: Client) -> None:
    node = client.get(NODES, "node-1")
    node["spec"]["unschedulable"] = True
    node["status"]["phase"] = "Running"
    changed = client.update(NODES, node, subresource="status")
    assert changed["status"]["phase"] == "Running"
    assert "unschedulable" not in changed["spec"]


@pytest.mark.parametrize(
    ("kind", "spec", "labels", "annotations"),
    [
        pytest.param(("", "v1", "services"), {"ports": [{"port": 80}]}, True, True, id="Service"),
        pytest.param(
            ("networking.k8s.io", "v1", "ingresses"),
            {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
            True,
            True,
            id="Ingress",
        ),
        pytest.param(
            ("apps", "v1", "deployments"),
            {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
                },
            },
            False,
            True,
            id="Deployment keeps its labels",
        ),
        pytest.param(
            ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas"),
            {"priorityLevelConfiguration": {"name": "exempt"}},
            False,
            False,
            id="FlowSchema keeps its metadata",
        ),
    ],
)
def test_labels_and_annotations_may_change_with_the_status(
    client: Client, kind: tuple[str, str, str], spec: dict[str, Any], labels: bool, annotations: bool
) -> None:
    gvr = GroupVersionResource(*kind)
    names = {
        "services": "Service",
        "ingresses": "Ingress",
        "deployments": "Deployment",
        "flowschemas": "FlowSchema",
    }
    version = "/".join(filter(None, kind[:2]))
    namespace = "" if kind[2] == "flowschemas" else "default"
    body = {"apiVersion": version, "kind": names[kind[2]], "metadata": {"name": "x"}, "spec": spec}
    before = client.create(gvr, body, namespace)
    change = {"metadata": {"labels": {"l": "1"}, "annotations": {"a": "1"}}, "spec": None}
    changed = client.patch(gvr, "x", change, MERGE_PATCH, namespace, subresource="status")
    assert changed["spec"] == before["spec"]
    assert ("l" in changed["metadata"].get("labels", {})) is labels
    assert ("a" in changed["metadata"].get("annotations", {})) is annotations
    assert changed["metadata"]["uid"] == before["metadata"]["uid"]
    assert changed["metadata"]["creationTimestamp"] == before["metadata"]["creationTimestamp"]


def test_the_resource_itself_takes_no_status(client: Client) -> None:
    change = {
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
        "metadata": {"labels": {"a": "b"}},
    }
    changed = client.patch(SERVICES, "web", change, MERGE_PATCH, "default")
    assert changed["status"] == {"loadBalancer": {}}
    assert changed["metadata"]["labels"] == {"a": "b"}


def test_patches_of_each_kind_apply(client: Client) -> None:
    client.patch(SERVICES, "web", {"metadata": {"labels": {"m": "1"}}}, MERGE_PATCH, "default")
    operations = [{"op": "add", "path": "/metadata/labels/j", "value": "2"}]
    client.patch(SERVICES, "web", operations, JSON_PATCH, "default")
    change = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "more"}]}}
    changed = client.patch(SERVICES, "web", change, STRATEGIC_MERGE_PATCH, "default")
    assert changed["metadata"]["labels"] == {"m": "1", "j": "2"}
    assert {p["port"]: p["name"] for p in changed["spec"]["ports"]} == {80: "http", 81: "more"}


PATCH_REFUSALS: dict[str, tuple[Any, str, dict[str, str], int, str]] = {
    "no JSON, strategic": (
        b"{bad",
        STRATEGIC_MERGE_PATCH,
        {},
        400,
        "invalid character 'b' looking for beginning of object key string",
    ),
    "no JSON, merge": (
        b"{bad",
        MERGE_PATCH,
        {},
        400,
        "error decoding patch: invalid character 'b' looking for beginning of object key string",
    ),
    "no list": (
        b"{}",
        JSON_PATCH,
        {},
        400,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
    ),
    "remove what is not there": (
        [{"op": "remove", "path": "/metadata/labels/none"}],
        JSON_PATCH,
        {},
        422,
        "the server rejected our request due to an error in our request",
    ),
    "unknown field, strictly": (
        {"spec": {"foo": "bar"}},
        STRATEGIC_MERGE_PATCH,
        {"fieldValidation": "Strict"},
        422,
        (
            ' "" is invalid: patch: Invalid value: "map[spec:map[foo:bar]]": strict decoding error: '
            'unknown field "spec.foo"'
        ),
    ),
    "wrong type, strategic": (
        {"spec": {"ports": "x"}},
        STRATEGIC_MERGE_PATCH,
        {},
        422,
        ' "" is invalid: patch: Invalid value: "map[spec:map[ports:x]]": cannot restore slice from string',
    ),
    "another name": (
        {"metadata": {"name": "other"}},
        MERGE_PATCH,
        {},
        400,
        "the name of the object (other) does not match the name on the URL (web)",
    ),
    "stale": (
        {"metadata": {"resourceVersion": "1"}},
        MERGE_PATCH,
        {},
        409,
        (
            'Operation cannot be fulfilled on services "web": the object has been modified; please apply your changes '
            "to the latest version and try again"
        ),
    ),
    "force": (
        {},
        MERGE_PATCH,
        {"force": "true"},
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    ),
}


@pytest.mark.parametrize(
    ("patch", "content_type", "options", "code", "message"), PATCH_REFUSALS.values(), ids=PATCH_REFUSALS
)
def test_patch_refused(
    client: Client, patch: Any, content_type: str, options: dict[str, str], code: int, message: str
) -> None:
    with pytest.raises(StatusError) as refusal:
        client.patch(SERVICES, "web", patch, content_type, "default", options=options)
    assert (refusal.value.code, refusal.value.message) == (code, message)


def test_a_merge_patch_of_a_wrong_type_shows_the_object_as_the_server_writes_it(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.patch(SERVICES, "web", {"spec": {"sessionAffinity": 5}}, MERGE_PATCH, "default")
    message = refusal.value.message
    assert message.endswith(
        "json: cannot unmarshal number into Go struct field ServiceSpec.spec.sessionAffinity of type v1.ServiceAffinity"
    )
    # Keys are sorted where the patch has been (spec), and in Go's order where it has not (metadata, ports).
    assert message.startswith(
        ' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"Service\\",\\"metadata\\":'
        '{\\"name\\":\\"web\\",\\"namespace\\":\\"default\\",\\"uid\\":'
    )
    assert '\\"ports\\":[{\\"protocol\\":\\"TCP\\",\\"port\\":80,\\"targetPort\\":80' in message
    assert '\\"sessionAffinity\\":5,\\"type\\":' in message


def test_a_put_creates_where_the_kind_allows_it(client: Client) -> None:
    response = client.request(
        "PUT", "/api/v1/namespaces/default/endpoints/e", body={"metadata": {"name": "e"}, "subsets": []}
    )
    assert response.status == 201
    assert isinstance(response.body, dict)
    assert response.body["metadata"]["uid"]


def test_what_a_put_without_a_uid_allocates_is_given_back_with_the_service(client: Client) -> None:
    spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}
    service = {"metadata": {"name": "web"}, "spec": spec}
    client.update(SERVICES, deep_copy(service), "default")
    client.delete(SERVICES, "web", "default")
    assert client.create(SERVICES, service, "default")["spec"]["ports"][0]["nodePort"] == 30080


def test_a_status_update_may_leave_the_uid_out(client: Client) -> None:
    made = client.get(SERVICES, "web", "default")
    since = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"conditions": [{"type": "T", "status": "True", "reason": "R", "message": "", **since}]}
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}, "status": status}
    changed = client.update(SERVICES, body, "default", subresource="status")
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["spec"] == made["spec"]
    assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
