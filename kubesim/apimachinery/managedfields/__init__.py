"""Managed fields: which manager set which field of an object, in FieldsV1."""

from __future__ import annotations

from kubesim.apimachinery.managedfields.update import FieldPath, fields_v1, record_update

__all__ = ["FieldPath", "fields_v1", "record_update"]
