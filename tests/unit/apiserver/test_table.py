"""Tables as the API server makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.scheme import Column, Resource
from kubesim.apiserver.table import CREATED_DESCRIPTION, NAME_DESCRIPTION, render_table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Resource(GroupVersionKind("example.com", "v1", "Thing"), "things", namespaced=True)
OWN = replace(
    PLAIN,
    columns=(
        Column("Name", format="name", description="short"),
        Column("Size", "integer", description="How big.", priority=1),
        Column("Age"),
    ),
    cells=lambda obj, now: [obj["metadata"]["name"], obj["size"], now.isoformat()],
)
THING: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Thing",
    "metadata": {"name": "a", "creationTimestamp": "2025-12-31T23:59:00Z"},
    "size": 3,
}


def test_kinds_without_columns_show_name_and_creation() -> None:
    table = render_table(PLAIN, [THING], now=NOW, list_meta={"resourceVersion": "5"})
    assert list(table) == ["kind", "apiVersion", "metadata", "columnDefinitions", "rows"]
    assert (table["kind"], table["apiVersion"], table["metadata"]) == (
        "Table",
        "meta.k8s.io/v1",
        {"resourceVersion": "5"},
    )
    assert table["columnDefinitions"] == [
        {"name": "Name", "type": "string", "format": "name", "description": NAME_DESCRIPTION, "priority": 0},
        {
            "name": "Created At",
            "type": "date",
            "format": "",
            "description": CREATED_DESCRIPTION,
            "priority": 0,
        },
    ]
    assert table["rows"][0]["cells"] == ["a", "2025-12-31T23:59:00Z"]


def test_columns_are_described_with_their_fields_in_order() -> None:
    table = render_table(OWN, [THING], now=NOW)
    assert [list(c) for c in table["columnDefinitions"]] == [
        ["name", "type", "format", "description", "priority"]
    ] * 3
    assert [c["description"] for c in table["columnDefinitions"]] == [
        NAME_DESCRIPTION,
        "How big.",
        CREATED_DESCRIPTION,
    ]
    assert table["rows"][0]["cells"] == ["a", 3, NOW.isoformat()]
    assert table["metadata"] == {}


@pytest.mark.parametrize(
    ("include", "wanted"),
    [
        (
            "Metadata",
            {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": THING["metadata"]},
        ),
        ("Object", THING),
        ("None", None),
    ],
)
def test_rows_carry_as_much_of_the_object_as_was_asked_for(include: str, wanted: object) -> None:
    [row] = render_table(PLAIN, [THING], now=NOW, include_object=include)["rows"]
    assert list(row) == ["cells", "object"]
    assert row["object"] == wanted


def test_no_objects_make_a_table_without_rows() -> None:
    assert render_table(PLAIN, [], now=NOW)["rows"] == []
