"""The grammar of bash's [[ … ]]."""

from __future__ import annotations

import re
from typing import Any

from kubesim.runtime.shell.syntax import (
    Condition,
    SyntaxProblem,
    Word,
)
from kubesim.runtime.shell.words import Words


class DoubleBrackets(Words):
    """The parser's part that reads conditions."""

    def _condition(self, word: str) -> Any:
        """None where it is none to busybox, which has a command of that name to complain."""
        start, line = self.position, self.line_number
        try:
            return self._brackets(word, line)
        except SyntaxProblem as problem:
            if self._bash or problem.kind != "unexpected":
                raise
            self.position, self.line_number = start, line
            return None

    def _brackets(self, word: str, line: int) -> Condition:
        self.position += len(word)
        tree = self._condition_or()
        self._skip_lines()
        if not self._at("]]"):
            raise self._unexpected("]]")
        self.position += 2
        return Condition(tree, line)

    def _condition_or(self) -> Any:
        left = self._condition_and()
        while True:
            self._skip_lines()
            if not self._at("||"):
                return left
            self.position += 2
            left = ("or", left, self._condition_and())

    def _condition_and(self) -> Any:
        left = self._condition_term()
        while True:
            self._skip_lines()
            if not self._at("&&"):
                return left
            self.position += 2
            left = ("and", left, self._condition_term())

    def _condition_term(self) -> Any:
        self._skip_lines()
        if self._at("! "):
            self.position += 1
            return ("not", self._condition_term())
        if self._at("("):
            self.position += 1
            inner = self._condition_or()
            self._skip_lines()
            self._expect(")")
            return inner
        first = self._condition_word()
        text = first[0][1] if len(first) == 1 and first[0][0] == "lit" else ""
        if re.fullmatch(r"-[a-zA-Z]", text) and text not in ("-a", "-o"):
            self._skip_blanks()
            if not self._at("]]"):
                return (text, self._condition_word())
        self._skip_blanks()
        match = re.compile(r"==|=~|!=|=|<|>|-(?:eq|ne|lt|le|gt|ge|nt|ot|ef)(?=\s)").match(
            self.source, self.position
        )
        if match is None:
            return ("-n", first)
        self.position = match.end()
        self._skip_blanks()
        if match.group() == "=~":
            return (first, "=~", self._regex_word())
        return (first, match.group(), self._condition_word())

    def _condition_word(self) -> Word:
        self._skip_blanks()
        if self.position >= len(self.source) or self._operator() not in ("",):
            raise self._unexpected()
        return self._word()

    def _regex_word(self) -> Word:
        """A regular expression: parentheses and bars belong to it."""
        start = self.position
        depth = 0
        while self.position < len(self.source):
            c = self.source[self.position]
            if c == "\\":
                self.position += 2
                continue
            if c in " \t\n" and depth <= 0:
                break
            depth += (c == "(") - (c == ")")
            self.position += 1
        raw = self.source[start : self.position]
        if "$" in raw or '"' in raw or "'" in raw:
            inner = type(self)(raw.replace("(", "\\(").replace(")", "\\)").replace("|", "\\|"), bash=True)
            parts = inner._word()  # noqa: SLF001 - the same class
            return tuple(("lit", p[1]) if p[0] == "sq" and p[1] in "()|" else p for p in parts)
        return (("lit", raw),)
