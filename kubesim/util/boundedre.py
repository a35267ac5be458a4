"""Regular expressions that other people write, in time that does not explode.

Python's matcher tries one way after the other: `(a+)+$` takes it twice as long with each letter more, and no other thread
runs until it is done. Where that may happen, a matcher of ours takes over. It never looks at one place of the text twice
from one place of the expression, so that its time grows with the product of their lengths. It finds the same matches; what a
group that is repeated held last may differ, where that may have been nothing.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, cast

# Python's own parser: what it reads is then what Python would match. It has no public name.
_PARSER: Final[Any] = import_module("re._parser")
# About a tenth of a second of Python's matcher.
_QUICK: Final = 10_000_000
# Some seconds of ours.
_LIMIT: Final = 3_000_000
_LONGEST_PROGRAM: Final = 10_000
# Up to here a byte for each place in the text and in the expression is kept, beyond it those alone that were visited.
_DENSE: Final = 1 << 24

Exceeded = Callable[[], Exception]
Slots = tuple[int, ...]


def _too_hard() -> Exception:
    return re.error("the expression takes too long to match")


@lru_cache(maxsize=512)
def compile_bounded(pattern: str, flags: int = 0, exceeded: Exceeded = _too_hard) -> re.Pattern[str]:
    """Compile an expression. Raises re.error; matching raises what `exceeded` makes, where it would take too long."""
    real = re.compile(pattern, flags)
    cost = _cost(_PARSER.parse(pattern, flags))
    if not cost.power and cost.ways <= _LONGEST_PROGRAM:
        return real
    return cast("re.Pattern[str]", _Bounded(real, cost, exceeded))


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
    """The first match; none where looking for it would take too long, as PCRE gives up at its limit."""
    try:
        return compile_bounded(pattern, flags).search(text)
    except re.error:
        re.compile(pattern, flags)  # one that cannot be read is an error still
        return None


# How long Python's matcher may take.


@dataclass(frozen=True, slots=True)
class _Cost:
    """In how many ways something may match a text of n letters: `ways` * n ** `power`."""

    ways: float = 1
    power: float = 0

    def __mul__(self, other: _Cost) -> _Cost:
        return _Cost(self.ways * other.ways, self.power + other.power)

    def of(self, length: int) -> float:
        try:
            return self.ways * math.pow(max(length, 2), self.power)
        except OverflowError:
            return math.inf


def _cost(items: Any) -> _Cost:
    total = _Cost()
    for op, value in items:
        total *= _cost_of(str(op), value)
    return total


def _cost_of(op: str, value: Any) -> _Cost:
    match op:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, body = value
            inner = _cost(body)
            varies = inner.ways > 1 or inner.power > 0
            if most == _PARSER.MAXREPEAT:
                return _Cost(1, math.inf) if varies else _Cost(1, 1)
            if not varies:
                return _Cost(most - least + 1)
            return _Cost(math.inf) if most > 100 else _Cost(inner.ways**most * (most + 1), inner.power * most)
        case "BRANCH":
            each = [_cost(branch) for branch in value[1]]
            starts = [str(branch[0]) if len(branch) else "" for branch in value[1]]
            apart = len(set(starts)) == len(starts) and all(s.startswith("(LITERAL") for s in starts)
            ways = max(one.ways for one in each) if apart else sum(one.ways for one in each)
            return _Cost(ways, max(one.power for one in each))
        case "SUBPATTERN":
            return _cost(value[3])
        case "ASSERT" | "ASSERT_NOT":
            return _cost(value[1])
        case "ATOMIC_GROUP":
            return _cost(value)
        case "GROUPREF_EXISTS":
            return _cost(value[1]) * (_cost(value[2]) if value[2] else _Cost())
        case _:
            return _Cost()


# The program of an expression.


@dataclass(slots=True)
class _Program:
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    has_references: bool = False

    def add(self, *step: Any) -> int:
        if len(self.steps) > _LONGEST_PROGRAM:
            raise _TooLongError
        self.steps.append(step)
        return len(self.steps) - 1


class _TooLongError(Exception):
    """An expression with large counts."""


_ONE, _SPLIT, _JUMP, _SAVE, _AT, _LOOK, _REFERENCE, _END = range(8)
_CATEGORIES: Final[dict[str, Callable[[str], bool]]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
}


def _category(name: str) -> Callable[[str], bool]:
    found = _CATEGORIES[name.replace("_NOT_", "_")]
    return (lambda c: not found(c)) if "_NOT_" in name else found


def _letter(op: str, value: Any, flags: int) -> Callable[[str], bool] | None:
    """What tells whether one letter matches; None for what is more than a letter."""
    test: Callable[[str], bool]
    if op == "ANY":
        return (lambda c: True) if flags & re.DOTALL else (lambda c: c != "\n")
    if op in ("LITERAL", "NOT_LITERAL"):
        wanted = chr(value)
        test = (lambda c: c != wanted) if op == "NOT_LITERAL" else (lambda c: c == wanted)
    elif op == "IN":
        test = _one_of(value)
    else:
        return None
    if not flags & re.IGNORECASE:
        return test
    if op == "NOT_LITERAL" or (op == "IN" and str(value[0][0]) == "NEGATE"):
        return lambda c: test(c) and test(c.lower()) and test(c.upper())
    return lambda c: test(c) or test(c.lower()) or test(c.upper())


def _one_of(members: Any) -> Callable[[str], bool]:
    tests: list[Callable[[str], bool]] = []
    ranges: list[tuple[str, str]] = []
    letters: set[str] = set()
    negated = False
    for op, value in members:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                letters.add(chr(value))
            case "RANGE":
                ranges.append((chr(value[0]), chr(value[1])))
            case _:
                tests.append(_category(str(value)))
    return lambda c: (
        (c in letters or any(a <= c <= b for a, b in ranges) or any(test(c) for test in tests)) != negated
    )


def _compile(items: Any, flags: int, program: _Program) -> None:  # noqa: C901 - a case for each thing there is
    for op, value in items:
        name = str(op)
        test = _letter(name, value, flags)
        if test is not None:
            program.add(_ONE, test)
            continue
        match name:
            case "MAX_REPEAT" | "POSSESSIVE_REPEAT" | "MIN_REPEAT":
                _compile_repeat(value, flags, program, greedy=name != "MIN_REPEAT")
            case "BRANCH":
                _compile_branch(value[1], flags, program)
            case "SUBPATTERN":
                group, added, removed, body = value
                if group is not None:
                    program.add(_SAVE, 2 * group)
                _compile(body, (flags | added) & ~removed, program)
                if group is not None:
                    program.add(_SAVE, 2 * group + 1)
            case "ATOMIC_GROUP":
                _compile(value, flags, program)
            case "AT":
                program.add(_AT, str(value), bool(flags & re.MULTILINE))
            case "ASSERT" | "ASSERT_NOT":
                inner = _Program()
                _compile(value[1], flags, inner)
                inner.add(_END)
                back = value[1].getwidth()[0] if value[0] < 0 else 0
                program.add(_LOOK, inner, name == "ASSERT", back)
            case "GROUPREF":
                program.has_references = True
                program.add(_REFERENCE, value, bool(flags & re.IGNORECASE))
            case "FAILURE":
                program.add(_ONE, lambda _: False)
            case _:
                raise _TooLongError


def _compile_repeat(value: Any, flags: int, program: _Program, *, greedy: bool) -> None:
    least, most, body = value
    for _ in range(least):
        _compile(body, flags, program)
    if most == _PARSER.MAXREPEAT:
        split = program.add()
        _compile(body, flags, program)
        program.add(_JUMP, split)
        _set_split(program, split, greedy=greedy)
        return
    splits = []
    for _ in range(most - least):
        splits.append(program.add())
        _compile(body, flags, program)
    for split in splits:
        _set_split(program, split, greedy=greedy)


def _set_split(program: _Program, split: int, *, greedy: bool) -> None:
    inside, after = split + 1, len(program.steps)
    program.steps[split] = (_SPLIT, inside, after) if greedy else (_SPLIT, after, inside)


def _compile_branch(branches: Any, flags: int, program: _Program) -> None:
    jumps = []
    for branch in branches[:-1]:
        split = program.add()
        _compile(branch, flags, program)
        jumps.append(program.add())
        _set_split(program, split, greedy=True)
    _compile(branches[-1], flags, program)
    for jump in jumps:
        program.steps[jump] = (_JUMP, len(program.steps))


# Matching.


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _holds(kind: str, text: str, at: int, *, lines: bool) -> bool:
    match kind:
        case "AT_BEGINNING":
            return at == 0 or (lines and text[at - 1] == "\n")
        case "AT_BEGINNING_STRING":
            return at == 0
        case "AT_END":
            return at == len(text) or (text[at] == "\n" and (lines or at == len(text) - 1))
        case "AT_END_STRING":
            return at == len(text)
        case "AT_BOUNDARY":
            return _is_word(text, at - 1) != _is_word(text, at)
        case _:
            return _is_word(text, at - 1) == _is_word(text, at)


class _Run:
    """One search in one text."""

    def __init__(
        self, text: str, exceeded: Exceeded, *, to_the_end: bool = False, at_top: bool = True
    ) -> None:
        self._text = text
        self._at_top = at_top
        self._exceeded = exceeded
        self._to_the_end = to_the_end
        self._left = _LIMIT
        self._seen: Any = None

    def walk(  # noqa: C901 - a case for each step there is
        self, program: _Program, start: int, slots: Slots, *, not_at: int = -1
    ) -> tuple[int, Slots] | None:
        """Where the expression ends that starts there; at `not_at` it may not."""
        text, remember, width = self._text, not program.has_references, len(self._text) + 1
        if self._seen is None:
            size = len(program.steps) * width
            self._seen = bytearray(size) if size < _DENSE and self._at_top else defaultdict(int)
        seen = self._seen
        stack: list[tuple[int, int, Slots]] = [(0, start, slots)]
        while stack:
            pc, at, slots = stack.pop()
            while True:
                if remember:
                    if seen[pc * width + at]:
                        break
                    seen[pc * width + at] = 1
                self._left -= 1
                if self._left < 0:
                    raise self._exceeded()
                step = program.steps[pc]
                pc += 1
                match step[0]:
                    case 0:  # _ONE
                        if at >= len(text) or not step[1](text[at]):
                            break
                        at += 1
                    case 1:  # _SPLIT
                        stack.append((step[2], at, slots))
                        pc = step[1]
                    case 2:  # _JUMP
                        pc = step[1]
                    case 3:  # _SAVE
                        slots = (*slots[: step[1]], at, *slots[step[1] + 1 :])
                    case 4:  # _AT
                        if not _holds(step[1], text, at, lines=step[2]):
                            break
                    case 5:  # _LOOK
                        if self._looks(step, at, slots) is not step[2]:
                            break
                    case 6:  # _REFERENCE
                        end = self._repeated(step, at, slots)
                        if end is None:
                            break
                        at = end
                    case _:
                        if at != not_at and not (self._to_the_end and at != len(text)):
                            return at, slots
                        break
        return None

    def _looks(self, step: tuple[Any, ...], at: int, slots: Slots) -> bool:
        other = _Run(self._text, self._exceeded, at_top=False)
        other._left = self._left
        found = at >= step[3] and other.walk(step[1], at - step[3], slots) is not None
        self._left = other._left  # what it did counts as ours
        return found

    def _repeated(self, step: tuple[Any, ...], at: int, slots: Slots) -> int | None:
        begin, end = slots[2 * step[1]], slots[2 * step[1] + 1]
        if begin < 0 or end < 0:
            return None
        before = self._text[begin:end]
        here = self._text[at : at + len(before)]
        same = here.lower() == before.lower() if step[2] else here == before
        return at + len(before) if same else None


class _Match:
    """What re.Match is, as far as it is asked here."""

    def __init__(self, pattern: _Bounded, text: str, slots: Slots) -> None:
        self.re = pattern
        self.string = text
        self._slots = slots

    def span(self, group: int = 0) -> tuple[int, int]:
        return self._slots[2 * group], self._slots[2 * group + 1]

    def start(self, group: int = 0) -> int:
        return self.span(group)[0]

    def end(self, group: int = 0) -> int:
        return self.span(group)[1]

    def group(self, group: int = 0) -> str | None:
        start, end = self.span(group)
        return None if start < 0 or end < 0 else self.string[start:end]

    __getitem__ = group

    def groups(self, default: str | None = None) -> tuple[str | None, ...]:
        found = (self.group(n) for n in range(1, self.re.groups + 1))
        return tuple(default if text is None else text for text in found)


class _Bounded:
    """What re.Pattern is, as far as it is asked here."""

    def __init__(self, real: re.Pattern[str], cost: _Cost, exceeded: Exceeded) -> None:
        self._real = real
        self._cost = cost
        self._exceeded = exceeded
        self._program: _Program | None = None
        self.pattern = real.pattern
        self.flags = real.flags
        self.groups = real.groups

    def _is_quick(self, text: str, *, tries: int = 1) -> bool:
        return self._cost.of(len(text)) * tries <= _QUICK

    def _steps(self) -> _Program:
        if self._program is None:
            self._program = program = _Program()
            try:
                _compile(_PARSER.parse(self.pattern, self.flags), self.flags, program)
                program.add(_END)
            except _TooLongError:
                raise self._exceeded() from None
        return self._program

    def _find(
        self, text: str, starts: Sequence[int], *, to_the_end: bool = False, not_at: int = -1
    ) -> _Match | None:
        run, program = _Run(text, self._exceeded, to_the_end=to_the_end), self._steps()
        unset = (-1,) * (2 * self.groups + 2)
        for start in starts:
            found = run.walk(program, start, unset, not_at=not_at)
            if found is not None:
                end, slots = found
                return _Match(self, text, (start, end, *slots[2:]))
        return None

    def search(self, text: str, pos: int = 0) -> re.Match[str] | _Match | None:
        if self._is_quick(text, tries=len(text) + 1):
            return self._real.search(text, pos)
        return self._find(text, range(pos, len(text) + 1))

    def match(self, text: str, pos: int = 0) -> re.Match[str] | _Match | None:
        return self._real.match(text, pos) if self._is_quick(text) else self._find(text, (pos,))

    def fullmatch(self, text: str, pos: int = 0) -> re.Match[str] | _Match | None:
        if self._is_quick(text):
            return self._real.fullmatch(text, pos)
        return self._find(text, (pos,), to_the_end=True)

    def finditer(self, text: str) -> Iterator[re.Match[str] | _Match]:
        if self._is_quick(text, tries=len(text) + 1):
            yield from self._real.finditer(text)
            return
        at, last = 0, -1
        while at <= len(text):
            found = self._find(text, range(at, len(text) + 1), not_at=last)
            if found is None:
                return
            yield found
            at = found.end()
            last = at if found.start() == at else -1  # an empty match is not found twice

    def subn(
        self, new: Callable[[re.Match[str] | _Match], str], text: str, count: int = 0
    ) -> tuple[str, int]:
        out, at, turns = [], 0, 0
        for found in self.finditer(text):
            out += [text[at : found.start()], new(found)]
            at, turns = found.end(), turns + 1
            if turns == count:
                break
        return "".join((*out, text[at:])), turns

    def sub(self, new: Callable[[re.Match[str] | _Match], str], text: str, count: int = 0) -> str:
        return self.subn(new, text, count)[0]

    def split(self, text: str) -> list[str | None]:
        out: list[str | None] = []
        at = 0
        for found in self.finditer(text):
            out += [text[at : found.start()], *found.groups()]
            at = found.end()
        return [*out, text[at:]]
