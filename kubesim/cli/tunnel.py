"""Streams to the ports of a Pod in one connection to an API server: the client's side, by SPDY.

kubectl puts its SPDY into a WebSocket first, for proxies between it and the server; what goes over the streams is the same.
Source: k8s.io/client-go tools/portforward/portforward.go.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.rest import Request, UserInfo
from kubesim.apiserver.streaming.spdy import (
    DataReceived,
    Event,
    GoneAway,
    SPDYConnection,
    SPDYError,
    StreamReset,
)

if TYPE_CHECKING:
    from kubesim.client.http import HTTPTransport, Upgraded

PROTOCOL: Final = "portforward.k8s.io"
PIECE: Final = 262_144

MOST_WAITING: Final = 8 << 20
"""So many bytes of one stream may wait for a slow reader; then all streams wait, as SPDY without its windows has it."""


class TunnelError(Exception):
    """The tunnel has ended."""


class TunnelStream:
    """One stream. One thread reads while another one writes."""

    def __init__(self, tunnel: Tunnel, number: int) -> None:
        self._tunnel = tunnel
        self.number = number
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._changed = threading.Condition()

    def read(self) -> bytes:
        """What has come, waited for; nothing at the end."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            if not self._waiting:
                return b""
            data = self._waiting.popleft()
            self._size -= len(data)
            self._changed.notify_all()
            return data

    def write(self, data: bytes) -> None:
        """Send it, however long that takes. Raises TunnelError."""
        self._tunnel.send(self.number, data)

    def finish(self) -> None:
        """Nothing more will be written. Raises TunnelError."""
        self._tunnel.send(self.number, b"", fin=True)

    def reset(self) -> None:
        """Want nothing more of it."""
        self.end(drop=True)
        self._tunnel.reset(self.number)

    # What the tunnel calls.

    def take(self, data: bytes, *, fin: bool) -> None:
        """Data has come; waits where too much of it has not been read."""
        with self._changed:
            while self._size > MOST_WAITING and not self._ended:
                self._changed.wait()
            if data and not self._ended:
                self._waiting.append(data)
                self._size += len(data)
            self._ended = self._ended or fin
            self._changed.notify_all()

    def end(self, *, drop: bool = False) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            if drop:
                self._waiting.clear()
                self._size = 0
            self._changed.notify_all()


class Tunnel:
    """Any thread may open streams and write to them; a thread of its own receives. `ended` says that it is lost."""

    def __init__(self, upgraded: Upgraded) -> None:
        self._connection = upgraded.connection
        self._first = upgraded.rest
        self._spdy = SPDYConnection(client=True)
        self._streams: dict[int, TunnelStream] = {}
        # What is packed first must be sent first. Whoever receives never waits for whoever sends: the other side may have
        # to be read before it takes anything.
        self._sending = threading.Lock()
        self._state = threading.Lock()
        self._requests = 0
        self.ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._receive, name="kubesim-tunnel", daemon=True).start()

    def open(self, port: int) -> tuple[TunnelStream, TunnelStream]:
        """A connection to a port: its data, and what is told of its failure. Raises TunnelError."""
        with self._sending:
            with self._state:
                number, self._requests = self._requests, self._requests + 1
                headers = {"port": str(port), "requestid": str(number)}
                error = self._add({**headers, "streamtype": "error"}, fin=True)
                data = self._add({**headers, "streamtype": "data"}, fin=False)
            self._flush()
        return data, error

    def _add(self, headers: dict[str, str], *, fin: bool) -> TunnelStream:
        number = self._spdy.open(headers, fin=fin)
        stream = self._streams[number] = TunnelStream(self, number)
        if self.ended.is_set():
            stream.end()
        return stream

    def forget(self, *streams: TunnelStream) -> None:
        """Nobody reads them any more."""
        with self._state:
            for stream in streams:
                self._streams.pop(stream.number, None)

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Raises TunnelError."""
        with self._sending:
            with self._state:
                self._spdy.send(stream, data, fin=fin)
            self._flush()

    def reset(self, stream: int) -> None:
        """End both halves of a stream."""
        with self._sending:
            with self._state:
                self._spdy.reset(stream)
            with suppress(TunnelError):  # if it fails, all streams have ended
                self._flush()

    def close(self) -> None:
        """End it, and with it all streams."""
        self.ended.set()
        with suppress(OSError):  # wakes whoever receives
            self._connection.shutdown(socket.SHUT_RDWR)

    def _flush(self) -> None:
        with self._state:
            data = self._spdy.take()
        if not data:
            return
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise TunnelError(str(error)) from None

    def _receive(self) -> None:
        try:
            data = self._first or self._connection.recv(PIECE)
            while data:
                with self._state:
                    events = list(self._spdy.receive(data))
                if not all(self._hand_on(event) for event in events):
                    break
                data = self._connection.recv(PIECE)
        except (SPDYError, OSError):
            pass  # whoever waits for the end is told so below
        finally:
            self.ended.set()
            with self._state:
                streams = list(self._streams.values())
            for stream in streams:
                stream.end()
            self._connection.close()

    def _hand_on(self, event: Event) -> bool:
        """Give an event to its stream; whether the tunnel goes on."""
        match event:
            case DataReceived(number, data, fin):
                stream = self._find(number)
                if stream is not None:
                    stream.take(data, fin=fin)
            case StreamReset(number):
                stream = self._find(number)
                if stream is not None:
                    stream.end()
            case GoneAway():
                return False
        return True

    def _find(self, number: int) -> TunnelStream | None:
        with self._state:
            return self._streams.get(number)


def open_tunnel(transport: HTTPTransport, path: str, *, user_agent: str, user: UserInfo) -> Tunnel:
    """A tunnel to a Pod's ports; `path` is that of its subresource. Raises StatusError."""
    request = Request("POST", path, {}, {"User-Agent": user_agent}, user=user)
    asking = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": PROTOCOL}
    tunnel = Tunnel(transport.upgrade(request, asking))
    tunnel.start()
    return tunnel
