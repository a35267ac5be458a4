"""The reconciler of all kubelets: one key is one Pod."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import (
    annotations_of,
    is_terminating,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    split_key,
    uid_of,
)
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import is_terminal, spec_of, status_of
from kubesim.client.client import Client
from kubesim.client.lister import by_names, get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import EventBroadcaster, EventRecorder, object_reference
from kubesim.client.resources import CONFIG_MAPS, PODS, SECRETS
from kubesim.kubelet.addresses import PodAddresses
from kubesim.kubelet.catalogues import Catalogues
from kubesim.kubelet.config import KubeletConfig
from kubesim.kubelet.containers import Containers, PodWork
from kubesim.kubelet.hooks import NetworkOf
from kubesim.kubelet.podworker import PodWorker, next_look
from kubesim.kubelet.record import PodRecord, Records
from kubesim.kubelet.sources import Sources
from kubesim.kubelet.status import pod_status
from kubesim.kubelet.volumes import references
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

# Which Pods use a ConfigMap or a Secret: `kubelet/uses/KIND/NAMESPACE/NAME/POD`.
_USES: Final = "kubelet/uses/"
# Every Pod has it mounted, and it is made before any Pod: those that wait for it are found by their phase.
_ROOT_CA: Final = ("configmaps", "kube-root-ca.crt")


class Kubelet:
    """The kubelets of the simulated nodes."""

    name = "kubelet"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        identities: Identities,
        events: EventBroadcaster,
        state: StateStore,
        runtime: ContainerRuntime,
        nodes: Collection[str],
        config: KubeletConfig,
        present: Callable[[], datetime],
        catalogues: Catalogues,
        network: NetworkOf | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._events = events
        self._state = state
        self._nodes = frozenset(nodes)
        self._config = config
        self._records = Records(state)
        self._runtime = runtime
        self._sources = Sources(client)
        self._catalogues = catalogues
        self._recorders: dict[str, EventRecorder] = {}
        self._pods: dict[str, JSONObject | None] = {}
        containers = Containers(
            runtime=runtime,
            sources=self._sources,
            state=state,
            identities=identities,
            config=config,
            present=present,
            catalogues=catalogues,
            network=network,
        )
        self._worker = PodWorker(
            runtime=runtime,
            containers=containers,
            sources=self._sources,
            addresses=PodAddresses(state),
            present=present,
        )
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            PODS: self._pod_changed,
            CONFIG_MAPS: lambda event: self._users("configmaps", event),
            SECRETS: lambda event: self._users("secrets", event),
        }

    # Which Pods a change concerns.

    def _pod_changed(self, event: WatchEvent) -> Iterable[str]:
        """Pods of these nodes, except where only the kubelet's own report has changed."""
        pod, old = event.object, event.old
        if spec_of(pod).get("nodeName") not in self._nodes:
            return ()
        if event.type == "MODIFIED" and old is not None and _asked(old) == _asked(pod):
            return ()
        return (key_of(pod),)

    def _users(self, kind: str, event: WatchEvent) -> Iterable[str]:
        namespace, name = namespace_of(event.object), name_of(event.object)
        prefix = f"{_USES}{kind}/{namespace}/{name}/"
        return [f"{namespace}/{found[len(prefix) :]}" for found in self._state.items(prefix)]

    # Reading much at once.

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """Nothing: changes of Pods carry all that has to be known of them."""

    def begin(self, keys: Sequence[str]) -> None:
        self._sources.forget()
        self._catalogues.look_anew()
        self._runtime.look_anew()  # commands in containers run in other threads and processes
        by_namespace: dict[str, list[str]] = {}
        for key in keys:
            namespace, name = split_key(key)
            by_namespace.setdefault(namespace, []).append(name)
        for namespace, names in by_namespace.items():
            found = by_names(self._client, PODS, namespace, names)
            self._pods |= {f"{namespace}/{n}": found.get(n) for n in names}

    def end(self, *, over: bool) -> None:
        self._pods = {}
        self._sources.forget()

    # The work.

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        pod = self._pods.pop(key) if key in self._pods else get_or_none(self._client, PODS, name, namespace)
        record = self._records.load(key)
        actions: list[str] = []
        if record is not None and (pod is None or uid_of(pod) != record.uid):
            self._forget(key, record)
            actions.append(f"removed what was left of Pod {key} on node {record.node}")
            record = None
        if pod is None or not self._is_mine(pod):
            return Result(tuple(actions))
        if record is None:
            if is_terminating(pod):
                return Result((*actions, *self._delete(key, pod)))
            if is_terminal(pod):
                return Result(tuple(actions))
            record = PodRecord(uid_of(pod), spec_of(pod)["nodeName"], self._clock.now())
        work = PodWork(key, pod, record, self._clock.now(), actions=actions)
        if is_terminating(pod):
            return self._terminate(work)
        if record.ended:
            return DONE
        self._worker.sync(work)
        return self._finish(work)

    def _is_mine(self, pod: JSONObject) -> bool:
        held = self._config.hold_annotation in annotations_of(pod)
        return spec_of(pod).get("nodeName") in self._nodes and not held

    def _finish(self, work: PodWork) -> Result:
        """Record the Events, report the status, remember, and say when to look again."""
        self._record_events(work)
        self._report(work)
        self._use(work)
        self._records.save(work.key, work.record)
        self._runtime.flush_talked()  # what probes have left in logs
        look = next_look(work)
        wait = max(look - work.now, timedelta(0)) if look is not None else None
        return Result(tuple(work.actions), wait)

    def _record_events(self, work: PodWork) -> None:
        if work.events:
            node = work.record.node
            recorder = self._recorders.get(node)
            if recorder is None:
                recorder = self._recorders[node] = self._events.recorder("kubelet", node)
            recorder.events(object_reference(work.pod, "Pod"), work.events)

    def _report(self, work: PodWork) -> None:
        status = pod_status(work.pod, work.record, work.now)
        if status == status_of(work.pod):
            return
        namespace = namespace_of(work.pod)
        work.pod = self._client.update(PODS, work.pod | {"status": status}, namespace, subresource="status")

    def _use(self, work: PodWork) -> None:
        """Remember which ConfigMaps and Secrets the Pod uses, so that their changes are seen."""
        namespace, name = namespace_of(work.pod), name_of(work.pod)
        used = references(work.pod)
        if work.record.has_sandbox:
            used.discard(_ROOT_CA)
        notes = sorted(f"{_USES}{kind}/{namespace}/{of}/{name}" for kind, of in used)
        for note in set(notes) ^ set(work.record.uses):
            self._state.set(note, b"1" if note in notes else None)
        work.record.uses = notes

    # The end of a Pod.

    def _terminate(self, work: PodWork) -> Result:
        over = self._worker.terminate(work)
        result = self._finish(work)
        if not over:
            return result
        actions = [*result.actions, *self._delete(work.key, work.pod)]
        self._forget(work.key, work.record)
        return Result(tuple(actions))

    def _delete(self, key: str, pod: JSONObject) -> list[str]:
        """The Pod's containers have ended: the object may go."""
        if pod["metadata"].get("deletionGracePeriodSeconds") == 0 and pod["metadata"].get("finalizers"):
            return []  # it waits for its finalizers alone
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid_of(pod)}}
        try:
            self._client.delete(PODS, name_of(pod), namespace_of(pod), delete_options=options)
        except StatusError as error:
            if error.code in (404, 409):
                return []
            raise
        return [f"deleted Pod {key}: its containers have ended"]

    def _forget(self, key: str, record: PodRecord) -> None:
        self._worker.forget(record)
        for note in record.uses:
            self._state.set(note, None)
        self._records.save(key, None)


def _asked(pod: JSONObject) -> object:
    """What of a Pod the kubelet obeys."""
    metadata = pod["metadata"]
    return (
        spec_of(pod),
        metadata.get("deletionTimestamp"),
        metadata.get("deletionGracePeriodSeconds"),
        metadata.get("annotations"),
        labels_of(pod),
        metadata.get("finalizers"),
        [c for c in status_of(pod).get("conditions") or () if c["type"] not in _REPORTED],
    )


_REPORTED: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
