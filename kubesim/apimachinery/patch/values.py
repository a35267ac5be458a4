"""Comparing JSON values as Go does: `1`, `1.0` and `true` are three different things."""

from __future__ import annotations

from typing import Any


def same(left: Any, right: Any) -> bool:
    """reflect.DeepEqual of two JSON values."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is dict:
        return len(left) == len(right) and all(k in right and same(v, right[k]) for k, v in left.items())
    if kind is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def identity(value: Any) -> tuple[type, Any]:
    """What two scalars share if and only if they are the same; for use as a key."""
    return (type(value), value) if not isinstance(value, (dict, list)) else (type(value), id(value))
