"""The resources whose kinds have a file of their own in this package: what discovery says of each.

Their functions and columns are in the file, which is imported when one of them is first used.
"""

from __future__ import annotations

from typing import Final, Unpack

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.scheme import Resource
from kubesim.apis.lazy import Facts, deferred

# Namespaces have no deletecollection: one is deleted by itself, with all that it holds.
_NAMESPACE_VERBS: Final = ("create", "delete", "get", "list", "patch", "update", "watch")


def catalogue() -> tuple[Resource, ...]:
    """The resources, in no particular order."""
    return (
        _core("Binding", "bindings", verbs=("create",)),
        _core("ConfigMap", "configmaps", short_names=("cm",)),
        _core("Endpoints", "endpoints", short_names=("ep",), allow_create_on_update=True),
        _core("Event", "events", short_names=("ev",), allow_create_on_update=True),
        _core(
            "Namespace",
            "namespaces",
            namespaced=False,
            short_names=("ns",),
            verbs=_NAMESPACE_VERBS,
            subresources=("finalize", "status"),
            has_status=True,
        ),
        _core(
            "Node",
            "nodes",
            namespaced=False,
            short_names=("no",),
            subresources=("proxy", "status"),
            has_status=True,
        ),
        _core("Secret", "secrets"),
        _core(
            "Service",
            "services",
            short_names=("svc",),
            categories=("all",),
            subresources=("proxy", "status"),
            has_status=True,
            allow_create_on_update=True,
        ),
        _core(
            "ServiceAccount",
            "serviceaccounts",
            short_names=("sa",),
            subresources=("token",),
            allow_unconditional_update=False,
        ),
        deferred(
            "kubesim.apis.discovery_v1.endpointslice",
            GroupVersionKind("discovery.k8s.io", "v1", "EndpointSlice"),
            "endpointslices",
            namespaced=True,
            singular="endpointslice",
        ),
        deferred(
            "kubesim.apis.events_v1.event",
            GroupVersionKind("events.k8s.io", "v1", "Event"),
            "events",
            namespaced=True,
            singular="event",
            short_names=("ev",),
            allow_create_on_update=True,
        ),
    )


def _core(kind: str, plural: str, *, namespaced: bool = True, **facts: Unpack[Facts]) -> Resource:
    facts["singular"] = kind.lower()
    module = f"kubesim.apis.core_v1.{kind.lower()}"
    return deferred(module, GroupVersionKind("", "v1", kind), plural, namespaced=namespaced, **facts)
