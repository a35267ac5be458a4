"""The resource quota controller: counts what a namespace uses of what its quotas bound.

Rules as in pkg/controller/resourcequota and pkg/quota/v1/evaluator/core of Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import is_terminating, namespace_of
from kubesim.apimachinery.scheme import Scheme
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import is_terminal, spec_of
from kubesim.apis.podrequests import Amounts, pod_resources
from kubesim.apis.podtemplate_qos import qos_class
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.reconcile import EVERY_KIND, KeysOf, Result
from kubesim.client.resources import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES
from kubesim.util.clock import Clock, parse_time
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

# The old names of counts; the others are written count/RESOURCE.GROUP.
_COUNTED = (
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")


class ResourceQuotaController:
    """One key is one namespace."""

    name = "resourcequota-controller"

    def __init__(self, client: Client, *, scheme: Scheme, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._resources = {r.gvr.qualified: r.gvr for r in scheme.resources if r.namespaced}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {EVERY_KIND: _keys}

    def reconcile(self, key: str) -> Result:
        actions = []
        looked = False
        for quota in items(self._client.list(RESOURCE_QUOTAS, key)):
            looked = True
            hard = spec_of(quota).get("hard") or {}
            used = self._used(key, hard, quota)
            status = {"hard": hard, "used": used}
            if (quota.get("status") or {}) != status:
                self._client.update(RESOURCE_QUOTAS, quota | {"status": status}, key, subresource="status")
                texts = ", ".join(f"{n}: {used.get(n)}/{hard[n]}" for n in sorted(hard))
                actions.append(
                    f"counted what ResourceQuota {key}/{quota['metadata']['name']} bounds: {texts}"
                )
        return Result(tuple(actions), self._next_loss(key) if looked else None)

    def _next_loss(self, namespace: str) -> timedelta | None:
        """When the first Pod that is being deleted will not count any more, though it may still be there."""
        now = self._clock.now()
        pods = (
            p for p in items(self._client.list(PODS, namespace)) if is_terminating(p) and not is_terminal(p)
        )
        left = (counts_until(p) - now for p in pods)
        # Times are to the second: a moment later it is over for sure.
        return min((t + timedelta(seconds=1) for t in left if t >= timedelta(0)), default=None)

    def _used(self, namespace: str, hard: Mapping[str, object], quota: JSONObject) -> dict[str, str]:
        total: Amounts = {}
        for gvr, usage in self._evaluators(hard, quota):
            for obj in items(self._client.list(gvr, namespace)):
                for name, amount in usage(obj).items():
                    total[name] = total[name] + amount if name in total else amount
        return {name: str(total.get(name, Quantity(0))) for name in sorted(hard)}

    def _evaluators(
        self, hard: Iterable[str], quota: JSONObject
    ) -> list[tuple[GroupVersionResource, Callable[[JSONObject], Amounts]]]:
        """Which kinds are to be counted for these names, and how."""
        found: dict[GroupVersionResource, list[Callable[[JSONObject], Amounts]]] = {}
        for name in hard:
            counted = name.removeprefix("count/")
            if counted != name and counted in self._resources:
                found.setdefault(self._resources[counted], []).append(_count(name))
            elif name in _COUNTED and name not in ("services",):
                found.setdefault(self._resources[name], []).append(_count(name))
        if any(n == "services" or n.startswith("services.") for n in hard):
            found.setdefault(SERVICES, []).append(service_usage)
        if any(n == "pods" or n.endswith(_COMPUTE) for n in hard):
            found.setdefault(PODS, []).append(_scoped(quota, self._clock.now()))
        if "requests.storage" in hard:
            found.setdefault(PERSISTENT_VOLUME_CLAIMS, []).append(_claimed)
        return [(gvr, _sum_of(parts)) for gvr, parts in found.items()]


def _sum_of(parts: Sequence[Callable[[JSONObject], Amounts]]) -> Callable[[JSONObject], Amounts]:
    def usage(obj: JSONObject) -> Amounts:
        total: Amounts = {}
        for part in parts:
            total |= part(obj)
        return total

    return usage


def _count(name: str) -> Callable[[JSONObject], Amounts]:
    return lambda obj: {name: Quantity(1)}


def service_usage(service: JSONObject) -> Amounts:
    """serviceEvaluator.Usage"""
    spec = spec_of(service)
    ports = spec.get("ports") or ()
    usage = {"services": Quantity(1)}
    match spec.get("type"):
        case "NodePort":
            usage["services.nodeports"] = Quantity(len(ports))
        case "LoadBalancer":
            allocated = [p for p in ports if p.get("nodePort")]
            usage["services.loadbalancers"] = Quantity(1)
            usage["services.nodeports"] = Quantity(len(allocated))
    return usage


def _claimed(claim: JSONObject) -> Amounts:
    requests = (spec_of(claim).get("resources") or {}).get("requests") or {}
    return {"requests.storage": Quantity.from_json(requests["storage"])} if "storage" in requests else {}


def _scoped(quota: JSONObject, now: datetime) -> Callable[[JSONObject], Amounts]:
    """The usage of Pods within a quota's scopes."""
    scopes = [{"scopeName": s, "operator": "Exists"} for s in spec_of(quota).get("scopes") or ()]
    scopes += (spec_of(quota).get("scopeSelector") or {}).get("matchExpressions") or []

    def usage(pod: JSONObject) -> Amounts:
        return pod_usage(pod, now) if all(_in_scope(pod, s) for s in scopes) else {}

    return usage


def _in_scope(pod: JSONObject, scope: JSONObject) -> bool:
    spec = spec_of(pod)
    match scope.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _class_matches(spec.get("priorityClassName") or "", scope)
    return False


def _class_matches(name: str, scope: JSONObject) -> bool:
    values = scope.get("values") or ()
    match scope.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def counts_until(pod: JSONObject) -> datetime:
    """When a Pod that is being deleted ceases to count: QuotaV1Pod, so that a lost node does not cost its
    user.
    """
    metadata = pod["metadata"]
    grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    return parse_time(metadata["deletionTimestamp"]) + grace


def pod_usage(pod: JSONObject, now: datetime) -> Amounts:
    """podEvaluator.Usage: what a Pod that has not ended asks for, and that it is there."""
    usage: Amounts = {"count/pods": Quantity(1)}
    if is_terminal(pod) or (is_terminating(pod) and now > counts_until(pod)):
        return usage
    usage["pods"] = Quantity(1)
    for field, prefixes in (("requests", ("requests.", "")), ("limits", ("limits.",))):
        for name, amount in pod_resources(spec_of(pod), field).items():
            usage |= {f"{prefix}{name}": amount for prefix in prefixes}
    return usage


def _keys(event: WatchEvent) -> Iterable[str]:
    """A namespace in which something came or went, or a Pod ended, or a Service changed its type."""
    obj, old = event.object, event.old
    if obj.get("kind") in ("Event", "Lease", "EndpointSlice", "Endpoints"):
        return ()
    if event.type == "MODIFIED" and old is not None:
        kind = obj.get("kind")
        changed = (
            (kind == "ResourceQuota" and old.get("spec") != obj.get("spec"))
            or (
                kind == "Pod"
                and (is_terminal(old) != is_terminal(obj) or is_terminating(old) != is_terminating(obj))
            )
            or (kind in ("Service", "PersistentVolumeClaim") and old.get("spec") != obj.get("spec"))
        )
        if not changed:
            return ()
    return (namespace_of(obj),) if namespace_of(obj) else ()
