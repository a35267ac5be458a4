"""The API server as what listens at its address in the simulated network: Pods reach it as `kubernetes.default`."""

from __future__ import annotations

from urllib.parse import parse_qs

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ANONYMOUS, Request, Response
from kubesim.apiserver.http.codec import body_bytes, wants_pretty
from kubesim.apiserver.server import APIServer
from kubesim.runtime.application import HTTPApplication, Peer
from kubesim.runtime.applications.base import http_date
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.util.clock import Clock


class APIApplication(HTTPApplication):
    """Answers as over HTTPS: who shows a token of a ServiceAccount is that account, everybody else is anonymous.

    A connection here ends with its answer: a watch gives what there is to begin with, which is nothing.
    """

    tls = True

    def __init__(self, server: APIServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        path, _, query = request.target.partition("?")
        headers = {name.lower(): value for name, value in request.headers}
        found = Request(
            request.method,
            path,
            parse_qs(query, keep_blank_values=True) if query else {},
            headers,
            request.body or None,
        )
        pretty = wants_pretty(dict(found.query), headers.get("user-agent", ""))
        try:
            found.user = self._server.authenticator.authenticate(headers, None) or ANONYMOUS
            response = self._server(found)
        except StatusError as error:
            response = Response(error.code, error.status, {"content-type": "application/json"})
        body = b"" if response.events is not None else body_bytes(response, pretty=pretty)
        fields = [
            ("Cache-Control", "no-cache, private"),
            *(("-".join(w.capitalize() for w in name.split("-")), v) for name, v in response.headers.items()),
            ("Date", http_date(self._clock.now().timestamp())),
            ("Content-Length", str(len(body))),
        ]
        return HTTPResponse(response.status, fields, body)
