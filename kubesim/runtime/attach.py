"""Running on a main process that waits for input, on the streams of whoever attaches to it (`runtime.attachment`)."""

from __future__ import annotations

from collections.abc import Callable

from kubesim.runtime.attachment import AttachedInput, AttachedOutput, Attachment, Ended
from kubesim.runtime.exec import ExecContainers
from kubesim.runtime.execution import not_started
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.process import Interrupted, Process, Stopped, Suspended, Timeline
from kubesim.runtime.spec import Streams
from kubesim.runtime.stored import locked


class AttachContainers(ExecContainers):
    """Attaches to what runs."""

    @locked
    def awaits_input(self, container_id: str) -> bool:
        """Whether its main process waits for input, which an attachment can give. Raises NotRunning."""
        container = self._running(container_id)
        return container.awaits_input and not container.attached

    @locked
    def attach(
        self, container_id: str, streams: Streams, *, wait: Callable[[float], None] | None = None
    ) -> None:
        """Run on a main process that waits for input, on these streams; returns when it has ended, waits for
        something else, or waits again with nobody to give it input.

        `wait` lets time pass where the process sleeps. Raises NotRunning, and KeyboardInterrupt where the attaching
        side, not being a terminal, was interrupted.
        """
        container = self._running(container_id)
        if not container.awaits_input or container.attached:
            return
        streams = self._unlocked(container, streams)
        wait = self._releasing(container, wait) if wait is not None else None
        attachment = Attachment(
            streams,
            once=container.spec.stdin_once,
            before_reading=lambda changed: self._before_reading(container, changed=changed),
        )
        process, stdin = self._attached(container, attachment, wait)
        container.attached = True
        try:
            code = self._run_attached(container, process)
        finally:
            container.attached = False
        container.input_closed = container.input_closed or attachment.closed
        container.unread = stdin.unread
        if self.has_ended(container_id):
            self._drop(container)
        elif code is None:
            self._keep(container)
        else:
            self._finish(container, code, self._now())
        self._flush_talk()
        if attachment.gone:
            raise KeyboardInterrupt

    @locked
    def interrupt(self, container_id: str) -> None:
        """Ctrl-C at the container's terminal: a main process that handles it ends. Raises NotRunning."""
        container = self._running(container_id)
        handled = container.machine.processes[1].exit_on
        # A server that ends in order on SIGTERM does so on SIGINT; without a handler process 1 gets neither.
        container.machine.kill(1, 15 if 15 in handled else 2)
        self._after_execution(container)

    def _before_reading(self, container: LoadedContainer, *, changed: bool) -> None:
        """Others see what has been done so far; what they did may be the end of it."""
        if self.has_ended(container.spec.id):
            raise Ended
        if changed:
            self._keep(container)

    def _attached(
        self, container: LoadedContainer, attachment: Attachment, wait: Callable[[float], None] | None
    ) -> tuple[Process, AttachedInput]:
        """The main process, where it waited, on the streams of an attachment."""
        machine, streams, tty = container.machine, attachment.streams, container.spec.tty
        timeline = Timeline(self._now, suspendable=True)
        timeline.wait = attachment.waiting(wait, timeline)
        out_log, err_log = self._streams(container, timeline)
        out = AttachedOutput(out_log, attachment, streams.stdout)
        err = out if tty else AttachedOutput(err_log, attachment, streams.stderr)
        stdin = AttachedInput(attachment, out.show if tty else None, container.unread)
        entry = machine.processes[1]
        process = machine.process(
            list(entry.argv),
            stdin=stdin,
            out=out,
            err=err,
            pid=1,
            timeline=timeline,
            interactive=tty,
            interrupted=streams.interrupted,
        )
        if entry.env:
            process.env = dict(entry.env)
        process.cwd = container.cwd
        process.resume = container.frames
        return process, stdin

    def _run_attached(self, container: LoadedContainer, process: Process) -> int | None:
        """The exit code; None where the process has not ended."""
        try:
            return container.machine.run(process)
        except Suspended as pause:
            self._suspend(container, pause)
        except Ended:
            pass
        except Stopped as stop:
            process.error(f"{process.name}: {stop.text}")
            return stop.code
        except (Interrupted, KeyboardInterrupt):
            return 130
        except RecursionError:
            process.error(f"{process.name}: stopped: nested too deeply")
            return 137
        except OSError as error:
            return not_started(process, error)
        return None
