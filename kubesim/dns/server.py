"""The cluster's DNS on UDP and TCP, in a thread of its own.

Nobody can hold it up: an answer that does not fit into a socket at once is dropped over UDP and waits with its own
connection over TCP; a connection that is idle, or takes too long over one question, is closed; there are no more than
MAX_CONNECTIONS, and a new one takes the place of the one that has been idle longest.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any, Final, cast

from kubesim.dns.clusterdns import ClusterDNS
from kubesim.dns.wire import Responder
from kubesim.util.accepting import Acceptor

LOOPBACK: Final = "127.0.0.1"
IDLE_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 128
_TURN: Final = 64
"""So many pipelined questions of one connection are answered before others have their turn."""
_SWEEP_SECONDS: Final = 1.0
_PREFIX: Final = 2
_ATTEMPTS: Final = 20

logger = logging.getLogger("kubesim.dns")


class DNSServer:
    """Serves a cluster's DNS. Made stopped; `start` and `stop` once each, from any thread but its own."""

    def __init__(
        self, dns: ClusterDNS, host: str = LOOPBACK, port: int = 0, *, idle: float = IDLE_SECONDS
    ) -> None:
        self.host = host
        self.port = port
        self.idle = idle
        self.responder = Responder(dns)
        self.open: dict[_Stream, None] = {}
        """The connections, the one that has been idle longest first."""
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> int:
        """Listen, and answer from now on; the port, which the system chooses for 0. Raises OSError."""
        datagrams, stream = _bind(self.host, self.port)
        self.port = int(datagrams.getsockname()[1])
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(datagrams, stream, started), name="kubesim-dns", daemon=True
        )
        self._thread.start()
        started.wait()
        return self.port

    def stop(self) -> None:
        """End the listeners and the connections, and wait until they are gone."""
        if self._thread is None:
            return
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    @property
    def connections(self) -> int:
        """How many TCP connections there are."""
        return len(self.open)

    def answer(self, packet: bytes, *, stream: bool) -> bytes | None:
        """The answer to a packet; a mistake of ours is an answer too."""
        try:
            return self.responder.respond(packet, stream=stream)
        except Exception:
            logger.exception("a question could not be answered: %s", packet.hex())
            return packet[:2] + b"\x80\x02" + bytes(8)

    # On the loop's own thread.

    def _run(self, datagrams: socket.socket, stream: socket.socket, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(_quiet)
            runner.run(self._main(datagrams, stream, started))

    async def _main(self, datagrams: socket.socket, stream: socket.socket, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        transport, _ = await self.loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        acceptor = Acceptor(self.loop)
        acceptor.listen(stream, lambda: _Stream(self))
        sweeping = self.loop.create_task(self._sweep())
        started.set()
        await self._stopping.wait()
        sweeping.cancel()
        transport.close()
        await acceptor.close()
        for connection in list(self.open):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.idle))
            oldest = self.loop.time() - self.idle
            for connection in [c for c in self.open if c.since <= oldest]:
                connection.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DNSServer) -> None:
        self._server = server
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._server.answer(data, stream=False)
        if answer is not None and not self._full:
            self._transport.sendto(answer, addr)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False


class _Stream(asyncio.Protocol):
    """One connection. `since` is when its last question was answered."""

    transport: asyncio.Transport

    def __init__(self, server: DNSServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._full = False
        self._ended = False
        self._scheduled = False
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        everyone = self._server.open
        if len(everyone) >= MAX_CONNECTIONS:
            next(iter(everyone)).leave()
        self._touch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.open.pop(self, None)
        self._buffer.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def eof_received(self) -> bool:
        """What was asked is still answered."""
        self._ended = True
        self._go_on()
        return True

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def leave(self) -> None:
        """Make room for another."""
        self._server.open.pop(self, None)
        self.transport.abort()

    def _touch(self) -> None:
        """Go to the end of the queue of those who must leave."""
        self.since = self._server.loop.time()
        self._server.open.pop(self, None)
        self._server.open[self] = None

    def _again(self) -> None:
        self._scheduled = False
        self._go_on()

    def _go_on(self) -> None:
        """Answer some of what has come, and no more than the other side takes."""
        if self.transport.is_closing():
            return
        turn, answers = 0, bytearray()
        while not self._full and turn < _TURN and (packet := self._next()) is not None:
            turn += 1
            answer = self._server.answer(packet, stream=True)
            if answer is not None:
                answers += len(answer).to_bytes(_PREFIX, "big") + answer
        if turn:
            self._touch()
            self.transport.write(answers)
        waiting = self._full or turn == _TURN
        if waiting:
            self.transport.pause_reading()
            if not self._full and not self._scheduled:
                self._scheduled = True
                self._server.loop.call_soon(self._again)
        elif self._ended:
            self.transport.close()
        else:
            self.transport.resume_reading()

    def _next(self) -> bytes | None:
        """The next whole packet."""
        if len(self._buffer) < _PREFIX:
            return None
        end = _PREFIX + int.from_bytes(self._buffer[:_PREFIX], "big")
        if len(self._buffer) < end:
            return None
        packet = bytes(self._buffer[_PREFIX:end])
        del self._buffer[:end]
        return packet


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP on one port. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    for attempt in range(_ATTEMPTS):
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        stream = socket.socket(family, socket.SOCK_STREAM)
        try:
            datagrams.bind(address)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stream.bind((address[0], datagrams.getsockname()[1], *address[2:]))
            stream.listen(MAX_CONNECTIONS)
        except OSError:
            datagrams.close()
            stream.close()
            # A port that the system chose for UDP may be taken for TCP.
            if port or attempt == _ATTEMPTS - 1:
                raise
            continue
        datagrams.settimeout(0)
        stream.settimeout(0)
        break
    return datagrams, stream


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong with one connection is that client's business; anything else is ours."""
    del loop
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
    logger.log(level, "%s", context.get("message"), exc_info=error)
