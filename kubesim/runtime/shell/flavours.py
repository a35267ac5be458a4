"""How dash, bash and busybox' ash say what went wrong: their exact texts, and how they behave where they differ."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from kubesim.runtime.shell.arithmetic import ArithmeticProblem
from kubesim.runtime.shell.syntax import SyntaxProblem
from kubesim.runtime.shell.tokens import WORD


@dataclass(slots=True)
class Origin:
    """Where the commands come from. `mode` is command (-c), script, stdin or interactive."""

    name: str
    mode: str


class Flavour:
    """dash, which Debian and Ubuntu have as sh; the others say what differs."""

    name = "dash"
    bash = False
    extended = False
    """Whether `[[` and `function` are reserved words."""
    unset_status = 2
    redirect_status = 2
    expansion_exits = True
    special_exits = True
    """Whether a special built-in's failure ends a shell that is not interactive (POSIX; bash does not)."""

    def prefix(self, origin: Origin, line: int, builtin: str = "") -> str:
        return f"{origin.name}: {line}: " + (f"{builtin}: " if builtin else "")

    def not_found(self, name: str) -> str:
        return f"{name}: not found"

    def cannot_run(self, name: str, number: int) -> tuple[str, int]:
        """The text and exit status for a program that is there and cannot be executed, or a path that is not."""
        if number == errno.ENOENT:
            return f"{name}: not found", 127
        if number == errno.ENOEXEC:
            return f"{name}: Exec format error", 126
        return f"{name}: Permission denied", 126

    def syntax(self, origin: Origin, problem: SyntaxProblem, builtin: str = "") -> list[str]:
        """The lines that tell of a syntax error; `builtin` is the one that was given the text."""
        line = problem.last_line or problem.line
        return [self.prefix(origin, line, builtin) + self._syntax_text(problem)]

    def syntax_exit(self, problem: SyntaxProblem) -> int:
        """The status of a shell that met a syntax error."""
        del problem
        return 2

    def _syntax_text(self, problem: SyntaxProblem) -> str:
        if problem.kind == "substitution":
            return "Bad substitution"
        if problem.kind == "message":
            return f"Syntax error: {problem.found}"
        if problem.kind == "unterminated":
            texts = {"}": "Missing '}'", "))": "Missing '))'", "`": "EOF in backquote substitution"}
            return f"Syntax error: {texts.get(problem.found, 'Unterminated quoted string')}"
        return f"Syntax error: {self._token(problem)} unexpected{self._expecting(problem)}"

    def _expecting(self, problem: SyntaxProblem) -> str:
        if not problem.expecting:
            return ""
        return f" (expecting {WORD})" if problem.expecting == WORD else f' (expecting "{problem.expecting}")'

    def _token(self, problem: SyntaxProblem) -> str:
        if problem.found_kind == "eof":
            return "end of file"
        if problem.found_kind in ("newline", "word", "redirection"):
            return problem.found_kind
        return f'"{problem.found}"'

    def redirect(self, path: str, number: int, *, writing: bool) -> str:
        if writing:
            reason = "Directory nonexistent" if number == errno.ENOENT else _strerror(number)
            return f"cannot create {path}: {reason}"
        return f"cannot open {path}: {'No such file' if number == errno.ENOENT else _strerror(number)}"

    def cd(self, path: str, number: int) -> tuple[str, int]:
        del number
        return f"can't cd to {path}", 2

    def unset(self, name: str) -> str:
        return f"{name}: parameter not set"

    def null(self, name: str) -> str:
        return f"{name}: parameter not set or null"

    def read_only(self, name: str) -> str:
        return f"{name}: is read only"

    def bad_name(self, text: str) -> str:
        return f"{text.partition('=')[0]}: bad variable name"

    def arithmetic(self, problem: ArithmeticProblem) -> str:
        what = {"division": "division by zero", "operand": "expecting primary"}.get(
            problem.kind, "expecting EOF"
        )
        return f'arithmetic expression: {what}: "{problem.expression.strip()}"'

    def bad_number(self, text: str) -> str:
        return f"Illegal number: {text}"

    def fork_failed(self) -> str:
        return "Cannot fork"

    def source_missing(self, path: str, number: int) -> str:
        return f"cannot open {path}: {'No such file' if number == errno.ENOENT else _strerror(number)}"


class Bash(Flavour):
    """GNU bash."""

    name = "bash"
    bash = True
    extended = True
    unset_status = 127
    redirect_status = 1
    special_exits = False
    expansion_exits = False

    def prefix(self, origin: Origin, line: int, builtin: str = "") -> str:
        where = "" if origin.mode == "interactive" else f"line {line}: "
        return f"{origin.name}: {where}" + (f"{builtin}: " if builtin else "")

    def syntax_exit(self, problem: SyntaxProblem) -> int:
        if problem.substituted and problem.kind == "unexpected" and problem.found_kind != "eof":
            return 127
        # These two are no syntax errors to bash: it finds them when it runs the command.
        return 1 if problem.kind in ("substitution", "message") else 2

    def not_found(self, name: str) -> str:
        return f"{name}: command not found"

    def cannot_run(self, name: str, number: int) -> tuple[str, int]:
        if number == errno.ENOENT:
            return f"{name}: No such file or directory", 127
        if number == errno.EISDIR:
            return f"{name}: Is a directory", 126
        if number == errno.ENOEXEC:
            return f"{name}: cannot execute binary file: Exec format error", 126
        return f"{name}: Permission denied", 126

    def syntax(self, origin: Origin, problem: SyntaxProblem, builtin: str = "") -> list[str]:
        lead = f"{origin.name}: "
        if builtin or origin.mode == "command":
            lead += f"{builtin or '-c'}: "
        where = "" if origin.mode == "interactive" else f"line {problem.line}: "
        if problem.kind == "substitution":
            return [f"{origin.name}: {where}{problem.found}: bad substitution"]
        if problem.kind == "message" and problem.found == "Bad for loop variable":
            return [f"{origin.name}: {where}`{problem.found_kind}': not a valid identifier"]
        if problem.kind == "message":
            return [f"{lead}{where}syntax error: {problem.found}"]
        if problem.kind == "unterminated":
            return [f"{lead}{where}unexpected EOF while looking for matching `{problem.found}'"]
        if problem.found_kind == "eof":
            last = problem.line + bool(problem.source_line)
            after = "" if origin.mode == "interactive" else f"line {last}: "
            if problem.found == "$(":
                return [f"{lead}{after}unexpected EOF while looking for matching `)'"]
            return [f"{lead}{after}syntax error: unexpected end of file"]
        lines = [f"{lead}{where}syntax error near unexpected token `{problem.found}'"]
        if origin.mode != "interactive":
            lines.append(f"{lead}{where}`{problem.source_line}'")
        return lines

    def redirect(self, path: str, number: int, *, writing: bool) -> str:
        del writing
        return f"{path}: {_strerror(number)}"

    def cd(self, path: str, number: int) -> tuple[str, int]:
        return f"{path}: {_strerror(number)}", 1

    def unset(self, name: str) -> str:
        return f"{name}: unbound variable"

    def null(self, name: str) -> str:
        return f"{name}: parameter null or not set"

    def read_only(self, name: str) -> str:
        return f"{name}: readonly variable"

    def bad_name(self, text: str) -> str:
        return f"`{text}': not a valid identifier"

    def arithmetic(self, problem: ArithmeticProblem) -> str:
        text = problem.expression.strip()
        if problem.kind == "division":
            return f'{text}: division by 0 (error token is "{problem.operand}")'
        if problem.kind == "operand":
            return f'{text}: syntax error: operand expected (error token is "{problem.operand}")'
        return f'{text}: syntax error in expression (error token is "{problem.operand}")'

    def bad_number(self, text: str) -> str:
        return f"{text}: numeric argument required"

    def fork_failed(self) -> str:
        return "fork: retry: Resource temporarily unavailable"

    def source_missing(self, path: str, number: int) -> str:
        return f"{path}: {_strerror(number)}"


class Busybox(Flavour):
    """busybox' ash."""

    name = "busybox"
    extended = True
    redirect_status = 1

    def prefix(self, origin: Origin, line: int, builtin: str = "") -> str:
        # shell/ash.c, ash_vmsg: the line is told where a command's name is, except at a prompt.
        number = 0 if origin.mode == "command" else line
        where = (
            f"line {number}: "
            if origin.mode == "script" or (builtin and origin.mode != "interactive")
            else ""
        )
        return f"{origin.name}: " + (f"{builtin}: " if builtin else "") + where

    def _syntax_text(self, problem: SyntaxProblem) -> str:
        if problem.kind == "substitution":
            return "syntax error: bad substitution"
        if problem.kind == "message":
            text = problem.found[:1].lower() + problem.found[1:]
            return f"syntax error: {text}"
        if problem.kind == "unterminated":
            texts = {"}": "missing '}'", "))": "missing '))'", "`": "EOF in backquote substitution"}
            return f"syntax error: {texts.get(problem.found, 'unterminated quoted string')}"
        return f"syntax error: unexpected {self._token(problem)}{self._expecting(problem)}"

    def redirect(self, path: str, number: int, *, writing: bool) -> str:
        if writing:
            reason = "nonexistent directory" if number == errno.ENOENT else _strerror(number)
            return f"can't create {path}: {reason}"
        return f"can't open {path}: {'no such file' if number == errno.ENOENT else _strerror(number)}"

    def cd(self, path: str, number: int) -> tuple[str, int]:
        return f"can't cd to {path}: {_strerror(number)}", 2

    def arithmetic(self, problem: ArithmeticProblem) -> str:
        return "divide by zero" if problem.kind == "division" else "arithmetic syntax error"

    def fork_failed(self) -> str:
        return "can't fork: Resource temporarily unavailable"

    def source_missing(self, path: str, number: int) -> str:
        return f"can't open '{path}': {_strerror(number)}"


def _strerror(number: int) -> str:
    import os

    return os.strerror(number)


def flavour(name: str) -> Flavour:
    """The flavour of a name: dash, bash or busybox."""
    if name == "bash":
        return Bash()
    return Busybox() if name == "busybox" else Flavour()
