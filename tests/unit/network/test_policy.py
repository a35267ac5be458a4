"""NetworkPolicies as values: cases by name, and Hypothesis against a model that is written anew and naively."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.network.policy import EGRESS, INGRESS, Party, compile_policy, decide

WEB = Party(
    "10.244.0.2", "default", "web", {"app": "web"}, {"team": "a"}, {("TCP", "http"): frozenset({8080})}
)
CLIENT = Party("10.244.1.2", "default", "client", {"app": "client"}, {"team": "a"})
STRANGER = Party("10.244.1.3", "other", "stranger", {"app": "client"}, {"team": "b"})
NODE = Party("172.18.0.4")
OUTSIDE = Party("203.0.113.7")


def _policy(namespace: str = "default", name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _ingress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _policy(
        podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Ingress"], ingress=list(rules), **more
    )


def _from(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"from": list(peers)} | ({"ports": ports} if ports else {})


CLIENTS = {"podSelector": {"matchLabels": {"app": "client"}}}
TEAM_B = {"namespaceSelector": {"matchLabels": {"team": "b"}}}
BLOCK = {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.128/25"]}}

INGRESS_CASES: list[tuple[str, dict[str, Any], Party, int, str, bool]] = [
    ("nothing allowed", _ingress(), CLIENT, 80, "TCP", False),
    ("an empty rule allows all", _ingress({}), OUTSIDE, 80, "TCP", True),
    ("a Pod of its namespace", _ingress(_from(CLIENTS)), CLIENT, 80, "TCP", True),
    ("the same labels elsewhere", _ingress(_from(CLIENTS)), STRANGER, 80, "TCP", False),
    ("a namespace", _ingress(_from(TEAM_B)), STRANGER, 80, "TCP", True),
    ("not that namespace", _ingress(_from(TEAM_B)), CLIENT, 80, "TCP", False),
    ("both in one peer", _ingress(_from(TEAM_B | CLIENTS)), STRANGER, 80, "TCP", True),
    ("both in one peer, other labels", _ingress(_from(TEAM_B | CLIENTS)), Party("1.1.1.1", "other", "x", {}, {"team": "b"}), 80, "TCP", False),
    ("either of two peers", _ingress(_from(TEAM_B, CLIENTS)), CLIENT, 80, "TCP", True),
    ("every namespace", _ingress(_from({"namespaceSelector": {}})), STRANGER, 80, "TCP", True),
    ("every namespace is no node", _ingress(_from({"namespaceSelector": {}})), NODE, 80, "TCP", False),
    ("every Pod of its namespace", _ingress(_from({"podSelector": {}})), CLIENT, 80, "TCP", True),
    ("a block", _ingress(_from(BLOCK)), OUTSIDE, 80, "TCP", True),
    ("a block's exception", _ingress(_from(BLOCK)), Party("203.0.113.200"), 80, "TCP", False),
    ("a block of the other family", _ingress(_from({"ipBlock": {"cidr": "::/0"}})), OUTSIDE, 80, "TCP", False),
    ("a block finds Pods too", _ingress(_from({"ipBlock": {"cidr": "10.244.0.0/16"}})), STRANGER, 80, "TCP", True),
    ("a port", _ingress(_from(ports=[{"port": 80}])), OUTSIDE, 80, "TCP", True),
    ("another port", _ingress(_from(ports=[{"port": 80}])), OUTSIDE, 81, "TCP", False),
    ("TCP unless said otherwise", _ingress(_from(ports=[{"port": 80}])), OUTSIDE, 80, "UDP", False),
    ("a protocol's every port", _ingress(_from(ports=[{"protocol": "UDP"}])), OUTSIDE, 53, "UDP", True),
    ("SCTP", _ingress(_from(ports=[{"protocol": "SCTP", "port": 9}])), OUTSIDE, 9, "SCTP", True),
    ("a range's end", _ingress(_from(ports=[{"port": 80, "endPort": 90}])), OUTSIDE, 90, "TCP", True),
    ("after a range", _ingress(_from(ports=[{"port": 80, "endPort": 90}])), OUTSIDE, 91, "TCP", False),
    ("a named port", _ingress(_from(ports=[{"port": "http"}])), OUTSIDE, 8080, "TCP", True),
    ("a named port of another number", _ingress(_from(ports=[{"port": "http"}])), OUTSIDE, 80, "TCP", False),
    ("a name nobody has", _ingress(_from(ports=[{"port": "web"}])), OUTSIDE, 8080, "TCP", False),
    ("echo where ports are named", _ingress(_from(ports=[{"port": 80}])), OUTSIDE, 0, "ICMP", False),
    ("echo where none are", _ingress(_from(CLIENTS)), CLIENT, 0, "ICMP", True),
    ("a policy of another namespace", _policy("other", podSelector={}), CLIENT, 80, "TCP", True),
    ("other Pods", _policy(podSelector={"matchLabels": {"app": "db"}}), CLIENT, 80, "TCP", True),
    ("Egress alone", _policy(podSelector={}, policyTypes=["Egress"]), CLIENT, 80, "TCP", True),
    ("Ingress by default", _policy(podSelector={}), CLIENT, 80, "TCP", False),
    ("Ingress too where egress is given", _policy(podSelector={}, egress=[{}]), CLIENT, 80, "TCP", False),
    ("expressions", _ingress(_from({"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["client"]}]}})), CLIENT, 80, "TCP", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "source", "port", "protocol", "allowed"),
    [c[1:] for c in INGRESS_CASES],
    ids=[c[0] for c in INGRESS_CASES],
)
def test_ingress(policy: dict[str, Any], source: Party, port: int, protocol: str, allowed: bool) -> None:
    assert decide([compile_policy(policy)], INGRESS, source, WEB, port, protocol).allowed is allowed


def test_egress_looks_at_the_destination() -> None:
    spec = {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [TEAM_B], "ports": [{"port": "dns", "protocol": "UDP"}]}],
    }
    policies = [compile_policy(_policy(**spec))]
    server = Party("10.244.1.9", "other", "dns", {}, {"team": "b"}, {("UDP", "dns"): frozenset({53})})
    assert decide(policies, EGRESS, CLIENT, server, 53, "UDP").allowed
    assert not decide(policies, EGRESS, CLIENT, server, 54, "UDP").allowed
    assert not decide(policies, EGRESS, CLIENT, WEB, 53, "UDP").allowed
    assert decide(policies, EGRESS, STRANGER, WEB, 53, "UDP").allowed  # not of this namespace


def test_decision_says_which_rule_allowed() -> None:
    policies = [compile_policy(_ingress()), compile_policy(_ingress(_from(TEAM_B), _from(CLIENTS)) | {"metadata": {"name": "q", "namespace": "default"}})]  # fmt: skip
    found = decide(policies, INGRESS, CLIENT, WEB, 80, "TCP")
    assert (found.policy, found.field, found.isolating) == (
        "default/q",
        "spec.ingress[1]",
        ("default/p", "default/q"),
    )
    denied = decide(policies, INGRESS, NODE, WEB, 80, "TCP")
    assert (denied.allowed, denied.policy, denied.field, denied.isolating) == (False, "", "", found.isolating)
    free = decide(policies, INGRESS, WEB, CLIENT, 80, "TCP")
    assert (free.allowed, free.isolating, free.field) == (True, (), "")


def test_nodes_are_never_isolated() -> None:
    assert decide([compile_policy(_policy(podSelector={}))], INGRESS, CLIENT, NODE, 80, "TCP").allowed


# A model: sets of what is allowed, one after the other, in the words of the documentation.

_NAMESPACES = {"a": {"kind": "x"}, "b": {"kind": "y"}}
_PORTS = (79, 80, 81, 443)


def _pods() -> list[Party]:
    return [
        Party(
            f"10.244.{i}.{j}",
            ns,
            f"{ns}{j}",
            {"app": app},
            _NAMESPACES[ns],
            {("TCP", "web"): frozenset({79 + j})},
        )
        for i, ns in enumerate("ab")
        for j, app in enumerate(("one", "two"), 1)
    ]


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


def _model(
    policies: list[dict[str, Any]], direction: str, source: Party, target: Party, port: int, protocol: str
) -> bool:
    subject, peer = (target, source) if direction == INGRESS else (source, target)
    rules_name, peers_name = ("ingress", "from") if direction == INGRESS else ("egress", "to")
    isolated = False
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
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
        lambda n, p: {"port": n, "protocol": p}, st.sampled_from(_PORTS), st.sampled_from(["TCP", "UDP"])
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
def _policies(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"podSelector": draw(_SELECTORS)}
    types = draw(_TYPES)
    if types is not None:
        spec["policyTypes"] = types
    spec["ingress"], spec["egress"] = draw(_rules("from")), draw(_rules("to"))
    return _policy(draw(st.sampled_from("ab")), **spec)


_PARTIES = st.sampled_from([*_pods(), NODE, OUTSIDE])


@given(
    st.lists(_policies(), max_size=4),
    _PARTIES,
    _PARTIES,
    st.sampled_from(_PORTS),
    st.sampled_from(["TCP", "UDP"]),
)
def test_like_the_model(
    policies: list[dict[str, Any]], source: Party, target: Party, port: int, protocol: str
) -> None:
    compiled = [compile_policy(p) for p in policies]
    for direction in (INGRESS, EGRESS):
        found = decide(compiled, direction, source, target, port, protocol)
        assert found.allowed is _model(policies, direction, source, target, port, protocol)
        assert bool(found.policy) is (found.allowed and bool(found.isolating))
