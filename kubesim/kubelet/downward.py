"""The downward API: what a container may be told of its own Pod.

Rules as in pkg/fieldpath, pkg/kubelet/kubelet_pods.go (podFieldSelectorRuntimeValue) and pkg/api/v1/resource.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kubesim.apimachinery.meta import annotations_of, labels_of
from kubesim.kubelet.errors import ConfigError
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

_SUBSCRIPT = re.compile(r"metadata\.(annotations|labels)\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a Pod when its containers are started."""

    pod: JSONObject
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: JSONObject | None = None


def field_value(facts: PodFacts, path: str) -> str:
    """The value of a fieldRef. Raises ConfigError for a path that names nothing."""
    metadata, spec = facts.pod["metadata"], facts.pod.get("spec") or {}
    found = _SUBSCRIPT.fullmatch(path)
    if found:
        entries = annotations_of(facts.pod) if found[1] == "annotations" else labels_of(facts.pod)
        return str(entries.get(found[2], ""))
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(metadata.get(path.removeprefix("metadata."), ""))
        case "metadata.labels":
            return format_map(labels_of(facts.pod))
        case "metadata.annotations":
            return format_map(annotations_of(facts.pod))
        case "spec.nodeName":
            return str(spec.get("nodeName") or "")
        case "spec.serviceAccountName":
            return str(spec.get("serviceAccountName") or "")
        case "status.hostIP":
            return facts.host_ips[0] if facts.host_ips else ""
        case "status.hostIPs":
            return ",".join(facts.host_ips)
        case "status.podIP":
            return facts.pod_ips[0] if facts.pod_ips else ""
        case "status.podIPs":
            return ",".join(facts.pod_ips)
    raise ConfigError(f"unsupported fieldPath: {path}")


def format_map(entries: dict[str, str]) -> str:
    """fieldpath.FormatMap: one sorted line an entry, values quoted as Go does."""
    return "\n".join(f"{k}={quote(v)}" for k, v in sorted(entries.items()))


def resource_value(facts: PodFacts, container: JSONObject, reference: JSONObject) -> str:
    """The value of a resourceFieldRef: rounded up to the divisor. What has no limit has the node's
    allocatable.
    """
    wanted = reference.get("resource") or ""
    source = facts.pod.get("spec") or {}
    name = reference.get("containerName")
    if name:
        every = (*(source.get("containers") or ()), *(source.get("initContainers") or ()))
        container = next((c for c in every if c.get("name") == name), container)
    field, _, resource = wanted.partition(".")
    amounts = (container.get("resources") or {}).get(field) or {}
    text = amounts.get(resource)
    if text is None and field == "limits":
        text = (facts.allocatable or {}).get(resource)
    if text is None:
        text = "0"
    divisor = Quantity.from_json(reference.get("divisor") or "0")
    if divisor.is_zero():
        divisor = Quantity(1)
    amount = Quantity.from_json(text)
    if resource == "cpu":
        return str(-(-amount.milli_value() // divisor.milli_value()))
    return str(-(-amount.value() // divisor.value()))
