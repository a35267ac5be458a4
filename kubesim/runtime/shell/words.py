"""The shell's words: quotes, parameters, substitutions, `${…}`."""

from __future__ import annotations

import re
from typing import Any

from kubesim.runtime.shell.syntax import (
    Part,
    Sequence,
    SyntaxProblem,
    Word,
)
from kubesim.runtime.shell.tokens import META, Tokens

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[^\s;&|<>()$`\"'\\#~*?\[\]{}=!]+")
_DQ_PLAIN = re.compile(r"[^$`\"\\\n]+")
_SPECIAL = "@*#?-$!0123456789"
_LENGTH = re.compile(r"#(?:[@*#?$!-]\}|[A-Za-z0-9_@*])")  # ${#name}, not ${#}, ${#-word} and their like


class Words(Tokens):
    """The parser's part that reads words; `Parser` reads the commands in them."""

    def _sequence(
        self,
        closers: tuple[str, ...],
        *,
        stop_at_newline: bool = False,
        expecting: str = "",
        may_be_empty: bool = False,
    ) -> Sequence:
        raise NotImplementedError

    def whole(self) -> Sequence:
        """All commands to the end. Raises SyntaxProblem."""
        raise NotImplementedError

    def _quoted_text(self, text: str, *, here: bool = False) -> Word:
        """A text in which parameters and commands are expanded, and quotes mean nothing (arithmetic, here-documents)."""
        inner = type(self)(text, bash=self._bash, extended=self._extended, line=self.line_number)
        inner._depth = self._depth  # noqa: SLF001 - the same class
        return (("dq", inner._double_quoted(None, here=here)),)  # noqa: SLF001 - the same class

    def _word(self, *, assignment: bool = False) -> Word:  # noqa: C901 - a case for each thing there is
        parts: list[Part] = []
        text: list[str] = []
        source = self.source

        def flush() -> None:
            if text:
                parts.append(("lit", "".join(text)))
                text.clear()

        start = self.position
        if self._at("~"):
            match = re.compile(r"~([A-Za-z_][\w.-]*)?(?=[/\s;&|<>():]|$)").match(source, self.position)
            if match:
                parts.append(("tilde", match.group(1) or ""))
                self.position = match.end()
        while self.position < len(source):
            plain = _PLAIN.match(source, self.position)
            if plain:
                text.append(plain.group())
                self.position = plain.end()
                continue
            c = source[self.position]
            if c in META:
                break
            if c == "\\":
                self._escaped(flush, parts)
            elif c in "'\"$`":
                part = self._quote(c)
                if isinstance(part, str):
                    text.append(part)
                else:
                    flush()
                    parts.append(part)
            elif c == "\r":
                self.position += 1
            else:
                text.append(c)
                self.position += 1
                if assignment and c == ":" and self._at("~"):
                    flush()
                    parts.append(("tilde", ""))
                    self.position += 1
        flush()
        if self.position == start:
            raise self._unexpected()
        return tuple(parts)

    def _escaped(self, flush: Any, parts: list[Part]) -> None:
        following = self.source[self.position + 1 : self.position + 2]
        self.position += 2
        if following == "\n":
            self.line_number += 1
            return
        flush()
        parts.append(("sq", following or "\\"))
        self.position = min(self.position, len(self.source))

    def _quote(self, c: str) -> Part | str:
        if c == "'":
            return ("sq", self._single_quoted())
        if c == '"':
            self.position += 1
            return ("dq", self._double_quoted('"'))
        if c == "`":
            return self._backticks(in_quotes=False)
        if self._bash and self._at("$'"):
            self.position += 1
            return ("sq", unescape(self._single_quoted(ansi=True)))
        if self._bash and self._at('$"'):
            self.position += 2
            return ("dq", self._double_quoted('"'))
        return self._dollar(in_quotes=False)

    def _unterminated(self, token: str, line: int) -> SyntaxProblem:
        """In dash' words it is in the line where the text ends, in bash' in the one where the quote begins."""
        last = self.line_number + self.source.count("\n", self.position)
        return SyntaxProblem("unterminated", line, token, incomplete=True, last_line=last)

    def _single_quoted(self, *, ansi: bool = False) -> str:
        start, line = self.position + 1, self.line_number
        end = self.source.find("'", start)
        while ansi and end > 0 and (end - len(self.source[:end].rstrip("\\"))) % 2:
            end = self.source.find("'", end + 1)
        if end < 0:
            raise self._unterminated("'", line)
        self.position = end + 1
        text = self.source[start:end]
        self.line_number += text.count("\n")
        return text

    def _double_quoted(self, close: str | None, *, here: bool = False) -> Word:  # noqa: C901 - a case for each thing there is
        """Parts up to the closing character (taken), or to the end of the text."""
        parts: list[Part] = []
        text: list[str] = []
        source, line = self.source, self.line_number
        while True:
            if self.position >= len(source):
                if close is not None:
                    raise self._unterminated(close, line)
                break
            plain = _DQ_PLAIN.match(source, self.position)
            if plain and not (close == "}" and "}" in plain.group()):
                text.append(plain.group())
                self.position = plain.end()
                continue
            c = source[self.position]
            if c == close:
                self.position += 1
                break
            if c == "\\":
                following = source[self.position + 1 : self.position + 2]
                self.position += 2
                if following == "\n":
                    self.line_number += 1
                elif following and following in (
                    "$`\\" if close is None else '$`"\\}' if close == "}" else '$`"\\'
                ):
                    text.append(following)
                else:
                    text.append("\\" + following)
                self.position = min(self.position, len(source))
            elif c in "$`":
                part = self._dollar(in_quotes=True) if c == "$" else self._backticks(in_quotes=not here)
                if isinstance(part, str):
                    text.append(part)
                else:
                    if text:
                        parts.append(("sq", "".join(text)))
                        text = []
                    parts.append(part)
            else:
                self.line_number += c == "\n"
                text.append(c)
                self.position += 1
        if text:
            parts.append(("sq", "".join(text)))
        return tuple(parts)

    def _backticks(self, *, in_quotes: bool) -> Part:
        source, line = self.source, self.line_number
        i = self.position + 1
        text: list[str] = []
        while True:
            if i >= len(source):
                raise self._unterminated("`", line)
            c = source[i]
            if c == "`":
                break
            if c == "\\" and i + 1 < len(source) and source[i + 1] in ('$`\\"' if in_quotes else "$`\\"):
                text.append(source[i + 1])
                i += 2
                continue
            text.append(c)
            i += 1
        self.position = i + 1
        inner = type(self)("".join(text), bash=self._bash, extended=self._extended, line=line)
        inner._depth = self._depth + 1  # noqa: SLF001 - the same class
        self.line_number += "".join(text).count("\n")
        return ("cmd", inner.whole())

    def _dollar(self, *, in_quotes: bool) -> Part | str:
        source = self.source
        if self._at("$(("):
            start, line = self.position, self.line_number
            raw = self._arithmetic_text(3)
            if raw is not None:
                return ("ari", self._quoted_text(raw))
            self.position, self.line_number = start, line
            if not self._bash:  # it is arithmetic, whatever follows
                raise self._unterminated("))", line)
        if self._at("$("):
            doubled = self._at("$((")
            self.position += 2
            self._skip_lines()
            if self._at(")"):
                self.position += 1
                return ("cmd", Sequence([]))
            line = self.line_number
            try:
                body = self._sequence((")",), expecting=")", may_be_empty=True)
            except SyntaxProblem as problem:
                problem.substituted = True
                if problem.found_kind == "eof" and doubled:
                    raise self._unterminated(")", line) from None
                if problem.found_kind == "eof" and problem.expecting == ")":
                    problem.found = "$("
                raise
            self.position += 1
            return ("cmd", body)
        if self._at("${"):
            return self._braced(in_quotes=in_quotes)
        match = NAME.match(source, self.position + 1)
        if match:
            self.position = match.end()
            return ("par", match.group(), "", (), None)
        following = source[self.position + 1 : self.position + 2]
        if following and following in _SPECIAL:
            self.position += 2
            return ("par", following, "", (), None)
        self.position += 1
        return "$"

    def _arithmetic_text(self, opening: int) -> str | None:
        """The text up to `))`, or None where this is no arithmetic."""
        source = self.source
        i = self.position + opening
        depth = 0
        while i < len(source):
            c = source[i]
            if c == "(":
                depth += 1
            elif c == ")":
                if depth == 0:
                    if not source.startswith("))", i):
                        return None
                    text = source[self.position + opening : i]
                    self.position = i + 2
                    self.line_number += text.count("\n")
                    return text
                depth -= 1
            i += 1
        return None

    def _braced(self, *, in_quotes: bool) -> Part:
        source, line = self.source, self.line_number
        start = self.position
        self.position += 2
        length = False
        indirect = False
        if _LENGTH.match(source, self.position):
            length = True
            self.position += 1
        elif self._at("!") and self._bash and NAME.match(source, self.position + 1):
            indirect = True
            self.position += 1
        match = NAME.match(source, self.position) or re.compile(r"\d+|[@*#?$!-]").match(source, self.position)
        if match is None:
            raise self._bad_substitution(start, line, in_quotes=in_quotes)
        name = match.group()
        self.position = match.end()
        index: Word | None = None
        if self._bash and self._at("[") and name[0] not in _SPECIAL:
            end = source.find("]", self.position)
            if end < 0:
                raise self._bad_substitution(start, line)
            index = self._quoted_text(source[self.position + 1 : end])
            self.position = end + 1
        if indirect:
            name = "!" + name
        if self._at("}"):
            self.position += 1
            return ("par", name, "len" if length else "", (), index)
        if length:
            raise self._bad_substitution(start, line)
        op = re.compile(r":?[-=?+]|%%?|##?").match(source, self.position)
        if op is None and self._bash:
            op = re.compile(r"//?|\^\^?|,,?|:").match(source, self.position)
        if op is None:
            raise self._bad_substitution(start, line, in_quotes=in_quotes)
        self.position = op.end()
        word = self._brace_word(in_quotes=in_quotes and op.group()[0] not in "%#/", line=line)
        return ("par", name, op.group(), word, index)

    def _bad_substitution(self, start: int, line: int, *, in_quotes: bool = False) -> SyntaxProblem:
        end = self.source.find("}", start)
        if end < 0:
            return self._unterminated('"' if in_quotes else "}", line)
        return SyntaxProblem("substitution", line, self.source[start : end + 1])

    def _brace_word(self, *, in_quotes: bool, line: int) -> Word:  # noqa: C901 - a case for each thing there is
        """The word in `${name-word}`, up to its closing brace (taken)."""
        if in_quotes:
            parts: list[Part] = []
            while True:
                found = self._double_quoted_until_brace(line)
                parts += found[0]
                if found[1]:
                    return tuple(parts)
        parts = []
        text: list[str] = []
        while True:
            if self.position >= len(self.source):
                raise self._unterminated("}", line)
            c = self.source[self.position]
            if c == "}":
                self.position += 1
                break
            if c in "'\"$`\\":
                if c == "\\":
                    part: Part | str = ("sq", self.source[self.position + 1 : self.position + 2])
                    self.position += 2
                else:
                    part = self._quote(c)
                if isinstance(part, str):
                    text.append(part)
                else:
                    if text:
                        parts.append(("lit", "".join(text)))
                        text = []
                    parts.append(part)
                continue
            self.line_number += c == "\n"
            if c == "~" and not parts and not text:
                parts.append(("tilde", ""))
            else:
                text.append(c)
            self.position += 1
        if text:
            parts.append(("lit", "".join(text)))
        return tuple(parts)

    def _double_quoted_until_brace(self, line: int) -> tuple[list[Part], bool]:
        parts: list[Part] = []
        text: list[str] = []
        while True:
            if self.position >= len(self.source):
                raise self._unterminated("}" if self._bash else '"', line)
            c = self.source[self.position]
            if c == "}":
                self.position += 1
                if text:
                    parts.append(("sq", "".join(text)))
                return parts, True
            if c == '"':
                self.position += 1
                inner = self._double_quoted('"')
                if text:
                    parts.append(("sq", "".join(text)))
                    text = []
                parts += inner
                continue
            if c == "\\" and self.source[self.position + 1 : self.position + 2] in ("$", "`", '"', "\\", "}"):
                text.append(self.source[self.position + 1])
                self.position += 2
                continue
            if c in "$`":
                part = self._dollar(in_quotes=True) if c == "$" else self._backticks(in_quotes=True)
                if isinstance(part, str):
                    text.append(part)
                else:
                    if text:
                        parts.append(("sq", "".join(text)))
                        text = []
                    parts.append(part)
                continue
            self.line_number += c == "\n"
            text.append(c)
            self.position += 1


_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b", "\\": "\\",
    "'": "'", '"': '"', "?": "?",
}  # fmt: skip  # fmt: skip
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|.)", re.DOTALL)


def unescape(text: str) -> str:
    r"""Bash's $'…'."""

    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "u" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] == "x" and len(code) > 1:
            return bytes([int(code[1:], 16)]).decode("utf-8", "surrogateescape")
        if code[0] in "01234567":
            return bytes([int(code, 8) & 255]).decode("utf-8", "surrogateescape")
        return _ESCAPES.get(code, "\\" + code)

    return _ESCAPE.sub(one, text)
