"""The published definitions as schemas of OpenAPI documents.

The published form is JSON Schema made of the swagger document: references and null differ, and enumerations
of `apiVersion` and `kind` were added to it. What OpenAPI 3 says beyond version 2 (defaults, enumerations)
follows k8s.io/kube-openapi pkg/generators, from the types of the Go fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kubesim.apimachinery.schema.published import (
    INT_OR_STRING,
    META,
    QUANTITY,
    Published,
    references,
    referred,
    type_of,
)
from kubesim.util.jsontypes import JSONObject

V2: Final = "#/definitions/"
V3: Final = "#/components/schemas/"

_DECODES_ITSELF: Final = frozenset(
    {
        INT_OR_STRING,
        QUANTITY,
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        META + "Duration",
        META + "FieldsV1",
        META + "MicroTime",
        META + "Time",
    }
)
"""Types whose zero value is null in JSON: no default is published for them (mustEnforceDefault)."""

_ZERO: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": False}

_CORE: Final = "io.k8s.api.core.v1."
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    "ContainerPort": {"protocol": "TCP"},
    "GRPCAction": {"service": ""},
    "ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "ISCSIVolumeSource": {"iscsiInterface": "default"},
    "LocalObjectReference": {"name": ""},
    "RBDPersistentVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "RBDVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "ScaleIOPersistentVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "ScaleIOVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "ServicePort": {"protocol": "TCP"},
    **{
        selector: {"name": ""}  # they embed a LocalObjectReference
        for selector in ("ConfigMapEnvSource", "ConfigMapKeySelector", "ConfigMapProjection")
    },
    **{selector: {"name": ""} for selector in ("ConfigMapVolumeSource", "SecretEnvSource")},
    **{selector: {"name": ""} for selector in ("SecretKeySelector", "SecretProjection")},
}
"""The `+default` markers of k8s.io/api/core/v1 as of 1.32, by definition and field."""


class Schemas:
    """Schemas of both versions, made of the published definitions one by one."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self.by_kind = published.by_kind()

    def closure(self, names: Iterable[str]) -> list[str]:
        """These definitions and all that they refer to, sorted."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += references(self._published.definitions[name])
        return sorted(found)

    def v2(self, name: str) -> JSONObject:
        """A definition of a swagger document: no defaults, no enumerations."""
        special = self._special(name, version=2)
        return special or _v2(self._published.definitions[name])

    def v3(self, name: str) -> JSONObject:
        """A schema of an OpenAPI 3 document."""
        special = self._special(name, version=3)
        if special:
            return special
        types = self._published.go_types(name)
        definition = self._published.definitions[name]
        made = _plain(definition)
        properties = definition.get("properties")
        if properties:
            fields = {field: self._field(name, p, types.get(field, "")) for field, p in properties.items()}
            for field, schema in properties.items():
                if said := self._published.described(name, schema, types.get(field, "")):
                    fields[field] = _described(fields[field], said)
            for field, value in _DEFAULTS.get(name.removeprefix(_CORE), {}).items():
                if field in fields:
                    fields[field]["default"] = value
            made["properties"] = fields
        return made

    def _special(self, name: str, *, version: int) -> JSONObject | None:
        """The two types that are one of two in JSON."""
        if name not in (INT_OR_STRING, QUANTITY):
            return None
        made: JSONObject = {"description": self._published.definitions[name]["description"]}
        if name == INT_OR_STRING:
            made["format"] = "int-or-string"
        if version == 2:
            return {**made, "type": "string"}
        words = ("integer", "string") if name == INT_OR_STRING else ("string", "number")
        return {**made, "oneOf": [{"type": word} for word in words]}

    def _field(self, owner: str, schema: JSONObject, go: str) -> JSONObject:
        target = referred(schema)
        shown, _, options = go.partition("|")
        rest = {} if target else _plain(schema)
        if values := self._published.enum(owner, go):
            rest["enum"] = list(values)
        default = self._default(schema, shown, omitempty=bool(options))
        if default is not None:
            rest["default"] = default
        if target:
            reference = {"$ref": V3 + target}
            return {"allOf": [reference], **rest} if rest else reference
        shown = shown.lstrip("*")
        if "items" in schema:
            rest["items"] = self._field(owner, schema["items"], _element(shown))
        values_of = schema.get("additionalProperties")
        if isinstance(values_of, dict):
            rest["additionalProperties"] = self._field(owner, values_of, _element(shown))
        return rest

    def _default(self, schema: JSONObject, shown: str, *, omitempty: bool) -> Any:
        """What Go's zero value is in JSON, for the fields that always have a value."""
        if shown.startswith("*"):
            return None
        target = referred(schema)
        if target:
            if target in _DECODES_ITSELF:
                return None
            kind = type_of(self._published.definitions[target])
            if kind in ("object", "") and "properties" in self._published.definitions[target]:
                return {}
        else:
            kind = type_of(schema)
        if omitempty or schema.get("format") == "byte":
            return None
        return _ZERO.get(kind)


def _element(shown: str) -> str:
    """The Go type of the elements of a list or a map."""
    if shown.startswith("[]"):
        return shown[2:]
    return shown.rpartition("]")[2] if shown.startswith("map[") else ""


def _described(made: JSONObject, said: str) -> JSONObject:
    """A bare reference may have nothing beside it; inside `allOf` it may."""
    if "$ref" in made:
        made = {"allOf": [made]}
    return {**made, "description": said}


_REPLACED: Final = ("$ref", "type", "enum", "properties", "items", "additionalProperties", "oneOf")


def _plain(schema: JSONObject) -> JSONObject:
    """What both versions take over as it is, and the type."""
    made = {key: value for key, value in schema.items() if key not in _REPLACED}
    if kind := type_of(schema):
        made["type"] = kind
    return made


def _v2(schema: JSONObject) -> JSONObject:
    made = _plain(schema)
    if target := referred(schema):
        made["$ref"] = V2 + target
    if "properties" in schema:
        made["properties"] = {field: _v2(below) for field, below in schema["properties"].items()}
    if "items" in schema:
        made["items"] = _v2(schema["items"])
    values = schema.get("additionalProperties")
    if values is not None:
        made["additionalProperties"] = _v2(values) if isinstance(values, dict) else values
    return made
