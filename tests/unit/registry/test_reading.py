"""Lists, selectors, pieces, watches."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.client import Client
from kubesim.client.resources import CONFIG_MAPS, NAMESPACES, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.storage.interface import Page
from kubesim.storage.memory import MemoryStorage

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = make_cluster()
    for i in range(6):
        labels = {"parity": "even" if i % 2 == 0 else "odd", "n": str(i)}
        made.client.create(CONFIG_MAPS, {"metadata": {"name": f"c{i}", "labels": labels}}, "default")
    made.client.create(CONFIG_MAPS, {"metadata": {"name": "c0"}}, "kube-public")
    yield made
    made.close()


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return cluster.client


def names(found: dict[str, Any]) -> list[str]:
    return [o["metadata"]["name"] for o in found["items"]]


SELECTIONS = {
    "one label": ({"labelSelector": "parity=even"}, ["c0", "c2", "c4"]),
    "two labels": ({"labelSelector": "parity=even,n!=2"}, ["c0", "c4"]),
    "a set": ({"labelSelector": "n in (1,2,9)"}, ["c1", "c2"]),
    "not in a set": ({"labelSelector": "n notin (1,2)"}, ["c0", "c3", "c4", "c5"]),
    "no such label": ({"labelSelector": "!parity"}, []),
    "greater": ({"labelSelector": "n>3"}, ["c4", "c5"]),
    "a name": ({"fieldSelector": "metadata.name=c3"}, ["c3"]),
    "not a name": ({"fieldSelector": "metadata.name!=c3"}, ["c0", "c1", "c2", "c4", "c5"]),
    "both": ({"labelSelector": "parity=odd", "fieldSelector": "metadata.name=c2"}, []),
    "no such name": ({"fieldSelector": "metadata.name=zz"}, []),
}


@pytest.mark.parametrize(("query", "expected"), SELECTIONS.values(), ids=SELECTIONS)
def test_selection(client: Client, query: dict[str, str], expected: list[str]) -> None:
    found = client.request("GET", MAPS, query=query).body
    assert isinstance(found, dict)
    assert names(found) == expected


def test_one_namespace_or_all(client: Client) -> None:
    assert names(client.list(CONFIG_MAPS, "kube-public")) == ["c0"]
    assert names(client.list(CONFIG_MAPS))[:7] == ["c0", "c1", "c2", "c3", "c4", "c5", "c0"]
    everywhere = client.list(CONFIG_MAPS, field_selector="metadata.namespace=kube-public")
    assert names(everywhere) == ["c0"]


def test_items_of_a_list_do_not_say_their_kind_but_the_client_does(client: Client) -> None:
    found = client.request("GET", MAPS).body
    assert isinstance(found, dict)
    assert all("kind" not in o for o in found["items"])
    assert all(o["kind"] == "ConfigMap" for o in client.list(CONFIG_MAPS)["items"])


def test_a_list_in_pieces(client: Client) -> None:
    collected: list[str] = []
    token, left = "", []
    while True:
        found = client.list(CONFIG_MAPS, "default", limit=2, continue_token=token)
        collected += names(found)
        left.append(found["metadata"].get("remainingItemCount"))
        token = found["metadata"].get("continue", "")
        if not token:
            break
    assert collected == [f"c{i}" for i in range(6)]
    assert left == [4, 2, None]


@pytest.mark.parametrize("selector", ["parity=even", "n>0"], ids=["by index", "one by one"])
def test_a_selective_list_in_pieces(client: Client, selector: str) -> None:
    whole = names(client.list(CONFIG_MAPS, "default", label_selector=selector))
    first = client.list(CONFIG_MAPS, "default", label_selector=selector, limit=2)
    assert "remainingItemCount" not in first["metadata"]
    collected = names(first)
    token = first["metadata"]["continue"]
    while token:
        more = client.list(CONFIG_MAPS, "default", label_selector=selector, limit=2, continue_token=token)
        collected += names(more)
        token = more["metadata"].get("continue", "")
    assert collected == whole


def test_pieces_belong_to_one_moment(client: Client) -> None:
    first = client.list(CONFIG_MAPS, "default", limit=2)
    client.delete(CONFIG_MAPS, "c3", "default")
    client.create(CONFIG_MAPS, {"metadata": {"name": "c25"}}, "default")
    rest = client.list(CONFIG_MAPS, "default", limit=9, continue_token=first["metadata"]["continue"])
    assert names(rest) == ["c2", "c3", "c4", "c5"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_token_that_is_too_old_offers_the_rest(cluster: Cluster) -> None:
    client = cluster.client
    first = client.list(CONFIG_MAPS, "default", limit=2)
    client.delete(CONFIG_MAPS, "c3", "default")
    cluster.storage.compact(cluster.storage.revision())
    with pytest.raises(StatusError) as refusal:
        client.list(CONFIG_MAPS, "default", limit=2, continue_token=first["metadata"]["continue"])
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    assert refusal.value.message.startswith(
        "The provided continue parameter is too old to display a consistent"
    )
    token = refusal.value.status["metadata"]["continue"]
    assert names(client.list(CONFIG_MAPS, "default", continue_token=token)) == ["c2", "c4", "c5"]


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


BAD_TOKENS = {
    "no base64": ("a!b", "illegal base64 data at input byte 1"),
    "no JSON": ("abc", "invalid character 'i' looking for beginning of value"),
    "another version": (
        encoded({"v": "meta.k8s.io/v2", "rv": 1, "start": "/a"}),
        'server does not recognize this encoded version "meta.k8s.io/v2"',
    ),
    "no revision": (
        encoded({"v": "meta.k8s.io/v1", "start": "/a"}),
        "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
    ),
    "no start": (
        encoded({"v": "meta.k8s.io/v1", "rv": 1}),
        "encoded start key empty (version meta.k8s.io/v1)",
    ),
    "a way out": (encoded({"v": "meta.k8s.io/v1", "rv": 1, "start": "/../x"}), "/../x"),
}


@pytest.mark.parametrize(("token", "message"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_bad_tokens(client: Client, token: str, message: str) -> None:
    with pytest.raises(StatusError) as refusal:
        client.list(CONFIG_MAPS, "default", continue_token=token)
    assert refusal.value.message == f"invalid continue token: continue key is not valid: {message}"


BAD_LISTS = {
    "label selector": (
        {"labelSelector": "run in my-pod"},
        400,
        "unable to parse requirement: found 'my-pod' expected: '('",
    ),
    "field without a kind's consent": (
        {"fieldSelector": "spec.foo=bar"},
        400,
        '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ),
    "field selector": (
        {"fieldSelector": "spec.foo"},
        400,
        "invalid selector: 'spec.foo'; can't understand 'spec.foo'",
    ),
    "revision": (
        {"resourceVersion": "abc"},
        500,
        'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ),
    "revision of the future": (
        {"resourceVersion": "99999"},
        504,
        "Timeout: Too large resource version: 99999, current: ",
    ),
    "match without a revision": (
        {"resourceVersionMatch": "Exact"},
        422,
        (
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden '
            "unless resourceVersion is provided"
        ),
    ),
    "initial events": (
        {"sendInitialEvents": "true"},
        422,
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ),
    "limit": ({"limit": "many"}, 400, 'strconv.ParseInt: parsing "many": invalid syntax'),
}


@pytest.mark.parametrize(("query", "code", "message"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_bad_lists(client: Client, query: dict[str, str], code: int, message: str) -> None:
    with pytest.raises(StatusError) as refusal:
        client.request("GET", MAPS, query=query)
    assert refusal.value.code == code
    assert refusal.value.message.startswith(message)


def test_kinds_with_fields_of_their_own_refuse_others_in_their_own_words(client: Client) -> None:
    with pytest.raises(StatusError) as refusal:
        client.list(SERVICES, "default", field_selector="spec.foo=x")
    assert refusal.value.message == "field label not supported: spec.foo"


def test_time_travel(client: Client) -> None:
    before = client.list(CONFIG_MAPS, "default")["metadata"]["resourceVersion"]
    client.delete(CONFIG_MAPS, "c0", "default")
    query = {"resourceVersion": before, "resourceVersionMatch": "Exact"}
    found = client.request("GET", MAPS, query=query).body
    assert isinstance(found, dict)
    assert names(found)[0] == "c0"
    query["resourceVersionMatch"] = "NotOlderThan"
    found = client.request("GET", MAPS, query=query).body
    assert isinstance(found, dict)
    assert names(found)[0] == "c1"


def test_look_ups_by_index(client: Client) -> None:
    found = client.list(CONFIG_MAPS, "default", index=("label", ["n=1", "n=4"]))
    assert names(found) == ["c1", "c4"]
    found = client.list(CONFIG_MAPS, "default", index=("field", ["metadata.name=c5", "metadata.name=zz"]))
    assert names(found) == ["c5"]


def test_owners_can_be_looked_up(client: Client) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c0", "uid": "the-owner"}
    client.patch(CONFIG_MAPS, "c1", {"metadata": {"ownerReferences": [owner]}}, MERGE_PATCH, "default")
    assert names(client.list(CONFIG_MAPS, index=("owner", ["the-owner"]))) == ["c1"]


class CountingStorage(MemoryStorage):
    """Counts the rows that are read."""

    rows = 0

    def list(self, *args: Any, **kwargs: Any) -> Page:
        page = super().list(*args, **kwargs)
        self.rows += len(page.rows)
        return page

    def lookup(self, *args: Any, **kwargs: Any) -> Page:
        page = super().lookup(*args, **kwargs)
        self.rows += len(page.rows)
        return page


def test_a_selective_list_reads_what_it_returns() -> None:
    storage = CountingStorage()
    client = make_cluster(storage).client
    with client.batch():
        for i in range(300):
            labels = {"app": f"a{i % 30}"}
            client.create(CONFIG_MAPS, {"metadata": {"name": f"m{i}", "labels": labels}}, "default")
    storage.rows = 0
    assert len(client.list(CONFIG_MAPS, "default", label_selector="app=a7")["items"]) == 10
    assert storage.rows == 10


# Watches.


def watch(client: Client, **query: str) -> list[tuple[str, str]]:
    query = {"watch": "true", "timeoutSeconds": "1", **query}
    events = client.request("GET", MAPS, query=query).events
    assert events is not None
    return [(e.type, e.object["metadata"].get("name", "")) for e in events]


def test_a_watch_begins_with_what_is_there(client: Client) -> None:
    assert watch(client) == [("ADDED", f"c{i}") for i in range(6)]


def test_a_watch_from_a_revision_sees_what_came_after(client: Client) -> None:
    start = client.list(CONFIG_MAPS)["metadata"]["resourceVersion"]
    client.create(CONFIG_MAPS, {"metadata": {"name": "new"}}, "default")
    client.patch(CONFIG_MAPS, "new", {"data": {"a": "b"}}, MERGE_PATCH, "default")
    client.delete(CONFIG_MAPS, "new", "default")
    client.create(CONFIG_MAPS, {"metadata": {"name": "elsewhere"}}, "kube-public")
    assert watch(client, resourceVersion=start) == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]


def test_a_selector_turns_changes_into_arrivals_and_departures(client: Client) -> None:
    start = client.list(CONFIG_MAPS)["metadata"]["resourceVersion"]

    def label(name: str, value: str | None) -> None:
        client.patch(CONFIG_MAPS, name, {"metadata": {"labels": {"parity": value}}}, MERGE_PATCH, "default")

    label("c1", "even")
    label("c0", None)
    label("c3", "strange")
    client.patch(CONFIG_MAPS, "c2", {"data": {"x": "y"}}, MERGE_PATCH, "default")
    client.delete(CONFIG_MAPS, "c5", "default")
    client.delete(CONFIG_MAPS, "c4", "default")
    events = watch(client, resourceVersion=start, labelSelector="parity=even")
    assert events == [("ADDED", "c1"), ("DELETED", "c0"), ("MODIFIED", "c2"), ("DELETED", "c4")]


def test_initial_events_end_with_a_bookmark(client: Client) -> None:
    query = {"watch": "true", "timeoutSeconds": "1", "sendInitialEvents": "true"}
    query |= {"allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    events = client.request("GET", MAPS, query=query).events
    assert events is not None
    *added, bookmark = events
    assert [e.type for e in added] == ["ADDED"] * 6
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"


def test_initial_events_need_their_match(client: Client) -> None:
    with pytest.raises(
        StatusError, match="sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    ):
        watch(client, sendInitialEvents="true")


def test_a_watch_from_what_is_compacted_ends_with_an_error(cluster: Cluster) -> None:
    cluster.client.delete(CONFIG_MAPS, "c0", "default")
    cluster.storage.compact(cluster.storage.revision())
    query = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": "1"}
    events = cluster.client.request("GET", MAPS, query=query).events
    assert events is not None
    (event,) = events
    assert event.type == "ERROR"
    assert (event.object["code"], event.object["reason"]) == (410, "Expired")
    assert event.object["message"].startswith("too old resource version: 1 (")


def test_a_bad_revision_is_refused_before_the_watch_begins(client: Client) -> None:
    with pytest.raises(StatusError, match='resourceVersion: Invalid value: "abc"'):
        client.request("GET", MAPS, query={"watch": "true", "resourceVersion": "abc"})


def test_the_log_has_everything_in_order(client: Client) -> None:
    events = list(client.log(0))
    revisions = [int(e.object["metadata"]["resourceVersion"]) for e in events]
    assert revisions == sorted(set(revisions))
    assert {e.object["kind"] for e in events} >= {"Namespace", "Node", "Service", "ConfigMap"}


def test_the_log_can_be_asked_for_some_kinds(client: Client) -> None:
    events = client.request("GET", "/kubesim/log", query={"resources": "namespaces,services"}).events
    assert events is not None
    assert {e.object["kind"] for e in events} == {"Namespace", "Service"}


def test_the_log_says_when_it_is_cut(cluster: Cluster) -> None:
    cluster.client.delete(CONFIG_MAPS, "c0", "default")
    cluster.storage.compact(cluster.storage.revision())
    with pytest.raises(StatusError) as refusal:
        cluster.client.log(1)
    assert refusal.value.code == 410


def test_events_are_one_thing_under_two_names(client: Client) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Started",
        "message": "it did",
        "type": "Normal",
        "count": 2,
    }
    client.request("POST", "/api/v1/namespaces/default/events", body=event)
    other = client.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e").body
    assert isinstance(other, dict)
    assert other["apiVersion"] == "events.k8s.io/v1"
    assert (other["note"], other["deprecatedCount"], other["regarding"]["name"]) == ("it did", 2, "p")


def test_nothing_is_there_where_nothing_is(client: Client) -> None:
    assert client.list(PODS, "nosuch")["items"] == []
    with pytest.raises(StatusError, match='namespaces "nosuch" not found'):
        client.get(NAMESPACES, "nosuch")
