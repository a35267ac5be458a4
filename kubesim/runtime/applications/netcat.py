"""`nc -l`: a listener that answers with what it was given on standard input, or runs a program per connection."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from kubesim.runtime.application import Application, Listener, Peer, TransportProtocol
from kubesim.runtime.journal import STDOUT
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.process import Buffer, BytesReader, Stopped, Suspended


class NetcatListener(Application):
    """A listening netcat. Without -k it ends with its first connection."""

    def __init__(self, machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> None:
        self.machine = machine
        self.entry = entry
        self.service = service
        self.data = b64decode(service.get("data") or "")

    def open(self, peer: Peer) -> NetcatConversation:
        if self.service.get("verbose"):
            self.say(f"Connection received on {peer.address} {peer.port}\n".encode())
        return NetcatConversation(self)

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        del peer
        self.say(data)
        return self.data or None

    def say(self, data: bytes) -> None:
        """What the client sent goes to netcat's standard output."""
        if self.entry.logs and self.machine.journal is not None:
            self.machine.journal.write(self.machine.clock(), STDOUT, data)

    def ended(self) -> None:
        if not self.service.get("keep"):
            self.machine.end(self.entry.pid, 0)
        self.machine.changed()

    def execute(self, data: bytes) -> bytes:
        """-e: a program whose streams are the connection."""
        out = Buffer()
        process = self.machine.process(
            list(self.service["execute"]), stdin=BytesReader(data), out=out, err=out
        )
        try:  # noqa: SIM105 - the reason stands beside it
            self.machine.run(process)
        except (Stopped, Suspended, OSError):
            pass  # the connection just ends
        return bytes(out.data)


class NetcatConversation:
    """One connection to a listening netcat."""

    def __init__(self, server: NetcatListener) -> None:
        self._server = server
        self.greeting = server.data
        self.closed = False

    def receive(self, data: bytes) -> bytes:
        if self.closed:
            return b""
        if self._server.service.get("execute"):
            answer = self._server.execute(data)
            self._close()
            return answer
        self._server.say(data)
        if self._server.data and b"\r\n\r\n" in data:
            self._close()  # an HTTP request met a canned answer; the client reads until the end
        return b""

    def end(self) -> bytes:
        answer = b""
        if not self.closed:
            self._close()
        return answer

    def _close(self) -> None:
        self.closed = True
        self._server.ended()


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    protocol: TransportProtocol = "UDP" if service.get("udp") else "TCP"
    return [
        Listener(
            protocol,
            int(service["port"]),
            service.get("address") or "*",
            NetcatListener(machine, entry, service),
            "nc",
            entry.pid,
        )
    ]
