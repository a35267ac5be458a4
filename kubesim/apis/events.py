"""Events, which two API groups show in two forms: the rules and the table that they share.

One store holds them; `v1` and `events.k8s.io/v1` name its fields differently. Everything here takes the form
of `v1`; `to_core` and `from_core` translate the other. Sources: pkg/apis/core/validation/events.go,
pkg/apis/events/v1/conversion.go, pkg/printers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.names import byte_length, is_dns1123_subdomain, is_qualified_name
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.apis.meta import section
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS: Final = (
    Column("Last Seen", description="Time since it was last seen."),
    Column("Type", description="Normal or Warning."),
    Column("Reason", description="Why it was recorded, in one word."),
    Column("Object", description="What it is about."),
    Column("Subobject", description="The part of the object.", priority=1),
    Column("Source", description="The component that recorded it.", priority=1),
    Column("Message", description="What happened."),
    Column("First Seen", description="Time since it was first seen.", priority=1),
    Column("Count", description="How many times it was seen.", priority=1),
    Column("Name", format="name", description="Name of the Event.", priority=1),
)
MAX_NAME_BYTES: Final = 128
MAX_NOTE_BYTES: Final = 1024

_ALWAYS_WRITTEN: Final = (
    ("firstTimestamp", None),
    ("lastTimestamp", None),
    ("eventTime", None),
    ("reportingComponent", ""),
    ("reportingInstance", ""),
)
# `v1` on the left, `events.k8s.io/v1` on the right.
_NAMES: Final = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def to_core(event: JSONObject) -> JSONObject:
    """An Event of events.k8s.io/v1 as one of v1; shares what is inside."""
    return _renamed(event, {new: old for old, new in _NAMES}, "v1")


def from_core(event: JSONObject) -> JSONObject:
    """An Event of v1 as one of events.k8s.io/v1; shares what is inside."""
    return _renamed(event, dict(_NAMES), "events.k8s.io/v1")


def _renamed(event: JSONObject, names: dict[str, str], api_version: str) -> JSONObject:
    found = {names.get(name, name): value for name, value in event.items()}
    return found | {"apiVersion": api_version}


def default(event: JSONObject) -> None:
    """Events have no defaults; but these fields are written even where they are empty."""
    section(event, "involvedObject")
    section(event, "source")
    for name, value in _ALWAYS_WRITTEN:
        event.setdefault(name, value)


def validate_legacy(event: JSONObject, controller: str) -> list[FieldError]:
    """What holds for every Event; `controller` is what the caller's version calls reportingComponent."""
    errors = _validate_new(event, controller) if event.get("eventTime") else _validate_old(event)
    namespace = namespace_of(event)
    return errors + [field.invalid(Path("namespace"), namespace, e) for e in is_dns1123_subdomain(namespace)]


def _validate_old(event: JSONObject) -> list[FieldError]:
    namespace = dig(event, "involvedObject", "namespace", default="")
    # An object without namespace is recorded in the namespace default: old clients do so.
    allowed = {namespace} if namespace else {"", "default"}
    return [] if namespace_of(event) in allowed else [_wrong_namespace(namespace)]


def _wrong_namespace(namespace: str) -> FieldError:
    return field.invalid(Path("involvedObject.namespace"), namespace, "does not match event.namespace")


def _validate_new(event: JSONObject, controller: str) -> list[FieldError]:
    errors: list[FieldError] = []
    namespace = dig(event, "involvedObject", "namespace", default="")
    if not namespace and namespace_of(event) not in {"default", "kube-system"}:
        errors.append(_wrong_namespace(namespace))
    component = event.get("reportingComponent") or ""
    if not component:
        errors.append(field.required(Path(controller)))
    errors += [field.invalid(Path(controller), component, e) for e in is_qualified_name(component)]
    for name in ("reportingInstance", "action", "reason"):
        if not event.get(name):
            errors.append(field.required(Path(name)))
        errors += _validate_length(event, name, MAX_NAME_BYTES)
    return errors + _validate_length(event, "message", MAX_NOTE_BYTES)


def _validate_length(event: JSONObject, name: str, limit: int) -> list[FieldError]:
    if byte_length(event.get(name) or "") <= limit:
        return []
    return [field.invalid(Path(name), "", f"can have at most {limit} characters")]


def validate_strict(event: JSONObject) -> list[FieldError]:
    """What events.k8s.io/v1 asks of a new Event beyond that."""
    errors = validate_series(event)
    if not event.get("eventTime"):
        errors.append(field.required(Path("eventTime")))
    kind = event.get("type") or ""
    if kind not in {"Normal", "Warning"}:
        errors.append(field.invalid(Path("type"), "", f"has invalid value: {kind}"))
    source = event.get("source") or {}
    values = [(name, event.get(name)) for name in ("firstTimestamp", "lastTimestamp", "count")]
    values.append(("source", source.get("component") or source.get("host")))
    errors += [field.invalid(Path(name), "", "needs to be unset") for name, value in values if value]
    return errors


def validate_series(event: JSONObject) -> list[FieldError]:
    series = event.get("series")
    if series is None:
        return []
    errors: list[FieldError] = []
    if (series.get("count") or 0) < 2:
        errors.append(field.invalid(Path("series.count"), "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(field.required(Path("series.lastObservedTime")))
    return errors


_IMMUTABLE: Final = (
    ("involvedObject", "involvedObject"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("reason", "reason"),
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
)


def validate_strict_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """Nothing but the series of an Event changes."""
    errors = validate_series(new) if new.get("series") != old.get("series") else []
    for name, shown in _IMMUTABLE:
        if (new.get(name) or None) != (old.get(name) or None):
            value = new.get(name)
            bad = GoValue(str(value)) if isinstance(value, dict) else value
            errors.append(field.invalid(Path(shown), bad, "field is immutable"))
    return errors


def core_fields(event: JSONObject) -> dict[str, str]:
    """ToSelectableFields, without those of metadata."""
    target = event.get("involvedObject") or {}
    names = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    component = event.get("reportingComponent") or ""
    return {f"involvedObject.{name}": str(target.get(name) or "") for name in names} | {
        "reason": event.get("reason") or "",
        "reportingComponent": component,
        "source": dig(event, "source", "component") or component,
        "type": event.get("type") or "",
    }


def cells(event: JSONObject, now: datetime) -> Cells:
    """PrintEvent."""
    series = event.get("series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    last, count = event.get("lastTimestamp") or first, event.get("count") or 0
    if series is not None:
        last, count = series.get("lastObservedTime"), series.get("count") or 0
    return [
        time_since(last, now),
        event.get("type") or "",
        event.get("reason") or "",
        _target(event.get("involvedObject") or {}),
        dig(event, "involvedObject", "fieldPath", default=""),
        _source(event),
        (event.get("message") or "").strip(),
        time_since(first, now),
        count or (0 if series is not None else 1),
        name_of(event),
    ]


def _target(target: JSONObject) -> str:
    kind, name = (target.get("kind") or "").lower(), target.get("name")
    return f"{kind}/{name}" if name else str(kind)


def _source(event: JSONObject) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance")
    return f"{component}, {instance}" if instance else str(component)
