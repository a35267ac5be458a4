"""The network as one container (or node) sees it: the only way out of the simulated shell.

The commands (`curl`, `nslookup`, `ping`, …) hold a `NetworkView` and nothing else. `Isolated` is the view of a machine
whose cable is not plugged in: it reaches its own listeners and nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from kubesim.runtime.application import Application, HTTPApplication, Listener, Peer, TransportProtocol
from kubesim.runtime.http1 import BadMessage, HTTPRequest, HTTPResponse, split_response
from kubesim.util.dnsmessage import DNSMessage


class NetworkError(Exception):
    """A connection did not come about."""


class Refused(NetworkError):
    """Nothing listens there, or a rule rejects: ECONNREFUSED."""


class TimedOut(NetworkError):
    """Nobody answered, ever: a dropped packet."""


class Unreachable(NetworkError):
    """There is no way there: ENETUNREACH, or with `host=True` EHOSTUNREACH."""

    def __init__(self, text: str = "", *, host: bool = False) -> None:
        super().__init__(text)
        self.host = host


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `addresses` carry their prefix length: `10.244.1.7/24`."""

    name: str
    addresses: tuple[str, ...]
    mac: str = "00:00:00:00:00:00"
    mtu: int = 1500
    peer_index: int = 0
    """The interface's other end, for veth pairs (`eth0@if7`)."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `destination` is `default` or a prefix; an empty gateway is a directly connected network."""

    destination: str
    device: str
    gateway: str = ""
    source: str = ""
    scope: str = ""
    protocol: str = ""


@dataclass(slots=True)
class Connection:
    """An open connection to an application, wherever it lives; `peer` is what that application sees."""

    application: Application
    peer: Peer
    remote_address: str
    remote_port: int

    @property
    def tls(self) -> bool:
        return self.application.tls

    def http(self, request: HTTPRequest) -> HTTPResponse:
        """Send one HTTP request. Raises BadMessage when what comes back is no HTTP, or nothing at all."""
        application = self.application
        if isinstance(application, HTTPApplication):
            return application.handle(request, self.peer)
        data = self.exchange(request.encode())
        if not data:
            raise BadMessage(0, "")
        return split_response(data, head_only=request.method == "HEAD")

    def exchange(self, data: bytes) -> bytes:
        """Send bytes, close the sending half, and give everything that came back."""
        talk = self.application.open(self.peer)
        answer = talk.greeting + talk.receive(data)
        return answer if talk.closed else answer + talk.end()

    def datagram(self, data: bytes) -> bytes | None:
        """Send one UDP datagram; None: nobody answered."""
        return self.application.datagram(data, self.peer)


class NetworkView(Protocol):
    """The network from one place. Addresses are texts; names are resolved by the caller (`runtime.resolver`)."""

    def interfaces(self) -> tuple[Interface, ...]:
        """Its interfaces, loopback first."""
        ...

    def routes(self) -> tuple[Route, ...]:
        """Its routing table, as `ip route` lists it."""
        ...

    def listeners(self) -> Iterable[Listener]:
        """What listens on this place's own addresses (all containers of the Pod; all processes of the node)."""
        ...

    def query(self, name: str, qtype: str, server: str) -> DNSMessage:
        """Ask one DNS server one question about a fully qualified name. Raises NetworkError as `connect` does."""
        ...

    def connect(
        self, address: str, port: int, protocol: TransportProtocol = "TCP", *, source: str = ""
    ) -> Connection:
        """Open a connection. Raises Refused, TimedOut or Unreachable. Never waits: the caller lets the time pass.

        For UDP there is no handshake: Refused stands for the ICMP port-unreachable that a datagram would meet.
        """
        ...

    def ping(self, address: str) -> float | None:
        """Send one ICMP echo request: the round-trip time in milliseconds, None if nothing comes back.

        Raises Unreachable.
        """
        ...


LOOPBACK = Interface("lo", ("127.0.0.1/8", "::1/128"), mtu=65536)


def is_loopback(address: str) -> bool:
    """Whether an address never leaves the machine."""
    return address.startswith("127.") or address == "::1"


class Isolated:
    """A machine without a network: its own addresses and listeners are all it reaches."""

    def __init__(
        self, listeners: Callable[[], Iterable[Listener]], *, addresses: Iterable[str] = (), mac: str = ""
    ) -> None:
        self._listeners = listeners
        self._addresses = tuple(addresses)
        self._mac = mac or "0a:58:0a:f4:00:02"
        self._port = 32768

    def interfaces(self) -> tuple[Interface, ...]:
        if not self._addresses:
            return (LOOPBACK,)
        own = tuple(a if "/" in a else a + ("/64" if ":" in a else "/24") for a in self._addresses)
        return (LOOPBACK, Interface("eth0", own, self._mac, peer_index=3))

    def routes(self) -> tuple[Route, ...]:
        if not self._addresses or ":" in self._addresses[0]:
            return ()
        address = self._addresses[0].partition("/")[0]
        network = address.rpartition(".")[0]
        return (
            Route("default", "eth0", gateway=f"{network}.1"),
            Route(f"{network}.0/24", "eth0", source=address, scope="link", protocol="kernel"),
        )

    def listeners(self) -> Iterable[Listener]:
        return self._listeners()

    def query(self, name: str, qtype: str, server: str) -> DNSMessage:
        raise TimedOut(f"{server}:53: {name} {qtype}")

    def connect(
        self, address: str, port: int, protocol: TransportProtocol = "TCP", *, source: str = ""
    ) -> Connection:
        own = any(address == a.partition("/")[0] for a in self._addresses)
        if not own and not is_loopback(address):
            raise TimedOut(f"{address}:{port}")
        for listener in self._listeners():
            if listener.protocol == protocol and listener.port == port and listener.accepts(address):
                self._port = self._port + 1 if self._port < 60999 else 32768
                peer = Peer(source or address, self._port, address, port)
                return Connection(listener.application, peer, address, port)
        raise Refused(f"{address}:{port}")

    def ping(self, address: str) -> float | None:
        own = any(address == a.partition("/")[0] for a in self._addresses)
        return 0.045 if own or is_loopback(address) else None


class Late:
    """A view that is made when somebody first looks: most containers of a cluster never do. `listeners` says without it
    what listens.
    """

    def __init__(self, make: Callable[[], NetworkView], listeners: Callable[[], Iterable[Listener]]) -> None:
        self._make = make
        self._listeners = listeners
        self._made: NetworkView | None = None

    @property
    def view(self) -> NetworkView:
        """The view itself."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def interfaces(self) -> tuple[Interface, ...]:
        return self.view.interfaces()

    def routes(self) -> tuple[Route, ...]:
        return self.view.routes()

    def listeners(self) -> Iterable[Listener]:
        return self._listeners()

    def query(self, name: str, qtype: str, server: str) -> DNSMessage:
        return self.view.query(name, qtype, server)

    def connect(
        self, address: str, port: int, protocol: TransportProtocol = "TCP", *, source: str = ""
    ) -> Connection:
        return self.view.connect(address, port, protocol, source=source)

    def ping(self, address: str) -> float | None:
        return self.view.ping(address)
