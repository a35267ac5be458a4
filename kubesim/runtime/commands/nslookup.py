"""nslookup of BIND 9.18; in images of busybox that has no other, busybox'."""

from __future__ import annotations

from kubesim.runtime.commands.dns import (
    PORT,
    TYPES,
    bind_version,
    name_problem,
    query,
    reverse_name,
    server_address,
)
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import canonical_name, is_address, resolver_config, search_names
from kubesim.util.dnsmessage import DNSMessage, Record

_RULE = "------------"
_TRIES, _SECONDS = 3, 5.0
_SOA = ("serial", "refresh", "retry", "expire", "minimum")
_SHORT = {"ty": "type", "query": "type", "querytype": "type", "q": "type", "po": "port", "deb": "debug"}
_IGNORED_NAMES = """
d2 nod2 fail nofail ndots domain srchlist class cl def nodef vc novc sea
"""
_IGNORED = frozenset(_IGNORED_NAMES.split())


def nslookup(process: Process) -> int:
    machine = process.machine
    if machine.flavour == "gnu" or "bind-tools" in machine.packages:
        return _Session(process).main()
    from kubesim.runtime.commands.busybox_nslookup import nslookup as busybox

    return busybox(process)


class _Session:
    """One run: what is set, and whether something could not be answered."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.config = resolver_config(process.machine)
        self.server = ""
        self.address = self.config.nameservers[0]
        self.qtype = ""
        self.port = PORT
        self.search = self.recurse = True
        self.debug = False
        self.tries, self.seconds = _TRIES, _SECONDS
        self.code = 0

    def main(self) -> int:
        words: list[str] = []
        for word in self.process.args:
            if word.startswith("-") and len(word) > 1:
                if word == "-version":
                    self.process.error(f"nslookup {bind_version(self.process)}")
                    return 0
                self.set(word[1:])
            else:
                words.append(word)
        if not words:
            return self.interactive()
        if len(words) > 1 and not self.use(words[1]):
            return 1
        return self.look_up(words[0])

    def set(self, text: str) -> None:
        """`-NAME=VALUE` of the command line, and what stands behind `set`."""
        name, equals, value = text.partition("=")
        name = _SHORT.get(name, name)
        on = not name.startswith("no")
        bare = name if on else name[2:]
        match bare:
            case "type" if equals:
                if value.upper() in TYPES:
                    self.qtype = value.upper()
                else:
                    self.process.print(f"unknown query type: {value}")
            case "port" if equals:
                self.port = value
            case "search":
                self.search = on
            case "recurse":
                self.recurse = on
            case "debug":
                self.debug = on
            case "timeout" if value.isdigit():
                self.seconds = float(value)
            case "retry" if value.isdigit():
                self.tries = max(int(value), 1)
            case _ if name not in _IGNORED:
                self.process.print(f"*** Invalid option: {text}")

    def use(self, server: str) -> bool:
        """Ask this server from now on."""
        address = server_address(self.process, server)
        if address is None:
            self.process.error(f"nslookup: couldn't get address for '{server}': not found")
            return False
        self.server, self.address = server, address
        return True

    def interactive(self) -> int:
        """Without a name: names, `server`, `set type=` and `exit`, line by line."""
        process = self.process
        while True:
            if process.interactive:
                process.write("> ")
            line = process.stdin.readline()
            words = line.decode("utf-8", "replace").split()
            if not line or words[:1] in (["exit"], ["quit"]):
                return self.code
            if words[:1] in (["server"], ["lserver"]) and len(words) > 1:
                if not self.use(words[1]):
                    return 1
                process.print(f"Default server: {words[1]}\nAddress: {self.address}#{self.port}")
            elif words[:1] == ["set"] and len(words) > 1:
                self.set(words[1])
            elif words and (len(words) < 2 or self.use(words[1])):
                self.look_up(words[0])

    # A name

    def look_up(self, name: str) -> int:
        if is_address(name) and self.qtype in ("", "PTR"):
            return self._reverse(reverse_name(name))
        problem = name_problem(name)
        if problem:
            self.process.error(f"nslookup: '{name}' is not in legal name syntax ({problem})")
            return 1
        names = search_names(name, self.config) if self.search else [name.rstrip(".") + "."]
        if name == ".":
            names = ["."]
        qtype = self.qtype or "A"
        for asked in names:
            answer = self._ask(asked, qtype)
            if answer is None:
                return 1
            last = answer.rcode != "NXDOMAIN" or asked == names[-1]
            if last or self.debug:
                self.process.print(
                    f"Server:\t\t{self.server or self.address}\nAddress:\t{self.address}#{self.port}\n"
                )
                self._details(asked, qtype, answer)
                if not self._is_good(asked, answer):
                    self.process.write("\n" if last else "")
                elif last:
                    self._tell(name, asked, answer)
            if last:
                break
        return self.code

    def _tell(self, name: str, asked: str, answer: DNSMessage) -> None:
        """The answer, and what there is of IPv6 where no type was named."""
        process = self.process
        if not answer.authoritative:
            process.print("Non-authoritative answer:")
        self._records(answer.answers)
        if self.qtype:
            if not answer.answers:
                # The name as it was given, not as it was asked.
                process.print(f"*** Can't find {name.rstrip('.')}: No answer")
            process.print()
            return
        target = canonical_name(answer, asked)
        second = self._ask(target, "AAAA")
        if second is None:
            self.code = 1
            return
        self._details(target, "AAAA", second)
        if self._is_good(target, second):
            self._records([r for r in second.answers if r.type == "AAAA"])
        process.print()

    def _reverse(self, name: str) -> int:
        process = self.process
        answer = self._ask(name, "PTR")
        if answer is None:
            return 1
        self._details(name, "PTR", answer)
        if not self._is_good(name, answer):
            process.print()
            return 1
        if not answer.authoritative and answer.answers:
            process.print("Non-authoritative answer:")
        self._records(answer.answers)
        if not answer.answers:
            process.print(f"*** Can't find {name.rstrip('.')}: No answer")
        process.print()
        if not answer.authoritative:
            process.print("Authoritative answers can be found from:\n")
        return self.code

    def _ask(self, name: str, qtype: str) -> DNSMessage | None:
        """None where nobody answers, which has been told then."""
        process = self.process
        found = query(process, name, qtype, self.address, self.port)
        if isinstance(found, NetworkError):
            refused = isinstance(found, Refused)
            if not refused:
                process.timeline.pass_by(self.seconds * self.tries)
            reason = "connection refused" if refused else "timed out"
            text = f";; communications error to {self.address}#{self.port}: {reason}\n"
            process.write(text * self.tries)
            process.print(";; no servers could be reached\n")
            self.code = 1
            return None
        # Said of servers of resolv.conf alone: after one that is named there is no other to try.
        tell = not self.server and process.machine.image.key != "jessie-dnsutils"
        if tell and self.recurse and not found.recursion_available:
            process.print(f";; Got recursion not available from {self.address}")
        return found

    def _is_good(self, name: str, answer: DNSMessage) -> bool:
        if answer.rcode == "NOERROR":
            return True
        self.process.print(f"** server can't find {name.rstrip('.') or '.'}: {answer.rcode}")
        self.code = 1
        return False

    # How it is shown

    def _records(self, records: tuple[Record, ...] | list[Record]) -> None:
        for record in records:
            name = record.name.rstrip(".")
            match record.type:
                case "A" | "AAAA":
                    text = f"Name:\t{name}\nAddress: {record.data}"
                case "CNAME":
                    text = f"{name}\tcanonical name = {record.data}"
                case "PTR":
                    text = f"{name}\tname = {record.data}"
                case "SRV":
                    text = f"{name}\tservice = {record.data}"
                case "TXT":
                    text = f"{name}\ttext = {record.data}"
                case "NS":
                    text = f"{name}\tnameserver = {record.data}"
                case "SOA":
                    text = f"{name}\n" + "\n".join(_soa(record))
                case _:
                    text = f"{name}\t{record.type} = {record.data}"
            self.process.print(text)

    def _details(self, name: str, qtype: str, answer: DNSMessage) -> None:
        """The whole message, with `debug`."""
        if not self.debug:
            return
        lines = [_RULE, "    QUESTIONS:", f"\t{name.rstrip('.')}, type = {qtype}, class = IN"]
        for title, records in (
            ("ANSWERS", answer.answers),
            ("AUTHORITY RECORDS", answer.authority),
            ("ADDITIONAL RECORDS", answer.additional),
        ):
            lines.append(f"    {title}:")
            for record in records:
                lines += [
                    f"    ->  {record.name.rstrip('.') or '.'}",
                    *_detail(record),
                    f"\tttl = {record.ttl}",
                ]
        self.process.print("\n".join([*lines, _RULE]))


def _soa(record: Record) -> list[str]:
    origin, mail, *numbers = record.data.split()
    return [
        f"\torigin = {origin.rstrip('.')}",
        f"\tmail addr = {mail.rstrip('.')}",
        *(f"\t{title} = {number}" for title, number in zip(_SOA, numbers, strict=True)),
    ]


_TITLES = {
    "A": "internet address", "AAAA": "has AAAA address", "CNAME": "canonical name", "PTR": "name", "SRV": "service",
    "TXT": "text", "NS": "nameserver",
}  # fmt: skip


def _detail(record: Record) -> list[str]:
    if record.type == "SOA":
        return _soa(record)
    if record.type == "AAAA":
        return [f"\thas AAAA address {record.data}"]
    return [f"\t{_TITLES.get(record.type, record.type)} = {record.data}"]
