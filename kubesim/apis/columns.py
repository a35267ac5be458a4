"""Columns of the server's tables, written as short texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from kubesim.apimachinery.labels import format_label_selector
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, dig

NONE = "<none>"
UNSET = "<unset>"
_TYPES = {"i": "integer", "b": "boolean", "": "string"}
_ZERO: dict[str, Any] = {"integer": 0, "boolean": False, "string": ""}
_DESCRIPTIONS = {
    "Name": (
        "Name must be unique within a namespace. Is required when creating resources, although some resources"
        " may allow a client to request the generation of an appropriate name automatically. Name is"
        " primarily intended for creation idempotence and configuration definition. Cannot be updated. More"
        " info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "Age": (
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is"
        " not guaranteed to be set in happens-before order across separate operations. Clients may not set"
        " this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only."
        " Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/"
        "api-conventions.md#metadata"
    ),
}


def columns(text: str) -> tuple[Column, ...]:
    """Columns by their titles: `Name, Ready:i, Age | IP`, those after `|` for wide output only.

    `:i` marks a number, `:b` a boolean.
    """
    found = []
    for priority, part in enumerate(text.split("|")):
        for entry in part.split(","):
            name, _, kind = entry.strip().partition(":")
            name_format = "name" if name == "Name" else ""
            found.append(Column(name, _TYPES[kind], name_format, _DESCRIPTIONS.get(name, ""), priority))
    return tuple(found)


def cells_by_path(
    found: tuple[Column, ...], paths: Mapping[str, str]
) -> Callable[[JSONObject, datetime], Cells]:
    """Cells taken from the object by the paths given for the titles; `#path` counts the items there.

    Name and Age need no path.
    """
    steps = [(c, paths.get(c.name, "")) for c in found]

    def cells(obj: JSONObject, now: datetime) -> Cells:
        return [_cell(column, path, obj, now) for column, path in steps]

    return cells


def _cell(column: Column, path: str, obj: JSONObject, now: datetime) -> Any:
    if path.startswith("#"):
        return len(dig(obj, *path[1:].split("."), default=()))
    if path:
        return dig(obj, *path.split("."), default=_ZERO[column.type])
    if column.name == "Name":
        return name_of(obj)
    return age(obj, now) if column.name == "Age" else _ZERO[column.type]


def age(obj: JSONObject, now: datetime) -> str:
    """How long ago the object was created."""
    return time_since(dig(obj, "metadata", "creationTimestamp"), now)


def container_cells(pod_spec: JSONObject) -> tuple[str, str]:
    """Names and images of a pod's containers, as wide output shows them: layoutContainerCells."""
    containers: Iterable[JSONObject] = pod_spec.get("containers") or ()
    names = ",".join(str(c.get("name") or "") for c in containers)
    return names, ",".join(str(c.get("image") or "") for c in containers)


def workload_cells(obj: JSONObject) -> list[Any]:
    """Containers, images and selector of a workload, as wide output shows them."""
    names, images = container_cells(dig(obj, "spec", "template", "spec", default={}))
    return [names, images, format_label_selector(dig(obj, "spec", "selector"))]
