"""Answers in the form that the client wants: objects, Tables, or metadata alone.

Source: k8s.io/apiserver pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from kubesim.apimachinery import errors
from kubesim.apimachinery.rest import Response
from kubesim.apimachinery.scheme import Resource
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apiserver.negotiation import Wanted
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.registry.watching import Watch

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


class EventStream(Iterator[WatchEvent]):
    """A watch in the form that the client wants. A Table names its columns once, in its first event.

    Whoever reads it waits for events; the API server's hub, which must not wait, takes `watch` and `shape` instead.
    """

    def __init__(
        self,
        watch: Watch,
        wanted: Wanted,
        *,
        resource: Resource,
        now: Callable[[], datetime],
        include: str = "",
    ) -> None:
        self.watch = watch
        self.wanted = wanted
        self.include = include
        self._resource = resource
        self._now = now
        self._events: Iterator[WatchEvent] | None = None
        self._is_first = True

    def __next__(self) -> WatchEvent:
        if self._events is None:
            self._events = self.watch.events()
        event = next(self._events)
        made = self.shape(event, is_first=self._is_first)
        self._is_first = False
        return made

    @property
    def shapes(self) -> bool:
        """Whether events look other than the objects themselves."""
        return bool(self.wanted.kind) and self.wanted.kind != "PartialObjectMetadataList"

    def shape(self, event: WatchEvent, *, is_first: bool) -> WatchEvent:
        """An event as the client wants it."""
        wanted = self.wanted
        if not self.shapes or event.type == "ERROR" or (event.type == "BOOKMARK" and wanted.kind != "Table"):
            return event
        made = transform(event.object, wanted, resource=self._resource, now=self._now(), include=self.include)
        if wanted.kind == "Table":
            if not is_first:
                made["columnDefinitions"] = []
            if event.type == "BOOKMARK":
                made["rows"] = []
        return WatchEvent(event.type, made, event.old)
