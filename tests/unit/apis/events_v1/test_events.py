"""Events in both of their forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis import events
from kubesim.apis.core_v1 import event as core
from kubesim.apis.events_v1 import event as newer

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def event(**content: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "p.1", "namespace": "default"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": "default",
            "name": "p",
            "fieldPath": "spec.containers{a}",
        },
        "reason": "Pulled",
        "message": "Image pulled \n",
        "type": "Normal",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:09:30Z",
        "count": 3,
    }
    obj |= content
    core.default(obj)
    return obj


def test_empty_fields_are_written() -> None:
    obj: dict[str, Any] = {"metadata": {"name": "e"}}
    core.default(obj)
    assert obj == {
        "metadata": {"name": "e"},
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }


NEW_STYLE = {
    "eventTime": "2026-01-01T00:09:00.000000Z",
    "reportingComponent": "scheduler",
    "reportingInstance": "scheduler-1",
    "action": "Binding",
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "count": None,
}
ROWS = {
    "counted": (
        event(),
        [
            "30s",
            "Normal",
            "Pulled",
            "pod/p",
            "spec.containers{a}",
            "kubelet, node-1",
            "Image pulled",
            "10m",
            3,
            "p.1",
        ],
    ),
    "new style": (
        event(**NEW_STYLE),
        [
            "60s",
            "Normal",
            "Pulled",
            "pod/p",
            "spec.containers{a}",
            "scheduler, scheduler-1",
            "Image pulled",
            "60s",
            1,
            "p.1",
        ],
    ),
    "series": (
        event(**NEW_STYLE, series={"count": 7, "lastObservedTime": "2026-01-01T00:09:55.000000Z"}),
        [
            "5s",
            "Normal",
            "Pulled",
            "pod/p",
            "spec.containers{a}",
            "scheduler, scheduler-1",
            "Image pulled",
            "60s",
            7,
            "p.1",
        ],
    ),
    "nothing known": (
        {"metadata": {"name": "p.1"}, "involvedObject": {"kind": "Node"}},
        ["<unknown>", "", "", "node", "", "", "", "<unknown>", 1, "p.1"],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_table(obj: dict[str, Any], expected: list[Any]) -> None:
    assert core.cells(obj, NOW) == expected
    assert newer.cells(events.from_core(obj), NOW) == expected
    assert len(core.COLUMNS) == len(expected)


def test_the_two_forms_translate_into_each_other() -> None:
    obj = event()
    other = events.from_core(obj)
    assert other["apiVersion"] == "events.k8s.io/v1"
    assert (other["regarding"]["name"], other["note"], other["deprecatedCount"]) == (
        "p",
        "Image pulled \n",
        3,
    )
    assert events.to_core(other) == obj


MISMATCH = "involvedObject.namespace: Invalid value: {}: does not match event.namespace"
LEGACY = {
    "fine": (event(), []),
    "other namespace": (event(involvedObject={"namespace": "x"}), [MISMATCH.format('"x"')]),
    "object without namespace": (event(involvedObject={"kind": "Node", "name": "n"}), []),
    "new style without what it needs": (
        event(eventTime="2026-01-01T00:09:00.000000Z", reason=""),
        [
            "reportingComponent: Required value",
            'reportingComponent: Invalid value: "": name part must be non-empty',
            (
                "reportingComponent: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must"
                " start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation"
                " is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ),
            "reportingInstance: Required value",
            "action: Required value",
            "reason: Required value",
        ],
    ),
    "too long": (
        event(**NEW_STYLE | {"action": "a" * 129, "message": "m" * 1025}),
        [
            'action: Invalid value: "": can have at most 128 characters',
            'message: Invalid value: "": can have at most 1024 characters',
        ],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), LEGACY.values(), ids=LEGACY)
def test_v1_refuses(obj: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in core.validate(obj)] == expected


def test_the_newer_version_is_stricter() -> None:
    assert newer.validate(events.from_core(event(**NEW_STYLE))) == []
    errors = newer.validate(events.from_core(event(type="Foo", series={"count": 1})))
    assert [str(e) for e in errors] == [
        'series.count: Invalid value: "": should be at least 2',
        "series.lastObservedTime: Required value",
        "eventTime: Required value",
        'type: Invalid value: "": has invalid value: Foo',
        'firstTimestamp: Invalid value: "": needs to be unset',
        'lastTimestamp: Invalid value: "": needs to be unset',
        'count: Invalid value: "": needs to be unset',
        'source: Invalid value: "": needs to be unset',
    ]


def test_only_the_series_of_a_newer_event_changes() -> None:
    old = events.from_core(event(**NEW_STYLE))
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:09:55.000000Z"}
    assert newer.validate_update(old | {"series": series}, old) == []
    errors = newer.validate_update(old | {"note": "other"}, old)
    assert [str(e) for e in errors] == ['message: Invalid value: "other": field is immutable']


def test_field_selectors_have_each_versions_names() -> None:
    obj = event()
    assert core.fields(obj)["involvedObject.name"] == "p"
    assert core.fields(obj)["source"] == "kubelet"
    assert core.fields(event(**NEW_STYLE))["source"] == "scheduler"
    found = newer.fields(events.from_core(obj))
    assert found["regarding.kind"] == "Pod"
    assert "source" not in found
    assert found["reportingController"] == ""
