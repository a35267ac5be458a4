"""Servers that tell who answered and what they saw of the client."""

from __future__ import annotations

from typing import Any

from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.applications.base import Server, as_json, header_map, http_date, parse_port, request_line
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine, ProcessEntry


class Unknown(Server):
    """What an image that nobody knows runs as: an echo in the form of whoami, with Pod and node."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        facts = self.machine.facts
        lines = [f"Hostname: {self.machine.hostname}"]
        for label, key in (("Pod", "pod"), ("Namespace", "namespace"), ("Node", "node"), ("Image", "image")):
            if facts.get(key):
                lines.append(f"{label}: {facts[key]}")
        lines += [
            f"IP: {address}"
            for address in self.addresses()
            if not address.startswith(("127.", "::1", "fe80"))
        ]
        lines += [f"RemoteAddr: {peer.text}", request_line(request)]
        lines += [f"{key}: {value}" for key, value in request.headers]
        body = "\n".join(lines) + "\n"
        if request.body:
            body += "\n" + request.body.decode("utf-8", "replace") + "\n"
        self.log(f'{peer.address} - "{request_line(request)}" 200 {len(body)}')
        return self.go_response(body)

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        self.log(f"{peer.text} - {len(data)} bytes over UDP")
        return data


class Whoami(Server):
    """traefik/whoami."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        name = str(self.service.get("name") or "")
        match request.path:
            case "/health":
                return self.go_response("", 200)
            case "/bench":
                return self.go_response("1")
            case "/api":
                return self._api(request, peer, name)
        lines = [f"Name: {name}"] if name else []
        lines.append(f"Hostname: {self.machine.hostname}")
        lines += [f"IP: {address}" for address in self.addresses()]
        lines.append(f"RemoteAddr: {peer.text}")
        lines.append(request_line(request))
        lines.append(f"Host: {request.header('Host') or ''}")
        lines += [f"{key}: {value}" for key, values in header_map(request).items() for value in values]
        if request.query.get("wait"):
            self.machine.changed()
        return self.go_response("\n".join(lines) + "\n\n")

    def _api(self, request: HTTPRequest, peer: Peer, name: str) -> HTTPResponse:
        value: dict[str, Any] = {
            "hostname": self.machine.hostname, "ip": self.addresses(), "headers": header_map(request),
            "url": request.target, "host": request.header("Host") or "", "method": request.method,
        }  # fmt: skip
        if name:
            value["name"] = name
        value["remoteAddr"] = peer.text
        return self.go_response(as_json(value) + "\n", content_type="application/json")


class Echoserver(Server):
    """registry.k8s.io/echoserver: 1.4 and 1.10 speak differently."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        old = str(self.service.get("version")).startswith("1.4")
        body = self._old(request, peer) if old else self._new(request, peer)
        server = "nginx/1.10.0" if old else "echoserver"
        data = body.encode("utf-8", "replace")
        self.log(f'{peer.address} - - "{request_line(request)}" 200 {len(data)}')
        headers = [("Server", server), ("Date", http_date(self.machine.clock())), ("Content-Type", "text/plain"),
                   ("Content-Length", str(len(data))), ("Connection", "keep-alive")]  # fmt: skip
        return HTTPResponse(200, headers, data)

    def _uri(self, request: HTTPRequest, peer: Peer) -> str:
        host = _host_of(request) or self.machine.hostname
        return f"http://{host}:{peer.local_port or 8080}{request.target}"

    def _old(self, request: HTTPRequest, peer: Peer) -> str:
        headers = "".join(
            f"{k.lower()}={v}\n" for k, v in sorted(request.headers, key=lambda h: h[0].lower())
        )
        return (
            f"CLIENT VALUES:\nclient_address={peer.address}\n"
            f"command={request.method}\nreal path={request.target}\n"
            f"query={request.target.partition('?')[2] or 'nil'}\nrequest_version={request.version}\n"
            f"request_uri={self._uri(request, peer)}\n\nSERVER VALUES:\n"
            "server_version=nginx: 1.10.0 - lua: 10001\n\n"
            f"HEADERS RECEIVED:\n{headers}BODY:\n"
            f"{request.body.decode('utf-8', 'replace') or '-no body in request-'}"
        )

    def _new(self, request: HTTPRequest, peer: Peer) -> str:
        env = self.machine.env
        labels = (
            ("node name", "NODE_NAME"),
            ("pod name", "POD_NAME"),
            ("pod namespace", "POD_NAMESPACE"),
            ("pod IP", "POD_IP"),
        )
        pod = (
            "".join(f"\t{label}:\t{env[key]}\n" for label, key in labels if env.get(key))
            or "\t-no pod information available-\n"
        )
        headers = "".join(
            f"\t{k.lower()}={v}\n" for k, v in sorted(request.headers, key=lambda h: h[0].lower())
        )
        return (
            f"\n\nHostname: {self.machine.hostname}\n\nPod Information:\n{pod}\nServer values:\n"
            "\tserver_version=nginx: 1.13.3 - lua: 10008\n\nRequest "
            f"Information:\n\tclient_address={peer.address}\n"
            f"\tmethod={request.method}\n\treal path={request.target}\n"
            f"\tquery={request.target.partition('?')[2]}\n"
            f"\trequest_version={request.version}\n\trequest_scheme=http\n"
            f"\trequest_uri={self._uri(request, peer)}\n\n"
            f"Request Headers:\n{headers}\nRequest Body:\n"
            f"\t{request.body.decode('utf-8', 'replace') or '-no body in request-'}\n"
            "\n"
        )


def _host_of(request: HTTPRequest) -> str:
    """The host that was asked for, without its port; an IPv6 address keeps its brackets."""
    header = request.header("Host") or ""
    closing = header.find("]") + 1
    return header[:closing] + header[closing:].partition(":")[0]


class Ealen(Server):
    """ealen/echo-server: everything as JSON."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        own = [a for a in self.addresses() if not a.startswith(("127.", "::1"))]
        query = request.query
        value = {
            "host": {
                "hostname": _host_of(request),
                "ip": f"::ffff:{peer.address}" if ":" not in peer.address else peer.address,
                "ips": [],
            },
            "http": {
                "method": request.method,
                "baseUrl": "",
                "originalUrl": request.target,
                "protocol": "http",
            },
            "request": {
                "params": {"0": request.path},
                "query": query,
                "cookies": {},
                "body": request.body.decode("utf-8", "replace") if request.body else {},
                "headers": {k.lower(): v for k, v in request.headers},
            },
            "environment": dict(self.machine.env)
            | ({"POD_IP": own[0]} if own and "POD_IP" not in self.machine.env else {}),
        }
        status = (
            int(query["echo_code"])
            if query.get("echo_code", "").isdigit() and 200 <= int(query["echo_code"]) <= 599
            else 200
        )
        body = (as_json(query["echo_body"]) if "echo_body" in query else as_json(value)).encode()
        self.log(as_json({"name": "echo-server", "hostname": self.machine.hostname, "level": 30, **value}))
        headers = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("ETag", f'W/"{len(body):x}-kubesim"'),
            ("Date", http_date(self.machine.clock())),
            ("Connection", "keep-alive"),
        ]
        return HTTPResponse(status, headers, body)


class Jmalloc(Server):
    """jmalloc/echo-server."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        headers = "".join(f"{k}: {v}\n" for k, vs in header_map(request).items() for v in vs)
        body = (
            f"Request served by {self.machine.hostname}\n\n{request_line(request)}\n\n"
            f"Host: {request.header('Host') or ''}\n{headers}\n"
        )
        self.go_log(f"{peer.text} | {request.method} {request.target}")
        return self.go_response(body + request.body.decode("utf-8", "replace"), content_type="text/plain")


class HTTPEcho(Server):
    """hashicorp/http-echo: always the same text."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        version = str(self.service.get("version"))
        if request.path == "/health":
            return self.go_response('{"status":"ok"}', content_type="text/plain; charset=utf-8")
        status = int(self.service.get("status") or 200)
        body = str(self.service.get("text") or "") + "\n"
        host = request.header("Host") or ""
        agent = request.header("User-Agent") or ""
        self.log(
            f"{_go_time(self.machine.clock())} {host} {peer.text} "
            f'"{request_line(request)}" {status} {len(body)} "{agent}" 14.8µs'
        )
        return self.go_response(
            body, status, headers=[("X-App-Name", "http-echo"), ("X-App-Version", version)]
        )


def _go_time(at: float) -> str:
    import time

    return time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(at))


class HelloApp(Server):
    """Google's hello-app."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        self.go_log(f"Serving request: {request.path}")
        version = str(self.service.get("version"))
        return self.go_response(f"Hello, world!\nVersion: {version}.0\nHostname: {self.machine.hostname}\n")


_KINDS: dict[str, type[Server]] = {
    "unknown": Unknown, "whoami": Whoami, "echoserver": Echoserver, "ealen": Ealen, "jmalloc": Jmalloc,
    "http-echo": HTTPEcho, "hello-app": HelloApp,
}  # fmt: skip


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    server = _KINDS[service["application"]](machine, entry, service)
    if "ports" in service:
        return [server.listener(int(port), protocol) for protocol, port in service["ports"]]
    address, port = parse_port(str(service.get("listen", "")), 80)
    return [server.listener(port, "TCP", address)]
