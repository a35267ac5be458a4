"""nslookup of busybox 1.37, and of those before 1.29."""

from __future__ import annotations

from kubesim.runtime.commands.dns import query, reverse_name, server_address
from kubesim.runtime.commands.usage import busybox_usage
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import (
    ResolveError,
    ResolverConfig,
    ask,
    hosts_entries,
    is_address,
    lookup,
    resolver_config,
)
from kubesim.util.dnsmessage import DNSMessage, Record

_TYPES = ["soa", "ns", "a", "aaaa", "cname", "mx", "txt", "ptr", "srv", "any"]
_SOA = ("serial", "refresh", "retry", "expire", "minimum")


def nslookup(process: Process) -> int:
    version = process.machine.image.version if process.machine.image.os == "busybox" else "1.37"
    numbers = [int(n) for n in version.split(".")[:2] if n.isdigit()] or [1, 37]
    return _old(process) if numbers < [1, 29] else _new(process)


def _new(process: Process) -> int:
    args, qtypes, debug = [], [], False
    for word in process.args:
        name, equals, value = word.lower().partition("=")
        if name in ("-type", "-querytype", "-q", "-qt", "-t") and equals:
            qtypes.append(value.upper())
        elif name == "-debug":
            debug = True
        elif word.startswith("-"):
            process.error(busybox_usage(process))
            return 1
        else:
            args.append(word)
    for qtype in qtypes:
        if qtype.lower() not in _TYPES:
            return process.fail(f'invalid query type "{qtype.lower()}"')
    if not args or len(args) > 2:
        process.error(busybox_usage(process))
        return 1
    config = resolver_config(process.machine)
    server = config.nameservers[0]
    if len(args) > 1:
        found = server_address(process, args[1])
        if found is None:
            return process.fail(f"bad address '{args[1]}'")
        server = found
    return _ask_all(process, _queries(args[0], qtypes, config), server, config, debug=debug)


def _ask_all(
    process: Process, queries: list[tuple[str, str]], server: str, config: ResolverConfig, *, debug: bool
) -> int:
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
    for number, (name, answer) in enumerate(answers):
        if debug:
            process.print(f"Query #{number} completed in 0ms:")
        if answer.rcode != "NOERROR":
            process.print(f"** server can't find {name.rstrip('.')}: {answer.rcode}\n")
            code = 1
            continue
        if debug:
            process.print("authoritative answer:" if answer.authoritative else "Non-authoritative answer:")
        elif not answer.authoritative:
            process.print("Non-authoritative answer:")
        for record in answer.answers:
            process.print(_shown(record))
        process.print()
    return code


def _queries(name: str, qtypes: list[str], config: ResolverConfig) -> list[tuple[str, str]]:
    """networking/nslookup.c: a name without a dot is asked along the whole search path, any other as it is."""
    if is_address(name) and not qtypes:
        return [(reverse_name(name), "PTR")]
    bare = name.rstrip(".")
    if "." not in bare and not name.endswith(".") and config.search:
        names = [f"{bare}.{suffix.strip('.')}." for suffix in config.search]
    else:
        names = [bare + "."]
    return [(n, qtype) for qtype in qtypes or ["A", "AAAA"] for n in names]


def _shown(record: Record) -> str:
    name, data = record.name.rstrip("."), record.data
    bare = data.rstrip(".")
    match record.type:
        case "A" | "AAAA":
            return f"Name:\t{name}\nAddress: {data}"
        case "CNAME":
            return f"{name}\tcanonical name = {bare}"
        case "PTR":
            return f"{name}\tname = {bare}"
        case "SRV":
            return f"{name}\tservice = {bare}"
        case "NS":
            return f"{name}\tnameserver = {bare}"
        case "TXT":
            return f"{name}\ttext = {data}"
        case "MX":
            return f"{name}\tmail exchanger = {bare}"
        case "SOA":
            origin, mail, *numbers = data.split()
            rest = "".join(f"\n\t{title} = {n}" for title, n in zip(_SOA, numbers, strict=True))
            return f"{name}\n\torigin = {origin.rstrip('.')}\n\tmail addr = {mail.rstrip('.')}{rest}"
    return f"{name}\t{record.type} {data}"


def _old(process: Process) -> int:
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
