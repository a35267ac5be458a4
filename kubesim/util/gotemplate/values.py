"""Values as templates see them: Go tells a missing value from null, and what is in an `interface {}` from
itself.
"""

from __future__ import annotations

from typing import Any, Final


class Missing:
    """Go's zero reflect.Value: what a key that is not there gives."""


class Boxed:
    """A value of type `interface {}`: what comes out of maps and lists. Null inside is a nil interface."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


MISSING: Final = Missing()
NO_FINAL: Final = Missing()


def inner(value: Any) -> Any:
    """The value itself, MISSING for null in a box: reflect's indirectInterface."""
    if isinstance(value, Boxed):
        return MISSING if value.value is None else value.value
    return value


def plain(value: Any) -> Any:
    """A value as a function of Go's gets it in an `interface {}`: None for missing and null."""
    found = inner(value)
    return None if found is MISSING else found


def is_true(value: Any) -> bool:
    return bool(plain(value))
