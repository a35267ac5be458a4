"""What images that are described by what they do (`runs` of docs/images.md) answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kubesim.runtime.application import Application, Conversation, Listener, Peer
from kubesim.runtime.applications.base import request_line
from kubesim.runtime.applications.echo import Unknown
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine, ProcessEntry

_WORD = re.compile(r"\{(\w+(?:\.\w+)?)\}")


def comes_to_listen(runs: Mapping[str, Any]) -> bool:
    """Whether a program listens before it ends by itself."""
    ends = runs["exits"]
    return ends is None or ends["after"] > runs["ready_after"]


class Filling:
    """Fills texts with what is so: `{pod}`, `{version}`, `{env.NAME}`. Other braces stay, those of JSON among them."""

    def __init__(self, machine: Machine, **more: str) -> None:
        facts = machine.facts
        self._env = machine.env
        self._known = {
            **{
                name: str(facts.get(name) or "")
                for name in ("pod", "namespace", "node", "container", "image")
            },
            "ip": next(iter(facts.get("ips") or ()), ""),
            "hostname": machine.hostname,
            "version": machine.image.version,
            **more,
        }

    def __call__(self, text: str) -> str:
        return _WORD.sub(self._value, text) if "{" in text else text

    def _value(self, match: re.Match[str]) -> str:
        word = match[1]
        if word.startswith("env."):
            return self._env.get(word[4:], "")
        return self._known.get(word, match[0])


class Described(Unknown):
    """An HTTP server with routes; without any it tells who answered, as images that nobody knows do."""

    def __init__(self, machine: Machine, entry: ProcessEntry, listen: Mapping[str, Any]) -> None:
        super().__init__(machine, entry, {})
        self._routes: list[Mapping[str, Any]] | None = listen["http"]

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        if self._routes is None:
            return super().handle(request, peer)
        route, status = _route(self._routes, request)
        if route is None:
            response = self.go_error("404 page not found" if status == 404 else "Method Not Allowed", status)
        else:
            response = self._response(route, request, peer)
        self.log(f'{peer.address} - "{request_line(request)}" {response.status} {len(response.body)}')
        return response

    def _response(self, route: Mapping[str, Any], request: HTTPRequest, peer: Peer) -> HTTPResponse:
        fill = Filling(self.machine, method=request.method, path=request.path, client=peer.address)
        headers = [(name, _one_line(fill(value))) for name, value in route["headers"].items()]
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        headers = [header for header in headers if header[0].lower() != "content-type"]
        response = self.go_response(fill(route["body"]), route["status"], kind, headers)
        if route["status"] in (204, 304):
            response.body = b""
            response.headers = [h for h in response.headers if h[0] not in ("Content-Length", "Content-Type")]
        response.seconds = route["delay"]
        return response


class Plain(Application):
    """A port that gives back what it gets, or always the same, whatever it is asked."""

    def __init__(self, server: Unknown, answer: str | None) -> None:
        self._server = server
        self._answer = answer

    def open(self, peer: Peer) -> Conversation:
        return _Talk(self._filled(peer))

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        given = self._server.datagram(data, peer)
        return given if self._answer is None else self._filled(peer)

    def _filled(self, peer: Peer) -> bytes | None:
        if self._answer is None:
            return None
        return Filling(self._server.machine, client=peer.address)(self._answer).encode()


class _Talk:
    """A connection to a port that gives back what it gets, or always the same."""

    def __init__(self, answer: bytes | None) -> None:
        self.closed = False
        self.greeting = b""
        self._answer = answer

    def receive(self, data: bytes) -> bytes:
        return data if self._answer is None else self.end() if data else b""

    def end(self) -> bytes:
        """An answer is given once, and ends the connection."""
        rest = b"" if self.closed else self._answer or b""
        self.closed = True
        return rest


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\0]", " ", text)


def _route(routes: list[Mapping[str, Any]], request: HTTPRequest) -> tuple[Mapping[str, Any] | None, int]:
    """The route of a request: the path itself before the longest beginning of it, the first one of several."""
    path = request.path
    fitting = [
        r
        for r in routes
        if r["path"] == path or (r["path"].endswith("*") and path.startswith(r["path"][:-1]))
    ]
    if not fitting:
        return None, 404
    method = "GET" if request.method == "HEAD" else request.method
    taken = [r for r in fitting if r["method"] in (None, method, request.method)]
    if not taken:
        return None, 405
    return max(taken, key=lambda r: (r["path"] == path, len(r["path"]))), 0


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    runs = machine.image.runs
    if runs is None or not service["listens"]:
        return []
    found = []
    for listen in runs["listens"]:
        server = Described(machine, entry, listen)
        is_plain = listen["echo"] or listen["answer"] is not None
        application = Plain(server, listen["answer"]) if is_plain else server
        address = {None: "*", "localhost": "127.0.0.1"}.get(listen["address"], listen["address"])
        at = server.listener(listen["port"], listen["protocol"], address)
        found.append(replace(at, application=application))
    return found
