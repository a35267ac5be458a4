"""kube-proxy's rules of one Service in plain words, beside their text: the very rules by which packets go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kubesim.apis.meta import host_port
from kubesim.proxy.chains import PortRules
from kubesim.proxy.rules import Chance, Ending, Jump, RecentlySeen, Remember, Rule, Translate

_RANDOM: Final = 1 << 31
_KINDS: Final = {
    "SVC": "all endpoints of the Service",
    "SVL": "the endpoints of this node alone (policy Local)",
    "EXT": "what comes to its external addresses and node ports",
    "FW": "the sources that its load balancer takes",
    "SEP": "one endpoint",
}
_SHARED: Final = {
    "KUBE-SERVICES": "every packet passes here; the Services' addresses",
    "KUBE-NODEPORTS": "packets to the node's own addresses; the node ports",
    "KUBE-EXTERNAL-SERVICES": "what comes from outside, and has nowhere to go",
    "KUBE-PROXY-FIREWALL": "what a load balancer does not take",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A rule as iptables-save prints it, and what it does."""

    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of a table, with those of its rules that are of the Service."""

    table: str
    name: str
    meaning: str
    lines: tuple[Line, ...]


def chains_of(rules: PortRules) -> list[Chain]:
    """The chains of one port of a Service on a node, in the order in which a packet comes to them."""
    found = [
        Chain(table, name, _SHARED.get(name, ""), tuple(_lines(name, own)))
        for (table, name), own in rules.shared.items()
    ]
    for name in _in_order(rules):
        kind = name.split("-")[1]
        found.append(Chain("nat", name, _KINDS.get(kind, ""), tuple(_lines(name, rules.own[name]))))
    return found


def _in_order(rules: PortRules) -> Iterator[str]:
    """External chains lead to those of the Service, and these to endpoints."""
    order = ("FW", "EXT", "SVL", "SVC", "SEP")
    for kind in order:
        yield from (name for name in rules.own if name.startswith(f"KUBE-{kind}-"))


def _lines(chain: str, rules: Sequence[Rule]) -> Iterator[Line]:
    left = 1.0
    for rule in rules:
        share = _share(rule)
        meaning = _meaning(chain, rule, left * share)
        yield Line(rule.text(chain), meaning)
        if isinstance(rule.target, Jump) and rule.target.chain.startswith("KUBE-SEP-") and not _is_seen(rule):
            left *= 1 - share


def _share(rule: Rule) -> float:
    """The part of the packets that come to a rule which it takes."""
    return next((c.threshold / _RANDOM for c in rule.conditions if isinstance(c, Chance)), 1.0)


def _is_seen(rule: Rule) -> bool:
    return any(isinstance(c, RecentlySeen) for c in rule.conditions)


def _meaning(chain: str, rule: Rule, part: float) -> str:
    target = rule.target
    if target is None:
        return "counts, and goes on"
    if isinstance(target, Translate):
        remembers = any(isinstance(c, Remember) for c in rule.conditions)
        return f"the destination becomes {host_port(target.address, target.port)}" + (
            ", and the client is remembered" if remembers else ""
        )
    if isinstance(target, Jump):
        return _jump(chain, rule, target, part)
    if isinstance(target, Ending):
        return _ENDINGS.get(target.name, target.name)
    return ""


_ENDINGS: Final = {
    "REJECT": "refused: the sender is told at once (connection refused)",
    "DROP": "dropped: the sender waits until it gives up",
    "ACCEPT": "let through",
    "RETURN": "back to the chain before",
}


def _jump(chain: str, rule: Rule, target: Jump, part: float) -> str:
    if target.chain == "KUBE-MARK-MASQ":
        return f"{_who(chain, rule)} gets the node's address as its sender, so that the answer comes back this way"
    if target.chain.startswith("KUBE-SEP-"):
        endpoint = rule.comment.rpartition("-> ")[2]
        if _is_seen(rule):
            return f"whoever was sent to {endpoint} lately goes there again"
        return f"{part:.0%} of the connections go to {endpoint}"
    if rule.source is not None:
        return f"from {rule.source.text}: go on in {target.chain}"
    return f"go on in {target.chain}"


def _who(chain: str, rule: Rule) -> str:
    if chain.startswith("KUBE-SEP-"):
        return "the endpoint itself, as a client (hairpin),"
    if rule.source is not None and rule.not_source:
        return f"who is not a Pod (not in {rule.source.text})"
    return "the packet"
