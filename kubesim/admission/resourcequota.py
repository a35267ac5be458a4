"""ResourceQuota: a namespace holds no more objects, and its Pods ask for no more, than its quotas allow.

What is used is counted from the objects that are there, inside the transaction that writes the new one; the
status of the quota, which the quota controller writes, is the last word where it says more. Texts as in
k8s.io/apiserver pkg/admission/plugin/resourcequota/controller.go.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.scheme import Resource
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

RESOURCE_QUOTAS: Final = GroupVersionResource("", "v1", "resourcequotas")
ZERO: Final = Quantity(0)

# Object counts that have a name of their own besides `count/…`.
_COUNTED: Final = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_ENDED: Final = ("Succeeded", "Failed")

Usage = dict[str, Quantity]


class ResourceQuota(BasePlugin):
    """The plugin."""

    name = "ResourceQuota"
    handles = {"*": frozenset({CREATE}), "services": frozenset({CREATE, UPDATE}), "events": frozenset()}

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        if not attributes.namespace or not attributes.resource.namespaced or attributes.obj is None:
            return
        quotas = reader.list(RESOURCE_QUOTAS, attributes.namespace)
        if not quotas:
            return
        wanted = usage_of(attributes.resource, attributes.obj)
        if attributes.old is not None:
            wanted = _more(wanted, usage_of(attributes.resource, attributes.old))
        for quota in quotas:
            _check(quota, wanted, attributes, reader)


def usage_of(resource: Resource, obj: JSONObject) -> Usage:
    """What one object uses up."""
    name = resource.gvr.qualified
    found: Usage = {f"count/{name}": Quantity(1)}
    if resource.kind == "Pod" and not resource.group:
        return _of_pod(obj, found)
    if name in _COUNTED:
        found[name] = Quantity(1)
    if name == "services":
        found |= _of_service(obj)
    elif name == "persistentvolumeclaims":
        found |= _of_claim(obj)
    return found


def _of_pod(pod: JSONObject, found: Usage) -> Usage:
    """A Pod that has ended counts as an object alone."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if status.get("phase") in _ENDED:
        return found
    found["pods"] = Quantity(1)
    for part in ("requests", "limits"):
        for name, quantity in _pod_total(spec, part).items():
            found[f"{part}.{name}"] = quantity
            if part == "requests":
                found[name] = quantity
    return found


def _pod_total(spec: JSONObject, part: str) -> Usage:
    total: Usage = {}
    for container in spec.get("containers") or []:
        for name, value in ((container.get("resources") or {}).get(part) or {}).items():
            total[name] = total.get(name, ZERO) + Quantity.from_json(value)
    for container in spec.get("initContainers") or []:
        for name, value in ((container.get("resources") or {}).get(part) or {}).items():
            quantity = Quantity.from_json(value)
            if total.get(name, ZERO) < quantity:
                total[name] = quantity
    return total


def _of_service(service: JSONObject) -> Usage:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    if spec.get("type") == "NodePort":
        return {"services.nodeports": Quantity(len(ports))}
    if spec.get("type") == "LoadBalancer":
        taken = spec.get("allocateLoadBalancerNodePorts") is not False
        nodeports = len(ports) if taken else sum(1 for p in ports if p.get("nodePort"))
        return {"services.nodeports": Quantity(nodeports), "services.loadbalancers": Quantity(1)}
    return {}


def _of_claim(claim: JSONObject) -> Usage:
    spec = claim.get("spec") or {}
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        return {}
    quantity = Quantity.from_json(storage)
    found = {"requests.storage": quantity}
    if name := spec.get("storageClassName"):
        found[f"{name}.storageclass.storage.k8s.io/requests.storage"] = quantity
        found[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = Quantity(1)
    return found


def _more(wanted: Usage, before: Usage) -> Usage:
    """What an update uses more than the object did."""
    return {n: q - before.get(n, ZERO) for n, q in wanted.items() if before.get(n, ZERO) < q}


def _check(quota: JSONObject, wanted: Usage, attributes: Attributes, reader: Reader) -> None:
    if attributes.obj is None or not _in_scope(quota, attributes):
        return
    hard = (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
    name = quota["metadata"]["name"]
    _must_specify(name, hard, wanted, attributes)
    concerned = sorted(n for n in wanted if n in hard)
    if not concerned:
        return
    used = _used(quota, concerned, attributes, reader)
    over = [n for n in concerned if Quantity.from_json(hard[n]) < used[n] + wanted[n]]
    if over:
        raise attributes.forbidden(
            f"exceeded quota: {name}, requested: {_listed(wanted, over)}, used: {_listed(used, over)}, "
            f"limited: {_listed({n: Quantity.from_json(hard[n]) for n in over}, over)}"
        )


def _listed(usage: Usage, names: list[str]) -> str:
    return ",".join(f"{n}={usage[n].canonical()}" for n in names)


def _must_specify(name: str, hard: JSONObject, wanted: Usage, attributes: Attributes) -> None:
    """A quota on what containers ask for demands that each says how much: podEvaluator.Constraints."""
    if attributes.resource.kind != "Pod" or attributes.operation != CREATE:
        return
    compute = {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"} & set(hard)
    missing: dict[str, list[str]] = {}
    spec = (attributes.obj or {}).get("spec") or {}
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        resources = container.get("resources") or {}
        for constraint in sorted(compute):
            part, _, what = constraint.rpartition(".")
            if what not in (resources.get(part or "requests") or {}):
                missing.setdefault(constraint, []).append(container.get("name", ""))
    if missing:
        listed = "; ".join(f"{n} for: {','.join(c)}" for n, c in sorted(missing.items()))
        raise attributes.forbidden(f"failed quota: {name}: must specify {listed}")


def _in_scope(quota: JSONObject, attributes: Attributes) -> bool:
    spec = quota.get("spec") or {}
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    scopes = [
        *((s, "Exists", []) for s in spec.get("scopes") or []),
        *((e.get("scopeName"), e.get("operator"), e.get("values") or []) for e in expressions),
    ]
    if not scopes:
        return True
    if attributes.resource.kind != "Pod" or attributes.obj is None:
        return False
    return all(_scope_matches(scope, operator, values, attributes.obj) for scope, operator, values in scopes)


def _scope_matches(scope: str | None, operator: str | None, values: list[str], pod: JSONObject) -> bool:
    spec = pod.get("spec") or {}
    terminating = spec.get("activeDeadlineSeconds") is not None
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    best_effort = not any(
        (c.get("resources") or {}).get(p) for c in containers for p in ("requests", "limits")
    )
    match scope:
        case "Terminating":
            return terminating
        case "NotTerminating":
            return not terminating
        case "BestEffort":
            return best_effort
        case "NotBestEffort":
            return not best_effort
        case "PriorityClass":
            return _priority_matches(spec.get("priorityClassName") or "", operator, values)
        case _:
            return False


def _priority_matches(name: str, operator: str | None, values: list[str]) -> bool:
    if operator == "In":
        return name in values
    if operator == "NotIn":
        return name not in values
    return bool(name) if operator == "Exists" else not name


def _used(quota: JSONObject, names: list[str], attributes: Attributes, reader: Reader) -> Usage:
    """What the objects that are there use, as far as a quota counts it. An update's own object counts as it
    was.
    """
    resource = attributes.resource
    own = resource.gvr.qualified
    if resource.kind != "Pod" and set(names) <= {own, f"count/{own}"}:
        return dict.fromkeys(names, Quantity(reader.count(resource.gvr, attributes.namespace)))
    total: Usage = dict.fromkeys(names, ZERO)
    for obj in reader.list(resource.gvr, attributes.namespace):
        existing = Attributes(attributes.operation, resource, attributes.namespace, "", obj)
        if not _in_scope(quota, existing):
            continue
        for name, quantity in usage_of(resource, obj).items():
            if name in total:
                total[name] += quantity
    return total
