"""RFC 6902: a list of operations, as gopkg.in/evanphx/json-patch.v4 carries them out for the API server.

Where that library differs from the RFC, so does this: negative positions count from the end, `replace` of
a missing field adds it, `add` and `remove` of the whole document fail. The texts are its own.
"""

from __future__ import annotations

import re
from typing import Any

from kubesim.apimachinery.patch.errors import BAD_REQUEST, TOO_LARGE, UNPROCESSABLE, JSONPatchError
from kubesim.apimachinery.patch.values import same
from kubesim.util.gotext import quote, sprint
from kubesim.util.jsontypes import JSONValue, deep_copy

MAX_OPERATIONS = 10_000  # apiserver: maxJSONPatchOperations

_MISSING = "missing value"
_FAILED = "test failed"
_INVALID_INDEX = "invalid index referenced"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_KNOWN = ("op", "path", "from", "value")


def apply_json_patch(doc: JSONValue, patch: JSONValue) -> Any:
    """A patched copy of a document. Raises JSONPatchError; nothing is patched then.

    `code` of the error is 400 for what is no patch, 413 for one of more than `MAX_OPERATIONS`, 422 for one
    that does not fit the document.
    """
    operations = _operations(patch)
    document = _Document(deep_copy(doc))
    for operation in operations:
        try:
            document.apply(operation)
        except _Failure as wrong:
            raise JSONPatchError(str(wrong), UNPROCESSABLE) from None
    return document.root


def strict_errors(patch: JSONValue) -> list[str]:
    """What strict field validation says of the operations: `json patch unknown field "[0].foo"`.

    Raises JSONPatchError for what is no list of operations.
    """
    if not isinstance(patch, list):
        raise _undecodable(patch, "[]handlers.jsonPatchOp", "error decoding patch: ")
    texts = []
    for position, operation in enumerate(patch):
        if not isinstance(operation, dict):
            raise _undecodable(operation, "handlers.jsonPatchOp", "error decoding patch: ")
        for name in operation:
            if name not in _KNOWN:
                texts.append(f"json patch unknown field {quote(f'[{position}].{name}')}")
            elif name != "value" and not isinstance(operation[name], (str, type(None))):
                where = f"Go struct field jsonPatchOp.{name} of type string"
                word = _WORDS[type(operation[name])]
                text = f"error decoding patch: json: cannot unmarshal {word} into {where}"
                raise JSONPatchError(text, BAD_REQUEST)
    return texts


def _operations(patch: JSONValue) -> list[dict[str, Any]]:
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable(patch, "jsonpatch.Patch")
    for operation in patch:
        if operation is not None and not isinstance(operation, dict):
            raise _undecodable(operation, "jsonpatch.Operation")
    if len(patch) > MAX_OPERATIONS:
        limit = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
        raise JSONPatchError(limit, TOO_LARGE)
    return [operation or {} for operation in patch]


def _undecodable(value: Any, go: str, lead: str = "") -> JSONPatchError:
    return JSONPatchError(
        f"{lead}json: cannot unmarshal {_WORDS[type(value)]} into Go value of type {go}", BAD_REQUEST
    )


class _Failure(Exception):
    """An operation cannot be carried out; errors.Wrapf puts texts in front, with colons."""

    def wrapped(self, text: str) -> _Failure:
        return _Failure(f"{text}: {self}")


class _Document:
    """A document while it is being patched."""

    def __init__(self, root: Any) -> None:
        self.root = root

    def apply(self, operation: dict[str, Any]) -> None:
        kind = operation.get("op")
        if not isinstance(kind, str):
            kind = "unknown"
        known = {
            "add": self._add,
            "remove": self._remove,
            "replace": self._replace,
            "move": self._move,
            "test": self._test,
            "copy": self._copy,
        }
        if kind not in known:
            raise _Failure(f"Unexpected kind: {kind}")
        known[kind](operation)

    def _add(self, operation: dict[str, Any]) -> None:
        path = _pointer(operation, "path", "add operation failed to decode path", hide=True)
        holder, key = self._find(path)
        if holder is None:
            raise _missing(f'add operation does not apply: doc is missing path: "{path}"')
        try:
            _insert(holder, key, deep_copy(operation.get("value")))
        except _Failure as wrong:
            raise wrong.wrapped(f"error in add for path: '{path}'") from None

    def _remove(self, operation: dict[str, Any]) -> None:
        path = _pointer(operation, "path", "remove operation failed to decode path", hide=True)
        holder, key = self._find(path)
        if holder is None:
            raise _missing(f'remove operation does not apply: doc is missing path: "{path}"')
        try:
            _delete(holder, key)
        except _Failure as wrong:
            raise wrong.wrapped(f"error in remove for path: '{path}'") from None

    def _replace(self, operation: dict[str, Any]) -> None:
        path = _pointer(operation, "path", "replace operation failed to decode path")
        value = deep_copy(operation.get("value"))
        if path == "":
            if isinstance(value, (dict, list)):
                self.root = value
            return
        holder, key = self._find(path)
        if holder is None:
            raise _missing(f"replace operation does not apply: doc is missing path: {path}")
        if isinstance(holder, dict):
            holder[key] = value
            return
        try:
            at = _position(holder, key)
        except _Failure:
            raise _missing(f"replace operation does not apply: doc is missing key: {path}") from None
        holder[at] = value

    def _move(self, operation: dict[str, Any]) -> None:
        source = _pointer(operation, "from", "move operation failed to decode from")
        holder, key = self._find(source)
        if holder is None:
            raise _missing(f"move operation does not apply: doc is missing from path: {source}")
        try:
            value = _get(holder, key)
            _delete(holder, key)
        except _Failure as wrong:
            raise wrong.wrapped(f"error in move for path: '{key}'") from None
        path = _pointer(operation, "path", "move operation failed to decode path")
        holder, key = self._find(path)
        if holder is None:
            raise _missing(f"move operation does not apply: doc is missing destination path: {path}")
        try:
            _insert(holder, key, value)
        except _Failure as wrong:
            raise wrong.wrapped(f"error in move for path: '{path}'") from None

    def _test(self, operation: dict[str, Any]) -> None:
        path = _pointer(operation, "path", "test operation failed to decode path")
        wanted = operation.get("value")
        if path == "":
            found = self.root
        else:
            holder, key = self._find(path)
            if holder is None:
                raise _missing(f"test operation does not apply: is missing path: {path}")
            try:
                found = _get(holder, key)
            except _Failure as wrong:
                raise wrong.wrapped(f"error in test for path: '{path}'") from None
        if not same(found, wanted):
            raise _Failure(f"testing value {path} failed: {_FAILED}")

    def _copy(self, operation: dict[str, Any]) -> None:
        source = _pointer(operation, "from", "copy operation failed to decode from")
        holder, key = self._find(source)
        if holder is None:
            raise _missing(f"copy operation does not apply: doc is missing from path: {source}")
        try:
            value = _get(holder, key)
        except _Failure as wrong:
            raise wrong.wrapped(f"error in copy for from: '{source}'") from None
        path = _pointer(operation, "path", "copy operation failed to decode path", hide=True)
        holder, key = self._find(path)
        if holder is None:
            raise _missing(f"copy operation does not apply: doc is missing destination path: {path}")
        try:
            _insert(holder, key, deep_copy(value))
        except _Failure as wrong:
            raise wrong.wrapped("error while adding value during copy") from None

    def _find(self, path: str) -> tuple[Any, str]:
        """The object or list that holds what a path names, and the last part of the path; None where there
        is none.
        """
        parts = [_decoded(p) for p in path.split("/")]
        if len(parts) < 2:
            return None, ""
        holder = self.root
        for part in parts[1:-1]:
            try:
                holder = _get(holder, part)
            except _Failure:
                return None, ""
            if not isinstance(holder, (dict, list)):
                return None, ""
        return holder, parts[-1]


def _missing(text: str) -> _Failure:
    return _Failure(f"{text}: {_MISSING}")


def _decoded(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


def _pointer(operation: dict[str, Any], name: str, lead: str, *, hide: bool = False) -> str:
    """The path or from of an operation. `hide` where the library says only that it is missing."""
    value = operation.get(name)
    if isinstance(value, str):
        return value
    if hide:
        raise _missing(lead)
    if value is None:
        raise _missing(f"{lead}: operation{'' if name == 'path' else ','} missing {name} field")
    raise _Failure(f"{lead}: json: cannot unmarshal {_WORDS[type(value)]} into Go value of type string")


def _get(holder: Any, key: str) -> Any:
    """A value; None for a field that is not there."""
    return holder.get(key) if isinstance(holder, dict) else holder[_position(holder, key)]


def _number(key: str) -> int:
    if not _INTEGER.fullmatch(key):
        raise _Failure(f"strconv.Atoi: parsing {quote(key)}: invalid syntax")
    return int(key)


def _position(holder: list[Any], key: str) -> int:
    at = _number(key)
    if not -len(holder) <= at < len(holder):
        raise _Failure(f"Unable to access invalid index: {sprint(at)}: {_INVALID_INDEX}")
    return at % len(holder)


def _insert(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
        return
    if key == "-":
        holder.append(value)
        return
    try:
        at = _number(key)
    except _Failure as wrong:
        raise wrong.wrapped(f"value was not a proper array index: '{key}'") from None
    size = len(holder) + 1
    if not -size <= at < size:
        raise _Failure(f"Unable to access invalid index: {at}: {_INVALID_INDEX}")
    holder.insert(at % size, value)


def _delete(holder: Any, key: str) -> None:
    if isinstance(holder, list):
        del holder[_position(holder, key)]
    elif key in holder:
        del holder[key]
    else:
        raise _missing(f"Unable to remove nonexistent key: {key}")
