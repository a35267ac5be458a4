"""The verbs of resources: what each HTTP method on each kind of path does.

Sources: k8s.io/apiserver pkg/endpoints/handlers/{get,create,update,patch,delete}.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError, status_error
from kubesim.apimachinery.fields import selector_from_fields
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.rest import PROTOBUF, JSONText, Request, Response, UserInfo
from kubesim.apimachinery.scheme import Resource
from kubesim.apiserver.negotiation import PLAIN, BodySyntaxError, Wanted, negotiate, patch_type, read_body
from kubesim.apiserver.output import EventStream, respond
from kubesim.apiserver.parameters import delete_options, list_options, write_options
from kubesim.apiserver.requestinfo import RequestInfo, first
from kubesim.registry.decoding import Body
from kubesim.registry.keys import path_segment_error
from kubesim.registry.options import WriteOptions
from kubesim.registry.store import Store, UpdateStrategy
from kubesim.util.clock import Clock
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

_DELETE_OPTIONS: Final = GroupVersionKind("", "v1", "DeleteOptions")


@dataclass(slots=True)
class Call:
    """One request on its way: who asks for what, and what is to be said to them besides the answer."""

    request: Request
    info: RequestInfo
    user: UserInfo
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """A text for a Warning header; each is said once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def write_options(self, kind: str, *, dry_run: list[str] | None = None) -> WriteOptions:
        return write_options(self.request, self.user, kind, self.warn, dry_run=dry_run or ())

    def body(self, gvk: GroupVersionKind) -> Body:
        """The decoded body of an object that should be of a kind. Raises StatusError."""
        strict = first(self.request.query, "fieldValidation") != "Ignore"
        try:
            return read_body(self.request, gvk, strict=strict)
        except BodySyntaxError as error:
            raise errors.bad_request(
                f"the object provided is unrecognized (must be of type {gvk.kind}): {error} ({error.summary})"
            ) from None

    @property
    def include(self) -> str:
        """How much of an object a Table's rows shall hold."""
        return first(self.request.query, "includeObject")


def not_there() -> StatusError:
    """404 for a path that leads nowhere."""
    return status_error(404, "NotFound", "the server could not find the requested resource")


def not_allowed() -> StatusError:
    """405 for a path that does not take this method."""
    return status_error(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
    )


class ResourceHandlers:
    """The verbs of whole resources. What does not fit a path is 404 or 405, as upstream's routes have it."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._named: dict[str, Callable[[Call, Store], Response]] = {
            "GET": self.get,
            "PUT": self.update,
            "PATCH": self.patch,
            "DELETE": self.delete,
        }
        self._collection: dict[str, Callable[[Call, Store], Response]] = {
            "GET": self.list,
            "POST": self.create,
            "DELETE": self.delete_collection,
        }

    def handle(self, call: Call, store: Store) -> Response:
        """A request on a resource, without a subresource. Raises StatusError."""
        info, resource = call.info, store.resource
        method = call.request.method
        if info.verb == "watch":
            return self.watch(call, store)
        if info.name:
            if resource.namespaced and not info.namespace:
                raise not_there()
            if error := path_segment_error(info.name):
                raise errors.bad_request(f"Name parameter invalid: {quote(info.name)}: {error}")
            handler = self._named.get(method)
        else:
            handler = self._collection.get(method)
            if resource.namespaced and not info.namespace and method != "GET":
                raise not_allowed()
        if handler is None or not _has_verb(resource, info.verb):
            raise not_allowed()
        return handler(call, store)

    # Reads.

    def get(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers)
        info = call.info
        version = first(call.request.query, "resourceVersion") if call.request.query else ""
        if call.request.encoded and wanted is PLAIN and not version:
            text = store.get_json(_namespace(call, store), info.name)
            return Response(200, JSONText(text), {"content-type": PLAIN.media_type})
        obj = store.get(_namespace(call, store), info.name, resource_version=version)
        return self._respond(call, store, obj, 200, wanted)

    def list(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers, watchable=True)
        options = list_options(call.request.query)
        store.check_field_selector(options.field_selector)
        if call.request.encoded and wanted is PLAIN:
            text = store.list_json(_namespace(call, store), options)
            return Response(200, JSONText(text), {"content-type": PLAIN.media_type})
        found = store.list(_namespace(call, store), options, index=call.request.index)
        return self._respond(call, store, found, 200, wanted)

    def watch(self, call: Call, store: Store) -> Response:
        resource, info = store.resource, call.info
        if not _has_verb(resource, "watch") or call.request.method != "GET":
            raise not_allowed()
        wanted = negotiate(call.request.headers, watchable=True)
        options = list_options(call.request.query, watch=True)
        store.check_field_selector(options.field_selector)
        if info.name:  # the deprecated /watch/ paths
            options = replace(options, field_selector=selector_from_fields({"metadata.name": info.name}))
        events = EventStream(
            store.watch(_namespace(call, store), options),
            wanted,
            resource=resource,
            now=self._clock.now,
            include=call.include,
        )
        binary = ";stream=watch" if wanted.media_type == PROTOBUF else ""
        return Response(200, headers={"content-type": wanted.media_type + binary}, events=events)

    # Writes.

    def create(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers)
        options = call.write_options("CreateOptions")
        obj = store.create(call.body(store.resource.gvk), namespace=_namespace(call, store), options=options)
        return self._respond(call, store, obj, 201, wanted)

    def update(self, call: Call, store: Store, strategy: UpdateStrategy | None = None) -> Response:
        wanted = negotiate(call.request.headers)
        options = call.write_options("UpdateOptions")
        obj, created = store.update(
            call.info.name,
            call.body(store.resource.gvk),
            namespace=_namespace(call, store),
            options=options,
            strategy=strategy,
        )
        return self._respond(call, store, obj, 201 if created else 200, wanted)

    def patch(self, call: Call, store: Store, strategy: UpdateStrategy | None = None) -> Response:
        content_type = patch_type(call.request.headers)
        wanted = negotiate(call.request.headers)
        options = call.write_options("PatchOptions")
        obj = store.patch(
            call.info.name,
            call.request.body,
            content_type,
            namespace=_namespace(call, store),
            options=options,
            strategy=strategy,
        )
        return self._respond(call, store, obj, 200, wanted)

    def delete(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers)
        how, dry_run = delete_options(
            call.request.query, call.body(_DELETE_OPTIONS).value if call.request.body else None
        )
        options = call.write_options("DeleteOptions", dry_run=dry_run)
        obj, deleted = store.delete(
            call.info.name, namespace=_namespace(call, store), delete_options=how, options=options
        )
        # Only who explicitly cascades is told that it takes longer; older clients know nothing of 202.
        status = 202 if not deleted and how.orphan_dependents is False else 200
        return self._respond(call, store, obj, status, wanted)

    def delete_collection(self, call: Call, store: Store) -> Response:
        wanted = negotiate(call.request.headers)
        selection = list_options(call.request.query)
        store.check_field_selector(selection.field_selector)
        how, dry_run = delete_options(
            call.request.query, call.body(_DELETE_OPTIONS).value if call.request.body else None
        )
        options = call.write_options("DeleteOptions", dry_run=dry_run)
        found = store.delete_collection(
            _namespace(call, store), selection, delete_options=how, options=options
        )
        return self._respond(call, store, found, 200, wanted)

    def _respond(self, call: Call, store: Store, obj: JSONObject, status: int, wanted: Wanted) -> Response:
        if wanted is PLAIN and "items" not in obj:
            return Response(status, obj, {"content-type": PLAIN.media_type})
        return respond(
            obj,
            wanted,
            resource=store.resource,
            status=status,
            now=self._clock.now(),
            include=call.include,
        )


def _namespace(call: Call, store: Store) -> str:
    """The namespace of the request; a Namespace itself has none, though its path says so."""
    return call.info.namespace if store.resource.namespaced else ""


def _has_verb(resource: Resource, verb: str) -> bool:
    return verb in resource.verbs
