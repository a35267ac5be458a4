"""The shell's interpreter: runs the syntax tree against a simulated process.

Where a command waits (`Suspended`), each construct on the way out adds where it stood to the exception's frames. On the
way back in, `self._resume` holds those frames, outermost first, and each construct takes its own and goes on there.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable
from typing import Any

from kubesim.runtime.machine import SIGNALS, Machine
from kubesim.runtime.process import (
    PIPE_CAPACITY,
    BrokenPipe,
    Budget,
    Buffer,
    BytesReader,
    Interrupted,
    Null,
    Process,
    Replaced,
    Stopped,
    Suspended,
    Timeline,
)
from kubesim.runtime.shell import patterns
from kubesim.runtime.shell.expansion import DEFAULT_IFS, Expander, ExpansionFailed
from kubesim.runtime.shell.flavours import Flavour, Origin
from kubesim.runtime.shell.parser import Parser
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
    Pipeline,
    Redirect,
    Redirected,
    Sequence,
    Simple,
    Subshell,
    SyntaxProblem,
    While,
)

MAX_CALLS = 40  # each nested call takes about a dozen Python frames
MAX_FORKS = 40


class Exit(Exception):
    """The shell ends."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Return(Exception):
    """A function or sourced file ends."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class LoopControl(Exception):
    """`break` or `continue`, for so many loops."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__()
        self.levels = levels
        self.again = again


class RedirectFailed(Exception):
    """A redirection could not be made; what there is to say has been said."""


class Shell:
    """One shell, or a subshell of it."""

    def __init__(self, process: Process, flavour: Flavour, origin: Origin, positional: list[str]) -> None:
        self.process = process
        self.shell_pid = process.pid
        self.machine: Machine = process.machine
        self.budget: Budget = process.budget
        self.flavour = flavour
        self.origin = origin
        self.positional = positional
        self.variables: dict[str, str | list[str]] = dict(process.env)
        self.exported: set[str] = set(process.env)
        self.readonly: set[str] = set()
        self.functions: dict[str, Function] = {}
        self.aliases: dict[str, str] = {}
        self.options: set[str] = set()
        self.traps: dict[str, str] = {}
        self.fds: dict[int, Any] = {0: process.stdin, 1: process.out, 2: process.err, **process.files}
        self.kept_redirects: list[list[Any]] = []
        self.status = 0
        self.line = 1
        self.last_job = 0
        self.expand = Expander(self)
        self.locals: list[dict[str, Any]] = []
        self.calls = 0
        self.loops = 0
        self.forks = 0
        self.sourcing = 0
        self._quiet = 0
        self._resume: list[Any] | None = None
        self._substitution_status: int | None = None
        self._last: Simple | None = None
        self._started = process.timeline.now()
        self.variables.setdefault("IFS", DEFAULT_IFS)
        self._set_directory(process.cwd)

    # Variables

    @property
    def cwd(self) -> str:
        return self.process.cwd

    def _set_directory(self, path: str) -> None:
        self.process.cwd = path
        self.variables["PWD"] = path
        self.exported.add("PWD")

    def change_directory(self, path: str) -> None:
        """Cd. Raises OSError."""
        place = posixpath.normpath(self.process.path(path))
        place = "/" + place.lstrip("/")
        node = self.machine.fs.stat(place)
        if node.kind != "d":
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not self.machine.fs.may(place, 1):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        self.variables["OLDPWD"] = self.cwd
        if not self.flavour.bash or "OLDPWD" in self.exported:
            self.exported.add("OLDPWD")
        self._set_directory(place)

    def get(self, name: str) -> str | None:
        """A parameter's value."""
        value = self.variables.get(name)
        if value is not None:
            return value if isinstance(value, str) else (value[0] if value else None)
        if name.isdigit():
            number = int(name)
            if number == 0:
                return self.origin.name
            return self.positional[number - 1] if number <= len(self.positional) else None
        return self._special(name)

    def _special(self, name: str) -> str | None:
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.positional))
            case "@" | "*":
                gap = (self.ifs[:1] if name == "*" else " ") if self.positional else ""
                return gap.join(self.positional) if self.positional else None
            case "$":
                return str(self.shell_pid)
            case "!":
                return str(self.last_job) if self.last_job else ("" if not self.flavour.bash else None)
            case "-":
                letters = "".join(sorted(o for o in self.options if len(o) == 1))
                return letters + ("i" if self.origin.mode == "interactive" else "")
            case "LINENO":
                return str(self.line)
            case "RANDOM" if self.flavour.name != "dash":
                return str(self._random())
            case "SECONDS" if self.flavour.bash:
                return str(int(self.process.timeline.now() - self._started))
            case "PPID":
                return str(self.process.parent.pid if self.process.parent else 0)
            case "UID" | "EUID" if self.flavour.bash:
                return str(self.machine.fs.uid)
            case "HOSTNAME" if self.flavour.bash:
                return self.machine.hostname
            case "BASH_VERSION" if self.flavour.bash:
                return "5.2.15(1)-release"
        return None

    def _random(self) -> int:
        seed = int(str(self.variables.get("_seed") or self.process.pid * 7919 + 12345))
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF  # the linear congruential generator of the C standard
        self.variables["_seed"] = str(seed)
        return seed >> 16 & 32767

    def array(self, name: str) -> list[str]:
        """A variable as a list."""
        value = self.variables.get(name)
        if value is None:
            return []
        return list(value) if isinstance(value, list) else [value]

    @property
    def ifs(self) -> str:
        value = self.variables.get("IFS", DEFAULT_IFS)
        return value if isinstance(value, str) else DEFAULT_IFS

    def assign_text(self, name: str, value: str | list[str]) -> None:
        """Set a variable. Raises ExpansionFailed for a read-only one."""
        if name in self.readonly:
            self.complain(self.flavour.read_only(name))
            raise ExpansionFailed(1 if self.flavour.bash else 2)
        if len(value) > 4 * 1024 * 1024:
            raise Stopped("stopped: a variable of a simulated shell is bounded to 4 MiB")
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def unset(self, name: str) -> None:
        self.variables.pop(name, None)
        self.exported.discard(name)

    def arithmetic_value(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            self.check_set(name)
        return value or ""

    def check_set(self, name: str) -> None:
        """`set -u`. Raises ExpansionFailed."""
        if "u" in self.options and name not in ("@", "*", "!"):
            self.complain(self.flavour.unset(name))
            raise ExpansionFailed(self.flavour.unset_status)

    def environment(self) -> dict[str, str]:
        """What programs get."""
        variables = self.variables
        env: dict[str, str] = {}
        for name, value in variables.items():
            if name in self.exported and isinstance(value, str):
                env[name] = value
        return env

    # Output

    def write(self, text: str, fd: int = 1) -> None:
        data = text.encode("utf-8", "surrogateescape")
        self.budget.wrote(len(data))
        self.fds.get(fd, Null()).write(data)

    def complain(self, text: str, builtin: str = "") -> None:
        """Say something on standard error, with the shell's prefix."""
        self.write(self.flavour.prefix(self.origin, self.line, builtin) + text + "\n", 2)

    def read_file(self, name: str) -> bytes:
        """A file for $(<file). Raises ExpansionFailed."""
        try:
            return self.process.read_file(name)
        except OSError as error:
            self.complain(self.flavour.redirect(name, error.errno or 0, writing=False))
            return b""

    # Running texts

    def run_source(
        self, text: str, *, line: int = 1, resume: list[Any] | None = None, exits: bool = False
    ) -> int:
        """Run a text line by line. A syntax error ends it with status 2.

        With `exits` the shell ends with the text: a program in the last place takes over its process, as in dash and
        bash, so that `sh -c "…; nginx -g 'daemon off;'"` leaves nginx as process 1.
        """
        parser = Parser(text, bash=self.flavour.bash, line=line)
        if resume is not None:
            parser.position, parser.line_number = resume.pop(0)
            self._resume = resume
        while True:
            position, number = parser.position, parser.line_number
            try:
                node = parser.line()
            except SyntaxProblem as problem:
                self._say_syntax(problem)
                self.status = self.flavour.syntax_exit(problem)
                if self.origin.mode == "interactive":
                    return self.status
                raise Exit(self.status) from None
            if node is None:
                return self.status
            if "n" in self.options:
                continue
            if exits and not parser.source[parser.position :].strip():
                self._last = _last_command(node)
            try:
                self.sequence(node)
            except ExpansionFailed as failed:
                self.status = failed.status
                if self.origin.mode == "interactive":
                    return self.status
                if not self.flavour.bash or self.status == self.flavour.unset_status:
                    raise Exit(failed.status) from None
            except Suspended as wait:
                wait.frames.insert(0, [position, number])
                raise

    def _say_syntax(self, problem: SyntaxProblem) -> None:
        for line in self.flavour.syntax(self.origin, problem):
            self.write(line + "\n", 2)

    def main(self, text: str, resume: list[Any] | None = None) -> int:
        """Run a whole script, with what `trap … EXIT` asks for at its end."""
        try:
            try:
                exits = self.origin.mode == "command" and self.flavour.name != "busybox"
                self.run_source(text, resume=resume, exits=exits)
                status = self.status
            except Exit as end:
                status = end.status
            except Return as back:
                status = back.status
            except LoopControl:
                status = self.status
        except BrokenPipe:
            return 141
        return self.finish(status)

    def finish(self, status: int) -> int:
        """Run the EXIT trap."""
        trap = self.traps.pop("EXIT", "")
        if not trap:
            return status
        self.status = status
        try:
            self.run_source(trap)
        except Exit as end:
            return end.status
        except (Return, LoopControl):
            pass
        return status

    # The tree

    def sequence(self, node: Sequence) -> int:
        items = node.items
        start = 0
        if self._resume:
            start = self._resume.pop(0)
        index = start
        try:
            for index in range(start, len(items)):
                command, background = items[index]
                if background is not None:
                    self._start_job(command, background)
                else:
                    self.checked(command)
        except Suspended as wait:
            wait.frames.insert(0, index)
            raise
        return self.status

    def checked(self, node: Any) -> int:
        """Run a command; with `set -e` its failure ends the shell."""
        status = self.run(node)
        if status and "e" in self.options and not self._quiet and not isinstance(node, AndOr):
            if not (isinstance(node, Pipeline) and node.negate):
                raise Exit(status)
        return status

    def run(self, node: Any) -> int:
        self.status = _RUN[type(node)](self, node)
        if self.machine.signals and self.process.pid == 1:
            self._take_signals()
        return self.status

    def _take_signals(self) -> None:
        while self.machine.signals:
            number = self.machine.signals.pop(0)
            name = next((n for n, v in SIGNALS.items() if v == number), str(number))
            trap = self.traps.get(name)
            if trap:
                kept = self.status
                self.run_source(trap)
                self.status = kept

    def _and_or(self, node: AndOr) -> int:
        resumed = self._resume is not None
        index = self._resume.pop(0) if self._resume else 0
        status = self.status
        count = len(node.rest)
        while index <= count:
            operator, command = node.rest[index - 1] if index else ("", node.first)
            if index == 0 or (operator == "&&") == (status == 0) or resumed:
                resumed = False
                last = index == count
                self._quiet += not last
                try:
                    status = self.checked(command) if last else self.run(command)
                except Suspended as wait:
                    wait.frames.insert(0, index)
                    raise
                finally:
                    self._quiet -= not last
            index += 1
        return status

    def _pipeline(self, node: Pipeline) -> int:
        if len(node.commands) == 1:
            self._quiet += node.negate
            try:
                status = self.run(node.commands[0])
            finally:
                self._quiet -= node.negate
            return int(status == 0) if node.negate else status
        frames, self._resume = self._resume, None
        waited = frames is not None and frames != [_AT_INPUT]
        status = self.machine.take_woken() if waited else self._pipe(node)
        return int(status == 0) if node.negate else status

    def _pipe(self, node: Pipeline) -> int:
        """Run the parts one after the other. A part's output is bounded: a producer without end meets SIGPIPE."""
        data: Any = self.fds[0]
        statuses = []
        waits: Suspended | None = None
        timeline = self.process.timeline.detached()
        last = len(node.commands) - 1
        for n, command in enumerate(node.commands):
            fds = dict(self.fds)
            fds[0] = data
            buffer = Buffer(PIPE_CAPACITY, pipe=True)
            if n < last:
                fds[1] = buffer
                if node.stderr_too[n]:
                    fds[2] = buffer
            try:
                statuses.append(self._in_subshell(command, fds, timeline))
            except Suspended as wait:
                if wait.for_input:
                    wait.frames = [_AT_INPUT]  # the first part reads; nothing has come of the pipe yet
                    raise
                waits = wait
                statuses.append(0)
            except BrokenPipe:
                statuses.append(141)
            data = BytesReader(bytes(buffer.data))
        self.process.timeline.join(timeline)
        if waits is not None:
            waits.frames.clear()
            raise waits
        if "pipefail" in self.options:
            return next((status for status in reversed(statuses) if status), 0)
        return statuses[-1]

    def fork(self, fds: dict[int, Any], timeline: Timeline | None = None) -> Shell:
        """A subshell: a copy whose changes nobody sees."""
        self.budget.step(2)
        if self.forks >= MAX_FORKS:
            self.complain(self.flavour.fork_failed())
            raise Stopped("stopped: too many processes", 2)
        other = object.__new__(Shell)
        other.__dict__.update(self.__dict__)
        child = self.process.child(
            self.process.argv,
            stdin=fds[0],
            out=fds[1],
            err=fds[2],
            timeline=timeline or self.process.timeline,
        )
        other.process = child
        other.fds = fds
        other.variables = dict(self.variables)
        other.exported = set(self.exported)
        other.readonly = set(self.readonly)
        other.functions = dict(self.functions)
        other.aliases = dict(self.aliases)
        other.options = set(self.options)
        other.traps = {}
        other.locals = [dict(frame) for frame in self.locals]
        other.forks = self.forks + 1
        other.expand = Expander(other)
        other._resume = None
        return other

    def _in_subshell(self, command: Any, fds: dict[int, Any], timeline: Timeline | None = None) -> int:
        """Run a command in a subshell and give its status."""
        shell = self.fork(fds, timeline)
        return shell.contained(lambda: shell.checked(command))

    def contained(self, work: Callable[[], int]) -> int:
        """Do a subshell's work up to its own end."""
        try:
            try:
                status = work()
            except Exit as end:
                status = end.status
            except (Return, LoopControl):
                status = self.status
            except ExpansionFailed as failed:
                status = failed.status
            except Replaced as replaced:
                return self.machine.run(replaced.process)
        except OSError as error:
            self.complain(self.flavour.cannot_run(self.process.argv[0], error.errno or 0)[0])
            return 126
        return self.finish(status)

    def capture(self, node: Sequence) -> bytes:
        """What $(…) puts in its place; its status counts for an assignment without a command."""
        buffer = Buffer()
        fds = dict(self.fds)
        fds[1] = buffer
        timeline = self.process.timeline.detached()
        shell = self.fork(fds, timeline)
        try:
            self._substitution_status = shell.contained(lambda: shell.sequence(node))
        except Suspended as wait:
            if wait.for_input:
                wait.frames.clear()
                raise
            self._substitution_status = 0
        except BrokenPipe:
            self._substitution_status = 141
        self.process.timeline.join(timeline)
        if self.flavour.bash:
            self.status = self._substitution_status
        return bytes(buffer.data)

    def _start_job(self, command: Any, text: str) -> None:
        """`command &`: it runs until it waits, and goes on as time passes."""
        timeline = Timeline(self.machine.clock, at=self.process.timeline.now(), suspendable=True)
        fds = dict(self.fds)
        fds[0] = Null()
        shell = self.fork(fds, timeline)
        pid = shell.process.pid
        self.last_job = pid
        self.status = 0
        if self.origin.mode == "interactive":
            self.write(f"[1] {pid}\n" if self.flavour.bash else "", 2)
        job = self.machine.enter(shell.process)
        job.argv = text.split()
        job.env, job.cwd = self.environment(), self.cwd
        job.logs = self.process.timeline.suspendable
        try:
            shell.contained(lambda: shell.checked(command))
        except Suspended as wait:
            if wait.until is None:
                # A server: its own entry stays; the shell around it has no more to do.
                if wait.pid != pid:
                    self.machine.processes.pop(pid, None)
                    self.last_job = wait.pid or pid
                return
            job.argv = [shell.process.argv[0], "-c", text]
            job.frames = [{"job": text, "state": shell.snapshot(), "frames": wait.frames}]
            job.until = wait.until
            return
        except BrokenPipe:
            pass
        self.machine.processes.pop(pid, None)

    # Compound commands

    def _if(self, node: If) -> int:
        position = self._resume.pop(0) if self._resume else 0
        count = len(node.branches)
        while position < 2 * count:
            index, in_body = divmod(position, 2)
            condition, body = node.branches[index]
            try:
                if in_body:
                    return self.sequence(body)
                self._quiet += 1
                try:
                    status = self.sequence(condition)
                finally:
                    self._quiet -= 1
            except Suspended as wait:
                wait.frames.insert(0, position)
                raise
            position = position + 1 if status == 0 else 2 * (index + 1)
        if node.otherwise is None:
            return 0
        try:
            return self.sequence(node.otherwise)
        except Suspended as wait:
            wait.frames.insert(0, position)
            raise

    def _while(self, node: While) -> int:
        in_body = bool(self._resume.pop(0)) if self._resume else False
        status = 0
        self.loops += 1
        try:
            while True:
                self.budget.step()
                try:
                    if not in_body:
                        self._quiet += 1
                        try:
                            found = self.sequence(node.condition)
                        finally:
                            self._quiet -= 1
                        if (found == 0) == node.until:
                            return status
                        in_body = True
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        return 0
                except Suspended as wait:
                    wait.frames.insert(0, int(in_body))
                    wait.endless = wait.endless or _never_ends(node, self.options)
                    raise
                in_body = False
        finally:
            self.loops -= 1

    def _leaves(self, control: LoopControl) -> bool:
        """Whether this loop ends: `break`, or a `continue` of an outer loop."""
        if control.levels > 1 and self.loops > 1:
            control.levels -= 1
            raise control
        return not control.again

    def _for(self, node: For) -> int:
        if self._resume:
            index, values = self._resume.pop(0)
            resumed = True
        else:
            values = list(self.positional) if node.words is None else self.expand.words(node.words)
            index, resumed = 0, False
        status = 0
        self.loops += 1
        try:
            while index < len(values):
                self.budget.step()
                if not resumed:
                    self.assign_text(node.name, values[index])
                resumed = False
                try:
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        break
                except Suspended as wait:
                    wait.frames.insert(0, [index, values])
                    raise
                index += 1
        finally:
            self.loops -= 1
        return status

    def _arithmetic_for(self, node: ArithmeticFor) -> int:
        resumed = bool(self._resume)
        if self._resume:
            self._resume.pop(0)
        else:
            self.expand.arithmetic(self.expand.text(node.start))
        status = 0
        self.loops += 1
        try:
            while (
                resumed
                or not node.condition[0][1]
                or self.expand.arithmetic(self.expand.text(node.condition))
            ):
                self.budget.step()
                resumed = False
                try:
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        break
                except Suspended as wait:
                    wait.frames.insert(0, 1)
                    raise
                self.expand.arithmetic(self.expand.text(node.step))
        finally:
            self.loops -= 1
        return status

    def _case(self, node: Case) -> int:
        index = self._resume.pop(0) if self._resume else -1
        if index < 0:
            subject = self.expand.text(node.word)
            index = next(
                (
                    n
                    for n, (choices, _, _) in enumerate(node.items)
                    if any(patterns.matches(subject, self.expand.pattern(choice)) for choice in choices)
                ),
                len(node.items),
            )
        status = 0
        while index < len(node.items):
            _, body, ending = node.items[index]
            try:
                status = self.sequence(body) if body.items else 0
            except Suspended as wait:
                wait.frames.insert(0, index)
                raise
            if ending != ";&":
                break
            index += 1
        return status

    def _group(self, node: Group) -> int:
        return self.sequence(node.body)

    def _subshell(self, node: Subshell) -> int:
        shell = self.fork(dict(self.fds))
        if self._resume:
            shell.restore(self._resume.pop(0))
            shell._resume, self._resume = self._resume, None
        try:
            return shell.contained(lambda: shell.sequence(node.body))
        except Suspended as wait:
            wait.frames.insert(0, shell.snapshot())
            raise

    def _redirected(self, node: Redirected) -> int:
        kept = self.fds
        try:
            self.fds = self.redirected(node.redirects, again=self._resume is not None)
            return self.run(node.command)
        except RedirectFailed:
            return self.flavour.redirect_status
        finally:
            self.fds = kept

    def _define(self, node: Function) -> int:
        self.functions[node.name] = node
        return 0

    def _arithmetic(self, node: Arithmetic) -> int:
        self.line = node.line
        try:
            return int(self.expand.arithmetic(self.expand.text(node.expression)) == 0)
        except ExpansionFailed:
            return 1

    def _condition(self, node: Condition) -> int:
        from kubesim.runtime.shell.conditions import double_bracket

        self.line = node.line
        self.budget.step()
        return double_bracket(self, node.tree)

    # Redirections

    def redirected(self, redirects: list[Redirect], *, again: bool = False) -> dict[int, Any]:
        """The descriptors after some redirections. With `again` files are not emptied. Raises RedirectFailed."""
        fds = dict(self.fds)
        for redirect in redirects:
            target = self.expand.text(redirect.target)
            self._apply(fds, redirect.fd, redirect.op, target, again=again)
        return fds

    def _apply(self, fds: dict[int, Any], fd: int, op: str, target: str, *, again: bool) -> None:
        process = self.process
        process.files = {n: stream for n, stream in fds.items() if n > 2}
        writing = op in (">", ">>", ">|", "&>", "&>>", "<>")
        try:
            if op == "<<":
                fds[fd] = BytesReader(target.encode("utf-8", "surrogateescape"))
            elif op == "<<<":
                fds[fd] = BytesReader((target + "\n").encode("utf-8", "surrogateescape"))
            elif op in (">&", "<&"):
                self._duplicate(fds, fd, target, again=again)
            elif op == "<":
                fds[fd] = self._open(fds, target, reading=True)
            else:
                append = op in (">>", "&>>", "<>") or again
                stream = self._open(fds, target, reading=False, append=append)
                fds[fd] = stream
                if op.startswith("&"):
                    fds[2] = stream
        except OSError as error:
            self.complain(self.flavour.redirect(target, error.errno or 0, writing=writing))
            raise RedirectFailed from None

    def _open(self, fds: dict[int, Any], name: str, *, reading: bool, append: bool = False) -> Any:
        process = self.process
        if not name:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        kept = process.stdin, process.out, process.err
        process.stdin, process.out, process.err = fds.get(0, Null()), fds.get(1, Null()), fds.get(2, Null())
        try:
            return (
                process.open_reader(process.path(name))
                if reading
                else process.open_writer(process.path(name), append=append)
            )
        finally:
            process.stdin, process.out, process.err = kept

    def _duplicate(self, fds: dict[int, Any], fd: int, target: str, *, again: bool) -> None:
        if target == "-":
            fds[fd] = Null()
        elif target.isdigit():
            number = int(target[:4])
            if number not in fds:
                self.complain(f"{target}: Bad file descriptor")
                raise RedirectFailed
            fds[fd] = fds[number]
        else:
            stream = self._open(fds, target, reading=False, append=again)
            fds[fd] = stream
            if fd == 1:
                fds[2] = stream

    # Simple commands

    def _simple(self, node: Simple) -> int:
        if self._resume is not None:
            return self._resume_simple(node)
        self.budget.step()
        if self.process.timeline.ahead:
            wait = Suspended(self.process.timeline.now())
            wait.frames.append({"again": True})
            raise wait
        self.line = node.line
        self._substitution_status = None
        argv = self.expand.words(node.words)
        if argv and argv[0] in self.aliases and node.words[0][0][0] == "lit":
            argv[:1] = self.aliases[argv[0]].split()
        if "x" in self.options:
            self._trace(node, argv)
        if not argv:
            return self._assignments_only(node)
        from kubesim.runtime.shell import builtins

        name = argv[0]
        function = self.functions.get(name)
        builtin = builtins.find(name, self.flavour) if function is None else None
        special = builtin is not None and name in builtins.SPECIAL
        kept_fds = self.fds
        try:
            if node.redirects:
                self.fds = self.redirected(node.redirects)
            if function is None and builtin is None:
                env = self._assigned_environment(node.assignments)
                return self._external(argv, env, None, last=node is self._last)
            kept = self._assign_for(node.assignments, keep=special)
            try:
                if function is not None:
                    return self._call(function, argv)
                assert builtin is not None  # noqa: S101 - told above
                status = builtin(self, argv)
                if name == "exec" and len(argv) == 1:
                    kept_fds = self.fds
                    self.kept_redirects += [[r.fd, r.op, self.expand.text(r.target)] for r in node.redirects]
                return status
            finally:
                self._unassign(kept)
        except RedirectFailed:
            if special and self.flavour.special_exits and self.origin.mode != "interactive":
                raise Exit(self.flavour.redirect_status) from None
            return self.flavour.redirect_status
        finally:
            self.fds = kept_fds

    def _trace(self, node: Simple, argv: list[str]) -> None:
        from kubesim.runtime.shell import builtins

        plain = self.flavour.name == "dash"
        busybox = self.flavour.name == "busybox"

        def shown(word: str) -> str:
            return word if plain else builtins.quoted(word, busybox=busybox)

        values = [(a.name, self.expand.text(a.value)) for a in node.assignments if not isinstance(a.value, list)]
        words = [f"{name}={shown(value)}" for name, value in values] + [shown(word) for word in argv]
        self.write(f"{self.get('PS4') or '+ '}{' '.join(words)}\n", 2)

    def _assignments_only(self, node: Simple) -> int:
        for assignment in node.assignments:
            self._assign(assignment)
        if node.redirects:
            try:
                self.redirected(node.redirects)
            except RedirectFailed:
                return self.flavour.redirect_status
        return self._substitution_status or 0

    def _assign(self, assignment: Assignment) -> None:
        name, value = assignment.name, assignment.value
        if isinstance(value, list):
            values = self.expand.words(value)
            self.assign_text(name, [*self.array(name), *values] if assignment.append else values)
            return
        text = self.expand.text(value)
        if assignment.index is not None:
            values = self.array(name)
            position = self.expand.arithmetic(self.expand.text(assignment.index))
            if not 0 <= position < 100_000:
                self.complain(f"{name}[{position}]: bad array subscript")
                raise ExpansionFailed(1)
            values += [""] * (position + 1 - len(values))
            values[position] = values[position] + text if assignment.append else text
            self.assign_text(name, values)
            return
        if assignment.append:
            text = (self.get(name) or "") + text
        self.assign_text(name, text)

    def _assigned_environment(self, assignments: list[Assignment]) -> dict[str, str]:
        if not assignments:
            return self.environment()
        kept = self._assign_for(assignments, keep=False)
        try:
            return self.environment()
        finally:
            self._unassign(kept)

    def _assign_for(self, assignments: list[Assignment], *, keep: bool) -> list[tuple[str, Any, bool]]:
        """Set and export variables for one command; what to put back afterwards."""
        kept = []
        for assignment in assignments:
            name = assignment.name
            if not keep:
                kept.append((name, self.variables.get(name), name in self.exported))
            self._assign(assignment)
            if not keep:
                self.exported.add(name)
        return kept

    def _unassign(self, kept: list[tuple[str, Any, bool]]) -> None:
        for name, value, exported in reversed(kept):
            if value is None:
                self.variables.pop(name, None)
            else:
                self.variables[name] = value
            if not exported:
                self.exported.discard(name)

    def _call(
        self, function: Function, argv: list[str], resume: tuple[list[str], dict[str, Any], dict[str, Any]] | None = None
    ) -> int:
        if self.calls >= MAX_CALLS:
            text = (
                "Maximum function recursion depth (1000) reached"
                if not self.flavour.bash
                else f"{argv[0]}: maximum function nesting level exceeded ({MAX_CALLS})"
            )
            self.complain(text)
            raise Stopped("stopped: functions call each other too deeply", 2)
        kept = self.positional
        self.positional = argv[1:] if resume is None else resume[0]
        self.locals.append({} if resume is None else resume[1])
        self.calls += 1
        if resume is not None:
            self._drop_locals(resume[2])
        loops, self.loops = self.loops, 0
        try:
            return self.run(function.body)
        except Return as back:
            return back.status
        except Suspended as wait:
            frame = self.locals[-1]
            inside = {name: self.variables.get(name) for name in frame}
            wait.frames.insert(
                0, {"call": argv, "positional": self.positional, "locals": frame, "inside": inside}
            )
            raise
        finally:
            self.loops = loops
            self.calls -= 1
            self.positional = kept
            self._drop_locals(self.locals.pop())

    def _drop_locals(self, frame: dict[str, Any]) -> None:
        for name, value in frame.items():
            if value is None:
                self.variables.pop(name, None)
            else:
                self.variables[name] = value

    def _external(
        self, argv: list[str], env: dict[str, str], frames: list[Any] | None, *, last: bool = False
    ) -> int:
        process = self.process
        fds = self.fds
        child = process.child(
            argv, env=env, stdin=fds.get(0, Null()), out=fds.get(1, Null()), err=fds.get(2, Null())
        )
        child.files = {n: stream for n, stream in fds.items() if n > 2}
        child.resume = frames
        try:
            if last and not (self.forks or self.calls or self.traps or self.origin.mode == "interactive"):
                self.machine.load(child)
                child.argv = argv
                child.pid, child.parent = process.pid, process.parent
                raise Replaced(child)
            return self.machine.run(child)
        except OSError as error:
            return self._cannot_run(argv[0], error)
        except Interrupted:
            if self.origin.mode == "interactive":
                self.write("\n", 2)
                return 130
            raise
        except Suspended as wait:
            wait.frames.insert(0, {"run": True, "env": env if frames is None else None})
            raise

    def run_external(self, argv: list[str]) -> int:
        """Run a program, whatever functions have its name (`command`)."""
        return self._external(argv, self.environment(), None)

    def _cannot_run(self, name: str, error: OSError) -> int:
        if "/" not in name:
            if error.errno == errno.ENOENT and error.filename in (None, name):
                self.complain(self.flavour.not_found(name))
                return 127
        elif error.errno == errno.EACCES and self.machine.fs.is_directory(self.process.path(name)):
            error = OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        text, status = self.flavour.cannot_run(name, error.errno or 0)
        self.complain(text)
        return status

    def _resume_simple(self, node: Simple) -> int:
        """Go on in a command that had waited."""
        frames = self._resume or []
        self._resume = None
        if not frames:  # a built-in that waited for input: it has taken nothing in yet
            return self._simple(node)
        frame = frames.pop(0)
        if "again" in frame:
            return self._simple(node)
        self.line = node.line
        kept_fds = self.fds
        try:
            if node.redirects:
                self.fds = self.redirected(node.redirects, again=True)
            if "call" in frame:
                function = self.functions[frame["call"][0]]
                self._resume = frames
                return self._call(function, frame["call"], (frame["positional"], frame["locals"], frame["inside"]))
            if "source" in frame:
                return self.run_source(frame["source"], resume=frames)
            if "wait" in frame:
                from kubesim.runtime.shell import builtins

                return builtins.wait(self, frame["wait"])
            argv = frames.pop(0)
            return self._external(argv, frame.get("env") or self.environment(), frames)
        except RedirectFailed:
            return self.flavour.redirect_status
        finally:
            self.fds = kept_fds

    # Keeping and restoring

    def snapshot(self) -> dict[str, Any]:
        """What a shell is, as JSON, for going on later."""
        return {
            "variables": {k: v for k, v in self.variables.items() if k != "PWD"},
            "exported": sorted(self.exported),
            "readonly": sorted(self.readonly),
            "functions": {name: f.text for name, f in self.functions.items()},
            "options": sorted(self.options),
            "traps": self.traps,
            "positional": self.positional,
            "cwd": self.cwd,
            "status": self.status,
            "last_job": self.last_job,
            "redirects": self.kept_redirects,
            "loops": self.loops,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        self.variables = dict(kept["variables"])
        self.exported = set(kept["exported"])
        self.readonly = set(kept["readonly"])
        self.options = set(kept["options"])
        self.traps = dict(kept["traps"])
        self.positional = list(kept["positional"])
        self.status = kept["status"]
        self.last_job = kept["last_job"]
        self._set_directory(kept["cwd"])
        for text in kept["functions"].values():
            node = Parser(text, bash=self.flavour.bash).line()
            if node is not None and isinstance(node.items[0][0], Function):
                self.functions[node.items[0][0].name] = node.items[0][0]
        self.kept_redirects = list(kept["redirects"])
        for fd, op, target in self.kept_redirects:
            try:
                self._apply(self.fds, fd, op, target, again=True)
            except RedirectFailed:
                continue

    def resume_with(self, frames: list[Any]) -> None:
        """Go on inside the next construct that runs."""
        self._resume = frames


_RUN: dict[type, Callable[[Shell, Any], int]] = {
    Simple: Shell._simple,
    Pipeline: Shell._pipeline,
    AndOr: Shell._and_or,
    If: Shell._if,
    While: Shell._while,
    For: Shell._for,
    ArithmeticFor: Shell._arithmetic_for,
    Case: Shell._case,
    Group: Shell._group,
    Subshell: Shell._subshell,
    Redirected: Shell._redirected,
    Function: Shell._define,
    Condition: Shell._condition,
    Arithmetic: Shell._arithmetic,
    Sequence: Shell.sequence,
}

_AT_INPUT = {"input": True}
"""The frame of a pipeline whose first part waits for input: it begins again."""

_ENDING = frozenset(("break", "exit", "return", "exec", "kill", "eval", ".", "source"))


def _last_command(node: Any) -> Simple | None:
    """The simple command that is the last to run below a node, whatever happens before it."""
    while True:
        if isinstance(node, Simple):
            return node
        if isinstance(node, AndOr):
            node = node.rest[-1][1]
        elif isinstance(node, Sequence) and node.items and node.items[-1][1] is None:
            node = node.items[-1][0]
        elif isinstance(node, Group):
            node = node.body
        else:
            return None


def _never_ends(node: While, options: set[str]) -> bool:
    """Whether a loop can be seen to be endless: `while true` without anything in its body that could leave it."""
    if node.until or "e" in options or "u" in options:
        return False
    items = node.condition.items
    if len(items) != 1 or not isinstance(items[0][0], Simple) or len(items[0][0].words) != 1:
        return False
    word = items[0][0].words[0]
    if len(word) != 1 or word[0][0] != "lit" or word[0][1] not in ("true", ":"):
        return False
    return not any(name in _ENDING for name in _names(node.body))


def _names(node: Any) -> list[str]:
    """The names of the commands below a node."""
    if isinstance(node, Simple):
        word = node.words[0] if node.words else ()
        return [str(word[0][1])] if len(word) == 1 and word[0][0] == "lit" else (["eval"] if word else [])
    if isinstance(node, (list, tuple)):
        return [name for item in node for name in _names(item)]
    if isinstance(node, str) or node is None:
        return []
    slots = getattr(type(node), "__slots__", ())
    return [name for slot in slots for name in _names(getattr(node, slot))]
