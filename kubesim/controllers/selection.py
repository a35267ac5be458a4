"""From Pods to the Services that select them, and from Services to the Pods they select, asked for once a
round.

`ServiceFinder` answers for changed Pods, `ServiceView` for Services that are to be reconciled. Both are
shared by the controllers of Endpoints and EndpointSlices, ask through the indexes for exactly what a round
needs, and forget it when something changes. What a view holds may be older than the store for a moment;
whatever made it old is in the log, and leads to another round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubesim.apimachinery.meta import labels_of, name_of, namespace_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import endpoint_facts, endpoints_changed, membership_changed, spec_of
from kubesim.apis.serviceselectors import INDEX, entries_selecting
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_names, get_or_none, items
from kubesim.client.resources import NODES, PODS, SERVICES
from kubesim.client.unchanged import Unchanged
from kubesim.controllers.matching import SelectorIndex, match_all, pairs_to_look_up
from kubesim.util.jsontypes import JSONObject

_ALIVE = ("Pod", "Service", "Node")
# Where so many different labels have changed, it is quicker to read all Services of the namespace.
_MANY = 2_000
# So many entries are remembered of a namespace.
_MOST = 10 * _MANY


def selector_of(service: JSONObject) -> dict[str, str]:
    found = spec_of(service).get("selector")
    return found if isinstance(found, dict) else {}


class ServiceFinder:
    """The Services that select a Pod, for a round of events, with one look-up a namespace at most: what was looked
    up once is known until a Service changes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: tuple[str, ...] = ()
        self._unchanged = Unchanged(client, SERVICES)
        self._entries: dict[str, set[str]] = {}
        self._selectors: dict[str, dict[str, dict[str, str]]] = {}
        self._by_namespace: dict[str, SelectorIndex[str]] = {}

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """Look up the Services of all Pods that these events are about."""
        seen = (
            tuple(e.object["metadata"]["resourceVersion"] for e in (events[0], events[-1])) if events else ()
        )
        if seen == self._seen:
            return  # the other controller has asked already
        self._seen = seen
        wanted: dict[str, dict[str, None]] = {}
        for event in events:
            if event.object.get("kind") == "Pod":
                for labels in _concerned(event):
                    entries = wanted.setdefault(namespace_of(event.object), {})
                    if len(entries) <= _MANY:
                        entries.update(dict.fromkeys(entries_selecting(labels)))
        if not wanted:
            return
        if not self._unchanged():
            self._entries, self._selectors, self._by_namespace = {}, {}, {}
        for namespace, entries in wanted.items():
            self._look_up(namespace, entries)

    def _look_up(self, namespace: str, wanted: Iterable[str]) -> None:
        """Know the Services that have any of these entries."""
        known = self._entries.setdefault(namespace, set())
        if len(known) > _MOST:
            known.clear()
            self._selectors[namespace] = {}
        entries = [e for e in wanted if e not in known]
        if not entries:
            return
        known.update(entries)
        selectors = self._selectors.setdefault(namespace, {})
        for service in self._services(namespace, entries):
            selectors[f"{namespace}/{name_of(service)}"] = selector_of(service)
        self._by_namespace[namespace] = SelectorIndex(dict(sorted(selectors.items())))

    def _services(self, namespace: str, entries: Sequence[str]) -> list[JSONObject]:
        if len(entries) > _MANY:
            return items(self._client.list(SERVICES, namespace))
        return by_index(self._client, SERVICES, namespace, INDEX, entries)

    def services_of(self, event: WatchEvent) -> list[str]:
        """The keys of the Services whose endpoints a change of a Pod concerns.

        GetServicesToUpdate: where only labels changed, the Services that select it before or after, but not
        both.
        """
        index = self._by_namespace.get(namespace_of(event.object))
        if index is None:
            return []
        concerned = _concerned(event)
        found = [index.picking(labels) for labels in concerned]
        if len(found) < 2:
            return found[0] if found else []
        before, after = found
        old = event.old
        if old is not None and not endpoints_changed(old, event.object) and _same_name(old, event.object):
            return [*(k for k in before if k not in after), *(k for k in after if k not in before)]
        return list(dict.fromkeys([*before, *after]))


def _concerned(event: WatchEvent) -> list[dict[str, str]]:
    """The labels by which to look for Services: none, the Pod's, or those before and after."""
    if event.type != "MODIFIED" or event.old is None:
        return [labels_of(event.object)]
    if membership_changed(event.old, event.object):
        return [labels_of(event.old), labels_of(event.object)]
    return [labels_of(event.object)] if endpoints_changed(event.old, event.object) else []


def _same_name(old: JSONObject, new: JSONObject) -> bool:
    one, two = spec_of(old), spec_of(new)
    return (one.get("hostname"), one.get("subdomain")) == (two.get("hostname"), two.get("subdomain"))


class ServiceView:
    """Services with their Pods, and the nodes' zones; what a round has looked up stays until one of them
    changes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._services: dict[str, JSONObject | None] = {}
        self._pods: dict[str, list[JSONObject]] = {}
        self._having: dict[str, dict[tuple[str, str], list[JSONObject]]] = {}
        """The Pods of a namespace that have a label."""
        self._nodes: dict[str, JSONObject | None] = {}

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """Forget what these events have made old."""
        if any(event.object.get("kind") in _ALIVE for event in events):
            self.forget()

    def forget(self) -> None:
        self._services, self._pods, self._having, self._nodes = {}, {}, {}, {}

    def load(self, keys: Iterable[str]) -> None:
        """Look up the Services of these keys, and their Pods, with two questions a namespace at most."""
        by_namespace: dict[str, list[str]] = {}
        for key in keys:
            if key not in self._services:
                namespace, name = split_key(key)
                by_namespace.setdefault(namespace, []).append(name)
        for namespace, names in by_namespace.items():
            found = by_names(self._client, SERVICES, namespace, names)
            for name in names:
                self._services[f"{namespace}/{name}"] = found.get(name)
            self._load_pods(namespace, found)

    def _load_pods(self, namespace: str, services: dict[str, JSONObject]) -> None:
        selectors = {f"{namespace}/{name}": selector_of(s) for name, s in services.items()}
        asked = {key: s for key, s in selectors.items() if s}
        having = self._having.setdefault(namespace, {})
        missing = {key: s for key, s in asked.items() if having.keys().isdisjoint(s.items())}
        if len(missing) == 1:
            # One alone is found by its rarest label.
            ((key, selector),) = missing.items()
            text = ",".join(f"{k}={v}" for k, v in selector.items())
            found = items(self._client.list(PODS, namespace, label_selector=text))
            self._pods[key] = [endpoint_facts(p) for p in found]
            del asked[key]
        else:
            self._look_up(namespace, missing.values())
        for key, selector in asked.items():
            few = min((having[pair] for pair in selector.items() if pair in having), key=len)
            one = len(selector) == 1
            self._pods[key] = few if one else [p for p in few if selector.items() <= labels_of(p).items()]

    def _look_up(self, namespace: str, selectors: Iterable[dict[str, str]]) -> None:
        """Know the Pods that have a label of each of these selectors."""
        pairs = pairs_to_look_up(selectors)
        if not pairs:
            return
        found = by_index(self._client, PODS, namespace, "label", [f"{k}={v}" for k, v in pairs])
        pods = [endpoint_facts(p) for p in found]
        matches = match_all({pair: dict([pair]) for pair in pairs}, [labels_of(p) for p in pods])
        for pair, positions in matches.items():
            self._having[namespace][pair] = [pods[p] for p in positions]

    def service(self, key: str) -> JSONObject | None:
        if key not in self._services:
            self.load([key])
        return self._services[key]

    def pods(self, key: str) -> list[JSONObject]:
        """The Pods that a Service selects, in the order of their names, with what endpoints are made of; they are
        shared, and only to be read.
        """
        self.service(key)
        return self._pods.get(key, [])

    def node(self, name: str) -> JSONObject | None:
        if name not in self._nodes:
            self._nodes[name] = get_or_none(self._client, NODES, name) if name else None
        return self._nodes[name]
