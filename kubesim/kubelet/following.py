"""A log that is read on while it is written: `logs --follow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubesim.kubelet.remotecommand import OUT, CommandIO, Gone
from kubesim.runtime.spec import NotRunning

if TYPE_CHECKING:
    from kubesim.kubelet.server import LogOptions
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.journal import LogLine

LOOK: Final = 0.2
"""Seconds between two looks."""


@dataclass(slots=True)
class FollowedLog:
    """The log of one container, until the container ends or its reader goes. `changed` is told of its end."""

    runtime: ContainerRuntime
    container_id: str
    options: LogOptions
    changed: Callable[[], None]

    def run(self, io: CommandIO) -> None:
        """Write the log to the reader, in a thread of its own."""
        try:
            self._follow(io)
        except (Gone, NotRunning):
            return

    def _follow(self, io: CommandIO) -> None:
        left = self.options.limit_bytes
        place = _Place()
        lines = place.new(self._lines())
        tail = self.options.tail
        if tail is not None and tail >= 0:
            lines = lines[len(lines) - min(tail, len(lines)) :]
        while True:
            text = self._text(lines)
            if left is not None:
                text = text[:left]
                left -= len(text)
            if text:
                io.write(OUT, text)
            if left == 0:
                return
            if self.runtime.has_ended(self.container_id):
                if not lines:
                    self.changed()
                    return
            else:
                io.sleep(LOOK)
            lines = place.new(self._lines(after=place.at))

    def _lines(self, *, after: float | None = None) -> list[LogLine]:
        found = self.runtime.log_lines(self.container_id, since=self.options.since)
        return found if after is None else [line for line in found if line.at >= after]

    def _text(self, lines: Iterable[LogLine]) -> bytes:
        stamped = self.options.timestamps
        return "".join(
            f"{line.time() + ' ' if stamped else ''}{line.text}{'' if line.partial else chr(10)}"
            for line in lines
        ).encode("utf-8", "replace")


class _Place:
    """How far a log has been read: to a moment, and how many lines of that moment. (Its beginning may be dropped
    meanwhile, so a number of lines would not do.)
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self._count = 0

    def new(self, lines: list[LogLine]) -> list[LogLine]:
        """Those that have not been there before, of the lines from `at` on."""
        skipped = 0
        while skipped < self._count and skipped < len(lines) and lines[skipped].at == self.at:
            skipped += 1
        fresh = lines[skipped:]
        if fresh:
            last = fresh[-1].at
            same = sum(1 for line in fresh if line.at == last)
            self._count = same + (self._count if last == self.at else 0)
            self.at = last
        return fresh
