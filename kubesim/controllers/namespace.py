"""The namespace controller: empties a namespace that is being deleted, says what keeps it, and lets it go.

Rules as in pkg/controller/namespace of Kubernetes 1.32. There the work begins five seconds after the
deletion, to let caches catch up; here what can go at once goes at once, and only a namespace that cannot be
emptied then is looked at after these five seconds, and reported on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import is_terminating, namespace_of
from kubesim.apimachinery.scheme import Scheme
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client, resource_path
from kubesim.client.lister import get_or_none, items
from kubesim.client.reconcile import DONE, EVERY_KIND, KeysOf, Result
from kubesim.client.resources import NAMESPACES, PODS
from kubesim.util.clock import Clock, format_time, parse_time
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

FINALIZER = "kubernetes"
GRACE = timedelta(seconds=5)  # namespaceDeletionGracePeriod
FINALIZER_ESTIMATE = 15  # finalizerEstimateSeconds

# (condition, reason and message where all is well), in the order in which they are reported.
_CONDITIONS = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
)


@dataclass(slots=True)
class _Remains:
    """What a namespace still holds after everything in it was deleted."""

    estimate: int = 0
    resources: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not self.resources and not self.failures


class NamespaceController:
    """One key is one namespace."""

    name = "namespace-controller"

    def __init__(self, client: Client, *, scheme: Scheme, state: StateStore, clock: Clock) -> None:
        self._client = client
        self._state = state
        self._clock = clock
        self._content = [
            r.gvr for r in scheme.resources if r.namespaced and {"list", "deletecollection"} <= set(r.verbs)
        ]
        self.watches: Mapping[GroupVersionResource, KeysOf] = {EVERY_KIND: _keys}

    def reconcile(self, key: str) -> Result:
        namespace = get_or_none(self._client, NAMESPACES, key)
        if namespace is None:
            self._state.set(_note(key), None)
            return DONE
        if not is_terminating(namespace):
            return DONE
        wait = self._wait(namespace)
        if wait > timedelta(0):
            return Result(requeue_after=wait)
        return self._empty(namespace)

    def _wait(self, namespace: JSONObject) -> timedelta:
        """How long to leave it alone: after a report, as long as that estimated."""
        note = self._state.get(_note(namespace["metadata"]["name"]))
        return datetime.fromisoformat(note.decode()) - self._clock.now() if note else timedelta(0)

    def _empty(self, namespace: JSONObject) -> Result:
        name = namespace["metadata"]["name"]
        remains = _Remains()
        for gvr in self._content:
            self._delete_all(gvr, name, remains)
        if remains.nothing:
            return self._finalize(namespace)
        report_at = parse_time(namespace["metadata"]["deletionTimestamp"]) + GRACE
        left = report_at - self._clock.now()
        if left > timedelta(0):
            return Result((f"began to empty namespace {name}",), requeue_after=left)
        return self._report(namespace, remains)

    def _delete_all(self, gvr: GroupVersionResource, namespace: str, remains: _Remains) -> None:
        """deleteAllContentForGroupVersionResource, and what of it goes on existing."""
        before = items(self._client.list(gvr, namespace))
        if not before:
            return
        try:
            path = resource_path(gvr, namespace)
            self._client.request("DELETE", path, body={"propagationPolicy": "Background"})
        except StatusError as error:
            remains.failures.append(error.message)
        left = items(self._client.list(gvr, namespace))
        if not left:
            return
        # "configmaps." is how a resource of the core group reads there.
        name = f"{gvr.resource}.{gvr.group}"
        remains.resources[name] = remains.resources.get(name, 0) + len(left)
        graces = [o["metadata"].get("deletionGracePeriodSeconds") or 0 for o in left] if gvr == PODS else []
        estimate = max(graces, default=0)
        for obj in left:
            for finalizer in obj["metadata"].get("finalizers") or ():
                remains.finalizers[finalizer] = remains.finalizers.get(finalizer, 0) + 1
                estimate = estimate or FINALIZER_ESTIMATE
        if not estimate:
            remains.failures.append(
                f"unexpected items still remain in namespace: {namespace} for gvr:"
                f" {gvr.group}/{gvr.version}, Resource={gvr.resource}"
            )
        remains.estimate = max(remains.estimate, estimate)

    def _finalize(self, namespace: JSONObject) -> Result:
        name = namespace["metadata"]["name"]
        self._state.set(_note(name), None)
        if (namespace.get("status") or {}).get("conditions"):
            namespace = self._set_conditions(namespace, _Remains()) or namespace
        spec = dict(namespace.get("spec") or {})
        spec["finalizers"] = [f for f in spec.get("finalizers") or () if f != FINALIZER]
        wanted = namespace | {"spec": spec}
        self._client.update(NAMESPACES, wanted, subresource="finalize")
        return Result((f"finalized namespace {name}: nothing is left in it",))

    def _report(self, namespace: JSONObject, remains: _Remains) -> Result:
        name = namespace["metadata"]["name"]
        self._set_conditions(namespace, remains)
        # syncNamespaceFromKey: half the estimate, and a second. What failed without one is tried like an
        # error.
        wait = timedelta(seconds=remains.estimate // 2 + 1)
        at = self._clock.now() + wait
        self._state.set(_note(name), at.isoformat().encode())
        left = ", ".join(f"{n} has {c} resource instances" for n, c in sorted(remains.resources.items()))
        return Result((f"could not empty namespace {name}: {left}",), requeue_after=wait)

    def _set_conditions(self, namespace: JSONObject, remains: _Remains) -> JSONObject | None:
        status = namespace.get("status") or {}
        before = list(status.get("conditions") or ())
        after = self._conditions(before, remains)
        if after == before:
            return None
        wanted = namespace | {"status": status | {"conditions": after}}
        return self._client.update(NAMESPACES, wanted, subresource="status")

    def _conditions(self, before: Iterable[JSONObject], remains: _Remains) -> list[JSONObject]:
        known = {c["type"]: c for c in before}
        bad = _bad_conditions(remains)
        found = []
        for kind, ok_reason, ok_message in _CONDITIONS:
            status = "True" if kind in bad else "False"
            reason, message = bad.get(kind, (ok_reason, ok_message))
            since = format_time(self._clock.now())
            old = known.get(kind)
            if old is not None and old["status"] == status:
                since = old["lastTransitionTime"]
            found.append(
                {
                    "type": kind,
                    "status": status,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                }
            )
        return found


def _keys(event: WatchEvent) -> Iterable[str]:
    """A namespace that changes; and where something is gone for good, the namespace in which it was."""
    obj = event.object
    if obj.get("kind") == "Namespace" and obj.get("apiVersion") == "v1":
        return (obj["metadata"]["name"],) if event.type == "DELETED" or is_terminating(obj) else ()
    # Only what goes slowly needs another look: Pods, and what finalizers held.
    slow = event.type == "DELETED" and event.old is not None and is_terminating(event.old)
    return (namespace_of(obj),) if slow and namespace_of(obj) else ()


def _note(name: str) -> str:
    return f"controllers/namespace/{name}"


def _bad_conditions(remains: _Remains) -> dict[str, tuple[str, str]]:
    found = {}
    if remains.failures:
        texts = ", ".join(sorted(remains.failures))
        message = f"Failed to delete all resource types, {len(remains.failures)} remaining: {texts}"
        found["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", message)
    if remains.resources:
        texts = ", ".join(sorted(f"{n} has {c} resource instances" for n, c in remains.resources.items()))
        found["NamespaceContentRemaining"] = (
            "SomeResourcesRemain",
            f"Some resources are remaining: {texts}",
        )
    if remains.finalizers:
        texts = ", ".join(sorted(f"{f} in {c} resource instances" for f, c in remains.finalizers.items()))
        found["NamespaceFinalizersRemaining"] = (
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {texts}",
        )
    return found
