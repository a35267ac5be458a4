"""dig and host of BIND 9.18, against servers that answer as CoreDNS does."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from kubesim.runtime.commands.names import TYPES, query, reverse_name, server_address
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import canonical_name, is_address, resolver_config, search_names, valid_name
from kubesim.util.dnsmessage import DNSMessage, Record

_VERSIONS = {
    "alpine": "9.18.31",
    "debian": "9.18.28-1~deb12u2-Debian",
    "ubuntu": "9.18.28-0ubuntu0.24.04.1-Ubuntu",
}


@dataclass(slots=True)
class _Query:
    name: str = "."
    qtype: str = "NS"
    flags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    server: str = ""
    port: str = "53"
    queries: list[_Query] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)


_ON = frozenset(
    [
        "short",
        "search",
        "trace",
        "tcp",
        "norecurse",
        "comments",
        "question",
        "answer",
        "authority",
        "additional",
        "stats",
        "cmd",
        "all",
        "multiline",
        "ttlid",
        "dnssec",
        "edns",
        "cookie",
        "recurse",
        "ignore",
        "vc",
        "identify",
        "nssearch",
        "adflag",
        "cdflag",
        "showsearch",
    ]
)


def _parse(words: list[str]) -> _Line:  # noqa: C901 - a case for each thing there is
    line = _Line()
    rest = list(words)
    current: _Query | None = None
    qtype = ""
    while rest:
        word = rest.pop(0)
        if word.startswith("@"):
            line.server = word[1:]
        elif word.startswith("+"):
            name, _, value = word[1:].partition("=")
            line.flags[name] = value
        elif word == "-x":
            current = _Query(
                reverse_name(rest[0]) if rest and is_address(rest[0]) else (rest[0] if rest else "."), "PTR"
            )
            rest = rest[1:]
            line.queries.append(current)
        elif word == "-t" and rest:
            qtype = rest.pop(0).upper()
            if current is not None:
                current.qtype = qtype
        elif word in ("-p", "-b", "-f", "-k", "-q", "-c", "-y") and rest:
            value = rest.pop(0)
            if word == "-p":
                line.port = value
            elif word == "-q":
                current = _Query(value, qtype or "A")
                line.queries.append(current)
        elif word in ("-4", "-6", "-r", "-m", "-u") or word.upper() in ("IN", "CH", "HS"):
            continue
        elif word.upper() in (*TYPES, "CAA", "DS", "DNSKEY", "NAPTR", "HTTPS", "SVCB"):
            qtype = word.upper()
            if current is not None:
                current.qtype = qtype
        else:
            current = _Query(word, qtype or "A")
            line.queries.append(current)
    if not line.queries:
        line.queries.append(_Query(".", qtype or "NS"))
    return line


def dig(process: Process) -> int:
    if process.args[:1] in (["-v"], ["-version"]):
        process.error(f"DiG {_version(process)}")
        return 0
    line = _parse(process.args)
    config = resolver_config(process.machine)
    server = server_address(process, line.server) if line.server else config.nameservers[0]
    if server is None:
        process.error(f"dig: couldn't get address for '{line.server}': not found")
        return 10
    flags = _visible(process.args)
    if flags["cmd"] and "short" not in line.flags:
        process.print(f"\n; <<>> DiG {_version(process)} <<>> {' '.join(process.args)}")
        if line.server:
            process.print("; (1 server found)")
        process.print(";; global options: +cmd")
    for each in line.queries:
        code = _one(process, line, each, server, flags)
        if code:
            return code
    return 0


def _version(process: Process) -> str:
    return _VERSIONS.get(process.machine.image.os, _VERSIONS["debian"])


def _visible(words: list[str]) -> dict[str, bool]:
    """Which parts are shown: `+noall +answer` and their like, in order."""
    shown = dict.fromkeys(("comments", "question", "answer", "authority", "additional", "stats", "cmd"), True)
    for word in words:
        name = word[1:].partition("=")[0] if word.startswith("+") else ""
        on = not name.startswith("no")
        bare = name if on else name[2:]
        if bare == "all":
            shown = dict.fromkeys(shown, on)
        elif bare in shown:
            shown[bare] = on
    return shown


def _one(process: Process, line: _Line, each: _Query, server: str, flags: dict[str, bool]) -> int:
    if not valid_name(each.name) and each.name != ".":
        process.error(
            f"dig: '{each.name}' is not in legal name syntax (label too long)"
            if any(len(x) > 63 for x in each.name.split("."))
            else f"dig: '{each.name}' is not in legal name syntax (ran out of space)"
        )
        return 10
    config = resolver_config(process.machine)
    names = [each.name.rstrip(".") + "." if each.name != "." else "."]
    if (
        ("search" in line.flags or "domain" in line.flags)
        and "nosearch" not in line.flags
        and not each.name.endswith(".")
    ):
        names = search_names(each.name, config)
    answer: DNSMessage | NetworkError = DNSMessage()
    asked = names[0]
    for asked in names:
        answer = query(process, asked, each.qtype, server)
        if isinstance(answer, NetworkError) or answer.rcode == "NOERROR":
            break
    if isinstance(answer, NetworkError):
        return _unanswered(process, line, server, answer)
    if "short" in line.flags:
        for record in answer.answers:
            process.print(record.data)
        return 0
    _print_answer(process, line, asked, each.qtype, server, answer, flags)
    return 0


def _unanswered(process: Process, line: _Line, server: str, error: NetworkError) -> int:
    tries = int(line.flags.get("tries") or "3") if line.flags.get("tries", "3").isdigit() else 3
    seconds = float(line.flags.get("time") or line.flags.get("timeout") or "5")
    reason = "connection refused" if isinstance(error, Refused) else "timed out"
    if not isinstance(error, Refused):
        process.timeline.pass_by(seconds * tries)
    process.write(f";; communications error to {server}#{line.port}: {reason}\n" * tries)
    process.print(
        ";; no servers could be reached\n" if "short" not in line.flags else ";; no servers could be reached"
    )
    return 9


_STATUS_ID = 21323


def _print_answer(
    process: Process,
    line: _Line,
    name: str,
    qtype: str,
    server: str,
    answer: DNSMessage,
    flags: dict[str, bool],
) -> None:
    edns = "noedns" not in line.flags
    if flags["comments"]:
        process.print(";; Got answer:")
        if re.search(r"(^|\.)local\.$", name):
            process.print(
                ";; WARNING: .local is reserved for Multicast DNS\n;; You are currently "
                "testing what happens when an mDNS query is leaked to DNS"
            )
        bits = (
            ["qr"]
            + (["aa"] if answer.authoritative else [])
            + (["rd"] if "norecurse" not in line.flags else [])
            + (["ra"] if answer.recursion_available else [])
        )
        number = (_STATUS_ID + sum(map(ord, name)) * 37) % 65536
        process.print(f";; ->>HEADER<<- opcode: QUERY, status: {answer.rcode}, id: {number}")
        process.print(
            f";; flags: {' '.join(bits)}; QUERY: 1, ANSWER: {len(answer.answers)}, AUTHORITY: "
            f"{len(answer.authority)}, ADDITIONAL: {len(answer.additional) + edns}"
        )
        if not answer.recursion_available and "norecurse" not in line.flags:
            process.print(";; WARNING: recursion requested but not available")
        process.print()
        if edns:
            process.print(";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232")
            process.print(f"; COOKIE: {number:04x}5f0a3c9be21d (echoed)")
    if flags["question"]:
        process.print((";; QUESTION SECTION:\n" if flags["comments"] else "") + _question(name, qtype))
        process.print()
    for title, key, records in (
        ("ANSWER", "answer", answer.answers),
        ("AUTHORITY", "authority", answer.authority),
        ("ADDITIONAL", "additional", answer.additional),
    ):
        if records and flags[key]:
            if flags["comments"]:
                process.print(f";; {title} SECTION:")
            for record in records:
                process.print(_columns(record))
            if flags["comments"]:
                process.print()
    if flags["stats"]:
        at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(process.timeline.now()))
        transport = "TCP" if "tcp" in line.flags or "vc" in line.flags else "UDP"
        size = (
            12
            + len(name)
            + 5
            + sum(12 + len(r.data) for r in (*answer.answers, *answer.authority, *answer.additional))
            + 23 * edns
        )
        process.print(
            f";; Query time: 0 msec\n;; SERVER: {server}#{line.port}({line.server or server}) "
            f"({transport})\n;; WHEN: {at}\n;; MSG SIZE  rcvd: {size}\n"
        )


def _lay_out(cells: list[tuple[str, int]]) -> str:
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


def _question(name: str, qtype: str) -> str:
    return ";" + _lay_out([(name, 0), ("IN", 32), (qtype, 40)])


def _columns(record: Record) -> str:
    return _lay_out(
        [(record.name, 0), (str(record.ttl), 24), ("IN", 32), (record.type, 40), (record.data, 48)]
    )


# host


def host(process: Process) -> int:
    words = []
    qtype = ""
    rest = list(process.args)
    verbose = False
    while rest:
        word = rest.pop(0)
        if word == "-t" and rest:
            qtype = rest.pop(0).upper()
        elif word in ("-W", "-R", "-c", "-N", "-p") and rest:
            rest.pop(0)
        elif re.fullmatch(r"-[WRcN]\d+", word):
            continue
        elif word.startswith("-t") and len(word) > 2:
            qtype = word[2:].upper()
        elif word in ("-v", "-d", "-a"):
            verbose = True
            qtype = "ANY" if word == "-a" else qtype
        elif word.startswith("-"):
            continue
        else:
            words.append(word)
    del verbose
    if not words:
        process.error(
            "Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]\n         "
            "   [-R number] [-m flag] [-p port] hostname [server]"
        )
        return 1
    config = resolver_config(process.machine)
    server = config.nameservers[0]
    if len(words) > 1:
        given = server_address(process, words[1])
        if given is None:
            process.error(f"host: couldn't get address for '{words[1]}': not found")
            return 1
        server = given
        process.print(f"Using domain server:\nName: {words[1]}\nAddress: {server}#53\nAliases: \n")
    return _host_lookup(process, words[0], qtype, server)


def _host_lookup(process: Process, name: str, qtype: str, server: str) -> int:
    if is_address(name):
        names, types = [reverse_name(name)], ["PTR"]
    else:
        names = search_names(name, resolver_config(process.machine))
        types = [qtype] if qtype else ["A", "AAAA", "MX"]
    found: DNSMessage | NetworkError = DNSMessage()
    asked = names[0]
    for asked in names:
        found = query(process, asked, types[0], server)
        if isinstance(found, NetworkError) or found.rcode == "NOERROR":
            break
    if isinstance(found, NetworkError):
        reason = "connection refused" if isinstance(found, Refused) else "timed out"
        process.write(f";; communications error to {server}#53: {reason}\n" * 2)
        process.print(";; no servers could be reached")
        process.timeline.pass_by(0.0 if isinstance(found, Refused) else 10.0)
        return 1
    if found.rcode != "NOERROR":
        code = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5}.get(found.rcode, 2)
        shown = asked if is_address(name) else name
        process.print(f"Host {shown} not found: {code}({found.rcode})")
        return 1
    if not found.answers and qtype:
        process.print(f"{asked.rstrip('.')} has no {qtype} record")
        return 0
    _host_records(process, found)
    target = canonical_name(found, asked)
    for more in types[1:]:
        again = query(process, target, more, server)
        if isinstance(again, DNSMessage) and again.rcode == "NXDOMAIN":
            process.print(f"Host {target.rstrip('.')} not found: 3(NXDOMAIN)")
        elif isinstance(again, DNSMessage):
            _host_records(process, again)
    return 0


def _host_records(process: Process, answer: DNSMessage) -> None:
    words = {
        "A": "has address", "AAAA": "has IPv6 address", "CNAME": "is an alias for", "PTR": "domain name pointer",
        "SRV": "has SRV record", "TXT": "descriptive text", "MX": "mail is handled by", "NS": "name server",
        "SOA": "has SOA record",
    }  # fmt: skip
    for record in answer.answers:
        process.print(
            f"{record.name.rstrip('.')} {words.get(record.type, f'has {record.type} record')} {record.data}"
        )


def nsupdate(process: Process) -> int:
    process.read_text()
    process.error("update failed: REFUSED")
    return 2
