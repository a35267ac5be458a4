"""Content types: what the client sends, and what it wants back.

Source: k8s.io/apiserver pkg/endpoints/handlers/negotiation, and go-restful for the refusals before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError, status_error
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.rest import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    PROTOBUF,
    STRATEGIC_MERGE_PATCH,
    YAML,
    Request,
    Response,
)
from kubesim.apimachinery.schema.duplicates import find_duplicate_fields
from kubesim.registry.decoding import Body, cannot_be_handled
from kubesim.registry.wire import parse_json
from kubesim.util.gojson import GoJSONError
from kubesim.util.jsontypes import JSONObject, encode

MAX_BODY: Final = 3 * 1024 * 1024
PATCH_TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)

_TABLE_GROUP: Final = "meta.k8s.io"
# What a client may have instead of the object itself; a Table has no protobuf.
_IN_PROTOBUF: Final = ("", "PartialObjectMetadata", "PartialObjectMetadataList")
_WATCH_TYPES: Final = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the answer has to look. `kind` is Table, PartialObjectMetadata(List) or empty for the object
    itself.
    """

    media_type: str = JSON
    kind: str = ""
    group: str = ""
    version: str = ""


PLAIN: Final = Wanted()


def negotiate(headers: Mapping[str, str], *, watchable: bool = False) -> Wanted:
    """The first of the types that the client accepts which the server has; protobuf, which takes longest to write
    here, only where the client accepts nothing else. Raises StatusError 406.
    """
    accept = headers.get("accept", "")
    if accept in ("", JSON, "*/*"):
        return PLAIN
    binary: Wanted | None = None
    for clause in accept_clauses(accept):
        media_type, *parameters = (p.strip() for p in clause.split(";"))
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type not in (JSON, YAML, PROTOBUF):
            continue
        options = dict(p.split("=", 1) for p in parameters if "=" in p)
        kind = options.get("as", "")
        group, version = (options.get("g", ""), options.get("v", "")) if kind else ("", "")
        if kind and not _transforms_to(kind, group, version):
            continue
        if media_type == JSON and not kind:
            return PLAIN
        wanted = Wanted(media_type, kind, group, version)
        if media_type != PROTOBUF:
            return wanted
        if binary is None and kind in _IN_PROTOBUF:
            binary = wanted
    if binary is not None:
        return binary
    available = [JSON, YAML, PROTOBUF, *(_WATCH_TYPES if watchable else ())]
    raise status_error(
        406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {', '.join(available)}"
    )


def accept_clauses(accept: str) -> list[str]:
    """The clauses of an Accept header, the most wanted first."""
    ranked = []
    for clause in accept.split(","):
        quality = 1.0
        for parameter in clause.split(";")[1:]:
            name, _, value = parameter.strip().partition("=")
            if name == "q":
                quality = _quality(value)
        ranked.append((quality, clause.strip()))
    return [clause for _, clause in sorted(ranked, key=lambda r: -r[0])]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _transforms_to(kind: str, group: str, version: str) -> bool:
    if kind == "APIGroupDiscoveryList":
        return group == "apidiscovery.k8s.io" and version in ("v2", "v2beta1")
    known = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
    return kind in known and group == _TABLE_GROUP and version in ("v1", "v1beta1")


def read_body(request: Request, gvk: GroupVersionKind, *, strict: bool = True) -> Body:
    """What the client sent, decoded; it should be of a kind. `strict` looks for fields given twice.

    Raises StatusError 400, 413 or 415, or BodySyntaxError.
    """
    body = request.body
    if not isinstance(body, bytes):
        if _size(body) > MAX_BODY:
            raise too_large()
        return Body(body)
    if len(body) > MAX_BODY:
        raise too_large()
    media_type = content_type(request.headers)
    if media_type == JSON or not media_type:
        return _json(body, strict=strict)
    if media_type == YAML:
        return _yaml(body)
    if media_type == PROTOBUF:
        return _protobuf(body, gvk)
    raise errors.unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        f"{JSON}, {YAML}, {PROTOBUF}"
    )


def _size(body: JSONObject | list[object] | None) -> int:
    """How long a body would be on the wire; 0 for one that cannot be written, which is refused later."""
    try:
        return len(encode(body))
    except TypeError:
        return 0


class BodySyntaxError(ValueError):
    """A body that is not what its content type says: Go's message, and how the server shows the beginning of
    the body.
    """

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.summary = _summary(body)


def _json(body: bytes, *, strict: bool) -> Body:
    try:
        value = parse_json(body)
    except GoJSONError as error:
        raise BodySyntaxError(f"couldn't get version/kind; json parse error: {error}", body) from None
    return Body(value, find_duplicate_fields(body) if strict else (), text=True)


def _yaml(body: bytes) -> Body:
    import yaml

    try:
        value: Any = yaml.load(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise BodySyntaxError(f"couldn't get version/kind; json parse error: {error}", body) from None
    return Body(value, text=True)


def _protobuf(body: bytes, gvk: GroupVersionKind) -> Body:
    from kubesim.apimachinery.protobuf.decode import EnvelopeError, MessageError, decode_object

    try:
        return Body(decode_object(body, gvk), lenient=True)
    except EnvelopeError as error:
        raise BodySyntaxError(str(error), body) from None
    except MessageError as error:
        raise cannot_be_handled(error.gvk, gvk, str(error)) from None


def _summary(body: bytes) -> str:
    """handlers.summarizeData."""
    if not body:
        return "<empty>"
    tail = " ..." if len(body) > 30 else ""
    if body.startswith(b"{"):
        return body[:30].decode("utf-8", "replace") + tail
    return body[:30].hex() + tail


def content_type(headers: Mapping[str, str]) -> str:
    """The media type of the body, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip()


def patch_type(headers: Mapping[str, str]) -> str:
    """Which patch this is. Raises StatusError 415: as go-restful words it, or for server-side apply, which clients
    count on, with what there is in its place.
    """
    found = content_type(headers)
    if found == APPLY_PATCH:
        raise errors.unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(PATCH_TYPES)
        )
    if found not in PATCH_TYPES:
        raise status_error(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    return found


def too_large() -> StatusError:
    return errors.request_entity_too_large(f"Request entity too large: limit is {MAX_BODY}")


def in_protobuf(response: Response, headers: Mapping[str, str]) -> Response:
    """An answer to a client that speaks of protobuf: in JSON, unless it accepts nothing else."""
    body = response.body
    if not isinstance(body, dict):
        return response
    try:
        if negotiate(headers).media_type != PROTOBUF:
            return response
    except StatusError:  # has been told already
        return response
    from kubesim.apimachinery.protobuf.encode import has_protobuf

    if has_protobuf(body):
        response.headers["content-type"] = PROTOBUF
        return response
    if response.headers.get("content-type") != PROTOBUF:
        return response
    refused = errors.not_acceptable(
        "object *unstructured.Unstructured does not implement the protobuf marshalling interface and cannot be "
        "encoded to a protobuf message"
    )
    return Response(406, refused.status, {"content-type": JSON})
