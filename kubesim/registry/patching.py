"""Patches: JSON patch, merge patch and strategic merge patch, with the refusals of the API server.

Source: k8s.io/apiserver pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.errors import StatusError, plain_error, status_error
from kubesim.apimachinery.field import Path
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.patch.errors import BAD_REQUEST, TOO_LARGE, UNPROCESSABLE, PatchError
from kubesim.apimachinery.patch.json_patch import apply_json_patch
from kubesim.apimachinery.patch.merge import apply_merge_patch
from kubesim.apimachinery.patch.strategic import apply_strategic_patch
from kubesim.apimachinery.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.apimachinery.schema import DecodeError, Node, Schema
from kubesim.apimachinery.schema.duplicates import find_duplicate_fields
from kubesim.registry.decoding import strict_error
from kubesim.registry.options import WriteOptions
from kubesim.registry.wire import parse_json
from kubesim.util.gojson import GoJSONError
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, encode


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that has been read: `duplicates` are the texts about fields that it gives twice."""

    content_type: str
    value: Any
    duplicates: Sequence[str] = ()


def read_patch(sent: Any, content_type: str, options: WriteOptions) -> Patch:
    """Decode a patch that came as text. Raises StatusError 400."""
    duplicates: Sequence[str] = ()
    value = sent
    strategic = content_type == STRATEGIC_MERGE_PATCH
    if isinstance(sent, (bytes, str)):
        try:
            value = parse_json(sent)
        except GoJSONError as error:
            raise errors.bad_request(str(error) if strategic else f"error decoding patch: {error}") from None
        if options.field_validation != "Ignore":
            duplicates = find_duplicate_fields(sent)
            if content_type == JSON_PATCH:
                duplicates = [f"json patch {text}" for text in duplicates]
    wanted: type = list if content_type == JSON_PATCH else dict
    if not isinstance(value, wanted):
        target = "[]handlers.jsonPatchOp" if content_type == JSON_PATCH else "map[string]interface {}"
        detail = f"json: cannot unmarshal {_go_type(value)} into Go value of type {target}"
        raise errors.bad_request(detail if strategic else f"error decoding patch: {detail}")
    return Patch(content_type, value, duplicates)


def apply_patch(
    current: JSONObject,
    patch: Patch,
    *,
    schema: Schema,
    node: Node,
    gvk: GroupVersionKind,
    options: WriteOptions,
) -> JSONObject:
    """The patched object, decoded. Raises StatusError."""
    strategic = patch.content_type == STRATEGIC_MERGE_PATCH
    try:
        patched = _patched(current, patch, node)
    except PatchError as error:
        raise _failed(error) from None
    shown = go_map(patch.value) if strategic else ""
    decode = schema.convert if strategic else schema.decode
    try:
        obj, unknown = decode(gvk, patched)
    except DecodeError as error:
        raise _refused(shown or _text_of(schema, gvk, current, patch), str(error)) from None
    found = [*patch.duplicates, *unknown]
    if found and options.field_validation == "Strict":
        raise _refused(shown or _text_of(schema, gvk, current, patch), strict_error(found))
    if options.field_validation == "Warn":
        for text in found:
            options.warn(text)
    if obj.get("apiVersion", gvk.api_version) != gvk.api_version or obj.get("kind", gvk.kind) != gvk.kind:
        raise _changed_kind(obj, gvk)
    obj["apiVersion"], obj["kind"] = gvk.api_version, gvk.kind
    return obj


def _patched(current: JSONObject, patch: Patch, node: Node) -> JSONObject:
    made: JSONObject
    if patch.content_type == STRATEGIC_MERGE_PATCH:
        made = apply_strategic_patch(current, patch.value, node)
    elif patch.content_type == MERGE_PATCH:
        made = apply_merge_patch(current, patch.value)
    else:
        made = apply_json_patch(current, patch.value)
    return made


def _failed(error: PatchError) -> StatusError:
    if error.code == BAD_REQUEST:
        return errors.bad_request(str(error))
    if error.code == TOO_LARGE:
        return errors.request_entity_too_large(f"Request entity too large: {error}")
    if error.code == UNPROCESSABLE:
        # NewGenericServerResponse keeps the reason to itself.
        return status_error(422, "Invalid", "the server rejected our request due to an error in our request")
    return plain_error(str(error))


def _refused(shown: str, detail: str) -> StatusError:
    """422 that names no kind: NewInvalid(schema.GroupKind{}, "", patch)."""
    return errors.invalid("", "", [field.invalid(Path("patch"), shown, detail)])


def _changed_kind(obj: JSONObject, gvk: GroupVersionKind) -> StatusError:
    version = quote(str(obj.get("apiVersion") or ""))
    return errors.bad_request(f"{obj.get('kind')} in version {version} cannot be handled as a {gvk.kind}")


def _text_of(schema: Schema, gvk: GroupVersionKind, current: JSONObject, patch: Patch) -> str:
    """The patched object as the API server prints it: Go's order, but keys sorted wherever the patch has
    been.
    """
    start = schema.encode(gvk, current)
    if patch.content_type == MERGE_PATCH:
        touched, patched = patch.value, apply_merge_patch(start, patch.value)
    else:
        touched, patched = _touched(patch.value), apply_json_patch(start, patch.value)
    return encode(_sorted_along(patched, touched)).decode()


def _touched(operations: list[JSONObject]) -> JSONObject:
    """The places that JSON patch operations name, as nested keys."""
    tree: JSONObject = {}
    for operation in operations:
        for pointer in (operation.get("path"), operation.get("from")):
            at = tree
            for token in str(pointer or "").split("/")[1:-1]:
                at = at.setdefault(token.replace("~1", "/").replace("~0", "~"), {})
    return tree


def _sorted_along(value: Any, touched: Any) -> Any:
    if not isinstance(touched, dict):
        return value
    if isinstance(value, list):
        return [_sorted_along(v, touched.get(str(i))) for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {k: _sorted_along(v, touched.get(k)) for k, v in sorted(value.items())}


def go_map(value: Any) -> str:
    """A decoded JSON value as fmt's %+v prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_map(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_map, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"
