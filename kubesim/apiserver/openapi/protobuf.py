"""The document of version 2 as protobuf: the messages of gnostic's openapiv2/OpenAPIv2.proto.

A table says for each message which key of the JSON is which field and what is in it; only what the API server's
documents have stands in it. Documents are encoded piece by piece: fields of a message may come in any order, so
that the pieces of `paths` and `definitions` are simply put one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubesim.util.jsontypes import JSONObject, encode_sorted

_VARINT, _BYTES = 0, 2

# What is in a field: these, or the name of a message in MESSAGES. A `*` before it: a list, each element a field.
# A `#` before it: a map, each entry a message with the name as field 1 and the value as field 2.
_STRING, _BOOL, _ANY = "string", "bool", "any"

_SUBSCHEMA: Final = {
    "required": (1, _BOOL),
    "in": (2, _STRING),
    "description": (3, _STRING),
    "name": (4, _STRING),
}
_OPERATIONS: Final = {
    method: (number, "Operation")
    for number, method in enumerate(("get", "put", "post", "delete", "options", "head", "patch"), start=2)
}

MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "Document": {
        "swagger": (1, _STRING),
        "info": (2, "Info"),
        "paths": (8, "Paths"),
        "definitions": (9, "Definitions"),
        "securityDefinitions": (13, "SecurityDefinitions"),
    },
    "Info": {"title": (1, _STRING), "version": (2, _STRING)},
    "SecurityDefinitions": {"": (1, "#SecurityDefinitionsItem")},
    "SecurityDefinitionsItem": {"": (2, "ApiKeySecurity")},
    "ApiKeySecurity": {
        "type": (1, _STRING),
        "name": (2, _STRING),
        "in": (3, _STRING),
        "description": (4, _STRING),
    },
    "Paths": {"": (2, "#PathItem")},
    "PathItem": {**_OPERATIONS, "parameters": (9, "*ParametersItem")},
    "Operation": {
        "tags": (1, "*string"),
        "description": (3, _STRING),
        "operationId": (5, _STRING),
        "produces": (6, "*string"),
        "consumes": (7, "*string"),
        "parameters": (8, "*ParametersItem"),
        "responses": (9, "Responses"),
        "schemes": (10, "*string"),
        "deprecated": (11, _BOOL),
        "x-": (13, _ANY),
    },
    "ParametersItem": {"": (1, "Parameter")},
    "Parameter": {"body": (1, "BodyParameter"), "query": (2, "Query"), "path": (2, "Path")},
    "Query": {"": (3, "QueryParameterSubSchema")},
    "Path": {"": (4, "PathParameterSubSchema")},
    "BodyParameter": {
        "description": (1, _STRING),
        "name": (2, _STRING),
        "in": (3, _STRING),
        "required": (4, _BOOL),
        "schema": (5, "Schema"),
    },
    "QueryParameterSubSchema": {**_SUBSCHEMA, "type": (6, _STRING), "uniqueItems": (20, _BOOL)},
    "PathParameterSubSchema": {**_SUBSCHEMA, "type": (5, _STRING), "uniqueItems": (19, _BOOL)},
    "Responses": {"": (1, "#ResponseValue")},
    "ResponseValue": {"": (1, "Response")},
    "Response": {"description": (1, _STRING), "schema": (2, "SchemaItem")},
    "SchemaItem": {"": (1, "Schema")},
    "Definitions": {"": (1, "#Schema")},
    "Schema": {
        "$ref": (1, _STRING),
        "format": (2, _STRING),
        "title": (3, _STRING),
        "description": (4, _STRING),
        "default": (5, _ANY),
        "required": (19, "*string"),
        "enum": (20, "*any"),
        "additionalProperties": (21, "AdditionalPropertiesItem"),
        "type": (22, "TypeItem"),
        "items": (23, "ItemsItem"),
        "allOf": (24, "*Schema"),
        "properties": (25, "Properties"),
        "x-": (31, _ANY),
    },
    "AdditionalPropertiesItem": {"": (1, "Schema")},
    "TypeItem": {"": (1, _STRING)},
    "ItemsItem": {"": (1, "Schema")},
    "Properties": {"": (1, "#Schema")},
}
"""A key of "" stands for the value itself, which a message wraps; "x-" for all extensions together."""


def encode_message(name: str, value: Any) -> bytes:
    """A JSON value as a message. Raises KeyError for a key that has no field."""
    fields = MESSAGES[name]
    if name == "Parameter":
        number, kind = fields[value["in"]]
        return _field(number, kind, value)
    if "" in fields:
        return _field(*fields[""], value)
    made = []
    for key, below in value.items():
        if key.startswith("x-"):
            made.append(_entry(fields["x-"][0], key, _any(below)))
        else:
            made.append(_field(*fields[key], below))
    return b"".join(made)


def encode_document(
    head: JSONObject,
    paths: Iterable[tuple[str, JSONObject]],
    definitions: Iterable[tuple[str, JSONObject]],
) -> bytes:
    """A whole document, of which no more than one piece is decoded at a time."""
    pieces = [encode_message("Document", head)]
    for field, kind, members in (("paths", "PathItem", paths), ("definitions", "Schema", definitions)):
        number, wrapper = MESSAGES["Document"][field]
        below = MESSAGES[wrapper][""][0]
        body = b"".join(_entry(below, name, encode_message(kind, value)) for name, value in members)
        pieces.append(_bytes(number, body))
    return b"".join(pieces)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind[0] == "*":
        return b"".join(_field(number, kind[1:], element) for element in value)
    if kind[0] == "#":
        return b"".join(_entry(number, key, encode_message(kind[1:], v)) for key, v in value.items())
    if kind == _STRING:
        return _bytes(number, value.encode())
    if kind == _BOOL:
        return _varint(number << 3 | _VARINT) + (b"\1" if value else b"\0")
    if kind == _ANY:
        return _bytes(number, _any(value))
    return _bytes(number, encode_message(kind, value))


def _entry(number: int, name: str, message: bytes) -> bytes:
    return _bytes(number, _bytes(1, name.encode()) + _bytes(2, message))


def _any(value: Any) -> bytes:
    """Gnostic's Any: the value as YAML, which JSON is."""
    return _bytes(2, encode_sorted(value) + b"\n")


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
