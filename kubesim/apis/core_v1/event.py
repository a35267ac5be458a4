"""Event of v1: what happened to an object, as `kubectl get events` shows it."""

from __future__ import annotations

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.scheme import standard_fields
from kubesim.apis.events import COLUMNS, cells, core_fields, default, validate_legacy
from kubesim.util.jsontypes import JSONObject


def validate(event: JSONObject) -> list[FieldError]:
    """ValidateEventCreate."""
    return validate_legacy(event, "reportingComponent")


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def fields(event: JSONObject) -> dict[str, str]:
    return standard_fields(event) | core_fields(event)


__all__ = ["COLUMNS", "cells", "default", "fields", "validate", "validate_update"]
