"""The taint eviction controller: Pods that do not tolerate a NoExecute taint of their node are deleted.

Rules as in pkg/controller/tainteviction of Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import is_terminating, key_of, name_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import is_terminal, spec_of
from kubesim.apis.tolerations import tolerates
from kubesim.client.client import Client
from kubesim.client.lister import by_index, get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import NORMAL, EventRecorder, object_reference
from kubesim.client.resources import NODES, PODS
from kubesim.util.clock import Clock
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore


class TaintEvictionController:
    """One key is one Pod on its node: `NODE/NAMESPACE/NAME`."""

    name = "taint-eviction-controller"

    def __init__(self, client: Client, *, clock: Clock, recorder: EventRecorder, state: StateStore) -> None:
        self._client = client
        self._clock = clock
        self._state = state
        self._recorder = recorder
        self._tainted: dict[str, list[JSONObject]] = {}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {NODES: self._node_changed, PODS: _pod_bound}

    def _node_changed(self, event: WatchEvent) -> Iterable[str]:
        after = _no_execute(event.object)
        before = _no_execute(event.old) if event.old else []
        if event.type == "DELETED" or before == after:
            return ()
        wanted = [f"spec.nodeName={name_of(event.object)}"]
        node = name_of(event.object)
        return [f"{node}/{key_of(pod)}" for pod in by_index(self._client, PODS, "", "field", wanted)]

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """Nothing: what matters is how the nodes are when Pods are looked at."""

    def begin(self, keys: Sequence[str]) -> None:
        """Read the nodes once: as a rule none has such a taint, and no Pod has to be read."""
        for name in {key.partition("/")[0] for key in keys}:
            node = get_or_none(self._client, NODES, name)
            self._tainted[name] = _no_execute(node) if node else []

    def end(self, *, over: bool) -> None:
        self._tainted = {}

    def reconcile(self, key: str) -> Result:
        node, _, pod_key = key.partition("/")
        if node not in self._tainted:
            self.begin([key])
        taints = self._tainted[node]
        note = f"controllers/tainteviction/{pod_key}"
        if not taints:
            if self._state.get(note):
                self._state.set(note, None)
            return DONE
        namespace, name = split_key(pod_key)
        pod = get_or_none(self._client, PODS, name, namespace)
        if pod is None or is_terminating(pod) or is_terminal(pod) or spec_of(pod).get("nodeName") != node:
            return DONE
        wait = self._wait(note, pod, taints)
        if wait is None:
            return DONE
        if wait > timedelta(0):
            return Result(requeue_after=wait)
        self._recorder.event(
            object_reference(pod, "Pod"),
            NORMAL,
            "TaintManagerEviction",
            f"Marking for deletion Pod {pod_key}",
        )
        try:
            self._client.delete(PODS, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
        return Result((f"deleted Pod {pod_key}: it does not tolerate the taints of its node",))

    def _wait(self, note: str, pod: JSONObject, taints: Sequence[JSONObject]) -> timedelta | None:
        """How long the Pod may stay yet; None for ever. The time runs from when the taints were first
        seen.
        """
        patience = _patience(pod, taints)
        known = self._state.get(note)
        if not patience:
            if known:
                self._state.set(note, None)
            return patience
        until = datetime.fromisoformat(known.decode()) if known else self._clock.now() + patience
        left = until - self._clock.now()
        self._state.set(note, until.isoformat().encode() if left > timedelta(0) else None)
        return left


def _patience(pod: JSONObject, taints: Sequence[JSONObject]) -> timedelta | None:
    """The shortest time for which a Pod tolerates taints: GetMatchingTolerations and getMinTolerationTime."""
    tolerations = spec_of(pod).get("tolerations") or []
    times: list[int] = []
    for taint in taints:
        matching = [t for t in tolerations if tolerates(t, taint)]
        if not matching:
            return timedelta(0)
        times += [t["tolerationSeconds"] for t in matching if t.get("tolerationSeconds") is not None]
    return timedelta(seconds=max(0, min(times))) if times else None


def _no_execute(node: JSONObject) -> list[JSONObject]:
    return [t for t in spec_of(node).get("taints") or () if t.get("effect") == "NoExecute"]


def _pod_bound(event: WatchEvent) -> Iterable[str]:
    """A Pod that has come to a node, or changed what it tolerates."""
    if event.type == "DELETED" or not spec_of(event.object).get("nodeName"):
        return ()
    old = spec_of(event.old) if event.old else {}
    new = spec_of(event.object)
    same = old.get("nodeName") == new.get("nodeName") and old.get("tolerations") == new.get("tolerations")
    return () if same else (f"{new['nodeName']}/{key_of(event.object)}",)
