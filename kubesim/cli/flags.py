"""Command-line flags as kubectl reads them: the rules and texts of spf13/pflag.

Flags and arguments may be mixed; `--name=value`, `--name value`, `-n value`, `-n=value`, `-nvalue`, `-it`; a
flag with a
`no_opt` value takes no argument of its own (`--watch`, `--dry-run`). `_` in a name counts as `-`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from kubesim.util.durations import parse_duration

Kind = Literal["string", "bool", "int", "duration", "list", "slice", "count"]


class FlagError(Exception):
    """The flags were written wrongly."""


class HelpWanted(Exception):
    """`-h` or `--help` was given."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. A `list` takes each value as it is given, a `slice` splits it at commas.

    `default` is the typed value that a command reads; `shown` is what help prints where that differs.
    `deprecated` is what a user is told who still uses it; help does not show it then.
    """

    name: str
    usage: str = ""
    short: str = ""
    kind: Kind = "string"
    default: Any = None
    no_opt: str = ""
    hidden: bool = False
    shown: str | None = None
    required: bool = False
    deprecated: str = ""

    @property
    def zero(self) -> Any:
        """The value when the flag is not given."""
        if self.default is not None:
            return self.default
        return {"string": "", "bool": False, "int": 0, "count": 0, "duration": timedelta(0)}.get(
            self.kind, ()
        )

    @property
    def without_argument(self) -> str:
        """The value when the flag is given without one; empty if it must have one."""
        return self.no_opt or ("true" if self.kind == "bool" else "+1" if self.kind == "count" else "")


def boolean(
    name: str, usage: str = "", short: str = "", *, default: bool = False, hidden: bool = False
) -> Flag:
    return Flag(name, usage, short, "bool", default, hidden=hidden)


@dataclass(slots=True)
class Values:
    """The flags of one command line, by name and of the type that the flag has.

    `said` are names and values as they stood there, in their order; `notices` is what to tell the user of them.
    """

    given: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def changed(self, name: str) -> bool:
        """Whether the flag was given on the command line."""
        return name in self.given

    def value(self, name: str) -> Any:
        return self.given[name] if name in self.given else self.defaults[name]

    def text(self, name: str) -> str:
        return str(self.value(name))

    def is_set(self, name: str) -> bool:
        """The value of a boolean flag."""
        return bool(self.value(name))

    def number(self, name: str) -> int:
        return int(self.value(name))

    def duration(self, name: str) -> timedelta:
        found = self.value(name)
        return found if isinstance(found, timedelta) else timedelta(0)

    def texts(self, name: str) -> list[str]:
        return list(self.value(name))

    def has(self, name: str) -> bool:
        """Whether the command has such a flag at all."""
        return name in self.defaults


class FlagSet:
    """The flags that one command takes."""

    def __init__(self, flags: Iterable[Flag]) -> None:
        # A command's own flag hides a global one of the same name, as `create rolebinding --user` does.
        by_name: dict[str, Flag] = {}
        for flag in flags:
            by_name.setdefault(flag.name, flag)
        self.flags = list(by_name.values())
        self._long = {f.name: f for f in self.flags}
        self._short = {f.short: f for f in self.flags if f.short}

    def parse(self, words: Sequence[str], *, stop_at_argument: bool = False) -> tuple[Values, list[str], int]:
        """The values, the arguments, and where `--` stood among the arguments (-1: nowhere).

        With `stop_at_argument` the rest is left alone from the first argument on. Raises FlagError,
        HelpWanted.
        """
        values = Values(defaults={f.name: f.zero for f in self.flags})
        arguments: list[str] = []
        rest = list(words)
        dash = -1
        while rest:
            word = rest.pop(0)
            if word == "--":
                dash = len(arguments)
                arguments += rest
                break
            if word.startswith("--"):
                self._long_flag(word, rest, values)
            elif word.startswith("-") and len(word) > 1:
                self._short_flags(word, rest, values)
            else:
                arguments.append(word)
                if stop_at_argument:
                    arguments += rest
                    break
        return values, arguments, dash

    def _long_flag(self, word: str, rest: list[str], values: Values) -> None:
        name, equals, value = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}")
        name = name.replace("_", "-")
        flag = self._long.get(name)
        if flag is None:
            if name == "help":
                raise HelpWanted
            raise FlagError(f"unknown flag: --{name}")
        if not equals:
            value = flag.without_argument
            if not value:
                if not rest:
                    raise FlagError(f"flag needs an argument: {word}")
                value = rest.pop(0)
        self._set(flag, value, values)

    def _short_flags(self, word: str, rest: list[str], values: Values) -> None:
        letters = word[1:]
        while letters:
            flag = self._short.get(letters[0])
            if flag is None:
                if letters[0] == "h":
                    raise HelpWanted
                raise FlagError(f"unknown shorthand flag: {_quoted_rune(letters[0])} in -{letters}")
            if len(letters) > 2 and letters[1] == "=":
                value, letters = letters[2:], ""
            elif flag.without_argument:
                value, letters = flag.without_argument, letters[1:]
            elif len(letters) > 1:
                value, letters = letters[1:], ""
            elif rest:
                value, letters = rest.pop(0), ""
            else:
                raise FlagError(f"flag needs an argument: {_quoted_rune(letters[0])} in {word}")
            self._set(flag, value, values)

    def _set(self, flag: Flag, text: str, values: Values) -> None:
        try:
            value = _converted(flag, text, values.given.get(flag.name))
        except ValueError as error:
            named = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
            message = f"invalid argument {_go_quoted(text)} for {_go_quoted(named)} flag: {error}"
            raise FlagError(message) from None
        values.given[flag.name] = value
        values.said.append((flag.name, text))
        if flag.deprecated:
            values.notices.append(f"Flag --{flag.name} has been deprecated, {flag.deprecated}")


_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]*|0[bB][01]+|[1-9][0-9]*)$")


def _converted(flag: Flag, text: str, before: Any) -> Any:
    match flag.kind:
        case "bool":
            if text not in _TRUE + _FALSE:
                raise ValueError(f"strconv.ParseBool: parsing {_go_quoted(text)}: invalid syntax")
            return text in _TRUE
        case "int":
            return _integer(text)
        case "count":
            return (before or 0) + 1 if text == "+1" else _integer(text)
        case "duration":
            return parse_duration(text)
        case "list":
            return (*(before or ()), text)
        case "slice":
            return (*(before or ()), *(_csv(text) if text else ()))
        case _:
            return text


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(f"strconv.ParseInt: parsing {_go_quoted(text)}: invalid syntax")
    digits = text.lstrip("+-")
    base = 8 if digits[:1] == "0" and digits[1:].isdigit() else 0
    number = int(digits, base) * (-1 if text.startswith("-") else 1)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"strconv.ParseInt: parsing {_go_quoted(text)}: value out of range")
    return number


def _csv(text: str) -> list[str]:
    """A slice's value is one record of comma-separated values, with double quotes as CSV has them.

    Raises ValueError in the words of Go's encoding/csv.
    """
    if '"' not in text:
        return text.split(",")
    fields: list[str] = []
    position = 0
    while position <= len(text):
        if text[position : position + 1] == '"':
            field, position = _quoted_field(text, position + 1)
        else:
            end = text.find(",", position)
            field = text[position:] if end < 0 else text[position:end]
            if '"' in field:
                raise _csv_error(position + field.index('"'), 'bare " in non-quoted-field')
            position += len(field)
        fields.append(field)
        position += 1
    return fields


def _quoted_field(text: str, position: int) -> tuple[str, int]:
    """The field whose opening quote stands before the position, and where the comma or the end after it is."""
    field = ""
    while (end := text.find('"', position)) >= 0:
        field += text[position:end]
        match text[end + 1 : end + 2]:
            case '"':
                field, position = field + '"', end + 2
            case "," | "":
                return field, end + 1
            case _:
                raise _csv_error(end, 'extraneous or missing " in quoted-field')
    raise _csv_error(len(text), 'extraneous or missing " in quoted-field')


def _csv_error(index: int, text: str) -> ValueError:
    return ValueError(f"parse error on line 1, column {index + 1}: {text}")


def _go_quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _quoted_rune(letter: str) -> str:
    return f"'{letter}'"
