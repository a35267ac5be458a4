"""Watches over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from support.served import Served, served

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
def api() -> Iterator[Served]:
    with served() as found:
        yield found


def make(api: Served, name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels or {}},
        "data": data,
    }
    answer = api.ask("POST", CONFIG_MAPS, body)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def merge(api: Served, name: str, patch: dict[str, Any]) -> None:
    kind = {"content-type": "application/merge-patch+json"}
    assert api.ask("PATCH", f"{CONFIG_MAPS}/{name}", json.dumps(patch).encode(), kind).status == 200


def newest(api: Served) -> str:
    return str(api.ask("GET", f"{CONFIG_MAPS}?limit=1").json["metadata"]["resourceVersion"])


def told(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def test_each_change_is_an_event_in_order(api: Served) -> None:
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={newest(api)}") as events:
        make(api, "a")
        merge(api, "a", {"data": {"x": "1"}})
        api.ask("DELETE", f"{CONFIG_MAPS}/a")
        found = list(islice(events, 3))
    assert [told(e) for e in found] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in found]
    assert versions == sorted(set(versions))


def test_without_a_version_it_begins_with_what_is_there(api: Served) -> None:
    make(api, "here")
    with api.watch(f"{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Dhere") as events:
        assert told(next(events)) == ("ADDED", "here")
        merge(api, "here", {"data": {"x": "1"}})
        assert told(next(events)) == ("MODIFIED", "here")


def test_it_goes_on_where_it_was(api: Served) -> None:
    make(api, "first")
    version = newest(api)
    make(api, "second")
    make(api, "third")
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as events:
        assert [told(e)[1] for e in islice(events, 2)] == ["second", "third"]


def test_what_begins_and_ceases_to_match_comes_and_goes(api: Served) -> None:
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={newest(api)}&labelSelector=app%3Dweb") as events:
        make(api, "other", {"app": "db"})
        make(api, "web", {"app": "db"})
        merge(api, "web", {"metadata": {"labels": {"app": "web"}}})
        merge(api, "web", {"metadata": {"labels": {"app": "db"}}})
        assert [told(e) for e in islice(events, 2)] == [("ADDED", "web"), ("DELETED", "web")]


def test_a_namespace_sees_its_own(api: Served) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "elsewhere"}}
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={newest(api)}") as events:
        assert api.ask("POST", "/api/v1/namespaces/kube-public/configmaps", body).status == 201
        make(api, "mine")
        assert told(next(events)) == ("ADDED", "mine")


def test_a_table_names_its_columns_once(api: Served) -> None:
    import http.client

    connection = http.client.HTTPConnection(api.host, api.port, timeout=20)
    connection.request(
        "GET", f"{CONFIG_MAPS}?watch=1&resourceVersion={newest(api)}", headers={"accept": TABLE}
    )
    answer = connection.getresponse()
    make(api, "one")
    make(api, "two")
    found = [json.loads(answer.readline()) for _ in range(2)]
    connection.close()
    assert [len(e["object"]["columnDefinitions"]) for e in found] == [3, 0]
    assert [e["object"]["rows"][0]["cells"][0] for e in found] == ["one", "two"]


def test_initial_events_end_with_a_bookmark(api: Served) -> None:
    make(api, "here")
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    with api.watch(f"{CONFIG_MAPS}?{query}") as events:
        found = []
        for event in events:
            found.append(event)
            if event["type"] == "BOOKMARK":
                break
    assert {told(e)[1] for e in found[:-1]} == {"here", "kube-root-ca.crt"}
    assert found[-1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"


def test_it_ends_when_its_time_is_up(api: Served) -> None:
    with api.watch(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion={newest(api)}") as events:
        assert list(events) == []


def test_a_version_that_was_compacted_is_gone(api: Served) -> None:
    make(api, "old")
    version = int(newest(api))
    make(api, "new")
    api.cluster.storage.compact(api.cluster.storage.revision())
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version - 1}") as events:
        found = next(events)
    assert (found["type"], found["object"]["code"], found["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert found["object"]["message"].startswith(f"too old resource version: {version - 1} (")


def test_a_thousand_watches_see_the_same(api: Served) -> None:
    start = newest(api)
    open_ones = []
    for _ in range(1000):
        connection = api.connect()
        connection.sendall(
            f"GET {CONFIG_MAPS}?watch=1&resourceVersion={start} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        open_ones.append(connection)
    for connection in open_ones:
        assert b" 200 OK" in connection.recv(65536)
    make(api, "seen")
    try:
        for connection in open_ones:
            data = b""
            while b"\n\r\n" not in data:
                data += connection.recv(65536)
            assert data.count(b'"type":"ADDED"') == 1
            assert b'"name":"seen"' in data
    finally:
        for connection in open_ones:
            connection.close()


def test_who_never_reads_is_let_go_of_and_others_are_not_held_up(api: Served) -> None:
    start = newest(api)
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.settimeout(20)
    silent.connect((api.host, api.port))
    silent.sendall(f"GET {CONFIG_MAPS}?watch=1&resourceVersion={start} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert silent.recv(16) == b"HTTP/1.1 200 OK\r"
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={start}") as events:
        for number in range(30):
            make(api, f"big-{number}", data="x" * 900_000)
            assert told(next(events)) == ("ADDED", f"big-{number}")
    size = 0
    try:
        while data := silent.recv(1 << 20):
            size += len(data)
    except ConnectionResetError:
        pass
    silent.close()
    assert size < 20_000_000


def test_stopping_the_server_ends_watches_in_order(api: Served) -> None:
    with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={newest(api)}") as events:
        make(api, "last")
        assert told(next(events)) == ("ADDED", "last")
        api.plane.stop()
        assert list(events) == []
