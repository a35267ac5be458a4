"""What curl and wget share: URLs, finding the address, connecting, and how long that took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from kubesim.runtime.http1 import BadMessage, HTTPRequest, HTTPResponse
from kubesim.runtime.network_view import Connection, NetworkError, Refused, TimedOut, Unreachable
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import (
    ResolveError,
    in_order_of_busybox,
    in_system_order,
    is_address,
    lookup,
    query_delay,
    resolver_config,
)

KERNEL_TIMEOUT = 130.0  # tcp_syn_retries=6: 1+2+4+8+16+32+64 seconds and a little


@dataclass(slots=True)
class URL:
    """A URL in its parts."""

    scheme: str
    host: str
    port: int
    target: str
    user: str = ""
    explicit_port: bool = False

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}.get(self.scheme)
        return host if self.port == default else f"{host}:{self.port}"

    def text(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.explicit_port else ""
        return f"{self.scheme}://{host}{port}{self.target}"


class BadURL(ValueError):
    """A text that is no URL."""


_URL = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:([^@/?#]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^:/?#\[\]]*)(?::([^/?#]*))?([/?][^#]*)?(?:#.*)?"
)


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def parse_url(text: str) -> URL:
    """Read a URL; http where no scheme is given. Raises BadURL."""
    match = _URL.fullmatch(text.strip())
    if match is not None and match.group(1) is None and _SCHEME.match(text.strip()):
        match = None  # what stands behind it is nothing that a host could be
    if match is None or not match.group(3) or re.search(r"[\s\x00-\x1f]", text.strip()):
        raise BadURL(text)
    scheme = (match.group(1) or "http").lower()
    port_text = match.group(4)
    if port_text and (not port_text.isdigit() or not 0 < int(port_text[:6]) < 65536):
        raise BadURL(text)
    port = int(port_text) if port_text else {"https": 443, "ftp": 21, "telnet": 23}.get(scheme, 80)
    target = match.group(5) or "/"
    if target.startswith("?"):
        target = "/" + target
    return URL(
        scheme, match.group(3).strip("[]"), port, target, unquote(match.group(2) or ""), bool(port_text)
    )


def join_url(base: URL, location: str) -> URL:
    """Where a redirect leads. Raises BadURL."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", location):
        return parse_url(location)
    if location.startswith("//"):
        return parse_url(f"{base.scheme}:{location}")
    host = f"[{base.host}]" if ":" in base.host else base.host
    port = f":{base.port}" if base.explicit_port else ""
    path = (
        location
        if location.startswith("/")
        else base.target.partition("?")[0].rpartition("/")[0] + "/" + location
    )
    return parse_url(f"{base.scheme}://{host}{port}{path}")


def find_addresses(process: Process, host: str, *, family: int = 0) -> list[str]:
    """The addresses of a host. Raises ResolveError; where no server answers, the resolver's time passes."""
    try:
        return lookup(process.machine, host, family=family)
    except ResolveError as error:
        if error.temporary:
            process.timeline.pass_by(query_delay(resolver_config(process.machine)))
        raise


def connect(
    process: Process, address: str, port: int, *, timeout: float | None = None
) -> tuple[Connection, float]:
    """Open a TCP connection, and how many seconds it took. Raises NetworkError, the time of the attempt having passed."""
    process.budget.step(10)
    began = process.timeline.now()
    try:
        connection = process.machine.network.connect(address, port)
    except TimedOut:
        process.timeline.pass_by(KERNEL_TIMEOUT if timeout is None else timeout)
        raise
    except (Refused, Unreachable):
        raise
    return connection, process.timeline.now() - began


def send(
    process: Process, connection: Connection, request: HTTPRequest, url: URL, *, patience: float | None = None
) -> HTTPResponse:
    """Send the request of a URL and take the answer, the time having passed that the server takes. Raises BadMessage where
    what comes back is no HTTP, TimedOut where it does not come within `patience` seconds.
    """
    if connection.tls and url.scheme != "https":
        return connection.application.plain_refusal()
    answer = connection.http(request)
    if answer.seconds:
        if patience is not None and answer.seconds > patience:
            process.timeline.pass_by(max(0.0, patience))
            raise TimedOut(connection.remote_address)
        process.timeline.pass_by(answer.seconds)
    if request.method == "HEAD":
        return HTTPResponse(answer.status, answer.headers, b"", answer.reason, answer.version, answer.close)
    return answer


__all__ = [
    "URL",
    "BadMessage",
    "BadURL",
    "NetworkError",
    "ResolveError",
    "connect",
    "find_addresses",
    "in_order_of_busybox",
    "in_system_order",
    "is_address",
    "join_url",
    "parse_url",
    "send",
]
