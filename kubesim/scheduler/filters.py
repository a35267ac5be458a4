"""Whether a Pod fits on a node, and the reasons why not, in the scheduler's words. Pure.

The plugins and their order are the default ones of kube-scheduler 1.32; the first that refuses a node is
the one that is reported for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubesim.apis.podfacts import spec_of, status_of
from kubesim.apis.tolerations import first_untolerated, tolerates
from kubesim.scheduler.nodeaffinity import matches_required
from kubesim.scheduler.usage import NodeUsage, host_ports
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

_WILDCARD = "0.0.0.0"  # noqa: S104 - the name of the wildcard address, nothing is bound
_UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node does not take a Pod. `hopeless`: it would not even if other Pods left
    (UnschedulableAndUnresolvable).
    """

    reasons: tuple[str, ...]
    hopeless: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node with what it bears, and what the Pod that is to be placed would add: `usage.weight` of it."""

    node: JSONObject
    usage: NodeUsage
    wanted: Mapping[str, int]


Filter = Callable[[JSONObject, Candidate], "Refusal | None"]


def unschedulable(pod: JSONObject, candidate: Candidate) -> Refusal | None:
    """NodeUnschedulable"""
    if not spec_of(candidate.node).get("unschedulable"):
        return None
    if any(tolerates(t, _UNSCHEDULABLE_TAINT) for t in spec_of(pod).get("tolerations") or ()):
        return None
    return Refusal(("node(s) were unschedulable",))


def taints(pod: JSONObject, candidate: Candidate) -> Refusal | None:
    """TaintToleration"""
    found = first_untolerated(
        spec_of(candidate.node).get("taints") or (),
        spec_of(pod).get("tolerations") or (),
        ("NoSchedule", "NoExecute"),
    )
    if found is None:
        return None
    return Refusal((f"node(s) had untolerated taint {{{found['key']}: {found.get('value') or ''}}}",))


def node_affinity(pod: JSONObject, candidate: Candidate) -> Refusal | None:
    """NodeAffinity"""
    if matches_required(pod, candidate.node):
        return None
    return Refusal(("node(s) didn't match Pod's node affinity/selector",))


def ports(pod: JSONObject, candidate: Candidate) -> Refusal | None:
    """NodePorts: two host ports collide where one of their addresses is the wildcard, or both are the
    same.
    """
    for address, protocol, port in host_ports(pod):
        for taken_address, taken_protocol, taken_port in candidate.usage.ports:
            same_port = (protocol, port) == (taken_protocol, taken_port)
            if same_port and (_WILDCARD in (address, taken_address) or address == taken_address):
                text = "node(s) didn't have free ports for the requested pod ports"
                return Refusal((text,), hopeless=False)
    return None


def resources(pod: JSONObject, candidate: Candidate) -> Refusal | None:
    """NodeResourcesFit: every resource that does not suffice is named."""
    allocatable = status_of(candidate.node).get("allocatable") or {}
    usage = candidate.usage
    reasons: list[str] = []
    hopeless = False
    if usage.pods + 1 > _amount(allocatable, "pods"):
        reasons.append("Too many pods")
    for name, wanted in candidate.wanted.items():
        has = _amount(allocatable, name)
        if wanted and wanted > has - usage.requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or wanted > has
    return Refusal(tuple(reasons), hopeless) if reasons else None


def _amount(allocatable: JSONObject, name: str) -> int:
    if name not in allocatable:
        return 0
    amount = Quantity.from_json(allocatable[name])
    return amount.milli_value() if name == "cpu" else amount.value()


FILTERS: tuple[Filter, ...] = (unschedulable, taints, node_affinity, ports, resources)


def refusal(pod: JSONObject, candidate: Candidate, more: Iterable[Filter] = ()) -> Refusal | None:
    """Why a node does not take a Pod; None if it does."""
    for check in (*FILTERS, *more):
        found = check(pod, candidate)
        if found is not None:
            return found
    return None


def fit_error(refusals: Sequence[Refusal], *, never_preempts: bool) -> str:
    """The message of FailedScheduling: framework.FitError, with what preemption had to say."""
    total = len(refusals)
    counts = Counter(reason for r in refusals for reason in r.reasons)
    if never_preempts:
        preemption = "not eligible due to preemptionPolicy=Never."
    else:
        texts = Counter(
            "Preemption is not helpful for scheduling"
            if r.hopeless
            else "No preemption victims found for incoming pod"
            for r in refusals
        )
        preemption = f"0/{total} nodes are available: {_histogram(texts)}."
    return f"0/{total} nodes are available: {_histogram(counts)}. preemption: {preemption}"


def refused_before(total: int, message: str) -> str:
    """The message where a Pod is refused before any node is looked at (PreFilter)."""
    return (
        f"0/{total} nodes are available: {message}. preemption: 0/{total} nodes are available:"
        f" {total} Preemption is not helpful for scheduling."
    )


def _histogram(counts: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
