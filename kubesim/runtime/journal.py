"""A container's log: lines with stream and time, kept in bounded segments.

As the container runtime's files: a line counts when its newline has come; what is unfinished when the process ends is
kept as a partial line. The oldest segments are dropped where the log grows past its bound, as the kubelet's rotation does.
A line may bear a time that is still to come (a background loop is worked out ahead); it is not shown before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from kubesim.util.jsontypes import decode, encode
from kubesim.util.state import StateStore

STDOUT, STDERR = 1, 2
SEGMENT = 16 * 1024
BOUND = 1024 * 1024  # the kubelet rotates at 10 MiB; a simulated log is kept smaller
LINE = 16 * 1024  # containerd splits longer lines


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `at` is in seconds since 1970; `partial` says that no newline ended it."""

    at: float
    stream: int
    text: str
    partial: bool = False

    def time(self) -> str:
        """RFC 3339 with nine digits, as the CRI log format and `--timestamps` have it."""
        moment = datetime.fromtimestamp(self.at, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


class Journal:
    """The log of one container, under `prefix` in the state store."""

    def __init__(self, state: StateStore, prefix: str) -> None:
        self._state = state
        self._prefix = prefix
        self._new: list[LogLine] = []
        self._old: list[LogLine] | None = None
        self._segments: dict[int, int] | None = None
        self._unfinished: dict[int, tuple[float, str]] = {}

    @property
    def dirty(self) -> bool:
        return bool(self._new)

    def write(self, at: float, stream: int, data: bytes) -> None:
        """Take what a process wrote."""
        text = data.decode("utf-8", "replace")
        began = self._unfinished.pop(stream, None)
        if began is not None:
            text = began[1] + text
        *lines, rest = text.split("\n")
        for whole in lines:
            line = whole
            while len(line) > LINE:
                self._new.append(LogLine(at, stream, line[:LINE], partial=True))
                line = line[LINE:]
            self._new.append(LogLine(at, stream, line))
        while len(rest) > LINE:
            self._new.append(LogLine(at, stream, rest[:LINE], partial=True))
            rest = rest[LINE:]
        if rest:
            self._unfinished[stream] = (at, rest)
        if len(self._new) >= 4096:
            self.flush()

    def line(self, at: float, stream: int, text: str) -> None:
        """Take one whole line; the quick way for access logs."""
        self._new.append(LogLine(at, stream, text))
        if len(self._new) >= 4096:
            self.flush()

    def finish(self) -> None:
        """The process has ended: what has no newline counts as it is."""
        for stream, (at, text) in self._unfinished.items():
            self._new.append(LogLine(at, stream, text, partial=True))
        self._unfinished.clear()

    @property
    def unfinished(self) -> list[list[object]]:
        """What has no newline yet, for keeping."""
        return [[stream, at, text] for stream, (at, text) in self._unfinished.items()]

    def restore_unfinished(self, kept: list[list[object]]) -> None:
        for stream, at, text in kept:
            self._unfinished[int(str(stream))] = (float(str(at)), str(text))

    def lines(self, *, until: float, since: float | None = None) -> Iterator[LogLine]:
        """The lines in order of time, up to `until`."""
        found = self._load() + self._new
        if any(a.at > b.at for a, b in pairwise(found)):
            found.sort(key=lambda line: line.at)
        for line in found:
            if line.at <= until and (since is None or line.at >= since):
                yield line

    def flush(self) -> None:
        """Write what is new: into the last segment while that is small, else into a new one."""
        if not self._new:
            return
        if self._has_moved_on():
            self._segments = self._old = None
        segments = self._sizes()
        number = max(segments, default=0)
        rows: list[list[object]] = []
        if segments and segments[number] < SEGMENT:
            rows = decode(self._state.get(self._key(number)) or b"[]")
        else:
            number += 1
        for line in self._new:
            rows.append([round(line.at * 1e6), line.stream, line.text, int(line.partial)])
            if len(rows) >= 512:
                number = self._save(number, rows)
        if rows:
            self._save(number, rows)
        if self._old is not None:
            self._old += self._new
        self._new.clear()
        self._rotate()

    def _has_moved_on(self) -> bool:
        """Whether another process or thread has written to the log since its segments were counted."""
        if self._segments is None:
            return False
        last = max(self._segments, default=0)
        size = len(self._state.get(self._key(last)) or b"")
        return size != self._segments.get(last, 0) or self._state.get(self._key(last + 1)) is not None

    def _save(self, number: int, rows: list[list[object]]) -> int:
        text = encode(rows)
        self._state.set(self._key(number), text)
        self._sizes()[number] = len(text)
        rows.clear()
        return number + 1

    def _rotate(self) -> None:
        segments = self._sizes()
        while len(segments) > 1 and sum(segments.values()) > BOUND:
            oldest = min(segments)
            self._state.set(self._key(oldest), None)
            del segments[oldest]
            self._old = None

    def remove(self) -> None:
        """Forget the whole log."""
        for number in list(self._sizes()):
            self._state.set(self._key(number), None)
        self._segments, self._old = {}, []
        self._new.clear()

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number:08d}"

    def _sizes(self) -> dict[int, int]:
        if self._segments is None:
            found = self._state.items(self._prefix)
            self._segments = {int(name[len(self._prefix) :]): len(text) for name, text in found.items()}
        return self._segments

    def _load(self) -> list[LogLine]:
        if self._old is None:
            self._old = []
            for _, text in sorted(self._state.items(self._prefix).items()):
                self._old += [
                    LogLine(at / 1e6, stream, line, bool(part)) for at, stream, line, part in decode(text)
                ]
        return self._old
