"""The scheduler: one pending Pod after the other gets the node that fits and bears the fewest Pods.

What it writes is what kube-scheduler 1.32 writes: a Binding and the Event `Scheduled`, or the condition
PodScheduled and the Event `FailedScheduling` with the reason of every node. The choice among nodes that fit
is simpler, and the same each time: preferences first, then the fewest Pods, then the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import (
    is_terminating,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    split_key,
    uid_of,
)
from kubesim.apimachinery.rest import STRATEGIC_MERGE_PATCH
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import condition, is_terminal, spec_of, status_of
from kubesim.apis.tolerations import first_untolerated
from kubesim.client.client import Client
from kubesim.client.lister import by_index, get_or_none, items
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import NORMAL, WARNING, EventRecorder, object_reference
from kubesim.client.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS
from kubesim.scheduler.filters import Candidate, Refusal, fit_error, refusal, refused_before
from kubesim.scheduler.nodeaffinity import preference
from kubesim.scheduler.podaffinity import PodRelations
from kubesim.scheduler.usage import NodeUsage, UsageLedger, weight
from kubesim.util.clock import Clock, format_time
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

SCHEDULER_NAME: Final = "default-scheduler"
_INSTANCE: Final = "default-scheduler-control-plane"
_RETRY: Final = "(pending)"


class Scheduler:
    """Keys are those of Pods; `(pending)` stands for every Pod that waits for a node."""

    name = "scheduler"

    def __init__(self, client: Client, *, clock: Clock, recorder: EventRecorder, state: StateStore) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._ledger = UsageLedger(state)
        self._relations = PodRelations(client)
        self._nodes: dict[str, JSONObject] = {}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            PODS: _pod_changed,
            NODES: _node_changed,
            PERSISTENT_VOLUME_CLAIMS: lambda event: (_RETRY,),
        }

    def observe(self, events: Sequence[WatchEvent]) -> None:
        self._ledger.load()
        self._ledger.follow(events)

    def begin(self, keys: Sequence[str]) -> None:
        self._ledger.load()
        self._nodes = {name_of(n): n for n in items(self._client.list(NODES))}

    def end(self, *, over: bool) -> None:
        self._nodes = {}

    def reconcile(self, key: str) -> Result:
        if key != _RETRY:
            namespace, name = split_key(key)
            pod = get_or_none(self._client, PODS, name, namespace)
            return self._schedule(pod) if pod is not None and _is_mine(pod) else DONE
        actions: list[str] = []
        for pod in by_index(self._client, PODS, "", "field", ["status.phase=Pending"]):
            if _is_mine(pod):
                actions += self._schedule(pod).actions
        return Result(tuple(actions))

    def _schedule(self, pod: JSONObject) -> Result:
        if not self._nodes:
            return self._failed(pod, "no nodes available to schedule pods")
        problem = self._volume_problem(pod)
        if problem:
            return self._failed(pod, refused_before(len(self._nodes), problem))
        fitting: list[Candidate] = []
        refusals: list[Refusal] = []
        wanted = weight(pod)
        more = self._relations.filters(pod, self._nodes, self._ledger.repelling)
        for name, node in self._nodes.items():
            candidate = Candidate(node, self._ledger.nodes.get(name) or NodeUsage(), wanted)
            found = refusal(pod, candidate, more)
            if found is None:
                fitting.append(candidate)
            else:
                refusals.append(found)
        if not fitting:
            never = spec_of(pod).get("preemptionPolicy") == "Never"
            return self._failed(pod, fit_error(refusals, never_preempts=never))
        return self._bind(pod, name_of(min(fitting, key=lambda c: _rank(pod, c)).node))

    def _volume_problem(self, pod: JSONObject) -> str:
        """VolumeBinding's PreFilter: claims that are not there, or not bound. Nobody provisions volumes
        here.
        """
        for volume in spec_of(pod).get("volumes") or ():
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if not claim:
                continue
            found = get_or_none(self._client, PERSISTENT_VOLUME_CLAIMS, claim, namespace_of(pod))
            if found is None:
                return f'persistentvolumeclaim "{claim}" not found'
            if is_terminating(found):
                return f'persistentvolumeclaim "{claim}" is being deleted'
            if not spec_of(found).get("volumeName"):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _bind(self, pod: JSONObject, node: str) -> Result:
        namespace, name = namespace_of(pod), name_of(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": namespace, "name": name, "uid": uid_of(pod)},
            "target": {"kind": "Node", "name": node},
        }
        try:
            self._client.create(PODS, binding, namespace, name=name, subresource="binding")
        except StatusError as error:
            if error.code in (404, 409):
                return DONE  # gone, or bound by somebody else
            raise
        self._ledger.assume(pod, node)
        text = f"Successfully assigned {namespace}/{name} to {node}"
        self._recorder.note(
            object_reference(pod, "Pod"), NORMAL, "Scheduled", action="Binding", note=text, instance=_INSTANCE
        )
        return Result((f"assigned Pod {namespace}/{name} to {node}",))

    def _failed(self, pod: JSONObject, message: str) -> Result:
        """HandleSchedulingFailure. Another try with the same result says nothing new."""
        known = condition(pod, "PodScheduled")
        if known and known.get("status") == "False" and known.get("message") == message:
            return DONE
        namespace, name = namespace_of(pod), name_of(pod)
        self._recorder.note(
            object_reference(pod, "Pod"),
            WARNING,
            "FailedScheduling",
            action="Scheduling",
            note=message,
            instance=_INSTANCE,
        )
        since = format_time(self._clock.now())
        if known and known.get("status") == "False":
            since = known.get("lastTransitionTime") or since
        scheduled = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "reason": "Unschedulable",
            "message": message,
        }
        change = {"status": {"conditions": [scheduled]}}
        self._client.patch(PODS, name, change, STRATEGIC_MERGE_PATCH, namespace, subresource="status")
        return Result((f"found no node for Pod {namespace}/{name}: {message}",))


def _is_mine(pod: JSONObject) -> bool:
    spec = spec_of(pod)
    waits = not spec.get("nodeName") and not spec.get("schedulingGates")
    named = (spec.get("schedulerName") or SCHEDULER_NAME) == SCHEDULER_NAME
    return waits and named and not is_terminating(pod) and not is_terminal(pod)


def _rank(pod: JSONObject, candidate: Candidate) -> tuple[int, int, int, str]:
    tolerations = spec_of(pod).get("tolerations") or ()
    taints = spec_of(candidate.node).get("taints") or ()
    unwelcome = sum(1 for t in taints if first_untolerated([t], tolerations, ("PreferNoSchedule",)))
    return unwelcome, -preference(pod, candidate.node), candidate.usage.pods, name_of(candidate.node)


def _pod_changed(event: WatchEvent) -> Iterable[str]:
    """A Pod that waits; and one that makes room by going, for all that wait."""
    pod, old = event.object, event.old
    if event.type == "DELETED":
        return (_RETRY,) if spec_of(pod).get("nodeName") else ()
    if old is not None and is_terminal(pod) and not is_terminal(old):
        return (_RETRY,)
    if not _is_mine(pod):
        return ()
    if old is not None and spec_of(old) == spec_of(pod) and labels_of(old) == labels_of(pod):
        return ()  # what the scheduler itself has written about it
    return (key_of(pod),)


def _node_changed(event: WatchEvent) -> Iterable[str]:
    """What makes a node fit that did not: its labels, taints, resources."""
    old = event.old
    if event.type == "MODIFIED" and old is not None and _facts(old) == _facts(event.object):
        return ()
    return (_RETRY,)


def _facts(node: JSONObject) -> object:
    spec = spec_of(node)
    return (
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status_of(node).get("allocatable"),
    )
