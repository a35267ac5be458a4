"""What the simulated HTTP servers share: the date, logging, content types, and Go's way of answering."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

from kubesim.runtime.application import HTTPApplication, Listener
from kubesim.runtime.http1 import Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.journal import STDERR, STDOUT
from kubesim.runtime.machine import Machine, ProcessEntry

CONTENT_TYPES = {
    "html": "text/html", "htm": "text/html", "css": "text/css", "js": "application/javascript", "txt": "text/plain",
    "json": "application/json", "xml": "text/xml", "png": "image/png", "jpg": "image/jpeg", "gif": "image/gif",
    "svg": "image/svg+xml", "ico": "image/x-icon", "pdf": "application/pdf", "zip": "application/zip",
    "md": "text/markdown", "gz": "application/gzip",
}  # fmt: skip

PLAIN = "text/plain; charset=utf-8"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# With what HTML begins, as Go's http.DetectContentType knows it; a space or > follows.
_HTML = re.compile(
    rb"[\t\n\x0c\r ]*<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[ >]|"
    rb"[\t\n\x0c\r ]*<!--",
    re.IGNORECASE,
)
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def sniff(data: bytes) -> str:
    """The content type of what a server in Go sends without saying one."""
    if _HTML.match(data):
        return "text/html; charset=utf-8"
    return "application/octet-stream" if _BINARY.search(data[:512]) else PLAIN


def http_date(at: float) -> str:
    """Tue, 31 Dec 2024 23:59:59 GMT."""
    t = time.gmtime(at)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"
    )


def common_log_date(at: float) -> str:
    """01/Jan/2025:12:00:00 +0000."""
    t = time.gmtime(at)
    return f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"


def parse_http_date(text: str) -> float | None:
    """Seconds since 1970, None for what is no date."""
    try:
        return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


class Server(HTTPApplication):
    """An HTTP server in a machine."""

    def __init__(self, machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> None:
        self.machine = machine
        self.entry = entry
        self.service = service
        self._logs = entry.logs and machine.journal is not None

    def log(self, text: str, stream: int = STDOUT) -> None:
        """Write a line to the container's log."""
        journal = self.machine.journal
        if self._logs and journal is not None:
            journal.line(self.machine.clock(), stream, text)

    def log_error(self, text: str) -> None:
        self.log(text, STDERR)

    def go_log(self, text: str) -> None:
        """A line as Go's log package writes it, to standard error."""
        self.log(f"{datetime.fromtimestamp(self.machine.clock(), UTC):%Y/%m/%d %H:%M:%S} {text}", STDERR)

    def listener(self, port: int, protocol: Any = "TCP", address: str = "*") -> Listener:
        name = self.entry.argv[0].rpartition("/")[2]
        return Listener(protocol, port, address, self, name, self.entry.pid)

    def go_response(
        self,
        body: str | bytes,
        status: int = 200,
        content_type: str = "",
        headers: Headers | None = None,
    ) -> HTTPResponse:
        """An answer as Go's net/http writes it: without a type that of what it looks like."""
        data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
        fields = [
            *(headers or []),
            ("Date", http_date(self.machine.clock())),
            ("Content-Length", str(len(data))),
        ]
        if data:
            fields.append(("Content-Type", content_type or sniff(data)))
        return HTTPResponse(status, fields, data)

    def go_error(self, text: str, status: int) -> HTTPResponse:
        """http.Error."""
        headers: Headers = [("X-Content-Type-Options", "nosniff")]
        return self.go_response(f"{text}\n", status, PLAIN, headers)

    def addresses(self) -> list[str]:
        """The machine's own addresses without their prefix lengths, loopback first."""
        return [a.partition("/")[0] for i in self.machine.network.interfaces() for a in i.addresses]


def parse_port(text: str, default: int) -> tuple[str, int]:
    """`:8080`, `0.0.0.0:8080`, `[::]:80` or `8080` as address and port."""
    if not text:
        return "*", default
    address, colon, port = text.rpartition(":")
    if not colon:
        address, port = "", text
    return address.strip("[]") or "*", int(port) if port.isdigit() else default


def as_json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(
        value, indent=indent, separators=(",", ":") if indent is None else None, ensure_ascii=False
    )


def request_line(request: HTTPRequest) -> str:
    """As it was sent; without a version that of a request that was cut off before."""
    return f"{request.method} {request.target}" + (f" HTTP/{request.version}" if request.version else "")


def header_map(request: HTTPRequest) -> dict[str, list[str]]:
    """Headers by canonical name, as Go has them, without Host."""
    found: dict[str, list[str]] = {}
    for key, value in request.headers:
        name = "-".join(part.capitalize() for part in key.split("-"))
        if name != "Host":
            found.setdefault(name, []).append(value)
    return dict(sorted(found.items()))
