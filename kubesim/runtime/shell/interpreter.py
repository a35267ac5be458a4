"""The shell's interpreter: runs the syntax tree against a simulated process.

Where a command waits (`Suspended`), each construct on the way out adds where it stood to the exception's frames. On the
way back in, `self._resume` holds those frames, outermost first, and each construct takes its own and goes on there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, ClassVar

from kubesim.runtime.machine import SIGNALS
from kubesim.runtime.process import (
    PIPE_CAPACITY,
    BrokenPipe,
    Buffer,
    BytesReader,
    Interrupted,
    Null,
    Replaced,
    Stopped,
    Suspended,
    Timeline,
)
from kubesim.runtime.shell.builtins_common import SPECIAL, quoted
from kubesim.runtime.shell.compound import Compound
from kubesim.runtime.shell.control import Exit, LoopControl, RedirectFailed, Return
from kubesim.runtime.shell.expansion import Expander, ExpansionFailed
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
    Redirected,
    Sequence,
    Simple,
    Subshell,
    SyntaxProblem,
    While,
)

MAX_CALLS = 40  # each nested call takes about a dozen Python frames
MAX_FORKS = 40

_AT_INPUT = {"input": True}
"""The frame of a pipeline whose first part waits for input: it begins again."""


class Shell(Compound):
    """One shell, or a subshell of it."""

    def run_source(
        self,
        text: str,
        *,
        line: int = 1,
        resume: list[Any] | None = None,
        exits: bool = False,
        builtin: str = "",
    ) -> int:
        """Run a text line by line. A syntax error ends it with status 2. `builtin` is the one that was given it.

        With `exits` the shell ends with the text: a program in the last place takes over its process, as in dash and
        bash, so that `sh -c "…; nginx -g 'daemon off;'"` leaves nginx as process 1.
        """
        parser = Parser(text, bash=self.flavour.bash, extended=self.flavour.extended, line=line)
        if resume is not None:
            parser.position, parser.line_number = resume.pop(0)
            self._resume = resume
        while True:
            position, number = parser.position, parser.line_number
            try:
                node = parser.line()
            except SyntaxProblem as problem:
                self._say_syntax(problem, builtin)
                self.status = self.flavour.syntax_exit(problem)
                if self.origin.mode == "interactive" or (builtin and self.flavour.bash):
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

    def _say_syntax(self, problem: SyntaxProblem, builtin: str) -> None:
        for line in self.flavour.syntax(self.origin, problem, builtin):
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
        if not status or "e" not in self.options or self._quiet:
            return status
        if not isinstance(node, AndOr) and not (isinstance(node, Pipeline) and node.negate):
            raise Exit(status)
        return status

    def run(self, node: Any) -> int:
        self.status = self._RUN[type(node)](self, node)
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
        cut = False
        statuses = []
        waits: Suspended | None = None
        timeline = self.process.timeline.detached()
        last = len(node.commands) - 1
        for n, command in enumerate(node.commands):
            fds = dict(self.fds)
            fds[0] = data
            buffer = Buffer(PIPE_CAPACITY, pipe=True)
            ran_out = False
            if n < last:
                fds[1] = buffer
                if node.stderr_too[n]:
                    fds[2] = buffer
            # A producer may use half of what is left, so that its readers, who come after it, still can work.
            reserve = self.budget.steps // 2 if n < last and self.forks < 2 else 0
            self.budget.steps -= reserve
            try:
                statuses.append(self._in_subshell(command, fds, timeline))
            except Stopped:
                if self.budget.steps >= 0 or not buffer.data:
                    raise
                self.budget.steps = 0
                statuses.append(141)
                ran_out = True
            except Suspended as wait:
                if wait.for_input:
                    wait.frames = [_AT_INPUT]  # the first part reads; nothing has come of the pipe yet
                    raise
                waits = wait
                statuses.append(0)
            except BrokenPipe:
                statuses.append(141)
            finally:
                self.budget.steps += reserve
            cut = buffer.full or ran_out or (cut and data.wants_more)
            data = BytesReader(bytes(buffer.data))
        self.process.timeline.join(timeline)
        if waits is not None:
            waits.frames.clear()
            raise waits
        if cut:  # what read to the end has seen a part alone, and its answer is wrong
            raise Stopped("stopped: a simulated pipe carries no more than 8 MiB, and 200000 steps")
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
            self.ended_jobs[pid] = shell.contained(lambda: shell.checked(command))
        except Suspended as wait:
            if wait.until is None:
                # A server: its own entry stays; the shell around it has no more to do.
                if wait.pid != pid:
                    self.machine.processes.pop(pid, None)
                    self.last_job = wait.pid or pid
                    if self.last_job in self.machine.processes:
                        self.machine.processes[self.last_job].ppid = self.process.pid
                return
            job.argv = [shell.process.argv[0], "-c", text]
            job.frames = [{"job": text, "state": shell.snapshot(), "frames": wait.frames}]
            job.until = wait.until
            return
        except BrokenPipe:
            pass
        self.machine.processes.pop(pid, None)

    def _subshell(self, node: Subshell) -> int:
        shell = self.fork(dict(self.fds))
        if self._resume:
            shell.restore(self._resume.pop(0))
            shell._resume, self._resume = self._resume, None  # noqa: SLF001 - the same class
        try:
            return shell.contained(lambda: shell.sequence(node.body))
        except Suspended as wait:
            wait.frames.insert(0, shell.snapshot())
            raise

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
        special = builtin is not None and name in SPECIAL
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

        plain = self.flavour.name == "dash"
        busybox = self.flavour.name == "busybox"

        def shown(word: str) -> str:
            return word if plain else quoted(word, busybox=busybox)

        values = [
            (a.name, self.expand.text(a.value)) for a in node.assignments if not isinstance(a.value, list)
        ]
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
        self,
        function: Function,
        argv: list[str],
        resume: tuple[list[str], dict[str, Any], dict[str, Any]] | None = None,
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
                return self._call(
                    function, frame["call"], (frame["positional"], frame["locals"], frame["inside"])
                )
            if "source" in frame:
                return self.run_source(frame["source"], resume=frames)
            if "wait" in frame:
                from kubesim.runtime.shell import builtins_jobs

                return builtins_jobs.wait(self, frame["wait"])
            argv = frames.pop(0)
            return self._external(argv, frame.get("env") or self.environment(), frames)
        except RedirectFailed:
            return self.flavour.redirect_status
        finally:
            self.fds = kept_fds

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
            node = Parser(text, bash=self.flavour.bash, extended=self.flavour.extended).line()
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

    _RUN: ClassVar[dict[type, Callable[[Any, Any], int]]] = {
        Simple: _simple,
        Pipeline: _pipeline,
        AndOr: _and_or,
        If: Compound.if_command,
        While: Compound.while_command,
        For: Compound.for_command,
        ArithmeticFor: Compound.arithmetic_for_command,
        Case: Compound.case_command,
        Group: Compound.group_command,
        Subshell: _subshell,
        Redirected: Compound.redirected_command,
        Function: Compound.define_command,
        Condition: Compound.condition_command,
        Arithmetic: Compound.arithmetic_command,
        Sequence: sequence,
    }


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
