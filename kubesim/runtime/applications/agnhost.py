"""The servers of Kubernetes' test image, agnhost, as its README and sources describe them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kubesim.runtime.application import Application, Conversation, Listener, Peer, TransportProtocol
from kubesim.runtime.applications.base import Server, as_json
from kubesim.runtime.applications.client import DialError, dial, http_get, join_host_port, resolve
from kubesim.runtime.filesystem import FILE, Node
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.process import Buffer, Stopped, Suspended


class _Once:
    """A conversation that says one thing: at once, or after the client has spoken; then it closes."""

    def __init__(self, greeting: bytes = b"", answer: Any = None) -> None:
        self.greeting = greeting
        self._answer = answer
        self.closed = bool(greeting) and answer is None

    def receive(self, data: bytes) -> bytes:
        if self.closed or self._answer is None:
            return b""
        self.closed = True
        return self._answer(data) or b""

    def end(self) -> bytes:
        self.closed = True
        return b""


class NetExec(Server):
    """agnhost netexec over HTTP."""

    def __init__(
        self, machine: Machine, entry: ProcessEntry, service: dict[str, Any], *, tls: bool = False
    ) -> None:
        super().__init__(machine, entry, service)
        self.tls = tls

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:  # noqa: C901 - a case for each thing there is
        override = str(self.service.get("override") or "")
        if override:
            request = HTTPRequest("GET", override, [])
        form = request.form
        match request.path:
            case "/clientip":
                self.go_log("GET /clientip")
                return self.go_response(peer.text)
            case "/serverport":
                return self.go_response(str(peer.local_port))
            case "/hostname" | "/hostName":
                self.go_log(f"GET {request.path}")
                return self.go_response(self.machine.hostname)
            case "/echo":
                return self._echo(form)
            case "/healthz":
                self.go_log("GET /healthz")
                return self.go_response(
                    "", 200 if self.service.get("udp") or self.service.get("sctp") else 412
                )
            case "/readyz":
                self.go_log("GET /readyz")
                return self.go_response("", 503 if self.service.get("ending") else 200)
            case "/header":
                self.go_log(f"GET /header?key={form.get('key', '')}")
                return self.go_response(request.header(form.get("key", "")) or "")
            case "/dial":
                return self._dial(request.query)
            case "/shell":
                return self._shell(form)
            case "/redirect":
                return self._redirect(request, form)
            case "/exit":
                return self._exit(form)
            case "/shutdown":
                self.go_log("GET /shutdown")
                self._end(0)
                return HTTPResponse(200, close=True)
            case "/upload":
                return self._upload(request)
        self.go_log("GET /")
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(self.machine.clock(), UTC)
        return self.go_response(
            f"NOW: {at:%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+{self.machine.clock() - self.entry.started:.9f}"
        )

    def _end(self, code: int) -> None:
        self.machine.end(self.entry.pid, code)
        self.machine.changed()

    def _echo(self, form: dict[str, str]) -> HTTPResponse:
        message, code = form.get("msg", ""), form.get("code", "")
        self.go_log(f"GET /echo?msg={message}&code={code}")
        if code and not code.isdigit():
            return self.go_response(f"argument 'code' must be an integer or empty, got \"{code}\"\n")
        return self.go_response(message, int(code) if code else 200)

    def _exit(self, form: dict[str, str]) -> HTTPResponse:
        code, timeout, wait = form.get("code", ""), form.get("timeout", ""), form.get("wait", "")
        self.go_log(f"GET /exit?code={code}&timeout={timeout}&wait={wait}")
        if code and not code.isdigit():
            return self.go_response(f"argument 'code' must be an integer [0-127] or empty, got \"{code}\"\n")
        self.go_log(
            f"Will begin shutdown in {wait or '0s'}, allowing {timeout or '0s'} for "
            f"connections to close, then will exit with {int(code or 0)}"
        )
        self._end(int(code or 0))
        return self.go_response("") if timeout else HTTPResponse(200, close=True)

    def _redirect(self, request: HTTPRequest, form: dict[str, str]) -> HTTPResponse:
        location, code = form.get("location", ""), form.get("code", "")
        self.go_log(f"{request.method} /redirect?msg={location}&code={code}")
        if code and not code.isdigit():
            return self.go_response(f"argument 'code' must be an integer or empty, got \"{code}\"\n")
        status = int(code or 302)
        body = f'<a href="{location}">{HTTPResponse(status).reason}</a>.\n\n'
        return self.go_response(body, status, "text/html; charset=utf-8", [("Location", location)])

    def _shell(self, form: dict[str, str]) -> HTTPResponse:
        command = form.get("shellCommand") or form.get("cmd") or ""
        self.go_log(f"GET /shell?cmd={command}")
        output, code = run_command(self.machine, ["/bin/sh", "-c", command])
        value = {"error": f"exit status {code}"} if code else {}
        if output:
            value["output"] = output
        return self.go_response(_go_json(value))

    def _dial(self, query: dict[str, str]) -> HTTPResponse:
        host, port, request = query.get("host", ""), query.get("port", ""), query.get("request", "")
        protocol, tries = query.get("protocol", ""), query.get("tries", "")
        self.go_log(f"GET /dial?host={host}&protocol={protocol}&port={port}&request={request}&tries={tries}")
        if tries and not tries.isdigit():
            return self.go_error(
                f'tries parameter is invalid. strconv.Atoi: parsing "{tries}": invalid syntax', 400
            )
        if not request:
            return self.go_error("request parameter not specified. <nil>", 400)
        if protocol.lower() not in ("", "http", "udp", "sctp"):
            return self.go_error(f"unsupported protocol. {protocol}", 400)
        try:
            address = resolve(self.machine, host)[0]
            number = int(port)
        except (DialError, ValueError) as error:
            return self.go_error(f"host and/or port param are invalid. {error}", 400)
        responses: list[str] = []
        errors: list[str] = []
        last = ""
        for _ in range(min(int(tries or 1), 1000)):
            try:
                last = self._dial_once(protocol.lower(), address, number, request)
                responses.append(last)
            except DialError as error:
                last = ""
                errors.append(str(error))
        value: dict[str, Any] = {}
        if errors:
            value["errors"] = errors
        if last:
            value["responses"] = responses
        return self.go_response(_go_json(value))

    def _dial_once(self, protocol: str, address: str, port: int, request: str) -> str:
        if protocol in ("", "http"):
            url = f"http://{join_host_port(address, port)}/{request}"
            try:
                return http_get(
                    self.machine, address, port, f"/{quote(request, safe='/?&=%:+-_.~')}"
                ).body.decode("utf-8", "replace")
            except DialError as error:
                raise DialError(f'Get "{url}": {error}') from None
        kind: TransportProtocol = "UDP" if protocol == "udp" else "SCTP"
        try:
            connection = dial(self.machine, address, port, kind)
        except DialError as error:
            if protocol == "udp":
                text = "connection refused" if error.kind == "refused" else "i/o timeout"
                raise DialError(
                    f"reading from udp connection failed. err:'read udp {join_host_port(address, port)}: read: {text}'"
                ) from None
            raise DialError(f"sctp dial failed. err:{error}") from None
        answer = (
            connection.datagram(request.encode())
            if protocol == "udp"
            else connection.exchange(request.encode())
        )
        if not answer:
            raise DialError(
                f"reading from {protocol} connection failed. err:'read "
                f"{protocol} {join_host_port(address, port)}: i/o timeout'"
            )
        return answer.decode("utf-8", "replace")

    def _upload(self, request: HTTPRequest) -> HTTPResponse:
        self.go_log("GET /upload")
        kind = request.header("Content-Type") or ""
        boundary = kind.partition("boundary=")[2].strip('"').encode()
        part = (
            next((p for p in request.body.split(b"--" + boundary) if b'name="file"' in p), b"")
            if boundary
            else b""
        )
        if not part:
            return self.go_response(_go_json({"error": "Unable to upload file."}))
        data = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        path = f"/uploads/upload{len(self.machine.fs.list('/uploads')) + 100000000}"
        self.machine.fs.put_node(path, Node(FILE, 0o700, data, mtime=self.machine.clock()))
        self.go_log(f"Wrote upload to {path}")
        self.machine.changed()
        return self.go_response(_go_json({"output": path}), 201)


def _go_json(value: dict[str, Any]) -> str:
    """As Go's json.Marshal: keys sorted, <, > and & escaped."""
    text = as_json(dict(sorted(value.items())))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def run_command(machine: Machine, argv: list[str]) -> tuple[str, int]:
    """Run a command for an application: what it wrote in all, and its exit code."""
    out = Buffer()
    process = machine.process(argv, out=out, err=out)
    try:
        code = machine.run(process)
    except Stopped as stop:
        out.write(stop.text.encode())
        code = stop.code
    except Suspended:
        code = 0
    except OSError as error:
        out.write(str(error).encode())
        code = 127
    return out.data.decode("utf-8", "replace"), code


class _Commands(Application):
    """netexec's UDP and SCTP servers: hostname, echo, clientip."""

    def __init__(self, http: NetExec) -> None:
        self._http = http

    def _answer(self, data: bytes, peer: Peer, protocol: str) -> bytes | None:
        text = data.decode("utf-8", "replace").strip().lower()
        log = self._http.go_log
        if text == "hostname":
            log(f"Sending {protocol} hostName response")
            return self._http.machine.hostname.encode()
        if text.startswith("echo "):
            log(f"Echoing {text[5:]} to {protocol.upper()} client {peer.text}")
            return text[5:].encode()
        if text == "clientip":
            log(f"Sending clientip back to {protocol.upper()} client {peer.text}")
            return peer.text.encode()
        if text:
            log(f"Unknown {protocol.upper()} command received from {peer.text}: {text}")
        return None

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        return self._answer(data, peer, "udp")

    def open(self, peer: Peer) -> Conversation:
        return _Once(answer=lambda data: self._answer(data, peer, "sctp"))


class ServeHostname(Server):
    """agnhost serve-hostname: HTTP, or raw over TCP and UDP."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del request
        self.go_log(f"HTTP request from {peer.text}")
        answer = self.go_response(self.machine.hostname)
        if self.service.get("close"):
            answer.headers.append(("Connection", "close"))
            answer.close = True
        return answer


class _RawHostname(Application):
    def __init__(self, server: Server) -> None:
        self._server = server

    def open(self, peer: Peer) -> Conversation:
        self._server.go_log(f"TCP request from {peer.text}")
        return _Once(self._server.machine.hostname.encode())

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        del data
        self._server.go_log(f"UDP request from {peer.text}")
        return self._server.machine.hostname.encode()


class Porter(Server):
    """agnhost porter: one text on a port."""

    def __init__(
        self, machine: Machine, entry: ProcessEntry, service: dict[str, Any], text: str, *, tls: bool = False
    ) -> None:
        super().__init__(machine, entry, service)
        self._text = text
        self.tls = tls

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        if self.service.get("json"):
            return self.go_response(
                as_json({"Method": request.method, "Body": self._text}), content_type="application/json"
            )
        return self.go_response(self._text)


class _PorterRaw(Application):
    def __init__(self, text: str) -> None:
        self._text = text.encode()

    def open(self, peer: Peer) -> Conversation:
        del peer
        return _Once(self._text)

    def datagram(self, data: bytes, peer: Peer) -> bytes | None:
        del data, peer
        return self._text


class Liveness(Server):
    """agnhost liveness: well for ten seconds, then not."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        if request.path == "/started":
            return self.go_response(f"{self.machine.clock() - self.entry.started:.0f}s")
        if request.path == "/healthz":
            age = self.machine.clock() - self.entry.started
            return self.go_response("ok") if age <= 10 else self.go_response(f"error: {age:.9f}", 500)
        if request.path == "/redirect":
            return self.go_response("", 302, headers=[("Location", request.query.get("loc", ""))])
        return self.go_error("404 page not found", 404)


class GRPCHealth(Application):
    """agnhost grpc-health-checking: the gRPC side."""

    def __init__(self, machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> None:
        self._machine = machine
        self._entry = entry
        self._service = service

    def grpc_health(self, service: str) -> str | None:
        if service != str(self._service.get("service") or ""):
            return "NOT_FOUND"
        forced = self._machine.application_state.get("grpc-health")
        if forced is not None:
            return str(forced)
        delay = float(self._service.get("delay", -1))
        return "NOT_SERVING" if 0 <= delay <= self._machine.clock() - self._entry.started else "SERVING"


class _GRPCControl(Server):
    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        states = {"/make-not-serving": "NOT_SERVING", "/make-serving": "SERVING"}
        if request.path in states:
            self.machine.application_state["grpc-health"] = states[request.path]
            self.machine.changed()
            self.go_log(f"Mark as {'not ' if 'not' in request.path else ''}serving")
            return self.go_response("")
        return self.go_error("404 page not found", 404)


class NoSNAT(Server):
    """agnhost no-snat-test and its proxy."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        if request.path == "/whoami":
            return self.go_response(peer.address)
        if request.path != "/checknosnat":
            return self.go_error("404 page not found", 404)
        ips = [ip for ip in request.query.get("ips", "").split(",") if ip]
        own = self.machine.env.get("POD_IP", "")
        for ip in ips:
            host, _, port = ip.rpartition(":") if ip.count(":") == 1 else (ip, "", "8080")
            try:
                seen = http_get(self.machine, host, int(port), "/whoami").body.decode("utf-8", "replace")
            except DialError as error:
                return self.go_response(f"error checking {ip}: {error}", 500)
            if seen != own:
                return self.go_response(f"unexpected source: {seen}, expected {own}", 500)
        return self.go_response("")


class Net(Server):
    """agnhost net --serve."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        name = request.path.removeprefix("/run/")
        if request.path == "/" or name not in ("nat-closewait-client", "nat-closewait-server"):
            return self.go_error("404 page not found", 404)
        return self.go_response("ok\n")


class Guestbook(Server):
    """agnhost guestbook, one server of it."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        store = self.machine.application_state.setdefault("guestbook", {})
        query = request.query
        match request.path:
            case "/get":
                return self.go_response(
                    as_json(
                        {"data": store.get(query.get("key", ""), "") if query.get("key") else as_json(store)}
                    )
                )
            case "/set":
                store[query.get("key", "")] = query.get("value", "")
                self.machine.changed()
                return self.go_response(as_json({"data": "Updated"}))
            case "/guestbook":
                return self._forward(query)
            case "/register":
                return self.go_response("")
        return self.go_error("404 page not found", 404)

    def _forward(self, query: dict[str, str]) -> HTTPResponse:
        command, key, value = (query.get(k, "") for k in ("cmd", "key", "value"))
        host = "agnhost-primary" if command == "set" else "agnhost-replica"
        port = int(self.service.get("backend") or 6379)
        try:
            answer = http_get(self.machine, host, port, f"/{command}?key={quote(key)}&value={quote(value)}")
        except DialError as error:
            return self.go_response(as_json({"data": ""}) + f"\n{error}", 200)
        return self.go_response(answer.body)


class Nettest(Server):
    """agnhost nettest: the state of a network test that has met its peers."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        if request.path == "/status":
            return self.go_response("pass")
        if request.path == "/read":
            return self.go_response(
                as_json(
                    {"Hostname": self.machine.hostname, "Sent": {}, "Received": {}, "Errors": None, "Log": []}
                )
            )
        if request.path == "/write":
            return self.go_response(as_json({"Hostname": self.machine.hostname, "Source": peer.address}))
        if request.path == "/quit":
            self.machine.end(self.entry.pid, 0)
            self.machine.changed()
            return HTTPResponse(200, close=True)
        return self.go_error("404 page not found", 404)


class _TCPReset(Application):
    def open(self, peer: Peer) -> Conversation:
        del peer
        return _Once(answer=lambda data: b"")


class PortForwardTester(Application):
    """agnhost port-forward-tester: some chunks of x, then it ends."""

    def __init__(self, machine: Machine, entry: ProcessEntry) -> None:
        self._machine = machine
        self._entry = entry

    def open(self, peer: Peer) -> Conversation:
        del peer
        env = self._machine.env
        count, size = int(env.get("CHUNKS", "1")), int(env.get("CHUNK_SIZE", "10"))
        payload = b"x" * min(count * size, 1 << 20)
        expected = env.get("EXPECTED_CLIENT_DATA", "")
        if not expected:
            return _Once(payload)

        def answer(data: bytes) -> bytes:
            good = data.decode("utf-8", "replace") == expected
            self._machine.end(self._entry.pid, 0 if good else 2)
            self._machine.changed()
            return payload if good else b""

        return _Once(answer=answer)


class FakeGitServer(Server):
    """agnhost fake-gitserver."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        if request.path.endswith("/info/refs"):
            body = b"001e# service=git-upload-pack\n0000" + b"0000"
            return self.go_response(body, content_type="application/x-git-upload-pack-advertisement")
        return self.go_response("I am a fake git server")


def _netexec(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    http = NetExec(machine, entry, service, tls=bool(service.get("tls")))
    found = [http.listener(int(service["http"]))]
    for protocol, key in (("UDP", "udp"), ("SCTP", "sctp")):
        port = service.get(key)
        if port:
            kind: TransportProtocol = "UDP" if protocol == "UDP" else "SCTP"
            addresses = service.get("udp_addresses") or ["*"] if protocol == "UDP" else ["*"]
            raw = _Commands(http)
            found += [Listener(kind, int(port), address, raw, "agnhost", entry.pid) for address in addresses]
    return found


def _porter(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    found = []
    for kind, port, text in service["ports"]:
        protocol: TransportProtocol = kind if kind in ("UDP", "SCTP") else "TCP"
        application: Application = (
            _PorterRaw(text)
            if kind in ("UDP", "SCTP")
            else Porter(machine, entry, service, text, tls=kind == "TLS")
        )
        found.append(Listener(protocol, int(port), "*", application, "agnhost", entry.pid))
    return found


def _serve_hostname(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    server = ServeHostname(machine, entry, service)
    port = int(service["port"])
    if service.get("http"):
        return [server.listener(port)]
    raw = _RawHostname(server)
    kinds: list[TransportProtocol] = []
    if service.get("tcp"):
        kinds.append("TCP")
    if service.get("udp"):
        kinds.append("UDP")
    return [Listener(kind, port, "*", raw, "agnhost", entry.pid) for kind in kinds]


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    match service["application"]:
        case "netexec":
            return _netexec(machine, entry, service)
        case "porter":
            return _porter(machine, entry, service)
        case "serve-hostname":
            return _serve_hostname(machine, entry, service)
        case "grpc-health":
            grpc = Listener(
                "TCP", int(service["port"]), "*", GRPCHealth(machine, entry, service), "agnhost", entry.pid
            )
            return [grpc, _GRPCControl(machine, entry, service).listener(int(service["http"]))]
        case "tcp-reset":
            return [Listener("TCP", int(service["port"]), "*", _TCPReset(), "agnhost", entry.pid)]
        case "port-forward-tester":
            address = {"localhost": "127.0.0.1"}.get(service["address"], service["address"])
            return [
                Listener(
                    "TCP",
                    int(service["port"]),
                    address,
                    PortForwardTester(machine, entry),
                    "agnhost",
                    entry.pid,
                )
            ]
    kinds: dict[str, type[Server]] = {
        "liveness": Liveness, "no-snat": NoSNAT, "net": Net, "guestbook": Guestbook, "nettest": Nettest,
        "fake-gitserver": FakeGitServer,
    }  # fmt: skip
    server = kinds[service["application"]](machine, entry, service)
    ports = [int(service["port"])] + ([int(service["backend"])] if service.get("backend") else [])
    return [server.listener(port) for port in dict.fromkeys(ports)]
