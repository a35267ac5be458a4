"""Servers that hand out files: Apache httpd, Python's http.server, busybox httpd, agnhost's test-webserver."""

from __future__ import annotations

import html
import posixpath
import re
import time
from typing import Any
from urllib.parse import quote

from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.applications.base import (
    CONTENT_TYPES,
    Server,
    common_log_date,
    http_date,
    parse_http_date,
    request_line,
)
from kubesim.runtime.filesystem import DIRECTORY
from kubesim.runtime.http1 import BadMessage, Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine, ProcessEntry

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def content_type(path: str, default: str) -> str:
    return CONTENT_TYPES.get(path.rpartition(".")[2].lower(), default)


class FileServer(Server):
    """A server of the files below a directory."""

    def root(self) -> str:
        return str(self.service.get("root") or "/")

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        if request.method not in ("GET", "HEAD"):
            answer = self.problem(501 if self.service["application"] == "python" else 405, request)
        else:
            answer = self._file(request)
        self.access(request, peer, answer)
        return answer

    def _file(self, request: HTTPRequest) -> HTTPResponse:
        fs = self.machine.fs
        path = posixpath.normpath("/" + request.path.lstrip("/"))
        place = posixpath.normpath(self.root() + path)
        node = fs.find(place)
        if node is None:
            return self.problem(404, request)
        if node.kind == DIRECTORY:
            if not request.path.endswith("/"):
                return self.redirect(request)
            index = f"{place.rstrip('/')}/index.html"
            found = fs.find(index)
            if found is None:
                return self.listing(request, place)
            place, node = index, found
        try:
            data = fs.read(place)
        except OSError:
            return self.problem(403, request)
        since = parse_http_date(request.header("If-Modified-Since") or "")
        tag = self.etag(node.mtime, len(data))
        if (since is not None and since >= int(node.mtime)) or (
            tag and request.header("If-None-Match") == tag
        ):
            return self.answer(304, b"", "", [("ETag", tag)] if tag else [])
        extra: Headers = [("Last-Modified", http_date(node.mtime))]
        if tag:
            extra += [("ETag", tag), ("Accept-Ranges", "bytes")]
        span = _RANGE.fullmatch(request.header("Range") or "")
        if span and tag and (span.group(1) or span.group(2)):
            part, words = cut_range(data, span)
            if part is None:
                return self.problem(416, request)
            return self.answer(
                206, part, content_type(place, self.default_type()), [*extra, ("Content-Range", words)]
            )
        return self.answer(200, data, content_type(place, self.default_type()), extra)

    def default_type(self) -> str:
        return "application/octet-stream"

    def etag(self, mtime: float, size: int) -> str:
        del mtime, size
        return ""

    def answer(self, status: int, body: bytes, kind: str, extra: Headers) -> HTTPResponse:
        raise NotImplementedError

    def problem(self, status: int, request: HTTPRequest) -> HTTPResponse:
        raise NotImplementedError

    def redirect(self, request: HTTPRequest) -> HTTPResponse:
        raise NotImplementedError

    def listing(self, request: HTTPRequest, place: str) -> HTTPResponse:
        del place
        return self.problem(403, request)

    def access(self, request: HTTPRequest, peer: Peer, answer: HTTPResponse) -> None:
        """Write the access log."""


def cut_range(data: bytes, span: re.Match[str]) -> tuple[bytes | None, str]:
    """The part of a file that a Range header asks for, and the Content-Range."""
    size = len(data)
    if span.group(1):
        start, end = int(span.group(1)), min(int(span.group(2) or size - 1), size - 1)
    else:
        start, end = max(size - int(span.group(2)), 0), size - 1
    if start >= size or end < start:
        return None, f"bytes */{size}"
    return data[start : end + 1], f"bytes {start}-{end}/{size}"


class Apache(FileServer):
    """Apache httpd."""

    def root(self) -> str:
        return str(self.service.get("root") or "/usr/local/apache2/htdocs")

    def etag(self, mtime: float, size: int) -> str:
        return f'"{size:x}-{int(mtime * 1e6):x}"'

    def default_type(self) -> str:
        return ""

    def answer(self, status: int, body: bytes, kind: str, extra: Headers) -> HTTPResponse:
        headers: Headers = [
            ("Date", http_date(self.machine.clock())),
            ("Server", f"Apache/{self.service['version']} (Unix)"),
            *extra,
        ]
        if status != 304:
            headers.append(("Content-Length", str(len(body))))
        if kind:
            headers.append(("Content-Type", kind))
        return HTTPResponse(status, headers, body)

    _TEXTS = {
        400: ("Bad Request", ("<p>Your browser sent a request that this server "
            "could not understand.<br />\n</p>")),
        403: ("Forbidden", "<p>You don't have permission to access this resource.</p>"),
        404: ("Not Found", "<p>The requested URL was not found on this server.</p>"),
        405: ("Method Not Allowed", "<p>The requested method {method} is not allowed for this URL.</p>"),
        416: ("Requested Range Not Satisfiable", ("<p>None of the range-specifier values in "
            "the Range\nrequest-header field "
            "overlap the current extent\nof the selected resource.</p>")),
    }  # fmt: skip

    def problem(self, status: int, request: HTTPRequest) -> HTTPResponse:
        title, text = self._TEXTS.get(status, ("Bad Request", ""))
        body = (
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
            f"<title>{status} {title}</title>\n</head><body>\n<h1>{title}</h1>\n"
            f"{text.format(method=request.method)}\n</body></html>\n"
        )
        return self.answer(status, body.encode(), "text/html; charset=iso-8859-1", [])

    def refuse(self, bad: BadMessage, peer: Peer) -> HTTPResponse:
        answer = self.problem(400, HTTPRequest())
        answer.headers.append(("Connection", "close"))
        answer.close = True
        self.log(f'{peer.address} - - [{common_log_date(self.machine.clock())}] "-" 400 {len(answer.body)}')
        del bad
        return answer

    def redirect(self, request: HTTPRequest) -> HTTPResponse:
        url = f"http://{request.header('Host') or 'localhost'}{request.path}/"
        body = (
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n'
            "<html><head>\n<title>301 Moved Permanently</title>\n"
            "</head><body>\n<h1>Moved Permanently</h1>\n<p>The document has moved <a "
            f'href="{html.escape(url)}">here</a>.</p>\n</body></html>\n'
        )
        return self.answer(301, body.encode(), "text/html; charset=iso-8859-1", [("Location", url)])

    def listing(self, request: HTTPRequest, place: str) -> HTTPResponse:
        names = self.machine.fs.list(place)
        title = f"Index of {request.path.rstrip('/') or '/'}"
        rows = "".join(f'<li><a href="{quote(n)}"> {html.escape(n)}</a></li>\n' for n in names)
        body = (
            '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n  '
            f"<title>{title}</title>\n </head>\n <body>\n<h1>{title}</h1>\n<ul>{rows}</ul>\n"
            "</body></html>\n"
        )
        return self.answer(200, body.encode(), "text/html;charset=ISO-8859-1", [])

    def access(self, request: HTTPRequest, peer: Peer, answer: HTTPResponse) -> None:
        size = "-" if answer.status == 304 or request.method == "HEAD" else str(len(answer.body))
        self.log(
            f"{peer.address} - - [{common_log_date(self.machine.clock())}] "
            f'"{request_line(request)}" {answer.status} {size}'
        )


class Python(FileServer):
    """python -m http.server."""

    def answer(self, status: int, body: bytes, kind: str, extra: Headers) -> HTTPResponse:
        headers: Headers = [
            ("Server", f"SimpleHTTP/0.6 Python/{self.service['version']}"),
            ("Date", http_date(self.machine.clock())),
        ]
        if kind:
            headers += [("Content-type", kind), ("Content-Length", str(len(body)))]
        return HTTPResponse(status, [*headers, *extra], body, version="1.0", close=True)

    _REASONS = {404: ("File not found", "Nothing matches the given URI"), 501: (("Unsupported method "
        "('{method}')"), ("Server does not support this "
        "operation")), 403: ("Forbidden", ("Request forbidden -- "
        "authorization will not help"))}  # fmt: skip

    def problem(self, status: int, request: HTTPRequest) -> HTTPResponse:
        message, explain = self._REASONS.get(
            status, ("Bad request", "Bad request syntax or unsupported method")
        )
        message = message.format(method=request.method)
        body = (
            '<!DOCTYPE HTML>\n<html lang="en">\n    <head>\n        <meta '
            'charset="utf-8">\n        <title>Error response</title>\n'
            f"    </head>\n    <body>\n        <h1>Error response</h1>\n        <p>Error code: {status}</p>\n"
            f"        <p>Message: {html.escape(message)}.</p>\n        <p>Error code "
            f"explanation: {status} - {explain}.</p>\n    </body>\n</html>\n"
        )
        answer = self.answer(status, body.encode(), "text/html;charset=utf-8", [])
        answer.headers.insert(2, ("Connection", "close"))
        answer.reason = message
        return answer

    def redirect(self, request: HTTPRequest) -> HTTPResponse:
        answer = self.answer(301, b"", "", [("Location", f"{request.path}/"), ("Content-Length", "0")])
        answer.reason = "Moved Permanently"
        return answer

    def listing(self, request: HTTPRequest, place: str) -> HTTPResponse:
        fs = self.machine.fs
        title = f"Directory listing for {html.escape(request.path)}"
        rows = []
        for name in sorted(fs.list(place), key=str.lower):
            mark = "/" if fs.is_directory(f"{place}/{name}") else ""
            rows.append(f'<li><a href="{quote(name)}{mark}">{html.escape(name)}{mark}</a></li>\n')
        body = (
            '<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<meta '
            f'charset="utf-8">\n<title>{title}</title>\n</head>\n<body>\n'
            f"<h1>{title}</h1>\n<hr>\n<ul>\n{''.join(rows)}</ul>\n<hr>\n</body>\n</html>\n"
        )
        return self.answer(200, body.encode(), "text/html; charset=utf-8", [])

    def access(self, request: HTTPRequest, peer: Peer, answer: HTTPResponse) -> None:
        at = time.strftime("%d/%b/%Y %H:%M:%S", time.gmtime(self.machine.clock()))
        if answer.status >= 400:
            self.log_error(f"{peer.address} - - [{at}] code {answer.status}, message {answer.reason}")
        self.log_error(f'{peer.address} - - [{at}] "{request_line(request)}" {answer.status} -')


class BusyboxHTTPD(FileServer):
    """busybox httpd."""

    def answer(self, status: int, body: bytes, kind: str, extra: Headers) -> HTTPResponse:
        headers: Headers = [("Date", http_date(self.machine.clock())), ("Connection", "close")]
        if kind:
            headers.append(("Content-type", kind))
        headers += [h for h in extra if h[0] in ("Last-Modified", "Accept-Ranges", "Location")]
        if status == 200:
            headers.append(("Content-Length", str(len(body))))
        return HTTPResponse(status, headers, body, version="1.1" if status == 200 else "1.0", close=True)

    def problem(self, status: int, request: HTTPRequest) -> HTTPResponse:
        del request
        title, text = {404: ("Not Found", ("The requested URL was not "
            "found")), 403: ("Forbidden", ""), 405: ("Not Implemented", ("The requested method is not "
            "recognized"))}.get(status, ("Bad Request", "Unsupported method"))  # fmt: skip
        status = 501 if status == 405 else status
        body = (
            f"<HTML><HEAD><TITLE>{status} {title}</TITLE></HEAD>\n"
            f"<BODY><H1>{status} {title}</H1>\n{text}\n</BODY></HTML>\n"
        )
        return self.answer(status, body.encode(), "text/html", [])

    def redirect(self, request: HTTPRequest) -> HTTPResponse:
        answer = self.answer(302, b"", "", [("Location", f"{request.path}/")])
        answer.reason = "Found"
        return answer

    def listing(self, request: HTTPRequest, place: str) -> HTTPResponse:
        del place
        return self.problem(404, request)


class TestWebserver(FileServer):
    """agnhost's test-webserver: Go's file server."""

    __test__ = False

    def answer(self, status: int, body: bytes, kind: str, extra: Headers) -> HTTPResponse:
        return self.go_response(body, status, kind or "text/plain; charset=utf-8", extra)

    def problem(self, status: int, request: HTTPRequest) -> HTTPResponse:
        del request
        return self.go_error({404: "404 page not found"}.get(status, "Forbidden"), status)

    def redirect(self, request: HTTPRequest) -> HTTPResponse:
        return self.go_response(b"", 301, headers=[("Location", posixpath.basename(request.path) + "/")])

    def listing(self, request: HTTPRequest, place: str) -> HTTPResponse:
        del request
        rows = "".join(f'<a href="{quote(n)}">{html.escape(n)}</a>\n' for n in self.machine.fs.list(place))
        return self.go_response(f"<pre>\n{rows}</pre>\n", content_type="text/html; charset=utf-8")


_KINDS: dict[str, type[FileServer]] = {
    "httpd": Apache, "python": Python, "busybox-httpd": BusyboxHTTPD, "test-webserver": TestWebserver,
}  # fmt: skip


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    server = _KINDS[service["application"]](machine, entry, service)
    return [server.listener(int(port), "TCP", address) for address, port in service["listen"]]
