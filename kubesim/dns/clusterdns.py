"""The cluster's DNS: answers as CoreDNS gives them with the configuration that kubeadm writes.

That is the plugin kubernetes for the cluster's domain and the reverse zones (`pods insecure`, `ttl 30`, fall through for
the reverse zones), everything else from the upstream, and addresses in a random order (loadbalance). Sources: CoreDNS
1.11, plugin/kubernetes/handler.go, plugin/backend_lookup.go, plugin/loadbalance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kubesim.client.client import Client
from kubesim.dns.names import (
    IN_ADDR_ARPA,
    IP6_ARPA,
    fully_qualified,
    is_below,
    parse,
    reversed_address,
)
from kubesim.dns.records import NO_PORT, Found, NoSuchName, Records
from kubesim.dns.upstream import Hosts, Upstream
from kubesim.util.clock import Clock, SystemClock
from kubesim.util.dnsmessage import DNSMessage, Record
from kubesim.util.ids import Identities, SystemIdentities

DOMAIN: Final = "cluster.local"
TTL: Final = 30
SCHEMA_VERSION: Final = "1.1.0"
SCHEMA_TTL: Final = 28800
DNS_SERVICE: Final = ("kube-dns", "kube-system")
MAX_ALIASES: Final = 10
_FAMILIES: Final = {"A": 4, "AAAA": 6}
REMEMBERED: Final = 10_000
_SPREAD: Final = 65536


@dataclass(slots=True)
class _Memory:
    """What was answered while the cluster was at a revision, and since when it is."""

    revision: int
    since: int
    answers: dict[tuple[str, str], DNSMessage] = field(default_factory=dict)


class ClusterDNS:
    """Answers questions about names, for any number of threads.

    The order of several addresses is drawn from `identities`. `address` is its own in a cluster without the Service
    kube-dns. With `revision`, which gives the newest of the cluster, answers are remembered until that is another; the
    serial number of the zone is the time at which it was last seen to change, and the present without.
    """

    def __init__(
        self,
        client: Client,
        *,
        domain: str = DOMAIN,
        upstream: Upstream | None = None,
        identities: Identities | None = None,
        clock: Clock | None = None,
        address: str = "",
        revision: Callable[[], int] | None = None,
    ) -> None:
        self._records = Records(client)
        self.domain = fully_qualified(domain).lower()
        self._zones = (self.domain, IN_ADDR_ARPA, IP6_ARPA)
        self._upstream = upstream or Hosts()
        self._identities = identities or SystemIdentities()
        self._clock = clock or SystemClock()
        self._address = address
        self._revision = revision
        self._memory = _Memory(-1, 0)

    def resolve(self, name: str, qtype: str, *, client_address: str = "") -> DNSMessage:
        """The answer to a question about a fully qualified name; types are words as in zone files.

        `client_address` is who asks; the answers of this configuration are the same for all.
        """
        del client_address
        return self.shuffled(self.answer(fully_qualified(name), qtype.upper()))

    def shuffled(self, message: DNSMessage) -> DNSMessage:
        """The same answer with its addresses in a random order, after everything else."""
        if message.rcode != "NOERROR" or (len(message.answers) < 2 and len(message.additional) < 2):
            return message
        return DNSMessage(
            message.rcode,
            self._in_random_order(message.answers),
            message.authority,
            self._in_random_order(message.additional),
            message.server,
            message.authoritative,
            message.recursion_available,
        )

    def generation(self) -> int | None:
        """A number that is another one whenever answers may be; None where that is not known."""
        return None if self._revision is None else self._remembered().revision

    def answer(self, name: str, qtype: str) -> DNSMessage:
        """The answer to a question, addresses in the order of the cluster's objects."""
        if self._revision is None:
            return self._answer(name, qtype)
        # What is found belongs to this memory, even where another thread has begun a new one meanwhile.
        memory = self._remembered()
        found = memory.answers.get((name, qtype))
        if found is None:
            found = self._answer(name, qtype)
            if len(memory.answers) < REMEMBERED:
                memory.answers[name, qtype] = found
        return found

    def _remembered(self) -> _Memory:
        revision = self._revision() if self._revision is not None else -1
        memory = self._memory
        if memory.revision != revision:
            memory = self._memory = _Memory(revision, self._now())
        return memory

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _serial(self) -> int:
        return self._now() if self._revision is None else self._memory.since

    def _answer(self, name: str, qtype: str) -> DNSMessage:
        asked = name.lower()
        zone = next((z for z in self._zones if is_below(asked, z)), "")
        if not zone:
            return self._upstream(name, qtype)
        if qtype in ("AXFR", "IXFR"):
            return DNSMessage("REFUSED", authoritative=False)
        # The zone as the question spells it.
        spelt = name[-len(zone) :]
        try:
            records, additional = self._look_up(name, asked, zone, qtype)
        except NoSuchName:
            if zone != self.domain:
                return self._upstream(name, qtype)
            return DNSMessage("NXDOMAIN", authority=(self._soa(spelt),))
        if not records:
            return DNSMessage(authority=(self._soa(spelt),))
        return DNSMessage(answers=tuple(records), additional=tuple(additional))

    # One function a type: plugin/backend_lookup.go.

    def _look_up(self, name: str, asked: str, zone: str, qtype: str) -> tuple[list[Record], list[Record]]:
        """Answers and additional records. Raises NoSuchName."""
        match qtype:
            case "A" | "AAAA":
                return self._addresses(name, zone, qtype, ()), []
            case "SRV":
                return self._services(name, asked, zone)
            case "PTR":
                return self._pointers(name, asked, zone), []
            case "TXT":
                return self._text(name, asked, zone), []
            case "CNAME":
                return self._alias(name, asked, zone), []
            case "SOA" if asked == zone:
                return [self._soa(name)], []
            case "NS" if asked == zone:
                return self._name_servers(name, zone)
            case "SOA":
                return [], []
        # Whether the name exists is asked for any other type as for an address.
        self._addresses(name, zone, "A", ())
        return [], []

    def _addresses(self, name: str, zone: str, qtype: str, aliases: tuple[Record, ...]) -> list[Record]:
        records: list[Record] = []
        for one in self._find(name.lower(), zone):
            family = one.family
            if family == 0:
                records += self._aliased(name, zone, qtype, one.host, aliases)
            elif family == _FAMILIES[qtype]:
                records.append(Record(name, qtype, one.host, TTL))
        return list(dict.fromkeys(records))

    def _aliased(
        self, name: str, zone: str, qtype: str, host: str, aliases: tuple[Record, ...]
    ) -> list[Record]:
        """An alias and what it leads to; nothing where it leads in a circle, or to no address in the cluster."""
        target = fully_qualified(host)
        alias = Record(name, "CNAME", target, TTL)
        same = any(a.name.lower() == name.lower() and a.data == target for a in aliases)
        if is_below(target.lower(), name.lower()) or len(aliases) > MAX_ALIASES or same:
            return []
        if not is_below(target.lower(), zone):
            return [alias, *self._answer(target, qtype).answers]
        try:
            following = self._addresses(target, zone, qtype, (*aliases, alias))
        except NoSuchName:
            return []
        return [alias, *following] if following else []

    def _services(self, name: str, asked: str, zone: str) -> tuple[list[Record], list[Record]]:
        found = [one for one in self._find(asked, zone) if one.family]
        # In floating point, as there.
        weight = max(1, int(100.0 / (100 * len(found)) * 100)) if found else 0
        answers: list[Record] = []
        additional: list[Record] = []
        for one in found:
            if one.port != NO_PORT:
                target = f"{one.owner}.{self.domain}"
                answers.append(Record(name, "SRV", f"0 {weight} {one.port} {target}", TTL))
                additional.append(Record(target, "A" if one.family == 4 else "AAAA", one.host, TTL))
        return list(dict.fromkeys(answers)), list(dict.fromkeys(additional))

    def _pointers(self, name: str, asked: str, zone: str) -> list[Record]:
        address = reversed_address(asked)
        if not address:
            self._records.find(parse(asked, zone))
            return []
        found = [
            Record(name, "PTR", f"{owner}.{self.domain}", TTL) for owner in self._records.pointing(address)
        ]
        if not found:
            raise NoSuchName
        return list(dict.fromkeys(found))

    def _text(self, name: str, asked: str, zone: str) -> list[Record]:
        """The version, and no other. CoreDNS denies the existence of names that hold nothing themselves."""
        if asked == f"dns-version.{zone}":
            return [Record(name, "TXT", f'"{SCHEMA_VERSION}"', SCHEMA_TTL)]
        if not self._records.find(parse(asked, zone)):
            raise NoSuchName
        return []

    def _alias(self, name: str, asked: str, zone: str) -> list[Record]:
        found = self._find(asked, zone)
        if not found or found[0].family:
            return []
        return [Record(name, "CNAME", fully_qualified(found[0].host), TTL)]

    def _name_servers(self, name: str, zone: str) -> tuple[list[Record], list[Record]]:
        found = self._own_addresses(zone)
        additional = [Record(one.owner, "A" if one.family == 4 else "AAAA", one.host, TTL) for one in found]
        return list(dict.fromkeys(Record(name, "NS", one.owner, TTL) for one in found)), additional

    def _find(self, asked: str, zone: str) -> list[Found]:
        """What a name stands for; the server's own is `ns.dns`. Raises NoSuchName."""
        if asked == f"ns.dns.{zone}":
            return self._own_addresses(zone)
        return self._records.find(parse(asked, zone))

    def _own_addresses(self, zone: str) -> list[Found]:
        service, namespace = DNS_SERVICE
        found = self._records.service_addresses(service, namespace)
        if found:
            return [Found(address, f"{service}.{namespace}.svc.{self.domain}") for address in found]
        return [Found(self._address, f"ns.dns.{zone}")] if self._address else []

    def _soa(self, zone: str) -> Record:
        data = f"ns.dns.{zone} hostmaster.{zone} {self._serial()} 7200 1800 86400 {TTL}"
        return Record(zone, "SOA", data, TTL)

    def _in_random_order(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """As the plugin loadbalance draws it."""
        addresses = [r for r in records if r.type in _FAMILIES]
        others = [r for r in records if r.type not in _FAMILIES]
        draw, count = self._identities.below, len(addresses)
        if count == 2:
            if draw(2) == 0:
                addresses.reverse()
        else:
            for at in range(count - 1):
                other = at + draw(_SPREAD) % (count - at)
                addresses[at], addresses[other] = addresses[other], addresses[at]
        aliases = [r for r in others if r.type == "CNAME"]
        return (*aliases, *(r for r in others if r.type != "CNAME"), *addresses)
