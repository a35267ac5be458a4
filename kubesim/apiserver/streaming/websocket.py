"""A WebSocket's server side without sockets: the handshake was made, frames become whole messages.

The framing is that of the package `websockets`; here its frames are put together, with a bound on what is kept.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Final

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

MAX_MESSAGE: Final = 32 * 1024 * 1024  # golang.org/x/net/websocket: DefaultMaxPayloadBytes
NORMAL: Final = 1000
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """The header Sec-WebSocket-Accept for a Sec-WebSocket-Key: RFC 6455, section 4.2.2."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class WebSocketConnection:
    """One side of an open WebSocket; a server's unless `client`."""

    def __init__(self, *, client: bool = False, max_message: int = MAX_MESSAGE) -> None:
        side = Side.CLIENT if client else Side.SERVER
        self._protocol = Protocol(side, state=OPEN, max_size=max_message)
        self._parts: list[bytes] = []
        self._is_text = False
        self.closed = False
        """Whether no message comes any more: the other side has closed, or broke the protocol."""

    def receive(self, data: bytes) -> Iterator[bytes | str]:
        """The messages that are whole with these bytes. Pings are answered, a close is answered: see `take`."""
        if not self.closed:
            self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.CLOSE:
                self.closed = True
                continue
            if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._is_text = event.opcode is Opcode.TEXT
            elif event.opcode is not Opcode.CONT:
                continue
            self._parts.append(bytes(event.data))
            if event.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                yield message.decode("utf-8", "replace") if self._is_text else message
        if self._protocol.parser_exc is not None:
            self.closed = True

    def send(self, message: bytes | str) -> None:
        """Send one message; after a close this does nothing."""
        if self._protocol.state is not OPEN:
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)

    def ping(self, data: bytes = b"") -> None:
        """Ask whether the other side is there."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(data)

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say that nothing follows."""
        if self._protocol.state is OPEN:
            try:
                self._protocol.send_close(code, reason)
            except ProtocolError:  # a reason that is too long
                self._protocol.send_close(code, "")

    def take(self) -> bytes:
        """What is to be sent to the other side; it counts as sent."""
        return b"".join(self._protocol.data_to_send())
