"""The EndpointSlice controller: for each Service with a selector, its Pods' addresses in slices of a hundred.

Rules as in k8s.io/endpointslice of Kubernetes 1.32: `slicing` packs, this module looks and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubesim.apimachinery.errors import StatusError, is_namespace_terminating
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import key_of, labels_of, namespace_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import spec_of
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_label, items
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import EventRecorder, object_reference
from kubesim.client.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kubesim.controllers.selection import ServiceFinder, ServiceView, selector_of
from kubesim.controllers.slicing import MANAGED_BY, SERVICE_NAME, Plan, ZoneOf, plan_slices
from kubesim.controllers.topologyhints import (
    ZONE,
    TopologyHints,
    cpu_ratios,
    is_overloaded,
    is_ready,
    wants_hints,
)
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

CONTROLLER = "endpointslice-controller.k8s.io"
_HINTED = "controllers/topologyhints/"


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
                if is_namespace_terminating(error):
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

    def __init__(
        self,
        client: Client,
        *,
        finder: ServiceFinder,
        view: ServiceView,
        recorder: EventRecorder,
        state: StateStore,
    ) -> None:
        self._client = client
        self._finder = finder
        self._view = view
        self._recorder = recorder
        self._state = state
        self._hinted: dict[str, bytes] | None = None
        """By key, the Services that have the annotation for hints: the uid of one that has got them, else nothing."""
        self._ratios: dict[str, float] | None = None
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
        if any(event.object.get("kind") == "Node" for event in events):
            self._ratios = None

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
            self._hinted, self._ratios = None, None

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        service = self._view.service(key)
        if key not in self._current:
            self.begin([key])
        current = self._current.pop(key)
        if service is None:
            # The garbage collector deletes the slices of a Service that is gone: they have it as their owner.
            self._remember(key, None)
            return DONE
        if spec_of(service).get("type") == "ExternalName" or not selector_of(service):
            return DONE
        hints = self._hints(key, service)
        plan = plan_slices(
            service,
            self._view.pods(key),
            current,
            controller=CONTROLLER,
            zone_of=self._zone_of(),
            hints=hints,
        )
        result = DONE
        if not plan.is_empty:
            result = self._writer.carry_out(plan, namespace, f"Service {namespace}/{name}")
        if hints is not None:
            self._recorder.events(object_reference(service, "Service"), hints.events)
            uid = service["metadata"]["uid"].encode() if hints.populated else b"-"
            self._remember(key, uid if wants_hints(service) else None)
        return result

    def _hints(self, key: str, service: JSONObject) -> TopologyHints | None:
        """None for a Service that does not have the annotation, and has no hints by it."""
        populated = self._known().get(key) == service["metadata"]["uid"].encode()
        if not (populated or wants_hints(service)):
            return None
        if self._ratios is None:
            self._ratios = cpu_ratios(items(self._client.list(NODES)))
        return TopologyHints(self._ratios, populated=populated)

    def _known(self) -> dict[str, bytes]:
        if self._hinted is None:
            found = self._state.items(_HINTED)
            self._hinted = {name.removeprefix(_HINTED): value for name, value in found.items()}
        return self._hinted

    def _remember(self, key: str, value: bytes | None) -> None:
        known = self._known()
        if known.get(key) == value:
            return
        self._state.set(_HINTED + key, value)
        if value is None:
            del known[key]
        else:
            known[key] = value

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
        """A node that appears, goes, moves to another zone or is ready no more: the Services of its Pods, and those for
        whose hints it matters.
        """
        node, old = event.object, event.old
        zone, was = labels_of(node).get(ZONE), labels_of(old).get(ZONE) if old else None
        if event.type != "MODIFIED" or old is None or zone != was:
            return dict.fromkeys([*self._services_on(node["metadata"]["name"]), *self._unbalanced()])
        return self._unbalanced() if is_ready(node) != is_ready(old) else ()

    def _services_on(self, node: str) -> list[str]:
        pods = by_index(self._client, PODS, "", "field", [f"spec.nodeName={node}"])
        changes = [WatchEvent("ADDED", {"apiVersion": "v1", "kind": "Pod"} | p) for p in pods if labels_of(p)]
        if not changes:
            return []
        finder = ServiceFinder(self._client)
        finder.observe(changes)
        return [key for change in changes for key in finder.services_of(change)]

    def _unbalanced(self) -> list[str]:
        """Services with the annotation whose hints no longer fit the nodes, or that may get some now.

        Kubernetes finds the latter when it looks at the Service for another reason, at the latest after half a day.
        """
        found = []
        ratios = cpu_ratios(items(self._client.list(NODES))) if self._known() else {}
        for key, value in self._known().items():
            namespace, name = split_key(key)
            slices = by_label(self._client, ENDPOINT_SLICES, namespace, SERVICE_NAME, [name])
            mine = [s for s in slices if labels_of(s).get(MANAGED_BY) == CONTROLLER]
            if value == b"-" or is_overloaded(mine, ratios):
                found.append(key)
        return found
