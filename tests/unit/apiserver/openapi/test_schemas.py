"""What the published definitions become in OpenAPI documents."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apimachinery.schema.published import INT_OR_STRING, QUANTITY, Published
from kubesim.apimachinery.schema.tables import definitions_file
from kubesim.apiserver.openapi.schemas import V2, V3, Schemas

CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas(Published(definitions_file("1.32"), 32))


def without_text(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}


TIME = {"allOf": [{"$ref": f"{V3}{META}Time"}]}
CONTAINERS = {
    "type": "array",
    "items": {"allOf": [{"$ref": f"{V3}{CORE}Container"}], "default": {}},
    "x-kubernetes-list-map-keys": ["name"],
    "x-kubernetes-list-type": "map",
    "x-kubernetes-patch-merge-key": "name",
    "x-kubernetes-patch-strategy": "merge",
}
FAMILIES = {
    "type": "array",
    "items": {"type": "string", "default": "", "enum": ["", "IPv4", "IPv6"]},
    "x-kubernetes-list-type": "atomic",
}

FIELDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a marker's default": (
        CORE + "ServicePort",
        "protocol",
        {"type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"]},
    ),
    "zero where Go always writes": (
        CORE + "ServicePort",
        "port",
        {"type": "integer", "format": "int32", "default": 0},
    ),
    "none where Go may leave it out": (CORE + "ServicePort", "name", {"type": "string"}),
    "none for a pointer": (CORE + "PodSpec", "shareProcessNamespace", {"type": "boolean"}),
    "an empty object for a struct": (
        CORE + "Pod",
        "spec",
        {"allOf": [{"$ref": f"{V3}{CORE}PodSpec"}], "default": {}},
    ),
    "none for a pointer to a struct": (
        CORE + "PodSpec",
        "affinity",
        {"allOf": [{"$ref": f"{V3}{CORE}Affinity"}]},
    ),
    "none for what decodes itself": (META + "ObjectMeta", "creationTimestamp", TIME),
    "a list of structs": (CORE + "PodSpec", "containers", CONTAINERS),
    "a list of an enumeration": (CORE + "ServiceSpec", "ipFamilies", FAMILIES),
    "a map of text": (
        META + "ObjectMeta",
        "labels",
        {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
    ),
    "a map of bytes": (
        CORE + "Secret",
        "data",
        {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    ),
    "a map of what decodes itself": (
        CORE + "ResourceRequirements",
        "limits",
        {"type": "object", "additionalProperties": {"$ref": V3 + QUANTITY}},
    ),
    "no enumeration of kinds": (CORE + "Pod", "kind", {"type": "string"}),
}


@pytest.mark.parametrize(("definition", "field", "expected"), FIELDS.values(), ids=FIELDS)
def test_v3_field_is_as_the_generators_of_kubernetes_make_it(
    schemas: Schemas, definition: str, field: str, expected: dict[str, Any]
) -> None:
    made = schemas.v3(definition)["properties"][field]
    assert without_text(made) == expected
    assert made["description"]


def test_v3_enumeration_is_explained(schemas: Schemas) -> None:
    said = schemas.v3(CORE + "PodSpec")["properties"]["restartPolicy"]["description"]
    assert 'Possible enum values:\n - `"Always"`' in said


def test_v2_has_neither_defaults_nor_enumerations_and_refers_beside_descriptions(schemas: Schemas) -> None:
    made = schemas.v2(CORE + "ServicePort")["properties"]
    assert without_text(made["protocol"]) == {"type": "string"}
    assert without_text(made["targetPort"]) == {"$ref": V2 + INT_OR_STRING}
    assert made["targetPort"]["description"]


def test_required_fields_and_kinds_are_kept(schemas: Schemas) -> None:
    assert schemas.v3(CORE + "ServicePort")["required"] == ["port"]
    gvks = schemas.v3(CORE + "Pod")["x-kubernetes-group-version-kind"]
    assert gvks == [{"group": "", "kind": "Pod", "version": "v1"}]


ODD = {
    "IntOrString, v2": (2, INT_OR_STRING, {"type": "string", "format": "int-or-string"}),
    "IntOrString, v3": (
        3,
        INT_OR_STRING,
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    "Quantity, v2": (2, QUANTITY, {"type": "string"}),
    "Quantity, v3": (3, QUANTITY, {"oneOf": [{"type": "string"}, {"type": "number"}]}),
}


@pytest.mark.parametrize(("version", "name", "expected"), ODD.values(), ids=ODD)
def test_types_that_are_one_of_two(
    schemas: Schemas, version: int, name: str, expected: dict[str, Any]
) -> None:
    made = schemas.v2(name) if version == 2 else schemas.v3(name)
    assert without_text(made) == expected


@pytest.mark.parametrize("version", [f"1.{minor}" for minor in range(25, 38)])
def test_every_definition_of_every_version_can_be_written(version: str) -> None:
    published = Published(definitions_file(version), int(version[2:]))
    schemas = Schemas(published)
    names = schemas.closure(published.definitions)
    assert len(names) == len(published.definitions)
    for name in names:
        assert schemas.v2(name)
        assert schemas.v3(name)
