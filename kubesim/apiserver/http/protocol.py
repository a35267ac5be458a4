"""uvicorn's HTTP/1.1 protocol with what an API server adds: who is at the other end, and patience that ends.

A client may take `patience` seconds to send a request; a head may have MAX_HEAD bytes (Go's DefaultMaxHeaderBytes).
Whoever opens connections and says nothing is let go of.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kubesim.apiserver.http.upgrade import HIGH_WATER, Upgraded

PATIENCE_SECONDS: Final = 60.0
MAX_HEAD: Final = 1024 * 1024
_CLOSE: Final = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\n" + _CLOSE + b"400 Bad Request"
HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE + b"431 Request Header Fields Too Large"
)


class APIProtocol(HttpToolsProtocol):
    """One connection. `scope["state"]` has the peer's `certificate` (DER or None), whether it is `local` (a Unix
    socket: the owner), and the `connection` itself.

    A request to upgrade reaches the application as any other; it may answer it, or go on with `upgrade`.
    """

    patience: float = PATIENCE_SECONDS
    _patience: asyncio.TimerHandle | None = None
    _head = 0
    _in_head = True
    _behind: bytearray | None = None  # what came after a request to upgrade
    _upgraded: Upgraded | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {
            **self.app_state,
            "certificate": _certificate(transport),
            "local": _is_local(transport),
            "connection": self,
        }
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._unset_keepalive_if_required()
        if self._upgraded is not None:
            self._upgraded.end()
        super().connection_lost(exc)
        self.app_state = {}  # it names this very connection

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.feed(data)
            return
        if self._behind is not None:
            self._behind += data
            if len(self._behind) > HIGH_WATER:
                self.flow.pause_reading()
            return
        if self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD and self.parser is not None:
                self._refuse(HEAD_TOO_LARGE)
                return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._behind = bytearray(data[upgrade.args[0] :])
            self.cycle.keep_alive = False  # the parser reads no further: if it is not upgraded, it is closed
        except httptools.HttpParserError:
            self._refuse(BAD_REQUEST)

    def upgrade(self) -> Upgraded:
        """Take the connection over, in place of an answer to its request; it is closed when the application returns."""
        self.cycle.response_started = True
        self._upgraded = Upgraded(self.transport, self.flow, bytes(self._behind or b""))
        return self._upgraded

    def shutdown(self) -> None:
        if self._upgraded is not None:
            self._upgraded.end()
        super().shutdown()

    def _should_upgrade(self) -> bool:
        return False  # uvicorn's own way, to WebSockets alone

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._stop_waiting()
        super().on_message_complete()

    def abort(self) -> None:
        """End the connection at once, whatever has not been sent."""
        self.transport.abort()

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.abort()


def _certificate(transport: asyncio.BaseTransport) -> bytes | None:
    tls: Any = transport.get_extra_info("ssl_object")
    found: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
    return found


def _is_local(transport: asyncio.BaseTransport) -> bool:
    found = transport.get_extra_info("socket")
    return found is not None and found.family == getattr(socket, "AF_UNIX", None)
