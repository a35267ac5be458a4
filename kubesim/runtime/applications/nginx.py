"""nginx: virtual servers, locations, files, returns, rewrites, proxying, error pages, its access and error logs."""

from __future__ import annotations

import html
import posixpath
import re
import time
from typing import Any

from kubesim.runtime.addressorder import one_of_each
from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.applications.base import (
    CONTENT_TYPES,
    Server,
    common_log_date,
    http_date,
    parse_http_date,
    request_line,
)
from kubesim.runtime.applications.files import cut_range
from kubesim.runtime.applications.nginx_buffers import TOO_LARGE, Buffers, TooLong, too_long, too_long_head
from kubesim.runtime.filesystem import DIRECTORY
from kubesim.runtime.http1 import BadMessage, Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.journal import STDERR, STDOUT
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.network_view import NetworkError, Refused, TimedOut
from kubesim.runtime.resolver import ResolveError, is_address, lookup
from kubesim.util import boundedre

_REASONS = {
    301: "Moved Permanently", 302: "Found", 303: "See Other", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Authorization Required", 403: "Forbidden", 404: "Not Found", 405: "Not Allowed",
    408: "Request Time-out", 413: "Request Entity Too Large", 414: "Request-URI Too Large",
    416: "Requested Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Temporarily "
        "Unavailable", 504: "Gateway Time-out",
    505: "HTTP Version Not Supported",
}  # fmt: skip
_DEFAULT_FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status '
    '$body_bytes_sent "$http_referer" "$http_user_agent"'
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

READ_TIMEOUT = 60.0
"""proxy_read_timeout's default."""


class _Exchange:
    """One request on its way through the configuration."""

    __slots__ = (
        "captures",
        "location",
        "peer",
        "request",
        "server",
        "size",
        "status",
        "upstream",
        "uri",
        "variables",
    )

    def __init__(self, request: HTTPRequest, peer: Peer, server: dict[str, Any]) -> None:
        self.request = request
        self.peer = peer
        self.server = server
        self.location: dict[str, Any] = server
        self.uri = posixpath.normpath("/" + request.path.lstrip("/")) + (
            "/" if request.path.endswith("/") and request.path.strip("/") else ""
        )
        self.captures: list[str] = []
        self.variables: dict[str, str] = {}
        self.status = 0
        self.size = 0
        self.upstream = "-"


class Nginx(Server):
    """nginx on one of its ports."""

    def __init__(
        self,
        machine: Machine,
        entry: ProcessEntry,
        service: dict[str, Any],
        servers: list[dict[str, Any]],
        *,
        tls: bool,
    ) -> None:
        super().__init__(machine, entry, service)
        self.tls = tls
        self._servers = servers
        self._version = f"nginx/{service['version']}"
        self._default = next((s for s in servers if any(row[2] for row in s["listen"])), servers[0])
        self._buffers = _buffers(self._default)
        self._connections = 0
        self._turns: dict[str, int] = {}

    # The way of a request

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        self._connections += 1
        refused = too_long(request, self._buffers)
        if refused is not None:
            return self._too_long(refused, peer)
        server = self._choose(request.header("Host") or "")
        exchange = _Exchange(request, peer, server)
        limit = _size(str(server.get("client_max_body_size", "1m")))
        if limit and len(request.body) > limit:
            answer = self._error(exchange, 413)
            answer.close = True
        else:
            answer = self._serve(exchange)
        for name, value, *flags in exchange.location.get("headers") or []:
            if answer.status in (200, 201, 204, 206, 301, 302, 303, 304, 307, 308) or flags == ["always"]:
                answer.headers.append((name, self._expand(value, exchange)))
        if request.method == "HEAD":
            exchange.size = 0
        self._access(exchange, answer)
        return answer

    def refuse(self, bad: BadMessage, peer: Peer) -> HTTPResponse:
        if bad.head:
            return self._too_long(too_long_head(bad.head, self._buffers), peer)
        exchange = _Exchange(HTTPRequest("", "", []), peer, self._default)
        answer = self._error(exchange, bad.status if bad.status in _REASONS else 400)
        answer.headers = [(k, "close" if k == "Connection" else v) for k, v in answer.headers]
        answer.close = True
        self._access(exchange, answer)
        return answer

    def _too_long(self, refused: TooLong, peer: Peer) -> HTTPResponse:
        seen = refused.seen
        exchange = _Exchange(seen, peer, self._choose(seen.header("Host") or ""))
        answer = self._error(exchange, refused.status, TOO_LARGE if refused.status == 400 else "")
        answer.headers = [(k, "close" if k == "Connection" else v) for k, v in answer.headers]
        answer.close = True
        if seen.method == "HEAD":
            exchange.size = 0
        self._access(exchange, answer)
        return answer

    def _choose(self, host: str) -> dict[str, Any]:
        name = re.sub(r":\d+$", "", host).lower()
        for server in self._servers:
            if name in server["names"]:
                return server
        for server in self._servers:
            for pattern in server["names"]:
                if pattern.startswith("*.") and name.endswith(pattern[1:]):
                    return server
                if pattern.endswith(".*") and name.startswith(pattern[:-1]):
                    return server
                if pattern.startswith("~") and boundedre.search(pattern[1:], name):
                    return server
        return self._default

    def _serve(self, exchange: _Exchange) -> HTTPResponse:
        for _ in range(10):  # nginx: at most ten internal redirects
            answer = self._apply(exchange, exchange.server)
            if answer is None:
                exchange.location = self._locate(exchange, exchange.server["locations"]) or exchange.server
                answer = (
                    self._apply(exchange, exchange.location)
                    if exchange.location is not exchange.server
                    else None
                )
            if isinstance(answer, str):
                exchange.uri = answer
                continue
            if answer is None:
                answer = self._content(exchange)
            if isinstance(answer, str):
                exchange.uri = answer
                continue
            return answer
        return self._error(exchange, 500)

    def _apply(self, exchange: _Exchange, block: dict[str, Any]) -> HTTPResponse | str | None:
        """set, if, rewrite, return, and who may come in; a text is a new URI."""
        for name, value in block.get("sets") or []:
            exchange.variables[name.lstrip("$")] = self._expand(value, exchange)
        for condition, inner in block.get("ifs") or []:
            if self._holds(condition, exchange):
                found = self._apply(exchange, inner)
                if found is not None:
                    return found
        for rewrite in block.get("rewrites") or []:
            found = self._rewrite(exchange, rewrite)
            if found is not None:
                return found
        if block.get("return"):
            return self._return(exchange, block["return"])
        for action, who in block.get("rules") or []:
            if who == "all" or exchange.peer.address == who or _in_network(exchange.peer.address, who):
                if action == "deny":
                    self._complain(exchange, "access forbidden by rule")
                    return self._error(exchange, 403)
                break
        if block.get("auth_basic", "off") != "off" and not exchange.request.header("Authorization"):
            answer = self._error(exchange, 401)
            answer.headers.insert(4, ("WWW-Authenticate", f'Basic realm="{block["auth_basic"]}"'))
            return answer
        return None

    def _holds(self, condition: str, exchange: _Exchange) -> bool:
        words = condition.split(None, 2)
        left = self._expand(words[0], exchange)
        if len(words) < 3:
            return left not in ("", "0")
        right = words[2].strip("\"'")
        match words[1]:
            case "=":
                return left == right
            case "!=":
                return left != right
            case "~" | "~*":
                return boundedre.search(right, left, re.IGNORECASE if words[1] == "~*" else 0) is not None
            case "!~" | "!~*":
                return boundedre.search(right, left, re.IGNORECASE if words[1] == "!~*" else 0) is None
        return False

    def _rewrite(self, exchange: _Exchange, rewrite: list[str]) -> HTTPResponse | str | None:
        match = boundedre.search(rewrite[0], exchange.uri)
        if match is None or len(rewrite) < 2:
            return None
        exchange.captures = [match.group(), *(g or "" for g in match.groups())]
        target = self._expand(rewrite[1], exchange)
        flag = rewrite[2] if len(rewrite) > 2 else ""
        if flag in ("redirect", "permanent") or target.startswith(("http://", "https://")):
            return self._redirect(exchange, 301 if flag == "permanent" else 302, target)
        new = target.partition("?")[0]
        if flag == "break":
            exchange.uri = new
            return None
        return new if new != exchange.uri else None

    def _return(self, exchange: _Exchange, args: list[str]) -> HTTPResponse:
        status = int(args[0]) if args[0].isdigit() else 302
        text = self._expand(
            args[1] if args[0].isdigit() and len(args) > 1 else "" if args[0].isdigit() else args[0], exchange
        )
        if status in (301, 302, 303, 307, 308):
            return self._redirect(exchange, status, text)
        if status >= 400 and not text:
            return self._error(exchange, status)
        kind = str(exchange.location.get("default_type") or "text/plain")
        return self._answer(exchange, status, text.encode("utf-8", "surrogateescape"), kind)

    def _locate(self, exchange: _Exchange, locations: list[dict[str, Any]]) -> dict[str, Any] | None:
        uri = exchange.uri
        best: dict[str, Any] | None = None
        for location in locations:
            if location["modifier"] == "=" and uri == location["pattern"]:
                return location
            prefix = location["modifier"] in ("", "^~") and uri.startswith(location["pattern"])
            if prefix and (best is None or len(location["pattern"]) > len(best["pattern"])):
                best = location
        if best is None or best["modifier"] != "^~":
            for location in locations:
                if location["modifier"].startswith("~"):
                    match = boundedre.search(
                        location["pattern"], uri, re.IGNORECASE if location["modifier"] == "~*" else 0
                    )
                    if match:
                        exchange.captures = [match.group(), *(g or "" for g in match.groups())]
                        return location
        if best is not None and best["locations"]:
            return self._locate(exchange, best["locations"]) or best
        return best

    # Content

    def _content(self, exchange: _Exchange) -> HTTPResponse | str:
        location = exchange.location
        if location.get("stub_status"):
            text = (
                f"Active connections: 1 \nserver accepts handled requests\n {self._connections} "
                f"{self._connections} {self._connections} \nReading: 0 Writing: 1 Waiting: 0 \n"
            )
            return self._answer(exchange, 200, text.encode(), "text/plain")
        if location.get("try_files"):
            found = self._try_files(exchange, location["try_files"])
            if found is not None:
                return found
        if location.get("proxy_pass"):
            return self._proxy(
                exchange, self._expand(location["proxy_pass"], exchange), str(location["proxy_pass"])
            )
        return self._static(exchange)

    def _place(self, exchange: _Exchange, uri: str) -> str:
        location = exchange.location
        if location.get("alias") and location is not exchange.server:
            return posixpath.normpath(
                self._expand(location["alias"], exchange) + uri[len(location["pattern"]) :]
            )
        root = self._expand(str(location.get("root") or "/etc/nginx/html"), exchange)
        root = root if root.startswith("/") else f"/etc/nginx/{root}"
        return posixpath.normpath(root + uri)

    def _try_files(self, exchange: _Exchange, args: list[str]) -> HTTPResponse | str | None:
        fs = self.machine.fs
        for arg in args[:-1]:
            uri = self._expand(arg, exchange)
            node = fs.find(self._place(exchange, uri.rstrip("/") or "/"))
            if node is not None and (node.kind == DIRECTORY) == uri.endswith("/"):
                exchange.uri = uri
                return None
        last = self._expand(args[-1], exchange)
        if last.startswith("="):
            return self._error(exchange, int(last[1:]) if last[1:].isdigit() else 404)
        if last.startswith("@"):
            named = next((x for x in exchange.server["locations"] if x["pattern"] == last), None)
            if named is None:
                return self._error(exchange, 500)
            exchange.location = named
            return self._apply(exchange, named) or self._content(exchange)
        return last.partition("?")[0]

    def _static(self, exchange: _Exchange) -> HTTPResponse | str:
        request, fs = exchange.request, self.machine.fs
        if request.method not in ("GET", "HEAD"):
            return self._error(exchange, 405)
        place = self._place(exchange, exchange.uri)
        node = fs.find(place)
        if node is not None and node.kind == DIRECTORY:
            if not exchange.uri.endswith("/"):
                return self._redirect(exchange, 301, exchange.uri + "/")
            found = next(
                (
                    n
                    for n in exchange.location.get("index") or ["index.html"]
                    if fs.find(f"{place.rstrip('/')}/{n}")
                ),
                None,
            )
            if found is None:
                if exchange.location.get("autoindex") == "on":
                    return self._autoindex(exchange, place)
                self._complain(exchange, f'directory index of "{place.rstrip("/")}/" is forbidden')
                return self._error(exchange, 403)
            place = f"{place.rstrip('/')}/{found}"
            node = fs.find(place)
        if node is None:
            self._complain(exchange, f'open() "{place}" failed (2: No such file or directory)')
            return self._error(exchange, 404)
        try:
            data = fs.read(place)
        except OSError as error:
            self._complain(exchange, f'open() "{place}" failed ({error.errno}: {error.strerror})')
            return self._error(exchange, 403)
        return self._file(exchange, place, data, node.mtime)

    def _file(self, exchange: _Exchange, place: str, data: bytes, mtime: float) -> HTTPResponse:
        request = exchange.request
        kind = CONTENT_TYPES.get(place.rpartition(".")[2].lower()) or str(
            exchange.location.get("default_type") or "text/plain"
        )
        tag = f'"{int(mtime):x}-{len(data):x}"'
        since = request.header("If-Modified-Since")
        match = request.header("If-None-Match")
        extra: Headers = [("Last-Modified", http_date(mtime))]
        if (match is not None and match == tag) or (
            match is None and since and parse_http_date(since) == int(mtime)
        ):
            exchange.status, exchange.size = 304, 0
            fields = [
                ("Server", self._version),
                ("Date", http_date(self.machine.clock())),
                *extra,
                self._connection(request),
                ("ETag", tag),
            ]
            return HTTPResponse(304, fields)
        span = _RANGE.fullmatch(request.header("Range") or "")
        if span and (span.group(1) or span.group(2)):
            part, words = cut_range(data, span)
            if part is None:
                return self._error(exchange, 416)
            return self._answer(
                exchange,
                206,
                part,
                kind,
                [*extra, self._connection(request), ("ETag", tag), ("Content-Range", words)],
                length_first=True,
            )
        return self._answer(
            exchange,
            200,
            data,
            kind,
            [*extra, self._connection(request), ("ETag", tag), ("Accept-Ranges", "bytes")],
            length_first=True,
        )

    def _autoindex(self, exchange: _Exchange, place: str) -> HTTPResponse:
        fs = self.machine.fs
        rows = ['<a href="../">../</a>\r\n']
        for name in fs.list(place):
            node = fs.stat(f"{place}/{name}")
            shown = name + ("/" if node.kind == DIRECTORY else "")
            at = time.strftime("%d-%b-%Y %H:%M", time.gmtime(node.mtime))
            size = "-" if node.kind == DIRECTORY else str(node.size)
            rows.append(
                f'<a href="{shown}">{html.escape(shown)}</a>{" " * max(51 - len(shown), 1)}{at}{size:>20}\r\n'
            )
        body = (
            f"<html>\r\n<head><title>Index of {exchange.uri}</title></head>\r\n<body>\r\n<h1>Index "
            f"of {exchange.uri}</h1><hr><pre>{''.join(rows)}</pre><hr></body>\r\n</html>\r\n"
        )
        return self._answer(exchange, 200, body.encode(), "text/html")

    def _proxy(self, exchange: _Exchange, target: str, raw: str) -> HTTPResponse:
        scheme, _, rest = target.partition("://")
        host, slash, path = rest.partition("/")
        upstream = self._upstream(exchange, host)
        name, port = _split_port(upstream, 443 if scheme == "https" else 80)
        uri = exchange.request.target
        if slash and "$" not in raw:
            uri = (
                f"/{path}"
                + exchange.uri[len(exchange.location["pattern"]) :]
                + ("?" + uri.partition("?")[2] if "?" in uri else "")
            )
        elif slash:
            uri = f"/{path}"
        shown = f"{scheme}://{upstream if re.search(r':[0-9]+$', upstream) else f'{upstream}:{port}'}{uri}"
        try:
            addresses = [name] if is_address(name) else one_of_each(lookup(self.machine, name))
        except ResolveError:
            self._complain(exchange, f"{name} could not be resolved (3: Host not found)")
            return self._error(exchange, 502)
        connection, status = None, 502
        for address in addresses:  # proxy_next_upstream: where one does not take it, the next
            exchange.upstream = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            shown = f"{scheme}://{exchange.upstream}{uri}"
            try:
                connection = self.machine.network.connect(address, port)
                break
            except Refused:
                status, why = 502, "connect() failed (111: Connection refused)"
            except TimedOut:
                status, why = 504, "upstream timed out (110: Connection timed out)"
            except NetworkError:
                status, why = 502, "connect() failed (113: No route to host)"
            self._complain(exchange, f"{why} while connecting to upstream", shown)
        if connection is None:
            return self._error(exchange, status)
        try:
            found = connection.http(self._forwarded(exchange, host, uri))
        except BadMessage:
            self._complain(
                exchange,
                "upstream prematurely closed connection while reading response header from upstream",
                shown,
            )
            return self._error(exchange, 502)
        if found.seconds > READ_TIMEOUT:
            why = "upstream timed out (110: Connection timed out) while reading response header from upstream"
            self._complain(exchange, why, shown)
            late = self._error(exchange, 504)
            late.seconds = READ_TIMEOUT
            return late
        skipped = ("server", "date", "connection", "keep-alive", "transfer-encoding", "content-length")
        fields: Headers = [("Server", self._version), ("Date", http_date(self.machine.clock()))]
        kind = found.header("Content-Type")
        if kind:
            fields.append(("Content-Type", kind))
        fields += [("Content-Length", str(len(found.body))), self._connection(exchange.request)]
        fields += [
            (k, v) for k, v in found.headers if k.lower() not in skipped and k.lower() != "content-type"
        ]
        exchange.status, exchange.size = found.status, len(found.body)
        return HTTPResponse(found.status, fields, found.body, found.reason, seconds=found.seconds)

    def _upstream(self, exchange: _Exchange, host: str) -> str:
        servers = exchange.server["upstreams"].get(host)
        if not servers:
            return host
        turn = self._turns.get(host, 0)
        self._turns[host] = turn + 1
        return str(servers[turn % len(servers)])

    def _forwarded(self, exchange: _Exchange, host: str, uri: str) -> HTTPRequest:
        request = exchange.request
        set_headers = {
            n.lower(): (n, self._expand(v, exchange)) for n, v in exchange.location.get("proxy_headers") or []
        }
        fields: Headers = [set_headers.pop("host", ("Host", host))]
        fields += [pair for pair in set_headers.values() if pair[1]]
        if "connection" not in set_headers:
            fields.append(("Connection", "close"))
        if request.body:
            fields.append(("Content-Length", str(len(request.body))))
        dropped = {"host", "connection", "content-length", "transfer-encoding", *set_headers}
        fields += [(k, v) for k, v in request.headers if k.lower() not in dropped]
        return HTTPRequest(request.method, uri, fields, request.body, "1.0")

    # Answers

    def _connection(self, request: HTTPRequest) -> tuple[str, str]:
        return ("Connection", "keep-alive" if request.keep_alive else "close")

    def _answer(
        self,
        exchange: _Exchange,
        status: int,
        body: bytes,
        kind: str,
        extra: Headers | None = None,
        *,
        length_first: bool = False,
    ) -> HTTPResponse:
        exchange.status, exchange.size = status, len(body)
        fields: Headers = [
            ("Server", self._version),
            ("Date", http_date(self.machine.clock())),
        ]
        if status != 204:  # ngx_http_header_filter
            fields += [("Content-Type", kind), ("Content-Length", str(len(body)))]
        if length_first:
            fields += extra or []
        else:
            fields.append(self._connection(exchange.request))
            fields += extra or []
        return HTTPResponse(status, fields, body, _REASONS.get(status, ""))

    def _redirect(self, exchange: _Exchange, status: int, target: str) -> HTTPResponse:
        if target.startswith("/"):
            host = exchange.request.header("Host") or exchange.peer.local_address
            target = f"http{'s' if self.tls else ''}://{host}{target}"
        answer = self._error(exchange, status)
        answer.headers.insert(4, ("Location", target))
        return answer

    def _error(self, exchange: _Exchange, status: int, what: str = "") -> HTTPResponse:
        """The page of an error. `what` says more than the status does."""
        for *codes, uri in exchange.location.get("error_pages") or []:
            statuses = [c for c in codes if c.isdigit()]
            if str(status) in statuses and uri.startswith("/"):
                inner = _Exchange(exchange.request, exchange.peer, exchange.server)
                inner.uri = uri
                inner.location = self._locate(inner, exchange.server["locations"]) or exchange.server
                place = self._place(inner, uri)
                node = self.machine.fs.find(place)
                if node is not None and node.kind != DIRECTORY:
                    changed = next((c[1:] for c in codes if c.startswith("=") and c[1:].isdigit()), "")
                    kind = CONTENT_TYPES.get(place.rpartition(".")[2], "text/html")
                    tag = f'"{int(node.mtime):x}-{node.size:x}"'
                    return self._answer(
                        exchange,
                        int(changed or status),
                        node.content(),
                        kind,
                        [self._connection(exchange.request), ("ETag", tag)],
                        length_first=True,
                    )
        reason = _REASONS.get(status, "")
        title = f"{status} {reason}"
        more = f"<center>{what}</center>\r\n" if what else ""
        body = (
            f"<html>\r\n<head><title>{f'{status} {what}' if what else title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n{more}"
            f"<hr><center>{self._version}</center>\r\n</body>\r\n</html>\r\n"
        )
        return self._answer(exchange, status, body.encode() if status >= 300 else b"", "text/html")

    # Variables and logs

    def _expand(self, text: str, exchange: _Exchange) -> str:
        if "$" not in text:
            return text
        return _VARIABLE.sub(lambda m: self._variable(m.group(1) or m.group(2), exchange), text)

    def _variable(self, name: str, exchange: _Exchange) -> str:
        if name in exchange.variables:
            return exchange.variables[name]
        if name.isdigit():
            return exchange.captures[int(name)] if int(name) < len(exchange.captures) else ""
        request, peer = exchange.request, exchange.peer
        if name.startswith("http_"):
            return request.header(name[5:].replace("_", "-")) or ""
        if name.startswith("arg_"):
            return request.query.get(name[4:], "")
        maps = exchange.server.get("maps") or {}
        if name in maps:
            source, table = maps[name]
            value = self._expand(source, exchange)
            return str(table.get(value, table.get("default", "")))
        getter = _VARIABLES.get(name)
        if getter is not None:
            return str(getter(request, peer))
        return self._local_variable(name, exchange)

    def _local_variable(self, name: str, exchange: _Exchange) -> str:  # noqa: C901 - a case for each thing there is
        request = exchange.request
        now = self.machine.clock()
        match name:
            case "uri" | "document_uri":
                return exchange.uri
            case "host":
                return (
                    re.sub(r":\d+$", "", request.header("Host") or "")
                    or (exchange.server["names"] or [""])[0]
                )
            case "hostname":
                return self.machine.hostname
            case "server_name":
                return str((exchange.server["names"] or [""])[0])
            case "time_local":
                return common_log_date(now)
            case "time_iso8601":
                return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now))
            case "msec":
                return f"{now:.3f}"
            case "status":
                return str(exchange.status)
            case "body_bytes_sent" | "bytes_sent":
                return str(exchange.size)
            case "scheme":
                return "https" if self.tls else "http"
            case "nginx_version":
                return self._version[6:]
            case "pid":
                return str(self.entry.pid)
            case "connection":
                return str(self._connections)
            case "document_root":
                return str(exchange.location.get("root") or "")
            case "proxy_host" | "proxy_port":
                return ""
            case "upstream_addr":
                return exchange.upstream
            case "request_id":
                import hashlib

                return hashlib.md5(f"{now}{self._connections}".encode(), usedforsecurity=False).hexdigest()
            case "request_time" | "upstream_response_time":
                return "0.000"
            case "proxy_add_x_forwarded_for":
                before = request.header("X-Forwarded-For")
                return f"{before}, {exchange.peer.address}" if before else exchange.peer.address
            case "request_body":
                return request.body.decode("utf-8", "replace")
        return ""

    def _access(self, exchange: _Exchange, answer: HTTPResponse) -> None:
        exchange.status = answer.status
        where = exchange.location.get("access_log") or ["/dev/stdout"]
        if where[0] == "off":
            return
        formats = exchange.server.get("formats") or {}
        template = formats.get(where[1] if len(where) > 1 else "combined", _DEFAULT_FORMAT)
        text = _VARIABLE.sub(lambda m: self._variable(m.group(1) or m.group(2), exchange) or "-", template)
        self._write_log(where[0], text, STDOUT)

    def _complain(self, exchange: _Exchange, text: str, upstream: str = "") -> None:
        at = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(self.machine.clock()))
        request = exchange.request
        worker = self.entry.pid + 28
        line = (
            f"{at} [error] {worker}#{worker}: *{self._connections} {text}, client: {exchange.peer.address}, "
            f'server: {(exchange.server["names"] or [""])[0]}, request: "{request_line(request)}"'
        )
        if upstream:
            line += f', upstream: "{upstream}"'
        line += f', host: "{request.header("Host") or ""}"'
        self._write_log("/var/log/nginx/error.log", line, STDERR)

    def _write_log(self, path: str, text: str, stream: int) -> None:
        fs = self.machine.fs
        node = fs.find(path, follow=False)
        target = node.link if node is not None and node.kind == "l" else path
        if target.startswith(("/dev/std", "/proc/")):
            self.log(text, stream)
            return
        try:
            fs.write(path, text.encode() + b"\n", append=True)
        except OSError:
            return
        self.machine.changed()


_VARIABLES: dict[str, Any] = {
    "remote_addr": lambda request, peer: peer.address,
    "binary_remote_addr": lambda request, peer: peer.address,
    "remote_port": lambda request, peer: str(peer.port),
    "server_addr": lambda request, peer: peer.local_address,
    "server_port": lambda request, peer: str(peer.local_port),
    "remote_user": lambda request, peer: "",
    "request": lambda request, peer: request_line(request) if request.method else "",
    "request_method": lambda request, peer: request.method,
    "request_uri": lambda request, peer: request.target,
    "args": lambda request, peer: request.target.partition("?")[2],
    "query_string": lambda request, peer: request.target.partition("?")[2],
    "is_args": lambda request, peer: "?" if "?" in request.target else "",
    "server_protocol": lambda request, peer: f"HTTP/{request.version}",
    "content_type": lambda request, peer: request.header("Content-Type") or "",
    "content_length": lambda request, peer: request.header("Content-Length") or "",
}


def _buffers(server: dict[str, Any]) -> Buffers:
    """What a server has for the heads of requests: its own, or nginx' defaults."""
    first = server.get("client_header_buffer_size") or ["1k"]
    large = server.get("large_client_header_buffers") or ["4", "8k"]
    return Buffers(_size(first[0]), _size(large[0]), _size(large[-1]))


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    return int(match.group(1)) * _SIZES.get(match.group(2).lower(), 1) if match else 1 << 20


def _split_port(host: str, default: int) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:]*):(\d+)", host)
    return (match.group(1).strip("[]"), int(match.group(2))) if match else (host.strip("[]"), default)


def _in_network(address: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    secure: set[tuple[str, int]] = set()
    for server in service["servers"]:
        for address, port, _, tls in server["listen"]:
            places.setdefault((address, port), []).append(server)
            if tls:
                secure.add((address, port))
    return [
        Nginx(machine, entry, service, servers, tls=(address, port) in secure).listener(
            port,
            "TCP",
            {"*": "0.0.0.0"}.get(address, address),  # noqa: S104 - the wildcard's text, nothing is bound
        )
        for (address, port), servers in places.items()
    ]
