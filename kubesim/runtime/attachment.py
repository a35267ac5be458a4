"""Attaching to a main process: its standard input while nobody is attached, and while somebody is.

A main process that reads a standard input to which nobody is attached waits, as one that sleeps does: it is kept with
where it stood. Whoever attaches runs it on, in the attaching call itself: what it reads comes from there, what it writes
goes there and into the container's log. It ends, or waits again once the other side has let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from kubesim.runtime.machine import JournalWriter
from kubesim.runtime.process import Suspended, TerminalReader, Timeline
from kubesim.runtime.spec import Streams


class Ended(Exception):
    """The container has been ended from outside while its process was attached to."""


class Detached(Exception):
    """The other side has gone: raised by an attachment's input, or while it lets time pass."""


class AwaitedInput:
    """Standard input to which nobody is attached: reading it waits."""

    def read(self, size: int = -1) -> bytes:
        del size
        self._wait()

    def readline(self) -> bytes:
        self._wait()

    def _wait(self) -> NoReturn:
        raise Suspended(None, for_input=True)


class Attachment:
    """One attachment, from both sides.

    `before_reading` is called whenever the process is about to wait for input, with whether it has had any before.
    """

    def __init__(self, streams: Streams, *, once: bool, before_reading: Callable[[bool], None]) -> None:
        self.streams = streams
        self.closed = False
        """Whether the process's standard input is at its end from now on."""
        self.gone = False
        """Whether the other side has been interrupted: what is written from now on is for the log alone."""
        self._once = once
        self._before_reading = before_reading
        self._has_fed = False

    def read(self) -> bytes:
        """What the other side sends. An end of it at a terminal is Ctrl-D, else the process's input ends or waits."""
        if self.closed:
            return b""
        if self.streams.stdin is None:
            raise Suspended(None, for_input=True)
        self._before_reading(self._has_fed)
        data = b""
        if not self.gone:
            try:
                data = self.streams.stdin()
            except Detached:
                self.gone = True
            except KeyboardInterrupt:
                self._interrupt()
        self._has_fed = self._has_fed or bool(data)
        if data or (self.streams.tty and not self.gone):
            return data
        if not self._once:
            raise Suspended(None, for_input=True)
        self.closed = True
        return b""

    def waiting(self, wait: Callable[[float], None] | None, timeline: Timeline) -> Callable[[float], None]:
        """How the process sleeps: really, where `wait` can; when the other side goes meanwhile, it sleeps on alone."""

        def sleep(seconds: float) -> None:
            if wait is None:
                timeline.pass_by(seconds)
                return
            end = timeline.now() + seconds
            try:
                if not self.gone:
                    wait(seconds)
            except Detached:
                self.gone = True
            except KeyboardInterrupt:
                self._interrupt()
            if self.gone:
                self.closed = self.closed or self._once
                raise Suspended(end)

        return sleep

    def _interrupt(self) -> None:
        """Ctrl-C: a terminal's is the process's business, any other ends the attaching side."""
        if self.streams.tty:
            raise KeyboardInterrupt
        self.gone = True


class AttachedInput(TerminalReader):
    """Standard input that comes from the other side. `show` is told what has been taken of it: a terminal's echo."""

    def __init__(self, attachment: Attachment, show: Callable[[bytes], None] | None, unread: bytes) -> None:
        super().__init__(attachment.read)
        self._show = show
        self._buffer = unread

    @property
    def unread(self) -> bytes:
        """What was sent and not taken."""
        return self._buffer

    def read(self, size: int = -1) -> bytes:
        return self._shown(super().read(size))

    def readline(self) -> bytes:
        return self._shown(super().readline())

    def _shown(self, data: bytes) -> bytes:
        if self._show is not None:
            self._show(data)
        return data


class AttachedOutput:
    """What a process writes: into the log, and to the other side."""

    def __init__(self, log: JournalWriter, attachment: Attachment, write: Callable[[bytes], object]) -> None:
        self._log = log
        self._attachment = attachment
        self._write = write

    def write(self, data: bytes) -> None:
        self._log.write(data)
        if not self._attachment.gone:
            self._write(data)

    def show(self, data: bytes) -> None:
        """Show what was typed; where the other side is a terminal, it has done so itself."""
        if self._attachment.streams.tty:
            self._log.write(data)
        else:
            self.write(data)
