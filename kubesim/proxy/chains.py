"""The rules of one Service port on one node. Source: pkg/proxy/iptables/proxier.go, syncProxyRules of 1.32.

`PortRules` has them in two parts: those in chains that all Services share, and the port's own chains in the table
nat. Whoever puts the parts of all ports together, in order, has the node's tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubesim.proxy import names
from kubesim.proxy.addresses import Family, Network, family_of, network_of, number_of
from kubesim.proxy.config import ProxyConfig
from kubesim.proxy.rules import (
    ACCEPT,
    DROP,
    Comment,
    Condition,
    DestinationLocal,
    Ending,
    Jump,
    Port,
    RecentlySeen,
    Remember,
    Rule,
    SourceLocal,
    Target,
    Translate,
    chance,
)
from kubesim.proxy.serviceport import Endpoint, ServicePort
from kubesim.proxy.topology import Usable, usable_endpoints

NAT: Final = "nat"
FILTER: Final = "filter"
MASKS: Final[Mapping[Family, str]] = {
    "IPv4": "255.255.255.255",
    "IPv6": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}
_REJECT: Final[Mapping[Family, Ending]] = {
    "IPv4": Ending("REJECT", "--reject-with icmp-port-unreachable"),
    "IPv6": Ending("REJECT", "--reject-with icmp6-port-unreachable"),
}
_MARK_MASQ: Final = Jump(names.MARK_MASQ)

Chain = tuple[str, str]
"""A table, and a chain of it."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the rules depend on of the node itself. `addresses` are its InternalIPs, `zone` is empty without a label."""

    name: str
    addresses: tuple[str, ...] = ()
    zone: str = ""
    pod_cidrs: tuple[str, ...] = ()

    def address(self, family: Family) -> str:
        """The node's address in a family, or an empty text."""
        return next((a for a in self.addresses if family_of(a) == family), "")


@dataclass(frozen=True, slots=True)
class PortRules:
    """`shared`: rules in chains of all Services; `own`: the chains of table nat that are the port's alone."""

    port: ServicePort
    shared: Mapping[Chain, tuple[Rule, ...]]
    own: Mapping[str, tuple[Rule, ...]]


def port_rules(
    port: ServicePort, endpoints: Sequence[Endpoint], node: NodeFacts, config: ProxyConfig
) -> PortRules:
    """Derive the rules of a Service port."""
    return _Derivation(port, endpoints, node, config).rules()


class _Derivation:
    """One run. The names follow upstream's, so that the two can be read side by side."""

    def __init__(
        self, port: ServicePort, endpoints: Sequence[Endpoint], node: NodeFacts, config: ProxyConfig
    ) -> None:
        self.port = port
        self.node = node
        self.config = config
        self.family: Family = family_of(port.cluster_ip)
        self.shared: dict[Chain, list[Rule]] = {}
        self.own: dict[str, list[Rule]] = {}
        self.usable: Usable = usable_endpoints(endpoints, port, node.name, node.zone)
        cidr = config.cluster_cidr(self.family)
        self.pods: Network | None = network_of(cidr) if cidr else None
        self.any = self.usable.anywhere
        self.any_internal = self.any and not (port.internal_local and not self.usable.local)
        self.any_external = self.any and not (port.external_local and not self.usable.local)
        self.svc, self.svl, self.ext, self.fw = (
            names.service_chain(kind, port.name, port.protocol) for kind in ("SVC", "SVL", "EXT", "FW")
        )
        self.sources = [network_of(r) for r in port.source_ranges]
        self.firewalled = self.any and bool(port.load_balancer_ips and self.sources)
        self.blocked: Target = DROP if self.any else _REJECT[self.family]
        self.blocked_comment = f"{port.name} has no {'local ' if self.any else ''}endpoints"

    def rules(self) -> PortRules:
        self.capture_cluster_ip()
        self.capture_external_ips()
        self.capture_load_balancer()
        self.capture_node_port()
        self.internal_chain()
        if self.any and self.port.externally_accessible:
            self.external_chain()
        if self.firewalled:
            self.firewall_chain()
        if self.port.uses_cluster_endpoints and self.usable.cluster:
            self.balance(self.svc, self.usable.cluster)
        if self.port.uses_local_endpoints and self.usable.local:
            self.balance(self.svl, self.usable.local)
        for endpoint in self.usable.reachable:
            self.endpoint_chain(endpoint)
        return PortRules(
            self.port,
            {chain: tuple(rules) for chain, rules in self.shared.items()},
            {chain: tuple(rules) for chain, rules in self.own.items()},
        )

    def share(self, table: str, chain: str, rule: Rule) -> None:
        self.shared.setdefault((table, chain), []).append(rule)

    def append(self, chain: str, rule: Rule) -> None:
        self.own.setdefault(chain, []).append(rule)

    def to(self, address: str, comment: str, target: Target, *, port: int = 0) -> Rule:
        """A rule for what is sent to an address (empty: any) and the Service's port, or another one."""
        return Rule(
            target,
            (Comment(comment), Port(self.port.protocol, port or self.port.port)),
            destination=network_of(address) if address else None,
            protocol=self.port.protocol,
        )

    def capture_cluster_ip(self) -> None:
        port = self.port
        if self.any_internal:
            chain = self.svl if port.internal_local else self.svc
            rule = self.to(port.cluster_ip, f"{port.name} cluster IP", Jump(chain))
            self.share(NAT, names.SERVICES, rule)
        else:
            rule = self.to(port.cluster_ip, self.blocked_comment, self.blocked)
            self.share(FILTER, names.SERVICES, rule)

    def capture_external_ips(self) -> None:
        for address in self.port.external_ips:
            if self.any:
                rule = self.to(address, f"{self.port.name} external IP", Jump(self.ext))
                self.share(NAT, names.SERVICES, rule)
            self.block_external(address)

    def capture_load_balancer(self) -> None:
        port = self.port
        for address in port.load_balancer_ips:
            if self.any:
                chain = self.fw if self.firewalled else self.ext
                rule = self.to(address, f"{port.name} loadbalancer IP", Jump(chain))
                self.share(NAT, names.SERVICES, rule)
            if self.firewalled:
                comment = f"{port.name} traffic not accepted by {self.fw}"
                self.share(FILTER, names.PROXY_FIREWALL, self.to(address, comment, DROP))
        for address in port.load_balancer_ips:
            self.block_external(address)

    def block_external(self, address: str) -> None:
        """Reject without any endpoints; without local ones, drop what did not take the short cut of the EXT chain."""
        if not self.any_external:
            rule = self.to(address, self.blocked_comment, self.blocked)
            self.share(FILTER, names.EXTERNAL_SERVICES, rule)

    def capture_node_port(self) -> None:
        port = self.port
        if port.node_port:
            if self.any:
                rule = self.to("", port.name, Jump(self.ext), port=port.node_port)
                self.share(NAT, names.NODE_PORTS, rule)
            if not self.any_external:
                conditions: tuple[Condition, ...] = (
                    Comment(self.blocked_comment),
                    DestinationLocal(),
                    Port(port.protocol, port.node_port),
                )
                rule = Rule(self.blocked, conditions, protocol=port.protocol)
                self.share(FILTER, names.EXTERNAL_SERVICES, rule)
        if port.health_check_node_port:
            comment = Comment(f"{port.name} health check node port")
            conditions = (comment, Port("tcp", port.health_check_node_port))
            self.share(FILTER, names.NODE_PORTS, Rule(ACCEPT, conditions, protocol="tcp"))

    def internal_chain(self) -> None:
        """What comes from outside the Pods' network to the cluster IP is masqueraded: it may leave by another node."""
        if not self.any_internal:
            return
        chain = self.svl if self.port.internal_local else self.svc
        rule = self.to(self.port.cluster_ip, f"{self.port.name} cluster IP", _MARK_MASQ)
        if self.config.masquerade_all:
            self.append(chain, rule)
        elif self.pods:
            self.append(chain, rule._replace(source=self.pods, not_source=True))

    def external_chain(self) -> None:
        said = f"{self.port.name} external destinations"
        self.own.setdefault(self.ext, [])
        if not self.port.external_local:
            masquerade = Rule(_MARK_MASQ, (Comment(f"masquerade traffic for {said}"),))
            self.append(self.ext, masquerade)
        else:
            # Pods here, and the node itself, are subject to neither policy: as if they went out and came back.
            if self.pods:
                short_cut = Rule(Jump(self.svc), (Comment(f"pod traffic for {said}"),), source=self.pods)
                self.append(self.ext, short_cut)
            for what, target in (("masquerade", _MARK_MASQ), ("route", Jump(self.svc))):
                conditions: tuple[Condition, ...] = (
                    Comment(f"{what} LOCAL traffic for {said}"),
                    SourceLocal(),
                )
                self.append(self.ext, Rule(target, conditions))
        if self.any_external:
            self.append(self.ext, Rule(Jump(self.svl if self.port.external_local else self.svc)))

    def firewall_chain(self) -> None:
        """loadBalancerSourceRanges; what falls out at the end is dropped by KUBE-PROXY-FIREWALL."""
        comment = (Comment(f"{self.port.name} loadbalancer IP"),)
        accept = Rule(Jump(self.ext), comment)
        for network in self.sources:
            self.append(self.fw, accept._replace(source=network))
        own = self.node.address(self.family)
        if own and any(network.holds(number_of(own)) for network in self.sources):
            # Where the balancer's address is one of the node's, the node speaks to it from that address.
            for address in self.port.load_balancer_ips:
                self.append(self.fw, accept._replace(source=network_of(address)))
        rest = f"other traffic to {self.port.name} will be dropped by KUBE-PROXY-FIREWALL"
        self.append(self.fw, Rule(None, (Comment(rest),)))

    def balance(self, chain: str, endpoints: Sequence[Endpoint]) -> None:
        """writeServiceToEndpointRules: whoever was here before goes to the same; else each has the same chance."""
        seconds, mask = self.port.affinity_seconds, MASKS[self.family]
        rules = self.own.setdefault(chain, [])
        targets = [
            (self.endpoint_name(e), Comment(f"{self.port.name} -> {e.text}", droppable=True))
            for e in endpoints
        ]
        if seconds:
            for name, comment in targets:
                rules.append(Rule(Jump(name), (comment, RecentlySeen(name, seconds, mask))))
        left = len(targets)
        for name, comment in targets:
            rules.append(Rule(Jump(name), (comment, chance(left)) if left > 1 else (comment,)))
            left -= 1

    def endpoint_chain(self, endpoint: Endpoint) -> None:
        name, protocol = self.endpoint_name(endpoint), self.port.protocol
        comment = Comment(self.port.name, droppable=True)
        conditions: tuple[Condition, ...] = (comment, Port(protocol))
        if self.port.affinity_seconds:
            conditions = (comment, Remember(name, MASKS[self.family]), Port(protocol))
        self.own[name] = [
            # Who is answered by itself must not see its own address as the source.
            Rule(_MARK_MASQ, (comment,), source=network_of(endpoint.address)),
            Rule(Translate(endpoint.address, endpoint.port), conditions, protocol=protocol),
        ]

    def endpoint_name(self, endpoint: Endpoint) -> str:
        return names.endpoint_chain(self.port.name, self.port.protocol, endpoint.text)


def shared_in(rules: Sequence[PortRules], chain: Chain) -> Iterator[Rule]:
    """The rules of several ports in a chain that they share, in order."""
    for of_port in rules:
        yield from of_port.shared.get(chain, ())
