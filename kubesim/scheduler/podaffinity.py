"""Where a Pod wants to be among other Pods: inter-Pod affinity, anti-affinity and topology spread, what is
required of it.

Rules as in pkg/scheduler/framework/plugins/{interpodaffinity,podtopologyspread} of Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubesim.apimachinery.labels import selector_from_label_selector
from kubesim.apimachinery.meta import is_terminating, labels_of, name_of, namespace_of, split_key
from kubesim.apis.podfacts import is_terminal, spec_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.resources import NAMESPACES, PODS
from kubesim.scheduler.filters import Candidate, Filter, Refusal
from kubesim.scheduler.nodeaffinity import matches_required
from kubesim.util.jsontypes import JSONObject

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
Place = tuple[str, str]
"""A topology key and its value: a zone, a node."""


class PodRelations:
    """Makes the filters that depend on other Pods, for one Pod; none for a Pod that asks for nothing of
    the kind.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def filters(
        self, pod: JSONObject, nodes: Mapping[str, JSONObject], repelling: Iterable[str]
    ) -> list[Filter]:
        """The filters for a Pod. `repelling` are the keys of the Pods that have a required anti-affinity."""
        spec = spec_of(pod)
        affinity = spec.get("affinity") or {}
        found: list[Filter] = []
        spread = [
            c
            for c in spec.get("topologySpreadConstraints") or ()
            if c.get("whenUnsatisfiable") != "ScheduleAnyway"
        ]
        if spread:
            found.append(self._spread(pod, spread, nodes))
        wanted = (affinity.get("podAffinity") or {}).get(_REQUIRED) or []
        if wanted:
            found.append(self._affinity(pod, wanted, nodes))
        unwanted = (affinity.get("podAntiAffinity") or {}).get(_REQUIRED) or []
        if unwanted:
            found.append(self._anti_affinity(pod, unwanted, nodes))
        forbidden = self._forbidden(pod, repelling, nodes)
        if forbidden:
            found.append(_keep_away(forbidden))
        return found

    def _affinity(
        self, pod: JSONObject, terms: Sequence[JSONObject], nodes: Mapping[str, JSONObject]
    ) -> Filter:
        places = [self._places(pod, term, nodes) for term in terms]
        # A Pod that is the first of its kind may go anywhere: satisfyPodAffinity.
        first = not any(places) and all(self._selects(pod, term, pod) for term in terms)

        def check(_: JSONObject, candidate: Candidate) -> Refusal | None:
            labels = labels_of(candidate.node)
            for term, present in zip(terms, places, strict=True):
                key = term["topologyKey"]
                here = labels.get(key)
                if here is None or (not first and (key, here) not in present):
                    return Refusal(("node(s) didn't match pod affinity rules",))
            return None

        return check

    def _anti_affinity(
        self, pod: JSONObject, terms: Sequence[JSONObject], nodes: Mapping[str, JSONObject]
    ) -> Filter:
        taken = set().union(*(self._places(pod, term, nodes) for term in terms))

        def check(_: JSONObject, candidate: Candidate) -> Refusal | None:
            labels = labels_of(candidate.node)
            if any((t["topologyKey"], labels.get(t["topologyKey"])) in taken for t in terms):
                return Refusal(("node(s) didn't match pod anti-affinity rules",), hopeless=False)
            return None

        return check

    def _forbidden(
        self, pod: JSONObject, repelling: Iterable[str], nodes: Mapping[str, JSONObject]
    ) -> set[Place]:
        """The places that Pods which are there already do not want to share with this one."""
        found = set()
        for key in sorted(repelling):
            namespace, name = split_key(key)
            other = get_or_none(self._client, PODS, name, namespace)
            node = nodes.get(spec_of(other).get("nodeName") or "") if other else None
            if other is None or node is None or is_terminal(other):
                continue
            terms = ((spec_of(other).get("affinity") or {}).get("podAntiAffinity") or {}).get(_REQUIRED) or ()
            for term in terms:
                value = labels_of(node).get(term["topologyKey"])
                if value is not None and self._selects(other, term, pod):
                    found.add((term["topologyKey"], value))
        return found

    def _spread(
        self, pod: JSONObject, constraints: Sequence[JSONObject], nodes: Mapping[str, JSONObject]
    ) -> Filter:
        counts = [self._counts(pod, c, nodes) for c in constraints]

        def check(_: JSONObject, candidate: Candidate) -> Refusal | None:
            labels = labels_of(candidate.node)
            for constraint, per_place in zip(constraints, counts, strict=True):
                here = labels.get(constraint["topologyKey"])
                text = "node(s) didn't match pod topology spread constraints"
                if here is None:
                    return Refusal((f"{text} (missing required label)",))
                own = selector_from_label_selector(constraint.get("labelSelector")).matches(labels_of(pod))
                fewest = min(per_place.values(), default=0)
                if len(per_place) < (constraint.get("minDomains") or 1):
                    fewest = 0
                if per_place.get(here, 0) + int(own) - fewest > constraint["maxSkew"]:
                    return Refusal((text,), hopeless=False)
            return None

        return check

    def _counts(
        self, pod: JSONObject, constraint: JSONObject, nodes: Mapping[str, JSONObject]
    ) -> dict[str, int]:
        """How many Pods that the constraint counts there are in each place that the Pod could be in."""
        key = constraint["topologyKey"]
        eligible = {n: o for n, o in nodes.items() if key in labels_of(o) and matches_required(pod, o)}
        found = {labels_of(o)[key]: 0 for o in eligible.values()}
        for other in self._pods(namespace_of(pod), constraint.get("labelSelector")):
            node = eligible.get(spec_of(other).get("nodeName") or "")
            if node is not None and not is_terminating(other):
                found[labels_of(node)[key]] += 1
        return found

    def _places(self, pod: JSONObject, term: JSONObject, nodes: Mapping[str, JSONObject]) -> set[Place]:
        """Where there are Pods that a term names."""
        key = term["topologyKey"]
        found = set()
        for namespace in self._namespaces(pod, term):
            for other in self._pods(namespace, term.get("labelSelector")):
                node = nodes.get(spec_of(other).get("nodeName") or "")
                value = labels_of(node).get(key) if node else None
                if value is not None:
                    found.add((key, value))
        return found

    def _pods(self, namespace: str, label_selector: JSONObject | None) -> list[JSONObject]:
        selector = selector_from_label_selector(label_selector)
        found = items(self._client.list(PODS, namespace, label_selector=str(selector)))
        return [p for p in found if not is_terminal(p) and selector.matches(labels_of(p))]

    def _namespaces(self, owner: JSONObject, term: JSONObject) -> list[str]:
        named = list(term.get("namespaces") or ())
        selector = term.get("namespaceSelector")
        if selector is None:
            return named or [namespace_of(owner)]
        wanted = selector_from_label_selector(selector)
        every = items(self._client.list(NAMESPACES))
        return [
            *named,
            *(name_of(n) for n in every if wanted.matches(labels_of(n)) and name_of(n) not in named),
        ]

    def _selects(self, owner: JSONObject, term: JSONObject, pod: JSONObject) -> bool:
        if namespace_of(pod) not in self._namespaces(owner, term):
            return False
        return selector_from_label_selector(term.get("labelSelector")).matches(labels_of(pod))


def _keep_away(forbidden: set[Place]) -> Filter:
    def check(_: JSONObject, candidate: Candidate) -> Refusal | None:
        labels = labels_of(candidate.node)
        if any(labels.get(key) == value for key, value in forbidden):
            return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), hopeless=False)
        return None

    return check
