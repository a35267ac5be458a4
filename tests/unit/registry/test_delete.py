"""How objects end: at once, after a grace period, or when the last finalizer is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.client import Client
from kubesim.client.resources import CONFIG_MAPS, NAMESPACES, PODS, SERVICES
from kubesim.util.clock import FrozenClock, format_time

CONTAINERS = [{"name": "c", "image": "nginx"}]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def client(clock: FrozenClock) -> Iterator[Client]:
    cluster = make_cluster(clock=clock, settle=True)
    yield cluster.client
    cluster.close()


def pod(client: Client, name: str = "p", node: str = "node-1", **metadata: Any) -> dict[str, Any]:
    spec = {"containers": CONTAINERS, **({"nodeName": node} if node else {})}
    return client.create(PODS, {"metadata": {"name": name, **metadata}, "spec": spec}, "default")


def gone(client: Client, gvr: Any, name: str, namespace: str = "default") -> bool:
    try:
        client.get(gvr, name, namespace)
    except StatusError as error:
        return error.code == 404
    return False


def test_most_kinds_answer_with_a_status(client: Client) -> None:
    made = client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")
    assert client.delete(CONFIG_MAPS, "c", "default") == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]},
    }
    assert gone(client, CONFIG_MAPS, "c")


def test_services_answer_with_the_service(client: Client) -> None:
    client.create(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}, "default")
    assert client.delete(SERVICES, "s", "default")["spec"]["ports"][0]["port"] == 80
    assert gone(client, SERVICES, "s")


def test_a_pod_on_a_node_gets_its_grace_period(client: Client) -> None:
    pod(client)
    metadata = client.delete(PODS, "p", "default")["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 30
    assert metadata["deletionTimestamp"] == format_time(START + timedelta(seconds=30))
    assert not gone(client, PODS, "p")


def test_a_pod_without_a_node_goes_at_once(client: Client) -> None:
    pod(client, node="")
    client.delete(PODS, "p", "default")
    assert gone(client, PODS, "p")


def test_a_pod_that_has_ended_goes_at_once(client: Client) -> None:
    pod(client)
    client.patch(PODS, "p", {"status": {"phase": "Succeeded"}}, MERGE_PATCH, "default", subresource="status")
    client.delete(PODS, "p", "default")
    assert gone(client, PODS, "p")


def test_grace_zero_is_at_once(client: Client) -> None:
    pod(client)
    client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 0})
    assert gone(client, PODS, "p")


def test_a_second_delete_can_only_shorten_the_time(client: Client, clock: FrozenClock) -> None:
    pod(client)
    client.delete(PODS, "p", "default")
    clock.advance(timedelta(seconds=2))
    longer = client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 60})["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 30
    shorter = client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 5})["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] == format_time(START + timedelta(seconds=5))


def test_finalizers_hold_an_object(client: Client) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c", "finalizers": ["example.com/f"]}}, "default")
    held = client.delete(CONFIG_MAPS, "c", "default")["metadata"]
    assert held["deletionTimestamp"] == format_time(START)
    assert held["deletionGracePeriodSeconds"] == 0
    client.patch(CONFIG_MAPS, "c", {"metadata": {"finalizers": None}}, MERGE_PATCH, "default")
    assert gone(client, CONFIG_MAPS, "c")


def test_no_finalizer_can_be_added_to_what_is_ending(client: Client) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c", "finalizers": ["example.com/f"]}}, "default")
    client.delete(CONFIG_MAPS, "c", "default")
    change = {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}
    with pytest.raises(StatusError, match="no new finalizers can be added if the object is being deleted"):
        client.patch(CONFIG_MAPS, "c", change, MERGE_PATCH, "default")


POLICIES = {
    "orphan": ({"propagationPolicy": "Orphan"}, ["orphan"]),
    "foreground": ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
    "orphanDependents": ({"orphanDependents": True}, ["orphan"]),
}


@pytest.mark.parametrize(("options", "finalizers"), POLICIES.values(), ids=POLICIES)
def test_a_policy_is_a_finalizer_of_the_garbage_collector(
    client: Client, options: dict[str, Any], finalizers: list[str]
) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")
    assert (
        client.delete(CONFIG_MAPS, "c", "default", delete_options=options)["metadata"]["finalizers"]
        == finalizers
    )


def test_in_the_background_nothing_holds_the_object(client: Client) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")
    client.delete(CONFIG_MAPS, "c", "default", delete_options={"propagationPolicy": "Background"})
    assert gone(client, CONFIG_MAPS, "c")


DELETE_REFUSALS = {
    "another uid": (
        {"preconditions": {"uid": "abc"}},
        409,
        'Operation cannot be fulfilled on ConfigMap "c": the UID in the precondition (abc) does not match the UID',
    ),
    "another revision": (
        {"preconditions": {"resourceVersion": "1"}},
        409,
        'Operation cannot be fulfilled on ConfigMap "c": the ResourceVersion in the precondition (1) does not match',
    ),
    "a bad policy": (
        {"propagationPolicy": "Never"},
        422,
        (
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Never": '
            'supported values: "Foreground", "Background", "Orphan", "nil"'
        ),
    ),
    "two policies": (
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        422,
        (
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": '
            "orphanDependents and deletionPropagation cannot be both set"
        ),
    ),
    "a wrong type": (
        {"gracePeriodSeconds": "soon"},
        400,
        "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
    ),
}


@pytest.mark.parametrize(("options", "code", "message"), DELETE_REFUSALS.values(), ids=DELETE_REFUSALS)
def test_refused(client: Client, options: dict[str, Any], code: int, message: str) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")
    with pytest.raises(StatusError) as refusal:
        client.delete(CONFIG_MAPS, "c", "default", delete_options=options)
    assert refusal.value.code == code
    assert refusal.value.message.startswith(message)
    assert not gone(client, CONFIG_MAPS, "c")


def test_a_dry_run_deletes_nothing(client: Client) -> None:
    client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")
    assert client.delete(CONFIG_MAPS, "c", "default", options={"dryRun": "All"})["status"] == "Success"
    pod(client)
    shown = client.delete(PODS, "p", "default", delete_options={"dryRun": ["All"]})
    assert shown["metadata"]["deletionTimestamp"]
    assert not gone(client, CONFIG_MAPS, "c")
    assert "deletionTimestamp" not in client.get(PODS, "p", "default")["metadata"]


def test_a_collection_is_deleted_by_selector(client: Client) -> None:
    for name in ("a", "b", "c"):
        labels = {"x": "y"} if name != "c" else {}
        client.create(CONFIG_MAPS, {"metadata": {"name": name, "labels": labels}}, "default")
    client.request("DELETE", "/api/v1/namespaces/default/configmaps", query={"labelSelector": "x=y"})
    assert gone(client, CONFIG_MAPS, "a")
    assert gone(client, CONFIG_MAPS, "b")
    assert not gone(client, CONFIG_MAPS, "c")


def test_a_namespace_is_marked_first_and_gone_when_it_is_finalized(client: Client) -> None:
    client.create(NAMESPACES, {"metadata": {"name": "team"}})
    marked = client.delete(NAMESPACES, "team")
    assert marked["status"]["phase"] == "Terminating"
    assert (
        client.delete(NAMESPACES, "team")["metadata"]["resourceVersion"]
        == marked["metadata"]["resourceVersion"]
    )
    client.update(NAMESPACES, marked | {"spec": {"finalizers": []}}, subresource="finalize")
    assert gone(client, NAMESPACES, "team", "")


def test_the_deletion_itself_is_in_the_log(client: Client) -> None:
    made = client.create(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"k": "v"}}, "default")
    client.delete(CONFIG_MAPS, "c", "default")
    event = list(client.log(int(made["metadata"]["resourceVersion"])))[-1]
    assert event.type == "DELETED"
    assert event.object["data"] == {"k": "v"}
    assert int(event.object["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert event.old == made
