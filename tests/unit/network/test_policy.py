"""NetworkPolicies as values: cases by name, and Hypothesis against a model that is written anew and naively."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policymodel import NAMESPACES, PORTS, allowed, policies, policy

from kubesim.network.policy import EGRESS, INGRESS, Party, compile_policy, decide

WEB = Party(
    "10.244.0.2", "default", "web", {"app": "web"}, {"team": "a"}, {("TCP", "http"): frozenset({8080})}
)
CLIENT = Party("10.244.1.2", "default", "client", {"app": "client"}, {"team": "a"})
STRANGER = Party("10.244.1.3", "other", "stranger", {"app": "client"}, {"team": "b"})
NODE = Party("172.18.0.4")
OUTSIDE = Party("203.0.113.7")


def _ingress(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return policy(
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
    ("a policy of another namespace", policy("other", podSelector={}), CLIENT, 80, "TCP", True),
    ("other Pods", policy(podSelector={"matchLabels": {"app": "db"}}), CLIENT, 80, "TCP", True),
    ("Egress alone", policy(podSelector={}, policyTypes=["Egress"]), CLIENT, 80, "TCP", True),
    ("Ingress by default", policy(podSelector={}), CLIENT, 80, "TCP", False),
    ("Ingress too where egress is given", policy(podSelector={}, egress=[{}]), CLIENT, 80, "TCP", False),
    ("expressions", _ingress(_from({"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["client"]}]}})), CLIENT, 80, "TCP", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("obj", "source", "port", "protocol", "expected"),
    [c[1:] for c in INGRESS_CASES],
    ids=[c[0] for c in INGRESS_CASES],
)
def test_ingress(obj: dict[str, Any], source: Party, port: int, protocol: str, expected: bool) -> None:
    assert decide([compile_policy(obj)], INGRESS, source, WEB, port, protocol).allowed is expected


def test_egress_looks_at_the_destination() -> None:
    spec = {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [TEAM_B], "ports": [{"port": "dns", "protocol": "UDP"}]}],
    }
    policies = [compile_policy(policy(**spec))]
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
    assert decide([compile_policy(policy(podSelector={}))], INGRESS, CLIENT, NODE, 80, "TCP").allowed


def _pods() -> list[Party]:
    return [
        Party(
            f"10.244.{i}.{j}",
            ns,
            f"{ns}{j}",
            {"app": app},
            NAMESPACES[ns],
            {("TCP", "web"): frozenset({79 + j})},
        )
        for i, ns in enumerate("ab")
        for j, app in enumerate(("one", "two"), 1)
    ]


_PARTIES = st.sampled_from([*_pods(), NODE, OUTSIDE])


@given(
    st.lists(policies(), max_size=4),
    _PARTIES,
    _PARTIES,
    st.sampled_from(PORTS),
    st.sampled_from(["TCP", "UDP"]),
)
def test_like_the_model(
    drawn: list[dict[str, Any]], source: Party, target: Party, port: int, protocol: str
) -> None:
    compiled = [compile_policy(p) for p in drawn]
    for direction in (INGRESS, EGRESS):
        found = decide(compiled, direction, source, target, port, protocol)
        assert found.allowed is allowed(drawn, direction, source, target, port, protocol)
        assert bool(found.policy) is (found.allowed and bool(found.isolating))
