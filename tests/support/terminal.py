"""A program at a terminal of its own, driven by what it shows."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType

from kubesim.util.clock import SystemClock

PATIENCE = 20.0
CLOCK = SystemClock()


class Terminal:
    """Runs a program on a pseudo-terminal. `expect` waits for text, `type` sends keys, `end` waits for the exit code."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._handle, other = pty.openpty()
        try:
            self._process = subprocess.Popen(
                argv, stdin=other, stdout=other, stderr=other, env=dict(env), start_new_session=True
            )
        finally:
            os.close(other)
        self._unseen = b""
        self.shown = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._handle)

    def type(self, keys: bytes) -> None:
        os.write(self._handle, keys)

    def expect(self, text: bytes) -> None:
        """Wait until this is shown, behind what was waited for before."""
        end = CLOCK.monotonic() + PATIENCE
        while text not in self._unseen:
            assert self._more(end), f"waited for {text!r}, saw {self.shown!r}"
        self._unseen = self._unseen.partition(text)[2]

    def end(self) -> int:
        """The exit code, once the program has ended."""
        end = CLOCK.monotonic() + PATIENCE
        while self._more(end):
            pass
        return self._process.wait(PATIENCE)

    def _more(self, end: float) -> bool:
        left = end - CLOCK.monotonic()
        if left <= 0 or not select.select([self._handle], [], [], left)[0]:
            return False
        try:
            data = os.read(self._handle, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self._unseen += data
        self.shown += data
        return bool(data)
