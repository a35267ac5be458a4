"""kube-proxy of one node: what its rules do with a packet, and the rules themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kubesim.apis.servicespec import canonical
from kubesim.client.client import Client
from kubesim.proxy import names
from kubesim.proxy.addresses import Family, family_of, network_of, number_of
from kubesim.proxy.affinity import AffinityStore
from kubesim.proxy.base import base_chains
from kubesim.proxy.catalog import Catalog, Key, ServiceEntry
from kubesim.proxy.chains import FILTER, NAT, Chain, NodeFacts, PortRules, port_rules, shared_in
from kubesim.proxy.chance import Chance
from kubesim.proxy.config import ProxyConfig
from kubesim.proxy.healthcheck import HealthCheck
from kubesim.proxy.passage import Packet, Passage, Verdict
from kubesim.proxy.rules import Rule
from kubesim.proxy.save import render
from kubesim.proxy.walk import walk
from kubesim.util.ids import SystemIdentities

LARGE_CLUSTER: Final = 1000
"""With more endpoints than so many, the rules of endpoints go without comments: largeClusterEndpointsThreshold."""

_BITS: Final = 1 << 31
_REMEMBERED: Final = 50_000
_SHARED: Final = frozenset(
    {
        (NAT, names.SERVICES),
        (NAT, names.NODE_PORTS),
        (FILTER, names.SERVICES),
        (FILTER, names.EXTERNAL_SERVICES),
        (FILTER, names.NODE_PORTS),
        (FILTER, names.PROXY_FIREWALL),
    }
)
"""The chains in which every Service has rules."""


class NodeProxy:
    """The rules of one node, derived when they are asked for. Serves any number of threads.

    `catalog` may be one for all nodes. What is derived from an unchanged Service is kept; with a catalog that knows
    revisions a packet then reads nothing.
    """

    def __init__(
        self,
        client: Client,
        *,
        node_name: str,
        config: ProxyConfig | None = None,
        identities: Chance,
        affinity: AffinityStore,
        catalog: Catalog | None = None,
    ) -> None:
        self.node_name = node_name
        self.config = config or ProxyConfig()
        self.catalog = catalog or Catalog(client)
        self._identities = identities
        self._affinity = affinity
        self._node = NodeFacts(node_name)
        self._derived: dict[tuple[Key, Family], tuple[ServiceEntry, NodeFacts, tuple[PortRules, ...]]] = {}
        self._base: dict[Family, tuple[NodeFacts, dict[Chain, tuple[Rule, ...]], _Surroundings]] = {}

    def translate(self, packet: Packet) -> Verdict:
        """What the node's rules make of the first packet of a connection. Raises ValueError for what is no address, or
        addresses of two families.
        """
        self.catalog.refresh()
        destination = canonical(packet.destination)
        family = family_of(destination)
        if family_of(packet.source) != family:
            raise ValueError(f"{packet.source} and {destination} are of two families")
        node, base, surroundings = self._standing(family)
        passage = Passage(
            packet.source,
            destination,
            packet.source_port,
            packet.destination_port,
            packet.protocol.lower(),
            surroundings,
        )
        return walk(_Dispatched(self, base, node, family), passage, packet.interface)

    def rules_of(self, namespace: str, name: str, family: Family = "IPv4") -> Sequence[PortRules]:
        """The rules of one Service, by port; none where kube-proxy has nothing to do with it."""
        self.catalog.refresh()
        entry = self.catalog.get(namespace, name)
        return self.derived(entry, self._standing(family)[0], family) if entry is not None else ()

    def health_check(self, port: int) -> HealthCheck | None:
        """What answers on a health check node port; None where no Service has it."""
        self.catalog.refresh()
        for entry in self.catalog.on_node_port(port):
            for ports in entry.ports.values():
                if any(of_port.health_check_node_port == port for of_port, _ in ports):
                    own = {
                        e.address for _, found in ports for e in found if e.ready and e.node == self.node_name
                    }
                    return HealthCheck(*entry.key, len(own))
        return None

    def all_rules(self, family: Family = "IPv4") -> list[PortRules]:
        """The rules of every Service, in the order in which they stand in the chains."""
        self.catalog.refresh()
        node = self._standing(family)[0]
        return [rules for entry in self.catalog.all() for rules in self.derived(entry, node, family)]

    def save(self, family: Family = "IPv4", *, now: datetime | None = None) -> str:
        """What `iptables-save` prints on the node, or `ip6tables-save`; with a time, its comments say so."""
        rules = self.all_rules(family)
        chains: dict[Chain, Sequence[Rule]] = dict(self._standing(family)[1])
        for chain in _SHARED:
            chains[chain] = (*shared_in(rules, chain), *chains[chain])
        for of_port in rules:
            chains.update({(NAT, chain): own for chain, own in of_port.own.items()})
        endpoints = sum(
            len(of_port[1]) for entry in self.catalog.all() for of_port in entry.ports.get(family, ())
        )
        return render(chains, family, terse=endpoints > LARGE_CLUSTER, now=now)

    def derived(self, entry: ServiceEntry, node: NodeFacts, family: Family) -> tuple[PortRules, ...]:
        """The rules of a Service; the same as before where neither it nor the node has changed."""
        known = self._derived.get((entry.key, family))
        if known is not None and known[0] is entry and known[1] is node:
            return known[2]
        found = tuple(
            port_rules(port, endpoints, node, self.config) for port, endpoints in entry.ports.get(family, ())
        )
        if len(self._derived) >= _REMEMBERED:
            self._derived.clear()  # most are of Services that are gone
        self._derived[entry.key, family] = entry, node, found
        return found

    def _standing(self, family: Family) -> tuple[NodeFacts, dict[Chain, tuple[Rule, ...]], _Surroundings]:
        """The node as it is now, what it has without Services, and what matches ask of it."""
        node = self.catalog.node(self.node_name) or self._node
        known = self._base.get(family)
        if known is None or known[0] != node:
            surroundings = _Surroundings(node, family, self._identities, self._affinity)
            known = self._base[family] = node, base_chains(self.config, family, node), surroundings
        return known


class _Dispatched:
    """The tables for one packet: of the chains that all Services share, the rules of those that the packet's
    destination concerns, found by address or node port.

    Every rule in those chains asks for an address and a port, or for a node port on an address of the node: none
    other can match.
    """

    def __init__(
        self, proxy: NodeProxy, base: dict[Chain, tuple[Rule, ...]], node: NodeFacts, family: Family
    ) -> None:
        self._proxy = proxy
        self._base = base
        self._node = node
        self._family: Family = family
        self._where: tuple[int, int] | None = None
        self._concerned: Sequence[PortRules] = ()

    def rules(self, table: str, chain: str, at: Passage) -> Sequence[Rule]:
        key = table, chain
        standing = self._base.get(key)
        if standing is None:
            found = (rules.own.get(chain) for rules in self._concerned)
            return next((rules for rules in found if rules is not None), ())
        if key not in _SHARED:
            return standing
        if self._where != (at.destination_number, at.port):
            self._where = at.destination_number, at.port
            self._concerned = self._find(at)
        if not self._concerned:
            return standing
        return (*shared_in(self._concerned, key), *standing)

    def _find(self, at: Passage) -> Sequence[PortRules]:
        catalog, port = self._proxy.catalog, at.port
        found = [
            (entry.key, place, rules)
            for entry in catalog.at(at.destination)
            for place, rules in enumerate(self._proxy.derived(entry, self._node, self._family))
            if rules.port.port == port and rules.port.protocol == at.protocol
        ]
        if at.surroundings.is_local(at.destination_number):
            found += [
                (entry.key, place, rules)
                for entry in catalog.on_node_port(port)
                for place, rules in enumerate(self._proxy.derived(entry, self._node, self._family))
                if (rules.port.node_port == port and rules.port.protocol == at.protocol)
                or (rules.port.health_check_node_port == port and at.protocol == "tcp")
            ]
        if len(found) < 2:
            return [rules for _, _, rules in found]
        in_order = {(key, place): rules for key, place, rules in found}
        return [in_order[where] for where in sorted(in_order)]


class _Surroundings:
    """What a node knows for its rules."""

    def __init__(self, node: NodeFacts, family: Family, identities: Chance, affinity: AffinityStore) -> None:
        self._name = node.name
        self._identities = identities
        self._affinity = affinity
        self._own = {number_of(a) for a in node.addresses if family_of(a) == family}
        # The first address of its Pods' network is the node's end of it.
        self._own |= {network_of(c).base + 1 for c in node.pod_cidrs if family_of(c) == family}
        self._loopback = network_of("::1/128" if family == "IPv6" else "127.0.0.0/8")

    def is_local(self, address: int) -> bool:
        return address in self._own or self._loopback.holds(address)

    def draw(self) -> int:
        return self._identities.below(_BITS)

    def seen(self, name: str, source: str, seconds: int) -> bool:
        return self._affinity.seen(self._name, name, source, seconds)

    def remember(self, name: str, source: str) -> None:
        self._affinity.remember(self._name, name, source)


def iptables_save(
    client: Client,
    node: str,
    *,
    family: Family = "IPv4",
    config: ProxyConfig | None = None,
    now: datetime | None = None,
) -> str:
    """What `iptables-save` prints on a node (`ip6tables-save` for IPv6)."""
    proxy = NodeProxy(
        client, node_name=node, config=config, identities=SystemIdentities(0), affinity=_Nobody()
    )
    return proxy.save(family, now=now)


class _Nobody:
    """Nobody was seen: for who only prints rules."""

    def seen(self, node: str, name: str, source: str, seconds: int) -> bool:
        return False

    def remember(self, node: str, name: str, source: str) -> None:
        pass
