"""`SharedTLSSocket`: a TLS connection that one thread reads while another one writes.

OpenSSL forbids that of one connection, and the ssl module does not prevent it. Where the two met, mostly while what a
server sends behind the handshake (its session tickets) was read, a record was lost and both sides waited for ever.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

T = TypeVar("T")

_READ: Final = select.POLLIN
_WRITE: Final = select.POLLOUT


class SharedTLSSocket(ssl.SSLSocket):
    """Of which `recv`, `sendall` and `close` may be called by different threads; made by `begin`.

    Each call into OpenSSL is made with a lock held and never waits; whoever must wait does so without the lock.
    """

    _lock: threading.Lock

    @classmethod
    def begin(cls, context: ssl.SSLContext, connection: socket.socket, server_name: str) -> SharedTLSSocket:
        """Shake hands on a connection, within its own timeout. `context` is used for this alone. Raises OSError."""
        context.sslsocket_class = cls
        made = context.wrap_socket(connection, server_hostname=server_name)
        if not isinstance(made, cls):
            raise TypeError("the context makes sockets of its own")
        made._lock = threading.Lock()  # noqa: SLF001  one of this class
        ssl.SSLSocket.settimeout(made, 0)
        return made

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Wait for data; nothing at the end. Raises OSError."""
        return self._in_turn(partial(super().recv, buflen, flags))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it, however long that takes. Raises OSError."""
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self._in_turn(partial(super().send, rest, flags)) :]

    def settimeout(self, value: float | None) -> None:
        """Until it is shared, as of any socket; then a call waits as long as it must, or until the socket is closed."""
        if not hasattr(self, "_lock"):
            super().settimeout(value)

    def close(self) -> None:
        """Wake whoever waits, and close."""
        with suppress(OSError):  # the other side has gone already
            socket.socket.shutdown(self, socket.SHUT_RDWR)
        super().close()

    def _in_turn(self, call: Callable[[], T]) -> T:
        """Call into OpenSSL until it need not wait."""
        while True:
            try:
                with self._lock:
                    return call()
            except ssl.SSLWantReadError:
                self._wait(_READ)
            except ssl.SSLWantWriteError:
                self._wait(_WRITE)

    def _wait(self, event: int) -> None:
        handle = self.fileno()
        if handle < 0:
            raise OSError("the connection is closed")
        poll = select.poll()
        poll.register(handle, event)
        poll.poll()
