"""The pod garbage collector: Pods of nodes that are gone, and Pods deleted before they ever had a node.

Rules as in pkg/controller/podgc/gc_controller.go of Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import is_terminating, key_of, name_of, split_key
from kubesim.apimachinery.rest import STRATEGIC_MERGE_PATCH
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import is_terminal, spec_of
from kubesim.client.client import Client
from kubesim.client.lister import by_index, get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.resources import NODES, PODS
from kubesim.util.clock import Clock, format_time
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

QUARANTINE: Final = timedelta(seconds=40)
_NODE: Final = "node/"


class PodGarbageCollector:
    """Keys are `node/NAME`, of a node that may be gone, and `NAMESPACE/NAME` of a Pod that was deleted
    without a node.
    """

    name = "pod-garbage-collector-controller"

    def __init__(self, client: Client, *, clock: Clock, state: StateStore) -> None:
        self._client = client
        self._clock = clock
        self._state = state
        self.watches: Mapping[GroupVersionResource, KeysOf] = {NODES: _node_gone, PODS: _pod_changed}

    def reconcile(self, key: str) -> Result:
        if key.startswith(_NODE):
            return self._node(key.removeprefix(_NODE))
        namespace, name = split_key(key)
        pod = get_or_none(self._client, PODS, name, namespace)
        if pod is None or not is_terminating(pod):
            return DONE
        if spec_of(pod).get("nodeName"):
            return DONE
        return Result(tuple(self._delete(pod, "it was deleted before it had a node")))

    def _node(self, name: str) -> Result:
        """Every Pod of a node that is gone is looked at after a time in which the node may come back."""
        if get_or_none(self._client, NODES, name) is not None:
            self._state.set(f"controllers/podgc/{name}", None)
            return DONE
        pods = by_index(self._client, PODS, "", "field", [f"spec.nodeName={name}"])
        if not pods:
            return DONE
        note = f"controllers/podgc/{name}"
        known = self._state.get(note)
        until = datetime.fromisoformat(known.decode()) if known else self._clock.now() + QUARANTINE
        if until > self._clock.now():
            self._state.set(note, until.isoformat().encode())
            return Result(requeue_after=until - self._clock.now())
        self._state.set(note, None)
        actions: list[str] = []
        for pod in pods:
            if not is_terminal(pod):
                self._fail(pod)
            actions += self._delete(pod, f"its node {name} is gone")
        return Result(tuple(actions))

    def _fail(self, pod: JSONObject) -> None:
        """MarkFailedAndDeletePodWithCondition"""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": format_time(self._clock.now()),
        }
        change = {"status": {"phase": "Failed", "conditions": [condition]}}
        metadata = pod["metadata"]
        self._client.patch(
            PODS,
            metadata["name"],
            change,
            STRATEGIC_MERGE_PATCH,
            metadata["namespace"],
            subresource="status",
        )

    def _delete(self, pod: JSONObject, why: str) -> list[str]:
        metadata = pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            self._client.delete(PODS, metadata["name"], metadata["namespace"], delete_options=options)
        except StatusError as error:
            if error.code in (404, 409):
                return []
            raise
        return [f"deleted Pod {key_of(pod)}: {why}"]


def _node_gone(event: WatchEvent) -> Iterable[str]:
    return (_NODE + name_of(event.object),) if event.type == "DELETED" else ()


def _pod_changed(event: WatchEvent) -> Iterable[str]:
    """A Pod deleted before it had a node; and the node of one that is bound, which need not exist."""
    obj, old = event.object, event.old
    node = spec_of(obj).get("nodeName")
    if event.type == "DELETED" or (node and old is not None and spec_of(old).get("nodeName") == node):
        return ()
    if node:
        return (_NODE + node,)
    return (key_of(obj),) if is_terminating(obj) else ()
