"""The front doors of PostgreSQL and MySQL: they take connections, speak first where they do, and run no queries."""

from __future__ import annotations

import struct
from typing import Any

from kubesim.runtime.application import Application, Listener, Peer
from kubesim.runtime.machine import Machine, ProcessEntry

_SSL_REQUEST = 80877103  # PostgreSQL's protocol documentation, "Message Formats"
_GSS_REQUEST = 80877104
_NO_QUERIES = "this is a simulated database: it accepts connections and runs no queries"


class _Door:
    """A connection to a database."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting
        self.closed = False
        self._buffer = b""

    def end(self) -> bytes:
        self.closed = True
        return b""


class PostgresDoor(_Door):
    """PostgreSQL: TLS is declined, then the startup message meets an error that says why."""

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        if len(self._buffer) < 8:
            return b""
        size, code = struct.unpack(">II", self._buffer[:8])
        if size == 8 and code in (_SSL_REQUEST, _GSS_REQUEST):
            self._buffer = self._buffer[8:]
            return b"N" + (self.receive(b"") if self._buffer else b"")
        self.closed = True
        if not 8 <= size <= 10_000 or code >> 16 != 3:
            return _postgres_error("08P01", "invalid length of startup packet")
        return _postgres_error("0A000", _NO_QUERIES)


def _postgres_error(code: str, text: str) -> bytes:
    fields = b"".join(
        k + v.encode() + b"\0" for k, v in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", text))
    )
    return b"E" + struct.pack(">I", len(fields) + 5) + fields + b"\0"


class MySQLDoor(_Door):
    """MySQL: it greets, and refuses whoever logs in."""

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        if len(self._buffer) < 4:
            return b""
        self.closed = True
        body = b"\xff" + struct.pack("<H", 1105) + b"#HY000" + _NO_QUERIES.encode()
        return struct.pack("<I", len(body))[:3] + b"\x02" + body


def _mysql_greeting(version: str) -> bytes:
    salt = b"kubesim1kubesim2kube"
    body = (
        b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 8) + salt[:8] + b"\0" + b"\xff\xf7" + b"\xff" + b"\x02\0"
        + b"\xff\xdf" + bytes([len(salt) + 1]) + b"\0" * 10 + salt[8:] + b"\0" + b"caching_sha2_password\0"
    )  # fmt: skip
    return struct.pack("<I", len(body))[:3] + b"\0" + body


class Postgres(Application):
    """A PostgreSQL server."""

    def open(self, peer: Peer) -> PostgresDoor:
        del peer
        return PostgresDoor(b"")


class MySQL(Application):
    """A MySQL or MariaDB server."""

    def __init__(self, version: str) -> None:
        self._version = version

    def open(self, peer: Peer) -> MySQLDoor:
        del peer
        return MySQLDoor(_mysql_greeting(self._version))


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    del machine
    application: Application = (
        Postgres() if service["application"] == "postgres" else MySQL(str(service["version"]))
    )
    name = entry.argv[0].rpartition("/")[2]
    return [Listener("TCP", int(port), "*", application, name, entry.pid) for port in service["ports"]]
