"""What applications use when they call others: Go's HTTP client in miniature, with Go's error texts."""

from __future__ import annotations

from kubesim.runtime.addressorder import GO
from kubesim.runtime.application import TransportProtocol
from kubesim.runtime.http1 import BadMessage, HTTPRequest, HTTPResponse
from kubesim.runtime.machine import Machine
from kubesim.runtime.network_view import Connection, NetworkError, Refused, TimedOut
from kubesim.runtime.resolver import ResolveError, is_address, lookup, resolver_config


class DialError(Exception):
    """A connection did not come about; the text is Go's."""

    def __init__(self, text: str, *, kind: str = "other") -> None:
        super().__init__(text)
        self.kind = kind
        """dns, refused, timeout or other."""


def join_host_port(host: str, port: int | str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resolve(machine: Machine, host: str) -> list[str]:
    """The addresses of a host, the best one first. Raises DialError with Go's text."""
    if not host or is_address(host.strip("[]")):
        return [host.strip("[]") or "127.0.0.1"]
    try:
        return lookup(machine, host, order=GO)
    except ResolveError as error:
        server = join_host_port(resolver_config(machine).nameservers[0], 53)
        if error.temporary:
            raise DialError(f"lookup {host} on {server}: read udp: i/o timeout", kind="dns") from None
        raise DialError(f"lookup {host} on {server}: no such host", kind="dns") from None


def dial(machine: Machine, host: str, port: int, protocol: TransportProtocol = "TCP") -> Connection:
    """Open a connection, to the first address that takes it. Raises DialError, about the first one of all."""
    failed: DialError | None = None
    for address in resolve(machine, host):
        where, network = join_host_port(address, port), protocol.lower()
        try:
            return machine.network.connect(address, port, protocol)
        except Refused:
            error = DialError(f"dial {network} {where}: connect: connection refused", kind="refused")
        except TimedOut:
            error = DialError(f"dial {network} {where}: i/o timeout", kind="timeout")
        except NetworkError:
            error = DialError(f"dial {network} {where}: connect: no route to host")
        failed = failed or error
    raise failed or DialError(f"lookup {host}: no such host", kind="dns")


def http_get(
    machine: Machine, host: str, port: int, target: str, *, agent: str = "Go-http-client/1.1"
) -> HTTPResponse:
    """GET a page. Raises DialError."""
    connection = dial(machine, host, port)
    headers = [("Host", join_host_port(host, port)), ("User-Agent", agent), ("Accept-Encoding", "gzip")]
    try:
        return connection.http(HTTPRequest("GET", target, headers))
    except BadMessage as bad:
        raise DialError("EOF" if not str(bad) else "malformed HTTP response") from None
