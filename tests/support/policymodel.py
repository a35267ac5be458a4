"""What NetworkPolicies allow, written naively in the words of the documentation, and random policies to compare on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

from kubesim.network.policy import INGRESS, Party

NAMESPACES = {"a": {"kind": "x"}, "b": {"kind": "y"}}
PORTS = (79, 80, 81, 443)


def policy(namespace: str = "default", name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _selects(selector: dict[str, Any], labels: Any) -> bool:
    return all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())


def _is_peer(peer: dict[str, Any], party: Party, namespace: str) -> bool:
    if "ipBlock" in peer:
        address = ip_address(party.address)
        inside = address in ip_network(peer["ipBlock"]["cidr"])
        return inside and all(address not in ip_network(e) for e in peer["ipBlock"].get("except", []))
    if not party.namespace:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], party.namespace_labels):
            return False
    elif party.namespace != namespace:
        return False
    return "podSelector" not in peer or _selects(peer["podSelector"], party.labels)


def _is_port(entry: dict[str, Any], destination: Party, port: int, protocol: str) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return port in destination.named_ports.get((protocol, wanted), ())
    return bool(wanted <= port <= entry.get("endPort", wanted))


def allowed(
    found: list[dict[str, Any]], direction: str, source: Party, target: Party, port: int, protocol: str
) -> bool:
    subject, peer = (target, source) if direction == INGRESS else (source, target)
    rules_name, peers_name = ("ingress", "from") if direction == INGRESS else ("egress", "to")
    isolated = False
    for one in found:
        spec, namespace = one["spec"], one["metadata"]["namespace"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if not subject.namespace or namespace != subject.namespace or direction not in types:
            continue
        if not _selects(spec["podSelector"], subject.labels):
            continue
        isolated = True
        for rule in spec.get(rules_name) or []:
            peers, ports = rule.get(peers_name), rule.get("ports")
            if (not peers or any(_is_peer(p, peer, namespace) for p in peers)) and (
                not ports or any(_is_port(p, target, port, protocol) for p in ports)
            ):
                return True
    return not isolated


_SELECTORS = st.sampled_from([{}, {"matchLabels": {"app": "one"}}, {"matchLabels": {"app": "two"}}])
_NAMESPACE_SELECTORS = st.sampled_from([{}, {"matchLabels": {"kind": "x"}}, {"matchLabels": {"kind": "y"}}])
_BLOCKS = st.sampled_from(
    [
        {"cidr": "0.0.0.0/0"},
        {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]},
        {"cidr": "203.0.113.0/24"},
        {"cidr": "::/0"},
        {"cidr": "fd00:10:244::/56", "except": ["fd00:10:244:1::/64"]},
    ]
)
_PEERS = st.one_of(
    st.builds(lambda b: {"ipBlock": b}, _BLOCKS),
    st.builds(lambda s: {"podSelector": s}, _SELECTORS),
    st.builds(lambda n: {"namespaceSelector": n}, _NAMESPACE_SELECTORS),
    st.builds(lambda s, n: {"podSelector": s, "namespaceSelector": n}, _SELECTORS, _NAMESPACE_SELECTORS),
)
_ENTRIES = st.one_of(
    st.builds(lambda p: {"protocol": p}, st.sampled_from(["TCP", "UDP"])),
    st.builds(
        lambda n, p: {"port": n, "protocol": p}, st.sampled_from(PORTS), st.sampled_from(["TCP", "UDP"])
    ),
    st.just({"port": 79, "endPort": 81}),
    st.just({"port": "web"}),
)
_OPTIONAL_PEERS = st.none() | st.lists(_PEERS, max_size=2)
_OPTIONAL_PORTS = st.none() | st.lists(_ENTRIES, max_size=2)


def _rules(peers: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    def rule(who: Any, ports: Any) -> dict[str, Any]:
        return {k: v for k, v in ((peers, who), ("ports", ports)) if v is not None}

    return st.lists(st.builds(rule, _OPTIONAL_PEERS, _OPTIONAL_PORTS), max_size=2)


_TYPES = st.sampled_from([None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]])


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": draw(_SELECTORS)}
    types = draw(_TYPES)
    if types is not None:
        spec["policyTypes"] = types
    spec["ingress"], spec["egress"] = draw(_rules("from")), draw(_rules("to"))
    return policy(draw(st.sampled_from("ab")), **spec)
