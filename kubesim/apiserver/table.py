"""Objects as a Table: what the API server prints for `kubectl get`.

Source: k8s.io/apiserver pkg/endpoints/handlers/response.go and pkg/registry/rest/table.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kubesim.apimachinery.meta import metadata_of, name_of
from kubesim.apimachinery.scheme import Cells, Column, Resource
from kubesim.apis.columns import cells_by_path, columns
from kubesim.util.jsontypes import JSONObject

API_VERSION: Final = "meta.k8s.io/v1"

# metav1.ObjectMeta's documentation of its fields, which describes these columns of every kind.
NAME_DESCRIPTION: Final = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources "
    "may allow a client to request the generation of an appropriate name automatically. Name is primarily "
    "intended for creation idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION: Final = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
    "guaranteed to be set in happens-before order across separate operations. Clients may not set this "
    "value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for "
    "lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_NAME: Final = Column("Name", format="name", description=NAME_DESCRIPTION)
_SCALE: Final = columns("Name, Desired:i, Available:i, Age")
_SCALE_CELLS: Final = cells_by_path(_SCALE, {"Desired": "spec.replicas", "Available": "status.replicas"})
_DEFAULT: Final = (_NAME, Column("Created At", type="date", description=CREATED_DESCRIPTION))


def render_table(
    resource: Resource,
    objects: Sequence[JSONObject],
    *,
    now: datetime,
    include_object: str = "Metadata",
    list_meta: JSONObject | None = None,
) -> JSONObject:
    """A meta.k8s.io/v1 Table with a row for each object, its fields in the order in which the server writes
    them.

    `include_object` is what each row carries of its object: `Metadata`, all of it (`Object`), or `None`.
    Kinds that have no columns of their own show their name and when they were created; a Scale shows
    replicas, whatever it is the scale of.
    """
    cells = resource.cells or _default_cells
    shown = resource.columns if resource.cells else _DEFAULT
    if objects and objects[0].get("kind") == "Scale":
        cells, shown = _SCALE_CELLS, _SCALE
    return {
        "kind": "Table",
        "apiVersion": API_VERSION,
        "metadata": list_meta if list_meta is not None else {},
        "columnDefinitions": [_definition(column) for column in shown],
        "rows": [{"cells": cells(obj, now), "object": _included(obj, include_object)} for obj in objects],
    }


def _default_cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), metadata_of(obj).get("creationTimestamp")]


def _definition(column: Column) -> JSONObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": _description(column),
        "priority": column.priority,
    }


def _description(column: Column) -> str:
    if column.format == "name":
        return NAME_DESCRIPTION
    if not column.description and column.name in {"Age", "Created At"}:
        return CREATED_DESCRIPTION
    return column.description


def _included(obj: JSONObject, what: str) -> JSONObject | None:
    if what == "None":
        return None
    if what == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": API_VERSION, "metadata": metadata_of(obj)}
