"""What every node has, whatever Services there are: the chains of kube-proxy and the kubelet, and the jumps to them.

Sources: pkg/proxy/iptables/proxier.go, pkg/kubelet/kubelet_network_linux.go. The kubelet comes first on a node, and
each puts its jumps in front: so kube-proxy's are above. nfacct counters are left out, as on a node whose kernel has
none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubesim.proxy import names
from kubesim.proxy.addresses import Family, network_of, number_of
from kubesim.proxy.chains import FILTER, NAT, Chain, NodeFacts
from kubesim.proxy.config import ProxyConfig
from kubesim.proxy.rules import (
    ACCEPT,
    DROP,
    MASQUERADE,
    RETURN,
    Comment,
    Condition,
    ConnectionState,
    DestinationLocal,
    Jump,
    Mark,
    Rule,
    SetMark,
)

MANGLE: Final = "mangle"
BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    MANGLE: ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    FILTER: ("INPUT", "FORWARD", "OUTPUT"),
    NAT: ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
"""Tables and their built-in chains, in the order of iptables-save."""

_NEW: Final = ConnectionState(("NEW",))
_NODE_PORTS_LAST: Final = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"


def base_chains(config: ProxyConfig, family: Family, node: NodeFacts) -> dict[Chain, tuple[Rule, ...]]:
    """Every chain that there is without Services. In a chain that Services have rules in, theirs come first."""
    found: dict[Chain, tuple[Rule, ...]] = {
        (table, chain): () for table, chains in BUILT_IN.items() for chain in chains
    }
    for table in BUILT_IN:
        found |= {(table, names.PROXY_CANARY): (), (table, names.KUBELET_CANARY): ()}
    found[MANGLE, names.HINT] = ()
    found |= {(FILTER, chain): () for chain in (names.EXTERNAL_SERVICES, names.SERVICES, names.NODE_PORTS)}
    found |= {(FILTER, names.PROXY_FIREWALL): (), (NAT, names.NODE_PORTS): ()}
    found |= _filter(config, family) | _nat(config)
    found[NAT, names.SERVICES] = _to_node_ports(config, family, node)
    return found


def _jump(chain: str, comment: str, *conditions: Condition) -> Rule:
    return Rule(Jump(chain), (*conditions, Comment(comment)))


def _filter(config: ProxyConfig, family: Family) -> dict[Chain, tuple[Rule, ...]]:
    firewall = _jump(names.PROXY_FIREWALL, "kubernetes load balancer firewall", _NEW)
    external = _jump(names.EXTERNAL_SERVICES, "kubernetes externally-visible service portals", _NEW)
    services = _jump(names.SERVICES, "kubernetes service portals", _NEW)
    health_checks = _jump(names.NODE_PORTS, "kubernetes health check service ports")
    forwarding = _jump(names.FORWARD, "kubernetes forwarding rules")
    kubelet = (Rule(Jump(names.FIREWALL)),)
    # In IPv6 the kubelet has no such chain: kube-proxy makes it, last, so that its jump comes to the top.
    first, last = (kubelet, ()) if family == "IPv6" else ((), kubelet)
    loopback = network_of("127.0.0.0/8")
    martians = Rule(
        DROP,
        (
            Comment("block incoming localnet connections"),
            ConnectionState(("RELATED", "ESTABLISHED", "DNAT"), inverted=True),
        ),
        source=loopback,
        not_source=True,
        destination=loopback,
    )
    return {
        (FILTER, "INPUT"): (*first, firewall, health_checks, external, *last),
        (FILTER, "FORWARD"): (firewall, forwarding, services, external),
        (FILTER, "OUTPUT"): (*first, firewall, services, *last),
        (FILTER, names.FIREWALL): (martians,) if family == "IPv4" else (),
        (FILTER, names.FORWARD): (
            Rule(DROP, (ConnectionState(("INVALID",)),)),
            Rule(ACCEPT, (Comment("kubernetes forwarding rules"), Mark(config.mark))),
            Rule(
                ACCEPT,
                (
                    Comment("kubernetes forwarding conntrack rule"),
                    ConnectionState(("RELATED", "ESTABLISHED")),
                ),
            ),
        ),
    }


def _nat(config: ProxyConfig) -> dict[Chain, tuple[Rule, ...]]:
    mark = config.mark
    services = _jump(names.SERVICES, "kubernetes service portals")
    return {
        (NAT, "PREROUTING"): (services,),
        (NAT, "OUTPUT"): (services,),
        (NAT, "POSTROUTING"): (_jump(names.POSTROUTING, "kubernetes postrouting rules"),),
        (NAT, names.MARK_MASQ): (Rule(SetMark(mark, mark)),),
        (NAT, names.POSTROUTING): (
            Rule(RETURN, (Mark(mark, inverted=True),)),
            # The mark goes, so that a packet that comes by once more is not masqueraded again.
            Rule(SetMark(mark, 0)),
            Rule(MASQUERADE, (Comment("kubernetes service traffic requiring SNAT"),)),
        ),
    }


def _to_node_ports(config: ProxyConfig, family: Family, node: NodeFacts) -> tuple[Rule, ...]:
    """The last rules of KUBE-SERVICES."""
    jump = Rule(Jump(names.NODE_PORTS), (Comment(_NODE_PORTS_LAST),))
    if not config.node_port_addresses:
        jump = jump._replace(conditions=(*jump.conditions, DestinationLocal()))
        if family == "IPv6":
            return (jump._replace(destination=network_of("::1/128"), not_destination=True),)
        if not config.localhost_node_ports:
            return (jump._replace(destination=network_of("127.0.0.0/8"), not_destination=True),)
        return (jump,)
    wanted = [network_of(n) for n in config.node_port_addresses if (":" in n) == (family == "IPv6")]
    own = [a for a in node.addresses if (":" in a) == (family == "IPv6")]
    if family == "IPv4" and config.localhost_node_ports:
        own.insert(0, "127.0.0.1")
    chosen = [a for a in own if any(network.holds(number_of(a)) for network in wanted)]
    return tuple(jump._replace(destination=network_of(a)) for a in chosen)
