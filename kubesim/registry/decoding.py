"""From what a client sent to an object of the kind: types checked, unknown fields dropped, with the server's
texts.

Sources: k8s.io/apiserver/pkg/endpoints/handlers/{rest,create}.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.schema import DecodeError, Schema
from kubesim.registry.options import FieldValidation
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject


@dataclass(frozen=True, slots=True)
class Body:
    """What a client sent. `duplicates` are the texts about fields that the text gives twice; `text` says that
    it was one; `lenient`, that it came in an encoding of which upstream never tells unknown fields.
    """

    value: Any
    duplicates: Sequence[str] = ()
    text: bool = False
    lenient: bool = False


def strict_error(texts: Sequence[str]) -> str:
    """runtime.NewStrictDecodingError."""
    return "strict decoding error: " + ", ".join(texts)


def decode_body(
    schema: Schema,
    gvk: GroupVersionKind,
    sent: Body,
    *,
    validation: FieldValidation,
    warn: Callable[[str], None],
) -> JSONObject:
    """Decode a body of POST or PUT for a resource of this kind. Raises StatusError 400."""
    body = sent.value
    if not isinstance(body, dict):
        raise _unrecognized(gvk, body)
    said = check_kind(gvk, body)
    try:
        obj, unknown = schema.decode(gvk, body, sort_keys=not sent.text)
    except DecodeError as error:
        raise cannot_be_handled(said, gvk, str(error)) from None
    found = [] if sent.lenient else [*sent.duplicates, *unknown]
    if found and validation != "Ignore":
        if validation == "Strict":
            raise cannot_be_handled(said, gvk, strict_error(found))
        for text in found:
            warn(text)
    obj["apiVersion"], obj["kind"] = gvk.api_version, gvk.kind
    return obj


def check_kind(gvk: GroupVersionKind, body: JSONObject) -> GroupVersionKind:
    """What kind the body says it is; what it leaves out is as the URL has it. Raises StatusError 400."""
    kind = body.get("kind") or gvk.kind
    api_version = body.get("apiVersion") or gvk.api_version
    if kind == gvk.kind and api_version == gvk.api_version:
        return gvk
    if not isinstance(kind, str) or not isinstance(api_version, str):
        wrong = "kind" if not isinstance(kind, str) else "apiVersion"
        detail = (
            f"json: cannot unmarshal {_go_type(body[wrong])} into Go struct field .{wrong} of type string"
        )
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {gvk.kind}): "
            f"couldn't get version/kind; json parse error: {detail}"
        )
    try:
        group, version = split_api_version(api_version)
    except ValueError as error:
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {gvk.kind}): {error}"
        ) from None
    sent = GroupVersionKind(group, version, kind)
    if kind == gvk.kind:
        raise errors.bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({gvk.api_version})"
        )
    package = gvk.group.partition(".")[0] or "core"
    detail = f"converting ({version}.{kind}) to ({package}.{gvk.kind}): unknown conversion"
    raise cannot_be_handled(sent, gvk, detail)


def cannot_be_handled(sent: GroupVersionKind, gvk: GroupVersionKind, detail: str) -> StatusError:
    """400 as transformDecodeError words it."""
    return errors.bad_request(
        f"{sent.kind} in version {quote(sent.version)} cannot be handled as a {gvk.kind}: {detail}"
    )


def _unrecognized(gvk: GroupVersionKind, body: Any) -> StatusError:
    detail = (
        f"json: cannot unmarshal {_go_type(body)} into Go value of type struct "
        '{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    )
    return errors.bad_request(
        f"the object provided is unrecognized (must be of type {gvk.kind}): "
        f"couldn't get version/kind; json parse error: {detail}"
    )


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"
