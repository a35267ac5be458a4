"""What listens in a container and answers: applications, the listeners they open, and who is on the other side.

A listener is the only thing the network needs to know about a container. The network finds the listener, makes a
`Peer` (what the server sees of the client, after all address translation) and talks to `listener.application`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from kubesim.runtime.http1 import BadMessage, HTTPConversation, HTTPRequest, HTTPResponse

if TYPE_CHECKING:
    from kubesim.util.dnsmessage import DNSMessage

TransportProtocol = Literal["TCP", "UDP", "SCTP"]

ANY_ADDRESS = ("0.0.0.0", "::", "*", "")  # noqa: S104 - the names of the wildcard address, nothing is bound


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection as the server sees it: the client's address and port, and its own."""

    address: str
    port: int
    local_address: str = ""
    local_port: int = 0

    @property
    def text(self) -> str:
        """`10.244.1.7:43210`, with brackets around IPv6, as Go's RemoteAddr."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Conversation(Protocol):
    """One connection, without a socket: bytes in, bytes out."""

    closed: bool
    greeting: bytes
    """What the server sends before it hears anything (a database's greeting); often empty."""

    def receive(self, data: bytes) -> bytes:
        """The bytes that the server answers with; `closed` says whether it closed the connection after them."""
        ...

    def end(self) -> bytes:
        """The client has closed its half; the last bytes the server sends."""
        ...


class Application:
    """What answers behind a listener. The default accepts a connection and closes it without a word."""

    tls = False
    """Whether the port speaks TLS; the bytes are those inside it."""

    def open(self, peer: Peer) -> Conversation:
        """Accept a connection (TCP or SCTP)."""
        del peer
        return Silence()

    def certificate(self, server_name: str) -> tuple[bytes, bytes] | None:
        """What a port that speaks TLS shows to a client that asks for a name (empty: for none): a certificate and its
        key, in PEM. None: it has none of its own.
        """
        del server_name
        return None

    def plain_refusal(self) -> HTTPResponse:
        """What a port that speaks TLS says to HTTP without it: net/http of Go has no headers to that."""
        text = b"Client sent an HTTP request to an HTTPS server.\n"
        return HTTPResponse(400, [], text, version="1.0", close=True)

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        """Answer a UDP datagram; None: no answer."""
        del data, peer
        return None

    def grpc_health(self, service: str) -> str | None:
        """SERVING, NOT_SERVING or NOT_FOUND by the gRPC health protocol; None where gRPC is not spoken."""
        del service
        return None


class NameServer(Application):
    """A DNS server. Simulated resolvers hand it questions as values."""

    def resolve(self, name: str, qtype: str, client: str, server: str) -> DNSMessage:
        """The answer about a fully qualified name, as a client sees it who asked at the address `server`."""
        raise NotImplementedError


class Silence:
    """A conversation that takes everything and says nothing."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.closed = False
        self.greeting = greeting

    def receive(self, data: bytes) -> bytes:
        del data
        return b""

    def end(self) -> bytes:
        self.closed = True
        return b""


class HTTPApplication(Application):
    """An application that speaks HTTP/1.x: it implements `handle`."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        """Answer one request."""
        raise NotImplementedError

    def refuse(self, bad: BadMessage, peer: Peer) -> HTTPResponse:
        """Answer bytes that are no HTTP. The default is Go's."""
        del peer
        status = bad.status if bad.status != 413 else 400
        reason = HTTPResponse(status).reason
        body = f"{status} {reason}".encode()
        return HTTPResponse(
            status, [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")], body, close=True
        )

    def open(self, peer: Peer) -> HTTPConversation:
        return HTTPConversation(
            lambda request: self.handle(request, peer), lambda bad: self.refuse(bad, peer)
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a process listens on. `address` is the wildcard, an IP, or a loopback address."""

    protocol: TransportProtocol
    port: int
    address: str
    application: Application
    process: str = ""
    """The program's name, as `ss -p` shows it."""
    pid: int = 1

    def accepts(self, address: str) -> bool:
        """Whether a packet to this local address arrives here."""
        if self.address in ANY_ADDRESS:
            return self.address != "0.0.0.0" or ":" not in address  # noqa: S104 - as above
        return address == self.address
