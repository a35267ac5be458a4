"""Ctrl-C for a command that runs in a thread: another thread says so, and the command ends where it waits.

A thread gets no signals, and an exception thrown into it from outside could strike in the middle of a change. So whatever
waits for long asks here: reading standard input, writing to a reader that is slow, letting time pass, and each
request to the cluster before it is made.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading


class Interruption:
    """Whether one command is to end. Any thread may say so; the command's own asks."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._pipe: tuple[int, int] | None = None
        self._gone = False

    def interrupt(self) -> None:
        """Ctrl-C: KeyboardInterrupt is raised once, at the next moment where that can be borne."""
        with self._lock:
            self._event.set()
            if self._pipe is not None:
                with contextlib.suppress(OSError):
                    os.write(self._pipe[1], b".")

    def hang_up(self) -> None:
        """The caller is no more: from now on every such moment raises it."""
        self._gone = True
        self.interrupt()

    def check(self) -> None:
        """Raises KeyboardInterrupt if the command is to end."""
        if self._event.is_set():
            self._take()

    def sleep(self, seconds: float) -> None:
        """Let time pass. Raises KeyboardInterrupt."""
        if self._event.wait(seconds):
            self._take()

    def wait_for(self, descriptor: int, *, writing: bool = False) -> None:
        """Wait until a descriptor can be read from or written to. Raises KeyboardInterrupt."""
        self.check()
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
        if poll.poll(0):
            return
        poll.register(self._wakes(), select.POLLIN)
        poll.poll()
        self.check()

    def close(self) -> None:
        """Let go of what was needed for it. Whoever interrupts afterwards is not heard."""
        with self._lock:
            if self._pipe is not None:
                for end in self._pipe:
                    os.close(end)
                self._pipe = None

    def _take(self) -> None:
        with self._lock:
            if not self._gone:
                self._event.clear()
                if self._pipe is not None:
                    os.read(self._pipe[0], 4096)
        raise KeyboardInterrupt

    def _wakes(self) -> int:
        """A descriptor that can be read from once there is an interruption."""
        with self._lock:
            if self._pipe is None:
                self._pipe = os.pipe()
                os.set_blocking(self._pipe[0], False)
                if self._event.is_set():
                    os.write(self._pipe[1], b".")
            return self._pipe[0]
