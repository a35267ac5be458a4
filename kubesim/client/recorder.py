"""Recording Events, counted and aggregated as client-go's event correlator does it.

client-go remembers in memory what it has recorded; here a process may end after each command, so the memory
is the stored Events about the object, found through the index of `involvedObject.uid`. The rules are those of
client-go/tools/record/events_cache.go: the same event again raises `count`; ten that differ only in their
message become one "(combined from similar events)"; a source may say 25 things of one kind about an object,
and one more every five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import metadata_of
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.client import Client
from kubesim.client.lister import by_index
from kubesim.client.resources import EVENTS
from kubesim.util.clock import Clock, format_micro_time, format_time, parse_time
from kubesim.util.jsontypes import JSONObject

NORMAL = "Normal"
WARNING = "Warning"

AGGREGATE_EVENTS = 10
AGGREGATE_INTERVAL = timedelta(minutes=10)
SPAM_BURST = 25
SPAM_REFILL = timedelta(minutes=5)
_COMBINED = "(combined from similar events): "


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to an object: what an Event says. `field_path` names the part of the object."""

    type: str
    reason: str
    message: str
    field_path: str = ""


def object_reference(obj: JSONObject, kind: str, api_version: str = "v1", *, uid: str = "") -> JSONObject:
    """The `involvedObject` of Events about an object, fields in Go's order. `uid` replaces the object's
    own.
    """
    metadata = metadata_of(obj)
    found = {
        "kind": kind,
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
        "uid": uid or metadata.get("uid"),
        "apiVersion": api_version,
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {k: v for k, v in found.items() if v}


class EventBroadcaster:
    """Writes Events; makes the recorders of single components."""

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._last_stamp = 0

    def recorder(self, component: str, host: str = "") -> EventRecorder:
        """The recorder of a component (`kubelet`), on a host where that matters."""
        return EventRecorder(self, component, host)

    def now(self) -> datetime:
        return self._clock.now()

    def about(self, reference: JSONObject) -> list[JSONObject]:
        """The stored Events about an object."""
        uid = reference.get("uid")
        key = f"involvedObject.uid={uid}" if uid else f"involvedObject.name={reference.get('name')}"
        return by_index(self._client, EVENTS, event_namespace(reference), "field", [key])

    def create(self, event: JSONObject, namespace: str, name: str) -> bool:
        """Store a new Event under a name that ends in the time; False where the namespace takes no more
        objects.
        """
        for _ in range(100):
            event["metadata"] = {"name": f"{name}.{self._stamp():016x}", "namespace": namespace}
            try:
                self._client.create(EVENTS, event, namespace)
            except StatusError as error:
                if error.reason == "AlreadyExists":
                    continue  # the clock stands still: take the next nanosecond
                return _dropped(error)
            return True
        raise RuntimeError(f"no free name for an event about {name}")

    def patch(self, event: JSONObject, change: JSONObject) -> bool:
        """Change a stored Event; False where it is gone."""
        metadata = event["metadata"]
        try:
            self._client.patch(EVENTS, metadata["name"], change, MERGE_PATCH, metadata["namespace"])
        except StatusError as error:
            return _dropped(error)
        return True

    def _stamp(self) -> int:
        """Nanoseconds since 1970, each value once: the clock counts microseconds."""
        now = self._clock.now()
        since = now - _EPOCH
        exact = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
        self._last_stamp = max(exact, self._last_stamp + 1)
        return self._last_stamp


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def event_namespace(reference: JSONObject) -> str:
    """Events about what has no namespace are in `default`: record.makeEvent."""
    return str(reference.get("namespace") or "default")


def _dropped(error: StatusError) -> bool:
    """Recording must not stop the work: a namespace that is gone or going takes no Events, and client-go
    drops them.

    Anything else is a fault, and raised.
    """
    if error.code in (403, 404):
        return False
    raise error


class EventRecorder:
    """Records Events in the name of one component."""

    def __init__(self, broadcaster: EventBroadcaster, component: str, host: str) -> None:
        self._broadcaster = broadcaster
        self._component = component
        self._host = host

    def event(
        self, reference: JSONObject, kind: str, reason: str, message: str, field_path: str = ""
    ) -> None:
        """Record one occurrence. `reference` is an `object_reference`; `kind` is `Normal` or `Warning`."""
        self.events(reference, [Occurrence(kind, reason, message, field_path)])

    def events(self, reference: JSONObject, occurrences: Iterable[Occurrence]) -> None:
        """Record what happened to one object, in order, with one look-up of what is already known."""
        happened = list(occurrences)
        if not happened:
            return
        known = [e for e in self._broadcaster.about(reference) if self._is_mine(e)]
        for occurrence in happened:
            self._record(reference, occurrence, known)

    def _is_mine(self, event: JSONObject) -> bool:
        source = event.get("source") or {}
        return (source.get("component", ""), source.get("host", "")) == (self._component, self._host)

    def _record(self, reference: JSONObject, happened: Occurrence, known: list[JSONObject]) -> None:
        now = self._broadcaster.now()
        if _is_spam(happened, known, now):
            return
        similar = [e for e in known if e.get("type") == happened.type and e.get("reason") == happened.reason]
        message = happened.message
        combined = _aggregated(message, similar, now)
        if combined is not None:
            message, same = combined
        else:
            same = _same(happened, similar)
        if same is not None:
            change = {
                "count": int(same.get("count") or 1) + 1,
                "lastTimestamp": format_time(now),
                "message": message,
            }
            if self._broadcaster.patch(same, change):
                same.update(change)
                return
        event = self._make(reference, happened, message, now)
        if self._broadcaster.create(event, event_namespace(reference), str(reference.get("name"))):
            known.append(event)

    def _make(self, reference: JSONObject, happened: Occurrence, message: str, now: datetime) -> JSONObject:
        involved = dict(reference)
        if happened.field_path:
            involved["fieldPath"] = happened.field_path
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {},
            "involvedObject": involved,
            "reason": happened.reason,
            "message": message,
            "source": source,
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "count": 1,
            "type": happened.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def note(
        self, reference: JSONObject, kind: str, reason: str, *, action: str, note: str, instance: str
    ) -> None:
        """Record an Event as client-go/tools/events does, which the scheduler uses: with a time to the
        microsecond.

        The same action again on the object as it was then, whatever the note, continues the Event as a
        series: events.getKey leaves the note out, and has the object's resourceVersion in.
        """
        now = format_micro_time(self._broadcaster.now())
        wanted = (kind, reason, action, self._component, reference)
        fields = ("type", "reason", "action", "reportingComponent", "involvedObject")
        for event in self._broadcaster.about(reference):
            if tuple(event.get(f) for f in fields) == wanted:
                count = int((event.get("series") or {}).get("count") or 1) + 1
                series = {"series": {"count": count, "lastObservedTime": now}}
                if self._broadcaster.patch(event, series):
                    return
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {},
            "involvedObject": dict(reference),
            "reason": reason,
            "message": note,
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": kind,
            "eventTime": now,
            "action": action,
            "reportingComponent": self._component,
            "reportingInstance": instance,
        }
        self._broadcaster.create(event, event_namespace(reference), str(reference.get("name")))


def _same(happened: Occurrence, similar: Sequence[JSONObject]) -> JSONObject | None:
    """The stored Event that says the very same: getEventKey."""
    for event in similar:
        path = (event.get("involvedObject") or {}).get("fieldPath") or ""
        if event.get("message") == happened.message and path == happened.field_path:
            return event
    return None


def _aggregated(
    message: str, similar: Sequence[JSONObject], now: datetime
) -> tuple[str, JSONObject | None] | None:
    """The message and the stored Event of an aggregate; None while there are too few similar ones.

    EventAggregator.EventAggregate: the tenth distinct message within ten minutes starts to be combined.
    """
    if len(similar) < AGGREGATE_EVENTS - 1 or max(map(_last_seen, similar)) < now - AGGREGATE_INTERVAL:
        return None
    distinct = {str(e.get("message")) for e in similar}
    combined = next((e for e in similar if str(e.get("message")).startswith(_COMBINED)), None)
    if combined is None and len(distinct | {message}) < AGGREGATE_EVENTS:
        return None
    return _COMBINED + message, combined


def _is_spam(happened: Occurrence, known: Sequence[JSONObject], now: datetime) -> bool:
    """Whether the budget of this source about this object is used up.

    EventSourceObjectSpamFilter, computed from what is stored: as many as the burst, plus the refill since the
    first one.
    """
    of_type = [e for e in known if e.get("type") == happened.type]
    total = sum(int(e.get("count") or 1) for e in of_type)
    if total < SPAM_BURST:
        return False
    first = min(_seen(e, "firstTimestamp") for e in of_type)
    return total >= SPAM_BURST + (now - first) // SPAM_REFILL


def _last_seen(event: JSONObject) -> datetime:
    return _seen(event, "lastTimestamp")


def _seen(event: JSONObject, field: str) -> datetime:
    text = event.get(field)
    return parse_time(text) if text else _EPOCH
