"""nslookup (BIND's and busybox') and getent: what a name means.

The outputs are those of BIND 9.18 and busybox 1.36, which print what they do for each query of the search path.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import parse
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import (
    ResolveError,
    ResolverConfig,
    ask,
    canonical_name,
    has_ipv6,
    hosts_addresses,
    hosts_entries,
    is_address,
    lookup,
    resolver_config,
    search_names,
    valid_name,
)
from kubesim.util.dnsmessage import DNSMessage

TYPES = ("A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")


def reverse_name(address: str) -> str:
    """The name under in-addr.arpa or ip6.arpa, with its final dot."""
    return ipaddress.ip_address(address).reverse_pointer + "."


def nslookup(process: Process) -> int:
    if process.machine.flavour == "gnu" or "bind-tools" in process.machine.packages:
        return _bind(process)
    version = process.machine.image.version if process.machine.image.os == "busybox" else "1.37"
    numbers = [int(n) for n in version.split(".")[:2] if n.isdigit()] or [1, 37]
    return _busybox_old(process) if numbers < [1, 29] else _busybox(process)


def server_address(process: Process, text: str) -> str | None:
    """A DNS server given by name or address."""
    if is_address(text):
        return text
    try:
        return lookup(process.machine, text)[0]
    except ResolveError:
        return None


def query(process: Process, name: str, qtype: str, server: str) -> DNSMessage | NetworkError:
    """Ask a server; the failure as a value."""
    process.budget.step(10)
    try:
        return process.machine.network.query(name, qtype, server)
    except NetworkError as error:
        return error


# BIND's nslookup


def _bind(process: Process) -> int:
    config = resolver_config(process.machine)
    qtype = ""
    words = []
    search = True
    port = "53"
    for word in process.args:
        if word.startswith("-") and len(word) > 1:
            name, _, value = word[1:].partition("=")
            if name in ("type", "query", "q", "querytype", "ty"):
                qtype = value.upper()
            elif name in (
                "timeout",
                "retry",
                "debug",
                "nodebug",
                "d2",
                "vc",
                "novc",
                "fail",
                "nofail",
                "recurse",
                "ndots",
                "domain",
            ):
                continue
            elif name == "port":
                port = value
            elif name in ("search", "nosearch"):
                search = name == "search"
            elif name == "version":
                process.print("nslookup 9.18.28-1~deb12u2-Debian")
                return 0
            else:
                process.print(f"*** Invalid option: {word[1:]}")
        else:
            words.append(word)
    if qtype and qtype not in TYPES:
        process.print(f"unknown query type: {qtype.lower()}")
        qtype = ""
    if not words:
        return _bind_session(process, config, qtype)
    server = words[1] if len(words) > 1 else ""
    return _bind_lookup(process, config, words[0], server, qtype, search=search, port=port)


def _bind_session(process: Process, config: ResolverConfig, qtype: str) -> int:
    """Nslookup without a name: names, `server`, `set type=` and `exit`, line by line."""
    server = ""
    while True:
        if process.interactive:
            process.write("> ")
        line = process.stdin.readline()
        words = line.decode("utf-8", "replace").split()
        if not line or words[:1] in (["exit"], ["quit"]):
            return 0
        if words[:1] == ["server"] and len(words) > 1:
            server = words[1]
            address = server_address(process, server) or server
            process.print(f"Default server: {server}\nAddress: {address}#53")
        elif words[:1] == ["set"] and len(words) > 1 and "=" in words[1]:
            qtype = words[1].partition("=")[2].upper()
        elif words:
            _bind_lookup(process, config, words[0], server, qtype, search=True, port="53")


def _bind_lookup(  # noqa: C901 - a case for each thing there is
    process: Process, config: ResolverConfig, name: str, server: str, qtype: str, *, search: bool, port: str
) -> int:
    given = bool(server)
    address = server_address(process, server) if server else config.nameservers[0]
    if address is None:
        process.print(f"nslookup: couldn't get address for '{server}': not found")
        return 1
    tell = not given and process.machine.image.key != "jessie-dnsutils"
    if is_address(name) and qtype in ("", "PTR"):
        return _bind_reverse(process, reverse_name(name), address, tell=tell)
    if not valid_name(name):
        process.print(
            f"nslookup: '{name}' is not a legal IDNA2008 name (string "
            "contains a forbidden code point), use +noidnin"
            if len(name) < 200
            else f"nslookup: '{name}' is not in legal name syntax (ran out of space)"
        )
        return 1
    candidates = search_names(name, config) if search else [name.rstrip(".") + "."]
    first = qtype or "A"
    answer: DNSMessage | None = None
    asked = candidates[-1]
    for candidate in candidates:
        found = query(process, candidate, first, address)
        if isinstance(found, NetworkError):
            return _no_server(process, address, port, found)
        if tell and not found.recursion_available:
            process.print(f";; Got recursion not available from {address}")
        asked, answer = candidate, found
        if found.rcode == "NOERROR":
            break
        if found.rcode != "NXDOMAIN":
            break
    assert answer is not None  # noqa: S101 - there is at least one candidate
    process.print(f"Server:\t\t{server or address}\nAddress:\t{address}#{port}\n")
    if answer.rcode != "NOERROR":
        shown = asked.rstrip(".") or "."
        process.print(f"** server can't find {shown}: {answer.rcode}\n")
        return 1
    if not answer.authoritative and answer.answers:
        process.print("Non-authoritative answer:")
    second: DNSMessage | None = None
    if not qtype:
        found = query(process, canonical_name(answer, asked), "AAAA", address)
        second = found if isinstance(found, DNSMessage) else None
    code = _bind_answers(process, answer, asked, first, second)
    if second is not None and tell and not second.recursion_available:
        process.print(f";; Got recursion not available from {address}")
    if second is not None and second.rcode == "NXDOMAIN":
        process.print(f"** server can't find {canonical_name(answer, asked).rstrip('.')}: NXDOMAIN")
        code = 1
    process.print()
    return code


def _bind_answers(
    process: Process, answer: DNSMessage, asked: str, first: str, second: DNSMessage | None
) -> int:
    records = list(answer.answers) + [r for r in (second.answers if second else ()) if r.type == "AAAA"]
    if not records:
        process.print(f"*** Can't find {asked.rstrip('.')}: No answer")
        return 0
    for record in records:
        name = record.name.rstrip(".")
        match record.type:
            case "A" | "AAAA":
                process.print(f"Name:\t{name}\nAddress: {record.data}")
            case "CNAME":
                process.print(f"{name}\tcanonical name = {record.data}")
            case "PTR":
                process.print(f"{name}\tname = {record.data}")
            case "SRV":
                process.print(f"{name}\tservice = {record.data}")
            case "TXT":
                process.print(f"{name}\ttext = {record.data}")
            case "NS":
                process.print(f"{name}\tnameserver = {record.data}")
            case "SOA":
                parts = record.data.split()
                process.print(
                    f"{name}\n\torigin = {parts[0].rstrip('.')}\n\tmail addr = "
                    f"{parts[1].rstrip('.')}\n\tserial = {parts[2]}\n\trefresh = {parts[3]}\n"
                    f"\tretry = {parts[4]}\n\texpire = {parts[5]}\n\tminimum = {parts[6]}"
                )
            case _:
                process.print(f"{name}\t{record.type} = {record.data}")
    del first
    return 0


def _bind_reverse(process: Process, name: str, server: str, *, tell: bool) -> int:
    found = query(process, name, "PTR", server)
    if isinstance(found, NetworkError):
        return _no_server(process, server, "53", found)
    if tell and not found.recursion_available:
        process.print(f";; Got recursion not available from {server}")
    shown = name.rstrip(".")
    if found.rcode != "NOERROR":
        process.print(f"** server can't find {shown}: {found.rcode}\n")
        return 1
    if not found.answers:
        process.print(f"*** Can't find {shown}: No answer\n")
        return 1
    for record in found.answers:
        process.print(f"{record.name.rstrip('.')}\tname = {record.data}")
    process.print()
    if not found.authoritative:
        process.print("Authoritative answers can be found from:\n")
    return 0


def _no_server(process: Process, server: str, port: str, error: NetworkError) -> int:
    reason = "connection refused" if isinstance(error, Refused) else "timed out"
    if not isinstance(error, Refused):
        process.timeline.pass_by(15.0)
    process.write(f";; communications error to {server}#{port}: {reason}\n" * 3)
    process.print(";; no servers could be reached\n")
    return 1


# busybox' nslookup


def _busybox(process: Process) -> int:  # noqa: C901 - a case for each thing there is
    args, qtypes = [], []
    for word in process.args:
        if word.lower().startswith(("-type=", "-querytype=", "-q=")):
            qtypes.append(word.partition("=")[2].upper())
        elif not word.startswith("-"):
            args.append(word)
    for qtype in qtypes:
        if qtype not in TYPES:
            return process.fail(f'invalid query type "{qtype.lower()}"')
    if not args:
        process.error(
            "BusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call binary.\n\nUsage: nslookup "
            "[-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]\n\nQuery DNS about HOST"
        )
        return 1
    config = resolver_config(process.machine)
    server = config.nameservers[0]
    if len(args) > 1:
        found = server_address(process, args[1])
        if found is None:
            return process.fail(f"bad address '{args[1]}'")
        server = found
    queries = _busybox_queries(args[0], qtypes, config, search=True)
    answers: list[tuple[str, DNSMessage]] = []
    for name, qtype in queries:
        answer = query(process, name, qtype, server)
        if isinstance(answer, NetworkError):
            if isinstance(answer, Refused):
                process.error(f"nslookup: write to '{server}': Connection refused")
            process.timeline.pass_by(config.timeout * config.attempts)
            process.print(";; connection timed out; no servers could be reached\n")
            return 1
        answers.append((name, answer))
    shown = f"[{server}]" if ":" in server else server
    process.print(f"Server:\t\t{server}\nAddress:\t{shown}:53\n")
    code = 0
    for name, answer in answers:
        if answer.rcode != "NOERROR":
            process.print(f"** server can't find {name.rstrip('.')}: {answer.rcode}\n")
            code = 1
            continue
        for record in answer.answers:
            process.print(_busybox_record(record.name.rstrip("."), record.type, record.data))
        process.print()
    return code


def _busybox_queries(
    name: str, qtypes: list[str], config: ResolverConfig, *, search: bool
) -> list[tuple[str, str]]:
    """networking/nslookup.c: a name without a dot is asked along the whole search path, any other as it is."""
    if is_address(name):
        return [(reverse_name(name), "PTR")]
    bare = name.rstrip(".")
    if search and "." not in bare and not name.endswith(".") and config.search:
        names = [f"{bare}.{suffix.strip('.')}." for suffix in config.search]
    else:
        names = [bare + "."]
    return [(n, qtype) for qtype in qtypes or ["A", "AAAA"] for n in names]


def _busybox_record(name: str, kind: str, data: str) -> str:
    bare = data.rstrip(".") if kind not in ("A", "AAAA", "TXT") else data
    forms = {
        "A": f"Name:\t{name}\nAddress: "
            f"{data}", "AAAA": f"Name:\t{name}\nAddress: {data}", "CNAME": f"{name}\tcanonical name = "
            f"{bare}",
        "PTR": f"{name}\tname = {bare}", "SRV": f"{name}\tservice = {bare}", "NS": f"{name}\tnameserver = {bare}",
        "TXT": f"{name}\ttext = {data}", "MX": f"{name}\tmail exchanger = {bare}",
    }  # fmt: skip
    if kind == "SOA":
        parts = data.split()
        return (
            f"{name}\n\torigin = {parts[0].rstrip('.')}\n\tmail addr = "
            f"{parts[1].rstrip('.')}\n\tserial = {parts[2]}"
        )
    return forms.get(kind, f"{name}\t{kind} {data}")


def _busybox_old(process: Process) -> int:
    """Before 1.29 nslookup asked the C library, so it knew /etc/hosts and the search path."""
    args = [word for word in process.args if not word.startswith("-")]
    if not args:
        process.error("Usage: nslookup [HOST] [SERVER]")
        return 1
    config = resolver_config(process.machine)
    server = args[1] if len(args) > 1 else config.nameservers[0]
    process.print(f"Server:    {server}\nAddress 1: {server}{_reverse_suffix(process, server, config)}\n")
    try:
        found = [args[0]] if is_address(args[0]) else lookup(process.machine, args[0], both=True)
    except ResolveError:
        return process.fail(f"can't resolve '{args[0]}'")
    process.print(f"Name:      {args[0]}")
    for n, address in enumerate(found, 1):
        process.print(f"Address {n}: {address}{_reverse_suffix(process, address, config)}")
    return 0


def _reverse_suffix(process: Process, address: str, config: ResolverConfig) -> str:
    names = next((names for a, names in hosts_entries(process.machine) if a == address), None)
    if names:
        return f" {names[0]}"
    answer = ask(process.machine, reverse_name(address), "PTR", config)
    pointer = next((r.data for r in answer.answers if r.type == "PTR"), "") if answer else ""
    return f" {pointer.rstrip('.')}" if pointer else ""


# getent


@program
def getent(process: Process) -> int:
    opts = parse(process, "s:i", {}, stop=True)
    if not opts.args:
        return process.fail("wrong number of arguments", 1)
    database, *keys = opts.args
    machine = process.machine
    if database in ("passwd", "group", "services", "protocols", "networks", "shells"):
        node = machine.fs.find(f"/etc/{database}")
        lines = node.content().decode("utf-8", "replace").splitlines() if node else []
        found = [
            line
            for line in lines
            if not keys or any(key in (line.split(":") + [""] * 3)[:3:2] for key in keys)
        ]
        for line in found:
            process.print(line)
        return 0 if found else 2
    if database not in ("hosts", "ahosts", "ahostsv4", "ahostsv6"):
        process.error(
            f"Unknown database: {database}\nTry `getent --help' or `getent --usage' for more information."
        )
        return 1
    if not keys:
        for address, names in hosts_entries(machine):
            process.print(f"{address:<15} {' '.join(names)}")
        return 0
    codes = [_getent_host(process, database, key) for key in keys]
    return max(codes)


def _getent_host(process: Process, database: str, key: str) -> int:
    machine = process.machine
    config = resolver_config(machine)
    if is_address(key) and database == "hosts":
        local = next((names for a, names in hosts_entries(machine) if a == key), None)
        if local:
            process.print(f"{key:<15} {' '.join(local)}")
            return 0
        answer = ask(machine, reverse_name(key), "PTR", config)
        pointers = [r.data.rstrip(".") for r in answer.answers if r.type == "PTR"] if answer else []
        if not pointers:
            return 2
        process.print(f"{key:<15} {pointers[0]}")
        return 0
    family = {"ahostsv4": 4, "ahostsv6": 6}.get(database, 0)
    addresses: list[str] = []
    if database == "hosts" and has_ipv6(machine):
        # gethostbyname2 is asked for IPv6, and only where there is none for IPv4.
        with suppress(ResolveError):
            addresses = lookup(machine, key, family=6)
        family = 4
    try:
        addresses = addresses or lookup(machine, key, family=family, both=database == "ahosts")
    except ResolveError:
        return 2
    canonical = (
        key.rstrip(".")
        if hosts_addresses(machine, key) or is_address(key)
        else _canonical(process, key, config, "AAAA" if ":" in addresses[0] else "A")
    )
    if database == "hosts":
        for address in addresses:
            alias = f" {key}" if canonical != key and not canonical.startswith(key + ".") else ""
            process.print(f"{address:<15} {canonical}{alias}")
        return 0
    for n, address in enumerate(addresses):
        process.print(
            f"{address:<15} STREAM {canonical if n == 0 else ''}".rstrip()
            if n == 0
            else f"{address:<15} STREAM "
        )
        process.print(f"{address:<15} DGRAM  \n{address:<15} RAW    ")
    return 0


def _canonical(process: Process, name: str, config: ResolverConfig, qtype: str) -> str:
    for candidate in search_names(name, config):
        answer = ask(process.machine, candidate, qtype, config)
        if answer is not None and answer.answers:
            return canonical_name(answer, candidate).rstrip(".")
    return name
