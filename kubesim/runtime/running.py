"""The course of a container's processes in simulated time.

The main process runs until it waits beyond the clock, serves or ends; where it stands is a list of frames, from which a
later look goes on. What is due is played in order of time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kubesim.runtime.attachment import AwaitedInput
from kubesim.runtime.execution import not_started
from kubesim.runtime.filesystem import FILE
from kubesim.runtime.journal import STDERR, STDOUT
from kubesim.runtime.launch import signal_number
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.machine import JournalWriter, ProcessEntry
from kubesim.runtime.process import Budget, Null, Process, Stopped, Suspended, Timeline
from kubesim.runtime.spec import ContainerState, NotRunning
from kubesim.runtime.stored import StoredContainers

MAIN_STEPS = 100_000
KILLED = 137
# Of a loop that was not watched for long only the last turns, of 64 sleeps each, are played.
CATCH_UP_TURNS = 6
MESSAGE_LIMIT = 4096  # pkg/kubelet/kuberuntime: MaxContainerTerminationMessageLength


class RunningContainers(StoredContainers):
    """Runs what is loaded."""

    def _running(self, container_id: str) -> LoadedContainer:
        container = self._get(container_id)
        self._advance(container, self._now())
        if not container.state.running:
            raise NotRunning(f"container {container_id} is not running")
        return container

    def _advance(self, container: LoadedContainer, now: float) -> None:
        """Play what is due, in order of time."""
        if not container.state.running:
            return
        began: dict[int, tuple[float, int]] = {}
        while container.state.running:
            self._check_ended(container)
            due = self._due(container, now)
            if due is None or not container.state.running:
                break
            pid, at = due
            start, turns = began.get(pid, (at, 0))
            began[pid] = (start, turns + 1)
            if turns == 2 and at > start:
                at = self._jump(container, pid, at, (at - start) / turns, now)
            if pid == 1 and container.ending is not None:
                self._finish(container, container.ending, at)
            elif pid == 1:
                self._run_main(container, at, resume=container.frames)
            else:
                self._run_background(container, container.machine.processes[pid])
            container.dirty = True
        if container.state.running:
            container.state = replace(container.state, look_again=self._look_again(container, now))

    def _due(self, container: LoadedContainer, now: float) -> tuple[int, float] | None:
        """The process that wakes first, and when."""
        found: tuple[int, float] | None = None
        machine = container.machine
        if container.attached:
            return self._due_in_background(container, now)
        if machine.woken is not None and container.frames is not None:
            return 1, now
        if container.until is not None and container.until <= now:
            found = (1, container.until)
        other = self._due_in_background(container, now)
        return other if found is None or (other is not None and other[1] <= found[1]) else found

    def _due_in_background(self, container: LoadedContainer, now: float) -> tuple[int, float] | None:
        found: tuple[int, float] | None = None
        for entry in container.machine.processes.values():
            if entry.frames is None or entry.until is None or entry.until > now:
                continue
            if found is None or entry.until <= found[1]:
                found = (entry.pid, entry.until)
        return found

    def _jump(self, container: LoadedContainer, pid: int, at: float, period: float, now: float) -> float:
        """Skip turns of a loop that nobody watched for long."""
        behind = (now - at) / period
        if behind <= CATCH_UP_TURNS:
            return at
        at += int(behind - CATCH_UP_TURNS) * period
        if pid != 1:
            container.machine.processes[pid].until = at
        return at

    def _look_again(self, container: LoadedContainer, now: float) -> datetime | None:
        """When the kubelet should come back. A loop that may end is asked ever more rarely: 2 % of its age."""
        if container.until is None or container.endless:
            return None
        age = now - container.state.started_at.timestamp()
        return datetime.fromtimestamp(max(container.until, now + age * 0.02 if age > 600 else 0.0), UTC)

    def _check_ended(self, container: LoadedContainer) -> None:
        code = container.machine.ended
        if code is not None and container.state.running:
            container.machine.ended = None
            self._finish(container, code, self._now())

    # Processes

    def _run_main(
        self,
        container: LoadedContainer,
        at: float,
        *,
        resume: list[Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Run the main process from a moment on, until it waits beyond the clock or ends."""
        machine = container.machine
        entry = machine.processes[1]
        process = self._process(container, at, clock or self._now, entry)
        process.resume = resume
        container.frames, container.until, container.awaits_input = None, None, False
        try:
            code = machine.run(process)
        except Suspended as wait:
            self._suspend(container, wait)
            return
        except Stopped as stop:
            if stop.code == 137:  # it computes for ever: so it does, without costing anything
                container.frames, container.until, container.endless = [], None, True
                return
            process.error(f"{process.name}: {stop.text}")
            code = stop.code
        except OSError as error:
            code = not_started(process, error)
        end = process.timeline.now()
        if process.timeline.ahead:
            container.until, container.ending, container.endless = end, code, False
            return
        self._finish(container, code, end)

    def _suspend(self, container: LoadedContainer, wait: Suspended) -> None:
        """Keep where the main process stands."""
        container.machine.processes[1].argv = wait.frames[0]
        container.frames = wait.frames[1:]
        container.until = wait.until
        container.endless = wait.endless
        container.awaits_input = wait.for_input and wait.until is None
        container.machine.waiting_for = wait.pid if wait.until is None and wait.pid != 1 else None

    def _run_background(self, container: LoadedContainer, entry: ProcessEntry) -> None:
        machine = container.machine
        process = self._process(container, entry.until or self._now(), self._now, entry)
        process.resume = entry.frames
        try:
            machine.run(process)
        except Suspended as wait:
            entry.argv, entry.frames, entry.until = wait.frames[0], wait.frames[1:], wait.until
            return
        except (Stopped, OSError):
            pass  # nobody waits for it: a background job just ends
        machine.end(entry.pid, 0)

    def _process(
        self, container: LoadedContainer, at: float, clock: Callable[[], float], entry: ProcessEntry
    ) -> Process:
        timeline = Timeline(clock, at=at, suspendable=True)
        out, err = self._streams(container, timeline) if entry.logs else (Null(), Null())
        is_main, spec = entry.pid == 1, container.spec
        waits = is_main and (spec.stdin or spec.tty) and not container.input_closed
        process = container.machine.process(
            list(entry.argv),
            stdin=AwaitedInput() if waits else None,
            interactive=is_main and spec.tty,
            out=out,
            err=err,
            pid=entry.pid,
            timeline=timeline,
            budget=Budget(steps=MAIN_STEPS),
        )
        if entry.env:
            process.env = dict(entry.env)
        process.cwd = entry.cwd if entry.pid != 1 else container.cwd
        return process

    def _streams(self, container: LoadedContainer, timeline: Timeline) -> tuple[JournalWriter, JournalWriter]:
        machine = container.machine
        out = JournalWriter(machine, timeline, STDOUT)
        return out, out if container.spec.tty else JournalWriter(machine, timeline, STDERR)

    # Ending

    def _terminate(self, container: LoadedContainer, now: float, grace: float) -> tuple[int, float]:
        """How the main process takes its stop signal: exit code and moment."""
        machine = container.machine
        entry = machine.processes[1]
        number = signal_number(machine.image.stop_signal)
        if entry.service is not None and number in entry.exit_on:
            delay = float(entry.service.get("delay_shutdown", 0))
            return (
                (int(entry.service.get("exit_code", 0)), now + delay)
                if delay <= grace
                else (KILLED, now + grace)
            )
        if (
            number in entry.exit_on
            and container.frames is not None
            and (container.until or now) <= now + grace
        ):
            machine.signals.append(number)
            end = now + grace
            self._run_main(container, container.until or now, resume=container.frames, clock=lambda: end)
            if not container.state.running:
                return container.state.exit_code or 0, (
                    container.state.finished_at or self._clock.now()
                ).timestamp()
        return KILLED, now + grace

    def _finish(self, container: LoadedContainer, code: int, at: float) -> None:
        container.journal.finish()
        container.frames, container.until, container.awaits_input = None, None, False
        container.machine.processes.clear()
        container.machine.listening_changed()
        message = self._termination_message(container)
        container.ending = None
        container.state = replace(ended(container.state, code, at), running=False, message=message)
        self._keep(container)

    def _termination_message(self, container: LoadedContainer) -> str:
        node = container.machine.fs.find(container.spec.termination_message_path)
        return node.content().decode("utf-8", "replace")[:MESSAGE_LIMIT] if node and node.kind == FILE else ""


def ended(state: ContainerState, code: int, at: float) -> ContainerState:
    """The state with how and when it ends."""
    return replace(
        state,
        exit_code=code & 255,
        finished_at=datetime.fromtimestamp(at, UTC),
        reason="Completed" if code == 0 else "Error",
        look_again=None,
    )
