"""What nslookup, dig and host share: asking one server, names in reverse, how BIND lays out records and sizes messages."""

from __future__ import annotations

import ipaddress

from kubesim.runtime.application import NameServer
from kubesim.runtime.network_view import NetworkError, TimedOut
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import MAX_LABEL, MAX_NAME, ResolveError, is_address, lookup
from kubesim.util.dnsmessage import DNSMessage, Record

TYPES = ("A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
MORE_TYPES = (*TYPES, "CAA", "DS", "DNSKEY", "HTTPS", "NAPTR", "SVCB")
PORT = "53"
_VERSIONS = {
    "alpine": "9.18.31",
    "debian": "9.18.49-1~deb12u3-Debian",
    "ubuntu": "9.18.28-0ubuntu0.24.04.1-Ubuntu",
}
_HEADER, _FIXED, _OPT, _COOKIE = 12, 10, 11, 12


def bind_version(process: Process) -> str:
    return _VERSIONS.get(process.machine.image.os, _VERSIONS["debian"])


def reverse_name(address: str) -> str:
    """The name under in-addr.arpa or ip6.arpa, with its final dot."""
    return ipaddress.ip_address(address).reverse_pointer + "."


def server_address(process: Process, text: str) -> str | None:
    """A DNS server given by name or address."""
    if is_address(text):
        return text
    try:
        return lookup(process.machine, text)[0]
    except ResolveError:
        return None


def query(
    process: Process, name: str, qtype: str, server: str, port: str = PORT
) -> DNSMessage | NetworkError:
    """Ask a server; the failure as a value."""
    process.budget.step(10)
    network = process.machine.network
    try:
        if port == PORT:
            return network.query(name, qtype, server)
        connection = network.connect(server, int(port), "UDP")
        application = connection.application
        if isinstance(application, NameServer):
            return application.resolve(name, qtype, connection.peer.address, server)
    except NetworkError as error:
        return error
    return TimedOut(f"{server}:{port}")


def name_problem(name: str) -> str:
    """What BIND has against a name; empty where it is one."""
    if not name:
        return "unexpected end of input"
    labels = name.removesuffix(".").split(".")
    if name != "." and not all(labels):
        return "empty label"
    if any(len(label) > MAX_LABEL for label in labels):
        return "label too long"
    return "ran out of space" if len(name.rstrip(".")) > MAX_NAME else ""


def lay_out(cells: list[tuple[str, int]]) -> str:
    """Texts at columns, with tabs where one fits, as BIND's master file style does (lib/dns/masterdump.c, indent)."""
    out = ""
    at = 0
    for text, column in cells:
        if out:
            goal = max(column, at + 1)
            tabs = goal // 8 - at // 8
            start = goal // 8 * 8 if tabs > 0 else at
            out += "\t" * tabs + " " * (goal - start)
            at = goal
        out += text
        at += len(text)
    return out


def question_line(name: str, qtype: str) -> str:
    return ";" + lay_out([(name, 0), ("IN", 32), (qtype, 40)])


def record_line(record: Record, ttl: str = "") -> str:
    """A record as in a zone file; `ttl` is how its time to live is written, if not as a number."""
    cells = [(record.name, 0), (ttl or str(record.ttl), 24), ("IN", 32), (record.type, 40), (record.data, 48)]
    return lay_out(cells)


def message_size(name: str, answer: DNSMessage, *, edns: bool, cookie: bool) -> int:
    """The bytes of an answer whose names are not compressed, as CoreDNS sends one that has room enough."""
    records = (*answer.answers, *answer.authority, *answer.additional)
    size = _HEADER + _wire(name) + 4 + sum(_wire(r.name) + _FIXED + _data(r) for r in records)
    return size + _OPT * edns + _COOKIE * (edns and cookie)


def _wire(name: str) -> int:
    """The bytes of a name: a length before each label, and the root's."""
    return len(name) + 1 if name != "." else 1


def _data(record: Record) -> int:
    words = record.data.split()
    match record.type:
        case "A":
            return 4
        case "AAAA":
            return 16
        case "SRV":
            return 6 + _wire(words[-1])
        case "MX":
            return 2 + _wire(words[-1])
        case "SOA":
            return _wire(words[0]) + _wire(words[1]) + 20
        case "TXT":
            return len(record.data.strip('"')) + 1
    return _wire(record.data)
