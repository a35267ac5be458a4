"""What a comparison with the real kubectl brought to light; `tests/kubectl/test_parity.py` makes it, where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import new_home, run_cli

FROZEN = ("--clock", "2026-01-01T09:00:00Z")


def event(name: str, **times: str | None) -> dict[str, object]:
    about = {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "default"}
    meta = {"name": name, "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta,
        "involvedObject": about,
        "reason": name,
        **times,
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cluster with two Events within one second: the later one has the fraction, the earlier one has none."""
    home = new_home(tmp_path, *FROZEN)
    items = [
        event(
            "second",
            eventTime="2026-01-01T08:59:59.700000Z",
            reportingComponent="c",
            reportingInstance="i",
            action="a",
        ),
        event("first", lastTimestamp="2026-01-01T08:59:59Z", firstTimestamp="2026-01-01T08:59:59Z"),
    ]
    for item in items:
        run_cli(home, "create", "-f", "-", stdin=json.dumps(item)).check()
    return home


def test_events_come_in_the_order_of_time_whatever_their_precision(home: Path) -> None:
    found = run_cli(home, "events", "--for=pod/web", "-o", "jsonpath={.items[*].reason}").check()
    assert found.out == "first second"


def test_events_are_printed_as_a_typed_list(home: Path) -> None:
    found = json.loads(run_cli(home, "events", "--for=pod/web", "-o", "json").check().out)
    assert list(found) == ["kind", "apiVersion", "metadata", "items"]
    assert (found["kind"], found["metadata"]) == ("EventList", {})
    assert list(found["items"][0])[:4] == ["kind", "apiVersion", "metadata", "involvedObject"]
    assert list(found["items"][0]["involvedObject"])[:3] == ["kind", "namespace", "name"]
    assert run_cli(home, "events", "-o", "name").check().out == ""


@pytest.mark.parametrize(
    "command", ["get cm --watch -o name", "get cm --watch-only", "events --watch -o name"]
)
def test_time_limit_of_requests_ends_a_watch(tmp_path: Path, command: str) -> None:
    home = new_home(tmp_path, *FROZEN)
    ended = run_cli(home, *command.split(), "--request-timeout=5s")
    assert (ended.code, ended.err) == (0, "")


def test_text_that_ends_its_line_leaves_an_empty_one_when_an_object_is_invalid(tmp_path: Path) -> None:
    home = new_home(tmp_path, *FROZEN)
    run_cli(home, "run", "web", "--image=nginx").check()
    refused = run_cli(home, "patch", "pod", "web", "-p", '{"spec":{"nodeName":"node-2"}}')
    assert refused.code == 1
    assert refused.err.endswith("\n\n")


def test_request_that_is_spelled_out_is_managed_by_kubectl_alone(tmp_path: Path) -> None:
    home = new_home(tmp_path, *FROZEN)
    (home / "map.json").write_text(
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"b"}}'
    )
    made = run_cli(
        home, "create", "--raw=/api/v1/namespaces/default/configmaps", "-f", "map.json", cwd=home
    ).check()
    managers = [entry["manager"] for entry in json.loads(made.out)["metadata"]["managedFields"]]
    assert managers == ["kubectl"]


def test_pruning_warns_of_what_will_change(tmp_path: Path) -> None:
    home = new_home(tmp_path, *FROZEN)
    (home / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {a: b}}\n")
    pruned = run_cli(home, "apply", "-f", "map.yaml", "--prune", "-l", "a=b", cwd=home).check()
    assert (
        "prune.go:71] Deprecated: kubectl apply will no longer prune non-namespaced resources" in pruned.err
    )
