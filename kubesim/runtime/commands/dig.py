"""dig of BIND 9.18, against servers that answer as CoreDNS does; and nsupdate, which they refuse."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from kubesim.runtime.commands.dns import (
    MORE_TYPES,
    PORT,
    bind_version,
    lay_out,
    message_size,
    name_problem,
    query,
    question_line,
    record_line,
    reverse_name,
    server_address,
)
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import is_address, resolver_config, search_names
from kubesim.util.dnsmessage import DNSMessage, Record

_OPTION_NAMES = """
aaflag aaonly additional adflag all answer authority badcookie besteffort bufsize cdflag class cmd coflag
comments cookie crypto defname dns64prefix dnssec domain edns ednsflags ednsnegotiation ednsopt expandaaaa
expire fail header-only http-plain http-plain-get https https-get identify idnin idnout ignore keepalive
keepopen multiline ndots ednsopt nsid nssearch onesoa opcode padding qid qr question raflag rdflag recurse retry
rrcomments search short showbadcookie showsearch split stats subnet tcflag tcp time timeout tls tls-ca
tls-certfile tls-hostname tls-keyfile trace tries ttlid ttlunits unknownformat vc yaml zflag
"""
_OPTIONS = frozenset(_OPTION_NAMES.split())
_PARTS = ("comments", "question", "answer", "authority", "additional", "stats", "cmd")
_USAGE = """\
Usage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}
            {global-d-opt} host [@local-server] {local-d-opt}
            [ host [@local-server] {local-d-opt} [...]]

Use "dig -h" (or "dig -h | more") for complete list of options"""
_STATUS_ID = 21323
_UNANSWERED = 9
_FAILED = 10


class _Wrong(Exception):
    """An option that dig does not have."""


@dataclass(slots=True)
class _Query:
    name: str = "."
    qtype: str = "NS"


@dataclass(slots=True)
class _Line:
    """What was given. `flags` are the options behind a plus: whether they are on, and their value."""

    server: str = ""
    port: str = PORT
    queries: list[_Query] = field(default_factory=list)
    flags: dict[str, tuple[bool, str]] = field(default_factory=dict)
    shown: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(_PARTS, True))
    warnings: list[str] = field(default_factory=list)

    def on(self, *names: str) -> bool:
        return any(self.flags.get(name, (False, ""))[0] for name in names)

    def off(self, name: str) -> bool:
        return not self.flags.get(name, (True, ""))[0]

    def number(self, name: str, default: int) -> int:
        text = self.flags.get(name, (True, ""))[1]
        return int(text) if text.isdigit() else default


class _Parser:
    """Reads a command line. A type belongs to the name before it; the first may stand before its name."""

    def __init__(self, words: list[str]) -> None:
        self.line = _Line()
        self._rest = list(words)
        self._pending = ""

    def read(self) -> _Line:
        """Raises _Wrong."""
        while self._rest:
            word = self._rest.pop(0)
            if word.startswith("@"):
                self.line.server = word[1:]
            elif word.startswith("+"):
                _plus(self.line, word)
            elif word.startswith("-") and len(word) > 1:
                self._option(word)
            elif word.upper() in MORE_TYPES:
                self._type(word.upper())
            elif word.upper() not in ("IN", "CH", "HS"):
                self._name(word)
        if not self.line.queries:
            self.line.queries.append(_Query(".", self._pending or "NS"))
        return self.line

    def _option(self, word: str) -> None:
        if word in ("-4", "-6", "-r", "-m", "-u") or not self._rest:
            return
        value = self._rest.pop(0)
        match word:
            case "-x":
                self.line.queries.append(_Query(reverse_name(value) if is_address(value) else value, "PTR"))
            case "-p":
                self.line.port = value
            case "-q":
                self._name(value)
            case "-t" if value.upper() in MORE_TYPES:
                self._type(value.upper())
            case "-t":
                self.line.warnings.append(f";; Warning, ignoring invalid type {value}")

    def _name(self, name: str) -> None:
        self.line.queries.append(_Query(name, self._pending or "A"))
        self._pending = ""

    def _type(self, qtype: str) -> None:
        if self.line.queries:
            self.line.queries[-1].qtype = qtype
        else:
            self._pending = qtype


def _plus(line: _Line, word: str) -> None:
    name, _, value = word[1:].partition("=")
    on = not (name.startswith("no") and name not in _OPTIONS)
    bare = name if on else name[2:]
    known = [n for n in _OPTIONS if n == bare] or [n for n in _OPTIONS if bare and n.startswith(bare)]
    if not known:
        raise _Wrong(f"Invalid option: {word}")
    bare = known[0]
    line.flags[bare] = (on, value)
    if bare == "all":
        line.shown = dict.fromkeys(_PARTS, on)
    elif bare in line.shown:
        line.shown[bare] = on


def dig(process: Process) -> int:
    if process.args[:1] in (["-v"], ["-version"]):
        process.error(f"DiG {bind_version(process)}")
        return 0
    try:
        line = _Parser(process.args).read()
    except _Wrong as wrong:
        process.error(f"{wrong}\n{_USAGE}")
        return 1
    for text in line.warnings:
        process.error(text)
    config = resolver_config(process.machine)
    server = server_address(process, line.server) if line.server else config.nameservers[0]
    if server is None:
        process.error(f"dig: couldn't get address for '{line.server}': not found")
        return 1
    run = _Run(process, line, server)
    for each in line.queries:
        code = run.one(each)
        if code:
            return code
    return 0


class _Run:
    """One run of dig."""

    def __init__(self, process: Process, line: _Line, server: str) -> None:
        self.process = process
        self.line = line
        self.server = server
        self.short = line.on("short")
        self.greeted = False

    def one(self, each: _Query) -> int:
        process, line = self.process, self.line
        problem = name_problem(each.name)
        if problem:
            process.error(f"dig: '{each.name}' is not a legal name ({problem})")
            return _FAILED
        names = [each.name.rstrip(".") + "." if each.name != "." else "."]
        if line.on("search", "domain") and not each.name.endswith("."):
            names = search_names(each.name, resolver_config(process.machine))
        answer: DNSMessage | NetworkError = DNSMessage()
        asked = names[0]
        for asked in names:
            answer = query(process, asked, each.qtype, self.server, line.port)
            if isinstance(answer, NetworkError) or answer.rcode == "NOERROR":
                break
        if isinstance(answer, NetworkError):
            return self._unanswered(each, answer)
        self._greet()
        if self.short:
            found = f" from server {self.server} in 0 ms." if line.on("identify") else ""
            for record in answer.answers:
                process.print(record.data + found)
            return 0
        _Answer(process, line, self.server, asked, each.qtype, answer).tell()
        return 0

    def _greet(self) -> None:
        """What stands above the first answer."""
        if self.greeted or self.short or not self.line.shown["cmd"]:
            return
        self.greeted = True
        words = " ".join(["; <<>> DiG", bind_version(self.process), "<<>>", *self.process.args])
        self.process.print(f"\n{words}")
        if self.line.server:
            self.process.print("; (1 server found)")
        self.process.print(";; global options: +cmd")

    def _unanswered(self, each: _Query, error: NetworkError) -> int:
        process, line = self.process, self.line
        tries = max(line.number("tries", line.number("retry", 2) + 1), 1)
        refused = isinstance(error, Refused)
        if not refused:
            process.timeline.pass_by(float(line.number("time", line.number("timeout", 5))) * tries)
        if line.on("tcp", "vc"):
            where = f"{self.server}#{line.port}({self.server})"
            reason = "connection refused" if refused else "timed out"
            process.write(f";; Connection to {where} for {each.name} failed: {reason}.\n" * tries)
            process.print(";; no servers could be reached")
            return _UNANSWERED
        reason = "connection refused" if refused else "timed out"
        process.write(f";; communications error to {self.server}#{line.port}: {reason}\n" * tries)
        self._greet()
        process.print(";; no servers could be reached")
        return _UNANSWERED


@dataclass(slots=True)
class _Answer:
    """One answer, as it is shown."""

    process: Process
    line: _Line
    server: str
    name: str
    qtype: str
    answer: DNSMessage

    @property
    def number(self) -> int:
        return (_STATUS_ID + sum(map(ord, self.name)) * 37) % 65536

    def tell(self) -> None:
        shown, process = self.line.shown, self.process
        if shown["comments"]:
            self._header()
        if shown["question"]:
            question = question_line(self.name, self.qtype)
            if self.line.on("multiline"):
                question = ";" + lay_out([(self.name, 0), (f"IN {self.qtype}", 24)])
            process.print(f";; QUESTION SECTION:\n{question}\n" if shown["comments"] else question)
        for title, records in (
            ("answer", self.answer.answers),
            ("authority", self.answer.authority),
            ("additional", self.answer.additional),
        ):
            if records and shown[title]:
                lines = "\n".join(map(self._record, records))
                process.print(f";; {title.upper()} SECTION:\n{lines}\n" if shown["comments"] else lines)
        if shown["stats"]:
            self._statistics()

    def _header(self) -> None:
        process, answer = self.process, self.answer
        process.print(";; Got answer:")
        if re.search(r"(^|\.)local\.$", self.name, re.IGNORECASE):
            process.print(
                ";; WARNING: .local is reserved for Multicast DNS\n;; You are currently "
                "testing what happens when an mDNS query is leaked to DNS"
            )
        asked = not self.line.off("recurse") and not self.line.off("rdflag")
        edns = not self.line.off("edns")
        bits = ["qr"] + ["aa"] * answer.authoritative + ["rd"] * asked + ["ra"] * answer.recursion_available
        process.print(f";; ->>HEADER<<- opcode: QUERY, status: {answer.rcode}, id: {self.number}")
        process.print(
            f";; flags: {' '.join(bits)}; QUERY: 1, ANSWER: {len(answer.answers)}, AUTHORITY: "
            f"{len(answer.authority)}, ADDITIONAL: {len(answer.additional) + edns}"
        )
        if not answer.recursion_available and asked:
            process.print(";; WARNING: recursion requested but not available")
        process.print()
        if edns:
            process.print(";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232")
            if not self.line.off("cookie"):
                process.print(f"; COOKIE: {self.number:04x}5f0a3c9be21d (echoed)")

    def _record(self, record: Record) -> str:
        line = self.line
        if line.on("multiline"):
            return _several_lines(record)
        if line.off("ttlid"):
            return lay_out([(record.name, 0), ("IN", 24), (record.type, 32), (record.data, 40)])
        return record_line(record, _in_units(record.ttl) if line.on("ttlunits") else "")

    def _statistics(self) -> None:
        line, process = self.line, self.process
        at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(process.timeline.now()))
        transport = "TCP" if line.on("tcp", "vc") or self.qtype == "ANY" else "UDP"
        size = message_size(self.name, self.answer, edns=not line.off("edns"), cookie=not line.off("cookie"))
        process.print(
            f";; Query time: 0 msec\n;; SERVER: {self.server}#{line.port}({line.server or self.server}) "
            f"({transport})\n;; WHEN: {at}\n;; MSG SIZE  rcvd: {size}\n"
        )


_UNITS = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def _parts(seconds: int) -> list[tuple[int, str]]:
    found = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            found.append((count, unit))
    return found or [(0, "second")]


def _in_units(seconds: int) -> str:
    """As `1h30m`."""
    return "".join(f"{count}{unit[0]}" for count, unit in _parts(seconds))


def _several_lines(record: Record) -> str:
    """A record in the style of +multiline: only SOA takes several lines."""
    head = [(record.name, 0), (f"{record.ttl} IN {record.type}", 24)]
    if record.type != "SOA":
        return lay_out([(record.name, 0), (f"{record.ttl} IN {record.type} {record.data}", 24)])
    origin, mail, *numbers = record.data.split()
    lines = [f"{lay_out(head)} {origin} {mail} ("]
    for at, (number, title) in enumerate(
        zip(numbers, ("serial", "refresh", "retry", "expire", "minimum"), strict=True)
    ):
        words = " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in _parts(int(number)))
        lines.append("\t" * 4 + f"{number:<10} ; {title}" + (f" ({words})" if at else ""))
    return "\n".join([*lines, "\t" * 4 + ")"])


def nsupdate(process: Process) -> int:
    process.read_text()
    process.error("update failed: REFUSED")
    return 2
