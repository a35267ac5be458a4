"""Eviction: a Pod is deleted unless a disruption budget says that it is needed.

Source: k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.labels import SelectorError, selector_from_label_selector
from kubesim.apimachinery.meta import labels_of
from kubesim.registry.options import DeleteOptions, WriteOptions
from kubesim.registry.status import status_strategy
from kubesim.registry.store import Store
from kubesim.registry.transaction import writing
from kubesim.util.clock import Clock, format_time
from kubesim.util.jsontypes import JSONObject

BUDGETS: Final = GroupVersionResource("policy", "v1", "poddisruptionbudgets")
MAX_DISRUPTED: Final = 2000


def evict(
    pods: Store,
    budgets: Store | None,
    name: str,
    eviction: JSONObject,
    *,
    namespace: str,
    delete_options: DeleteOptions,
    options: WriteOptions,
    clock: Clock,
) -> JSONObject:
    """Delete a Pod if its budgets allow it; a Status. Raises StatusError, 429 for `not now`."""
    metadata = eviction.get("metadata") or {}
    if metadata.get("name") and metadata["name"] != name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    with writing(pods.storage, dry_run=options.dry_run):
        pod = pods.get(namespace, name)
        if not _may_ignore_budgets(pod):
            for budget in _budgets_of(budgets, pod, namespace):
                if budgets is not None:
                    _use(budgets, budget, pod, namespace, options, clock)
        pods.delete(name, namespace=namespace, delete_options=delete_options, options=options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _may_ignore_budgets(pod: JSONObject) -> bool:
    """A Pod that has ended, has not begun, or is ending anyway."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Pending"):
        return True
    return bool(pod["metadata"].get("deletionTimestamp"))


def _is_ready(pod: JSONObject) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _budgets_of(budgets: Store | None, pod: JSONObject, namespace: str) -> list[JSONObject]:
    if budgets is None:
        return []
    from kubesim.registry.listing import ListOptions

    found = [b for b in budgets.list(namespace, ListOptions())["items"] if _selects(b, pod)]
    if len(found) > 1:
        raise errors.internal_error(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    return found


def _selects(budget: JSONObject, pod: JSONObject) -> bool:
    try:
        selector = selector_from_label_selector((budget.get("spec") or {}).get("selector"))
    except SelectorError:
        return False  # as upstream: a budget that cannot be read protects nobody
    return selector.matches(labels_of(pod))


def _use(
    budgets: Store, budget: JSONObject, pod: JSONObject, namespace: str, options: WriteOptions, clock: Clock
) -> None:
    """Take one disruption from the budget, or refuse: checkAndDecrement."""
    spec, status = budget.get("spec") or {}, budget.get("status") or {}
    name = budget["metadata"]["name"]
    policy = spec.get("unhealthyPodEvictionPolicy")
    if not _is_ready(pod) and (policy == "AlwaysAllow" or _healthy_enough(status)):
        return
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        raise _too_many(f"The disruption budget {name} is still being processed by the server.", 10)
    allowed = status.get("disruptionsAllowed") or 0
    if allowed < 0:
        raise errors.forbidden("poddisruptionbudget", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > MAX_DISRUPTED:
        detail = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden("poddisruptionbudget", name, detail)
    if allowed == 0:
        healthy, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
        raise _too_many(
            "",
            0,
            cause=f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently",
        )

    def decrement(current: JSONObject) -> JSONObject:
        found = current.setdefault("status", {})
        found["disruptionsAllowed"] = allowed - 1
        disrupted = found.get("disruptedPods") or {}
        found["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: format_time(clock.now())}
        return current

    budgets.modify(
        name, decrement, namespace=namespace, options=options, strategy=status_strategy(budgets.resource)
    )


def _healthy_enough(status: JSONObject) -> bool:
    healthy, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    return bool(desired > 0 and healthy >= desired)


def _too_many(cause_alone: str, seconds: int, *, cause: str = "") -> StatusError:
    refusal = errors.too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.", seconds
    )
    causes = [{"reason": "DisruptionBudget", "message": cause or cause_alone}]
    refusal.status["details"] = {"causes": causes, **({"retryAfterSeconds": seconds} if seconds else {})}
    return refusal
