"""Between the thread that runs a command and the event loop that serves its client.

Both directions are bounded: a command that writes more than its client reads waits, and so does a client that sends more
than the command reads. At a terminal the line discipline of `kubesim.runtime.terminal` stands in between.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, TypeVar

from kubesim.kubelet.remotecommand import OUT, Gone
from kubesim.runtime.terminal import LineDiscipline

T = TypeVar("T")

LIMIT: Final = 256 * 1024
"""How many bytes may lie unread in either direction."""
LOOK: Final = 0.5
"""Seconds between two looks of a waiting command at whether it still may run."""


class Bridge(Generic[T]):
    """One command and its client; also a log that is followed, which reads nothing. The command's side is a `CommandIO`."""

    def __init__(self, *, tty: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._terminal = LineDiscipline() if tty else None
        self._changed = threading.Condition()
        self._input: deque[bytes] = deque()
        self._input_size = 0
        self._input_ended = False
        self._output: deque[tuple[int, bytes]] = deque()
        self._output_size = 0
        self._interrupted = False
        self._gone = False
        self._is_finished = False
        self._is_announced = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._result: T
        self._failure: BaseException | None = None
        self.size: tuple[int, int] | None = None
        """Columns and rows of the client's terminal, once it has said so."""

    # The event loop's side

    def start(self, work: Callable[[], T], name: str) -> None:
        """Run the command in a thread of its own."""

        def run() -> None:
            try:
                self._result = work()
            except BaseException as failure:  # noqa: BLE001 - the business of whoever asks for the result
                self._failure = failure
            with self._changed:
                self._is_finished = True
                self._announce()

        threading.Thread(target=run, name=name, daemon=True).start()

    async def outputs(self) -> AsyncIterator[tuple[int, bytes]]:
        """What the command writes, in pieces of one stream each, until it has ended."""
        while True:
            await self._ready.wait()
            with self._changed:
                pieces, self._output = self._output, deque()
                self._output_size = 0
                finished = self._is_finished
                self._ready.clear()
                self._is_announced = False
                self._changed.notify_all()
            for stream, data in _joined(pieces):
                yield stream, data
            if finished:
                return

    def result(self) -> T:
        """What the command came to, once `outputs` is at its end. Raises RuntimeError where it failed by mistake."""
        if self._failure is not None:
            raise RuntimeError("a command has failed") from self._failure
        return self._result

    async def feed(self, data: bytes) -> None:
        """Hand on what the client sent; returns when there is room for more."""
        with self._changed:
            if self._terminal is None:
                self._take_input([data] if data else [])
            else:
                typed = self._terminal.type(data)
                if typed.interrupts:
                    self._interrupt()
                if typed.echo:
                    self._put_output(OUT, bytes(typed.echo))
                self._take_input(typed.input)
            self._changed.notify_all()
        await self._room.wait()

    def end_input(self) -> None:
        """Nothing more comes from the client."""
        with self._changed:
            self._input_ended = True
            self._changed.notify_all()

    def leave(self) -> None:
        """The client has gone."""
        with self._changed:
            self._gone = True
            self._room.set()
            self._changed.notify_all()

    def _interrupt(self) -> None:
        """Ctrl-C: what is under way in either direction is dropped, as a terminal does."""
        self._interrupted = True
        self._input.clear()
        self._output.clear()
        self._input_size = self._output_size = 0

    def _take_input(self, pieces: list[bytes]) -> None:
        self._input += pieces
        self._input_size += sum(map(len, pieces))
        if self._input_size >= LIMIT and not self._gone:
            self._room.clear()

    def _put_output(self, stream: int, data: bytes) -> None:
        self._output.append((stream, data))
        self._output_size += len(data)
        self._announce()

    def _announce(self) -> None:
        if not self._is_announced:
            self._is_announced = True
            self._loop.call_soon_threadsafe(self._ready.set)

    # The command's side

    def read(self, is_over: Callable[[], bool] | None = None) -> bytes:
        while True:
            with self._changed:
                if not (self._input or self._interrupted or self._gone or self._input_ended):
                    self._changed.wait(LOOK)
                self._raise_interrupt()
                if self._input:
                    return self._next_input()
                if self._gone:
                    raise Gone
                if self._input_ended:
                    return b""
            if is_over is not None and is_over():  # asked without holding up the event loop
                return b""

    def _next_input(self) -> bytes:
        data = self._input.popleft()
        self._input_size -= len(data)
        if self._input_size < LIMIT:
            self._loop.call_soon_threadsafe(self._room.set)
        return data

    def write(self, stream: int, data: bytes) -> None:
        with self._changed:
            while self._output_size >= LIMIT and not self._gone and not self._interrupted:
                self._changed.wait()
            if self._gone:
                raise Gone
            self._raise_interrupt()
            if data:
                self._put_output(stream, data if self._terminal is None else self._terminal.show(data))

    def sleep(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._gone or self._interrupted, seconds)
            if self._gone:
                raise Gone
            self._raise_interrupt()

    def is_ready(self) -> bool:
        return self._output_size < LIMIT and not self._gone

    def interrupted(self) -> bool:
        with self._changed:
            was, self._interrupted = self._interrupted, False
            return was

    def _raise_interrupt(self) -> None:
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt


def _joined(pieces: deque[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Pieces of one stream that follow each other, as one."""
    found: list[tuple[int, list[bytes]]] = []
    for stream, data in pieces:
        if found and found[-1][0] == stream:
            found[-1][1].append(data)
        else:
            found.append((stream, [data]))
    return [(stream, b"".join(parts)) for stream, parts in found]
