"""How the streams of a command travel: by SPDY, each in a stream of its own, or in the channels of one WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, Final, Protocol

from kubesim.apimachinery.errors import internal_error
from kubesim.apiserver.http.bridge import Bridge
from kubesim.apiserver.http.upgrade import Upgraded
from kubesim.apiserver.streaming.channels import (
    CLOSE,
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    ChannelError,
    ChannelProtocol,
)
from kubesim.apiserver.streaming.spdy import (
    DataReceived,
    SPDYConnection,
    SPDYError,
    StreamOpened,
    StreamReset,
)
from kubesim.apiserver.streaming.websocket import WebSocketConnection
from kubesim.kubelet.remotecommand import OUT, CommandOptions, RemoteCommand
from kubesim.util.jsontypes import JSONObject, encode

FAREWELL_SECONDS: Final = 2.0
CREATION_SECONDS: Final = 30.0  # remotecommand.DefaultStreamCreationTimeout

logger = logging.getLogger("kubesim.http")


class Carrier(Protocol):
    """One client's connection for one command."""

    @property
    def version(self) -> int:
        """The version of the protocol."""
        ...

    async def begin(self) -> bool:
        """Have the streams ready; False: the client did not."""
        ...

    async def listen(self, bridge: Bridge[Any]) -> None:
        """Hand on what the client sends, until it has gone."""
        ...

    async def output(self, stream: int, data: bytes) -> None:
        """Send output."""
        ...

    async def finish(self, status: JSONObject) -> None:
        """Tell how it ended, and close."""
        ...


async def run_command(command: RemoteCommand, carrier: Carrier, bridge: Bridge[JSONObject]) -> None:
    """Run a command on its client's streams, to its end."""

    async def listen() -> None:
        try:
            await carrier.listen(bridge)
        finally:
            bridge.leave()

    listening = asyncio.create_task(listen())
    try:
        bridge.start(lambda: command.run(bridge, version=carrier.version), "kubesim-command")
        async for stream, data in bridge.outputs():
            await carrier.output(stream, data)
        try:
            status = bridge.result()
        except RuntimeError as failure:
            logger.exception("a command failed")
            status = internal_error(str(failure)).status
        await carrier.finish(status)
        # Whoever closes a connection before the other side has answered the farewell may take from it what came before.
        await asyncio.wait((listening,), timeout=FAREWELL_SECONDS)
    finally:
        bridge.leave()
        listening.cancel()


def _told(status: JSONObject, version: int) -> bytes:
    """What the error stream says: from version 4 on a Status whatever happened, before that a failure's text."""
    if version >= 4:
        return encode(status)
    return b"" if status.get("status") == "Success" else str(status.get("message", "")).encode()


def _resize(bridge: Bridge[Any], data: bytes) -> None:
    """A client's new size of its terminal: `{"Width":80,"Height":24}`."""
    try:
        size = json.loads(data)
        bridge.size = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return  # kubelet, too, stops listening to sizes that it cannot read


class WebSocketCarrier:
    """Channels of one WebSocket."""

    def __init__(self, raw: Upgraded, protocol: ChannelProtocol, options: CommandOptions) -> None:
        self._raw = raw
        self._socket = WebSocketConnection()
        self._protocol = protocol
        self._options = options

    @property
    def version(self) -> int:
        return self._protocol.version

    async def begin(self) -> bool:
        # An empty message on the first channel that is written to tells clients that the connection stands.
        first = STDOUT if self._options.stdout else STDERR if self._options.stderr else ERROR
        await self._send(first, b"")
        return True

    async def listen(self, bridge: Bridge[Any]) -> None:
        while not self._socket.closed:
            data = await self._raw.read()
            if not data:
                return
            for message in self._socket.receive(data):
                try:
                    channel, content = self._protocol.decode(message)
                except ChannelError:
                    continue
                await self._take(bridge, channel, content)
            await self._raw.write(self._socket.take())

    async def _take(self, bridge: Bridge[Any], channel: int, content: bytes) -> None:
        if channel == STDIN and self._options.stdin and content:
            await bridge.feed(content)
        elif channel == RESIZE:
            _resize(bridge, content)
        elif channel == CLOSE and self._protocol.closes_channels and content[:1] == bytes((STDIN,)):
            bridge.end_input()

    async def output(self, stream: int, data: bytes) -> None:
        await self._send(STDOUT if stream == OUT else STDERR, data)

    async def finish(self, status: JSONObject) -> None:
        text = _told(status, self.version)
        if text:
            await self._send(ERROR, text)
        self._socket.close()
        await self._raw.write(self._socket.take())

    async def _send(self, channel: int, data: bytes) -> None:
        self._socket.send(self._protocol.encode(channel, data))
        await self._raw.write(self._socket.take())


class SPDYCarrier:
    """A SPDY stream for each: the client opens them, with a header that says what each is for."""

    def __init__(self, raw: Upgraded, version: int, options: CommandOptions) -> None:
        self._raw = raw
        self._spdy = SPDYConnection()
        self._version = version
        self._streams: dict[str, int] = {}
        self._kinds: dict[int, str] = {}
        self._early: list[DataReceived] = []
        self._wanted = {"error"}
        for name in ("stdin", "stdout", "stderr"):
            if getattr(options, name):
                self._wanted.add(name)
        if options.tty and version >= 3:
            self._wanted.add("resize")

    @property
    def version(self) -> int:
        return self._version

    async def begin(self) -> bool:
        try:
            async with asyncio.timeout(CREATION_SECONDS):
                while not self._wanted <= self._streams.keys():
                    data = await self._raw.read()
                    if not data:
                        return False
                    for event in self._spdy.receive(data):
                        if isinstance(event, StreamOpened):
                            self._open(event)
                        elif isinstance(event, DataReceived):
                            self._early.append(event)
                    await self._raw.write(self._spdy.take())
        except (TimeoutError, SPDYError):
            return False
        return True

    def _open(self, event: StreamOpened) -> None:
        kind = event.headers.get("streamtype", "")
        if kind in self._streams or kind not in ("error", "stdin", "stdout", "stderr", "resize"):
            self._spdy.reset(event.stream)
            return
        self._streams[kind] = event.stream
        self._kinds[event.stream] = kind
        self._spdy.reply(event.stream)

    async def listen(self, bridge: Bridge[Any]) -> None:
        for early in self._early:
            await self._take(bridge, early)
        self._early.clear()
        while True:
            data = await self._raw.read()
            if not data:
                return
            try:
                for event in self._spdy.receive(data):
                    if isinstance(event, DataReceived):
                        await self._take(bridge, event)
                    elif isinstance(event, StreamReset) and self._kinds.get(event.stream) == "stdin":
                        bridge.end_input()
                    elif isinstance(event, StreamOpened):
                        self._spdy.reset(event.stream)
            except SPDYError:
                return
            await self._raw.write(self._spdy.take())

    async def _take(self, bridge: Bridge[Any], event: DataReceived) -> None:
        kind = self._kinds.get(event.stream)
        if kind == "stdin":
            if event.data:
                await bridge.feed(event.data)
            if event.fin:
                bridge.end_input()
        elif kind == "resize" and event.data:
            for line in event.data.splitlines():
                _resize(bridge, line)

    async def output(self, stream: int, data: bytes) -> None:
        number = self._streams.get("stdout" if stream == OUT else "stderr")
        if number is not None:
            self._spdy.send(number, data)
            await self._raw.write(self._spdy.take())

    async def finish(self, status: JSONObject) -> None:
        self._spdy.send(self._streams["error"], _told(status, self._version))
        for number in self._streams.values():
            self._spdy.send(number, b"", fin=True)
        self._spdy.go_away()
        await self._raw.write(self._spdy.take())
