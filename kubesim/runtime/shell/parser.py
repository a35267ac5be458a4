"""The shell's parser: POSIX grammar, with those of bash's additions that scripts in containers use.

`Parser.line()` gives one complete line of commands at a time, as shells read them: what stands before a syntax error
on an earlier line has run.
"""

from __future__ import annotations

import re
from typing import Any

from kubesim.runtime.shell.doublebrackets import DoubleBrackets
from kubesim.runtime.shell.syntax import (
    AndOr,
    Arithmetic,
    ArithmeticFor,
    Assignment,
    Case,
    For,
    Function,
    Group,
    If,
    Pipeline,
    Redirect,
    Redirected,
    Sequence,
    Simple,
    Subshell,
    SyntaxProblem,
    While,
    Word,
)
from kubesim.runtime.shell.tokens import META, REDIRECT, RESERVED, WORD
from kubesim.runtime.shell.words import NAME

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)")
_ARRAY_ITEM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[([^\]=]*)\](\+?=)")
_CLOSERS = frozenset(("then", "else", "elif", "fi", "do", "done", "esac", "}"))
_SPECIAL = frozenset(
    (
        "break", ".", ":", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
        "trap", "unset",
    )
)  # fmt: skip
"""No function can be called so, but in bash."""
MAX_DEPTH = 60


class Parser(DoubleBrackets):
    """Parses one script. `position` is where the next line begins."""

    def line(self) -> Sequence | None:
        """The commands up to the end of the next line that has some; None at the end. Raises SyntaxProblem."""
        self._skip_lines()
        if self.position >= len(self.source):
            return None
        found = self._sequence((), stop_at_newline=True)
        if self.position < len(self.source):
            if self.source[self.position] != "\n":
                raise self._unexpected()
            self._newline()
        elif self._pending:
            self._read_here_documents()
        return found

    def whole(self) -> Sequence:
        """All commands to the end. Raises SyntaxProblem."""
        items: list[tuple[Any, str | None]] = []
        while (found := self.line()) is not None:
            items += found.items
        return Sequence(items)

    def _sequence(
        self,
        closers: tuple[str, ...],
        *,
        stop_at_newline: bool = False,
        expecting: str = "",
        may_be_empty: bool = False,
    ) -> Sequence:
        """Commands up to a closing word or operator, which is not taken."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise SyntaxProblem("message", self.line_number, "nested too deeply")
        items: list[tuple[Any, str | None]] = []
        while True:
            if stop_at_newline:
                self._skip_blanks()
            else:
                self._skip_lines()
            if self.position >= len(self.source) or self._closes(closers):
                break
            if stop_at_newline and self._at("\n"):
                break
            if closers and (self._reserved() in _CLOSERS or self._operator() in (")", ";;")):
                # Where nothing has been read yet these are no commands; after some they end the list too early.
                raise self._unexpected(expecting if items or may_be_empty else "")
            start = self.position
            node = self._and_or()
            self._skip_blanks()
            operator = self._operator()
            text: str | None = None
            if operator == "&":
                text = self.source[start : self.position]
            items.append((node, text))
            if operator in ("&", ";"):
                self.position += 1
            elif operator == "\n" and not stop_at_newline:
                continue
            else:
                break
        self._depth -= 1
        if not items and closers:
            raise self._unexpected(expecting if self.position >= len(self.source) else "")
        if closers and not self._closes(closers):
            raise self._unexpected(expecting or closers[0])
        return Sequence(items)

    def _closes(self, closers: tuple[str, ...]) -> bool:
        reserved = self._reserved()
        return any(reserved == c if c in RESERVED else self._at(c) for c in closers)

    def _and_or(self) -> Any:
        first = self._pipeline()
        rest: list[tuple[str, Any]] = []
        while True:
            self._skip_blanks()
            operator = self._operator()
            if operator not in ("&&", "||"):
                return AndOr(first, rest) if rest else first
            self.position += 2
            self._skip_lines()
            rest.append((operator, self._pipeline()))

    def _pipeline(self) -> Any:
        negate = False
        self._skip_blanks()
        while self._reserved() == "!":
            if negate and not self._bash:
                raise self._unexpected()
            negate = not negate
            self.position += 1
            self._skip_blanks()
            if self._bash and (self.position >= len(self.source) or self._operator() in (";", "\n")):
                return Pipeline([Simple([], [], [], self.line_number)], negate)
        commands = [self._command()]
        both: list[bool] = []
        while True:
            self._skip_blanks()
            operator = self._operator()
            if operator not in ("|", "|&"):
                break
            self.position += len(operator)
            both.append(operator == "|&")
            self._skip_lines()
            commands.append(self._command())
        if len(commands) == 1 and not negate:
            return commands[0]
        return Pipeline(commands, negate, tuple(both))

    def _command(self) -> Any:
        self._skip_blanks()
        node = self._compound()
        if node is None:
            return self._simple()
        redirects = self._redirects()
        return Redirected(node, redirects) if redirects else node

    def _redirects(self) -> list[Redirect]:
        found: list[Redirect] = []
        while True:
            self._skip_blanks()
            redirect = self._redirect()
            if redirect is None:
                return found
            found.append(redirect)

    def _compound(self) -> Any:
        if self._at("(("):
            node = self._arithmetic_command()
            if node is not None:
                return node
        if self._at("("):
            self.position += 1
            body = self._sequence((")",), expecting=")")
            self.position += 1
            return Subshell(body)
        word = self._reserved()
        parse = {
            "if": self._if, "while": self._while, "until": self._while, "for": self._for, "case": self._case,
            "{": self._group, "[[": self._condition, "function": self._bash_function,
        }.get(word)  # fmt: skip
        if parse is None:
            if word and word not in ("in", "!"):
                raise self._unexpected()
            return None
        return parse(word)

    def _arithmetic_command(self) -> Any:
        if not self._bash:
            return None
        start, line = self.position, self.line_number
        raw = self._arithmetic_text(2)
        if raw is None:
            self.position, self.line_number = start, line
            return None
        return Arithmetic(self._quoted_text(raw), line)

    def _group(self, word: str) -> Any:
        self.position += len(word)
        body = self._sequence(("}",), expecting="}")
        self.position += 1
        return Group(body)

    def _if(self, word: str) -> Any:
        self.position += len(word)
        branches = []
        otherwise = None
        while True:
            condition = self._sequence(("then",), expecting="then")
            self._expect("then")
            body = self._sequence(("elif", "else", "fi"), expecting="fi")
            branches.append((condition, body))
            closer = self._reserved()
            self.position += len(closer)
            if closer == "elif":
                continue
            if closer == "else":
                otherwise = self._sequence(("fi",), expecting="fi")
                self._expect("fi")
            return If(branches, otherwise)

    def _while(self, word: str) -> Any:
        self.position += len(word)
        condition = self._sequence(("do",), expecting="do")
        body = self._do_group()
        return While(condition, body, word == "until")

    def _do_group(self) -> Sequence:
        self._expect("do")
        body = self._sequence(("done",), expecting="done")
        self._expect("done")
        return body

    def _for(self, word: str) -> Any:
        self.position += len(word)
        self._skip_blanks()
        if self._bash and self._at("(("):
            return self._arithmetic_for()
        match = NAME.match(self.source, self.position)
        end = match.end() if match else self.position
        if not match or (end < len(self.source) and self.source[end] not in META):
            problem = self._unexpected(within_line=True)
            if self._bash and problem.found_kind != "word":
                raise problem
            raise SyntaxProblem(
                "message",
                self.line_number,
                "Bad for loop variable",
                problem.found,
                source_line=problem.source_line,
            )
        name = match.group()
        self.position = end
        self._skip_lines()
        words: list[Word] | None = None
        if self._reserved() == "in":
            self.position += 2
            words = []
            while True:
                self._skip_blanks()
                if self._operator() or self.position >= len(self.source):
                    break
                words.append(self._word())
            if self._at(";"):
                self.position += 1
            elif not self._at("\n"):
                raise self._unexpected()
        elif self._at(";"):
            self.position += 1
        self._skip_lines()
        return For(name, words, self._do_group())

    def _arithmetic_for(self) -> Any:
        raw = self._arithmetic_text(2)
        parts = (raw or "").split(";")
        if raw is None or len(parts) != 3:
            raise self._unexpected()
        self._skip_blanks()
        if self._at(";"):
            self.position += 1
        start, condition, step = (self._quoted_text(part) for part in parts)
        return ArithmeticFor(start, condition, step, self._do_group())

    def _case(self, word: str) -> Any:
        self.position += len(word)
        self._skip_blanks()
        if self.position >= len(self.source) or self._operator():
            raise self._unexpected(WORD, within_line=True)
        subject = self._word()
        self._expect("in")
        items = []
        while True:
            self._skip_lines()
            if self._reserved() == "esac":
                break
            if self._at("("):
                self.position += 1
            patterns: list[Word] = []
            while True:
                self._skip_blanks()
                patterns.append(self._pattern(first=not patterns))
                self._skip_blanks()
                if not self._at("|"):
                    break
                self.position += 1
            if not self._at(")"):
                raise self._unexpected(")", within_line=True)
            self.position += 1
            body = self._case_body()
            ending = self._operator()
            if ending in (";;", ";&", ";;&"):
                self.position += len(ending)
                items.append((patterns, body, ending))
                continue
            items.append((patterns, body, ";;"))
            self._skip_lines()
            if self._reserved() != "esac":
                raise self._unexpected(";;")
        self._expect("esac")
        return Case(subject, items)

    def _pattern(self, *, first: bool) -> Word:
        operator = self._operator()
        if self.position >= len(self.source) or (operator and self._bash):
            raise self._unexpected(")", within_line=not first)
        if not operator:
            return self._word()
        self.position += len(
            operator
        )  # dash takes whatever stands there for a pattern, and stumbles over what follows
        self._skip_blanks()
        if not self._at(")"):
            raise self._unexpected_word(")")
        return (("lit", operator),)

    def _case_body(self) -> Sequence:
        self._skip_lines()
        if self._reserved() == "esac" or self._at(";;") or self._at(";&"):
            return Sequence([])
        closers = (";;", ";&", "esac") if self._bash else (";;", "esac")
        return self._sequence(closers, expecting=";;")

    def _function(self, name: str, start: int) -> Any:
        self._skip_lines()
        if self._bash and self.position < len(self.source):
            body = self._compound()
            if body is None:
                raise self._unexpected()
            redirects = self._redirects()
            body = Redirected(body, redirects) if redirects else body
        else:
            body = self._command()
        text = self.source[start : self.position]
        return Function(name, body, text)

    def _bash_function(self, word: str) -> Any:
        start = self.position
        self.position += len(word)
        self._skip_blanks()
        match = re.compile(r"[^\s;&|<>()]+").match(self.source, self.position)
        if match is None:
            raise self._unexpected()
        self.position = match.end()
        self._skip_blanks()
        if self._at("("):
            self.position += 1
            self._expect(")")
        return self._function(match.group(), start)

    def _simple(self) -> Any:
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        start, line = self.position, self.line_number
        while True:
            self._skip_blanks()
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            if self.position >= len(self.source) or self._operator():
                if self._at("(") and len(words) == 1 and not redirects and not assignments:
                    return self._posix_function(words[0], start)
                break
            assignment = self._assignment() if not words else None
            if assignment is not None:
                assignments.append(assignment)
            else:
                words.append(self._word())
        if not (assignments or words or redirects):
            raise self._unexpected()
        return Simple(assignments, words, redirects, line)

    def _posix_function(self, word: Word, start: int) -> Any:
        if len(word) != 1 or word[0][0] != "lit":
            raise self._unexpected()
        self.position += 1
        self._skip_blanks()
        if not self._at(")"):
            raise self._unexpected_word(")")
        self.position += 1
        name = word[0][1]
        if not self._bash and (NAME.fullmatch(name) is None or name in _SPECIAL):
            raise SyntaxProblem("message", self.line_number, "Bad function name")
        return self._function(name, start)

    def _assignment(self) -> Assignment | None:
        match = _ASSIGNMENT.match(self.source, self.position)
        index: Word | None = None
        if match is None and self._bash:
            item = _ARRAY_ITEM.match(self.source, self.position)
            if item is not None:
                index = self._quoted_text(item.group(2))
                self.position = item.end()
                return Assignment(item.group(1), self._value(), item.group(3) == "+=", index)
        if match is None or (match.group(2) == "+=" and not self._bash):
            return None
        self.position = match.end()
        append = match.group(2) == "+="
        if self._bash and self._at("("):
            self.position += 1
            values = []
            while True:
                self._skip_lines()
                if self._at(")"):
                    break
                if self.position >= len(self.source) or self._operator():
                    raise self._unexpected(")")
                values.append(self._word())
            self.position += 1
            return Assignment(match.group(1), values, append)
        return Assignment(match.group(1), self._value(), append)

    def _value(self) -> Word:
        if self.position >= len(self.source) or self.source[self.position] in META:
            return ()
        return self._word(assignment=True)

    def _redirect(self) -> Redirect | None:
        match = REDIRECT.match(self.source, self.position)
        if match is None:
            return None
        if match.group(3):
            if not self._bash:
                return None
            op, fd = match.group(3), 1
        else:
            op = match.group(2)
            fd = int(match.group(1)[:4]) if match.group(1) else (0 if op[0] == "<" else 1)
        if op == "<<<" and not self._bash and self.source.startswith("<<<", match.start(2)):
            op = "<<<"
        if op == "<" and self._bash and self._at("<("):
            return None
        self.position = match.end()
        self._skip_blanks()
        if self.position >= len(self.source) or self._operator():
            raise self._unexpected(within_line=True)
        if op in ("<<", "<<-"):
            raw_start = self.position
            delimiter = self._word()
            quoted = any(part[0] != "lit" for part in delimiter)
            text = _plain_text(delimiter, self.source[raw_start : self.position])
            redirect = Redirect(fd, "<<", ())
            self._pending.append((redirect, text, quoted, op == "<<-"))
            return redirect
        return Redirect(fd, op, self._word())


def _plain_text(word: Word, raw: str) -> str:
    """A here-document's delimiter after quote removal."""
    out = []
    for part in word:
        if part[0] in ("lit", "sq"):
            out.append(part[1])
        elif part[0] == "dq":
            out.append(_plain_text(part[1], raw))
        else:
            return raw
    return "".join(out)
