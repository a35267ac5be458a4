"""What a node has beyond the usual commands: iptables-save and `iptables -S`, which print kube-proxy's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from kubesim.runtime.machine import Program
from kubesim.runtime.process import Process
from kubesim.util.clock import Clock

if TYPE_CHECKING:
    from kubesim.proxy import NodeProxy
    from kubesim.proxy.addresses import Family

_VERSION: Final = "v1.8.9 (nf_tables)"
_IGNORED: Final = ("-c", "--counters", "-M", "--modprobe", "-d", "--dump")


def rule_programs(proxy: NodeProxy, clock: Clock) -> Mapping[str, Program]:
    """The programs of one node."""

    def save(family: Family) -> Program:
        def run(process: Process) -> int:
            return _save(proxy, clock, process, family)

        return run

    def listing(family: Family) -> Program:
        def run(process: Process) -> int:
            return _list(proxy, clock, process, family)

        return run

    return {
        "iptables": listing("IPv4"),
        "ip6tables": listing("IPv6"),
        "iptables-save": save("IPv4"),
        "iptables-nft-save": save("IPv4"),
        "ip6tables-save": save("IPv6"),
        "ip6tables-nft-save": save("IPv6"),
    }


def _list(proxy: NodeProxy, clock: Clock, process: Process, family: Family) -> int:
    """`iptables [-t TABLE] -S [CHAIN]`; what would show them otherwise or change them is refused."""
    words, table, chain = list(process.args), "filter", None
    while words:
        word = words.pop(0)
        if word in ("-V", "--version"):
            process.print(f"{process.name} {_VERSION}")
            return 0
        if word in ("-t", "--table") and words:
            table = words.pop(0)
        elif word in ("-S", "--list-rules"):
            chain = words.pop(0) if words and not words[0].startswith("-") else ""
        elif word not in ("-n", "-v", "-w", "--wait"):
            process.error(
                f"{process.name}: the simulation knows -t TABLE -S [CHAIN] alone, and rules are kube-proxy's to change: "
                f"'{word}'"
            )
            return 2
    if chain is None:
        process.error(f"{process.name} {_VERSION}: no command specified")
        process.error(f"Try `{process.name} -h' or '{process.name} --help' for more information.")
        return 2
    lines = _only(proxy.save(family, now=clock.now()), table).splitlines()
    if not lines:
        process.error(f"{process.name} {_VERSION}: table '{table}' does not exist")
        process.error(f"Perhaps {process.name} or your kernel needs to be upgraded.")
        return 3
    return _list_rules(process, table, chain, lines)


def _list_rules(process: Process, table: str, chain: str, lines: list[str]) -> int:
    policies = {line[1:].split()[0]: line.split()[1] for line in lines if line.startswith(":")}
    if chain and chain not in policies:
        what = f"chain `{chain}' in table `{table}' is incompatible, use 'nft' tool."
        process.error(f"{process.name} {_VERSION}: {what}")
        return 1
    for name, policy in policies.items():
        if chain in ("", name):
            process.print(f"-N {name}" if policy == "-" else f"-P {name} {policy}")
    for line in lines:
        if line.startswith("-A ") and chain in ("", line.split()[1]):
            process.print(line)
    return 0


def _save(proxy: NodeProxy, clock: Clock, process: Process, family: Family) -> int:
    words, table = list(process.args), ""
    while words:
        word = words.pop(0)
        if word in ("-V", "--version"):
            process.print(f"{process.name} {_VERSION}")
            return 0
        if word in ("-t", "--table"):
            if not words:
                process.error(f"{process.name}: option requires an argument -- 't'")
                return 1
            table = words.pop(0)
        elif word.startswith("--table="):
            table = word.partition("=")[2]
        elif word.startswith("-t"):
            table = word[2:]
        elif word not in _IGNORED:
            process.error(f"Unknown arguments found on commandline: '{word}'.")
            return 1
    text = proxy.save(family, now=clock.now())
    process.write(_only(text, table) if table else text)
    return 0


def _only(text: str, table: str) -> str:
    """One table of what iptables-save prints: from its heading comment to the comment at its end."""
    lines = text.splitlines(keepends=True)
    try:
        start = lines.index(f"*{table}\n")
        end = lines.index("COMMIT\n", start)
    except ValueError:
        return ""
    first = start - 1 if start and lines[start - 1].startswith("#") else start
    last = end + 2 if end + 1 < len(lines) and lines[end + 1].startswith("#") else end + 1
    return "".join(lines[first:last])
