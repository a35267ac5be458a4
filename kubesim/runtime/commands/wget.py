"""wget: GNU's and busybox', which have the name and little more in common."""

from __future__ import annotations

import posixpath
import time

from kubesim.runtime.addressorder import one_of_each
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
    is_address,
    join_url,
    parse_url,
    send,
)
from kubesim.runtime.http1 import Headers, HTTPRequest, HTTPResponse
from kubesim.runtime.network_view import Refused, TimedOut
from kubesim.runtime.process import Process

_LONG = {
    "quiet": "q", "output-document=": "O", "spider": "z", "timeout=": "T", "tries=": "t", "server-response": "S",
    "header=": "H", "post-data=": "B", "post-file=": "F", "user-agent=": "U", "no-check-certificate": "K",
    "no-verbose": "n", "continue": "c", "directory-prefix=": "P", "connect-timeout=": "T", "read-timeout=": "R",
    "method=": "M", "body-data=": "B", "content-on-error": "E", "output-file=": "o", "debug": "d", "verbose": "v",
    "max-redirect=": "x", "dns-timeout=": "D", "waitretry=": "w", "retry-connrefused": "C", "no-proxy": "Y",
    "show-progress": "p", "progress=": "p", "user=": "u", "password=": "W", "inet4-only": "4", "inet6-only": "6",
    "proxy=": "Y", "no-dns-cache": "N", "execute=": "e", "timestamping": "N", "auth-no-challenge": "A",
    "no-cookies": "N", "server-response=": "S",
}  # fmt: skip


@program
def wget(process: Process) -> int:
    opts = parse(process, "qO:T:t:SP:U:cno:dvY:Nb4e:6x", _LONG, code=2)
    if not opts.args:
        if process.machine.flavour == "busybox":
            process.error(
                "BusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call binary.\n\nUsage: wget "
                "[-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR]\n\t[--post-data STR | "
                "--post-file FILE] [-Y on/off]\n\t[--no-check-certificate] [-P DIR] [-U AGENT] "
                "[-T SEC] URL..."
            )
            return 1
        process.error(
            "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options."
        )
        return 1
    client: _Busybox | _GNU = (
        _Busybox(process, opts) if process.machine.flavour == "busybox" else _GNU(process, opts)
    )
    code = 0
    for text in opts.args:
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
            return process.fail(f"bad address '{text}'")
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
        try:
            address = url.host if is_address(url.host) else find_addresses(process, url.host)[0]
        except ResolveError:
            return process.fail(f"bad address '{url.authority if url.explicit_port else url.host}'")
        shown = f"[{address}]" if ":" in address else address
        self.note(f"Connecting to {url.authority} ({shown}:{url.port})")
        try:
            connection, _ = connect(process, address, url.port, timeout=self.timeout(130.0))
        except TimedOut:
            if self.opts.get("T"):
                return process.fail("download timed out")
            return process.fail(f"can't connect to remote host ({address}): Operation timed out")
        except Refused:
            return process.fail(f"can't connect to remote host ({address}): Connection refused")
        except NetworkError:
            return process.fail(f"can't connect to remote host ({address}): Host is unreachable")
        if url.scheme == "https" and not connection.tls:
            return process.fail("error getting response: Connection reset by peer")
        if url.scheme == "https" and "K" not in self.opts:
            self.note("wget: note: TLS certificate validation not implemented")
        try:
            answer = send(connection, self.request(url, "Wget", [("Connection", "close")]))
        except BadMessage as bad:
            return process.fail("bad response" if str(bad) else "error getting response")
        if "S" in self.opts:
            for line in answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-2]:
                process.error(f"  {line}")
            process.error("  ")
        if answer.status >= 400:
            return process.fail(
                f"server returned error: HTTP/{answer.version} {answer.status} {answer.reason}".rstrip()
            )
        return answer

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
            self.note(f"saving to '{name}'")
            try:
                process.open_writer(name).write(answer.body)
            except OSError as error:
                return process.fail(f"can't open '{name}': {error.strerror}")
        if not self.quiet:
            size = len(answer.body)
            process.err.write(
                f"{posixpath.basename(name)[:20]:<20} 100% "
                f"|********************************| {size:>5}  0:00:00 ETA\n".encode()
            )
            self.note("written to stdout" if name == "-" else f"'{name}' saved")
        return 0


class _GNU(_Client):
    """GNU wget."""

    def note(self, text: str) -> None:
        if not self.quiet:
            self.process.error(text)

    def _at(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.process.timeline.now()))

    def get(self, text: str) -> int:
        process = self.process
        try:
            url = parse_url(text)
        except BadURL:
            process.error(f"{text}: Invalid host name." if "//" in text else f"{text}: Scheme missing.")
            return 1
        if url.scheme not in ("http", "https"):
            process.error(f"{text}: Unsupported scheme '{url.scheme}'.")
            return 1
        if "z" in self.opts:
            self.note("Spider mode enabled. Check if remote file exists.")
        for _ in range(20):
            self.note(f"--{self._at()}--  {url.text()}")
            answer = self._exchange(url)
            if isinstance(answer, int):
                return answer
            location = answer.header("Location")
            if answer.status in (301, 302, 303, 307, 308) and location:
                self.note(f"Location: {location} [following]")
                url = join_url(url, location)
                continue
            return self._deliver(url, answer)
        self.note("20 redirections exceeded.")
        return 8

    def _exchange(self, url: URL) -> HTTPResponse | int:  # noqa: C901 - a case for each thing there is
        process = self.process
        lead = ""
        try:
            if is_address(url.host):
                address, others = url.host, []
            else:
                family = 4 if "4" in self.opts else 6 if "6" in self.opts else 0
                address, *others = one_of_each(find_addresses(process, url.host, family=family))
                self.note(f"Resolving {url.host} ({url.host})... {', '.join([address, *others])}")
                lead = f"{url.host} ({url.host})|{address}|"
        except ResolveError as error:
            reason = (
                "Temporary failure in name resolution" if error.temporary else "Name or service not known"
            )
            self.note(
                f"Resolving {url.host} ({url.host})... failed: {reason}.\nwget: "
                f"unable to resolve host address '{url.host}'"
            )
            return 4
        shown = lead or (f"[{address}]" if ":" in address else address)
        tries = int(self.opts.get("t") or "20") if (self.opts.get("t") or "20").isdigit() else 20
        for attempt in range(1, max(tries, 1) + 1):
            try:
                connection, _ = connect(process, address, url.port, timeout=self.timeout(130.0))
                break
            except NetworkError as error:
                reason = (
                    "Connection timed out"
                    if isinstance(error, TimedOut)
                    else "Connection refused"
                    if isinstance(error, Refused)
                    else "No route to host"
                )
                self.note(f"Connecting to {shown}:{url.port}... failed: {reason}.")
                if others:
                    address = others.pop()
                    shown = f"{url.host} ({url.host})|{address}|"
                    continue
                if not isinstance(error, TimedOut):
                    return 4
                if attempt == tries:
                    self.note("Giving up.\n")
                    return 4
                self.note("Retrying.\n")
                process.timeline.pass_by(min(attempt, 10))
                self.note(f"--{self._at()}--  (try:{attempt + 1:2d})  {url.text()}")
        self.note(f"Connecting to {shown}:{url.port}... connected.")
        if url.scheme == "https" and not connection.tls:
            self.note(
                "OpenSSL: error:0A00010B:SSL routines::wrong version "
                "number\nUnable to establish SSL connection."
            )
            return 4
        if url.scheme == "https" and "K" not in self.opts:
            self.note(
                f"ERROR: The certificate of '{url.host}' is not trusted.\nERROR: The "
                f"certificate of '{url.host}' doesn't have a known issuer."
            )
            return 5
        default: Headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "Keep-Alive")]
        try:
            answer = send(connection, self.request(url, "Wget/1.21.3", default))
        except BadMessage:
            self.note("HTTP request sent, awaiting response... No data received.\nRetrying.\n")
            return 4
        if "S" in self.opts:
            self.note("HTTP request sent, awaiting response... ")
            for line in answer.head().decode("utf-8", "surrogateescape").split("\r\n")[:-2]:
                process.error(f"  {line}")
        else:
            self.note(f"HTTP request sent, awaiting response... {answer.status} {answer.reason}".rstrip())
        return answer

    def _deliver(self, url: URL, answer: HTTPResponse) -> int:
        process = self.process
        if answer.status >= 400:
            if "z" in self.opts:
                self.note("Remote file does not exist -- broken link!!!\n")
                return 8
            self.note(f"{self._at()} ERROR {answer.status}: {answer.reason}.\n")
            if "E" in self.opts:
                process.write_bytes(answer.body)
            return 8
        kind = (answer.header("Content-Type") or "").partition(";")[0]
        size = len(answer.body)
        shown_size = f"{size}" + (f" ({_kilo(size)})" if size >= 1024 else "")
        if "z" in self.opts:
            length = answer.header("Content-Length") or str(size)
            self.note(
                f"Length: {length} [{kind}]\nRemote file exists and could contain further "
                "links,\nbut recursion is disabled -- not retrieving.\n"
            )
            return 0
        name = self.target(url)
        if name != "-" and "O" not in self.opts:
            base, n = name, 0
            while process.machine.fs.find(process.path(name)) is not None:
                n += 1
                name = f"{base}.{n}"
        title = "STDOUT" if name == "-" else name
        self.note(f"Length: {shown_size} [{kind}]\nSaving to: '{title}'")
        try:
            if name == "-":
                process.write_bytes(answer.body)
            else:
                process.open_writer(name).write(answer.body)
        except OSError as error:
            self.note(f"{name}: {error.strerror}\n\nCannot write to '{name}' (Success).")
            return 3
        speed = f"{size / 1000:.1f} MB/s" if size >= 1000 else f"{size} KB/s"
        self.note(
            "\n     0K                                                       100% "
            f"{speed.split()[0]}{'M' if size >= 1000 else 'K'}=0s\n"
        )
        written = "written to stdout" if name == "-" else f"'{name}' saved"
        self.note(f"{self._at()} ({speed}) - {written} [{size}/{size}]\n")
        return 0


def _kilo(size: int) -> str:
    return f"{size / 1024:.1f}K" if size < 1 << 20 else f"{size / (1 << 20):.1f}M"
