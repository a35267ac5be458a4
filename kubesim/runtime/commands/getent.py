"""getent of glibc: what the databases of nsswitch.conf say."""

from __future__ import annotations

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.dns import reverse_name
from kubesim.runtime.commands.options import parse
from kubesim.runtime.machine import Machine
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import (
    ResolveError,
    ResolverConfig,
    ask,
    canonical_name,
    hosts_addresses,
    hosts_entries,
    in_system_order,
    is_address,
    lookup,
    resolver_config,
    search_names,
)

_HELP = "Try `getent --help' or `getent --usage' for more information."


@program
def getent(process: Process) -> int:
    opts = parse(process, "s:i", {}, stop=True)
    if not opts.args:
        process.print(_HELP)
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
        process.print(_HELP)
        process.error(f"Unknown database: {database}")
        return 1
    if not keys:
        for address, names in hosts_entries(machine):
            # What comes from gethostent(3) is IPv4 alone; the one of IPv6 that has a like there is shown as that.
            if ":" not in address or address == "::1":
                process.print(f"{address.replace('::1', '127.0.0.1'):<15} {' '.join(names)}")
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
    if database == "hosts":
        return _hosts(process, key, config)
    family = {"ahostsv4": 4, "ahostsv6": 6}.get(database, 0)
    try:
        addresses = _addresses(machine, key, family)
    except ResolveError:
        return 2
    known = bool(hosts_addresses(machine, key)) or is_address(key)
    qtype = "AAAA" if ":" in addresses[0] and not addresses[0].startswith("::ffff:") else "A"
    canonical = key.rstrip(".") if known else _canonical(process, key, config, qtype)
    for n, address in enumerate(addresses):
        process.print(f"{address:<15} STREAM {canonical if n == 0 else ''}")
        process.print(f"{address:<15} DGRAM  \n{address:<15} RAW    ")
    return 0


def _addresses(machine: Machine, key: str, family: int) -> list[str]:
    """Raises ResolveError."""
    try:
        return in_system_order(lookup(machine, key, family=family, both=family == 0))
    except ResolveError:
        if family != 6:
            raise
        # AI_V4MAPPED
        return [f"::ffff:{address}" for address in lookup(machine, key, family=4)]


def _hosts(process: Process, key: str, config: ResolverConfig) -> int:
    """gethostbyname2(3), first for IPv6."""
    machine = process.machine
    wanted = key.rstrip(".").lower()
    found = [(a, names) for a, names in hosts_entries(machine) if wanted in (n.lower() for n in names)]
    for address, names in [f for f in found if ":" in f[0]] or found:
        process.print(f"{address:<15} {' '.join(names)}")
    if found:
        return 0
    for family in (6, 4):
        try:
            addresses = lookup(machine, key, family=family)
        except ResolveError:
            continue
        qtype = "AAAA" if family == 6 else "A"
        canonical, asked = _canonical(process, key, config, qtype), _asked(process, key, config, qtype)
        names = [canonical, asked] if asked not in (canonical, "") else [canonical]
        for address in addresses:
            process.print(f"{address:<15} {' '.join(names)}")
        return 0
    return 2


def _asked(process: Process, name: str, config: ResolverConfig, qtype: str) -> str:
    """The name of the search path that has an answer."""
    if is_address(name):
        return ""
    for candidate in search_names(name, config):
        answer = ask(process.machine, candidate, qtype, config)
        if answer is not None and answer.answers:
            return candidate.rstrip(".")
    return ""


def _canonical(process: Process, name: str, config: ResolverConfig, qtype: str) -> str:
    for candidate in search_names(name, config):
        answer = ask(process.machine, candidate, qtype, config)
        if answer is not None and answer.answers:
            return canonical_name(answer, candidate).rstrip(".")
    return name
