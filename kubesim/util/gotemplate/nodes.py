"""The tree of a template: each node knows its place in the text, and how Go writes it, as messages show
both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from kubesim.util.gotext import quote

NAME: Final = "output"  # what kubectl calls its templates


class TemplateError(Exception):
    """A template that cannot be read or run, with Go's text."""


@dataclass(slots=True)
class Node:
    """`at` is where a node begins in the text."""

    at: int


@dataclass(slots=True)
class Text(Node):
    """Text between actions."""

    text: str


@dataclass(slots=True)
class Bool(Node):
    """`true` or `false`."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True)
class Number(Node):
    """A number, or a character."""

    value: int | float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class String(Node):
    """A quoted string; `quoted` is how it was written."""

    value: str
    quoted: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(slots=True)
class Dot(Node):
    """The cursor."""

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil(Node):
    """The untyped nil."""

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Field(Node):
    """`.a.b`."""

    names: list[str]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Variable(Node):
    """`names[0]` is the variable, with its dollar; fields follow."""

    names: list[str]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(slots=True)
class Function(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain(Node):
    """Fields of something that is neither a field nor a variable: `(index . 0).name`."""

    node: Node
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Command(Node):
    """Operands with spaces between: a value, or a function and its arguments."""

    args: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(slots=True)
class Pipe(Node):
    """Commands with `|` between, and the variables that take the result."""

    commands: list[Command] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    is_assignment: bool = False

    def __str__(self) -> str:
        names = ", ".join(map(str, self.variables))
        sign = "" if not names else " = " if self.is_assignment else " := "
        return names + sign + " | ".join(map(str, self.commands))


@dataclass(slots=True)
class Action(Node):
    """A pipeline whose result is printed."""

    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(slots=True)
class Branch(Node):
    """`if`, `range` or `with`."""

    word: str
    pipe: Pipe
    body: list[Any]
    otherwise: list[Any] | None


@dataclass(slots=True)
class Call(Node):
    """`{{template "name" pipe}}`."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return f"{{{{template {quote(self.name)}{f' {self.pipe}' if self.pipe else ''}}}}}"


@dataclass(slots=True)
class Mark(Node):
    """`end`, `else`, `break` or `continue`."""

    word: str

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"
