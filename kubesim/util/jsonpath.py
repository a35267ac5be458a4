"""JSONPath templates as kubectl knows them: client-go's util/jsonpath with its dialect, limits and texts.

A template is text with actions in braces: `{range .items[*]}{.metadata.name}{" "}{end}`. Parsed once, it can
be run on many values; `relaxed` turns what `--sort-by` and custom columns accept into a template.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kubesim.util.gotext import sprint, to_json, type_name
from kubesim.util.jsontypes import JSONValue

_DICT_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)")
_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")
_TERMINATORS = " \t\r\n.,[]$@{}"


class JSONPathError(ValueError):
    """A template that cannot be read, or does not fit the value it is run on, with client-go's text."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Literal:
    value: int | float | bool


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


@dataclass(frozen=True, slots=True)
class _Identifier:
    name: str


@dataclass(frozen=True, slots=True)
class _Wildcard:
    pass


@dataclass(frozen=True, slots=True)
class _Recursive:
    pass


@dataclass(frozen=True, slots=True)
class _Array:
    """A slice; a single index is one of which `derived` says that its end was not written."""

    start: int | None
    end: int | None
    step: int | None
    derived: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _List:
    nodes: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Union:
    lists: list[_List]


@dataclass(frozen=True, slots=True)
class _Filter:
    left: _List
    right: _List
    operator: str


class JSONPath:
    """A parsed template. With `allow_missing_keys`, a field that is not there gives nothing, and no error."""

    def __init__(self, template: str, *, allow_missing_keys: bool = False) -> None:
        """Raises JSONPathError."""
        self._nodes = _Parser(template).parse().nodes
        self._allow_missing_keys = allow_missing_keys

    def find(self, data: JSONValue) -> list[list[Any]]:
        """What every action gives, one list each; so does the text between. Raises JSONPathError."""
        return _Run(allow_missing_keys=self._allow_missing_keys).find(self._nodes, data)

    def values(self, data: JSONValue) -> list[Any]:
        """What the first action gives: for templates of a single action."""
        found = self.find(data)
        return found[0] if found else []

    def execute(self, data: JSONValue, *, as_json: bool = False) -> str:
        """The text of a template: spaces between values, lists and maps as JSON. Raises JSONPathError.

        `as_json` makes an indented JSON list of each action's values instead.
        """
        found = self.find(data)
        if as_json:
            return "".join(to_json(results, indent="    ") + "\n" for results in found)
        return "".join(" ".join(map(text_of, results)) for results in found)


def text_of(value: JSONValue) -> str:
    """A value as a template prints it."""
    if isinstance(value, (dict, list)):
        return to_json(value)
    return "null" if value is None else sprint(value)


def relaxed(expression: str) -> str:
    """`x.y`, `.x.y`, `{x.y}` or `{.x.y}` as a template. Raises JSONPathError: RelaxedJSONPathExpression."""
    if not expression:
        return expression
    found = _RELAXED.fullmatch(expression)
    if found is None:
        raise JSONPathError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or "
            "'{.name1.name2}'"
        )
    return f"{{.{found[1] or found[2]}}}"


class _Parser:
    """Reads a template from left to right, with client-go's idea of where each thing ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> _List:
        root = _List()
        while True:
            start = self._at
            opening = self._text.find("{", start)
            end = len(self._text) if opening < 0 else opening
            if end > start:
                root.nodes.append(_Text(self._text[start:end]))
            if opening < 0:
                return root
            self._at = opening + 1
            action = _List()
            root.nodes.append(action)
            self._action(action.nodes)

    def _next(self) -> str:
        """The next character, empty at the end."""
        character = self._text[self._at : self._at + 1]
        self._at += len(character)
        return character

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _action(self, nodes: list[Any]) -> None:
        while not self._text.startswith("}", self._at):
            self._step(nodes)
        self._at += 1

    def _step(self, nodes: list[Any]) -> None:
        """Read one thing inside an action."""
        if self._text.startswith("[?(", self._at):
            self._filter(nodes)
            return
        if self._text.startswith("..", self._at):
            self._recursive(nodes)
            return
        character = self._next()
        if not character or character in "\r\n":
            raise JSONPathError("unclosed action")
        if character in " @$":
            return
        if character == "[":
            self._array(nodes)
        elif character in "\"'":
            self._quote(nodes, character)
        elif character == ".":
            self._field(nodes)
        elif character in "+-" or character.isdecimal():
            self._at -= 1
            self._number(nodes)
        elif character == "_" or character.isalpha():
            self._at -= 1
            self._identifier(nodes)
        else:
            raise JSONPathError(f"unrecognized character in action: {_code_point(character)}")

    def _word(self) -> str:
        start = self._at
        while (character := self._peek()) and character not in _TERMINATORS:
            self._at += 1
        return self._text[start : self._at]

    def _identifier(self, nodes: list[Any]) -> None:
        word = self._word()
        if word in {"true", "false"}:
            nodes.append(_Literal(word == "true"))
        else:
            nodes.append(_Identifier(word))

    def _recursive(self, nodes: list[Any]) -> None:
        if nodes and isinstance(nodes[-1], _Recursive):
            raise JSONPathError("invalid multiple recursive descent")
        self._at += 2
        nodes.append(_Recursive())
        character = self._peek()
        if character and (character == "_" or character.isalpha() or character.isdecimal()):
            self._field(nodes)

    def _field(self, nodes: list[Any]) -> None:
        start = self._at
        while (character := self._peek()) and character not in _TERMINATORS:
            self._at += 2 if character == "\\" else 1
        name = self._text[start : self._at]
        self._at = min(self._at, len(self._text))
        nodes.append(_Wildcard() if name == "*" else _Field(name.replace("\\", "")))

    def _number(self, nodes: list[Any]) -> None:
        start = self._at
        if self._peek() in {"+", "-"}:
            self._at += 1
        while (character := self._peek()) and (character == "." or character.isdecimal()):
            self._at += 1
        text = self._text[start : self._at]
        try:
            nodes.append(_Literal(int(text)))
        except ValueError:
            try:
                nodes.append(_Literal(float(text)))
            except ValueError:
                raise JSONPathError(f"cannot parse number {text}") from None

    def _array(self, nodes: list[Any]) -> None:
        start = self._at
        while (character := self._next()) != "]":
            if not character or character == "\n":
                raise JSONPathError("unterminated array")
        text = self._text[start : self._at - 1]
        if text == "*":
            text = ":"
        if "," in text:
            parts = [_parse_action(f"[{part.strip(' ')}]") for part in text.split(",")]
            nodes.append(_Union(parts))
        elif key := _DICT_KEY.fullmatch(text):
            nodes.extend(_parse_action(f".{key[1]}").nodes)
        else:
            nodes.append(_slice(text))

    def _filter(self, nodes: list[Any]) -> None:
        self._at += len("[?(")
        start = self._at
        opening = ""
        closed = False
        while True:
            character = self._next()
            if not character or character == "\n":
                raise JSONPathError("unterminated filter")
            if character in "\"'":
                if not opening:
                    opening = character
                elif self._text[self._at - 2] != "\\" and character == opening:
                    closed = True
            elif character == ")" and bool(opening) == closed:
                break
        if self._next() != "]":
            raise JSONPathError("unclosed array expect ]")
        text = self._text[start : self._at - 2]
        found = _COMPARISON.fullmatch(text)
        if found is None:
            nodes.append(_Filter(_parse_action(text), _List(), "exists"))
        else:
            nodes.append(_Filter(_parse_action(found[1]), _parse_action(found[3]), found[2]))

    def _quote(self, nodes: list[Any], closing: str) -> None:
        start = self._at - 1
        while True:
            character = self._next()
            if not character or character == "\n":
                raise JSONPathError("unterminated quoted string")
            if character == closing and self._text[self._at - 2] != "\\":
                break
        quoted = self._text[start : self._at]
        try:
            nodes.append(_Text(unquote(quoted)))
        except ValueError as error:
            raise JSONPathError(f"unquote string {quoted} error {error}") from None


def _parse_action(text: str) -> _List:
    """The first action of a text put in braces, as client-go reads keys, unions and filters."""
    first = _Parser(f"{{{text}}}").parse().nodes[0]
    return first if isinstance(first, _List) else _List()


def _slice(text: str) -> _Array:
    found = _SLICE.fullmatch(text)
    if found is None:
        raise JSONPathError(f"invalid array index {text}")
    start = _index(found[1]) if found[1] else None
    if not found[2]:
        return _Array(start, (start or 0) + 1, _bound(found[3]), derived=True)
    return _Array(start, _bound(found[2]), _bound(found[3]))


def _bound(text: str | None) -> int | None:
    return _index(text[1:]) if text and len(text) > 1 else None


def _index(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise JSONPathError(f"array index {text} is not a number") from None
    if not -(1 << 63) <= value < 1 << 63:
        raise JSONPathError(f"array index {text} is not a number")
    return value


_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|([^\\])", re.DOTALL
)


def unquote(text: str) -> str:
    """A Go string literal in double or single quotes. Raises ValueError: UnquoteExtend."""
    if len(text) < 2 or text[0] != text[-1]:
        raise ValueError("invalid syntax")
    mark, inner = text[0], text[1:-1]
    pieces, at = [], 0
    while at < len(inner):
        found = _ESCAPE.match(inner, at)
        if found is None:
            raise ValueError("invalid syntax")
        pieces.append(_unescaped(found, mark))
        at = found.end()
    return "".join(pieces)


def _unescaped(found: re.Match[str], mark: str) -> str:
    byte, short, long, octal, simple, plain = found.groups()
    if plain is not None:
        if plain == mark:
            raise ValueError("invalid syntax")
        return str(plain)
    if simple is not None:
        if simple == mark:
            return mark
        if simple not in _SIMPLE_ESCAPES:
            raise ValueError("invalid syntax")
        return _SIMPLE_ESCAPES[simple]
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    if code > (0xFF if octal else 0x10FFFF) or 0xD800 <= code <= 0xDFFF:
        raise ValueError("invalid syntax")
    return chr(code)


def _code_point(character: str) -> str:
    """A character as %#U writes it."""
    code = f"U+{ord(character):04X}"
    return f"{code} '{character}'" if character.isprintable() else code


class _Run:
    """One walk of a template over a value, with client-go's counters: oddities of nested ranges included."""

    def __init__(self, *, allow_missing_keys: bool) -> None:
        self._allow_missing_keys = allow_missing_keys
        self._begin = 0
        self._inside = 0
        self._end = 0
        self._last_end: Any = None

    def find(self, nodes: Sequence[Any], data: JSONValue) -> list[list[Any]]:
        found: list[list[Any]] = []
        i = 0
        while i < len(nodes):
            node = nodes[i]
            results = self._walk([data], node)
            if 0 < self._end <= self._inside:
                self._end -= 1
                self._last_end = node
                break
            if self._begin > 0:
                found += self._range(results, nodes[i + 1 :])
                ends = (k for k in range(i + 1, len(nodes)) if nodes[k] is self._last_end)
                i = next(ends, i)
            else:
                found.append(results)
            i += 1
        return found

    def _range(self, results: list[Any], body: Sequence[Any]) -> list[list[Any]]:
        self._begin -= 1
        self._inside += 1
        found: list[list[Any]] = []
        for value in results:
            found += self.find(body, value)
        if not results:
            self.find(body, None)  # so that the end is found
        self._inside -= 1
        return found

    def _walk(self, values: list[Any], node: Any) -> list[Any]:
        if isinstance(node, _List):
            for inner in node.nodes:
                values = self._walk(values, inner)
            return values
        if isinstance(node, _Field):
            return self._field(values, node)
        if isinstance(node, _Text):
            return [node.text]
        if isinstance(node, _Array):
            return _slices(values, node)
        if isinstance(node, _Filter):
            return self._filter(values, node)
        if isinstance(node, _Literal):
            return [node.value] * len(values)
        if isinstance(node, _Wildcard):
            return [inner for value in values for inner in _children(value)]
        if isinstance(node, _Recursive):
            return _descend(values)
        if isinstance(node, _Union):
            return [found for each in node.lists for found in self._walk(values, each)]
        return self._identifier(values, node)

    def _identifier(self, values: list[Any], node: _Identifier) -> list[Any]:
        if node.name == "range":
            self._begin += 1
            return values
        if node.name == "end":
            if self._inside == 0:
                raise JSONPathError("not in range, nothing to end")
            self._end += 1
            return []
        raise JSONPathError(f"unrecognized identifier {node.name}")

    def _field(self, values: list[Any], node: _Field) -> list[Any]:
        if not values:
            return []
        name = node.name
        found = [value[name] for value in values if isinstance(value, dict) and name in value]
        if not found and not self._allow_missing_keys:
            raise JSONPathError(f"{name} is not found")
        return found

    def _filter(self, values: list[Any], node: _Filter) -> list[Any]:
        found = []
        for value in values:
            if not isinstance(value, list):
                raise JSONPathError(f"{sprint(value)} is not array or slice and cannot be filtered")
            found += [item for item in value if self._passes(item, node)]
        return found

    def _passes(self, item: Any, node: _Filter) -> bool:
        if node.operator == "exists":
            try:
                return bool(self._walk([item], node.left))
            except JSONPathError:
                return False
        sides = []
        for side in (node.left, node.right):
            results = self._walk([item], side)
            if not results:
                return False
            if len(results) > 1:
                raise JSONPathError("can only compare one element at a time")
            sides.append(results[0])
        return _compare(sides[0], sides[1], node.operator)


def _slices(values: list[Any], node: _Array) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value is None:
            continue
        if not isinstance(value, list):
            raise JSONPathError(f"{type_name(value)} is not array or slice")
        length = len(value)
        start = node.start or 0
        start = start + length if start < 0 else start
        end = length if node.end is None else node.end
        if end < 0 or (end == 0 and node.derived):
            end += length
        if start == end:
            return found  # what other values would give is lost, as in client-go
        if not 0 <= start < length:
            raise JSONPathError(f"array index out of bounds: index {start}, length {length}")
        if not 0 <= end <= length:
            raise JSONPathError(f"array index out of bounds: index {end - 1}, length {length}")
        if start > end:
            raise JSONPathError(f"starting index {start} is greater than ending index {end}")
        if node.step is not None and node.step <= 0:
            raise JSONPathError("step must be > 0")
        found += value[start : end : node.step or 1]
    return found


def _children(value: Any) -> list[Any]:
    """What is inside a value; maps in the order of their keys, strings as bytes."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    if isinstance(value, list):
        return value
    return list(value.encode()) if isinstance(value, str) else []


def _descend(values: list[Any]) -> list[Any]:
    """All values that have something inside, at every depth, outer ones first."""
    found: list[Any] = []
    pending = list(reversed(values))
    while pending:
        value = pending.pop()
        inner = _children(value)
        if inner:
            found.append(value)
            if not isinstance(value, str):
                pending.extend(reversed(inner))
    return found


_BAD_TYPE: Final = "invalid type for comparison"


def _basic_kind(value: Any) -> str:
    kind = type(value)
    if kind not in (bool, int, float, str):
        raise JSONPathError(_BAD_TYPE)
    return str(kind.__name__)


def _compare(left: Any, right: Any, operator: str) -> bool:
    # As client-go's copy of text/template: > is "not <=", >= is "not <", and != is "not ==".
    if operator not in {"<", ">", "==", "!=", "<=", ">="}:
        raise JSONPathError(f"unrecognized filter operator {operator}")
    kind = _basic_kind(left)
    if kind != _basic_kind(right):
        raise JSONPathError("incompatible types for comparison")
    if kind == "bool" and operator not in {"==", "!="}:
        raise JSONPathError(_BAD_TYPE)
    if operator in {"==", "!="}:
        return bool(left == right) == (operator == "==")
    if operator in {"<", ">="}:
        return bool(left < right) == (operator == "<")
    return bool(left <= right) == (operator == "<=")
