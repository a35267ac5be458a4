"""CoreDNS in a container, as Kubernetes' tests run it: the names of its plugin `hosts`, and no others."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from kubesim.runtime.application import Listener, NameServer
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.util.dnsmessage import DNSMessage, Record

TTL = 3600


def inline_hosts(corefile: str) -> list[list[str]]:
    """The entries of all `hosts` blocks of a Corefile, each an address and its names."""
    found: list[list[str]] = []
    blocks: list[str] = []
    for line in corefile.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[-1] == "{":
            blocks.append(words[0])
        elif words == ["}"]:
            blocks = blocks[:-1]
        elif blocks[-1:] == ["hosts"] and _is_address(words[0]) and len(words) > 1:
            found.append(words)
    return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Hosts(NameServer):
    """plugin/hosts without fallthrough: what it does not know at all is SERVFAIL, as it has no SOA for NXDOMAIN."""

    def __init__(self, entries: list[list[str]]) -> None:
        self._records: dict[str, list[Record]] = {}
        for address, *names in entries:
            qtype = "AAAA" if ":" in address else "A"
            back = f"{ip_address(address).reverse_pointer}."
            for name in names:
                full = f"{name.rstrip('.')}."
                self._records.setdefault(full.lower(), []).append(Record(full, qtype, address, TTL))
                self._records.setdefault(back, []).append(Record(back, "PTR", full, TTL))

    def resolve(self, name: str, qtype: str, client: str, server: str) -> DNSMessage:
        del client
        known = self._records.get(name.lower())
        if known is None:
            return DNSMessage("SERVFAIL", server=server, authoritative=False)
        return DNSMessage(answers=tuple(r for r in known if r.type == qtype), server=server)


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    del machine
    hosts, port = Hosts(service["hosts"]), int(service["port"])
    return [
        Listener("UDP", port, "*", hosts, "coredns", entry.pid),
        Listener("TCP", port, "*", hosts, "coredns", entry.pid),
    ]
