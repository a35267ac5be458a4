"""What whoever attaches to a container deals with: one run of its main process, its output and its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kubesim.runtime.spec import NotRunning, Streams

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.journal import LogLine


class PodAttachment:
    """One run of a container's main process. `changed` is called when something may have become of it."""

    def __init__(self, runtime: ContainerRuntime, container_id: str, *, changed: Callable[[], None]) -> None:
        self._runtime = runtime
        self._id = container_id
        self._changed = changed

    def output(self) -> tuple[list[LogLine], str]:
        """All that it has written, and what its last line has so far. Nothing once the container is forgotten."""
        self._runtime.look_anew()
        try:
            return self._runtime.log_lines(self._id), self._runtime.unfinished(self._id)
        except NotRunning:
            return [], ""

    def has_ended(self) -> bool:
        """Whether it has ended, in whatever process of ours."""
        ended = self._runtime.has_ended(self._id)
        if ended:
            self._changed()
        return ended

    def awaits_input(self) -> bool:
        """Whether it reads its standard input and nobody is attached."""
        try:
            return self._runtime.awaits_input(self._id)
        except NotRunning:
            return False

    def feed(self, streams: Streams, *, wait: Callable[[float], None] | None) -> None:
        """Run it on with these streams, until it has ended or waits for something else.

        `wait` lets time pass; without it time is skipped. Raises KeyboardInterrupt where the streams' owner, not being a
        terminal, has gone.
        """
        try:
            self._runtime.attach(self._id, streams, wait=wait)
        except NotRunning:
            return
        finally:
            self._changed()

    def interrupt(self) -> None:
        """Ctrl-C at its terminal."""
        try:
            self._runtime.interrupt(self._id)
        except NotRunning:
            return
        finally:
            self._changed()
