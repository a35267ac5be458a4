"""Label selectors: parsing, matching, and the texts of k8s.io/apimachinery/pkg/labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_qualified_name, is_valid_label_value
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

EQUALS: Final = "="
DOUBLE_EQUALS: Final = "=="
NOT_EQUALS: Final = "!="
IN: Final = "in"
NOT_IN: Final = "notin"
EXISTS: Final = "exists"
DOES_NOT_EXIST: Final = "!"
GREATER_THAN: Final = "gt"
LESS_THAN: Final = "lt"

_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN)
_SELECTING = (EQUALS, DOUBLE_EQUALS, IN)
_SYMBOLS = {EQUALS: "=", DOUBLE_EQUALS: "==", NOT_EQUALS: "!=", GREATER_THAN: ">", LESS_THAN: "<"}
_OPERATOR_TOKENS = {
    "in": IN,
    "notin": NOT_IN,
    "=": EQUALS,
    "==": DOUBLE_EQUALS,
    "!=": NOT_EQUALS,
    ">": GREATER_THAN,
    "<": LESS_THAN,
}
_MATCH_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}
_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n\0]+))")
_INT64 = re.compile(r"[+-]?[0-9]+")


class SelectorError(ValueError):
    """A selector that cannot be read, with Kubernetes' text."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label: a key, an operator of this module, and its values."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        operator = self.operator
        if operator in _SELECTING:
            return labels.get(self.key) in self.values
        present = self.key in labels
        if operator in (NOT_IN, NOT_EQUALS):
            return not present or labels[self.key] not in self.values
        if operator == EXISTS:
            return present
        if operator == DOES_NOT_EXIST:
            return not present
        value = _int64(labels[self.key]) if present else None
        limit = _int64(self.values[0]) if len(self.values) == 1 else None
        if value is None or limit is None:
            return False
        return value > limit if operator == GREATER_THAN else value < limit

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        values = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({values})"
        return f"{self.key}{_SYMBOLS[self.operator]}{values}"


class Selector:
    """All of some requirements, in the order of their keys; or `NOTHING`, which no labels match."""

    __slots__ = ("_equal", "_rest", "nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=_key))
        self.nothing = nothing
        # Most requirements are one pair; these are compared without a call.
        self._equal = tuple((r.key, r.values[0]) for r in self.requirements if _is_pair(r))
        self._rest = tuple(r for r in self.requirements if not _is_pair(r))

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.nothing:
            return False
        for key, value in self._equal:
            if labels.get(key) != value:
                return False
        return all(r.matches(labels) for r in self._rest)

    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements and not self.nothing

    def lookups(self) -> list[tuple[str, ...]]:
        """For each requirement that allows it the `key=value` pairs of which every match has one, for a look-up
        by index; those of the fewest values first. `matches` still has the last word.
        """
        if self.nothing:
            return []
        found = [r for r in self.requirements if r.operator in _SELECTING and r.values]
        return [tuple(f"{r.key}={v}" for v in r.values) for r in sorted(found, key=lambda r: len(r.values))]

    def exact_match(self, key: str) -> str | None:
        """The one value that a label must have, if the selector says so: RequiresExactMatch."""
        for requirement in self.requirements:
            if requirement.key == key:
                chosen = requirement.operator in _SELECTING and len(requirement.values) == 1
                return requirement.values[0] if chosen else None
        return None

    def add(self, *requirements: Requirement) -> Selector:
        """A selector with further requirements."""
        return self if self.nothing else Selector((*self.requirements, *requirements))

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return "Selector.nothing" if self.nothing else f"Selector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Selector)
            and self.requirements == other.requirements
            and self.nothing == other.nothing
        )

    def __hash__(self) -> int:
        return hash((self.requirements, self.nothing))


def _key(requirement: Requirement) -> str:
    return requirement.key


def _is_pair(requirement: Requirement) -> bool:
    return requirement.operator in _SELECTING and len(requirement.values) == 1


EVERYTHING: Final = Selector()
NOTHING: Final = Selector(nothing=True)


def requirement(key: str, operator: str, values: Iterable[str] = (), path: Path | None = None) -> Requirement:
    """A requirement, checked. Raises SelectorError with every reason: labels.NewRequirement."""
    found = tuple(values)
    path = path or Path()
    errors: list[FieldError] = []
    if texts := is_qualified_name(key):
        errors.append(field.invalid(path.child("key"), key, "; ".join(texts)))
    place = path.child("values")
    errors += _count_errors(operator, found, path)
    if operator in (GREATER_THAN, LESS_THAN):
        detail = "for 'Gt', 'Lt' operators, the value must be an integer"
        errors += [field.invalid(place.index(i), v, detail) for i, v in enumerate(found) if _int64(v) is None]
    for i, value in enumerate(found):
        if texts := is_valid_label_value(value):
            errors.append(field.invalid(place.index(i).key(key), value, "; ".join(texts)))
    if errors:
        raise SelectorError(_aggregate(errors))
    return Requirement(key, operator, found)


def _count_errors(operator: str, values: tuple[str, ...], path: Path) -> list[FieldError]:
    """Too many or too few values for an operator, or an operator that does not exist."""
    place = path.child("values")
    if operator in (IN, NOT_IN):
        wrong, detail = not values, "for 'in', 'notin' operators, values set can't be empty"
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS):
        wrong, detail = len(values) != 1, "exact-match compatibility requires one single value"
    elif operator in (EXISTS, DOES_NOT_EXIST):
        wrong, detail = bool(values), "values set must be empty for exists and does not exist"
    elif operator in (GREATER_THAN, LESS_THAN):
        wrong, detail = len(values) != 1, "for 'Gt', 'Lt' operators, exactly one value is required"
    else:
        return [field.not_supported(path.child("operator"), operator, (*_BINARY, EXISTS, DOES_NOT_EXIST))]
    return [field.invalid(place, list(values), detail)] if wrong else []


def _aggregate(errors: list[FieldError]) -> str:
    """Several errors in one text, each once: util/errors, Aggregate."""
    texts = list(dict.fromkeys(map(str, errors)))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def parse_selector(text: str) -> Selector:
    """Read a selector as `-l` and labelSelector have it. Raises SelectorError with Kubernetes' text."""
    return Selector(_Parser(text).parse()) if text else EVERYTHING


class _Parser:
    """The recursive descent of labels.Parser; the end of the text is the empty token."""

    def __init__(self, text: str) -> None:
        text = text.partition("\0")[0]
        self._tokens = [symbol or word for symbol, word in _TOKEN.findall(text)]
        self._words = [bool(word) for _, word in _TOKEN.findall(text)]
        self._at = 0

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self._peek()
            if not token:
                return found
            if not self._is_word() and token != "!":  # noqa: S105 - no password
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            token = self._take()
            if not token:
                return found
            if token != ",":  # noqa: S105 - no password
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            if not self._is_word() and self._peek() != "!":
                raise SelectorError(f"found '{self._peek()}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _is_word(self) -> bool:
        """Whether the next token is an identifier; `in` and `notin` are, but for an operator's place."""
        return self._at < len(self._words) and self._words[self._at]

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._at += 1
        if not self._is_word():
            raise SelectorError(f"found '{self._peek()}', expected: identifier")
        key = self._take()
        if texts := is_qualified_name(key):
            raise SelectorError(str(field.invalid(Path(), key, "; ".join(texts))))
        if self._peek() in {"", ","}:
            return requirement(key, DOES_NOT_EXIST if negated else EXISTS)
        if negated:
            return requirement(key, DOES_NOT_EXIST)
        token = self._take()
        operator = _OPERATOR_TOKENS.get(token)
        if operator is None:
            raise SelectorError(f"found '{token}', expected: {', '.join(_BINARY)}")
        values = self._values() if operator in (IN, NOT_IN) else {self._exact_value()}
        return requirement(key, operator, sorted(values))

    def _exact_value(self) -> str:
        if self._peek() in {"", ","}:
            return ""
        if not self._is_word():
            raise SelectorError(f"found '{self._peek()}', expected: identifier")
        return self._take()

    def _values(self) -> set[str]:
        token = self._take()
        if token != "(":  # noqa: S105 - no password
            raise SelectorError(f"found '{token}' expected: '('")
        if self._peek() == ")":
            self._at += 1
            return {""}
        if not self._is_word() and self._peek() != ",":
            raise SelectorError(f"found '{self._peek()}', expected: ',', ')' or identifier")
        values = self._identifiers()
        self._at += 1  # the closing parenthesis, at which _identifiers stops
        return values

    def _identifiers(self) -> set[str]:
        """Identifiers between commas, any of which may be empty, up to a closing parenthesis."""
        values: set[str] = set()
        while True:
            if self._is_word():
                values.add(self._take())
                if self._peek() == ")":
                    return values
                if self._peek() != ",":
                    raise SelectorError(f"found '{self._peek()}', expected: ',' or ')'")
                continue
            token = self._take()
            if token != ",":  # noqa: S105 - no password
                raise SelectorError(f"found '{token}', expected: ',', or identifier")
            if not values:
                values.add("")
            if self._peek() == ")":
                return values | {""}
            if self._peek() == ",":
                self._at += 1
                values.add("")


def selector_from_map(labels: Mapping[str, str] | None) -> Selector:
    """A selector that wants exactly these labels, unchecked; nothing given selects everything."""
    return Selector(Requirement(k, EQUALS, (v,)) for k, v in labels.items()) if labels else EVERYTHING


def selector_from_label_selector(selector: JSONObject | None) -> Selector:
    """The selector of a metav1.LabelSelector: none selects nothing, an empty one everything.

    Raises SelectorError with Kubernetes' text: LabelSelectorAsSelector.
    """
    if selector is None:
        return NOTHING
    found = [
        requirement(key, EQUALS, (value,))
        for key, value in sorted((selector.get("matchLabels") or {}).items())
    ]
    for expression in selector.get("matchExpressions") or []:
        name = str(expression.get("operator") or "")
        operator = _MATCH_OPERATORS.get(name)
        if operator is None:
            raise SelectorError(f"{quote(name)} is not a valid label selector operator")
        found.append(requirement(str(expression.get("key") or ""), operator, expression.get("values") or ()))
    return Selector(found) if found else EVERYTHING


def format_labels(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2` in the order of the whole pairs, `<none>` for none: labels.FormatLabels."""
    return ",".join(sorted(f"{k}={v}" for k, v in labels.items())) if labels else "<none>"


def format_label_selector(selector: JSONObject | None) -> str:
    """A metav1.LabelSelector in one line, `<none>` for an empty one: FormatLabelSelector."""
    try:
        return str(selector_from_label_selector(selector)) or "<none>"
    except SelectorError:
        return "<error>"


def _int64(text: str) -> int | None:
    if not _INT64.fullmatch(text):
        return None
    value = int(text)
    return value if -(1 << 63) <= value < 1 << 63 else None
