"""Answers in the form that the client wants: objects, Tables, or metadata alone.

Source: k8s.io/apiserver pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from kubesim.apimachinery import errors
from kubesim.apimachinery.rest import Response
from kubesim.apimachinery.scheme import Resource
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apiserver.negotiation import Wanted
from kubesim.util.jsontypes import JSONObject

META = "meta.k8s.io"
_INCLUDE = ("None", "Metadata", "Object")


def respond(
    obj: JSONObject, wanted: Wanted, *, resource: Resource, status: int, now: datetime, include: str = ""
) -> Response:
    """A response with an object, or with a list of them. Raises StatusError 406 for what cannot be."""
    return Response(
        status,
        transform(obj, wanted, resource=resource, now=now, include=include),
        {"content-type": wanted.media_type},
    )


def transform(
    obj: JSONObject, wanted: Wanted, *, resource: Resource, now: datetime, include: str = ""
) -> JSONObject:
    """The object as the client wants it."""
    is_list = "items" in obj and obj["kind"].endswith("List")
    if obj["kind"] == "Status" and obj.get("apiVersion") == "v1":
        return obj
    if wanted.kind == "Table":
        return _table(obj, wanted, resource, now, include, is_list=is_list)
    if wanted.kind.startswith("PartialObjectMetadata"):
        return _partial(obj, wanted, is_list=is_list)
    if is_list:
        for item in obj["items"]:  # a typed list does not repeat what its items are
            item.pop("apiVersion", None)
            item.pop("kind", None)
    return obj


def _table(
    obj: JSONObject, wanted: Wanted, resource: Resource, now: datetime, include: str, *, is_list: bool
) -> JSONObject:
    from kubesim.apiserver.table import render_table

    if include not in ("", *_INCLUDE):
        raise errors.bad_request(f'unrecognized includeObject value: "{include}"')
    if is_list:
        objects, metadata = obj["items"], obj["metadata"]
    else:
        objects, metadata = [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    made = render_table(resource, objects, now=now, include_object=include or "Metadata", list_meta=metadata)
    made["apiVersion"] = f"{META}/{wanted.version}"
    return made


def _partial(obj: JSONObject, wanted: Wanted, *, is_list: bool) -> JSONObject:
    version = f"{META}/{wanted.version}"

    def alone(item: JSONObject) -> JSONObject:
        return {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": item["metadata"]}

    # Whether the client asked for one or for a list counts less than what there is.
    if not is_list:
        return alone(obj)
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": version,
        "metadata": obj["metadata"],
        "items": [alone(item) for item in obj["items"]],
    }


def transform_events(
    events: Iterator[WatchEvent], wanted: Wanted, *, resource: Resource, now: Any, include: str = ""
) -> Iterator[WatchEvent]:
    """A watch in the form that the client wants. A Table names its columns once."""
    if not wanted.kind or wanted.kind == "PartialObjectMetadataList":
        return events
    return _transformed(events, wanted, resource, now, include)


def _transformed(
    events: Iterator[WatchEvent], wanted: Wanted, resource: Resource, now: Any, include: str
) -> Iterator[WatchEvent]:
    first = True
    for event in events:
        if event.type == "ERROR" or (event.type == "BOOKMARK" and wanted.kind != "Table"):
            yield event
            continue
        made = transform(event.object, wanted, resource=resource, now=now(), include=include)
        if wanted.kind == "Table":
            if not first:
                made["columnDefinitions"] = []
            if event.type == "BOOKMARK":
                made["rows"] = []
            first = False
        yield WatchEvent(event.type, made, event.old)
