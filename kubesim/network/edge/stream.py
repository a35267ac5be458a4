"""One TCP connection of a client on this computer, and the conversation in the simulated network that it is."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from kubesim.network.edge.dialling import Gone, Line
from kubesim.network.edge.encryption import TLS
from kubesim.runtime.http1 import PLAIN_METHODS, HTTPConversation
from kubesim.runtime.network_view import NetworkError, Refused

if TYPE_CHECKING:
    from kubesim.network.edge.server import EdgeServer, Opening
    from kubesim.runtime.application import Conversation

PIECE: Final = 16 * 1024
"""So much is given to a server at once: its answers to that are what waits in memory for a client that does not read."""
HIGH_WATER: Final = 4 * PIECE
TURN: Final = 8
"""So many pieces of one connection before the others have their turn."""
LINGER_SECONDS: Final = 2.0
"""So long what a client still sends is taken after the last answer: closing at once would make it lose that answer."""
HANDSHAKE_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 130.0
"""After so long a client gives up that nobody answers (net.ipv4.tcp_syn_retries)."""

logger = logging.getLogger("kubesim.edge")


class Stream(asyncio.Protocol):
    """See the module. All of it happens on the edge's loop."""

    transport: asyncio.Transport

    def __init__(self, edge: EdgeServer, opening: Opening) -> None:
        self._edge = edge
        self._opening = opening
        self._line: Line | None = None
        self._talk: Conversation | None = None
        self._tls: TLS | None = None
        self._waiting = bytearray()
        """What the client has sent and nobody has read."""
        self._full = False
        self._ended = False
        self._leaving = False
        self._scheduled = False
        self._held: asyncio.TimerHandle | None = None
        """An answer that a server takes its time for."""
        self._timer: asyncio.TimerHandle | None = None

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._edge.admit(self)
        if self._leaving:
            return
        try:
            self._dial()
        except Refused:
            self.reset()
        except NetworkError:
            # Nobody answers, and nobody says so either.
            self.transport.pause_reading()
            self._later(SILENCE_SECONDS)
        except Exception:
            logger.exception("a connection to port %s failed", self._opening.port)
            self.reset()

    def connection_lost(self, exc: Exception | None) -> None:
        self._edge.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._held is not None:
            self._held.cancel()
        self._waiting.clear()
        self._leaving = True
        talk, line = self._talk, self._line
        self._talk = self._line = None
        if talk is not None and line is not None and not talk.closed:
            self._guarded(lambda: line.ask(talk.end))

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        if self._tls is not None:
            self._decrypt(data)
        else:
            self._waiting += data
        self._go_on()

    def eof_received(self) -> bool:
        """The client has closed its half; what it asked for is still answered."""
        self._ended = True
        if self._leaving or self._talk is None:
            return False
        self._go_on()
        return True

    def pause_writing(self) -> None:
        self._full = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    # What is done with it

    def reset(self) -> None:
        """End it as a server's kernel refuses one: with a reset."""
        self._leaving = True
        found = self.transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _dial(self) -> None:
        peer = self.transport.get_extra_info("peername")
        self._line = line = self._edge.dial(self._opening, peer[1])
        self._talk = talk = line.ask(lambda: line.application.open(line.peer))
        if line.application.tls:
            self._tls = TLS(self._edge.certificates.context(line.application.certificate))
            self._later(HANDSHAKE_SECONDS)
        if talk.greeting and self._tls is None:
            self.transport.write(talk.greeting)
        if talk.closed:
            self._finish()

    def _decrypt(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            return
        was_open = tls.is_open
        try:
            self._waiting += tls.receive(data)
            if tls.is_open and not was_open:
                if self._timer is not None:
                    self._timer.cancel()
                if self._talk is not None:
                    tls.send(self._talk.greeting)
        except ssl.SSLError:
            is_plain = not was_open and data.startswith(PLAIN_METHODS)
            if is_plain and self._line is not None:
                self.transport.write(self._line.application.plain_refusal().encode())
            else:
                self.transport.write(tls.take())  # the alert
            self._leaving = True
            self.transport.close()
            return
        self.transport.write(tls.take())
        self._ended = self._ended or tls.ended

    def _go_on(self) -> None:
        """Hand over what has come, no more than the client takes the answers to."""
        talk, line = self._talk, self._line
        if talk is None or line is None or self._leaving or self._held is not None:
            return
        self._edge.touch(self)
        turns = 0
        while self._waiting and not (self._full or self._held or talk.closed) and turns < TURN:
            turns += 1
            piece = bytes(self._waiting[:PIECE])
            del self._waiting[:PIECE]
            if not self._guarded(partial(self._hand_over, line, talk, piece)):
                return
        self._edge.dirty()
        if self._held is not None:
            self.transport.pause_reading()
        elif talk.closed:
            self._finish()
        elif self._waiting and not self._full:
            self.transport.pause_reading()
            if not self._scheduled:
                self._scheduled = True
                self._edge.loop.call_soon(self._again)
        elif self._ended and not self._waiting:
            if self._guarded(lambda: self._send(line.ask(talk.end))):
                self._finish()
        elif not self._full:
            self.transport.resume_reading()

    def _hand_over(self, line: Line, talk: Conversation, piece: bytes) -> None:
        answer = line.ask(lambda: talk.receive(piece))
        if isinstance(talk, HTTPConversation) and talk.seconds:
            self._held = self._edge.loop.call_later(talk.seconds, partial(self._let_go, answer))
        else:
            self._send(answer)

    def _let_go(self, answer: bytes) -> None:
        self._held = None
        if not self._leaving and self._guarded(partial(self._send, answer)):
            self._go_on()

    def _again(self) -> None:
        self._scheduled = False
        self._go_on()

    def _send(self, data: bytes) -> None:
        if not data:
            return
        if self._tls is not None:
            self._tls.send(data)
            data = self._tls.take()
        self.transport.write(data)

    def _guarded(self, work: Callable[[], object]) -> bool:
        """Whether it went well. What goes wrong in a simulated server must not end the edge."""
        try:
            work()
        except Gone:
            self.reset()
        except Exception:
            logger.exception("a server failed at port %s", self._opening.port)
            self.reset()
        else:
            return True
        return False

    def _finish(self) -> None:
        """The last answer is on its way: take what the client still sends, and close."""
        if self._leaving:
            return
        self._leaving = True
        self._waiting.clear()
        if self._tls is not None:
            self._tls.close()
            self.transport.write(self._tls.take())
        if self._ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        self._later(LINGER_SECONDS)

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._edge.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self._leaving:
            self.transport.abort()
        else:
            self.reset()
