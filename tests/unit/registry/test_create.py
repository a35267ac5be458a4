"""What the registry does to a new object, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import START, make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.client.client import Client
from kubesim.client.resources import CONFIG_MAPS, EVENTS, SERVICES
from kubesim.util.clock import format_time


@pytest.fixture
def client() -> Iterator[Client]:
    cluster = make_cluster()
    yield cluster.client
    cluster.close()


def config_map(name: str = "c", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


def test_a_new_object_gets_what_only_the_server_knows(client: Client) -> None:
    made = client.create(CONFIG_MAPS, config_map(data={"a": "1"}), "default")
    metadata = made["metadata"]
    assert metadata["namespace"] == "default"
    assert metadata["creationTimestamp"] == format_time(START)
    assert len(metadata["uid"]) == 36
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["managedFields"][0]["manager"] == "kubesim"
    assert client.get(CONFIG_MAPS, "c", "default") == made


def test_what_only_the_server_knows_is_not_taken_from_the_client(client: Client) -> None:
    body = config_map()
    body["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "1999-01-01T00:00:00Z",
        "deletionTimestamp": "1999-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 3,
    }
    metadata = client.create(CONFIG_MAPS, body, "default")["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] == format_time(START)
    assert "deletionTimestamp" not in metadata
    assert "deletionGracePeriodSeconds" not in metadata


def test_the_response_shares_nothing_with_the_store(client: Client) -> None:
    made = client.create(CONFIG_MAPS, config_map(data={"a": "1"}), "default")
    made["data"]["a"] = "changed"
    assert client.get(CONFIG_MAPS, "c", "default")["data"] == {"a": "1"}


def test_a_name_is_generated(client: Client) -> None:
    body = {"metadata": {"generateName": "gen-"}}
    names = {client.create(CONFIG_MAPS, dict(body), "default")["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(n.startswith("gen-") and len(n) == 9 for n in names)


def test_a_generated_name_stays_a_label(client: Client) -> None:
    made = client.create(CONFIG_MAPS, {"metadata": {"generateName": "x" * 80}}, "default")
    assert len(made["metadata"]["name"]) == 63


def test_unknown_fields_are_dropped_with_a_warning(client: Client) -> None:
    texts: list[str] = []
    warned = Client(client.transport, on_warning=texts.append)
    body = {"metadata": {"name": "s"}, "spec": {"foo": 1, "ports": [{"port": 80, "targetport": 1}]}}
    made = warned.create(SERVICES, body, "default")
    assert texts == ['unknown field "spec.foo"', 'unknown field "spec.ports[0].targetport"']
    assert "foo" not in made["spec"]


def test_unknown_fields_are_dropped_in_silence_if_asked(client: Client) -> None:
    texts: list[str] = []
    warned = Client(client.transport, on_warning=texts.append)
    body = {"metadata": {"name": "s"}, "spec": {"foo": 1, "ports": [{"port": 80}]}}
    warned.create(SERVICES, body, "default", options={"fieldValidation": "Ignore"})
    assert texts == []


def service(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}


REFUSALS = {
    "unknown field, strictly": (
        SERVICES,
        service(foo=1, ports=[{"port": 80, "targetport": 1}]),
        {"fieldValidation": "Strict"},
        400,
        (
            'Service in version "v1" cannot be handled as a Service: strict decoding error: '
            'unknown field "spec.foo", unknown field "spec.ports[0].targetport"'
        ),
    ),
    "wrong type": (
        SERVICES,
        service(ports=[{"port": "http"}]),
        {},
        400,
        (
            'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string into Go struct '
            "field ServicePort.spec.ports.port of type int32"
        ),
    ),
    "another kind": (
        SERVICES,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}},
        {},
        400,
        'Pod in version "v1" cannot be handled as a Service: converting (v1.Pod) to (core.Service): unknown conversion',
    ),
    "another version": (
        SERVICES,
        {"apiVersion": "v2", "kind": "Service", "metadata": {"name": "x"}},
        {},
        400,
        "the API version in the data (v2) does not match the expected API version (v1)",
    ),
    "another namespace": (
        CONFIG_MAPS,
        {"metadata": {"name": "x", "namespace": "kube-system"}},
        {},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "a revision": (
        CONFIG_MAPS,
        {"metadata": {"name": "x", "resourceVersion": "1"}},
        {},
        500,
        "resourceVersion should not be set on objects to be created",
    ),
    "no name": (
        CONFIG_MAPS,
        {"metadata": {}},
        {},
        422,
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    ),
    "a bad dry run": (
        CONFIG_MAPS,
        {"metadata": {"name": "x"}},
        {"dryRun": "Some"},
        422,
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: []string{"Some"}: supported values: "All"',
    ),
    "a bad field validation": (
        CONFIG_MAPS,
        {"metadata": {"name": "x"}},
        {"fieldValidation": "Maybe"},
        422,
        (
            'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Maybe": '
            'supported values: "", "Ignore", "Strict", "Warn"'
        ),
    ),
}


@pytest.mark.parametrize(("gvr", "body", "options", "code", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refused(
    client: Client, gvr: Any, body: dict[str, Any], options: dict[str, str], code: int, message: str
) -> None:
    with pytest.raises(StatusError) as refusal:
        client.create(gvr, body, "default", options=options)
    assert (refusal.value.code, refusal.value.message) == (code, message)


def test_a_name_is_taken_once(client: Client) -> None:
    client.create(CONFIG_MAPS, config_map(), "default")
    with pytest.raises(StatusError) as refusal:
        client.create(CONFIG_MAPS, config_map(), "default")
    assert refusal.value.reason == "AlreadyExists"
    assert refusal.value.message == 'configmaps "c" already exists'


def test_a_name_of_something_that_is_being_deleted_is_taken_still(client: Client) -> None:
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/f"]
    client.create(CONFIG_MAPS, body, "default")
    client.delete(CONFIG_MAPS, "c", "default")
    with pytest.raises(StatusError, match="object is being deleted: configmaps"):
        client.create(CONFIG_MAPS, config_map(), "default")


def test_a_dry_run_stores_nothing(client: Client) -> None:
    made = client.create(CONFIG_MAPS, config_map(), "default", options={"dryRun": "All"})
    assert "resourceVersion" not in made["metadata"]
    assert made["metadata"]["uid"]
    with pytest.raises(StatusError, match="not found"):
        client.get(CONFIG_MAPS, "c", "default")


def test_a_dry_run_takes_no_revision(client: Client) -> None:
    client.create(CONFIG_MAPS, config_map("a"), "default", options={"dryRun": "All"})
    first = client.create(CONFIG_MAPS, config_map("b"), "default")
    client.create(CONFIG_MAPS, config_map("c"), "default", options={"dryRun": "All"})
    second = client.create(CONFIG_MAPS, config_map("d"), "default")
    assert int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1


def test_doubled_owners_are_told_and_dropped(client: Client) -> None:
    texts: list[str] = []
    warned = Client(client.transport, on_warning=texts.append)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    body = config_map()
    body["metadata"]["ownerReferences"] = [owner, dict(owner)]
    made = warned.create(CONFIG_MAPS, body, "default")
    assert made["metadata"]["ownerReferences"] == [owner]
    assert "contains duplicate entries" in texts[0]


def test_an_object_beyond_all_measure_is_refused(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.create(EVENTS, {"metadata": {"name": "e"}, "message": "x" * (4 << 20)}, "default")
    assert refusal.value.code in (413, 422)


def test_a_batch_that_fails_writes_nothing(client: Client) -> None:
    def fail() -> None:
        with client.batch():
            client.create(CONFIG_MAPS, config_map(), "default")
            assert client.get(CONFIG_MAPS, "c", "default")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(StatusError, match="not found"):
        client.get(CONFIG_MAPS, "c", "default")


def test_a_refusal_in_a_batch_leaves_the_rest(client: Client) -> None:
    with client.batch():
        client.create(CONFIG_MAPS, config_map("a"), "default")
        with pytest.raises(StatusError):
            client.create(CONFIG_MAPS, config_map("a"), "default")
        client.create(CONFIG_MAPS, config_map("b"), "default")
    names = [o["metadata"]["name"] for o in client.list(CONFIG_MAPS, "default")["items"]]
    assert names == ["a", "b"]
