"""LimitRanger: containers get a namespace's default requests and limits, and stay within its bounds.

Source: k8s.io/kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubesim.admission.interface import CREATE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

LIMIT_RANGES: Final = GroupVersionResource("", "v1", "limitranges")
ANNOTATION: Final = "kubernetes.io/limit-ranger"
_CONTAINERS: Final = ("containers", "initContainers")


class LimitRanger(BasePlugin):
    """The plugin."""

    name = "LimitRanger"
    handles = {
        "pods": frozenset({CREATE}),
        "persistentvolumeclaims": frozenset({CREATE, UPDATE}),
    }

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        pod = attributes.obj
        if pod is None or attributes.resource.kind != "Pod" or not isinstance(pod.get("spec"), dict):
            return
        for limit_range in reader.list(LIMIT_RANGES, attributes.namespace):
            _fill_in(pod, limit_range)

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        obj = attributes.obj
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return
        for limit_range in reader.list(LIMIT_RANGES, attributes.namespace):
            problems = list(_problems(limit_range, obj, attributes.resource.kind))
            if problems:
                text = problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]"
                raise attributes.forbidden(text)


def _limits(limit_range: JSONObject, kind: str) -> Iterator[JSONObject]:
    return (i for i in (limit_range.get("spec") or {}).get("limits") or [] if i.get("type") == kind)


def _fill_in(pod: JSONObject, limit_range: JSONObject) -> None:
    """mergePodResourceRequirements; what was set is told in an annotation."""
    requests: JSONObject = {}
    limits: JSONObject = {}
    for item in _limits(limit_range, "Container"):
        requests |= item.get("defaultRequest") or {}
        limits |= item.get("default") or {}
    told: list[str] = []
    for field, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or []:
            told += _fill_in_container(container, word, requests, limits)
    if told:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {
            **annotations,
            ANNOTATION: f"LimitRanger plugin set: {'; '.join(told)}",
        }


def _fill_in_container(
    container: JSONObject, word: str, requests: JSONObject, limits: JSONObject
) -> list[str]:
    told: list[str] = []
    resources = container.get("resources") or {}
    for part, defaults, what in (("requests", requests, "request"), ("limits", limits, "limit")):
        own = resources.get(part) or {}
        missing = [name for name in defaults if name not in own]
        if missing:
            resources[part] = {**own, **{name: defaults[name] for name in missing}}
            told.append(f"{', '.join(sorted(missing))} {what} for {word} {container.get('name', '')}")
    if resources:
        container["resources"] = resources
    return told


def _problems(limit_range: JSONObject, obj: JSONObject, kind: str) -> Iterator[str]:
    if kind == "PersistentVolumeClaim":
        own = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
        for item in _limits(limit_range, kind):
            yield from _bounds(item, kind, own, {})
        return
    spec = obj.get("spec") or {}
    for item in _limits(limit_range, "Container"):
        for container in _containers(spec):
            resources = container.get("resources") or {}
            yield from _bounds(
                item, "Container", resources.get("requests") or {}, resources.get("limits") or {}
            )
    for item in _limits(limit_range, "Pod"):
        yield from _bounds(item, "Pod", _total(spec, "requests"), _total(spec, "limits"))


def _containers(spec: JSONObject) -> Iterator[JSONObject]:
    for field in _CONTAINERS:
        yield from spec.get(field) or []


def _total(spec: JSONObject, part: str) -> JSONObject:
    """What a Pod asks for: the sum of its containers, or the largest init container if that is more."""
    found: dict[str, Quantity] = {}
    for container in spec.get("containers") or []:
        for name, value in ((container.get("resources") or {}).get(part) or {}).items():
            quantity = Quantity.from_json(value)
            found[name] = found[name] + quantity if name in found else quantity
    for container in spec.get("initContainers") or []:
        for name, value in ((container.get("resources") or {}).get(part) or {}).items():
            quantity = Quantity.from_json(value)
            if name not in found or found[name] < quantity:
                found[name] = quantity
    return {name: str(quantity) for name, quantity in found.items()}


def _bounds(item: JSONObject, kind: str, requests: JSONObject, limits: JSONObject) -> Iterator[str]:
    for name, value in sorted((item.get("min") or {}).items()):
        yield from _minimum(kind, name, value, requests, limits)
    for name, value in sorted((item.get("max") or {}).items()):
        yield from _maximum(kind, name, value, requests, limits)
    for name, value in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(kind, name, value, requests, limits)


def _minimum(kind: str, name: str, wanted: str, requests: JSONObject, limits: JSONObject) -> Iterator[str]:
    """MinConstraint."""
    bound = Quantity.from_json(wanted)
    if name not in requests:
        yield f"minimum {name} usage per {kind} is {wanted}.  No request is specified"
        return
    if Quantity.from_json(requests[name]) < bound:
        yield f"minimum {name} usage per {kind} is {wanted}, but request is {requests[name]}"
    if name in limits and Quantity.from_json(limits[name]) < bound:
        yield f"minimum {name} usage per {kind} is {wanted}, but limit is {limits[name]}"


def _maximum(kind: str, name: str, wanted: str, requests: JSONObject, limits: JSONObject) -> Iterator[str]:
    """maxConstraint, and maxRequestConstraint for claims."""
    bound = Quantity.from_json(wanted)
    if kind == "PersistentVolumeClaim":
        if name not in requests:
            yield f"maximum {name} usage per {kind} is {wanted}.  No request is specified"
        elif bound < Quantity.from_json(requests[name]):
            yield f"maximum {name} usage per {kind} is {wanted}, but request is {requests[name]}"
        return
    if name not in limits:
        yield f"maximum {name} usage per {kind} is {wanted}.  No limit is specified"
        return
    if bound < Quantity.from_json(limits[name]):
        yield f"maximum {name} usage per {kind} is {wanted}, but limit is {limits[name]}"
    if name in requests and bound < Quantity.from_json(requests[name]):
        yield f"maximum {name} usage per {kind} is {wanted}, but request is {requests[name]}"


def _ratio(kind: str, name: str, wanted: str, requests: JSONObject, limits: JSONObject) -> Iterator[str]:
    """LimitRequestRatioConstraint."""
    request = Quantity.from_json(requests.get(name, 0)).as_approximate_float()
    limit = Quantity.from_json(limits.get(name, 0)).as_approximate_float()
    told = f"{name} max limit to request ratio per {kind} is {wanted}"
    if not limit:
        yield f"{told}, but no limit is specified or limit is 0"
        return
    if not request:
        yield f"{told}, but no request is specified or request is 0"
        return
    ratio = limit / request
    if ratio > Quantity.from_json(wanted).as_approximate_float():
        yield f"{told}, but provided ratio is {ratio:f}"
