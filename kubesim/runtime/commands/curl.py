"""curl: what it sends, what it prints, and how it exits.

The version follows the image (Debian 12 has 7.88.1, Alpine 3.21 has 8.14.1). `tests/cli/programs/curl.txt` and `curl-8.txt`
are recorded from these two; sources of what is not in there: curl's man page, src/tool_operate.c.
"""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress

from kubesim.runtime.commands.curl_connection import OPENSSL, Connections, CurlError, Release, Way
from kubesim.runtime.commands.curl_options import (
    CurlOptions,
    GlobProblem,
    UsageProblem,
    glob,
    parse_options,
)
from kubesim.runtime.commands.curl_report import Meter, warn, write_out
from kubesim.runtime.commands.curl_request import TRY, Requests
from kubesim.runtime.commands.transfer import (
    URL,
    BadMessage,
    BadURL,
    NetworkError,
    join_url,
    parse_url,
    send,
)
from kubesim.runtime.http1 import Headers, HTTPRequest, HTTPResponse, find_header
from kubesim.runtime.network_view import TimedOut
from kubesim.runtime.process import Process

_BAD_URL = "URL using bad/illegal format or missing URL"
_BAD_PORT = "URL rejected: Port number was not a decimal number between 0 and 65535"
_LIBRARIES = {
    "7": f"{OPENSSL} zlib/1.2.13 brotli/1.0.9 zstd/1.5.4 libidn2/2.3.3 libpsl/0.21.2 (+libidn2/2.3.3) "
    "libssh2/1.10.0 nghttp2/1.52.0 librtmp/2.3 OpenLDAP/2.5.13",
    "8": "OpenSSL/3.3.5 zlib/1.3.1 brotli/1.1.0 zstd/1.5.6 c-ares/1.34.5 libidn2/2.3.7 libpsl/0.21.5 nghttp2/1.64.0",
}
_HELP = """\
Usage: curl [options...] <url>
 -d, --data <data>          HTTP POST data
 -f, --fail                 Fail fast with no output on HTTP errors
 -h, --help <category>      Get help for commands
 -i, --include              Include protocol response headers in the output
 -o, --output <file>        Write to file instead of stdout
 -O, --remote-name          Write output to a file named as the remote file
 -s, --silent               Silent mode
 -T, --upload-file <file>   Transfer local FILE to destination
 -u, --user <user:password> Server user and password
 -A, --user-agent <name>    Send User-Agent <name> to server
 -v, --verbose              Make the operation more talkative
 -V, --version              Show version number and quit"""


def version_of(process: Process) -> str:
    """The version of curl in this image."""
    if process.machine.image.key == "curl":
        return process.machine.image.version
    return {"alpine": "8.14.1", "ubuntu": "8.5.0"}.get(process.machine.image.os, "7.88.1")


def curl(process: Process) -> int:
    release = Release(version_of(process))
    try:
        parts = parse_options(process.args)
        first = parts[0]
        if first.on("version"):
            text = release.version
            system = (
                "x86_64-alpine-linux-musl" if process.machine.image.os == "alpine" else "x86_64-pc-linux-gnu"
            )
            process.print(
                f"curl {text} ({system}) libcurl/{text} {_LIBRARIES[text[0]]}\nProtocols: file http https\n"
                "Features: alt-svc AsynchDNS HSTS HTTP2 HTTPS-proxy IPv6 Largefile libz SSL"
            )
            return 0
        if first.on("help"):
            process.print(_HELP)
            return 0
        for options in parts:
            _check(options, release)
        return _Session(process, release, parts).run()
    except UsageProblem as problem:
        if str(problem):
            process.error(f"curl: {problem}")
        if problem.code != 49:
            process.error(f"curl: {TRY}")
        return problem.code


def _check(options: CurlOptions, release: Release) -> None:
    """What is wrong with a command line before anything is done. Raises UsageProblem."""
    if not options.urls:
        raise UsageProblem("")
    if "" in options.urls and release.since(8, 12):
        raise UsageProblem("option : blank argument where content is expected")
    if options.get("request") and not re.fullmatch(r"[!-~]+", options.get("request")):
        raise UsageProblem("option -X: is badly used here")
    for name in ("max-time", "connect-timeout"):
        options.seconds(name)


class _Session:
    """One run of curl."""

    def __init__(self, process: Process, release: Release, parts: list[CurlOptions]) -> None:
        self.process = process
        self.release = release
        self.parts = parts
        self.options = parts[0]
        self.connections = Connections(process, release, parts[0], self.say)
        self.number = 0
        """Of the transfer."""
        self.target = ""
        """The file that the answer is to be written to; empty for standard output."""
        self.refused: CurlError | None = None
        """Why it cannot be."""
        self._started()

    def _started(self) -> None:
        self.began = self.process.timeline.now()
        self.sent = self.uploaded = self.new = 0
        self.answer: HTTPResponse | None = None
        self.facts: dict[str, str] = {}
        self.meter = Meter(self.process, self.options)

    def say(self, text: str) -> None:
        if self.options.on("verbose"):
            self.process.error(f"* {text}")

    def run(self) -> int:
        code = 0
        for options in self.parts:
            self.options = options
            self.connections.prepare(options)
            for place, text in enumerate(options.urls):
                code = self._one_url(place, text)
                if code and options.on("fail-early"):
                    return code
        return code

    def _one_url(self, place: int, text: str) -> int:
        """All that its braces and brackets stand for."""
        try:
            found = [(text, [])] if self.options.on("globoff") else glob(text)
        except GlobProblem as problem:
            self._complain(CurlError(3, str(problem)))
            return 3
        code = 0
        for url, picked in found:
            code = self._with_retries(place, url, picked)
            self.number += 1
            if code and self.options.on("fail-early"):
                break
        return code

    def _with_retries(self, place: int, text: str, picked: list[str]) -> int:
        options = self.options
        tries = int(options.get("retry") or "0") if options.get("retry").isdigit() else 0
        pause = 1.0
        self._started()
        for attempt in range(tries + 1):
            code = self._transfer(place, text, picked)
            reason = self._reason_to_retry(code)
            if not reason or attempt == tries:
                return code
            wait = float(options.get("retry-delay") or pause)
            left = tries - attempt
            many = not self.release.modern
            warn(
                self.process,
                options,
                f"Problem : {reason}. Will retry in {wait:g} second{'s' * (many or wait != 1)}. "
                f"{left} retr{'ies' if many or left != 1 else 'y'} left.",
            )
            self.process.sleep(wait)
            pause *= 2
        return 0

    def _reason_to_retry(self, code: int) -> str:
        options = self.options
        if code == 28:
            return "timeout"
        if code == 7 and (options.on("retry-connrefused") or options.on("retry-all-errors")):
            return "connection refused"
        if code in (0, 22) and self.facts.get("http_code") in ("408", "429", "500", "502", "503", "504"):
            return "HTTP error"
        return "(retrying all errors)" if code and options.on("retry-all-errors") else ""

    def _transfer(self, place: int, text: str, picked: list[str]) -> int:
        options = self.options
        self.facts = {"url_effective": text, "http_code": "000", "method": options.get("request") or "GET"}
        code = 0
        try:
            self.target = self._target(place, text, picked)
            answer, url = self._follow(text)
            self._deliver(answer, url)
        except CurlError as error:
            code = error.code
            self._complain(error)
            self.facts["errormsg"] = str(error)
        self.facts["exitcode"] = str(code)
        if options.get("write-out"):
            write_out(self.process, options.get("write-out"), self._all_facts(text, place), self.answer)
        return code

    def _complain(self, error: CurlError) -> None:
        if not self.options.on("silent") or self.options.on("show-error"):
            self.process.error(f"curl: ({error.code}) {error}")

    # The transfer

    def _follow(self, text: str) -> tuple[HTTPResponse, URL]:
        options = self.options
        url = self._read_url(text)
        method, body, extra = Requests(self.process, self.release, options).payload(url)
        limit = int(options.get("max-redirs") or "50")
        hops = 0
        while True:
            self._check_scheme(url)
            answer, way = self._exchange(url, method, body, extra)
            location = answer.header("Location")
            follows = options.on("location") or options.on("location-trusted")
            if not follows or location is None or answer.status // 100 != 3:
                self._show_answer(url, way, answer)
                return answer, url
            self._show_answer(url, way, answer, ignored=True)
            if hops >= limit >= 0:
                raise CurlError(47, f"Maximum ({limit}) redirects followed")
            hops += 1
            self.facts["num_redirects"] = str(hops)
            if options.on("include") or options.on("head"):
                self.process.write_bytes(answer.head())
            try:
                url = join_url(url, location)
            except BadURL:
                raise CurlError(3, _BAD_URL) from None
            self.say(f"Issue another request to this URL: '{url.text()}'")
            if answer.status in (301, 302, 303) and method == "POST" and not options.get("request"):
                self.say("Switch from POST to GET")
                method, body, extra = "GET", b"", []

    def _read_url(self, text: str) -> URL:
        try:
            return parse_url(text)
        except BadURL:
            pass
        if not self.release.modern:
            raise CurlError(3, _BAD_URL)
        if re.search(r":[^/@]*(/|$)", text.partition("://")[2]):
            raise CurlError(3, _BAD_PORT)
        if not text.partition("://")[2]:
            raise CurlError(3, "URL rejected: No host part in the URL")
        raise CurlError(3, "URL rejected: Malformed input to a URL function")

    def _check_scheme(self, url: URL) -> None:
        if url.scheme in ("http", "https"):
            return
        text = f'Protocol "{url.scheme}" not supported'
        known = url.scheme in ("ftp", "file", "telnet", "smtp", "ldap", "ws")
        if not self.release.modern:
            text += " or disabled in libcurl"
        elif known:
            text = f'Protocol "{url.scheme}" disabled'
        raise CurlError(1, text)

    def _exchange(self, url: URL, method: str, body: bytes, extra: Headers) -> tuple[HTTPResponse, Way]:
        self.meter.begin()
        self.facts |= {
            "scheme": self._scheme(url),
            "url_effective": url.text(),
            "method": method,
        }
        try:
            way, is_new = self.connections.to(url)
        except CurlError as error:
            if error.code in (7, 28, 35, 60, 77):
                self.meter.end(0, 0)
            if error.last:
                self.say(error.last)
            if error.farewell:
                self.connections.say_bytes("}", 5)
                self.say("TLSv1.3 (OUT), TLS alert, close notify (256):")
                self.connections.say_bytes("}", 2)
            if error.code == 6 and self.release.since(8, 12):
                self.facts["remote_port"] = "-1"
            elif not self.release.since(8, 12):
                self.facts["scheme"] = ""
            raise
        self.new += is_new
        version = "1.0" if self.options.on("http1.0") else "1.1"
        fields = Requests(self.process, self.release, self.options).headers(url, extra)
        request = HTTPRequest(method, url.target, fields, body, version)
        self._show_request(request, is_secure=url.scheme == "https" and is_new)
        self.sent += len(request.encode())
        self.uploaded += len(body)
        peer = way.connection.peer
        self.facts |= {
            "remote_ip": way.address,
            "remote_port": str(url.port),
            "local_ip": peer.address,
            "local_port": str(peer.port),
            "ssl_verify_result": str(way.verified),
        }
        return self._send(way, url, request), way

    def _scheme(self, url: URL) -> str:
        return url.scheme if self.release.modern else url.scheme.upper()

    def _send(self, way: Way, url: URL, request: HTTPRequest) -> HTTPResponse:
        connection = way.connection
        try:
            limit = self.options.seconds("max-time")
            left = None if limit is None else limit - (self.process.timeline.now() - self.began)
            return send(self.process, connection, request, url, patience=left)
        except BadMessage as bad:
            return self._no_http(way, url, request, bad)
        except TimedOut:
            text = f"Operation timed out after {int((limit or 0.0) * 1000) + 1} milliseconds with 0 bytes received"
            self.say(text)
            self.connections.close(url, way)
            raise CurlError(28, text) from None
        except NetworkError:
            raise CurlError(56, "Recv failure: Connection reset by peer") from None

    def _no_http(self, way: Way, url: URL, request: HTTPRequest, bad: BadMessage) -> HTTPResponse:
        if not str(bad):
            self.say("Empty reply from server")
            self.connections.close(url, way)
            raise CurlError(52, "Empty reply from server")
        if self.options.on("http0.9"):
            talk = way.connection.application.open(way.connection.peer)
            data = talk.greeting + talk.receive(request.encode())
            return HTTPResponse(200, [], data, version="0.9", close=True)
        self.say("Received HTTP/0.9 when not allowed")
        self.connections.close(url, way, said=False)
        self.say(self.release.closing(way.number))
        raise CurlError(1, "Received HTTP/0.9 when not allowed")

    # What is shown

    def _show_request(self, request: HTTPRequest, *, is_secure: bool) -> None:
        if not self.options.on("verbose"):
            return
        lines = [f"> {request.method} {request.target} HTTP/{request.version}"]
        lines += [f"> {k}: {v}" if v else f"> {k}:" for k, v in request.headers]
        self.process.error("\r\n".join([*lines, "> \r"]))
        show_bytes = self.connections.say_bytes
        if is_secure:
            # Servers of TLS 1.3 hand out their tickets when the first request comes.
            self._end_of_request(request)
            show_bytes("{", 5)
            for _ in range(2):
                self.say("TLSv1.3 (IN), TLS handshake, Newsession Ticket (4):")
                show_bytes("{", 265)
            if not self.release.modern:
                self.say("old SSL session ID is stale, removing")
                show_bytes("{", 5)
            return
        self._end_of_request(request)

    def _end_of_request(self, request: HTTPRequest) -> None:
        show_bytes = self.connections.say_bytes
        if request.header("Expect") is not None and request.body:
            self.process.error("< HTTP/1.1 100 Continue\r")
        if request.body:
            show_bytes("}", len(request.body))
        if self.release.modern:
            size = len(request.body)
            self.say(f"upload completely sent off: {size} bytes" if size else "Request completely sent off")
        elif request.header("Expect") is not None and request.body:
            self.say("We are completely uploaded and fine")

    def _show_answer(self, url: URL, way: Way, answer: HTTPResponse, *, ignored: bool = False) -> None:
        """The head of an answer, and what becomes of the connection. `ignored` says that curl goes on elsewhere."""
        self.answer = answer
        options = self.options
        fails = self._fails(answer) and not options.on("fail-with-body")
        closes = answer.close or answer.version != "1.1"
        closes = closes or (answer.header("Connection") or "").lower() == "close"
        has_body = bool(answer.body) and not options.on("head")
        if options.on("verbose"):
            self._show_head(answer, fails=fails, unread=ignored and has_body)
            if has_body and not fails and not (ignored and self.release.since(8, 12)):
                self.connections.say_bytes("{", len(answer.body))
        total = int(answer.header("Content-Length") or len(answer.body) or 0)
        received = 0 if fails or not has_body else len(answer.body)
        if received and not ignored:
            self._try_output(answer)
            if self.refused is not None and self.release.since(8, 12):
                received = 0
        if fails and self.release.since(8, 12):
            total = 0
        is_known = answer.header("Content-Length") is not None
        self.meter.end(received, total, self.uploaded, is_known=is_known)
        if fails:
            self.connections.close(url, way, said=False)
            self.say(self.release.closing(way.number))
        elif closes:
            self.connections.close(url, way)
        else:
            self.say(f"Connection #{way.number} to host {url.host} left intact")

    def _show_head(self, answer: HTTPResponse, *, fails: bool, unread: bool) -> None:
        """`unread` says that there is a body, in which curl has no interest."""
        process = self.process
        if answer.version == "0.9":
            return
        if answer.version == "1.0":
            self.say("HTTP 1.0, assume close after body")
        for line in answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-2]:
            process.error(f"< {line}\r")
        if fails:
            self._show_failure(answer)
        elif unread and self.release.since(8, 12):
            process.error("* Ignoring the response-body\n* setting size while ignoring\n< \r")
        else:
            process.error("< \r" + "\n* Ignoring the response-body" * unread)

    def _show_failure(self, answer: HTTPResponse) -> None:
        text = f"The requested URL returned error: {answer.status}"
        self.say(text)
        if self.release.since(8, 12):
            self.process.error("< \r")

    def _fails(self, answer: HTTPResponse) -> bool:
        options = self.options
        return answer.status >= 400 and (options.on("fail") or options.on("fail-with-body"))

    def _deliver(self, answer: HTTPResponse, url: URL) -> None:
        process, options = self.process, self.options
        self.facts |= {
            "http_code": str(answer.status),
            "size_download": "0" if options.on("head") else str(len(answer.body)),
            "content_type": answer.header("Content-Type") or "",
            "http_version": "1" if answer.version == "1.0" else answer.version,
            "redirect_url": self._redirect_target(answer, url),
            "size_header": str(len(answer.head())),
            "num_headers": str(len(answer.headers)),
        }
        head = answer.head() if answer.version != "0.9" else b""
        dump = options.get("dump-header")
        if dump == "-":
            process.write_bytes(head)
        elif dump:
            process.open_writer(dump).write(head)
        failing = self._fails(answer)
        if failing and not options.on("fail-with-body"):
            raise CurlError(22, f"The requested URL returned error: {answer.status}")
        shown = head if options.on("include") or options.on("head") else b""
        self._output(shown + answer.body)
        if failing:
            raise CurlError(22, f"The requested URL returned error: {answer.status}")

    def _redirect_target(self, answer: HTTPResponse, url: URL) -> str:
        location = find_header(answer.headers, "Location")
        if location is None or self.options.on("location"):
            return ""
        try:
            return join_url(url, location).text()
        except BadURL:
            return location

    def _target(self, place: int, text: str, picked: list[str]) -> str:
        """Where the answer to a URL goes. Raises CurlError."""
        options = self.options
        names = options.values.get("output", [])
        name = names[place] if place < len(names) else ""
        for number, chosen in enumerate(picked, 1):
            name = name.replace(f"#{number}", chosen)
        if options.on("remote-name"):
            name = self._remote_name(text)
        if name in ("", "-"):
            return ""
        if options.get("output-dir"):
            name = f"{options.get('output-dir')}/{name}"
        if options.on("create-dirs"):
            self._make_directories(posixpath.dirname(name))
        return name

    def _make_directories(self, path: str) -> None:
        """Before anything is asked for, as curl does; what stands in the way is told when the file is written."""
        files, at = self.process.machine.fs, ""
        for part in self.process.path(path).split("/")[1:]:
            at += f"/{part}"
            with suppress(OSError):
                files.make_directory(at, mode=0o750)

    def _remote_name(self, text: str) -> str:
        name = posixpath.basename(re.sub(r"^[a-z]+://[^/]*", "", text).partition("?")[0])
        if name or self.options.on("remote-header-name"):
            return name or "curl_response"
        if self.release.since(8, 12):
            warn(self.process, self.options, 'No remote file name, uses "curl_response"')
            return "curl_response"
        if not self.options.on("silent"):
            self.process.error("curl: Remote file name has no length!")
        raise CurlError(23, "Failed writing received data to disk/application")

    def _try_output(self, answer: HTTPResponse) -> None:
        """Find out whether the answer can be written, when its first bytes come."""
        self.refused = None
        given = re.search(r'filename="?([^";]+)', answer.header("Content-Disposition") or "")
        if given and self.options.on("remote-name") and self.options.on("remote-header-name"):
            self.target = posixpath.basename(given.group(1))
        if not self.target or not answer.body:
            return
        try:
            self.process.open_writer(self.target)
        except OSError as error:
            warn(self.process, self.options, f"Failed to open the file {self.target}: {error.strerror}")
            text = "Failure writing output to destination"
            if self.release.since(8, 12):
                text = f"client returned ERROR on write of {len(answer.body)} bytes"
            self.refused = CurlError(23, text)

    def _output(self, data: bytes) -> None:
        if self.refused is not None:
            raise self.refused
        if not self.target:
            self.process.write_bytes(data)
            return
        self.facts["filename_effective"] = self.target
        self.process.open_writer(self.target).write(data)

    def _all_facts(self, text: str, place: int) -> dict[str, str]:
        """What `--write-out` knows."""
        names = self.options.values.get("output", [])
        spent = f"{self.process.timeline.now() - self.began + 0.000967:.6f}"
        return {
            "time_total": spent,
            "time_connect": "0.000214",
            "time_namelookup": "0.000087",
            "time_starttransfer": "0.000893",
            "time_pretransfer": "0.000241",
            "time_appconnect": "0.000000",
            "time_redirect": "0.000000",
            "speed_download": str(int(self.facts.get("size_download", "0")) * 1000),
            "speed_upload": str(self.uploaded * 1000),
            "num_connects": str(self.new),
            "num_redirects": "0",
            "num_headers": "0",
            "errormsg": "",
            "size_download": "0",
            "size_upload": str(self.uploaded),
            "size_request": str(self.sent),
            "size_header": "0",
            "content_type": "",
            "http_version": "0",
            "scheme": "",
            "remote_ip": "",
            "remote_port": "0",
            "local_ip": "",
            "local_port": "0",
            "redirect_url": "",
            "url": text,
            "urlnum": str(self.number),
            "ssl_verify_result": "0",
            "proxy_ssl_verify_result": "0",
            "filename_effective": names[place] if place < len(names) else "",
            "response_code": self.facts.get("http_code", "000"),
        } | self.facts
