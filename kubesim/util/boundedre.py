"""Regular expressions that other people write, in bounded time.

Python's matcher tries one way after the other and holds the interpreter until it is done: `(a+)+$` keeps every other thread
waiting, for ever. Here the package `regex` matches, which lets others work meanwhile and gives up after a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, cast

_SECONDS: Final = 2.0
_UNBOUNDED: Final = frozenset("*+{")
# `a{e}` is no repetition: five letters to Python, and a fuzzy match to `regex`.
_BRACE: Final = re.compile(r"\\.|\{(?!\d+(?:,\d*)?\}|,\d*\})", re.DOTALL)

Exceeded = Callable[[], Exception]


def _too_hard() -> Exception:
    return re.error("the expression takes too long to match")


@lru_cache(maxsize=512)
def compile_bounded(pattern: str, flags: int = 0, exceeded: Exceeded = _too_hard) -> re.Pattern[str]:
    """Compile an expression. Raises re.error; matching raises what `exceeded` makes, where it takes too long."""
    real = re.compile(pattern, flags)
    if _UNBOUNDED.isdisjoint(pattern):
        return real
    import regex  # by those alone who need it

    exact = _BRACE.sub(lambda m: m[0] if m[0].startswith("\\") else r"\{", pattern)
    return cast("re.Pattern[str]", _Bounded(real, regex.compile(exact, flags), exceeded))


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
    """The first match; none where looking for it takes too long, as PCRE gives up at its limit."""
    try:
        return compile_bounded(pattern, flags).search(text)
    except re.error:
        re.compile(pattern, flags)  # one that cannot be read is an error still
        return None


class _Bounded:
    """What is used here of re.Pattern."""

    def __init__(self, real: re.Pattern[str], pattern: Any, exceeded: Exceeded) -> None:
        self.pattern, self.flags, self.groups = real.pattern, real.flags, real.groups
        self._pattern = pattern
        self._exceeded = exceeded

    def search(self, text: str, pos: int = 0) -> Any:
        return self._bounded("search", text, pos)

    def match(self, text: str, pos: int = 0) -> Any:
        return self._bounded("match", text, pos)

    def fullmatch(self, text: str, pos: int = 0) -> Any:
        return self._bounded("fullmatch", text, pos)

    def finditer(self, text: str) -> Iterator[Any]:
        try:
            yield from self._pattern.finditer(text, concurrent=True, timeout=_SECONDS)
        except TimeoutError:
            raise self._exceeded() from None

    def sub(self, new: Callable[[Any], str], text: str, count: int = 0) -> str:
        found: str = self._bounded("sub", new, text, count)
        return found

    def subn(self, new: Callable[[Any], str], text: str, count: int = 0) -> tuple[str, int]:
        found: tuple[str, int] = self._bounded("subn", new, text, count)
        return found

    def split(self, text: str) -> list[str | None]:
        found: list[str | None] = self._bounded("split", text)
        return found

    def _bounded(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._pattern, method)(*arguments, concurrent=True, timeout=_SECONDS)
        except TimeoutError:
            raise self._exceeded() from None
