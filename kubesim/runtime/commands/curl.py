"""curl: what it sends, what it prints, and how it exits.

Sources of texts and exit codes: curl's man page, lib/connect.c, lib/cf-socket.c, src/tool_operate.c of 7.88 and 8.11;
the version follows the image (Debian 12 has 7.88.1, Alpine 3.21 has 8.11.1).
"""

from __future__ import annotations

import json
import posixpath
import re
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from kubesim.runtime.addressorder import one_of_each
from kubesim.runtime.commands.curl_options import CurlOptions, UsageProblem, parse_options
from kubesim.runtime.commands.transfer import (
    URL,
    BadMessage,
    BadURL,
    NetworkError,
    ResolveError,
    connect,
    find_addresses,
    is_address,
    join_url,
    parse_url,
    send,
)
from kubesim.runtime.http1 import Headers, HTTPRequest, HTTPResponse, find_header
from kubesim.runtime.network_view import Refused, TimedOut
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import has_ipv6

HAPPY_EYEBALLS = 0.2
"""Seconds until the other family is tried too: --happy-eyeballs-timeout-ms."""

_ERRORS = {
    1: "Unsupported protocol", 3: "URL using bad/illegal format "
        "or missing URL", 6: "Couldn't resolve host name",
    7: "Couldn't connect to server", 22: "HTTP response code said error", 23: "Failed writing received data "
        "to disk/application",
    28: "Timeout was reached", 35: "SSL connect error", 47: "Number of redirects hit maximum amount",
    52: "Server returned nothing (no headers, no data)", 56: "Failure when receiving data from the peer",
    60: "SSL peer certificate or SSH remote key was not OK",
}  # fmt: skip


class CurlError(Exception):
    """A transfer failed; the exit code, and what follows `curl: (N) `."""

    def __init__(self, code: int, text: str, *, verbose: list[str] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.verbose = verbose or []


def version_of(process: Process) -> str:
    """The version of curl in this image."""
    if process.machine.image.key == "curl":
        return process.machine.image.version
    return {"alpine": "8.11.1", "ubuntu": "8.5.0"}.get(process.machine.image.os, "7.88.1")


def curl(process: Process) -> int:
    try:
        options = parse_options(process.args)
        if options.on("version"):
            process.print(
                f"curl {version_of(process)} (x86_64-pc-linux-gnu) "
                f"libcurl/{version_of(process)} OpenSSL/3.0.15 zlib/1.2.13\nProtocols: file "
                "http https\nFeatures: alt-svc AsynchDNS HSTS HTTP2 HTTPS-proxy IPv6 Largefile "
                "libz SSL"
            )
            return 0
        if options.on("help"):
            process.print(
                "Usage: curl [options...] <url>\n -d, --data <data>          HTTP POST data\n "
                "-f, --fail                 Fail fast with no output on HTTP errors\n -h, "
                "--help <category>      Get help for commands\n -i, --include              "
                "Include protocol response headers in the output\n -o, --output <file>        "
                "Write to file instead of stdout\n -O, --remote-name          Write output to "
                "a file named as the remote file\n -s, --silent               Silent mode\n -T,"
                " --upload-file <file>   Transfer local FILE to destination\n -u, --user <user:"
                "password> Server user and password\n -A, --user-agent <name>    Send "
                "User-Agent <name> to server\n -v, --verbose              Make the operation "
                "more talkative\n -V, --version              Show version number and quit"
            )
            return 0
        if not options.urls:
            raise UsageProblem("")
        if options.get("request") and not re.fullmatch(r"[!-~]+", options.get("request")):
            raise UsageProblem("option -X: is badly used here")
        return _Session(process, options).run()
    except UsageProblem as problem:
        if str(problem):
            process.error(f"curl: {problem}")
        newer = _newer(process, 8, 11)
        process.error(
            "curl: try 'curl --help' for more information"
            if newer
            else "curl: try 'curl --help' or 'curl --manual' for more information"
        )
        return 2


def _newer(process: Process, major: int, minor: int) -> bool:
    numbers = [int(n) for n in re.findall(r"\d+", version_of(process))[:2]]
    return numbers >= [major, minor]


class _Session:
    """One run of curl."""

    def __init__(self, process: Process, options: CurlOptions) -> None:
        self.process = process
        self.options = options
        self.version = version_of(process)
        self.modern = _newer(process, 8, 6)
        self.max_time = options.seconds("max-time")
        self.connect_time = options.seconds("connect-timeout")
        self.began = process.timeline.now()
        self.resolved = self._overrides()
        self.facts: dict[str, str] = {}
        self.spent = 0.0
        self.connections = 0

    def _overrides(self) -> dict[tuple[str, int], str]:
        found = {}
        for text in self.options.values.get("resolve", []):
            host, _, rest = text.lstrip("+").partition(":")
            port, _, address = rest.partition(":")
            if not port.isdigit() or not address:
                self.process.error(f"curl: (49) Couldn't parse CURLOPT_RESOLVE entry '{text}'")
                raise UsageProblem("")
            found[(host.lower(), int(port))] = address.strip("[]").split(",")[0]
        return found

    def say(self, text: str) -> None:
        if self.options.on("verbose"):
            self.process.error(f"* {text}")

    def run(self) -> int:
        code = 0
        for number, text in enumerate(self.options.urls):
            code = self._one_with_retries(number, text)
            if code and self.options.on("fail-early"):
                break
        return code

    def _one_with_retries(self, number: int, text: str) -> int:
        tries = int(self.options.get("retry") or "0")
        pause = 1.0
        for attempt in range(tries + 1):
            code = self._one(number, text)
            again = code == 28 or (code == 7 and self.options.on("retry-connrefused"))
            again = again or (
                code == 22 and self.facts.get("http_code") in ("408", "429", "500", "502", "503", "504")
            )
            again = again or (code == 6 and self.options.on("retry-all-errors"))
            if not again or attempt == tries:
                return code
            wait = float(self.options.get("retry-delay") or pause)
            if not self.options.on("silent") or self.options.on("show-error"):
                reason = {7: "connection refused", 28: "timeout"}.get(code, "HTTP error")
                self.process.error(
                    f"Warning: Problem: {reason}. Will retry in {wait:g} "
                    f"second{'s' if wait != 1 else ''}. {tries - attempt} "
                    f"retr{'ies' if tries - attempt != 1 else 'y'} left."
                )
            self.process.sleep(wait)
            pause *= 2
        return 0

    def _one(self, number: int, text: str) -> int:
        process, options = self.process, self.options
        self.began = process.timeline.now()
        self.facts = {
            "url_effective": text,
            "http_code": "000",
            "num_redirects": "0",
            "size_download": "0",
            "urlnum": str(number),
            "method": "GET",
        }
        meter = self._meter()
        code = 0
        try:
            answer, url = self._follow(text)
            code = self._deliver(number, answer, url, meter=meter)
        except CurlError as error:
            code = error.code
            if meter and error.code != 22:
                process.err.write(
                    _METER_HEAD + _METER_ZERO + (b"" if error.code in (6, 3, 1) else _METER_ZERO + b"\n")
                )
            for line in error.verbose:
                self.say(line)
            if not options.on("silent") or options.on("show-error"):
                process.error(f"curl: ({error.code}) {error}")
            self.facts["errormsg"] = str(error)
        self.facts["exitcode"] = str(code)
        self._write_out()
        return code

    def _meter(self) -> bool:
        """Whether the progress meter shows: not when the answer goes to a terminal."""
        options = self.options
        if options.on("silent") or options.on("no-progress-meter") or options.on("progress-bar"):
            return False
        to_file = options.on("output") or options.on("remote-name")
        return bool(to_file or not self.process.interactive)

    # The transfer

    def _follow(self, text: str) -> tuple[HTTPResponse, URL]:
        options = self.options
        try:
            url = parse_url(text)
        except BadURL:
            bad_port = re.search(r":(\d+)(/|$)", text.partition("://")[2])
            detail = (
                "URL rejected: Port number was not a decimal number between 0 and 65535"
                if bad_port and self.modern
                else ("URL rejected: Malformed input to a URL function" if self.modern else _ERRORS[3])
            )
            raise CurlError(3, detail) from None
        method, body, extra = self._payload(url)
        limit = int(options.get("max-redirs") or "50")
        hops = 0
        while True:
            if url.scheme not in ("http", "https"):
                dis = (
                    "disabled"
                    if url.scheme in ("ftp", "file", "telnet", "smtp", "ldap", "ws")
                    else "disabled in libcurl"
                )
                text = (
                    f'Protocol "{url.scheme}" {dis}'
                    if self.modern
                    else f'Protocol "{url.scheme}" not supported or disabled in libcurl'
                )
                raise CurlError(1, text)
            answer = self._exchange(url, method, body, extra)
            location = answer.header("Location")
            if (
                not (options.on("location") or options.on("location-trusted"))
                or location is None
                or answer.status // 100 != 3
            ):
                return answer, url
            if hops >= limit >= 0:
                raise CurlError(47, f"Maximum ({limit}) redirects followed")
            hops += 1
            self.facts["num_redirects"] = str(hops)
            if options.on("include") or options.on("head"):
                self.process.write_bytes(answer.head())
            try:
                url = join_url(url, location)
            except BadURL:
                raise CurlError(3, _ERRORS[3]) from None
            self.say(f"Issue another request to this URL: '{url.text()}'")
            if answer.status in (301, 302, 303) and method == "POST" and not options.get("request"):
                self.say("Switch from POST to GET")
                method, body, extra = "GET", b"", []

    def _payload(self, url: URL) -> tuple[str, bytes, Headers]:
        """Method, body, and the headers that belong to it."""
        options = self.options
        pieces: list[bytes] = []
        extra: Headers = []
        for name, value in options.data:
            if name in ("form", "form-string"):
                return self._form()
            pieces.append(self._data(name, value))
            if name == "json":
                extra = [("Content-Type", "application/json"), ("Accept", "application/json")]
        body = b"".join(pieces) if options.on("json") else b"&".join(pieces)
        if options.on("get") and pieces:
            url.target += ("&" if "?" in url.target else "?") + body.decode("utf-8", "surrogateescape")
            return options.get("request") or ("HEAD" if options.on("head") else "GET"), b"", []
        if options.on("upload-file"):
            name = options.get("upload-file")
            try:
                body = self.process.read_file(name)
            except OSError:
                raise CurlError(26, "Failed to open/read local data from file/application") from None
            if url.target.endswith("/") and name != "-":
                url.target += posixpath.basename(name)
            return options.get("request") or "PUT", body, [("Content-Length", str(len(body)))]
        if options.data:
            if not extra:
                extra = [("Content-Type", "application/x-www-form-urlencoded")]
            return options.get("request") or "POST", body, [("Content-Length", str(len(body))), *extra]
        return options.get("request") or ("HEAD" if options.on("head") else "GET"), b"", []

    def _data(self, name: str, value: str) -> bytes:
        if name == "data-urlencode":
            key, equals, text = value.partition("=")
            return (
                f"{key}={quote(text, safe='')}"
                if equals and key
                else quote(text if equals else value, safe="")
            ).encode()
        if value.startswith("@") and name != "data-raw":
            try:
                data = self.process.read_file(value[1:])
            except OSError:
                raise CurlError(26, f"Failed to open {value[1:]}") from None
            return data if name in ("data-binary", "json") else data.replace(b"\n", b"").replace(b"\r", b"")
        return value.encode("utf-8", "surrogateescape")

    def _form(self) -> tuple[str, bytes, Headers]:
        boundary = "------------------------d74496d66958873e"
        out = bytearray()
        for name, value in self.options.data:
            if name not in ("form", "form-string"):
                continue
            key, _, text = value.partition("=")
            head = f'Content-Disposition: form-data; name="{key}"'
            data = text.encode("utf-8", "surrogateescape")
            if text.startswith(("@", "<")) and name == "form":
                path = text[1:].partition(";")[0]
                try:
                    data = self.process.read_file(path)
                except OSError:
                    raise CurlError(26, "Failed to open/read local data from file/application") from None
                if text[0] == "@":
                    head += (
                        f'; filename="{posixpath.basename(path)}"\r\nContent-Type: application/octet-stream'
                    )
            out += f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
        out += f"--{boundary}--\r\n".encode()
        body = bytes(out)
        return (
            self.options.get("request") or "POST",
            body,
            [
                ("Content-Length", str(len(body))),
                ("Content-Type", f"multipart/form-data; boundary={boundary}"),
            ],
        )

    def _exchange(self, url: URL, method: str, body: bytes, extra: Headers) -> HTTPResponse:
        connection, address = self._reach(url, self._addresses(url))
        if url.scheme == "https":
            self._handshake(connection.tls, url)
        request = HTTPRequest(
            method,
            url.target,
            self._headers(url, extra),
            body,
            "1.0" if self.options.on("http1.0") else "1.1",
        )
        self._show_request(request)
        self.facts |= {
            "url_effective": url.text(),
            "scheme": url.scheme if self.modern else url.scheme.upper(),
            "method": method,
            "remote_ip": address,
            "remote_port": str(url.port),
            "local_ip": connection.peer.address,
            "local_port": str(connection.peer.port),
        }
        try:
            if connection.tls and url.scheme == "http":
                answer = HTTPResponse(
                    400,
                    [("Connection", "close")],
                    b"Client sent an HTTP request to an HTTPS server.\n",
                    version="1.0",
                )
            else:
                answer = send(connection, request)
        except BadMessage as bad:
            self.say("Empty reply from server" if not str(bad) else "Received HTTP/0.9 when not allowed")
            closing = ["Closing connection 0"] if not self.modern else ["closing connection #0"]
            if str(bad):
                raise CurlError(1, "Received HTTP/0.9 when not allowed", verbose=closing) from None
            raise CurlError(52, "Empty reply from server", verbose=closing) from None
        except NetworkError:
            raise CurlError(56, "Recv failure: Connection reset by peer") from None
        self._show_answer(url, method, request, answer)
        return answer

    def _addresses(self, url: URL) -> list[str]:
        override = self.resolved.get((url.host.lower(), url.port))
        if override is not None:
            self.say(f"Added {url.host}:{url.port}:{override} to DNS cache")
            self.say(f"Hostname {url.host} was found in DNS cache")
            return [override]
        family = 4 if self.options.on("ipv4") else 6 if self.options.on("ipv6") else 0
        if is_address(url.host) and family in (0, 6 if ":" in url.host else 4):
            return [url.host]
        if url.host == "localhost":
            six, four = ["::1"], ["127.0.0.1"]
            if family:
                return six if family == 6 else four
            return six + four if has_ipv6(self.process.machine) else four
        before = self.process.timeline.now()
        try:
            found = find_addresses(self.process, url.host, family=family)
        except ResolveError as error:
            limit = min((t for t in (self.max_time, self.connect_time) if t is not None), default=None)
            spent = self.process.timeline.now() - before
            if error.temporary and limit is not None and limit < spent:
                raise CurlError(
                    28, f"Resolving timed out after {int(limit * 1000) + 1} milliseconds"
                ) from None
            closing = "closing connection #0" if self.modern else "Closing connection 0"
            raise CurlError(
                6,
                f"Could not resolve host: {url.host}",
                verbose=[f"Could not resolve host: {url.host}", closing],
            ) from None
        if self.modern:
            four = [a for a in found if ":" not in a]
            six = [a for a in found if ":" in a]
            self.say(f"Host {url.host}:{url.port} was resolved.")
            self.say(f"IPv6: {', '.join(six) or '(none)'}")
            self.say(f"IPv4: {', '.join(four) or '(none)'}")
        return one_of_each(found)

    def _reach(self, url: URL, addresses: list[str]) -> tuple[Any, str]:
        """A connection to the first address that takes it; the second family's turn comes soon (RFC 8305)."""
        self.connections += 1
        for address in addresses[:-1]:
            try:
                return self._connect(url, address, HAPPY_EYEBALLS), address
            except CurlError as error:
                if error.code != 28:
                    self.say(error.verbose[0])
        return self._connect(url, addresses[-1]), addresses[-1]

    def _connect(self, url: URL, address: str, patience: float | None = None) -> Any:
        shown = f"[{address}]" if ":" in address else address
        self.say(f"  Trying {shown}:{url.port}...")
        limit = min((t for t in (self.max_time, self.connect_time, patience) if t is not None), default=None)
        try:
            connection, _ = connect(self.process, address, url.port, timeout=limit)
        except TimedOut:
            raise self._timed_out(url, limit) from None
        except Refused:
            raise self._refused(url, address, "Connection refused") from None
        except NetworkError:
            raise self._refused(url, address, "No route to host") from None
        suffix = "" if self.modern else " (#0)"
        self.say(f"Connected to {url.host} ({address}) port {url.port}{suffix}")
        return connection

    def _refused(self, url: URL, address: str, reason: str) -> CurlError:
        ending = (
            "Could not connect to server" if _newer(self.process, 8, 10) else "Couldn't connect to server"
        )
        text = f"Failed to connect to {url.host} port {url.port} after 0 ms: {ending}"
        local = (
            f" from {next((str(ip) for ip in self.process.machine.facts.get('ips') or ()), '0.0.0.0')}"  # noqa: S104 - the wildcard's text, nothing is bound
            " port 42636"
            if self.modern
            else ""
        )
        closing = "closing connection #0" if self.modern else "Closing connection 0"
        return CurlError(
            7, text, verbose=[f"connect to {address} port {url.port}{local} failed: {reason}", text, closing]
        )

    def _timed_out(self, url: URL, limit: float | None) -> CurlError:
        closing = "closing connection #0" if self.modern else "Closing connection 0"
        if limit is None:
            text = (
                f"Failed to connect to {url.host} port {url.port} after 130413 ms: Couldn't connect to server"
            )
            return CurlError(
                28,
                text,
                verbose=[
                    f"connect to {url.host} port {url.port} failed: Connection timed out",
                    text,
                    closing,
                ],
            )
        milliseconds = int(limit * 1000) + 1
        if self.max_time is not None and limit == self.max_time:
            text = f"Connection timed out after {milliseconds} milliseconds"
        else:
            text = (
                f"Failed to connect to {url.host} port {url.port} after "
                f"{milliseconds} ms: Timeout was reached"
            )
        return CurlError(28, text, verbose=[text, closing])

    def _handshake(self, tls: bool, url: URL) -> None:
        if not tls:
            raise CurlError(
                35,
                "OpenSSL/3.0.15: error:0A00010B:SSL routines::wrong version number"
                if not self.modern
                else "TLS connect error: error:0A00010B:SSL routines::wrong version number",
            )
        self.say("ALPN: offers h2,http/1.1" if not self.modern else "ALPN: curl offers h2,http/1.1")
        self.say("TLSv1.3 (OUT), TLS handshake, Client hello (1):")
        if not (self.options.on("insecure") or self.options.on("cacert")):
            text = (
                "SSL certificate problem: self-signed certificate\nMore details "
                "here: https://curl.se/docs/sslcerts.html\n\n"
                "curl failed to verify the legitimacy of the server and therefore "
                "could not\nestablish a secure connection to it. "
                "To learn more about this situation and\nhow to fix it, "
                "please visit the web page mentioned above."
            )
            raise CurlError(60, text)
        self.say("SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384")
        del url

    def _headers(self, url: URL, extra: Headers) -> Headers:  # noqa: C901 - a case for each thing there is
        options = self.options
        fields: Headers = [("Host", url.authority)]
        if url.user or options.get("user"):
            token = b64encode((options.get("user") or url.user).encode()).decode()
            fields.append(("Authorization", f"Basic {token}"))
        if options.on("oauth2-bearer"):
            fields.append(("Authorization", f"Bearer {options.get('oauth2-bearer')}"))
        if options.on("range"):
            fields.append(("Range", f"bytes={options.get('range')}"))
        fields.append(
            ("User-Agent", options.get("user-agent") if options.on("user-agent") else f"curl/{self.version}")
        )
        fields.append(("Accept", "*/*"))
        if options.on("compressed"):
            fields.append(("Accept-Encoding", "deflate, gzip"))
        if options.on("referer"):
            fields.append(("Referer", options.get("referer")))
        if options.on("cookie"):
            fields.append(("Cookie", options.get("cookie")))
        given = [(k.lower(), v) for k, v in extra]
        if any(k == "accept" for k, _ in given):
            fields = [f for f in fields if f[0] != "Accept"]
        fields += extra
        for text in options.values.get("header", []):
            if text.startswith("@"):
                continue
            name, colon, value = text.partition(":")
            if not colon:
                if text.endswith(";"):
                    fields.append((text[:-1], ""))
                continue
            same = name.lower()
            place = next((n for n, f in enumerate(fields) if f[0].lower() == same), None)
            if (
                same
                in (
                    "host",
                    "user-agent",
                    "accept",
                    "content-type",
                    "authorization",
                    "content-length",
                    "cookie",
                    "referer",
                )
                and place is not None
            ):
                if value.strip():
                    fields[place] = (name, value.strip())
                else:
                    del fields[place]
            elif value.strip():
                fields.append((name, value.strip()))
        return [f for f in fields if f[1] or f[0] not in ("User-Agent",)]

    # What is shown

    def _show_request(self, request: HTTPRequest) -> None:
        if not self.options.on("verbose"):
            return
        lines = [f"> {request.method} {request.target} HTTP/{request.version}"]
        lines += [f"> {k}: {v}" if v else f"> {k}:" for k, v in request.headers]
        self.process.error("\n".join(lines) + "\n> ")
        if request.body and not self.process.interactive:
            self.process.error(f"}} [{len(request.body)} bytes data]")
        if self.modern:
            self.say(
                "Request completely sent off"
                if not request.body
                else f"upload completely sent off: {len(request.body)} bytes"
            )

    def _show_answer(self, url: URL, method: str, request: HTTPRequest, answer: HTTPResponse) -> None:
        del method
        if not self.options.on("verbose"):
            return
        closes = answer.version == "1.0" or (answer.header("Connection") or "").lower() == "close"
        if answer.version == "1.0":
            self.say("HTTP 1.0, assume close after body")
        for line in answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-1]:
            self.process.error(f"< {line}")
        if answer.body and not self.process.interactive:
            self.process.error(f"{{ [{len(answer.body)} bytes data]")
        if closes or not request.keep_alive:
            self.say("shutting down connection #0" if self.modern else "Closing connection 0")
        else:
            self.say(f"Connection #0 to host {url.host} left intact")

    def _deliver(self, number: int, answer: HTTPResponse, url: URL, *, meter: bool) -> int:
        process, options = self.process, self.options
        size = len(answer.body)
        self.facts |= {
            "http_code": str(answer.status),
            "size_download": str(size),
            "content_type": answer.header("Content-Type") or "",
            "http_version": answer.version.removesuffix(".0") if answer.version != "1.0" else "1",
            "redirect_url": self._redirect_target(answer, url),
            "size_header": str(len(answer.head())),
            "num_headers": str(len(answer.headers)),
        }
        failing = answer.status >= 400 and (options.on("fail") or options.on("fail-with-body"))
        if meter:
            shown = 0 if failing and not options.on("fail-with-body") else size
            process.err.write(_METER_HEAD + _METER_ZERO + _meter_row(shown))
        if options.on("dump-header"):
            process.open_writer(options.get("dump-header")).write(answer.head())
        if failing and not options.on("fail-with-body"):
            raise CurlError(22, f"The requested URL returned error: {answer.status}")
        head = answer.head() if options.on("include") or options.on("head") else b""
        self._output(number, answer, url, head + answer.body)
        if failing:
            raise CurlError(22, f"The requested URL returned error: {answer.status}")
        return 0

    def _redirect_target(self, answer: HTTPResponse, url: URL) -> str:
        location = find_header(answer.headers, "Location")
        if location is None:
            return ""
        try:
            return join_url(url, location).text()
        except BadURL:
            return location

    def _output(self, number: int, answer: HTTPResponse, url: URL, data: bytes) -> None:
        process, options = self.process, self.options
        names = options.values.get("output", [])
        name = names[number] if number < len(names) else ""
        if options.on("remote-name"):
            name = posixpath.basename(url.target.partition("?")[0])
            given = re.search(r'filename="?([^";]+)', answer.header("Content-Disposition") or "")
            if given and options.on("remote-header-name"):
                name = posixpath.basename(given.group(1))
            if not name:
                raise CurlError(
                    23,
                    "Remote file name has no length!"
                    if not self.modern
                    else "Failed to extract a filename to use for storage",
                )
        if not name or name == "-":
            process.write_bytes(data)
            return
        try:
            process.open_writer(name).write(data)
        except OSError as error:
            process.error(f"Warning: Failed to open the file {name}: {error.strerror}")
            raise CurlError(
                23,
                "Failure writing output to destination"
                if not self.modern
                else "Failure writing output to destination, passed " + str(len(data)) + " returned 0",
            ) from None

    def _write_out(self) -> None:
        template = self.options.get("write-out")
        if not template:
            return
        if template.startswith("@"):
            template = self.process.read_file(template[1:]).decode("utf-8", "replace")
        spent = f"{self.process.timeline.now() - self.began + 0.000967:.6f}"
        facts = {
            "response_code": self.facts["http_code"],
            "time_total": spent,
            "time_connect": "0.000214",
            "time_namelookup": "0.000087",
            "time_starttransfer": "0.000893",
            "time_pretransfer": "0.000241",
            "time_appconnect": "0.000000",
            "time_redirect": "0.000000",
            "speed_download": str(int(self.facts["size_download"]) * 1000),
            "num_connects": str(self.connections),
            "errormsg": "",
            "size_upload": "0",
            "size_request": "84",
            "speed_upload": "0",
            "content_type": "",
            "http_version": "0",
            "scheme": "",
            "remote_ip": "",
            "remote_port": "0",
            "local_ip": "",
            "local_port": "0",
            "redirect_url": "",
            "url": self.facts["url_effective"],
            "ssl_verify_result": "0",
            "filename_effective": self.options.get("output"),
            "proxy_ssl_verify_result": "0",
            "num_headers": "0",
            "size_header": "0",
        } | self.facts

        def one(match: re.Match[str]) -> str:
            name = match.group(1)
            if name == "json":
                return json.dumps(
                    {k: int(v) if v.isdigit() else v for k, v in sorted(facts.items())}, separators=(",", ":")
                )
            if name in ("stdout", "stderr"):
                return ""
            if name not in facts:
                self.process.error(f"curl: unknown --write-out variable: '{name}'")
                return ""
            return facts[name]

        text = re.sub(r"%\{([\w.]+)\}", one, template)
        text = re.sub(r"\\([nrt])", lambda m: {"n": "\n", "r": "\r", "t": "\t"}[m.group(1)], text).replace(
            "%%", "%"
        )
        self.process.write(text)


_METER_HEAD = (
    b"  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    b"                                 Dload  Upload   Total   Spent    Left  Speed\n"
)
_METER_ZERO = b"\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"


def _five(size: int) -> str:
    """A number in five characters, as the meter shows it."""
    if size < 100_000:
        return f"{size:5d}"
    if size < 10_000 * 1024:
        return f"{size // 1024:4d}k"
    return f"{size // (1024 * 1024):4d}M"


def _meter_row(size: int) -> bytes:
    if not size:
        return _METER_ZERO + b"\n"
    speed = f"{_five(size * 1000).strip():>6}"
    return (
        f"\r100 {_five(size)}  100 {_five(size)}    0     0 {speed}      0 --:"
        f"--:-- --:--:-- --:--:-- {speed.strip():>5}\n"
    ).encode()
