"""DNS servers as what listens on port 53: the cluster's, and the resolver that the nodes ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from kubesim.runtime.application import Listener, NameServer, Peer
from kubesim.util.dnsmessage import DNSMessage

PORT = 53
Resolve = Callable[[str, str, str], DNSMessage]
"""Answers a question: a fully qualified name, a type, the client's address."""


class Respond(Protocol):
    """Answers a message in wire format, which may have come over a stream; None: no answer."""

    def __call__(self, message: bytes, /, *, stream: bool) -> bytes | None: ...


class DNSApplication(NameServer):
    """A DNS server. Simulated resolvers hand it questions as values; everybody else speaks the wire format, where the
    server has one.
    """

    def __init__(self, resolve: Resolve, respond: Respond | None = None) -> None:
        self._resolve = resolve
        self._respond = respond

    def resolve(self, name: str, qtype: str, client: str, server: str) -> DNSMessage:
        """The answer, as a client sees it who asked at the address `server`."""
        return replace(self._resolve(name, qtype, client), server=server)

    def open(self, peer: Peer) -> _Stream:
        del peer
        return _Stream(self._respond or _nothing)

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        del peer
        return self._respond(data, stream=False) if self._respond is not None else None


class _Stream:
    """DNS over TCP: messages with their lengths before them (RFC 1035, 4.2.2). What is no message ends it."""

    def __init__(self, respond: Respond) -> None:
        self.closed = False
        self.greeting = b""
        self._respond = respond
        self._held = b""

    def receive(self, data: bytes) -> bytes:
        self._held += data
        answers = b""
        while not self.closed and len(self._held) >= 2:
            size = int.from_bytes(self._held[:2], "big")
            if len(self._held) < 2 + size:
                break
            message, self._held = self._held[2 : 2 + size], self._held[2 + size :]
            answer = self._respond(message, stream=True)
            if answer is None:
                self.closed = True
            else:
                answers += len(answer).to_bytes(2, "big") + answer
        return answers

    def end(self) -> bytes:
        self.closed = True
        return b""


def _nothing(message: bytes, /, *, stream: bool) -> bytes | None:
    del message, stream
    return None


def dns_listeners(application: DNSApplication, process: str) -> tuple[Listener, ...]:
    """A DNS server listens on both protocols."""
    return (
        Listener("UDP", PORT, "*", application, process),
        Listener("TCP", PORT, "*", application, process),
    )
