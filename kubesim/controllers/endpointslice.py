"""The EndpointSlice controller: for each Service with a selector, its Pods' addresses in slices of a hundred.

Rules as in k8s.io/endpointslice of Kubernetes 1.32: `slicing` packs, this module looks and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import key_of, labels_of, namespace_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import spec_of
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_label
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kubesim.controllers.selection import ServiceFinder, ServiceView, selector_of
from kubesim.controllers.slicing import MANAGED_BY, SERVICE_NAME, Plan, ZoneOf, plan_slices
from kubesim.util.jsontypes import JSONObject

CONTROLLER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"


class SliceWriter:
    """Carries out plans, and knows its own writes when they come back in the log."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._written: set[tuple[str, str]] = set()

    def is_own(self, event: WatchEvent) -> bool:
        """Whether this writer made that change."""
        metadata = event.object["metadata"]
        how = "deleted" if event.type == "DELETED" else metadata["resourceVersion"]
        mark = (metadata["uid"], how)
        if mark not in self._written:
            return False
        self._written.discard(mark)
        return True

    def carry_out(self, plan: Plan, namespace: str, of: str) -> Result:
        """Create, update and delete slices; `of` names the object that they belong to."""
        actions = []
        for wanted in plan.create:
            try:
                made = self._client.create(ENDPOINT_SLICES, wanted, namespace)
            except StatusError as error:
                if error.code == 403 and any(c.get("reason") == "NamespaceTerminating" for c in error.causes):
                    return DONE  # creations will go on failing, and the namespace will go
                raise
            self._remember(made)
            actions.append(f"created EndpointSlice {key_of(made)} for {of}: {_summary(made)}")
        for wanted in plan.update:
            made = self._client.update(ENDPOINT_SLICES, wanted, namespace)
            self._remember(made)
            actions.append(f"updated EndpointSlice {key_of(made)} for {of}: {_summary(made)}")
        for name, uid in plan.delete:
            self._written.add((uid, "deleted"))
            try:
                self._client.delete(ENDPOINT_SLICES, name, namespace)
            except StatusError as error:
                if error.code != 404:
                    raise
            actions.append(f"deleted EndpointSlice {namespace}/{name} of {of}")
        return Result(tuple(actions))

    def _remember(self, made: JSONObject) -> None:
        metadata = made["metadata"]
        self._written.add((metadata["uid"], metadata["resourceVersion"]))


def _summary(found: JSONObject) -> str:
    endpoints = found.get("endpoints") or ()
    ready = sum(1 for e in endpoints if (e.get("conditions") or {}).get("ready") is not False)
    return f"{ready} of {len(endpoints)} endpoints ready"


class EndpointSliceController:
    """One key is one Service, and the slices that name it in their label."""

    name = "endpointslice-controller"

    def __init__(self, client: Client, *, finder: ServiceFinder, view: ServiceView) -> None:
        self._client = client
        self._finder = finder
        self._view = view
        self._writer = SliceWriter(client)
        self._current: dict[str, list[JSONObject]] = {}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            SERVICES: lambda event: [key_of(event.object)],
            PODS: finder.services_of,
            ENDPOINT_SLICES: self._slice_changed,
            NODES: self._node_changed,
        }

    def observe(self, events: Sequence[WatchEvent]) -> None:
        self._finder.observe(events)
        self._view.observe(events)

    def begin(self, keys: Sequence[str]) -> None:
        self._view.load(keys)
        by_namespace: dict[str, list[str]] = {}
        for key in keys:
            namespace, name = split_key(key)
            by_namespace.setdefault(namespace, []).append(name)
            self._current[key] = []
        for namespace, names in by_namespace.items():
            for found in by_label(self._client, ENDPOINT_SLICES, namespace, SERVICE_NAME, names):
                labels = labels_of(found)
                if labels.get(MANAGED_BY) == CONTROLLER:
                    self._current[f"{namespace}/{labels[SERVICE_NAME]}"].append(found)

    def end(self, *, over: bool) -> None:
        self._current = {}
        if over:
            self._view.forget()  # Endpoints have had their turn before

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        service = self._view.service(key)
        if key not in self._current:
            self.begin([key])
        current = self._current.pop(key)
        if service is None:
            # The garbage collector deletes the slices of a Service that is gone: they have it as their owner.
            return DONE
        if spec_of(service).get("type") == "ExternalName" or not selector_of(service):
            return DONE
        plan = plan_slices(
            service, self._view.pods(key), current, controller=CONTROLLER, zone_of=self._zone_of()
        )
        if plan.is_empty:
            return DONE
        return self._writer.carry_out(plan, namespace, f"Service {namespace}/{name}")

    def _zone_of(self) -> ZoneOf:
        """The zone of a node, empty if it has none; None for a node that does not exist."""

        def zone_of(name: str) -> str | None:
            node = self._view.node(name)
            return None if node is None else labels_of(node).get(ZONE, "")

        return zone_of

    def _slice_changed(self, event: WatchEvent) -> Iterable[str]:
        """A slice that somebody else changed, made or deleted is looked at."""
        if self._writer.is_own(event):
            return ()
        keys = []
        for obj in (event.object, event.old):
            labels = labels_of(obj) if obj else {}
            if labels.get(MANAGED_BY) == CONTROLLER and labels.get(SERVICE_NAME):
                keys.append(f"{namespace_of(event.object)}/{labels[SERVICE_NAME]}")
        return dict.fromkeys(keys)

    def _node_changed(self, event: WatchEvent) -> Iterable[str]:
        """A node that appears, goes or moves to another zone: the Services of its Pods."""
        zone = labels_of(event.object).get(ZONE)
        if event.type == "MODIFIED" and event.old and labels_of(event.old).get(ZONE) == zone:
            return []
        pods = by_index(
            self._client, PODS, "", "field", [f"spec.nodeName={event.object['metadata']['name']}"]
        )
        changes = [WatchEvent("ADDED", {"apiVersion": "v1", "kind": "Pod"} | p) for p in pods if labels_of(p)]
        if not changes:
            return []
        finder = ServiceFinder(self._client)
        finder.observe(changes)
        return dict.fromkeys(key for change in changes for key in finder.services_of(change))
