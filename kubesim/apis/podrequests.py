"""What a whole Pod asks for and is limited to: k8s.io/component-helpers/resource."""

from __future__ import annotations

from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

Amounts = dict[str, Quantity]


def pod_resources(spec: JSONObject, field: str) -> Amounts:
    """The requests or limits of a whole Pod: k8s.io/component-helpers/resource PodRequests.

    Containers and sidecars together, or an init container with the sidecars before it where that is more.
    """
    total = _added({}, *(_amounts(c, field) for c in spec.get("containers") or ()))
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, field)
        if container.get("restartPolicy") == "Always":
            total = _added(total, amounts)
            sidecars = _added(sidecars, amounts)
            amounts = sidecars
        else:
            amounts = _added(sidecars, amounts)
        highest = _highest(highest, amounts)
    total = _highest(total, highest)
    overhead = {n: Quantity.from_json(a) for n, a in (spec.get("overhead") or {}).items()}
    return _added(total, overhead)


def _amounts(container: JSONObject, field: str) -> Amounts:
    found = (container.get("resources") or {}).get(field) or {}
    return {name: Quantity.from_json(amount) for name, amount in found.items()}


def _added(*parts: Amounts) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total[name] + amount if name in total else amount
    return total


def _highest(one: Amounts, two: Amounts) -> Amounts:
    return one | {n: a for n, a in two.items() if n not in one or a > one[n]}
