"""The server of ingress-nginx in its Pod: requests come in at 80 and 443, and go on to endpoints of Services.

Headers, pages and log lines as rootfs/etc/nginx/template/nginx.tmpl of ingress-nginx makes them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from kubesim.apis.meta import host_port
from kubesim.network.ingress.table import Location, Routes, Site, Upstream
from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.applications.base import Server, common_log_date, http_date, request_line
from kubesim.runtime.applications.nginx_buffers import TOO_LARGE, Buffers, TooLong, too_long, too_long_head
from kubesim.runtime.http1 import REASONS, BadMessage, Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.network_view import NetworkError, TimedOut
from kubesim.runtime.resolver import ResolveError, lookup
from kubesim.util import boundedre

HEALTH_PORT: Final = 10254
TRIES: Final = 3  # proxy_next_upstream_tries
HSTS: Final = "max-age=31536000; includeSubDomains"
_NGINX_REASONS: Final = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_SET: Final = frozenset(
    {
        "host", "x-request-id", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
        "x-forwarded-proto", "x-forwarded-scheme", "x-scheme", "x-original-forwarded-for", "connection", "proxy",
        "keep-alive", "transfer-encoding", "content-length", "upgrade",
    }
)  # fmt: skip
_DROPPED: Final = frozenset(
    {"server", "date", "connection", "keep-alive", "transfer-encoding", "content-length", "content-type"}
)

Current = Callable[[], Routes]
Pair = tuple[bytes, bytes]


@dataclass(slots=True)
class _Passage:
    """What the log says of one request."""

    upstream_name: str = ""
    upstream: str = "-"
    upstream_status: str = "-"
    upstream_size: str = "-"
    size: int = 0


class IngressServer(Server):
    """One port of it. `routes` gives those of this moment; `default_certificate` is for hosts that have none."""

    def __init__(
        self,
        machine: Machine,
        entry: ProcessEntry,
        service: dict[str, Any],
        *,
        routes: Current,
        request_id: Callable[[], str],
        default_certificate: Callable[[], Pair],
        tls: bool,
    ) -> None:
        super().__init__(machine, entry, service)
        self.tls = tls
        self._routes = routes
        self._request_id = request_id
        self._default_certificate = default_certificate

    @property
    def routes(self) -> Routes:
        """Those of this moment."""
        return self._routes()

    def certificate(self, server_name: str) -> Pair | None:
        routes = self._routes()
        return routes.certificate(routes.site(server_name)) or self._default_certificate()

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        refused = too_long(request, Buffers())
        if refused is not None:
            return self._too_long(refused, peer)
        passage, number = _Passage(), self._request_id()
        answer = self._answer(request, peer, passage, number)
        passage.size = 0 if request.method == "HEAD" else len(answer.body)
        self._access(request, peer, answer, passage, number)
        return answer

    def plain_refusal(self) -> HTTPResponse:
        answer = self._page(400, "The plain HTTP request was sent to HTTPS port")
        answer.headers = [(k, "close" if k == "Connection" else v) for k, v in answer.headers]
        answer.close = True
        return answer

    def refuse(self, bad: BadMessage, peer: Peer) -> HTTPResponse:
        if bad.head:
            return self._too_long(too_long_head(bad.head, Buffers()), peer)
        return self._closing(self._page(bad.status or 400), HTTPRequest("", "", []), peer)

    def _too_long(self, refused: TooLong, peer: Peer) -> HTTPResponse:
        answer = self._page(refused.status, TOO_LARGE if refused.status == 400 else "")
        return self._closing(answer, refused.seen, peer)

    def _closing(self, answer: HTTPResponse, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        """An answer after which the connection is closed, and its line in the log."""
        answer.headers = [(k, "close" if k == "Connection" else v) for k, v in answer.headers]
        answer.close = True
        passage = _Passage(size=0 if request.method == "HEAD" else len(answer.body))
        self._access(request, peer, answer, passage, self._request_id())
        return answer

    def _answer(self, request: HTTPRequest, peer: Peer, passage: _Passage, number: str) -> HTTPResponse:
        routes = self._routes()
        host = request.header("Host") or ""
        site = routes.site(host)
        path = normalized(request.path)
        location = site.find(path)
        if location is None:
            passage.upstream_name = "upstream-default-backend"
            return self._secured(self._page(404))
        passage.upstream_name = location.backend.upstream
        if not self.tls and redirects(site, location):
            return self._redirect(host, request.target)
        if location.options.body_size and len(request.body) > location.options.body_size:
            answer = self._page(413)
            answer.close = True
            return answer
        upstream = routes.upstream(location.backend)
        if upstream is None or not upstream.endpoints:
            return self._secured(self._page(503))
        wanted = self._forwarded(request, peer, host, number)
        wanted.target = rewritten(location, path, request.target)
        return self._secured(self._pass(wanted, request, upstream, location, passage))

    def _redirect(self, host: str, target: str) -> HTTPResponse:
        answer = self._page(308)
        answer.headers.append(("Location", f"https://{re.sub(r':[0-9]+$', '', host)}{target}"))
        return answer

    # Passing on

    def _forwarded(self, request: HTTPRequest, peer: Peer, host: str, number: str) -> HTTPRequest:
        scheme = "https" if self.tls else "http"
        port = re.search(r":(\d+)$", host)
        headers: Headers = [
            ("Host", host),
            ("X-Request-ID", request.header("X-Request-ID") or number),
            ("X-Real-IP", peer.address),
            ("X-Forwarded-For", peer.address),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Port", port[1] if port else ("443" if self.tls else "80")),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Scheme", scheme),
            ("X-Scheme", scheme),
        ]
        before = request.header("X-Forwarded-For")
        if before:
            headers.append(("X-Original-Forwarded-For", before))
        headers += [(k, v) for k, v in request.headers if k.lower() not in _SET]
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(request.body))))
        return HTTPRequest(request.method, request.target, headers, request.body)

    def _pass(
        self,
        wanted: HTTPRequest,
        request: HTTPRequest,
        upstream: Upstream,
        location: Location,
        passage: _Passage,
    ) -> HTTPResponse:
        """One endpoint after the other in turn; the next where one cannot be reached."""
        status, tried = 502, []
        for _ in range(min(TRIES, len(upstream.endpoints))):
            address, port = upstream.endpoints[upstream.turn % len(upstream.endpoints)]
            upstream.turn += 1
            try:
                address = address or lookup(self.machine, upstream.host)[0]
                tried.append(host_port(address, port))
                connection = self.machine.network.connect(address, port)
                if connection.tls != location.options.secure_backend:
                    raise BadMessage(0, "")
                found = connection.http(wanted)
            except ResolveError:
                status = 503
                break
            except TimedOut:
                status = 504
                self._complain(request, "upstream timed out (110: Operation timed out)", tried[-1])
            except NetworkError:
                status = 502
                self._complain(request, "connect() failed (111: Connection refused)", tried[-1])
            except BadMessage:
                status = 502
                self._complain(request, "upstream prematurely closed connection", tried[-1])
            else:
                passage.upstream = ", ".join(tried)
                passage.upstream_status, passage.upstream_size = str(found.status), str(len(found.body))
                return self._passed_back(found, request)
        passage.upstream = ", ".join(tried) or "-"
        passage.upstream_status = ", ".join([str(status)] * len(tried)) or "-"
        return self._page(status)

    def _passed_back(self, found: HTTPResponse, request: HTTPRequest) -> HTTPResponse:
        fields: Headers = [("Date", http_date(self.machine.clock()))]
        kind = found.header("Content-Type")
        if kind:
            fields.append(("Content-Type", kind))
        length = found.header("Content-Length") if request.method == "HEAD" else None
        fields.append(("Content-Length", length or str(len(found.body))))
        fields.append(("Connection", "keep-alive" if request.keep_alive else "close"))
        fields += [(k, v) for k, v in found.headers if k.lower() not in _DROPPED]
        return HTTPResponse(
            found.status,
            fields,
            found.body,
            found.reason,
            close=not request.keep_alive,
            seconds=found.seconds,
        )

    # What it says itself

    def _page(self, status: int, what: str = "") -> HTTPResponse:
        """A page of nginx that does not tell its version. `what` says more than the status does."""
        reason = _NGINX_REASONS.get(status) or REASONS.get(status, "")
        more = f"<center>{what}</center>\r\n" if what else ""
        body = (
            f"<html>\r\n<head><title>{status} {what or reason}</title></head>\r\n<body>\r\n"
            f"<center><h1>{status} {reason}</h1></center>\r\n{more}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        ).encode()
        fields: Headers = [
            ("Date", http_date(self.machine.clock())),
            ("Content-Type", "text/html"),
            ("Content-Length", str(len(body))),
            ("Connection", "keep-alive"),
        ]
        return HTTPResponse(status, fields, body, reason)

    def _secured(self, answer: HTTPResponse) -> HTTPResponse:
        if self.tls:
            answer.headers.append(("Strict-Transport-Security", HSTS))
        return answer

    def _access(
        self, request: HTTPRequest, peer: Peer, answer: HTTPResponse, passage: _Passage, number: str
    ) -> None:
        """log_format upstreaminfo"""
        line = request_line(request) if request.method else ""
        self.log(
            f'{peer.address} - - [{common_log_date(self.machine.clock())}] "{line}" {answer.status} {passage.size} '
            f'"{request.header("Referer") or "-"}" "{request.header("User-Agent") or "-"}" {len(request.encode())} 0.001 '
            f"[{passage.upstream_name}] [] {passage.upstream} {passage.upstream_size} "
            f"{'0.001' if passage.upstream != '-' else '-'} {passage.upstream_status} {number}"
        )

    def _complain(self, request: HTTPRequest, what: str, upstream: str) -> None:
        at = common_log_date(self.machine.clock())
        line = request_line(request)
        self.log_error(
            f"{at} [error] {self.entry.pid + 30}#{self.entry.pid + 30}: {what} while connecting to upstream, "
            f'request: "{line}", upstream: "http://{upstream}{request.target}", host: "{request.header("Host") or ""}"'
        )


class Health(Server):
    """What probes ask."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        return self.go_response(
            "ok" if request.path == "/healthz" else "404 page not found\n",
            200 if request.path == "/healthz" else 404,
        )


def builder(
    routes: Current, *, request_id: Callable[[], str], default_certificate: Callable[[], Pair]
) -> Callable[[Machine, ProcessEntry, dict[str, Any]], list[Listener]]:
    """What makes the listeners of a controller's process."""

    def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
        found = [
            IngressServer(
                machine,
                entry,
                service,
                routes=routes,
                request_id=request_id,
                default_certificate=default_certificate,
                tls=tls,
            ).listener(port)
            for port, tls in ((80, False), (443, True))
        ]
        return [*found, Health(machine, entry, service).listener(HEALTH_PORT)]

    return listeners


def redirects(site: Site, location: Location) -> bool:
    """Whether a request without TLS is sent to the same address with it."""
    return location.options.force_ssl_redirect or (site.tls and location.options.ssl_redirect)


def normalized(path: str) -> str:
    """As nginx matches it: slashes merged, dots resolved."""
    found = posixpath.normpath("/" + path.lstrip("/"))
    return found + "/" if path.endswith(("/", "/.", "/..")) and found != "/" else found


def rewritten(location: Location, path: str, target: str) -> str:
    """The path that the backend sees."""
    wanted = location.options.rewrite
    if not wanted or wanted == location.path:
        return target
    try:
        found = boundedre.search(location.path, path, re.IGNORECASE)
    except re.error:
        found = None
    if found is None:
        return target
    groups = [found.group(), *(g or "" for g in found.groups())]

    def capture(match: re.Match[str]) -> str:
        number = int(match[1])
        return groups[number] if number < len(groups) else ""

    new = re.sub(r"\$(\d)", capture, wanted)
    query = target.partition("?")[2]
    return quote(new if new.startswith("/") else "/" + new, safe="/%:@!$&'()*+,;=~-._") + (
        f"?{query}" if query else ""
    )
