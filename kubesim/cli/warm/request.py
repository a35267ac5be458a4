"""A request to the background process, as `kubesim.thin` sends it, and the streams of a command made of it."""

from __future__ import annotations

import array
import contextlib
import io
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from kubesim.cli.streams import Streams
from kubesim.thin import MAGIC

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from kubesim.cli.interruption import Interruption

RUN, API, STOP, STATUS = "run", "api", "stop", "status"
"""What can be asked for: run a command, speak HTTP with the API server of a cluster, and two things that are the same in
every version, so that any kubesim can end any other.
"""

_HEAD = len(MAGIC) + 4
_LARGEST = 64 << 20  # the system's limit for words and environment is some megabytes
_FIXED = 9  # fields before the words
_BUFFER = 65536
_AT_ONCE = 4096  # PIPE_BUF: a pipe that can be written to takes so much without blocking
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class BadRequest(Exception):
    """What came is no request."""


@dataclass(slots=True)
class Request:
    """What a caller wants. The descriptors are this process's to close: `close`."""

    what: str
    identity: str = ""
    program: str = ""
    cwd: str = ""
    umask: int = 0o077
    pid: int = 0
    columns: int = 0
    states: str = "---"
    words: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    descriptors: list[int] = field(default_factory=list)
    _sinks: list[_Sink] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the caller's streams. What is still to be written to them is lost."""
        for sink in self._sinks:
            sink.is_dead = True
        self._sinks.clear()
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.descriptors.clear()

    def streams(self, interruption: Interruption) -> Streams:
        """The streams of the command: the caller's own."""
        open_ones = iter(self.descriptors)
        stdin, stdout, stderr = (next(open_ones) if state != "-" else None for state in self.states)
        terminals = [state == "t" for state in self.states]
        return Streams(
            stdin=io.BufferedReader(_Source(stdin, interruption)) if stdin is not None else io.BytesIO(),
            stdout=self._text(stdout, interruption, by_lines=terminals[1]),
            stderr=self._text(stderr, interruption, by_lines=True),
            cwd=Path(self.cwd),
            env=self.env,
            program="kubectl" if self.program == "kubectl" else "kubesim",
            stdin_is_terminal=terminals[0],
            stdout_is_terminal=terminals[1],
            stderr_is_terminal=terminals[2],
            columns=self._columns(),
            umask=self.umask,
            pid=self.pid,
            interruption=interruption,
        )

    def _text(self, descriptor: int | None, interruption: Interruption, *, by_lines: bool) -> TextIO:
        """UTF-8 whatever the locale says, with line feeds alone, as `process` has it for a process of its own."""
        if descriptor is None:
            return io.StringIO()
        sink = _Sink(descriptor, interruption)
        self._sinks.append(sink)
        whole = io.BufferedWriter(sink, _BUFFER)
        return io.TextIOWrapper(
            whole, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=by_lines
        )

    def _columns(self) -> int:
        """As `shutil.get_terminal_size` has it."""
        told = self.env.get("COLUMNS", "")
        return int(told) if told.isdigit() and int(told) > 0 else self.columns or 80


def receive(connection: socket.socket) -> Request | None:
    """Read a request; None where the caller has thought better of it. Raises BadRequest, OSError."""
    descriptors: list[int] = []
    try:
        data = _receive_first(connection, descriptors)
        if not data:
            return None
        while len(data) < _HEAD:
            data += _more(connection, _HEAD - len(data))
        if not data.startswith(MAGIC):
            raise BadRequest("not a request")
        length = int.from_bytes(data[len(MAGIC) : _HEAD], "big")
        if length > _LARGEST:
            raise BadRequest("too large")
        pieces, missing = [data[_HEAD:]], length - (len(data) - _HEAD)
        while missing > 0:
            pieces.append(_more(connection, missing))
            missing -= len(pieces[-1])
        request = decode(b"".join(pieces).split(b"\0"))
        request.descriptors = descriptors
        if request.what == RUN and len(descriptors) != 3 - request.states.count("-"):
            raise BadRequest("descriptors are missing")
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return request


def _receive_first(connection: socket.socket, descriptors: list[int]) -> bytes:
    data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16 * 4), _CLOEXEC)
    for level, kind, content in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            passed = array.array("i")
            passed.frombytes(content[: len(content) - len(content) % passed.itemsize])
            descriptors += passed
    if not _CLOEXEC:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003  its only argument
    return data


def _more(connection: socket.socket, most: int) -> bytes:
    data = connection.recv(min(most, 1 << 20))
    if not data:
        raise BadRequest("the request ends in the middle")
    return data


def decode(fields: list[bytes]) -> Request:
    """A request from its fields. Raises BadRequest."""
    try:
        what = fields[0].decode()
        texts = [os.fsdecode(f) for f in fields]
        if what == API:
            return Request(what, texts[1], words=texts[2:3])
        if what != RUN:
            return Request(what)
        _, identity, program, cwd, umask, pid, columns, states, count = texts[:_FIXED]
        words = texts[_FIXED : _FIXED + int(count)]
        pairs = (t.partition("=") for t in texts[_FIXED + int(count) :])
        if len(words) != int(count) or len(states) != 3:
            raise BadRequest("fields are missing")
        return Request(
            RUN,
            identity,
            program,
            cwd,
            int(umask),
            int(pid),
            int(columns),
            states,
            words,
            {name: value for name, _, value in pairs},
        )
    except (ValueError, IndexError) as error:
        raise BadRequest(str(error)) from None


class _Source(io.RawIOBase):
    """What a caller's descriptor has to read; waiting for it can be interrupted.

    It has no `fileno`: nobody may wait for it in another way.
    """

    def __init__(self, descriptor: int, interruption: Interruption) -> None:
        self._descriptor, self._interruption = descriptor, interruption

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._interruption.wait_for(self._descriptor)
        return os.readv(self._descriptor, [buffer])


class _Sink(io.RawIOBase):
    """A caller's descriptor to write to. A reader that does not read holds up this command alone."""

    def __init__(self, descriptor: int, interruption: Interruption) -> None:
        self._descriptor, self._interruption = descriptor, interruption
        self._never_blocks = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.is_dead = False

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        if self.is_dead:  # the descriptor may be another command's by now
            return len(memoryview(data))
        if self._never_blocks:
            return os.write(self._descriptor, data)
        self._interruption.wait_for(self._descriptor, writing=True)
        # The descriptor is shared with the caller and stays blocking; what is ready takes one page at once.
        return os.write(self._descriptor, memoryview(data)[:_AT_ONCE])
