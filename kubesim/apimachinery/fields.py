"""Field selectors: parsing, escaping, matching, and the texts of k8s.io/apimachinery/pkg/fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

EQUALS: Final = "="
NOT_EQUALS: Final = "!="

_OPERATORS = (("!=", NOT_EQUALS), ("==", EQUALS), ("=", EQUALS))


class FieldSelectorError(ValueError):
    """A field selector that cannot be read, with Kubernetes' text."""


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition: a field, `=` or `!=`, and a value."""

    field: str
    operator: str
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        """A field that is not there has the empty value."""
        return (fields.get(self.field, "") == self.value) == (self.operator == EQUALS)

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape_value(self.value)}"


class FieldSelector:
    """All of some requirements, in the order of their texts."""

    __slots__ = ("requirements",)

    def __init__(self, requirements: Iterable[FieldRequirement] = ()) -> None:
        self.requirements = tuple(requirements)

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(r.matches(fields) for r in self.requirements)

    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    def exact_match(self, field: str) -> str | None:
        """The one value that a field must have, if the selector says so: RequiresExactMatch."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator == EQUALS:
                return requirement.value
        return None

    def lookup(self) -> tuple[str, ...] | None:
        """The `field=value` pair that every match has, for a look-up by index; None if there is none."""
        found = [r for r in self.requirements if r.operator == EQUALS and r.value]
        return (f"{found[0].field}={found[0].value}",) if found else None

    def transform(self, convert: Callable[[str, str], tuple[str, str]]) -> FieldSelector:
        """Every field and value converted, as a kind's field label conversion does; empty pairs go.

        What `convert` raises is passed on.
        """
        pairs = [(r, *convert(r.field, r.value)) for r in self.requirements]
        return FieldSelector(FieldRequirement(f, r.operator, v) for r, f, v in pairs if f or v)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"FieldSelector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSelector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


EVERYTHING: Final = FieldSelector()


def parse_field_selector(text: str) -> FieldSelector:
    """Read a selector as `--field-selector` has it. Raises FieldSelectorError with Kubernetes' text."""
    return FieldSelector(_requirement(text, term) for term in sorted(_split_terms(text)) if term)


def selector_from_fields(fields: Mapping[str, str]) -> FieldSelector:
    """A selector that wants exactly these values."""
    return FieldSelector(FieldRequirement(k, EQUALS, v) for k, v in fields.items())


def _split_terms(text: str) -> list[str]:
    """The parts between commas that no backslash escapes; backslashes stay."""
    terms, start, escaped = [], 0, False
    for i, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            terms.append(text[start:i])
            start = i + 1
    return [*terms, text[start:]]


def _requirement(text: str, term: str) -> FieldRequirement:
    for i in range(len(term)):
        for token, operator in _OPERATORS:
            if term.startswith(token, i):
                return FieldRequirement(term[:i], operator, unescape_value(term[i + len(token) :]))
    raise FieldSelectorError(f"invalid selector: '{text}'; can't understand '{term}'")


def escape_value(value: str) -> str:
    """A value as it can stand in a field selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def unescape_value(value: str) -> str:
    """The value that stands in a field selector. Raises FieldSelectorError."""
    if not any(c in value for c in "\\,="):
        return value
    found, escaped = [], False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise FieldSelectorError(f"invalid field selector: invalid escape sequence: \\{character}")
            found.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            # Kubernetes prints the character's number.
            raise FieldSelectorError(
                f"invalid field selector: unescaped character in value: {ord(character)}"
            )
        else:
            found.append(character)
    if escaped:
        raise FieldSelectorError("invalid field selector: invalid escape sequence: \\")
    return "".join(found)
