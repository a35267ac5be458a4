"""Commands that others run in a container, and how what they did there is kept.

A command gives up the runtime's lock while it waits for input, for time to pass or for a reader of its output; the container
may have ended, gone or been run on by another process when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from kubesim.runtime.attachment import Ended
from kubesim.runtime.execution import execute
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.running import KILLED, RunningContainers
from kubesim.runtime.spec import Streams
from kubesim.runtime.stored import locked

P = ParamSpec("P")
R = TypeVar("R")


class ExecContainers(RunningContainers):
    """Runs commands in what runs."""

    @locked
    def exec(
        self,
        container_id: str,
        argv: Iterable[str],
        streams: Streams,
        *,
        wait: Callable[[float], None] | None = None,
        took: Callable[[float], None] | None = None,
    ) -> int:
        """Run a command in a running container; its exit code. `wait` lets time pass where the command sleeps,
        `took` is told how long it took.

        Raises ExecError, NotRunning.
        """
        container = self._running(container_id)
        wait = wait or self._wait
        container.commands += 1
        try:
            return execute(
                container.machine,
                list(argv),
                self._unlocked(container, streams),
                wait=self._releasing(container, wait) if wait is not None else None,
                took=took,
            )
        except Ended:
            return KILLED
        finally:
            container.commands -= 1
            self._after_execution(container)
            self._flush_talk()

    @locked
    def exec_capture(
        self, container_id: str, argv: Iterable[str], data: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        """Run a command; exit code, standard output, standard error. For probes, hooks and scripts."""
        streams, out, err = Streams.captured(data)
        code = self.exec(container_id, argv, streams)
        return code, bytes(out), bytes(err)

    @locked
    def flush(self) -> None:
        """Keep what applications have logged and changed since the last time."""
        self._talked = {}
        for container in list(self._alive.values()):
            self._flush(container)

    @locked
    def flush_talked(self) -> None:
        """The same for those alone to whose applications somebody may have talked since the last time."""
        self._flush_talk()

    def _unlocked(self, container: LoadedContainer, streams: Streams) -> Streams:
        """The same streams; others may do something while these are waited for."""

        def writer(write: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
            waiting, is_ready = self._releasing(container, write, ends=False), streams.is_ready

            def send(data: bytes) -> None:
                # Nobody comes between two lines of a command that lists what others could change.
                if is_ready is not None and is_ready():
                    write(data)
                else:
                    waiting(data)

            return send

        return replace(
            streams,
            stdout=writer(streams.stdout),
            stderr=writer(streams.stderr),
            stdin=self._releasing(container, streams.stdin) if streams.stdin is not None else None,
        )

    def _releasing(
        self, container: LoadedContainer, call: Callable[P, R], *, ends: bool = True
    ) -> Callable[P, R]:
        """A call that is made without the lock. Raises Ended where the container has ended or gone meanwhile, unless not
        `ends`.
        """

        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if ends:
                self._flush_talk()  # while this one waits, others look at whom it has talked to
            self.lock.release()
            try:
                return call(*args, **kwargs)
            finally:
                self.lock.acquire()
                if ends and not self._is_there(container):
                    raise Ended

        return run

    def _is_there(self, container: LoadedContainer) -> bool:
        """Whether a container runs and nobody has forgotten it, or loaded it anew."""
        return container.state.running and self._alive.get(container.spec.id) is container

    # What commands and applications did

    def _flush(self, container: LoadedContainer) -> None:
        if container.in_use and container.unsaved:
            self._keep(container)
        elif container.unsaved:
            self._after_execution(container)

    def _flush_talk(self) -> None:
        """The same for those to whose applications somebody may have talked."""
        talked, self._talked = self._talked, {}
        for container_id in talked:
            if (container := self._alive.get(container_id)) is not None:
                self._flush(container)

    def _after_execution(self, container: LoadedContainer) -> None:
        if self._alive.get(container.spec.id) is not container:
            return  # it has been removed while the command ran
        with self._store.atomic():
            record = self._store.get(f"runtime/{container.spec.id}/container")
            if container.is_kept and record != container.kept:
                self._overtaken(container, is_there=record is not None)
            else:
                self._keep_execution(container)

    def _overtaken(self, container: LoadedContainer, *, is_there: bool) -> None:
        """Another process has run the container on while a command ran in it: what that made of it is what it is. The
        command's files and lines are added, and its end, if the command brought it about; jobs that it left behind
        are not.
        """
        self._drop(container)
        if not is_there:
            return
        self._keep_files(container)
        container.journal.flush()
        theirs = self._get(container.spec.id)
        if container.machine.ended is not None and theirs.state.running:
            self._finish(theirs, container.machine.ended, self._now())
            self.on_exit(container.spec.id)
        else:
            self._keep(theirs)  # so that it is seen that something has changed

    def _keep_execution(self, container: LoadedContainer) -> None:
        if container.machine.ended is not None or container.machine.woken is not None:
            self._advance(container, self._now())
            if not container.state.running:
                self.on_exit(container.spec.id)
        self._keep(container)

    def _application_changed(self, container: LoadedContainer) -> None:
        container.dirty = True
        if container.machine.ended is not None:
            self._after_execution(container)
