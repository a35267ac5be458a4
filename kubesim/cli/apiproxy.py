"""An HTTP server on this computer in front of an API server: whoever reaches it is the user, so it looks whom it serves.

Source: k8s.io/kubectl pkg/proxy/proxy_server.go, and net/http, whose answers are those of what kubectl does not pass on.
"""

from __future__ import annotations

import http.client
import posixpath
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from kubesim.cli.staticfiles import Reply, serve_file
from kubesim.client.http import ServerUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from kubesim.apimachinery.rest import UserInfo
    from kubesim.client.http import HTTPTransport

PIECE: Final = 65536
LONGEST_LINE: Final = 65536
_HOP_BY_HOP: Final = frozenset(
    [
        *("connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    ]
)
_BODILESS: Final = (204, 304)
_SAFE: Final = "/:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests are passed on. Each is a list of expressions, one of which is enough."""

    accept_paths: list[re.Pattern[str]]
    reject_paths: list[re.Pattern[str]]
    accept_hosts: list[re.Pattern[str]]
    reject_methods: list[re.Pattern[str]]

    def accepts(self, method: str, path: str, host: str) -> bool:
        if _matches(self.reject_paths, path) or _matches(self.reject_methods, method):
            return False
        return _matches(self.accept_paths, path) and _matches(self.accept_hosts, host_of(host))


def _matches(expressions: Iterable[re.Pattern[str]], text: str) -> bool:
    return any(expression.search(text) for expression in expressions)


def host_of(header: str) -> str:
    """A Host header without its port, where it has one: net.SplitHostPort, which takes the brackets away with it."""
    found = re.fullmatch(r"\[([^\[\]]*)\]:[^\[\]:]*|([^\[\]:]*):[^\[\]:]*", header)
    return (found[1] if found[1] is not None else found[2]) if found else header


@dataclass(slots=True)
class Settings:
    """What is served where. Both prefixes end with a slash; `filter` is for the API alone."""

    transport: HTTPTransport
    user: UserInfo
    """On whose behalf requests are passed on."""
    api_prefix: str = "/"
    filter: Filter | None = None
    files: Path | None = None
    files_prefix: str = "/static/"
    with_server_path: bool = False
    keepalive: float = 0.0
    complain: Callable[[str], None] = field(default=lambda text: None)
    check: Callable[[], None] = field(default=lambda: None)
    """Raises KeyboardInterrupt if the command is to end."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves a socket that listens already, each connection in a thread."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, settings: Settings) -> None:
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.settings = settings

    def service_actions(self) -> None:
        self.settings.check()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nobody's mistake."""

    def get_request(self) -> tuple[socket.socket, object]:
        return self.socket.accept()


class Handler(BaseHTTPRequestHandler):
    """One connection of a client, and the one to the API server that belongs to it."""

    server: Server
    protocol_version = "HTTP/1.1"
    rbufsize = PIECE
    wbufsize = 0
    _backend: http.client.HTTPConnection | None = None

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            if self._begins():
                self._serve()
                return
        self.close_connection = True

    def finish(self) -> None:
        if self._backend is not None:
            self._backend.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name is the base's
        """Nothing is said of requests."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no HTTP."""
        del message, explain
        self.close_connection = True
        text = f"{code} {http.client.responses.get(code, '')}"
        head = (
            f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{text}"
        )
        self.wfile.write(head.encode())

    def _begins(self) -> bool:
        """Read the head of a request; whether there is one."""
        self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
        if not self.raw_requestline:
            return False
        if len(self.raw_requestline) > LONGEST_LINE:
            self.requestline, self.request_version, self.command = "", "", ""
            self.send_error(431)
            return False
        return self.parse_request()

    # Where a request goes

    def _serve(self) -> None:
        settings = self.server.settings
        # The base takes slashes at the beginning away.
        raw = self.raw_requestline.decode("latin-1").split()[1]
        raw = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?]*", "", raw) or "/"
        raw, _, query = raw.partition("?")
        path = unquote(raw, errors="surrogateescape")
        length = self.headers.get("content-length")
        if (self.request_version == "HTTP/1.1" and "host" not in self.headers) or (
            length is not None and not (length.isascii() and length.isdigit())
        ):
            self.send_error(400)
            return
        prefix, clean = self._prefix(path), clean_path(path)
        if clean == path and self._prefix(f"{path}/") == f"{path}/":
            clean = f"{path}/"
        if clean != path:
            self._reply(redirect(quote(clean, safe=_SAFE), query))
        elif prefix is None:
            self._reply(NOT_FOUND)
        elif settings.files is not None and prefix == settings.files_prefix:
            wanted = {name.lower(): value for name, value in self.headers.items()}
            self._reply(serve_file(settings.files, path[len(prefix) :], query, wanted))
        else:
            self._serve_api(raw, path, query)

    def _prefix(self, path: str) -> str | None:
        """The longest of the prefixes that a path has."""
        settings = self.server.settings
        prefixes = [settings.api_prefix, *([settings.files_prefix] if settings.files is not None else [])]
        return max((p for p in prefixes if path.startswith(p)), key=len, default=None)

    def _serve_api(self, raw: str, path: str, query: str) -> None:
        settings = self.server.settings
        if not settings.api_prefix.startswith("/api"):
            kept = len(settings.api_prefix) - 1
            as_written = raw.startswith(settings.api_prefix)
            raw = raw[kept:] if as_written else quote(path[kept:], safe=_SAFE)
            path = path[kept:]
        host = self.headers.get("host") or ""
        if settings.filter is not None and not settings.filter.accepts(self.command, path, host):
            self._reply(FORBIDDEN)
            return
        target = f"{settings.transport.prefix if settings.with_server_path else ''}{raw}" + (
            f"?{query}" if query else ""
        )
        words = {w.strip().lower() for w in self.headers.get("connection", "").split(",")}
        try:
            if "upgrade" in words and self.headers.get("upgrade"):
                self._relay(target)
            else:
                self._pass_on(target)
        except ServerUnreachable as error:
            settings.complain(f"Error while proxying request: {error}")
            self._reply(text_reply(500, f"{error}\n"))

    def _reply(self, reply: Reply) -> None:
        """An answer of our own. What the request has for a body is not read: so the connection ends, if there is one."""
        has_body = self.headers.get("transfer-encoding") or self.headers.get("content-length", "0") != "0"
        if has_body:
            self.close_connection = True
        own = {"Date": self.date_time_string(), "Content-Length": str(len(reply.body))}
        self._send_head(reply.status, dict(sorted(reply.headers.items())) | own)
        if self.command != "HEAD" and reply.status not in _BODILESS:
            self.wfile.write(reply.body)

    def _send_head(self, status: int, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        fields = headers.items() if isinstance(headers, Mapping) else headers
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        if self.close_connection and self.request_version == "HTTP/1.1":
            lines.append("Connection: close\r\n")
        reason = http.client.responses.get(status, "")
        self.wfile.write(f"HTTP/1.1 {status} {reason}\r\n{''.join(lines)}\r\n".encode("latin-1"))

    # Passing on

    def _headers(self) -> dict[str, str]:
        """The client's headers that concern the server, and those that say who asks."""
        named = {w.strip().lower() for w in self.headers.get("connection", "").split(",")}
        dropped = _HOP_BY_HOP | named | {"host", "content-length"}
        found: dict[str, str] = {}
        for name, value in self.headers.items():
            if name.lower() not in dropped:
                key = next((k for k in found if k.lower() == name.lower()), name)
                found[key] = f"{found[key]}, {value}" if key in found else value
        client = self.client_address[0] if self.client_address else "@"
        for name, value in self.server.settings.transport.identity(self.server.settings.user).items():
            if name.lower() not in {k.lower() for k in found}:
                found[name] = value
        before = next((found.pop(k) for k in list(found) if k.lower() == "x-forwarded-for"), "")
        return found | {"X-Forwarded-For": f"{before}, {client}" if before else client}

    def _pass_on(self, target: str) -> None:
        """One request, one answer; either may be without end. Raises ServerUnreachable."""
        length, chunked = self.headers.get("content-length"), self._is_chunked()
        headers = self._headers()
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif length is not None:
            headers["Content-Length"] = length
        answer = self._ask(target, headers, has_body=chunked or (length or "0") != "0")
        fields = sorted(
            (canonical(name), value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP
        )
        has_body = self.command != "HEAD" and answer.status not in _BODILESS and answer.status >= 200
        is_known = any(name == "Content-Length" for name, _ in fields)
        to_chunks = has_body and not is_known and self.request_version == "HTTP/1.1"
        if has_body and not is_known and not to_chunks:
            self.close_connection = True
        if to_chunks:
            fields.append(("Transfer-Encoding", "chunked"))
        self._send_head(answer.status, fields)
        while has_body and (piece := answer.read1(PIECE)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if to_chunks else piece)
        if to_chunks:
            self.wfile.write(b"0\r\n\r\n")
        answer.read()
        if answer.will_close and self._backend is not None:
            self._backend.close()
            self._backend = None

    def _ask(self, target: str, headers: Mapping[str, str], *, has_body: bool) -> http.client.HTTPResponse:
        """A connection that was kept may have been closed meanwhile: then once more, if the request can be repeated."""
        tries = 2 if self._backend is not None and not has_body else 1
        for left in reversed(range(tries)):
            try:
                if self._backend is None:
                    self._backend = self.server.settings.transport.http_connection()
                    self._backend.connect()
                    self._backend.sock.settimeout(None)  # a watch may be silent for long
                backend = self._backend
                backend.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
                backend.putheader("Host", self.server.settings.transport.host)
                for name, value in headers.items():
                    backend.putheader(name, value)
                backend.endheaders()
                for piece in self._body():
                    backend.send(piece)
                return backend.getresponse()
            except (OSError, http.client.HTTPException) as error:
                if self._backend is not None:
                    self._backend.close()
                self._backend = None
                if not left:
                    raise self.server.settings.transport.unreachable(error) from None
        raise AssertionError("unreachable")

    def _is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    def _body(self) -> Iterator[bytes]:
        """The request's body as it goes over the wire."""
        if self._is_chunked():
            yield from self._chunks()
            return
        left = int(self.headers.get("content-length") or "0")
        while left > 0 and (piece := self.rfile.read1(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self.rfile.readline(LONGEST_LINE)
            size = int(line.split(b";")[0].strip() or b"0", 16) if line else 0
            if not size:
                while self.rfile.readline(LONGEST_LINE).strip():
                    pass  # trailers
                yield b"0\r\n\r\n"
                return
            yield b"%x\r\n%s\r\n" % (size, self.rfile.read(size))
            self.rfile.readline(LONGEST_LINE)

    def _relay(self, target: str) -> None:
        """A request for another protocol, and whatever follows it. Raises ServerUnreachable."""
        settings = self.server.settings
        self.close_connection = True
        headers = {
            "Host": settings.transport.host,
            **self._headers(),
            "Connection": "Upgrade",
            "Upgrade": self.headers.get("upgrade", ""),
        }
        if self.headers.get("content-length"):
            headers["Content-Length"] = self.headers["content-length"]
        head = f"{self.command} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items())
        try:
            backend = settings.transport.open()
            backend.settimeout(None)
            if settings.keepalive > 0 and backend.family != getattr(socket, "AF_UNIX", None):
                backend.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(settings.keepalive)))
            backend.sendall(f"{head}\r\n".encode("latin-1"))
        except OSError as error:
            raise settings.transport.unreachable(error) from None
        up = threading.Thread(target=self._copy_up, args=(backend,), daemon=True)
        up.start()
        with suppress(OSError):
            while data := backend.recv(PIECE):
                self.wfile.write(data)
        for end in (self.connection, backend):  # wakes the other thread
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        up.join()
        backend.close()

    def _copy_up(self, backend: socket.socket) -> None:
        with suppress(OSError):
            while data := self.rfile.read1(PIECE):
                backend.sendall(data)
        with suppress(OSError):
            backend.shutdown(socket.SHUT_RDWR)


def clean_path(path: str) -> str:
    """Without `.`, `..` and slashes that follow each other; a slash at the end stays: http.cleanPath."""
    if not path.startswith("/"):
        path = f"/{path}"
    found = posixpath.normpath(f"/{path.lstrip('/')}")
    return f"{found}/" if path.endswith("/") and found != "/" else found


def canonical(name: str) -> str:
    """A header's name as Go writes it."""
    return "-".join(part.capitalize() for part in name.split("-"))


def text_reply(status: int, text: str) -> Reply:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Reply(status, headers, text.encode())


def redirect(location: str, query: str) -> Reply:
    location = f"{location}?{query}" if query else location
    body = f'<a href="{escape(location)}">Moved Permanently</a>.\n\n'
    return Reply(301, {"Content-Type": "text/html; charset=utf-8", "Location": location}, body.encode())


NOT_FOUND: Final = text_reply(404, "404 page not found\n")
FORBIDDEN: Final = text_reply(403, "Forbidden\n")
