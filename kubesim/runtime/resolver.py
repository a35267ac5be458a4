"""Names to addresses from inside a machine: /etc/hosts, then DNS along the search path of /etc/resolv.conf.

The two C libraries differ, and so do the images: glibc (Debian, Ubuntu) tries a name with fewer dots than `ndots` along
the search path first and as it stands last, and the other way round otherwise; musl (Alpine) does not search at all for
a name with enough dots, and stops at a server's failure. Sources: resolv.conf(5); musl, src/network/lookup_name.c.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubesim.runtime.addressorder import GLIBC, MUSL, Order, in_order
from kubesim.runtime.network_view import NetworkError, is_loopback
from kubesim.util.dnsmessage import DNSMessage

if TYPE_CHECKING:
    from kubesim.runtime.images import Image
    from kubesim.runtime.machine import Machine

MAX_NAMESERVERS = 3
MAX_NAME = 253
MAX_LABEL = 63


@dataclass(slots=True)
class ResolverConfig:
    """What /etc/resolv.conf says."""

    nameservers: list[str] = field(default_factory=list)
    search: list[str] = field(default_factory=list)
    ndots: int = 1
    timeout: float = 5.0
    attempts: int = 2


class ResolveError(Exception):
    """A name has no address. `temporary` says that no server answered (EAI_AGAIN)."""

    def __init__(self, name: str, *, temporary: bool = False) -> None:
        super().__init__(name)
        self.name = name
        self.temporary = temporary


def parse_resolv_conf(text: str) -> ResolverConfig:
    """Read a resolv.conf(5); later `search` lines win, at most three servers count."""
    config = ResolverConfig()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver" and len(config.nameservers) < MAX_NAMESERVERS:
            config.nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            config.search = words[1:]
        elif words[0] == "options":
            for option in words[1:]:
                name, _, value = option.partition(":")
                if name in ("ndots", "timeout", "attempts") and value.isdigit():
                    setattr(config, name, float(value) if name == "timeout" else int(value))
    return config


def resolver_config(machine: Machine) -> ResolverConfig:
    node = machine.fs.find("/etc/resolv.conf")
    config = parse_resolv_conf(node.content().decode("utf-8", "replace") if node else "")
    if not config.nameservers:
        config.nameservers = ["127.0.0.1"]
    return config


def search_names(name: str, config: ResolverConfig, *, musl: bool = False) -> list[str]:
    """The fully qualified names to try, in order, each with its final dot."""
    if name.endswith("."):
        return [name]
    absolute = f"{name}."
    along = [f"{name}.{suffix.strip('.')}." if suffix.strip(".") else absolute for suffix in config.search]
    if name.count(".") >= config.ndots:
        return [absolute] if musl else [absolute, *along]
    return [*along, absolute]


def valid_name(name: str) -> bool:
    """Whether DNS can be asked about a name at all."""
    text = name.rstrip(".")
    return (
        bool(text) and len(text) <= MAX_NAME and all(0 < len(label) <= MAX_LABEL for label in text.split("."))
    )


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def hosts_entries(machine: Machine) -> list[tuple[str, list[str]]]:
    """The lines of /etc/hosts: address and names."""
    node = machine.fs.find("/etc/hosts")
    found = []
    for line in (node.content().decode("utf-8", "replace") if node else "").splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and is_address(words[0]):
            found.append((words[0], words[1:]))
    return found


def hosts_addresses(machine: Machine, name: str) -> list[str]:
    wanted = name.rstrip(".").lower()
    return [address for address, names in hosts_entries(machine) if wanted in (n.lower() for n in names)]


def ask(machine: Machine, name: str, qtype: str, config: ResolverConfig) -> DNSMessage | None:
    """Ask the servers in turn; None where none answers."""
    for server in config.nameservers:
        try:
            answer = machine.network.query(name, qtype, server)
        except NetworkError:
            continue
        if answer.rcode not in ("SERVFAIL", "REFUSED", "NOTIMP"):
            return answer
    return None


def addresses_in(answer: DNSMessage, qtype: str) -> list[str]:
    return [record.data for record in answer.answers if record.type == qtype]


def canonical_name(answer: DNSMessage, name: str) -> str:
    """The name at the end of the aliases, with its final dot."""
    aliases = {r.name.lower(): r.data for r in answer.answers if r.type == "CNAME"}
    seen = 0
    while name.lower() in aliases and seen < 16:
        name = aliases[name.lower()]
        seen += 1
    return name


def own_addresses(machine: Machine) -> list[str]:
    """The machine's addresses beyond loopback and link-local."""
    found = [a.partition("/")[0] for i in machine.network.interfaces() for a in i.addresses]
    return [a for a in found if not is_loopback(a) and not a.startswith("fe80")]


def has_ipv6(machine: Machine) -> bool:
    """Whether AAAA answers are of use."""
    return any(":" in a for a in own_addresses(machine))


def order_of(image: Image) -> Order:
    """That of the C library which an image has."""
    return MUSL if image.os == "alpine" else GLIBC


def sorted_addresses(machine: Machine, addresses: list[str], order: Order | None = None) -> list[str]:
    """Addresses of a name in the order in which the machine's C library gives them, or another resolver."""
    if not any(":" in a for a in addresses):
        return addresses
    return in_order(addresses, own_addresses(machine), order or order_of(machine.image))


def lookup(
    machine: Machine, name: str, *, family: int = 0, both: bool = False, order: Order | None = None
) -> list[str]:
    """getaddrinfo(3): the addresses of a name, the best one first. `family` is 4, 6 or 0; `both` asks for IPv6 in any case.
    `order` is that of another resolver than the C library's.

    Raises ResolveError.
    """
    bare = name.strip("[]")
    if is_address(bare):
        if family and (family == 6) != (":" in bare):
            raise ResolveError(name)
        return [bare]
    local = [a for a in hosts_addresses(machine, name) if not family or (family == 6) == (":" in a)]
    if local:
        if not has_ipv6(machine):
            return sorted([a for a in local if ":" not in a or a == "::1"], key=lambda a: ":" in a) or local
        return sorted_addresses(machine, local, order)
    if not valid_name(name):
        raise ResolveError(name)
    config = resolver_config(machine)
    musl = machine.image.os == "alpine"
    wanted = [q for q, f in (("A", 4), ("AAAA", 6)) if family in (0, f)]
    if family == 0 and not both and not has_ipv6(machine):
        wanted = ["A"]
    silent = False
    for candidate in search_names(name, config, musl=musl):
        found: list[str] = []
        for qtype in wanted:
            answer = ask(machine, candidate, qtype, config)
            if answer is None:
                silent = True
                break
            found += addresses_in(answer, qtype)
        if found:
            return sorted_addresses(machine, found, order)
        if silent:
            break
    raise ResolveError(name, temporary=silent)


def in_system_order(addresses: list[str]) -> list[str]:
    """As the C library has them: the loopback of IPv6, which every machine has, before that of IPv4."""
    return sorted(addresses, key=lambda a: a != "::1")


def in_order_of_busybox(addresses: list[str]) -> list[str]:
    """Busybox is made to prefer IPv4 (FEATURE_PREFER_IPV4_ADDRESS, libbb/xconnect.c)."""
    return sorted(addresses, key=lambda a: ":" in a)


def query_delay(config: ResolverConfig) -> float:
    """How long a resolver waits in all when nobody answers."""
    return config.timeout * config.attempts * len(config.nameservers)
