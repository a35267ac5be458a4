"""The buffers into which nginx reads the head of a request, and what it answers where one does not fit.

As in ngx_http_request.c: a first buffer, then some large ones. A line stands in one buffer as a whole: what has come of it
moves to the next one when its buffer is full. A request line that is longer than a large buffer gets 414; such a header, or
one for which no buffer is left, gets 400 with a page of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubesim.runtime.http1 import HTTPRequest

TOO_LARGE = "Request Header Or Cookie Too Large"
_CRLF = 2


class Buffers(NamedTuple):
    """client_header_buffer_size, large_client_header_buffers; the defaults are nginx'."""

    first: int = 1024
    number: int = 4
    size: int = 8192


class TooLong(NamedTuple):
    """The status, 414 or 400, and what nginx has read of the request when it gives up: its log knows no more."""

    status: int
    seen: HTTPRequest


def too_long(request: HTTPRequest, buffers: Buffers) -> TooLong | None:
    """Whether a request is too long for the buffers."""
    line = f"{request.method} {request.target} HTTP/{request.version}"
    if len(line) + sum(len(k) + len(v) + 4 for k, v in request.headers) < buffers.first // 4:
        return None  # whatever its characters are
    lines = [_size(line), *(_size(k) + _size(v) + 2 for k, v in request.headers), 0]
    at = _overflow((n + _CRLF for n in lines), buffers)
    return None if at is None else _given_up(at, line, request, buffers)


def too_long_head(head: bytes, buffers: Buffers) -> TooLong:
    """The same for the beginning of a head that is longer than anybody takes."""
    lines = head.split(b"\n")
    at = _overflow((len(line) + 1 for line in lines), buffers)
    if at is None:
        at = len(lines) - 1  # larger buffers than anybody has here
    texts = [text.decode("utf-8", "surrogateescape").rstrip("\r") for text in lines[:at] or lines[:1]]
    method, _, rest = texts[0].partition(" ")
    target, _, version = rest.partition(" HTTP/")
    headers = [(k, v.strip(" \t")) for k, colon, v in (t.partition(":") for t in texts[1:]) if colon]
    return _given_up(at, texts[0], HTTPRequest(method, target, headers, version=version), buffers)


def _given_up(at: int, line: str, request: HTTPRequest, buffers: Buffers) -> TooLong:
    """What is said when the line with this number (0: the request line) does not fit."""
    if at:
        known = request.headers[: at - 1]
        return TooLong(400, HTTPRequest(request.method, request.target, known, version=request.version))
    method, _, target = line[: buffers.size].partition(" ")
    return TooLong(414, HTTPRequest(method, target, version=""))


def _overflow(lengths: Iterable[int], buffers: Buffers) -> int | None:
    """The number of the first line that does not fit; None where all do."""
    used, size, left = 0, buffers.first, buffers.number
    for at, length in enumerate(lengths):
        if used + length > size:
            used, size = 0, buffers.size
            left -= 1
            if left < 0 or length > size:
                return at
        used += length
    return None


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
