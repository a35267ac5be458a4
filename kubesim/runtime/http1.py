"""HTTP/1.x without sockets: the messages, how they are written, and a conversation that is fed with bytes.

Inside the simulation a request is a value that is handed from the client to the application. Where bytes come from
outside (a real socket, `nc`), `HTTPConversation` turns them into such values, whatever was sent: what is no HTTP is
answered as the server would, and the connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

Headers = list[tuple[str, str]]

MAX_HEAD = 33 * 1024  # what nginx has buffers for: one of 1k, four of 8k
MAX_BODY = 64 * 1024 * 1024

REASONS = {
    100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    206: "Partial Content", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
    411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long",
    415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a teapot",
    422: "Unprocessable Entity", 426: "Upgrade Required", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip


def find_header(headers: Headers, name: str) -> str | None:
    """The first value of a header, whatever the case in which its name is written."""
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


@dataclass(slots=True)
class HTTPRequest:
    """One request. `target` is the path with the query, as on the wire."""

    method: str = "GET"
    target: str = "/"
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    version: str = "1.1"

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)

    @property
    def path(self) -> str:
        """The decoded path, without the query."""
        raw = self.target.partition("?")[0]
        return unquote(raw) if "%" in raw else raw

    @property
    def query(self) -> dict[str, str]:
        """The query's first value by name."""
        text = self.target.partition("?")[2].partition("#")[0]
        found: dict[str, str] = {}
        for key, value in parse_qsl(text, keep_blank_values=True):
            found.setdefault(key, value)
        return found

    @property
    def form(self) -> dict[str, str]:
        """Query and url-encoded body together, as Go's `FormValue` reads them: the body wins."""
        found = self.query
        if "x-www-form-urlencoded" in (self.header("Content-Type") or ""):
            found |= dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return found

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection open."""
        asked = (self.header("Connection") or "").lower()
        return asked == "keep-alive" if self.version == "1.0" else asked != "close"

    def encode(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/{self.version}"]
        lines += [f"{key}: {value}" for key, value in self.headers]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


@dataclass(slots=True)
class HTTPResponse:
    """One answer; `headers` are complete, in the order in which the server writes them."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    reason: str = ""
    version: str = "1.1"
    close: bool = False
    seconds: float = 0.0
    """How long the server takes for it. Who asks lets them pass."""

    def __post_init__(self) -> None:
        if not self.reason:
            self.reason = REASONS.get(self.status, "")

    def header(self, name: str) -> str | None:
        return find_header(self.headers, name)

    def head(self) -> bytes:
        """Status line and headers, with the empty line that ends them."""
        lines = [f"HTTP/{self.version} {self.status} {self.reason}"]
        lines += [f"{key}: {value}" for key, value in self.headers]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"

    def encode(self, *, head_only: bool = False) -> bytes:
        return self.head() if head_only else self.head() + self.body


PLAIN_METHODS = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO")
"""By these a server that speaks TLS knows HTTP without it, as net/http of Go does."""


class BadMessage(ValueError):
    """Bytes that are no HTTP; `status` is what a server answers, `head` the beginning of one that is too long."""

    def __init__(self, status: int, text: str, head: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.head = head


def parse_head(text: bytes) -> HTTPRequest:
    """A request's first line and headers, without the empty line. Raises BadMessage."""
    lines = text.decode("utf-8", "surrogateescape").split("\r\n" if b"\r\n" in text else "\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[0].isascii() or not words[0].replace("-", "").isalpha() or not words[1]:
        raise BadMessage(400, f"malformed request line {lines[0][:80]!r}")
    if not words[2].startswith("HTTP/"):
        raise BadMessage(400, f"malformed version {words[2][:20]!r}")
    version = words[2][5:]
    if version not in ("1.1", "1.0"):
        raise BadMessage(505, f"version {version[:20]!r}")
    if words[0] != words[0].upper() or not (
        words[1][0] in "/*" or "://" in words[1] or words[0] == "CONNECT"
    ):
        raise BadMessage(400, f"malformed request line {lines[0][:80]!r}")
    headers: Headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or " " in name:
            raise BadMessage(400, f"malformed header {line[:80]!r}")
        headers.append((name, value.strip(" \t")))
    target = words[1]
    if "://" in target and words[0] != "CONNECT":  # the absolute form, as sent to proxies
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    request = HTTPRequest(words[0], target, headers, version=version)
    if version == "1.1" and request.header("Host") is None:
        raise BadMessage(400, "missing Host")
    return request


def _chunk_size(line: bytes, so_far: int) -> int:
    try:
        size = int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise BadMessage(400, "chunk without a size") from None
    if size < 0 or so_far + size > MAX_BODY:
        raise BadMessage(413, "body too large")
    return size


def _after_trailer(buffer: bytes | bytearray, at: int) -> int:
    """Where the next message begins after the last chunk's line; 0 if not all is there. Raises BadMessage."""
    trailer = buffer.find(b"\r\n", at)
    while trailer > at:
        at = trailer + 2
        trailer = buffer.find(b"\r\n", at)
    if trailer < 0 and len(buffer) - at > MAX_HEAD:
        raise BadMessage(431, "trailer too large")
    return 0 if trailer < 0 else trailer + 2


def _chunked(buffer: bytes, start: int) -> tuple[bytes, int] | None:
    """The body of a chunked message from `start` on, and where the next message begins; None if not all is there."""
    body, at = bytearray(), start
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            if len(buffer) - at > 1024:
                raise BadMessage(400, "chunk without a size")
            return None
        size = _chunk_size(buffer[at:end], len(body))
        at = end + 2
        if size == 0:
            after = _after_trailer(buffer, at)
            return (bytes(body), after) if after else None
        if len(buffer) < at + size + 2:
            return None
        body += buffer[at : at + size]
        at += size + 2


class RequestReader:
    """Requests out of the bytes of one connection, however they come. What has been looked at is not looked at again:
    a body costs what its length is, in as many pieces as it may come.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._request: HTTPRequest | None = None
        """The one whose body is awaited."""
        self._length: int | None = 0
        """Of its body; None while that is chunked."""
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def __bool__(self) -> bool:
        """Whether something has come that belongs to no request so far."""
        return self._request is not None or bool(self._buffer)

    def __len__(self) -> int:
        """How many bytes have not been used."""
        return len(self._buffer)

    @property
    def waits_for_body(self) -> HTTPRequest | None:
        """The request of which nothing but the head has come."""
        nothing = not self._buffer and not self._body
        return self._request if nothing else None

    def drop(self) -> None:
        self._buffer.clear()
        self._request = None

    def next(self) -> HTTPRequest | None:
        """The next whole request; None if it is not all there. Raises BadMessage."""
        if self._request is None and not self._read_head():
            return None
        request = self._request
        if request is None:
            return None
        if self._length is None:
            if not self._read_chunks():
                return None
            request.body = bytes(self._body)
        else:
            if len(self._buffer) < self._length:
                return None
            request.body = bytes(memoryview(self._buffer)[: self._length])
            del self._buffer[: self._length]
        self._request = None
        self._body = bytearray()
        return request

    def _read_head(self) -> bool:
        buffer = self._buffer
        lead = 0
        while buffer.startswith(
            (b"\r\n", b"\n"), lead
        ):  # RFC 9112 2.2: empty lines before a request are ignored
            lead += 2 if buffer.startswith(b"\r\n", lead) else 1
        end, gap = buffer.find(b"\r\n\r\n", lead), 4
        if end < 0:
            end, gap = buffer.find(b"\n\n", lead), 2
        if end < 0:
            _check_unfinished(bytes(buffer[lead : lead + MAX_HEAD + 1]))
            return False
        if end - lead > MAX_HEAD:
            raise BadMessage(431, "head too large", bytes(buffer[lead : lead + MAX_HEAD]))
        request = parse_head(bytes(buffer[lead:end]))
        self._length = _body_length(request)
        self._request = request
        del buffer[: end + gap]
        return True

    def _read_chunks(self) -> bool:
        """Move whole chunks from the buffer to the body; whether that was the last."""
        buffer, body = self._buffer, self._body
        at = 0
        try:
            while (end := buffer.find(b"\r\n", at)) >= 0:
                size = _chunk_size(bytes(buffer[at:end]), len(body))
                start = end + 2
                if size == 0:
                    after = _after_trailer(buffer, start)
                    at = after or at
                    return bool(after)
                if len(buffer) < start + size + 2:
                    return False
                body += memoryview(buffer)[start : start + size]
                at = start + size + 2
            if len(buffer) - at > 1024:
                raise BadMessage(400, "chunk without a size")
            return False
        finally:
            del buffer[:at]


def _body_length(request: HTTPRequest) -> int | None:
    """How long a request's body is; None where it says so itself, in chunks. Raises BadMessage."""
    coding = (request.header("Transfer-Encoding") or "").lower()
    if coding:
        if coding != "chunked" or request.header("Content-Length") is not None:
            raise BadMessage(400, "contradictory framing")
        return None
    lengths = {value for name, value in request.headers if name.lower() == "content-length"}
    if len(lengths) > 1:
        raise BadMessage(400, "contradictory framing")
    text = next(iter(lengths), "") or "0"
    if not (text.isascii() and text.isdigit()):
        raise BadMessage(400, "malformed Content-Length")
    length = int(text[:20])
    if length > MAX_BODY:
        raise BadMessage(413, "body too large")
    return length


def split_request(buffer: bytes) -> tuple[HTTPRequest, int] | None:
    """The first whole request in a buffer and the bytes it took; None if it is not all there. Raises BadMessage."""
    reader = RequestReader()
    reader.feed(buffer)
    request = reader.next()
    return None if request is None else (request, len(buffer) - len(reader))


def _check_unfinished(text: bytes) -> None:
    """Refuse what can become no request any more, so that a client that sends garbage hears so at once."""
    if len(text) > MAX_HEAD:
        raise BadMessage(431, "head too large", text)
    line, newline, _ = text.partition(b"\n")
    if newline and len(line.split(b" ")) != 3:
        raise BadMessage(400, "malformed request line")
    if line[:1] and not (line[:1].isalpha() or line[:1] in b"\r"):
        raise BadMessage(400, "malformed request line")


Handler = Callable[[HTTPRequest], HTTPResponse]
Refusal = Callable[[BadMessage], HTTPResponse]


class HTTPConversation:
    """One connection to an HTTP server: bytes in, bytes out, in the order of the requests (pipelining included)."""

    def __init__(self, handle: Handler, refuse: Refusal) -> None:
        self._handle = handle
        self._refuse = refuse
        self._reader = RequestReader()
        self._continued = False
        self.closed = False
        self.greeting = b""
        self.seconds = 0.0
        """How long the server takes for what `receive` gave last."""

    def receive(self, data: bytes) -> bytes:
        """What the server sends back once it has these bytes too."""
        if self.closed:
            return b""
        reader = self._reader
        reader.feed(data)
        self.seconds = 0.0
        out = bytearray()
        while reader and not self.closed:
            try:
                request = reader.next()
            except BadMessage as bad:
                answer = self._refuse(bad)
                self.closed = True
                reader.drop()
                out += answer.encode()
                break
            if request is None:
                out += self._interim()
                break
            self._continued = False
            answer = self._handle(request)
            self.seconds += answer.seconds
            self.closed = answer.close or not request.keep_alive
            out += answer.encode(head_only=request.method == "HEAD" or answer.status in (204, 304))
        return bytes(out)

    def end(self) -> bytes:
        """The client sends nothing more; what is unfinished is dropped."""
        self.closed = True
        self._reader.drop()
        return b""

    def _interim(self) -> bytes:
        """`100 Continue`, once, for a client that waits for it before it sends the body (curl does above 1 MiB)."""
        request = self._reader.waits_for_body
        if request is None or self._continued or (request.header("Expect") or "").lower() != "100-continue":
            return b""
        self._continued = True
        return b"HTTP/1.1 100 Continue\r\n\r\n"


def split_response(buffer: bytes, *, head_only: bool = False) -> HTTPResponse:
    """What a client makes of the bytes a server sent before it closed. Raises BadMessage for what is no HTTP."""
    while True:
        head, gap, rest = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        words = first.split(" ", 2)
        if not gap or not first.startswith("HTTP/") or len(words) < 2 or not words[1].isdigit():
            raise BadMessage(0, "not HTTP")
        if words[1] != "100":
            break
        buffer = rest
    headers = [(k, v.strip()) for k, _, v in (line.partition(":") for line in lines)]
    answer = HTTPResponse(
        int(words[1]), headers, reason=words[2] if len(words) > 2 else "", version=words[0][5:]
    )
    if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
        found = _chunked(rest, 0)
        rest = found[0] if found else b""
    length = answer.header("Content-Length")
    if length is not None and length.isdigit():
        rest = rest[: int(length)]
    answer.body = b"" if head_only else rest
    return answer
