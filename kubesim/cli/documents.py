"""What kubectl itself refuses of a document before the server sees it: two looks, each with its own words.

The validation (kubectl's pkg/validation) ends the file it stands in; a document that cannot be decoded
(cli-runtime, metadataValidatingDecoder) is left out, and those after it still count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.cli.errors import CLIError
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.apimachinery.schema import Schema

_STOP_VALIDATION = "if you choose to ignore these errors, turn validation off with --validate=false"
_INVALID = "invalid object to validate"
_TYPED = GroupVersionKind("", "v1", "ConfigMap")
"""A kind that every version has: ObjectMeta is decoded by it."""


def validate_document(value: Any, source: str, *, items: bool = True) -> None:
    """Raises CLIError for what is no object with an API version and a kind; with `items` also for a List of such."""
    problems = validation_problems(value) if items else _kind_problems(value)
    if problems:
        text = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
        raise CLIError(f'error validating "{source}": error validating data: {text}; {_STOP_VALIDATION}')


def validation_problems(value: Any) -> list[str]:
    """What `validate_document` refuses, each in kubectl's words."""
    problems = _kind_problems(value)
    if problems or not is_plain_list(value):
        return problems
    items = value.get("items")
    if not isinstance(items, list):
        return [_INVALID]
    return list(dict.fromkeys(problem for item in items for problem in _kind_problems(item)))


def is_plain_list(value: Any) -> bool:
    """Whether a document is a `v1` `List`, which no server validates."""
    return isinstance(value, dict) and (value.get("apiVersion"), value.get("kind")) == ("v1", "List")


def _kind_problems(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [_INVALID]
    found = []
    for name in ("apiVersion", "kind"):
        text = value.get(name)
        if text is None:
            found.append(f"{name} not set")
        elif not isinstance(text, str):
            found.append(f"{name} isn't string type")
        elif name == "apiVersion":
            try:
                split_api_version(text)
            except ValueError as error:
                found.append(str(error))
    return found


def decode_document(value: Any, source: str, schema: Callable[[], Schema]) -> JSONObject:
    """The document as an object with a kind, whose metadata has the right types. Raises CLIError."""
    problem = _decoding_problem(value, schema)
    if problem:
        raise CLIError(f'unable to decode "{source}": {problem}')
    found: JSONObject = value
    return found


def _decoding_problem(value: Any, schema: Callable[[], Schema]) -> str:
    if not isinstance(value, dict):
        return f"json: cannot unmarshal {_json_kind(value)} into Go value of type unstructured.detector"
    problem = _items_problem(value)
    if problem:
        return problem
    version, kind = value.get("apiVersion"), value.get("kind")
    if not kind or not isinstance(kind, str) or not _is_version(version):
        return f"Object 'Kind' is missing in '{_shown(value)}'"
    if version is not None and not isinstance(version, str):
        return _mismatch(version, "metadataOnlyObject.apiVersion", "string")
    return _metadata_problem(value, schema)


def _items_problem(value: JSONObject) -> str:
    """What has items is decoded as a list."""
    items = value.get("items")
    if items is None:
        return ""
    if not isinstance(items, list):
        return _mismatch(items, "decodeList.items", "[]json.RawMessage")
    for item in items:
        if not isinstance(item, dict) and item is not None:
            return (
                f"json: cannot unmarshal {_json_kind(item)} into Go value of type map[string]interface {{}}"
            )
    return ""


def _is_version(value: Any) -> bool:
    """Whether an API version can be taken apart; unstructured objects hide their kind where it cannot."""
    try:
        split_api_version(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _metadata_problem(obj: JSONObject, schema: Callable[[], Schema]) -> str:
    """What Go's decoder of ObjectMeta says; empty if nothing."""
    meta = obj.get("metadata")
    if meta is None or _is_plain(meta):
        return ""
    if not isinstance(meta, dict):
        return _mismatch(meta, "metadataOnlyObject.metadata", "v1.ObjectMeta")
    from kubesim.apimachinery.schema import DecodeError

    try:
        schema().decode(_TYPED, {"metadata": meta})
    except DecodeError as error:
        return str(error).replace("ConfigMap.metadata", "metadataOnlyObject.metadata")
    return ""


_TEXTS = frozenset(("name", "generateName", "namespace", "uid", "resourceVersion"))
_MAPS = frozenset(("labels", "annotations"))


def _is_plain(meta: Any) -> bool:
    """Whether metadata is seen to be right at first sight: names, labels and annotations, all of them text."""
    if not isinstance(meta, dict):
        return False
    for name, value in meta.items():
        if name in _TEXTS:
            if not isinstance(value, str):
                return False
        elif name in _MAPS:
            if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
                return False
        else:
            return False
    return True


def _mismatch(value: Any, field: str, wanted: str) -> str:
    return f"json: cannot unmarshal {_json_kind(value)} into Go struct field {field} of type {wanted}"


def _json_kind(value: Any) -> str:
    kinds: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


def _shown(value: JSONObject) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
