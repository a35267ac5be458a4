"""Event of events.k8s.io/v1: the same thing as v1's, with newer names and stricter rules.

Error texts speak of the fields by v1's names, as Kubernetes' own do.
"""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.scheme import Cells, standard_fields
from kubesim.apis import events
from kubesim.apis.events import COLUMNS
from kubesim.util.jsontypes import JSONObject


def default(event: JSONObject) -> None:
    """The old fields are written even where they are empty, apart from `reportingController`."""
    event.setdefault("eventTime", None)
    for name, value in (
        ("regarding", {}),
        ("deprecatedSource", {}),
        ("deprecatedFirstTimestamp", None),
        ("deprecatedLastTimestamp", None),
    ):
        event.setdefault(name, value)


def validate(event: JSONObject) -> list[FieldError]:
    """ValidateEventCreate."""
    core = events.to_core(event)
    return events.validate_legacy(core, "reportingController") + events.validate_strict(core)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateEventUpdate."""
    after, before = events.to_core(new), events.to_core(old)
    errors = events.validate_legacy(after, "reportingController")
    return errors + events.validate_strict_update(after, before)


def fields(event: JSONObject) -> dict[str, str]:
    """The labels of v1's fields under this version's names."""
    found = events.core_fields(events.to_core(event))
    renamed = {k.replace("involvedObject.", "regarding."): v for k, v in found.items()}
    renamed["reportingController"] = renamed.pop("reportingComponent")
    del renamed["source"]
    return standard_fields(event) | renamed


def cells(event: JSONObject, now: datetime) -> Cells:
    return events.cells(events.to_core(event), now)


__all__ = ["COLUMNS", "cells", "default", "fields", "validate", "validate_update"]
