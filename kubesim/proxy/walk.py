"""The way of a packet through the tables of a node, rule by rule, as netfilter leads it.

It asks `Tables` for the rules of a chain that may concern the packet, and tries each in order: where `rules` gives
all of a chain this is a plain scan. `NodeProxy` gives those found by address and port, among which is every one that
could match.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kubesim.proxy.chains import FILTER, NAT
from kubesim.proxy.passage import Action, Hop, Interface, Passage, Verdict
from kubesim.proxy.rules import Ending, Jump, Rule, SetMark, Translate


class Tables(Protocol):
    """The tables of a node."""

    def rules(self, table: str, chain: str, at: Passage) -> Sequence[Rule]:
        """The rules of a chain, in order; those that cannot match the packet may be missing."""
        ...


def walk(tables: Tables, at: Passage, interface: Interface) -> Verdict:
    """Lead the first packet of a connection through the tables of a node."""
    from_node = interface == "node"
    _chain(tables, NAT, "OUTPUT" if from_node else "PREROUTING", at)
    local = at.surroundings.is_local(at.destination_number)
    # What a node sends to itself goes out, and comes in again over the loopback interface.
    hooks = (["OUTPUT"] if from_node else []) + (["INPUT"] if local else [] if from_node else ["FORWARD"])
    for hook in hooks:
        ended = _chain(tables, FILTER, hook, at)
        if ended == "DROP":
            return _verdict(at, "drop")
        if ended == "REJECT":
            return _verdict(at, "reject")
    masquerade = (from_node or not local) and _chain(tables, NAT, "POSTROUTING", at) == "MASQUERADE"
    return _verdict(at, "dnat" if at.translated else "accept", masquerade=masquerade)


def _verdict(at: Passage, action: Action, *, masquerade: bool = False) -> Verdict:
    return Verdict(action, at.destination, at.port, masquerade, tuple(at.hops))


def _chain(tables: Tables, table: str, chain: str, at: Passage) -> str:
    """Walk a chain; the name of the target that ended the way through the table, or an empty text.

    A jump from which nothing came leaves no hop.
    """
    for rule in tables.rules(table, chain, at):
        if not rule.matches(at):
            continue
        target = rule.target
        if type(target) is Jump:
            before = len(at.hops)
            at.hops.append(Hop(table, chain, rule))
            ended = _chain(tables, table, target.chain, at)
            if ended:
                return ended
            if len(at.hops) == before + 1:
                at.hops.pop()
            continue
        if type(target) is Ending and target.name == "RETURN":
            return ""
        at.hops.append(Hop(table, chain, rule))
        if type(target) is Ending:
            return target.name
        if type(target) is Translate:
            at.translate(target.address, target.port)
            return "DNAT"
        if type(target) is SetMark:
            at.mark = target.apply(at.mark)
    return ""
