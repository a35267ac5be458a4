"""The types that decoded JSON has here, and how it is copied, encoded and walked.

A `JSONObject` is what travels through the whole house: decode, default, admit, validate, store, patch, watch,
print.
"""

from __future__ import annotations

from typing import Any

import orjson

JSONValue = Any
JSONObject = dict[str, Any]


def deep_copy(value: JSONValue) -> Any:
    """A copy that shares no container with the original; for JSON values only (dict, list, scalars)."""
    if type(value) is dict:
        return {k: deep_copy(v) if type(v) in _CONTAINERS else v for k, v in value.items()}
    if type(value) is list:
        return [deep_copy(v) if type(v) in _CONTAINERS else v for v in value]
    return value


_CONTAINERS = (dict, list)


def encode(value: JSONValue) -> bytes:
    """Compact JSON in UTF-8, keys in the order in which they stand."""
    return orjson.dumps(value)


def encode_sorted(value: JSONValue) -> bytes:
    """Compact JSON in UTF-8, keys sorted, as Go's encoder writes a map."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def decode(text: bytes | str) -> Any:
    """Decode JSON. Raises ValueError with the position for text that is not JSON."""
    return orjson.loads(text)


def dig(value: JSONValue, *path: str | int, default: Any = None) -> Any:
    """The value at a path of keys and positions, or `default` where any step of it is missing or null."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return default
        if value is None:
            return default
    return value
