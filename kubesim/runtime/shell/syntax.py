"""The shell's syntax tree, and the error that its parser raises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# A word is a tuple of parts; a part is a tuple that begins with its kind:
#   ("lit", text)                unquoted text
#   ("sq", text)                 quoted text: '…', \c, or plain text in "…"
#   ("dq", parts)                "…"
#   ("par", name, op, word, index)  $name, ${name op word}; op is "" for the value, "len" for ${#name}; index of an array
#   ("cmd", Sequence)            $(…) and `…`
#   ("ari", parts)               $((…))
#   ("tilde", user)              ~ or ~user at the word's start
Part = tuple[Any, ...]
Word = tuple[Part, ...]


@dataclass(slots=True)
class Redirect:
    """`fd op target`; for here-documents the target is the text as a word."""

    fd: int
    op: str
    target: Word


@dataclass(slots=True)
class Assignment:
    """`name=value`, `name+=value`, bash's `name[index]=value` and `name=(values)`."""

    name: str
    value: Word | list[Word]
    append: bool = False
    index: Word | None = None


@dataclass(slots=True)
class Simple:
    """A command with its words, with assignments before it and redirections anywhere."""

    assignments: list[Assignment]
    words: list[Word]
    redirects: list[Redirect]
    line: int


@dataclass(slots=True)
class Pipeline:
    """`a | b`, `! a`; `stderr_too` says where `|&` stood."""

    commands: list[Any]
    negate: bool
    stderr_too: tuple[bool, ...] = ()


@dataclass(slots=True)
class AndOr:
    """`a && b || c`."""

    first: Any
    rest: list[tuple[str, Any]]


@dataclass(slots=True)
class Sequence:
    """Commands one after the other; each with the text of a background job, or None."""

    items: list[tuple[Any, str | None]]


@dataclass(slots=True)
class If:
    """if … elif … else … fi."""

    branches: list[tuple[Sequence, Sequence]]
    otherwise: Sequence | None


@dataclass(slots=True)
class While:
    """while and until."""

    condition: Sequence
    body: Sequence
    until: bool


@dataclass(slots=True)
class For:
    """for NAME in WORDS; without words it goes through the positional parameters."""

    name: str
    words: list[Word] | None
    body: Sequence


@dataclass(slots=True)
class ArithmeticFor:
    """bash's for ((start; condition; step))."""

    start: Word
    condition: Word
    step: Word
    body: Sequence


@dataclass(slots=True)
class Case:
    """case WORD in; each item with its patterns, its body, and what ends it."""

    word: Word
    items: list[tuple[list[Word], Sequence, str]]


@dataclass(slots=True)
class Group:
    """{ …; }."""

    body: Sequence


@dataclass(slots=True)
class Subshell:
    """( … )."""

    body: Sequence


@dataclass(slots=True)
class Redirected:
    """A compound command with redirections."""

    command: Any
    redirects: list[Redirect]


@dataclass(slots=True)
class Function:
    """A function's definition; `text` is what it was read from, for keeping it."""

    name: str
    body: Any
    text: str


@dataclass(slots=True)
class Condition:
    """[[ … ]], as a tree: ("and", a, b), ("or", a, b), ("not", a), (unary, word), (word, binary, word)."""

    tree: Any
    line: int


@dataclass(slots=True)
class Arithmetic:
    """(( … ))."""

    expression: Word
    line: int


@dataclass(slots=True)
class SyntaxProblem(Exception):
    """A text that is no shell script. `kind` is unexpected, unterminated, substitution or message."""

    kind: str
    line: int
    found: str = ""
    found_kind: str = ""
    """eof, newline, word, operator, reserved or redirection."""
    expecting: str = ""
    source_line: str = ""
    incomplete: bool = field(default=False)
    """Whether more text could make it right: an interactive shell asks for it."""
    substituted: bool = field(default=False)
    """Whether it stands in `$(…)`."""
    last_line: int = 0
    """Where a text ends that goes on for want of a quote; 0: in the line of the problem."""

    def __str__(self) -> str:
        return f"{self.kind} {self.found!r} in line {self.line}"
