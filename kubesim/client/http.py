"""`HTTPTransport`: the API over HTTP or HTTPS, with the standard library alone.

One connection a thread, kept alive.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ADMIN, Request, Response, UserInfo
from kubesim.apimachinery.watch import WatchEvent
from kubesim.util.jsontypes import JSONObject, decode, encode

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


@dataclass(frozen=True, slots=True)
class Credentials:
    """How one proves who one is, and how the server does. Certificates and keys are PEM."""

    token: str = ""
    ca_data: bytes = b""
    certificate_data: bytes = b""
    key_data: bytes = b""
    insecure: bool = False
    server_name: str = ""


class ServerUnreachable(Exception):
    """The server cannot be talked to. `server` is its URL, `host` its address and port."""

    def __init__(self, server: str, host: str, text: str) -> None:
        super().__init__(text)
        self.server = server
        self.host = host


class ConnectionRefused(ServerUnreachable):
    """Nothing listens there."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection that speaks another protocol from now on, the server's answer, and what has come behind it already."""

    connection: socket.socket
    head: bytes
    rest: bytes


class HTTPTransport:
    """Sends requests to a server. What `refused` makes of a ServerUnreachable is raised.

    `dial` makes each connection, where it is not made to the server's own address. It raises OSError.
    """

    def __init__(
        self,
        server: str,
        credentials: Credentials,
        *,
        refused: Callable[[ServerUnreachable], Exception] = lambda error: error,
        timeout: float = 60,
        dial: Callable[[], socket.socket] | None = None,
    ) -> None:
        parts = urlsplit(server)
        self._server = server.rstrip("/")
        self._https = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if self._https else 80)
        self._prefix = parts.path.rstrip("/")
        self._dial = dial
        self._credentials = credentials
        self._refused = refused
        self._timeout = timeout
        self._local = threading.local()

    @property
    def host(self) -> str:
        """The server, as a Host header names it."""
        return f"{self._host}:{self._port}"

    @property
    def prefix(self) -> str:
        """The path of the server's URL."""
        return self._prefix

    def identity(self, user: UserInfo = ADMIN) -> dict[str, str]:
        """The headers that say who asks, and on whose behalf."""
        token = self._credentials.token
        return _impersonation(user) | ({"Authorization": f"Bearer {token}"} if token else {})

    def batch(self) -> AbstractContextManager[object]:
        return nullcontext()

    def send(self, request: Request) -> Response:
        watching = request.query.get("watch", [""])[-1] in ("true", "1")
        connection = self.http_connection() if watching else self._kept()
        headers = {**request.headers, **self.identity(request.user)}
        body = (
            request.body if isinstance(request.body, bytes) or request.body is None else encode(request.body)
        )
        path = self._target(request)
        try:
            answer = self._exchange(connection, request.method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._local.connection = None
            raise self._refused(self.unreachable(error)) from None
        found = {name.lower(): value for name, value in answer.getheaders()}
        warnings = [_warning_text(v) for n, v in answer.getheaders() if n.lower() == "warning"]
        if watching and answer.status < 400:
            return Response(answer.status, None, found, warnings, _events(answer, connection))
        return Response(answer.status, _decoded(answer.read(), found), found, warnings)

    def connect(self, request: Request, protocols: Sequence[str]) -> ClientConnection:
        """A WebSocket that a request opens, in the first of the protocols that the server speaks.

        Raises StatusError where the server answers otherwise, and what `refused` makes of a ServerUnreachable.
        """
        from websockets.exceptions import InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        try:
            return connect(
                # Not `wss`: the encryption is begun already, where there is any.
                f"ws://{self.host}{self._target(request)}",
                sock=self.open(),
                subprotocols=[Subprotocol(p) for p in protocols],
                additional_headers=self.identity(request.user),
                user_agent_header=request.headers.get("user-agent"),
                compression=None,
                proxy=None,
                max_size=None,
                ping_interval=None,
            )
        except InvalidStatus as error:
            body = error.response.body or b""
            raise StatusError(_status(bytes(body), error.response.status_code)) from None
        except (OSError, InvalidHandshake) as error:
            raise self._refused(self.unreachable(error)) from None

    def upgrade(self, request: Request, headers: Mapping[str, str]) -> Upgraded:
        """A connection that a request turns into one of another protocol; `headers` ask for that.

        Raises StatusError where the server answers otherwise, and what `refused` makes of a ServerUnreachable.
        """
        lines = {
            "Host": self.host,
            "Connection": "Upgrade",
            "Content-Length": "0",
            **request.headers,
            **self.identity(request.user),
            **headers,
        }
        head = f"{request.method} {self._target(request)} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection: socket.socket | None = None
        try:
            connection = self.open()
            connection.sendall(f"{head}\r\n".encode("latin-1"))
            return _upgraded(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection is not None:
                connection.close()
            raise self._refused(self.unreachable(error)) from None
        except StatusError:
            if connection is not None:
                connection.close()
            raise

    def open(self) -> socket.socket:
        """A new connection to the server, encrypted where it is to be, that several threads may use. Raises OSError."""
        return self._encrypted(self._dialed()) if self._https else self._dialed()

    def _dialed(self) -> socket.socket:
        if self._dial is not None:
            return self._dial()
        return socket.create_connection((self._host, self._port), timeout=self._timeout)

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        """The same connection with TLS, for several threads. Raises OSError."""
        from kubesim.client.tls import SharedTLSSocket

        try:
            return SharedTLSSocket.begin(
                self._context(), connection, self._credentials.server_name or self._host
            )
        except BaseException:
            connection.close()
            raise

    def _target(self, request: Request) -> str:
        query = urlencode([(k, v) for k, values in request.query.items() for v in values])
        return f"{self._prefix}{request.path}" + (f"?{query}" if query else "")

    def close(self) -> None:
        """Let go of this thread's connection."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()
            self._local.connection = None

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server has closed a connection that was kept: once more on a new one.
            connection.close()
            connection.request(method, path, body, headers)
            return connection.getresponse()

    def _kept(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is None:
            kept = self._local.connection = self.http_connection()
        return kept

    def http_connection(self) -> http.client.HTTPConnection:
        """A new connection for requests, made with the first one."""
        if self._dial is not None:
            return _DialedConnection(self._dial, timeout=self._timeout)
        if not self._https:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._context()
        )

    def _context(self) -> ssl.SSLContext:
        held = self._credentials
        context = ssl.create_default_context(cadata=held.ca_data.decode() if held.ca_data else None)
        if held.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if held.certificate_data and held.key_data:
            _load_chain(context, held)
        return context

    def unreachable(self, error: Exception) -> ServerUnreachable:
        """What went wrong, in the words of Go's clients."""
        host = self.host
        if isinstance(error, ConnectionRefusedError):
            return ConnectionRefused(self._server, host, f"dial tcp {host}: connect: connection refused")
        return ServerUnreachable(self._server, host, str(error))


class _DialedConnection(http.client.HTTPConnection):
    """HTTP on a connection that somebody else makes."""

    def __init__(self, dial: Callable[[], socket.socket], *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial()
        self.sock.settimeout(self.timeout)


MOST_OF_A_HEAD = 65536


def _upgraded(connection: socket.socket) -> Upgraded:
    """Read the answer to a request for an upgrade. Raises StatusError, OSError, ValueError."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(MOST_OF_A_HEAD)
        if not more or len(data) > MOST_OF_A_HEAD:
            raise http.client.RemoteDisconnected("the server has closed the connection without an answer")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    code = int(first.split(" ")[1])
    if code == 101:
        connection.settimeout(None)
        return Upgraded(connection, head, rest)
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(fields.get("content-length", "0"))
    while len(rest) < length and (more := connection.recv(MOST_OF_A_HEAD)):
        rest += more
    raise StatusError(_status(rest, code))


def _status(body: bytes, code: int) -> JSONObject:
    """What a refusal says: its Status, or one made of its text."""
    try:
        found = decode(body)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status":
        return found
    text = body.decode("utf-8", "replace") or f"the server responded with the status code {code}"
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "code": code}


def _load_chain(context: ssl.SSLContext, held: Credentials) -> None:
    """The ssl module reads certificate and key from files only; these are the owner's alone and gone at once."""
    handle, name = tempfile.mkstemp(prefix="kubesim-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(held.certificate_data + b"\n" + held.key_data)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)  # noqa: PTH108  the file was made by its descriptor


def _impersonation(user: UserInfo) -> dict[str, str]:
    if user == ADMIN:
        return {}
    headers = {"Impersonate-User": user.name}
    groups = [g for g in user.groups if g != "system:authenticated"]
    return headers | ({"Impersonate-Group": groups[0]} if groups else {})


def _decoded(data: bytes, headers: dict[str, str]) -> Any:
    if "json" in headers.get("content-type", ""):
        return decode(data)
    return data


def _events(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> Iterator[WatchEvent]:
    try:
        for line in answer:
            if line.strip():
                event = decode(line)
                yield WatchEvent(event["type"], event["object"])
    finally:
        connection.close()


def _warning_text(header: str) -> str:
    """The text of `299 - "…"`."""
    _, _, text = header.partition('"')
    return text.rstrip().removesuffix('"').replace('\\"', '"')
