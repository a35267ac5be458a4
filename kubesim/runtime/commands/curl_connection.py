"""How curl comes to a server: addresses, connections that are used again, TLS, and what it says of all that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kubesim.runtime.addressorder import one_of_each
from kubesim.runtime.commands.curl_options import CurlOptions, UsageProblem
from kubesim.runtime.commands.transfer import (
    KERNEL_TIMEOUT,
    URL,
    NetworkError,
    ResolveError,
    connect,
    find_addresses,
    is_address,
)
from kubesim.runtime.network_view import Connection, Refused, TimedOut
from kubesim.runtime.process import Process

OPENSSL = "OpenSSL/3.0.19"
_NO_ISSUER = ("unable to get local issuer certificate", 20)
_SELF_SIGNED = ("self-signed certificate", 18)
_ADVICE = """\
More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the {} mentioned above."""
HAPPY_EYEBALLS = 0.2
"""Seconds until the other family is tried too: --happy-eyeballs-timeout-ms."""
_API_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
_HOUR, _YEAR = 3600, 365 * 86400


class CurlError(Exception):
    """A transfer failed; the exit code, and what follows `curl: (N) `."""

    def __init__(self, code: int, text: str, *, last: str = "", farewell: bool = False) -> None:
        super().__init__(text)
        self.farewell = farewell
        """Whether the connection is ended as TLS has it, after that."""
        self.code = code
        self.last = last
        """What `--verbose` says when the progress meter has ended."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of curl: they differ in what they say."""

    version: str

    def since(self, major: int, minor: int) -> bool:
        return [int(n) for n in re.findall(r"\d+", self.version)[:2]] >= [major, minor]

    @property
    def modern(self) -> bool:
        return self.since(8, 6)

    def closing(self, number: int) -> str:
        return f"closing connection #{number}" if self.modern else f"Closing connection {number}"

    def shutting(self, number: int) -> str:
        return f"shutting down connection #{number}" if self.modern else f"Closing connection {number}"


@dataclass(slots=True)
class Way:
    """A connection to a server that may be used again."""

    connection: Connection
    address: str
    number: int
    verified: int = 0
    """What came of verifying the server's certificate."""


@dataclass(slots=True)
class Connections:
    """Those of one run of curl."""

    process: Process
    release: Release
    options: CurlOptions
    say: Callable[[str], None]
    open: dict[tuple[str, str, int], Way] = field(default_factory=dict)
    made: int = 0
    resolved: dict[tuple[str, int], str] = field(default_factory=dict)

    def prepare(self, options: CurlOptions) -> None:
        """Read what a part of the command line says about addresses. Raises UsageProblem."""
        self.options = options
        self.resolved = {}
        for text in options.values.get("resolve", []):
            host, _, rest = text.lstrip("+").partition(":")
            port, _, address = rest.partition(":")
            if not port.isdigit() or not address:
                self.process.error(f"curl: (49) Couldn't parse CURLOPT_RESOLVE entry '{text}'")
                raise UsageProblem("", 49)
            self.resolved[(host.lower(), int(port))] = address.strip("[]").split(",")[0]

    @property
    def limit(self) -> float | None:
        """How long connecting may take."""
        times = (self.options.seconds("max-time"), self.options.seconds("connect-timeout"))
        return min((t for t in times if t is not None), default=None)

    def to(self, url: URL) -> tuple[Way, bool]:
        """A connection, and whether it is a new one. Raises CurlError."""
        key = (url.scheme, url.host.lower(), url.port)
        way = self.open.get(key)
        if way is not None:
            self._say_used_again(url, way)
            return way, False
        number = self.made
        self.made += 1
        addresses = self._addresses(url, number)
        way = self._connect(url, addresses, number)
        if url.scheme == "https":
            way.verified = self._handshake(way, url)
        if self.release.since(8, 12):
            if url.scheme == "https":
                self._say_connected(url, way)
            self.say("using HTTP/1.x")
        elif url.scheme == "https":
            self.say("using HTTP/1.1" if not self.release.modern else "using HTTP/1.x")
        if url.scheme == "https":
            self.say_bytes("}", 5)
        self.open[key] = way
        return way, True

    def close(self, url: URL, way: Way, *, said: bool = True) -> None:
        """The connection ends; with `said` curl tells."""
        self.open.pop((url.scheme, url.host.lower(), url.port), None)
        if said:
            self.say(self.release.shutting(way.number))

    def say_bytes(self, direction: str, count: int) -> None:
        """So many bytes came or went, which is of interest where they are not seen."""
        if self.options.on("verbose") and not self.process.interactive:
            self.process.error(f"{direction} [{count} bytes data]")

    def _say_used_again(self, url: URL, way: Way) -> None:
        if self.release.since(8, 12):
            self.say(f"Re-using existing {url.scheme}: connection with host {url.host}")
        elif self.release.modern:
            self.say(f"Re-using existing connection with host {url.host}")
        else:
            self.say(f"Found bundle for host: {0x55D2BC33F440:#x} [serially]")
            self.say("Can not multiplex, even if we wanted to")
            self.say(f"Re-using existing connection #{way.number} with host {url.host}")

    # Addresses

    def _addresses(self, url: URL, number: int) -> list[str]:
        override = self.resolved.get((url.host.lower(), url.port))
        if override is not None:
            self.say(f"Added {url.host}:{url.port}:{override} to DNS cache")
            self.say(f"Hostname {url.host} was found in DNS cache")
            return [override]
        family = 4 if self.options.on("ipv4") else 6 if self.options.on("ipv6") else 0
        if is_address(url.host):
            if family in (0, 6 if ":" in url.host else 4):
                return [url.host]
            raise CurlError(7, self._no_connection)
        host, port = self._instead(url)
        found = self._look_up(url, host, number)
        if self.release.modern:
            self.say(f"Host {host}:{port} was resolved.")
            for title, six in (("IPv6", True), ("IPv4", False)):
                some = [a for a in found if (":" in a) == six]
                self.say(f"{title}: {', '.join(some) or '(none)'}")
        return one_of_each(found)

    def _instead(self, url: URL) -> tuple[str, int]:
        """Whom `--connect-to` names."""
        for text in self.options.values.get("connect-to", []):
            host, _, rest = text.partition(":")
            port, _, target = rest.partition(":")
            if host.lower() in ("", url.host.lower()) and port in ("", str(url.port)):
                other, _, other_port = target.rpartition(":")
                return other or url.host, int(other_port) if other_port.isdigit() else url.port
        return url.host, url.port

    def _look_up(self, url: URL, host: str, number: int) -> list[str]:
        family = 4 if self.options.on("ipv4") else 6 if self.options.on("ipv6") else 0
        if host == "localhost":
            # curl knows these itself; the older tries IPv4 first.
            both = ["::1", "127.0.0.1"] if self.release.modern else ["127.0.0.1", "::1"]
            return [a for a in both if not family or (family == 6) == (":" in a)]
        before = self.process.timeline.now()
        try:
            return find_addresses(self.process, host, family=family)
        except ResolveError as error:
            limit = self.limit
            if error.temporary and limit is not None and limit < self.process.timeline.now() - before:
                raise CurlError(28, f"Resolving timed out after {int(limit * 1000)} milliseconds") from None
            if family == 6 and not self.release.modern and not error.temporary and self._exists(host):
                raise CurlError(7, "Couldn't connect to server") from None
            self.say(f"Could not resolve host: {host}")
            ending = self.release.shutting if self.release.since(8, 12) else self.release.closing
            self.say(ending(number))
            raise CurlError(6, f"Could not resolve host: {host}") from None

    def _exists(self, host: str) -> bool:
        try:
            return bool(find_addresses(self.process, host, family=4))
        except ResolveError:
            return False

    # Connections

    def _connect(self, url: URL, addresses: list[str], number: int) -> Way:
        port = self._instead(url)[1]
        failure: CurlError | None = None
        for at, address in enumerate(addresses):
            is_last = at == len(addresses) - 1
            # The second family's turn comes soon (RFC 8305).
            limit = self.limit if is_last else min(self.limit or HAPPY_EYEBALLS, HAPPY_EYEBALLS)
            shown = f"[{address}]" if ":" in address else address
            self.say(f"  Trying {shown}:{port}...")
            try:
                connection, _ = connect(self.process, address, port, timeout=limit)
            except TimedOut:
                if is_last:
                    failure = self._timed_out(url, port)
            except NetworkError as error:
                reason = "Connection refused" if isinstance(error, Refused) else "No route to host"
                self.say(f"connect to {address} port {port}{self._from(address)} failed: {reason}")
                failure = CurlError(7, self._failed(url, port, 0, self._no_connection))
            else:
                way = Way(connection, address, number)
                if not (url.scheme == "https" and self.release.since(8, 12)):
                    self._say_connected(url, way)
                return way
        assert failure is not None  # noqa: S101 - there is an address
        self.say(str(failure))
        failure.last = self.release.closing(number)
        raise failure

    def _say_connected(self, url: URL, way: Way) -> None:
        number = "" if self.release.modern else f" (#{way.number})"
        host, port = self._instead(url)
        self.say(f"Connected to {host} ({way.address}) port {port}{number}")

    @property
    def _no_connection(self) -> str:
        return "Could not connect to server" if self.release.since(8, 10) else "Couldn't connect to server"

    def _failed(self, url: URL, port: int, milliseconds: int, why: str) -> str:
        return f"Failed to connect to {url.host} port {port} after {milliseconds} ms: {why}"

    def _from(self, address: str) -> str:
        """Newer ones say from where they tried."""
        if not self.release.modern:
            return ""
        ips = self.process.machine.facts.get("ips") or ()
        own = address if address in ("127.0.0.1", "::1") else next((str(ip) for ip in ips), address)
        return f" from {own} port 42636"

    def _timed_out(self, url: URL, port: int) -> CurlError:
        limit = self.limit
        if limit is None:
            self.say(f"connect to {url.host} port {port} failed: Connection timed out")
            return CurlError(28, self._failed(url, port, int(KERNEL_TIMEOUT * 1000), self._no_connection))
        milliseconds = int(limit * 1000) + 1
        if limit == self.options.seconds("max-time") or self.release.since(8, 12):
            return CurlError(28, f"Connection timed out after {milliseconds} milliseconds")
        self.say(f"ipv4 connect timeout after {milliseconds - 1}ms, move on!")
        return CurlError(28, self._failed(url, port, milliseconds, "Timeout was reached"))

    # TLS

    def _handshake(self, way: Way, url: URL) -> int:
        """OpenSSL's number for what is wrong with the certificate. Raises CurlError."""
        say = self.say
        say(f"ALPN: {'curl ' * self.release.modern}offers h2,http/1.1")
        self.say_bytes("}", 5)
        self._step("OUT", "handshake, Client hello (1)", 1573 if self.release.since(8, 12) else 512)
        trusted = self.options.on("cacert") or self.options.on("capath")
        if not self.options.on("insecure"):
            say(f" CAfile: {self.options.get('cacert') or '/etc/ssl/certs/ca-certificates.crt'}")
            say(f" CApath: {self.options.get('capath') or '/etc/ssl/certs'}")
            self._read_authorities(way)
        if not way.connection.tls:
            say(self._wrong_version)
            raise CurlError(35, self._wrong_version, last=self.release.closing(way.number))
        certificate = _Certificate.of(way.connection, url.host, self.process.timeline.now())
        if not self.options.on("insecure"):
            self.say_bytes("{", 5)
        self._step("IN", "handshake, Server hello (2)", 122)
        if self.release.since(8, 12):
            self._step("IN", "change cipher, Change cipher spec (1)", 1)
        self._step("IN", "handshake, Encrypted Extensions (8)", 25)
        self._step("IN", "handshake, Certificate (11)", certificate.size)
        if not self.options.on("insecure") and not trusted:
            text = f"SSL certificate problem: {certificate.problem[0]}"
            self._step("OUT", "alert, unknown CA (560)", 2)
            say(text)
            raise CurlError(60, f"{text}\n{self._advice}", last=self.release.closing(way.number))
        self._step("IN", "handshake, CERT verify (15)", 79)
        self._step("IN", "handshake, Finished (20)", 52)
        self._step("OUT", "change cipher, Change cipher spec (1)", 1)
        self._step("OUT", "handshake, Finished (20)", 52)
        keys = " / x25519 / id-ecPublicKey" if self.release.modern else ""
        say(f"SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384{keys}")
        say("ALPN: server accepted http/1.1")
        say("Server certificate:")
        for line in certificate.lines:
            say(f" {line}")
        if not self.options.on("insecure"):
            self._check_name(way, url, certificate)
        say(f" issuer: {certificate.issuer}")
        problem = None if trusted else certificate.problem
        if problem is None:
            say(" SSL certificate verify ok.")
        else:
            text, number = problem
            say(f" SSL certificate verify result: {text} ({number}), continuing anyway.")
        for level in (
            range(2 if trusted and not self.options.on("insecure") else 1) if self.release.modern else ()
        ):
            say(
                f"  Certificate level {level}: Public key type EC/prime256v1 (256/128 Bits/secBits), signed using "
                "ecdsa-with-SHA256"
            )
        return 0 if problem is None else problem[1]

    def _read_authorities(self, way: Way) -> None:
        """Raises CurlError for a file of authorities that is none."""
        path = self.options.get("cacert")
        if not path:
            return
        try:
            found = self.process.read_file(path)
        except OSError:
            found = b""
        if b"-----BEGIN CERTIFICATE-----" not in found:
            text = f"error setting certificate file: {path}"
            self.say(text)
            raise CurlError(77, text, last=self.release.closing(way.number))

    def _check_name(self, way: Way, url: URL, certificate: _Certificate) -> None:
        """Raises CurlError for a certificate of another host."""
        name = certificate.name_for(url.host)
        kind = "address" if is_address(url.host) else "host"
        if name:
            self.say(f' subjectAltName: {kind} "{url.host}" matched cert\'s "{name}"')
            return
        word = "hostname" if self.release.since(8, 10) else "host name"
        shown = f"hostname {url.host}" if self.release.since(8, 10) else url.host
        text = f"SSL: no alternative certificate subject name matches target {word} '{url.host}'"
        self.say(f" subjectAltName does not match {shown}")
        self.say(text)
        last = self.release.closing(way.number)
        raise CurlError(60, f"{text}\n{self._advice}", last=last, farewell=not self.release.modern)

    @property
    def _advice(self) -> str:
        return _ADVICE.format("webpage" if self.release.since(8, 10) else "web page")

    @property
    def _wrong_version(self) -> str:
        lead = "TLS connect error" if self.release.modern else OPENSSL
        return f"{lead}: error:0A00010B:SSL routines::wrong version number"

    def _step(self, direction: str, what: str, size: int) -> None:
        self.say(f"TLSv1.3 ({direction}), TLS {what}:")
        self.say_bytes("}" if direction == "OUT" else "{", size)


@dataclass(frozen=True, slots=True)
class _Certificate:
    """What is seen of a server's certificate."""

    subject: str
    issuer: str
    begins: float
    ends: float
    size: int
    names: tuple[str, ...]
    """The hosts that it is for, and their addresses."""

    @classmethod
    def of(cls, connection: Connection, name: str, now: float) -> _Certificate:
        """That of whoever answers; of those that have none of their own, that of an API server."""
        pair = connection.application.certificate(name)
        if pair is None:
            names = (*_API_NAMES, *([name] if is_address(name) else ()))
            return cls("CN=kube-apiserver", "CN=kubernetes", now - _HOUR, now + _YEAR, 585, names)
        from cryptography import x509

        found = x509.load_pem_x509_certificate(pair[0])
        begins, ends = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
        subject, issuer = _words(found.subject), _words(found.issuer)
        try:
            kind = x509.SubjectAlternativeName
            names = tuple(str(n.value) for n in found.extensions.get_extension_for_class(kind).value)
        except x509.ExtensionNotFound:
            names = tuple(
                str(a.value) for a in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            )
        return cls(subject, issuer, begins, ends, 18 + len(pair[0]) * 3 // 4, names)

    @property
    def problem(self) -> tuple[str, int]:
        return _SELF_SIGNED if self.subject == self.issuer else _NO_ISSUER

    @property
    def lines(self) -> list[str]:
        start, end = (
            time.strftime("%b %e %H:%M:%S %Y GMT", time.gmtime(at)) for at in (self.begins, self.ends)
        )
        return [
            f"subject: {self.subject}",
            f"start date: {start}",
            f"expire date: {end}",
        ]

    def name_for(self, host: str) -> str:
        """The name in the certificate that a host goes by; empty where there is none."""
        labels = host.lower().rstrip(".").partition(".")
        for name in self.names:
            if name.lower() == host.lower() or (name.startswith("*.") and name[2:].lower() == labels[2]):
                return name
        return ""


def _words(name: object) -> str:
    """As OpenSSL writes a name: `O=Acme Co; CN=web`."""
    return "; ".join(str(part.rfc4514_string()) for part in getattr(name, "rdns", ()))
