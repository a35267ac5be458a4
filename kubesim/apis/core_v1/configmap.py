"""ConfigMap: texts and bytes by key. Sources: pkg/apis/core/validation, pkg/registry/core/configmap."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import byte_length
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.apis.keyeddata import MAX_BYTES, base64_length, validate_immutable_data, validate_key
from kubesim.apis.meta import AGE, NAME, created, drop_empty
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject

COLUMNS: Final = (NAME, Column("Data", description="Number of keys."), AGE)


def default(config: JSONObject) -> None:
    drop_empty(config, ("data", "binaryData"))


def validate(config: JSONObject) -> list[FieldError]:
    """ValidateConfigMap."""
    texts, binary = config.get("data") or {}, config.get("binaryData") or {}
    errors: list[FieldError] = []
    for key in sorted(texts):
        path = Path("data").key(key)
        errors += validate_key(key, path)
        if key in binary:
            errors.append(field.invalid(path, key, "duplicate of key present in binaryData"))
    for key in sorted(binary):
        errors += validate_key(key, Path("binaryData").key(key))
    size = sum(map(byte_length, texts.values())) + sum(map(base64_length, binary.values()))
    if size > MAX_BYTES:
        errors.append(field.too_long(Path("[]"), "", MAX_BYTES))  # a path without a name prints so
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateConfigMapUpdate."""
    return validate_immutable_data(new, old, "data", "binaryData") + validate(new)


def cells(config: JSONObject, now: datetime) -> Cells:
    count = len(config.get("data") or ()) + len(config.get("binaryData") or ())
    return [name_of(config), count, time_since(created(config), now)]
