"""host of BIND 9.18, against servers that answer as CoreDNS does."""

from __future__ import annotations

from kubesim.runtime.commands.dns import (
    MORE_TYPES,
    PORT,
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
from kubesim.runtime.resolver import canonical_name, is_address, resolver_config, search_names
from kubesim.util.dnsmessage import DNSMessage

_TRIES = 2
_WORDS = {
    "A": "has address", "AAAA": "has IPv6 address", "CNAME": "is an alias for", "PTR": "domain name pointer",
    "SRV": "has SRV record", "TXT": "descriptive text", "MX": "mail is handled by", "NS": "name server",
    "SOA": "has SOA record",
}  # fmt: skip
_CODES = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5}
_USAGE = """\
Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]
            [-R number] [-m flag] [-p port] hostname [server]
       -a is equivalent to -v -t ANY
       -A is like -a but omits RRSIG, NSEC, NSEC3
       -c specifies query class for non-IN data
       -C compares SOA records on authoritative nameservers
       -d is equivalent to -v
       -l lists all hosts in a domain, using AXFR
       -m set memory debugging flag (trace|record|usage)
       -N changes the number of dots allowed before root lookup is done
       -p specifies the port on the server to query
       -r disables recursive processing
       -R specifies number of retries for UDP packets
       -s a SERVFAIL response should stop query
       -t specifies the query type
       -T enables TCP/IP mode
       -U enables UDP mode
       -v enables verbose output
       -V print version number and exit
       -w specifies to wait forever for a reply
       -W specifies how long to wait for a reply
       -4 use IPv4 query transport only
       -6 use IPv6 query transport only"""


class _Line:
    """What was given."""

    def __init__(self, words: list[str]) -> None:
        self.qtype = ""
        self.verbose = False
        self.port = PORT
        self.tries = _TRIES
        self.wait = 5.0
        self.args: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("-") or len(word) < 2:
                self.args.append(word)
                continue
            letter, value = word[1], word[2:]
            if letter in "tWRcNpm" and not value:
                value = rest.pop(0) if rest else ""
            self._set(letter, value)

    def _set(self, letter: str, value: str) -> None:
        match letter:
            case "t":
                self.qtype = value.upper()
            case "a":
                self.verbose, self.qtype = True, self.qtype or "ANY"
            case "v" | "d":
                self.verbose = True
            case "p":
                self.port = value
            case "R" if value.isdigit():
                self.tries = 1 + int(value)
            case "W" if value.isdigit():
                self.wait = float(value)


def host(process: Process) -> int:
    line = _Line(process.args)
    if not line.args:
        process.error(_USAGE)
        return 1
    if line.qtype and line.qtype not in MORE_TYPES:
        process.error(f"host: invalid type: {line.qtype.lower()}\n")
        return 2
    name, *servers = line.args
    problem = name_problem(name)
    if problem:
        process.error(f"host: '{name}' is not in legal name syntax ({problem})")
        return 1
    server = resolver_config(process.machine).nameservers[0]
    if servers:
        given = server_address(process, servers[0])
        if given is None:
            process.error(f"host: couldn't get address for '{servers[0]}': not found")
            return 1
        server = given
    return _Lookup(process, line, server, servers[0] if servers else "").run(name)


class _Lookup:
    def __init__(self, process: Process, line: _Line, server: str, given: str) -> None:
        self.process = process
        self.line = line
        self.server = server
        self.given = given
        """The server that the command line names."""

    def run(self, name: str) -> int:
        if is_address(name):
            names, types = [reverse_name(name)], ["PTR"]
        else:
            names = search_names(name, resolver_config(self.process.machine))
            types = [self.line.qtype] if self.line.qtype else ["A", "AAAA", "MX"]
        found: DNSMessage | NetworkError = DNSMessage()
        asked = names[0]
        for asked in names:
            found = self._ask(asked, types[0])
            if isinstance(found, NetworkError) or found.rcode == "NOERROR":
                break
        if isinstance(found, NetworkError):
            return self._no_server(found)
        if self.given:
            address = f"{self.server}#{self.line.port}"
            self.process.print(f"Using domain server:\nName: {self.given}\nAddress: {address}\nAliases: \n")
        if found.rcode != "NOERROR":
            return self._refused(asked if is_address(name) else name, found)
        if not found.answers and self.line.qtype and not self.line.verbose:
            self.process.print(f"{asked.rstrip('.')} has no {self.line.qtype} record")
            return 0
        self._tell(asked, types[0], found)
        return self._more(canonical_name(found, asked), types[1:])

    def _more(self, target: str, types: list[str]) -> int:
        """The other types that are asked for where none was named."""
        code = 0
        for qtype in types:
            again = self._ask(target, qtype)
            if isinstance(again, NetworkError):
                return self._no_server(again)
            if again.rcode != "NOERROR":
                code = self._refused(target.rstrip("."), again)
            else:
                self._tell(target, qtype, again)
        return code

    def _ask(self, name: str, qtype: str) -> DNSMessage | NetworkError:
        if self.line.verbose:
            self.process.print(f'Trying "{name.rstrip(".")}"')
        return query(self.process, name, qtype, self.server, self.line.port)

    def _no_server(self, error: NetworkError) -> int:
        refused = isinstance(error, Refused)
        if not refused:
            self.process.timeline.pass_by(self.line.wait * self.line.tries)
        reason = "connection refused" if refused else "timed out"
        text = f";; communications error to {self.server}#{self.line.port}: {reason}\n"
        self.process.write(text * self.line.tries)
        self.process.print(";; no servers could be reached")
        return 1

    def _refused(self, name: str, answer: DNSMessage) -> int:
        self.process.print(f"Host {name} not found: {_CODES.get(answer.rcode, 2)}({answer.rcode})")
        return 1

    def _tell(self, name: str, qtype: str, answer: DNSMessage) -> None:
        if self.line.verbose:
            self._tell_all(name, qtype, answer)
            return
        for record in answer.answers:
            words = _WORDS.get(record.type, f"has {record.type} record")
            self.process.print(f"{record.name.rstrip('.')} {words} {record.data}")

    def _tell_all(self, name: str, qtype: str, answer: DNSMessage) -> None:
        process = self.process
        bits = ["qr", *["aa"] * answer.authoritative, "rd", *["ra"] * answer.recursion_available]
        process.print(f";; ->>HEADER<<- opcode: QUERY, status: {answer.rcode}, id: {len(name) * 997 % 65536}")
        process.print(
            f";; flags: {' '.join(bits)}; QUERY: 1, ANSWER: {len(answer.answers)}, AUTHORITY: "
            f"{len(answer.authority)}, ADDITIONAL: {len(answer.additional)}\n"
        )
        process.print(f";; QUESTION SECTION:\n{question_line(name, qtype)}\n")
        for title, records in (
            ("ANSWER", answer.answers),
            ("AUTHORITY", answer.authority),
            ("ADDITIONAL", answer.additional),
        ):
            if records:
                process.print(f";; {title} SECTION:")
                process.print("\n".join(map(record_line, records)) + "\n")
        size = message_size(name, answer, edns=False, cookie=False)
        process.print(f"Received {size} bytes from {self.server}#{self.line.port} in 0 ms")
