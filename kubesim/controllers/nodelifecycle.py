"""The node lifecycle and TTL controllers: a node's registration, its taints, and what becomes of one that
is silent.

Rules as in pkg/controller/nodelifecycle and pkg/controller/ttl of Kubernetes 1.32. The simulated kubelets
are never silent; a node that somebody has made by hand has no kubelet, and is Unknown after a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.rest import MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import condition, spec_of, status_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import NORMAL, EventRecorder, object_reference
from kubesim.client.resources import NODES
from kubesim.util.clock import Clock, format_time, parse_time
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
TTL: Final = "node.alpha.kubernetes.io/ttl"

# nodeConditionToTaintKeyStatusMap
_TAINT_OF: Final = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
_MANAGED: Final = {*_TAINT_OF.values(), UNSCHEDULABLE}
_STARTUP_GRACE: Final = timedelta(seconds=60)  # --node-startup-grace-period
_SILENT: Final = ("NodeStatusNeverUpdated", "Kubelet never posted node status.")


class NodeLifecycleController:
    """One key is one node."""

    name = "node-lifecycle-controller"

    def __init__(self, client: Client, *, clock: Clock, recorder: EventRecorder, state: StateStore) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._state = state
        self.watches: Mapping[GroupVersionResource, KeysOf] = {NODES: _changed}

    def reconcile(self, key: str) -> Result:
        node = get_or_none(self._client, NODES, key)
        note = f"controllers/node/{key}"
        if node is None:
            if self._state.get(note):
                self._state.set(note, None)
                self._event(key, "", "RemovingNode", f"Node {key} event: Removing Node {key} from Controller")
            return DONE
        actions = []
        uid = node["metadata"]["uid"]
        if self._state.get(note) != uid.encode():
            self._state.set(note, uid.encode())
            self._event(key, uid, "RegisteredNode", f"Node {key} event: Registered Node {key} in Controller")
            actions.append(f"registered node {key}")
        if condition(node, "Ready") is None:
            age = self._clock.now() - parse_time(node["metadata"]["creationTimestamp"])
            if age < _STARTUP_GRACE:
                actions += self._taint(node)
                return Result(tuple(actions), requeue_after=_STARTUP_GRACE - age)
            node = self._mark_unknown(node)
            actions.append(f"marked node {key} unknown: its kubelet never reported")
        return Result(tuple(actions + self._taint(node)))

    def _event(self, name: str, uid: str, reason: str, message: str) -> None:
        about = object_reference({"metadata": {"name": name}}, "Node", uid=uid)
        self._recorder.event(about, NORMAL, reason, message)

    def _mark_unknown(self, node: JSONObject) -> JSONObject:
        """tryUpdateNodeHealth, for a node that has never said anything."""
        now = format_time(self._clock.now())
        created = node["metadata"]["creationTimestamp"]
        reason, message = _SILENT
        unknown = [
            {
                "type": kind,
                "status": "Unknown",
                "lastHeartbeatTime": created,
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
            if condition(node, kind) is None
        ]
        status = {"conditions": [*(status_of(node).get("conditions") or ()), *unknown]}
        return self._client.patch(
            NODES, name_of(node), {"status": status}, STRATEGIC_MERGE_PATCH, subresource="status"
        )

    def _taint(self, node: JSONObject) -> list[str]:
        """DoNoScheduleTaintingPass and doEvictionPass: the taints that follow from conditions."""
        taints = list(spec_of(node).get("taints") or ())
        wanted = self._wanted(node)
        has = {(t["key"], t["effect"]) for t in taints if t["key"] in _MANAGED}
        if has == wanted or (not status_of(node).get("conditions") and not wanted - has):
            # A node that has not reported yet keeps the taint it was admitted with.
            return []
        kept = [t for t in taints if t["key"] not in _MANAGED or (t["key"], t["effect"]) in wanted]
        now = format_time(self._clock.now())
        made = [{"key": k, "effect": e, "timeAdded": now} for k, e in sorted(wanted - has)]
        change = {"spec": {"taints": [*kept, *made] or None}}
        self._client.patch(NODES, name_of(node), change, MERGE_PATCH)
        texts = ", ".join(f"{k}:{e}" for k, e in sorted(wanted)) or "none"
        return [f"set the taints of node {name_of(node)} that follow from its state: {texts}"]

    def _wanted(self, node: JSONObject) -> set[tuple[str, str]]:
        found = set()
        for entry in status_of(node).get("conditions") or ():
            key = _TAINT_OF.get((entry["type"], entry["status"]))
            if key:
                found.add((key, "NoSchedule"))
                if entry["type"] == "Ready":
                    found.add((key, "NoExecute"))
        if spec_of(node).get("unschedulable"):
            found.add((UNSCHEDULABLE, "NoSchedule"))
        return found


def _changed(event: WatchEvent) -> Iterable[str]:
    """Heartbeats do not matter."""
    old = event.old
    if event.type == "MODIFIED" and old is not None and _facts(old) == _facts(event.object):
        return ()
    return (name_of(event.object),)


def _facts(node: JSONObject) -> object:
    conditions = [(c["type"], c["status"]) for c in status_of(node).get("conditions") or ()]
    return conditions, spec_of(node).get("unschedulable"), spec_of(node).get("taints")


class TTLController:
    """Says on each node how long kubelets may keep Secrets and ConfigMaps; one key is one node."""

    name = "ttl-controller"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            NODES: lambda event: () if event.type == "DELETED" else (name_of(event.object),)
        }

    def reconcile(self, key: str) -> Result:
        node = get_or_none(self._client, NODES, key)
        if node is None or TTL in annotations_of(node):
            return DONE
        # ttlBoundaries: no time at all in clusters of up to a hundred nodes.
        change = {"metadata": {"annotations": {TTL: "0"}}}
        self._client.patch(NODES, key, change, MERGE_PATCH)
        return Result((f"annotated node {key} with {TTL}: 0",))
