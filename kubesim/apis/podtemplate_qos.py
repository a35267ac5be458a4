"""The quality-of-service class of a pod: pkg/apis/core/helper/qos."""

from __future__ import annotations

from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

_COMPUTE = ("cpu", "memory")


def qos_class(spec: JSONObject) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`, from the requests and limits of all containers:
    ComputePodQOS.
    """
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}
    guaranteed = True
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        _add(requests, resources.get("requests") or {})
        limited = _add(limits, resources.get("limits") or {})
        guaranteed = guaranteed and limited == set(_COMPUTE)
    if not requests and not limits:
        return "BestEffort"
    if guaranteed and len(requests) == len(limits) and all(limits.get(k) == v for k, v in requests.items()):
        return "Guaranteed"
    return "Burstable"


def _add(total: dict[str, Quantity], amounts: JSONObject) -> set[str]:
    """Add the compute resources that are above zero, and name them."""
    found: set[str] = set()
    for name in _COMPUTE:
        if name not in amounts:
            continue
        amount = Quantity.from_json(amounts[name])
        if amount.sign() > 0:
            found.add(name)
            total[name] = total[name] + amount if name in total else amount
    return found
