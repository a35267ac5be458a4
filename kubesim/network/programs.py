"""What a node has beyond the usual commands: iptables-save, which prints kube-proxy's rules."""

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

    return {
        "iptables-save": save("IPv4"),
        "iptables-nft-save": save("IPv4"),
        "ip6tables-save": save("IPv6"),
        "ip6tables-nft-save": save("IPv6"),
    }


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
