"""Forwarded ports: connections to a Pod's listeners in the streams of a SPDY connection, or in channels of a WebSocket.

Texts as in pkg/kubelet/cri/streaming/portforward/{httpstream,websocket}.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from kubesim.apiserver.http.upgrade import Upgraded
from kubesim.apiserver.streaming.channels import ChannelError, ChannelProtocol, port_channels, port_prefix
from kubesim.apiserver.streaming.spdy import (
    PROTOCOL_ERROR,
    DataReceived,
    SPDYConnection,
    SPDYError,
    StreamOpened,
    StreamReset,
)
from kubesim.apiserver.streaming.websocket import WebSocketConnection
from kubesim.kubelet.portforward import ForwardError, Forwarding, PortConnection

MAX_CONNECTIONS: Final = 256
"""At once, in one client's connection."""
QUEUE: Final = 64
"""Pieces of data that may wait for a listener."""
_PIECE: Final = 1024 * 1024

Read = Callable[[], Awaitable[bytes]]
Write = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection, and what came for it and has not been read."""

    port: str
    data: int | None = None
    error: int | None = None
    waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    """Bytes for the listener; None at their end."""
    started: bool = False


async def forward_spdy(read: Read, write: Write, subject: Forwarding) -> None:
    """Serve one client until it has gone."""
    await _SPDYForwarding(read, write, subject).run()


async def tunnel(raw: Upgraded, subject: Forwarding) -> None:
    """SPDY inside the binary messages of a WebSocket: kubectl's way since 1.31."""
    socket = WebSocketConnection()

    async def read() -> bytes:
        while not socket.closed:
            data = await raw.read()
            if not data:
                return b""
            messages = [m if isinstance(m, bytes) else m.encode() for m in socket.receive(data)]
            await raw.write(socket.take())
            if any(messages):
                return b"".join(messages)
        return b""

    async def write(data: bytes) -> None:
        if data:
            socket.send(data)
            await raw.write(socket.take())

    await forward_spdy(read, write, subject)
    socket.close()
    await raw.write(socket.take())


class _SPDYForwarding:
    """One client's connection: streams come in pairs that bear the same `requestID`."""

    def __init__(self, read: Read, write: Write, subject: Forwarding) -> None:
        self._read = read
        self._write = write
        self._subject = subject
        self._spdy = SPDYConnection()
        self._pairs: dict[str, _Pair] = {}
        self._by_stream: dict[int, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            while data := await self._read():
                for event in self._spdy.receive(data):
                    await self._take(event)
                await self._flush()
        except SPDYError:
            self._spdy.go_away(PROTOCOL_ERROR)
            await self._flush()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _flush(self) -> None:
        await self._write(self._spdy.take())

    async def _take(self, event: object) -> None:
        match event:
            case StreamOpened():
                self._open(event)
            case DataReceived(stream, data, fin):
                pair = self._by_stream.get(stream)
                if pair is not None and stream == pair.data:
                    if data:
                        await pair.waiting.put(data)
                    if fin:
                        await pair.waiting.put(None)
            case StreamReset(stream):
                pair = self._by_stream.get(stream)
                if pair is not None and stream == pair.data:
                    await pair.waiting.put(None)

    def _open(self, event: StreamOpened) -> None:
        kind, port = event.headers.get("streamtype", ""), event.headers.get("port", "")
        is_port = port.isdigit() and 1 <= int(port) <= 65_535
        if kind not in ("data", "error") or not is_port or len(self._pairs) >= MAX_CONNECTIONS:
            self._spdy.reset(event.stream, PROTOCOL_ERROR)
            return
        # Clients older than 1.4 number nothing: their two streams follow each other.
        request = event.headers.get("requestid") or str((event.stream - 1) // 4)
        pair = self._pairs.setdefault(request, _Pair(port))
        if getattr(pair, kind) is not None or pair.started:
            self._spdy.reset(event.stream, PROTOCOL_ERROR)
            return
        setattr(pair, kind, event.stream)
        self._by_stream[event.stream] = pair
        self._spdy.reply(event.stream)
        if event.fin and kind == "data":
            pair.waiting.put_nowait(None)
        if pair.data is not None and pair.error is not None:
            pair.started = True
            task = asyncio.create_task(self._serve(request, pair, pair.data, pair.error))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: str, pair: _Pair, data: int, error: int) -> None:
        async def send(answer: bytes) -> None:
            for at in range(0, len(answer), _PIECE):
                self._spdy.send(data, answer[at : at + _PIECE])
                await self._flush()

        try:
            await _talk(self._subject, int(pair.port), pair.waiting, send)
        except ForwardError as failure:
            self._spdy.send(error, str(failure).encode())
        finally:
            for stream in (data, error):
                self._spdy.send(stream, b"", fin=True)
                self._by_stream.pop(stream, None)
            del self._pairs[request]
            _drain(pair.waiting)
        await self._flush()


def _drain(waiting: asyncio.Queue[bytes | None]) -> None:
    """Whoever waits to put something in goes on; what is in it concerns nobody any more."""
    while not waiting.empty():
        waiting.get_nowait()


async def _talk(subject: Forwarding, port: int, waiting: asyncio.Queue[bytes | None], send: Write) -> None:
    """One connection from its beginning to its end. What the listener does is done in threads. Raises ForwardError."""
    connection: PortConnection = await asyncio.to_thread(subject.connect, port)
    await send(connection.greet())
    while not connection.closed:
        data = await waiting.get()
        if data is None:
            await send(await asyncio.to_thread(connection.end))
            return
        await send(await asyncio.to_thread(connection.receive, data))


async def forward_channels(
    raw: Upgraded, protocol: ChannelProtocol, subject: Forwarding, ports: list[int]
) -> None:
    """Two channels for each port of the URL, one connection to each: as clients do that speak no SPDY."""
    await _ChannelForwarding(raw, protocol, subject).run(ports)


class _ChannelForwarding:
    def __init__(self, raw: Upgraded, protocol: ChannelProtocol, subject: Forwarding) -> None:
        self._raw = raw
        self._protocol = protocol
        self._subject = subject
        self._socket = WebSocketConnection()
        self._queues: dict[int, asyncio.Queue[bytes | None]] = {}

    async def run(self, ports: list[int]) -> None:
        for index, port in enumerate(ports):
            for channel in port_channels(index):
                await self._send(channel, port_prefix(port))
            self._queues[port_channels(index)[0]] = asyncio.Queue(QUEUE)
        serving = [asyncio.create_task(self._serve(index, port)) for index, port in enumerate(ports)]
        listening = asyncio.create_task(self._listen())
        everything = asyncio.gather(*serving)
        await asyncio.wait((listening, everything), return_when=asyncio.FIRST_COMPLETED)
        for task in (*serving, listening):
            task.cancel()
        await asyncio.gather(everything, listening, return_exceptions=True)
        self._socket.close()
        await self._raw.write(self._socket.take())

    async def _serve(self, index: int, port: int) -> None:
        data, error = port_channels(index)

        async def send(answer: bytes) -> None:
            if answer:
                await self._send(data, answer)

        try:
            await _talk(self._subject, port, self._queues[data], send)
        except ForwardError as failure:
            await self._send(error, str(failure).encode())
        finally:
            _drain(self._queues.pop(data))

    async def _listen(self) -> None:
        while not self._socket.closed:
            data = await self._raw.read()
            if not data:
                return
            for message in self._socket.receive(data):
                await self._take(message)
            await self._raw.write(self._socket.take())

    async def _take(self, message: bytes | str) -> None:
        try:
            channel, content = self._protocol.decode(message)
        except ChannelError:
            return
        waiting = self._queues.get(channel)
        if waiting is not None and content:
            await waiting.put(content)

    async def _send(self, channel: int, data: bytes) -> None:
        self._socket.send(self._protocol.encode(channel, data))
        await self._raw.write(self._socket.take())
