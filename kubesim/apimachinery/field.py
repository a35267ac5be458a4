"""Field paths and the errors that validation reports of them, worded as
k8s.io/apimachinery/pkg/util/validation/field.

Order as in Kubernetes: validation collects every error; nobody stops at the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from kubesim.util.gotext import quote


class Path:
    """The place of a value in an object: `spec.ports[0].nodePort`, `metadata.labels[app]`."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def child(self, *names: str) -> Path:
        """The path of a field below this one."""
        tail = ".".join(names)
        return Path(f"{self._text}.{tail}" if self._text else tail)

    def index(self, position: int) -> Path:
        """The path of an item of this list."""
        return Path(f"{self._text}[{position}]")

    def key(self, key: str) -> Path:
        """The path of an entry of this map."""
        return Path(f"{self._text}[{key}]")

    def __str__(self) -> str:
        return self._text or "<nil>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


# field.ErrorType, and how ErrorType.String words each of them.
REQUIRED: Final = "FieldValueRequired"
DUPLICATE: Final = "FieldValueDuplicate"
INVALID: Final = "FieldValueInvalid"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
FORBIDDEN: Final = "FieldValueForbidden"
NOT_FOUND: Final = "FieldValueNotFound"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
INTERNAL: Final = "InternalError"
TYPE_INVALID: Final = "FieldValueTypeInvalid"

_WORDS = {
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    NOT_FOUND: "Not found",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    INTERNAL: "Internal error",
    TYPE_INVALID: "Invalid value",
}
_WITHOUT_VALUE = (REQUIRED, FORBIDDEN, TOO_LONG, INTERNAL)


class OmitValue:
    """Stands for a bad value that the message leaves out."""


OMIT_VALUE: Final = OmitValue()


@dataclass(frozen=True, slots=True)
class GoValue:
    """A bad value whose type only Go has: printed as it stands, for instance `core.ServicePort{Name:"",
    …}`.
    """

    text: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One reason why an object is refused."""

    type: str
    field: str
    bad_value: Any = None
    detail: str = ""

    def body(self) -> str:
        """The message without the field: what a Status cause carries."""
        words = _WORDS[self.type]
        if self.type in _WITHOUT_VALUE or self.bad_value is OMIT_VALUE:
            text = words
        else:
            text = f"{words}: {_printed(self.bad_value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"


def _printed(value: Any) -> str:
    """A value as Go prints it in a field error: strings quoted, numbers plain, maps and slices of strings
    with their type.
    """
    if isinstance(value, GoValue):
        return value.text
    if value is None:
        return '"null"'  # field.Error puts the word in the place of a nil pointer, and quotes it
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "[]string{" + ", ".join(_printed(v) for v in value) + "}"
    if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return (
            "map[string]string{"
            + ", ".join(f"{_printed(k)}:{_printed(v)}" for k, v in sorted(value.items()))
            + "}"
        )
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def required(path: Path, detail: str = "") -> FieldError:
    return FieldError(REQUIRED, str(path), "", detail)


def duplicate(path: Path, value: Any) -> FieldError:
    return FieldError(DUPLICATE, str(path), value)


def invalid(path: Path, value: Any, detail: str) -> FieldError:
    return FieldError(INVALID, str(path), value, detail)


def forbidden(path: Path, detail: str) -> FieldError:
    return FieldError(FORBIDDEN, str(path), "", detail)


def not_found(path: Path, value: Any) -> FieldError:
    return FieldError(NOT_FOUND, str(path), value)


def too_long(path: Path, value: Any, limit: int) -> FieldError:
    # Since 1.32 the value is left out and the limit is in bytes: field.TooLong.
    return FieldError(TOO_LONG, str(path), value, f"may not be more than {limit} bytes")


def too_many(path: Path, actual: int, limit: int) -> FieldError:
    return FieldError(
        TOO_MANY, str(path), actual, f"must have at most {limit} item{'' if limit == 1 else 's'}"
    )


def internal_error(path: Path, detail: str) -> FieldError:
    return FieldError(INTERNAL, str(path), None, detail)


def not_supported(path: Path, value: Any, supported: list[str] | tuple[str, ...]) -> FieldError:
    """`supported` is printed in the order given; callers sort where Kubernetes sorts (almost everywhere)."""
    detail = "supported values: " + ", ".join(map(quote, supported)) if supported else ""
    return FieldError(NOT_SUPPORTED, str(path), value, detail)
