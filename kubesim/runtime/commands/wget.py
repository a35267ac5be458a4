"""wget: GNU's and busybox', which have the name and little more in common."""

from __future__ import annotations

import posixpath
import re
import time

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import Options, parse
from kubesim.runtime.commands.transfer import (
    URL,
    BadMessage,
    BadURL,
    NetworkError,
    ResolveError,
    connect,
    find_addresses,
    in_order_of_busybox,
    in_system_order,
    is_address,
    join_url,
    parse_url,
    send,
)
from kubesim.runtime.commands.usage import GNU_WGET, busybox_usage
from kubesim.runtime.http1 import Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.network_view import Connection, Refused, TimedOut
from kubesim.runtime.process import Process

_LONG = {
    "quiet": "q", "output-document=": "O", "spider": "z", "timeout=": "T", "tries=": "t", "server-response": "S",
    "header=": "H", "post-data=": "B", "post-file=": "F", "user-agent=": "U", "no-check-certificate": "K",
    "no-verbose": "n", "continue": "c", "directory-prefix=": "P", "connect-timeout=": "T", "read-timeout=": "R",
    "method=": "M", "body-data=": "B", "content-on-error": "E", "output-file=": "o", "debug": "d", "verbose": "v",
    "max-redirect=": "x", "dns-timeout=": "D", "waitretry=": "w", "retry-connrefused": "C", "no-proxy": "Y",
    "show-progress": "p", "progress=": "p", "user=": "u", "password=": "W", "inet4-only": "4", "inet6-only": "6",
    "proxy=": "Y", "no-dns-cache": "N", "execute=": "e", "timestamping": "N", "auth-no-challenge": "A",
    "no-cookies": "N", "version": "V",
}  # fmt: skip
_VERSION = "1.21.3"
_SHOWN = 3
"""So many addresses of a name are told."""


@program
def wget(process: Process) -> int:
    # Of its short options some have two letters: of no interest but for one.
    twos = {"-nv": "--no-verbose", "-nc": "-N", "-nd": "-N", "-nH": "-N", "-np": "-N"}
    words = [twos.get(word, word) for word in process.args]
    opts = parse(process, "qO:T:t:SP:U:cno:dvY:Nb4e:6xV", _LONG, code=2, words=words)
    if process.machine.flavour == "busybox":
        if opts.args:
            return _all(_Busybox(process, opts), opts.args)
        process.error(busybox_usage(process))
        return 1
    return _gnu(process, opts)


def _gnu(process: Process, opts: Options) -> int:
    if "V" in opts:
        process.print(f"GNU Wget {_VERSION} built on linux-gnu.")
        return 0
    if not opts.args:
        process.error(f"wget: missing URL\n{GNU_WGET}")
        return 1
    name = opts.get("O")
    if name and name != "-" and "z" not in opts:
        try:
            process.open_writer(name)
        except OSError as error:
            process.error(f"{name}: {error.strerror}")
            return 1
    return _all(_GNU(process, opts), opts.args)


def _all(client: _Busybox | _GNU, urls: list[str]) -> int:
    code = 0
    for text in urls:
        code = client.get(text) or code
    return code


class _Client:
    def __init__(self, process: Process, opts: Options) -> None:
        self.process = process
        self.opts = opts
        self.quiet = "q" in opts

    def request(self, url: URL, agent: str, default: Headers) -> HTTPRequest:
        opts = self.opts
        body = b""
        method = "GET"
        if "B" in opts:
            body, method = opts.get("B").encode("utf-8", "surrogateescape"), "POST"
        elif "F" in opts:
            body, method = self.process.read_file(opts.get("F")), "POST"
        if "z" in opts:
            method = "HEAD"
        method = opts.get("M") or method
        fields: Headers = [("Host", url.authority), ("User-Agent", opts.get("U") or agent), *default]
        for text in opts.all("H"):
            name, _, value = text.partition(":")
            fields = [f for f in fields if f[0].lower() != name.lower()]
            fields.append((name, value.strip()))
        if body:
            fields += [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Content-Length", str(len(body))),
            ]
        return HTTPRequest(method, url.target, fields, body)

    def timeout(self, default: float) -> float:
        text = self.opts.get("T")
        try:
            return float(text) if text else default
        except ValueError:
            return default

    def target(self, url: URL) -> str:
        """Where the answer goes; `-` is standard output."""
        name = self.opts.get("O")
        if not name:
            name = posixpath.basename(url.target.partition("?")[0]) or "index.html"
            if self.opts.get("P"):
                name = f"{self.opts.get('P').rstrip('/')}/{name}"
        return name


class _Busybox(_Client):
    """busybox wget. Source of the texts: networking/wget.c."""

    def note(self, text: str) -> None:
        if not self.quiet:
            self.process.error(text)

    def get(self, text: str) -> int:
        process = self.process
        try:
            url = parse_url(text)
        except BadURL:
            port = re.search(r":(\d+)(?:/|$)", text.partition("://")[2])
            return process.fail(f"bad port '{port[1]}'" if port else f"bad address '{text}'")
        if url.scheme not in ("http", "https"):
            return process.fail(f"not an http or ftp url: {text}")
        for _ in range(5):
            answer = self._exchange(url)
            if isinstance(answer, int):
                return answer
            location = answer.header("Location")
            if answer.status in (301, 302, 303, 307, 308) and location:
                url = join_url(url, location)
                continue
            return self._deliver(url, answer)
        return process.fail("too many redirections")

    def _exchange(self, url: URL) -> HTTPResponse | int:
        process = self.process
        connection = self._connection(url)
        if isinstance(connection, int):
            return connection
        if url.scheme == "https" and not connection.tls:
            return process.fail("error getting response: Connection reset by peer")
        if url.scheme == "https" and "K" not in self.opts:
            self.note("wget: note: TLS certificate validation not implemented")
        try:
            request = self.request(url, "Wget", [("Connection", "close")])
            answer = send(process, connection, request, url, patience=self.timeout(900.0))
        except TimedOut:
            return process.fail("download timed out")
        except BadMessage:
            return process.fail("error getting response")
        first, *lines = answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-2]
        failed = answer.status >= 400
        if "S" in self.opts:
            for line in [first, *([] if failed else [*lines, ""])]:
                process.error(f"  {line}")
        return process.fail(f"server returned error: {first}".rstrip()) if failed else answer

    def _connection(self, url: URL) -> Connection | int:
        process = self.process
        try:
            found = [url.host] if is_address(url.host) else find_addresses(process, url.host)
            address = in_order_of_busybox(found)[0]
        except ResolveError:
            return process.fail(f"bad address '{url.authority if url.explicit_port else url.host}'")
        shown = f"[{address}]" if ":" in address else address
        self.note(f"Connecting to {url.authority} ({shown}:{url.port})")
        lead = f"can't connect to remote host ({address})"
        try:
            return connect(process, address, url.port, timeout=self.timeout(130.0))[0]
        except TimedOut:
            if self.opts.get("T"):
                return process.fail("download timed out")
            text = "Operation timed out" if process.machine.image.os == "alpine" else "Connection timed out"
            return process.fail(f"{lead}: {text}")
        except Refused:
            return process.fail(f"{lead}: Connection refused")
        except NetworkError:
            return process.fail(f"{lead}: Host is unreachable")

    def _deliver(self, url: URL, answer: HTTPResponse) -> int:
        process = self.process
        if "z" in self.opts:
            self.note("remote file exists")
            return 0
        name = self.target(url)
        if name == "-":
            self.note("writing to stdout")
            process.write_bytes(answer.body)
        else:
            if "O" not in self.opts and process.machine.fs.find(process.path(name)) is not None:
                return process.fail(f"can't open '{name}': File exists")
            try:
                writer = process.open_writer(name)
            except OSError as error:
                return process.fail(f"can't open '{name}': {error.strerror}")
            self.note(f"saving to '{name}'")
            writer.write(answer.body)
        if not self.quiet and answer.status != 204:
            size = len(answer.body)
            process.err.write(
                f"{posixpath.basename(name)[:20]:<20} 100% "
                f"|********************************| {size:>5}  0:00:00 ETA\n".encode()
            )
        if not self.quiet:
            self.note("written to stdout" if name == "-" else f"'{name}' saved")
        return 0


class _GNU(_Client):
    """GNU wget."""

    def __init__(self, process: Process, opts: Options) -> None:
        super().__init__(process, opts)
        self.brief = "n" in opts
        self.tries = max(int(opts.get("t")), 1) if opts.get("t").isdigit() else 20
        self.kept: dict[tuple[str, str, int], Connection] = {}

    def note(self, text: str) -> None:
        """What is left out with `-nv`."""
        if not self.quiet and not self.brief:
            self.process.error(text)

    def always(self, text: str) -> None:
        if not self.quiet:
            self.process.error(text)

    def _at(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.process.timeline.now()))

    def get(self, text: str) -> int:
        process = self.process
        if "//" in text and not re.match(r"(https?|ftps?)://", text, re.IGNORECASE):
            process.error(f"{text}: Scheme missing.")
            return 1
        try:
            url = parse_url(text)
        except BadURL:
            process.error(f"{text}: {_objection(text)}")
            return 1
        if "z" in self.opts:
            self.note("Spider mode enabled. Check if remote file exists.")
        limit = int(self.opts.get("x")) if self.opts.get("x").isdigit() else 20
        for hop in range(limit + 1):
            self.note(f"--{self._at()}--  {url.text()}")
            answer = self._exchange(url)
            if isinstance(answer, int):
                return answer
            location = answer.header("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return self._deliver(url, answer)
            self.note(f"Location: {location} [following]")
            if hop < limit:
                url = join_url(url, location)
        self.always(f"{limit} redirections exceeded.")
        return 8

    def _exchange(self, url: URL) -> HTTPResponse | int:
        default: Headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "Keep-Alive")]
        request = self.request(url, f"Wget/{_VERSION}", default)
        lead = "HTTP request sent, awaiting response... "
        for attempt in range(1, self.tries + 1):
            connection = self._connection(url)
            if isinstance(connection, int):
                return connection
            try:
                answer = send(self.process, connection, request, url, patience=self.timeout(900.0))
            except TimedOut:
                self.note(f"{lead}Read error (Connection timed out) in headers.")
                self._before(attempt + 1, url)
            except BadMessage as bad:
                if str(bad):
                    talk = connection.application.open(connection.peer)
                    data = talk.greeting + talk.receive(request.encode())
                    self.note(f"{lead}200 No headers, assuming HTTP/0.9")
                    return HTTPResponse(200, [], data, version="0.9", close=True)
                self.note(f"{lead}No data received.")
                self._before(attempt + 1, url)
            else:
                return self._heard(url, connection, answer, lead)
        return 4

    def _before(self, attempt: int, url: URL) -> None:
        """What is said, and waited, before another attempt; or that there is none."""
        if attempt > self.tries:
            self.note("Giving up.\n")
            return
        self.note("Retrying.\n")
        self.process.timeline.pass_by(min(attempt - 1, 10))
        self.note(f"--{self._at()}--  (try:{attempt:2d})  {url.text()}")

    def _heard(self, url: URL, connection: Connection, answer: HTTPResponse, lead: str) -> HTTPResponse:
        if (answer.header("Connection") or "").lower() != "close":
            self.kept[(url.scheme, url.host, url.port)] = connection
        if "S" in self.opts:
            self.note(lead)
            for line in answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-2]:
                self.process.error(f"  {line}")
        else:
            self.note(f"{lead}{answer.status} {answer.reason}".rstrip())
        return answer

    def _connection(self, url: URL) -> Connection | int:
        """One that is kept, or a new one; the exit code where there is none."""
        kept = self.kept.pop((url.scheme, url.host, url.port), None)
        if kept is not None:
            self.note(f"Reusing existing connection to {url.host}:{url.port}.")
            return kept
        addresses = [url.host]
        if not is_address(url.host):
            lead = f"Resolving {url.host} ({url.host})... "
            try:
                family = 4 if "4" in self.opts else 6 if "6" in self.opts else 0
                addresses = in_system_order(find_addresses(self.process, url.host, family=family))
            except ResolveError as error:
                reason = (
                    "Temporary failure in name resolution" if error.temporary else "Name or service not known"
                )
                self.note(f"{lead}failed: {reason}.")
                self.always(f"wget: unable to resolve host address '{url.host}'")
                return 4
            more = ", ..." if len(addresses) > _SHOWN else ""
            self.note(f"{lead}{', '.join(addresses[:_SHOWN])}{more}")
        for attempt in range(1, self.tries + 1):
            found = self._try(url, addresses)
            if not isinstance(found, TimedOut):
                return found
            self._before(attempt + 1, url)
        return 4

    def _try(self, url: URL, addresses: list[str]) -> Connection | TimedOut | int:
        """All addresses in turn. A time that is over is worth another try."""
        failure: TimedOut | int = 4
        for address in addresses:
            shown = f"[{address}]" if ":" in address else address
            named = f"{url.host} ({url.host})|{address}|" if not is_address(url.host) else shown
            lead = f"Connecting to {named}:{url.port}... "
            try:
                connection, _ = connect(self.process, address, url.port, timeout=self.timeout(130.0))
            except TimedOut as error:
                self.note(f"{lead}failed: Connection timed out.")
                failure = error
            except Refused:
                self.note(f"{lead}failed: Connection refused.")
                failure = 4
            except NetworkError:
                self.note(f"{lead}failed: No route to host.")
                failure = 4
            else:
                self.note(f"{lead}connected.")
                return connection if url.scheme != "https" else self._secured(url, connection)
        return failure

    def _secured(self, url: URL, connection: Connection) -> Connection | int:
        if not connection.tls:
            self.always("GnuTLS: An unexpected TLS packet was received.\nUnable to establish SSL connection.")
            return 4
        trusts = "K" in self.opts
        title = "WARNING" if trusts else "ERROR"
        self.always(
            f"{title}: The certificate of '{url.host}' is not trusted.\n{title}: The "
            f"certificate of '{url.host}' doesn't have a known issuer."
        )
        return connection if trusts else 5

    def _deliver(self, url: URL, answer: HTTPResponse) -> int:
        process = self.process
        if answer.status >= 400:
            if "z" in self.opts:
                self.note("Remote file does not exist -- broken link!!!\n")
                return 8
            text = f"{self._at()} ERROR {answer.status}: {answer.reason}."
            self.always(f"{url.text()}:\n{text}" if self.brief else f"{text}\n")
            if "E" in self.opts:
                process.write_bytes(answer.body)
            return 8
        kind = (answer.header("Content-Type") or "").partition(";")[0]
        size = len(answer.body)
        if "z" in self.opts:
            length = answer.header("Content-Length") or str(size)
            more = " and could contain further links,\nbut recursion is disabled -- not retrieving."
            more = more if kind == "text/html" else "."
            self.note(f"Length: {length} [{kind}]\nRemote file exists{more}\n")
            return 0
        name = self._free_name(self.target(url))
        try:
            self._write(name, answer.body)
        except OSError as error:
            self.note(f"{name}: {error.strerror}\n\nCannot write to '{name}' (Success).")
            return 3
        if self.brief:
            shown = "-" if name == "-" else name
            self.always(f'{self._at()} URL:{url.text()} [{size}/{size}] -> "{shown}" [1]')
            return 0
        self._tell_progress(name, kind, answer)
        return 0

    def _free_name(self, name: str) -> str:
        """One that no file has, by a number."""
        if name == "-" or "O" in self.opts:
            return name
        base, n = name, 0
        while self.process.machine.fs.find(self.process.path(name)) is not None:
            n += 1
            name = f"{base}.{n}"
        return name

    def _write(self, name: str, body: bytes) -> None:
        process = self.process
        if name == "-":
            process.write_bytes(body)
            return
        if "P" in self.opts and "O" not in self.opts:
            directory = process.path(posixpath.dirname(name))
            if process.machine.fs.find(directory) is None:
                process.machine.fs.make_directory(directory)
        process.open_writer(name).write(body)

    def _tell_progress(self, name: str, kind: str, answer: HTTPResponse) -> None:
        size = len(answer.body)
        known = answer.header("Content-Length") is not None
        written = "written to stdout" if name == "-" else f"'{name}' saved"
        speed = f"{size / 1000:.1f}" if size >= 1000 else f"{size:.2f}"
        unit = "MB/s" if size >= 1000 else "KB/s" if size else "B/s"
        speed = speed if size else "0.00"
        if answer.status != 204:
            length = f"{size} ({_kilo(size)})" if size >= 1024 else str(size)
            self.note(f"Length: {length} [{kind}]" if known else "Length: unspecified")
            row = f"{'100%' if known else ''} {speed[:4]}{'M' if size >= 1000 else 'K'}=0s"
            self.note(f"Saving to: '{'STDOUT' if name == '-' else name}'\n\n     0K{' ' * 55}{row}\n")
        got = f"{size}/{size}" if known else str(size)
        self.note(f"{self._at()} ({speed} {unit}) - {written} [{got}]\n")


def _objection(text: str) -> str:
    """What is wrong with a URL that is none."""
    place = text.partition("://")[2]
    if place.startswith("[") and "]" not in place:
        return "Unterminated IPv6 numeric address."
    return "Bad port number." if re.search(r":[^/\]]*(/|$)", place) else "Invalid host name."


def _kilo(size: int) -> str:
    return f"{size / 1024:.1f}K" if size < 1 << 20 else f"{size / (1 << 20):.1f}M"
