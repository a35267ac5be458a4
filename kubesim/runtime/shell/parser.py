"""The shell's parser: POSIX grammar, with those of bash's additions that scripts in containers use.

`Parser.line()` gives one complete line of commands at a time, as shells read them: what stands before a syntax error
on an earlier line has run.
"""

from __future__ import annotations

import re
from typing import Any

from kubesim.runtime.shell.syntax import (
    AndOr,
    Arithmetic,
    ArithmeticFor,
    Assignment,
    Case,
    Condition,
    For,
    Function,
    Group,
    If,
    Part,
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

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)")
_ARRAY_ITEM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[([^\]=]*)\](\+?=)")
_PLAIN = re.compile(r"[^\s;&|<>()$`\"'\\#~*?\[\]{}=!]+")
_DQ_PLAIN = re.compile(r"[^$`\"\\\n]+")
_REDIRECT = re.compile(r"(\d*)(<<<|<<-|<<|<&|<>|>>|>&|>\||<|>)|(&>>|&>)")
_META = " \t\n;&|<>()"
_SPECIAL = "@*#?-$!0123456789"

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
_CLOSERS = frozenset(("then", "else", "elif", "fi", "do", "done", "esac", "}"))
_LENGTH = re.compile(r"#(?:[@*#?$!-]\}|[A-Za-z0-9_@*])")  # ${#name}, not ${#}, ${#-word} and their like
MAX_DEPTH = 60


class Parser:
    """Parses one script. `position` is where the next line begins."""

    def __init__(self, source: str, *, bash: bool = False, line: int = 1) -> None:
        self.source = source
        self.position = 0
        self.line_number = line
        self._bash = bash
        self._pending: list[tuple[Redirect, str, bool, bool]] = []
        self._depth = 0

    # Lines

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

    # Tokens

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
        while end < len(source) and source[end] not in _META:
            end += 1
        text = source[i:end]
        return text if text in RESERVED or (self._bash and text in ("[[", "function")) else ""

    def _unexpected(self, expecting: str = "") -> SyntaxProblem:
        self._skip_blanks()
        source, i = self.source, self.position
        line_start = source.rfind("\n", 0, i) + 1
        line_end = source.find("\n", i)
        text = source[line_start : line_end if line_end >= 0 else len(source)]
        if i >= len(source):
            return SyntaxProblem("unexpected", self.line_number, "", "eof", expecting, text, incomplete=True)
        operator = self._operator()
        if operator == "\n":
            return SyntaxProblem("unexpected", self.line_number, "newline", "newline", expecting, text)
        if operator:
            return SyntaxProblem("unexpected", self.line_number, operator, "operator", expecting, text)
        if _REDIRECT.match(source, i):
            return SyntaxProblem("unexpected", self.line_number, source[i], "redirection", expecting, text)
        reserved = self._reserved()
        if reserved:
            return SyntaxProblem("unexpected", self.line_number, reserved, "reserved", expecting, text)
        end = i
        while end < len(source) and source[end] not in _META:
            end += 1
        return SyntaxProblem("unexpected", self.line_number, source[i:end], "word", expecting, text)

    def _expect(self, word: str) -> None:
        self._skip_lines() if word in RESERVED else self._skip_blanks()
        if word in RESERVED:
            if self._reserved() != word:
                raise self._unexpected(word)
        elif not self._at(word):
            raise self._unexpected(word)
        self.position += len(word)

    # Lists and pipelines

    def _sequence(
        self, closers: tuple[str, ...], *, stop_at_newline: bool = False, expecting: str = ""
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
            if expecting and self._reserved() in _CLOSERS:
                raise self._unexpected(expecting)
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
            raise self._unexpected(expecting)
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
            negate = not negate
            self.position += 1
            self._skip_blanks()
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

    # Commands

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
        if not match or (end < len(self.source) and self.source[end] not in _META):
            problem = self._unexpected()
            if problem.found_kind != "word":
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
                raise self._unexpected("do" if self.position >= len(self.source) else "")
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
        subject = self._word()
        self._expect("in")
        items = []
        while True:
            self._skip_lines()
            if self._reserved() == "esac":
                break
            if self._at("("):
                self.position += 1
            patterns = []
            while True:
                self._skip_blanks()
                if self._operator() or self.position >= len(self.source):
                    raise self._unexpected(")" if self.position < len(self.source) else "esac")
                patterns.append(self._word())
                self._skip_blanks()
                if not self._at("|"):
                    break
                self.position += 1
            if not self._at(")"):
                raise self._unexpected(")")
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

    def _case_body(self) -> Sequence:
        self._skip_lines()
        if self._reserved() == "esac" or self._at(";;") or self._at(";&"):
            return Sequence([])
        closers = (";;", ";&", "esac") if self._bash else (";;", "esac")
        return self._sequence(closers, expecting=";;")

    def _function(self, name: str, start: int) -> Any:
        self._skip_lines()
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
            raise self._unexpected(")")
        self.position += 1
        return self._function(word[0][1], start)

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
        if self.position >= len(self.source) or self.source[self.position] in _META:
            return ()
        return self._word(assignment=True)

    # Redirections

    def _redirect(self) -> Redirect | None:
        match = _REDIRECT.match(self.source, self.position)
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
            raise self._unexpected()
        if op in ("<<", "<<-"):
            raw_start = self.position
            delimiter = self._word()
            quoted = any(part[0] != "lit" for part in delimiter)
            text = _plain_text(delimiter, self.source[raw_start : self.position])
            redirect = Redirect(fd, "<<", ())
            self._pending.append((redirect, text, quoted, op == "<<-"))
            return redirect
        return Redirect(fd, op, self._word())

    def _read_here_documents(self) -> None:
        pending, self._pending = self._pending, []
        for redirect, delimiter, quoted, strip in pending:
            lines = []
            while True:
                if self.position >= len(self.source):
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
        """A text in which parameters and commands are expanded, and quotes mean nothing (arithmetic, here-documents)."""
        inner = Parser(text, bash=self._bash, line=self.line_number)
        inner._depth = self._depth
        return (("dq", inner._double_quoted(None, here=here)),)

    # Words

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
            if c in _META:
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
        return SyntaxProblem("unterminated", line, token, incomplete=True)

    def _single_quoted(self, *, ansi: bool = False) -> str:
        start, line = self.position + 1, self.line_number
        end = self.source.find("'", start)
        while ansi and end > 0 and (end - len(self.source[:end].rstrip("\\"))) % 2:
            end = self.source.find("'", end + 1)
        if end < 0:
            self.position = len(self.source)
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
                self.position = len(source)
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
        inner = Parser("".join(text), bash=self._bash, line=line)
        inner._depth = self._depth + 1
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
        if self._at("$("):
            self.position += 2
            self._skip_lines()
            if self._at(")"):
                self.position += 1
                return ("cmd", Sequence([]))
            line = self.line_number
            try:
                body = self._sequence((")",), expecting=")")
            except SyntaxProblem as problem:
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
            raise self._bad_substitution(start, line)
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
            raise self._bad_substitution(start, line)
        self.position = op.end()
        word = self._brace_word(in_quotes=in_quotes and op.group()[0] not in "%#/", line=line)
        return ("par", name, op.group(), word, index)

    def _bad_substitution(self, start: int, line: int) -> SyntaxProblem:
        end = self.source.find("}", start)
        if end < 0:
            return SyntaxProblem("unterminated", line, "}", incomplete=True)
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
                raise self._unterminated("}", line)
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

    # [[ … ]]

    def _condition(self, word: str) -> Any:
        line = self.line_number
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
            inner = Parser(raw.replace("(", "\\(").replace(")", "\\)").replace("|", "\\|"), bash=True)
            parts = inner._word()
            return tuple(("lit", p[1]) if p[0] == "sq" and p[1] in "()|" else p for p in parts)
        return (("lit", raw),)


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


_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b", "\\": "\\",
    "'": "'", '"': '"', "?": "?",
}  # fmt: skip
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
