"""The table of field numbers has every kind that is served, and knows of its fields what the published schema knows."""

from __future__ import annotations

from typing import Any

import pytest
from support.schemas import cache_directory

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.protobuf import table as numbers
from kubesim.apimachinery.protobuf.table import Field, table
from kubesim.apimachinery.protobuf.unions import JOINED
from kubesim.apimachinery.schema import Schema, load_schema, shapes
from kubesim.apis.builtin import builtin_resources
from kubesim.apis.catalog import catalogue

LETTERS = {
    shapes.STRING: numbers.STRING,
    shapes.INT32: numbers.INT32,
    shapes.INT64: numbers.INT64,
    shapes.BOOL: numbers.BOOL,
    shapes.FLOAT: numbers.DOUBLE,
    shapes.BYTES: numbers.BASE64,
    shapes.TIME: numbers.TIME,
    shapes.MICRO_TIME: numbers.MICRO_TIME,
    shapes.DURATION: numbers.DURATION,
    shapes.QUANTITY: numbers.QUANTITY,
    shapes.INT_OR_STRING: numbers.INT_OR_STRING,
    shapes.RAW: numbers.RAW,
}
# Alpha fields that have been taken back since, and numbers reserved.
GONE = {
    "core.v1.NodeAllocatableResourceClaimStatus.resources",
    "core.v1.NodeSystemInfo.runningInUserNamespace",
    "core.v1.PersistentVolumeClaimStatus.resizeStatus",
    "core.v1.PodResourceClaim.source",
    "core.v1.PodSpec.workloadRef",
    "core.v1.VolumeResourceRequirements.claims",
    "networking.v1.NetworkPolicy.status",
    "resource.v1.Device.nodeAllocatableResourceMappings",
}
# Types without a schema that JSON has as one thing or another, and structs without a field.
UNTYPED = {*JOINED, "apiextensions.v1.CustomResourceSubresourceStatus"}
VERSIONS = ["1.25", "1.32", "1.36"]
OTHERS = [
    GroupVersionKind("", "v1", "Binding"),
    GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"),
    GroupVersionKind("autoscaling", "v1", "Scale"),
    GroupVersionKind("policy", "v1", "Eviction"),
]


def json_fields(name: str) -> dict[str, Field]:
    found = {}
    for field in table().message(name).by_number.values():
        if field.kind == numbers.INLINE:
            found |= json_fields(field.message)
        else:
            found[field.name] = field
    return found


class Comparison:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.seen: set[tuple[int, str]] = set()
        self.differences: list[str] = []

    def struct(self, at: int, name: str) -> None:
        if (at, name) in self.seen:
            return
        self.seen.add((at, name))
        fields = json_fields(name)
        for field_name, field in self.schema._definitions[at].items():
            path = f"{name}.{field_name}"
            found = fields.get(field_name)
            if found is not None:
                self.field(field, found, path)
            elif field_name not in ("kind", "apiVersion") and path not in GONE:
                self.differences.append(f"{path} is absent")

    def field(self, field: Any, found: Field, path: str) -> None:
        shape = {shapes.LIST: numbers.LIST, shapes.MAP: numbers.MAP}.get(field[0])
        if shape is not None:
            if found.shape != shape:
                self.differences.append(f"{path}: shape {found.shape}")
            return self.value(field[1], found, path)
        if found.shape not in (numbers.ONE, numbers.DROP):
            self.differences.append(f"{path}: shape {found.shape}")
        return self.value(field, found, path)

    def value(self, field: Any, found: Field, path: str) -> None:
        kind = field[0]
        if kind == shapes.STRUCT and found.kind == numbers.MESSAGE:
            self.struct(field[1], found.message)
        elif kind == shapes.LIST and found.kind == numbers.STRINGS:
            assert field[1][0] == shapes.STRING
        elif LETTERS.get(kind) != found.kind and not (kind == shapes.RAW and found.message in UNTYPED):
            self.differences.append(f"{path}: {found.kind or found.message}")


@pytest.mark.parametrize("version", VERSIONS)
def test_table_and_schema_agree(version):
    schema = load_schema(version, cache_directory())
    compared = Comparison(schema)
    served = [r.gvk for r in (*builtin_resources(version), *catalogue())]
    for gvk in (*served, *OTHERS):
        name = table().message_of(gvk.api_version, gvk.kind)
        assert name is not None, gvk
        compared.struct(schema._position(gvk), name)
    assert compared.differences == []
    assert len(compared.seen) > 300
