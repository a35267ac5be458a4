"""Reading a script's text: blanks, comments, operators, reserved words, and the ends of lines with here-documents."""

from __future__ import annotations

import re

from kubesim.runtime.shell.syntax import (
    Redirect,
    SyntaxProblem,
    Word,
)

REDIRECT = re.compile(r"(\d*)(<<<|<<-|<<|<&|<>|>>|>&|>\||<|>)|(&>>|&>)")
WORD = "word"
"""Expected is any word."""
META = " \t\n;&|<>()"

RESERVED = frozenset(
    (
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "{",
        "}",
        "!",
        "in",
    )
)


class Tokens:
    """The place in a text, and what stands there."""

    def __init__(self, source: str, *, bash: bool = False, extended: bool = False, line: int = 1) -> None:
        """`extended` is for shells that know bash's words `[[` and `function`, as busybox does."""
        self.source = source
        self.position = 0
        self.line_number = line
        self._bash = bash
        self._extended = extended or bash
        self.is_open = False
        """Whether the text has ended within a here-document."""
        self._pending: list[tuple[Redirect, str, bool, bool]] = []
        self._depth = 0

    def _skip_blanks(self) -> None:
        source, i, end = self.source, self.position, len(self.source)
        while i < end:
            c = source[i]
            if c in " \t\r":
                i += 1
            elif c == "\\" and source.startswith("\n", i + 1):
                i += 2
                self.line_number += 1
            elif c == "#":
                stop = source.find("\n", i)
                i = end if stop < 0 else stop
            else:
                break
        self.position = i

    def _skip_lines(self) -> None:
        while True:
            self._skip_blanks()
            if self.source.startswith("\n", self.position):
                self._newline()
            else:
                return

    def _newline(self) -> None:
        self.position += 1
        self.line_number += 1
        if self._pending:
            self._read_here_documents()

    def _at(self, text: str) -> bool:
        return self.source.startswith(text, self.position)

    def _operator(self) -> str:
        """The control operator here, or nothing."""
        for operator in ("&&", "||", ";;&", ";;", ";&", "|&", ";", "&", "|", "(", ")", "\n"):
            if self._at(operator):
                if operator == "&" and self._bash and self._at("&>"):
                    return ""
                if operator in ("|&", ";;&", ";&") and not self._bash:
                    continue
                return operator
        return ""

    def _reserved(self) -> str:
        """The plain word here if it is a reserved one."""
        source, i = self.source, self.position
        end = i
        while end < len(source) and source[end] not in META:
            end += 1
        text = source[i:end]
        return text if text in RESERVED or (self._extended and text in ("[[", "function")) else ""

    def _unexpected(self, expecting: str = "", *, within_line: bool = False) -> SyntaxProblem:
        """What stands here does not belong. `within_line`: no line may end here, which bash sees before the text's end."""
        self._skip_blanks()
        source, i = self.source, self.position
        line_start = source.rfind("\n", 0, i) + 1
        line_end = source.find("\n", i)
        text = source[line_start : line_end if line_end >= 0 else len(source)]
        if i >= len(source) and within_line and self._bash:
            return SyntaxProblem("unexpected", self.line_number, "newline", "newline", expecting, text)
        if i >= len(source):
            return SyntaxProblem("unexpected", self.line_number, "", "eof", expecting, text, incomplete=True)
        operator = self._operator()
        if operator == "\n":
            return SyntaxProblem("unexpected", self.line_number, "newline", "newline", expecting, text)
        if operator:
            return SyntaxProblem("unexpected", self.line_number, operator, "operator", expecting, text)
        if REDIRECT.match(source, i):
            return SyntaxProblem("unexpected", self.line_number, source[i], "redirection", expecting, text)
        reserved = self._reserved()
        if reserved:
            return SyntaxProblem("unexpected", self.line_number, reserved, "reserved", expecting, text)
        end = i
        while end < len(source) and source[end] not in META:
            end += 1
        return SyntaxProblem("unexpected", self.line_number, source[i:end], "word", expecting, text)

    def _unexpected_word(self, expecting: str) -> SyntaxProblem:
        """The same, where dash does not look for reserved words."""
        problem = self._unexpected(expecting)
        if problem.found_kind == "reserved" and not self._bash:
            problem.found_kind = "word"
        return problem

    def _expect(self, word: str) -> None:
        self._skip_lines() if word in RESERVED else self._skip_blanks()
        if word in RESERVED:
            if self._reserved() != word:
                raise self._unexpected(word)
        elif not self._at(word):
            raise self._unexpected(word)
        self.position += len(word)

    def _read_here_documents(self) -> None:
        pending, self._pending = self._pending, []
        for redirect, delimiter, quoted, strip in pending:
            lines = []
            while True:
                if self.position >= len(self.source):
                    self.is_open = True
                    break
                end = self.source.find("\n", self.position)
                line = self.source[self.position : end if end >= 0 else len(self.source)]
                self.position = end + 1 if end >= 0 else len(self.source)
                self.line_number += 1
                if strip:
                    line = line.lstrip("\t")
                if line == delimiter:
                    break
                lines.append(line)
            text = "".join(f"{line}\n" for line in lines)
            redirect.target = (("sq", text),) if quoted else self._quoted_text(text, here=True)

    def _quoted_text(self, text: str, *, here: bool = False) -> Word:
        """A text in which parameters and commands are expanded, and quotes mean nothing."""
        raise NotImplementedError
