"""The functions that a template may call: text/template/funcs.go, and kubectl's `exists` and
`base64decode`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote_plus

from kubesim.util.gofmt import GoInt, go_type, sprintf
from kubesim.util.gotemplate.values import MISSING, Boxed, inner, is_true
from kubesim.util.gotext import sprint


class FunctionError(Exception):
    """What a function says is wrong with its arguments."""


# Functions. Those with `raw` see boxes and missing values; the others get None for both.


class _Builtin:
    """`strings` is how many of the first arguments must be strings; `at_most` None means any number."""

    def __init__(
        self,
        run: Callable[..., Any],
        at_least: int = 0,
        at_most: int | None = None,
        *,
        strings: int = 0,
        raw: bool = False,
    ) -> None:
        self.run = run
        self.at_least = at_least
        self.at_most = at_most
        self.strings = strings
        self.raw = raw


def _sprint(*values: Any) -> str:
    """fmt.Sprint: a space between two values neither of which is a string."""
    pieces: list[str] = []
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            pieces.append(" ")
        pieces.append(sprint(value))
    return "".join(pieces)


def _sprintln(*values: Any) -> str:
    return " ".join(map(sprint, values)) + "\n"


def _escaped_args(values: Sequence[Any]) -> str:
    found = ["<no value>" if inner(v) is MISSING else inner(v) for v in values]
    return _sprint(*found)


_HTML = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _html(*values: Any) -> str:
    return re.sub("[\0\"'&<>]", lambda found: _HTML[found[0]], _escaped_args(values))


def _js(*values: Any) -> str:
    def escape(found: re.Match[str]) -> str:
        character = found[0]
        if character in _JS:
            return _JS[character]
        if character >= "\x80" and character.isprintable():
            return character
        return f"\\u{ord(character):04X}"

    return re.sub("[\\\\'\"<>&=\0-\x1f]|[^\0-\x7f]", escape, _escaped_args(values))


def _urlquery(*values: Any) -> str:
    return quote_plus(_escaped_args(values))


def _len(value: Any) -> GoInt:
    found = inner(value)
    if isinstance(value, Boxed) and found is MISSING:
        raise FunctionError("len of nil pointer")
    if found is MISSING:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    if isinstance(found, str):
        return GoInt(len(found.encode("utf-8", "surrogatepass")))
    if isinstance(found, (list, dict)):
        return GoInt(len(found))
    raise FunctionError(f"len of type {go_type(found)}")


def _index(item: Any, *indexes: Any) -> Any:
    if inner(item) is MISSING:
        raise FunctionError("index of untyped nil")
    for index in indexes:
        found = inner(item)
        if found is MISSING:
            raise FunctionError("index of nil pointer")
        if isinstance(found, (list, str)):
            sequence: Any = found.encode("utf-8", "surrogatepass") if isinstance(found, str) else found
            at = _position(inner(index), len(sequence))
            if at == len(sequence):
                kind = "string" if isinstance(found, str) else "slice"
                raise FunctionError(f"reflect: {kind} index out of range")
            item = sequence[at] if isinstance(found, str) else Boxed(sequence[at])
        elif isinstance(found, dict):
            item = Boxed(found.get(_map_key(inner(index))))
        else:
            raise FunctionError(f"can't index item of type {go_type(found)}")
    return item


def _position(index: Any, length: int) -> int:
    if index is MISSING:
        raise FunctionError("cannot index slice/array with nil")
    if isinstance(index, bool) or not isinstance(index, int):
        raise FunctionError(f"cannot index slice/array with type {go_type(index)}")
    if not 0 <= index <= length:
        raise FunctionError(f"index out of range: {index}")
    return index


def _map_key(index: Any) -> str:
    if index is MISSING:
        raise FunctionError("value is nil; should be of type string")
    if not isinstance(index, str):
        raise FunctionError(f"value has type {go_type(index)}; should be string")
    return index


def _slice(item: Any, *indexes: Any) -> Any:
    found = inner(item)
    if found is MISSING:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if isinstance(found, str):
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        data: Any = found.encode("utf-8", "surrogatepass")
    elif isinstance(found, list):
        data = found
    else:
        raise FunctionError(f"can't slice item of type {go_type(found)}")
    places = [0, len(data)]
    for i, index in enumerate(indexes[:2]):
        places[i] = _position(inner(index), len(data))
    if places[0] > places[1]:
        raise FunctionError(f"invalid slice index: {places[0]} > {places[1]}")
    cut = data[places[0] : places[1]]
    return cut.decode("utf-8", "replace") if isinstance(found, str) else cut


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {int: "int", GoInt: "int", float: "float", str: "string"}.get(type(value), "")


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    left = inner(first)
    for other in others:
        right = inner(other)
        if _kind(left) != _kind(right):
            if left is not MISSING and right is not MISSING:
                raise FunctionError("incompatible types for comparison")
        elif isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
            raise FunctionError(f"non-comparable type {sprint(left)}: {go_type(left)}")
        elif left is right or (left is not MISSING and right is not MISSING and left == right):
            return True
    return False


def _lt(first: Any, second: Any) -> bool:
    left, right = inner(first), inner(second)
    kinds = (_kind(left), _kind(right))
    if "" in kinds:
        raise FunctionError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise FunctionError("incompatible types for comparison")
    if kinds[0] == "bool":
        raise FunctionError("invalid type for comparison")
    return bool(left < right)


def _le(first: Any, second: Any) -> bool:
    return _lt(first, second) or _eq(first, second)


def _not(value: Any) -> bool:
    return not is_true(value)


def _call_function(function: Any, *args: Any) -> Any:
    found = inner(function)
    if found is MISSING:
        raise FunctionError("call of nil")
    raise FunctionError(f"non-function <ARG> of type {go_type(found)}")


def _exists(item: Any, *indexes: Any) -> bool:
    if not indexes:
        return True  # even of nothing: there was no index that could have failed
    found = item
    for index in indexes:
        if found is None:
            return False
        if isinstance(found, (list, str)):
            length = len(found.encode()) if isinstance(found, str) else len(found)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < length:
                return False
            found = found[index] if isinstance(found, list) else 0
        elif isinstance(found, dict):
            if not isinstance(index, str):
                return False
            found = found.get(index)
        else:
            return False
    return found is not None


def _base64decode(text: str) -> str:
    data = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise FunctionError(
            f"base64 decode failed: illegal base64 data at input byte {_bad_byte(data)}"
        ) from None


def _bad_byte(data: str) -> int:
    """Where Go's decoder stops: at the first strange character, or at the last group if that is not whole."""
    found = re.match(r"[A-Za-z0-9+/]*", data)
    end = found.end() if found else 0
    if end == len(data):
        return end - end % 4 if end % 4 == 1 or end % 4 else end
    return end


FUNCTIONS: dict[str, _Builtin] = {
    "base64decode": _Builtin(_base64decode, 1, 1, strings=1),
    "call": _Builtin(_call_function, 1, raw=True),
    "eq": _Builtin(_eq, 1, raw=True),
    "exists": _Builtin(_exists, 1),
    "ge": _Builtin(lambda a, b: not _lt(a, b), 2, 2, raw=True),
    "gt": _Builtin(lambda a, b: not _le(a, b), 2, 2, raw=True),
    "html": _Builtin(_html, raw=True),
    "index": _Builtin(_index, 1, raw=True),
    "js": _Builtin(_js, raw=True),
    "le": _Builtin(_le, 2, 2, raw=True),
    "len": _Builtin(_len, 1, 1, raw=True),
    "lt": _Builtin(_lt, 2, 2, raw=True),
    "ne": _Builtin(lambda a, b: not _eq(a, b), 2, 2, raw=True),
    "not": _Builtin(_not, 1, 1, raw=True),
    "print": _Builtin(_sprint),
    "printf": _Builtin(lambda layout, *args: sprintf(layout, args), 1, strings=1),
    "println": _Builtin(_sprintln),
    "slice": _Builtin(_slice, 1, raw=True),
    "urlquery": _Builtin(_urlquery, raw=True),
}
