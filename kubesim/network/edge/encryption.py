"""TLS on a connection whose bytes somebody else carries, and the certificates that are shown."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Callable
from typing import Final

Pair = tuple[bytes, bytes]
"""A certificate (with those that it is signed by) and its key, in PEM."""
_PIECE: Final = 64 * 1024
_REMEMBERED: Final = 64


class Certificates:
    """Contexts for certificates. `otherwise` gives one for a name where an application has none of its own."""

    def __init__(self, otherwise: Callable[[str], Pair]) -> None:
        self._otherwise = otherwise
        self._contexts: dict[Pair, ssl.SSLContext] = {}
        self._defaults: dict[str, Pair] = {}

    def context(self, choose: Callable[[str], Pair | None]) -> ssl.SSLContext:
        """For one connection: `choose` is told the name that the client asks for, and gives a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def named(
            connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
        ) -> int | None:
            try:
                connection.context = self._context(choose(name or "") or self.default(name or ""))
            except (ssl.SSLError, ValueError):
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            return None

        context.sni_callback = named
        return context

    def default(self, name: str) -> Pair:
        """The certificate for a name that nobody has one for."""
        if len(self._defaults) > _REMEMBERED:
            self._defaults.clear()
        if name not in self._defaults:
            self._defaults[name] = self._otherwise(name)
        return self._defaults[name]

    def _context(self, pair: Pair) -> ssl.SSLContext:
        found = self._contexts.get(pair)
        if found is None:
            if len(self._contexts) > _REMEMBERED:
                self._contexts.clear()
            found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            found.set_alpn_protocols(["http/1.1"])
            # The ssl module reads a chain from a file only; this one is the owner's alone, and gone at once.
            with tempfile.NamedTemporaryFile(prefix="kubesim-") as file:
                file.write(b"\n".join(pair))
                file.flush()
                found.load_cert_chain(file.name)
            self._contexts[pair] = found
        return found


class TLS:
    """The server's side of one TLS connection: bytes in, bytes out. Raises ssl.SSLError where the client is none."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_open = False
        self.ended = False
        """Whether the client has said that it sends no more."""

    def receive(self, data: bytes) -> bytes:
        """What is inside of what the client has sent; what is to be sent back for it waits in `take`."""
        self._incoming.write(data)
        found = bytearray()
        try:
            if not self.is_open:
                self._tls.do_handshake()
                self.is_open = True
            while not self.ended:
                piece = self._tls.read(_PIECE)
                self.ended = not piece
                found += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return bytes(found)

    def send(self, data: bytes) -> None:
        """Encrypt it for the client."""
        if data:
            self._tls.write(data)

    def take(self) -> bytes:
        """What is to be sent to the client now."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say farewell; what the client answers does not matter."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            return
