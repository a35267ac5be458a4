from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster

from kubesim.client.recorder import EventBroadcaster, Occurrence, object_reference
from kubesim.client.resources import CONFIG_MAPS, EVENTS
from kubesim.cluster.build import Cluster
from kubesim.util.clock import FrozenClock


class Desk:
    """A cluster with something to record Events about."""

    def __init__(self) -> None:
        self.clock = FrozenClock(START)
        self.cluster: Cluster = make_cluster(clock=self.clock)
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "thing"}}
        self.thing = self.cluster.client.create(CONFIG_MAPS, body, "default")
        self.about = object_reference(self.thing, "ConfigMap")

    def recorder(self, component: str = "tester", host: str = "here") -> Any:
        """A new one each time, as in a new process."""
        return EventBroadcaster(self.cluster.client, clock=self.cluster.clock).recorder(component, host)

    def events(self) -> list[dict[str, Any]]:
        return list(self.cluster.client.list(EVENTS, "default")["items"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_event_has_all_its_fields(desk: Desk) -> None:
    desk.recorder().event(desk.about, "Normal", "Tried", "It was tried", "spec.part{a}")
    (event,) = desk.events()
    name, _, stamp = event["metadata"]["name"].rpartition(".")
    assert (name, len(stamp)) == ("thing", 16)
    assert event["metadata"]["namespace"] == "default"
    del event["metadata"]
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {
            "kind": "ConfigMap",
            "namespace": "default",
            "name": "thing",
            "uid": desk.thing["metadata"]["uid"],
            "apiVersion": "v1",
            "resourceVersion": desk.thing["metadata"]["resourceVersion"],
            "fieldPath": "spec.part{a}",
        },
        "reason": "Tried",
        "message": "It was tried",
        "source": {"component": "tester", "host": "here"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "tester",
        "reportingInstance": "here",
    }


def test_the_same_again_is_counted_also_by_another_process(desk: Desk) -> None:
    for _ in range(3):
        desk.recorder().event(desk.about, "Normal", "Tried", "It was tried")
        desk.clock.advance(timedelta(seconds=10))
    (event,) = desk.events()
    assert event["count"] == 3
    assert (event["firstTimestamp"], event["lastTimestamp"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:20Z",
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"component": "another"}, id="component"),
        pytest.param({"host": "there"}, id="host"),
    ],
)
def test_what_another_source_says_is_another_event(desk: Desk, other: dict[str, str]) -> None:
    desk.recorder().event(desk.about, "Normal", "Tried", "It was tried")
    desk.recorder(**other).event(desk.about, "Normal", "Tried", "It was tried")
    assert [e["count"] for e in desk.events()] == [1, 1]


def test_many_similar_events_are_combined(desk: Desk) -> None:
    for number in range(14):
        desk.recorder().event(desk.about, "Warning", "Failed", f"number {number}")
        desk.clock.advance(timedelta(seconds=1))
    messages = {e["message"]: e["count"] for e in desk.events()}
    assert len(messages) == 10
    assert messages["(combined from similar events): number 13"] == 5


def test_a_source_that_talks_too_much_is_not_listened_to(desk: Desk) -> None:
    for _ in range(40):
        desk.recorder().event(desk.about, "Warning", "Failed", "again")
    assert [e["count"] for e in desk.events()] == [25]
    desk.clock.advance(timedelta(minutes=11))
    for _ in range(5):
        desk.recorder().event(desk.about, "Warning", "Failed", "again")
    assert [e["count"] for e in desk.events()] == [27]


def test_several_occurrences_keep_their_order(desk: Desk) -> None:
    happened = [Occurrence("Normal", f"R{i}", "m") for i in range(5)]
    desk.recorder().events(desk.about, happened)
    found = sorted(desk.events(), key=lambda e: e["metadata"]["name"])
    assert [e["reason"] for e in found] == ["R0", "R1", "R2", "R3", "R4"]


def test_events_about_a_namespace_that_is_gone_are_dropped(desk: Desk) -> None:
    about = desk.about | {"namespace": "nowhere"}
    desk.recorder().event(about, "Normal", "Tried", "It was tried")
    assert desk.events() == []


def test_a_series_goes_on_under_one_name(desk: Desk) -> None:
    for number in range(3):
        desk.recorder("scheduler", "").note(
            desk.about, "Warning", "FailedScheduling", action="Scheduling", note=f"try {number}", instance="x"
        )
        desk.clock.advance(timedelta(seconds=1))
    (event,) = desk.events()
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert event["series"] == {"count": 3, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}
    assert (event["message"], event["action"], event["source"]) == ("try 0", "Scheduling", {})
    assert (event["firstTimestamp"], event.get("count")) == (None, None)
