"""The words of a template: text/template/parse/lex.go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kubesim.util.gotext import quote

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
_SPACES = " \t\r\n"
_TERMINATORS = " \t\r\n.,|:()"
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)


@dataclass(slots=True)
class Token:
    """`kind` is a word of this module, or the keyword itself."""

    kind: str
    text: str
    at: int
    line: int

    def __str__(self) -> str:
        if self.kind == "eof":
            return "EOF"
        if self.kind == "error":
            return self.text
        if self.kind in KEYWORDS or self.kind == "dot":
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text) > 10 else quote(self.text)


class Scanner:
    """Turns text into tokens, all at once; an error is the last of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._depth = 0
        self.tokens: list[Token] = []

    def _emit(self, kind: str, start: int, end: int) -> None:
        text = self._text[start:end]
        self.tokens.append(Token(kind, text, start, self._line))
        self._line += text.count("\n")
        self._at = end

    def _error(self, text: str) -> None:
        self.tokens.append(Token("error", text, self._at, self._line))

    def run(self) -> list[Token]:
        while self._outside() and self._inside():
            pass
        return self.tokens

    def _outside(self) -> bool:
        """Text up to the next action; false at the end, or at an error."""
        text, start = self._text, self._at
        opening = text.find("{{", start)
        if opening < 0:
            self._plain(start, len(text))
            self._emit("eof", len(text), len(text))
            return False
        trimmed = text[opening + 2 : opening + 3] == "-" and text[opening + 3 : opening + 4] in tuple(_SPACES)
        end = len(text[:opening].rstrip(_SPACES)) if trimmed else opening
        self._plain(start, max(end, start))
        self._line += text.count("\n", self._at, opening)
        self._at = opening
        inner = opening + (4 if trimmed else 2)
        if text.startswith("/*", inner):
            return self._comment(inner)
        self._emit("left", opening, opening + 2)
        if trimmed:
            self._line += text.count("\n", self._at, inner)
            self._at = inner
        self._depth = 0
        return True

    def _plain(self, start: int, end: int) -> None:
        if end > start:
            self._emit("text", start, end)

    def _comment(self, start: int) -> bool:
        text = self._text
        close = text.find("*/", start + 2)
        if close < 0:
            self._error("unclosed comment")
            return False
        after = close + 2
        if text[after : after + 1] in tuple(_SPACES) and text.startswith("-}}", after + 1):
            end = after + 4
            end += len(text[end:]) - len(text[end:].lstrip(_SPACES))
        elif text.startswith("}}", after):
            end = after + 2
        else:
            self._error("comment ends before closing delimiter")
            return False
        self._line += text.count("\n", self._at, end)
        self._at = end
        return self._outside()

    def _closes(self) -> int:
        """How long the closing delimiter is that stands here, 0 for none."""
        text, at = self._text, self._at
        if text[at : at + 1] in tuple(_SPACES) and text.startswith("-}}", at + 1):
            return 4
        return 2 if text.startswith("}}", at) else 0

    def _inside(self) -> bool:
        """The tokens of an action; false at an error."""
        while True:
            length = self._closes()
            if length:
                if self._depth:
                    self._error("unclosed left paren")
                    return False
                start = self._at + length - 2
                self._at = start
                self._emit("right", start, start + 2)
                if length == 4:
                    rest = self._text[self._at :]
                    space = len(rest) - len(rest.lstrip(_SPACES))
                    self._line += rest.count("\n", 0, space)
                    self._at += space
                return True
            if not self._token():
                return False

    def _token(self) -> bool:
        text, at = self._text, self._at
        character = text[at : at + 1]
        if not character:
            self._error("unclosed action")
            return False
        if character in _SPACES:
            return self._space()
        if character == ":":
            if text[at + 1 : at + 2] != "=":
                self._error("expected :=")
                return False
            self._emit("declare", at, at + 2)
        elif character in "=|":
            self._emit("assign" if character == "=" else "pipe", at, at + 1)
        elif character in "\"'`":
            return self._quoted(character)
        elif character == "$" or (character == "." and not text[at + 1 : at + 2].isdecimal()):
            return self._field_or_variable(character)
        elif character in ".+-" or character in "0123456789":
            return self._number()
        elif character == "_" or character.isalnum():
            return self._identifier()
        else:
            return self._sign(character)
        return True

    def _sign(self, character: str) -> bool:
        at = self._at
        if character == "(":
            self._depth += 1
            self._emit("(", at, at + 1)
        elif character == ")":
            self._depth -= 1
            if self._depth < 0:
                self._error("unexpected right paren")
                return False
            self._emit(")", at, at + 1)
        elif " " <= character <= "~":
            self._emit("char", at, at + 1)
        else:
            self._error(f"unrecognized character in action: {_code_point(character)}")
            return False
        return True

    def _space(self) -> bool:
        text, end = self._text, self._at
        while text[end : end + 1] and text[end] in _SPACES:
            end += 1
        if text.startswith("-}}", end):
            end -= 1  # this space belongs to the delimiter
        if end > self._at:
            self._emit("space", self._at, end)
        return True

    def _quoted(self, mark: str) -> bool:
        text, end = self._text, self._at + 1
        unterminated = {
            '"': "unterminated quoted string",
            "'": "unterminated character constant",
            "`": "unterminated raw quoted string",
        }[mark]
        while text[end : end + 1] != mark:
            escaped = mark != "`" and text[end : end + 1] == "\\"
            end += escaped
            if end >= len(text) or (mark != "`" and text[end] == "\n"):
                self._error(unterminated)
                return False
            end += 1
        self._emit({'"': "string", "'": "constant", "`": "raw"}[mark], self._at, end + 1)
        return True

    def _word_end(self, start: int) -> int:
        text, end = self._text, start
        while text[end : end + 1] and (text[end] == "_" or text[end].isalnum()):
            end += 1
        return end

    def _at_terminator(self, end: int) -> bool:
        character = self._text[end : end + 1]
        return not character or character in _TERMINATORS or self._text.startswith("}}", end)

    def _bad_character(self, end: int) -> bool:
        self._error(f"bad character {_code_point(self._text[end])}")
        return False

    def _field_or_variable(self, first: str) -> bool:
        start = self._at
        end = self._word_end(start + 1)
        if not self._at_terminator(end):
            return self._bad_character(end)
        if first == "$":
            self._emit("variable", start, end)
        else:
            self._emit("dot" if end == start + 1 else "field", start, end)
        return True

    def _identifier(self) -> bool:
        start, end = self._at, self._word_end(self._at)
        if not self._at_terminator(end):
            return self._bad_character(end)
        word = self._text[start:end]
        kind = word if word in KEYWORDS else "bool" if word in {"true", "false"} else "identifier"
        self._emit(kind, start, end)
        return True

    def _number(self) -> bool:
        found = _NUMBER.match(self._text, self._at)
        end = found.end() if found else self._at + 1
        if self._word_end(end) > end:
            self._error(f"bad number syntax: {quote(self._text[self._at : end + 1])}")
            return False
        self._emit("number", self._at, end)
        return True


def _code_point(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{code} '{character}'" if character.isprintable() else code
