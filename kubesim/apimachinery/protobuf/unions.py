"""The three types of a CustomResourceDefinition's schema that are one thing or another in JSON, and a message with both
in protobuf.

Source: k8s.io/apiextensions-apiserver pkg/apis/apiextensions/v1/marshal.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kubesim.util.jsontypes import JSONObject


def _or_array(parts: JSONObject) -> Any:
    return parts.get("jSONSchemas") or parts.get("schema")


def _or_bool(parts: JSONObject) -> Any:
    schema = parts.get("schema")
    return parts.get("allows", False) if schema is None else schema


def _or_strings(parts: JSONObject) -> Any:
    return parts.get("property") or parts.get("schema")


def _from_array(value: Any) -> JSONObject:
    return {"jSONSchemas": value} if isinstance(value, list) else {"schema": value}


def _from_bool(value: Any) -> JSONObject:
    return {"allows": value} if isinstance(value, bool) else {"allows": True, "schema": value}


def _from_strings(value: Any) -> JSONObject:
    return {"property": value} if isinstance(value, list) else {"schema": value}


_PACKAGE: Final = "apiextensions.v1."

JOINED: Final[dict[str, Callable[[JSONObject], Any]]] = {
    f"{_PACKAGE}JSONSchemaPropsOrArray": _or_array,
    f"{_PACKAGE}JSONSchemaPropsOrBool": _or_bool,
    f"{_PACKAGE}JSONSchemaPropsOrStringArray": _or_strings,
}
"""From the fields of the message to what JSON has."""

PARTED: Final[dict[str, Callable[[Any], JSONObject]]] = {
    f"{_PACKAGE}JSONSchemaPropsOrArray": _from_array,
    f"{_PACKAGE}JSONSchemaPropsOrBool": _from_bool,
    f"{_PACKAGE}JSONSchemaPropsOrStringArray": _from_strings,
}
"""From what JSON has to the fields of the message."""
