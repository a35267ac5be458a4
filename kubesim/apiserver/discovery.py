"""Discovery: which groups, versions and resources there are, in the old form and in the aggregated one.

Sources: k8s.io/apiserver pkg/endpoints/{installer.go,discovery}, staging/src/k8s.io/api/apidiscovery/v2.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from kubesim.apimachinery.scheme import Resource, Scheme
from kubesim.apiserver.negotiation import Wanted
from kubesim.util.jsontypes import JSONObject, deep_copy, encode

# Kind, group and version of the objects that a subresource takes where they are not those of the resource.
_SUBRESOURCE_KINDS: Final = {
    "binding": ("", "", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
_OPTIONS_KINDS: Final = {"exec": "Exec", "attach": "Attach", "portforward": "PortForward", "proxy": "Proxy"}
_SUBRESOURCE_VERBS: Final = {
    "binding": ["create"],
    "eviction": ["create"],
    "token": ["create"],
    "log": ["get"],
    "finalize": ["update"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "proxy": ["create", "delete", "get", "patch", "update"],
}
_NOT_STORED: Final = ("bindings", "componentstatuses")


class Discovery:
    """What a scheme looks like from outside; `address` is the server's, with its port."""

    def __init__(self, scheme: Scheme, address: str) -> None:
        self._scheme = scheme
        self._address = address

    @cached_property
    def _groups(self) -> dict[str, list[str]]:
        """Versions by group, both in the order of preference."""
        found: dict[str, list[str]] = {}
        for resource in self._scheme.resources:
            versions = found.setdefault(resource.group, [])
            if resource.gvk.version not in versions:
                versions.append(resource.gvk.version)
        return found

    def has_group(self, group: str) -> bool:
        return group in self._groups

    def has_version(self, group: str, version: str) -> bool:
        return version in self._groups.get(group, ())

    def api_versions(self) -> JSONObject:
        """`/api`."""
        return {
            "kind": "APIVersions",
            "versions": list(self._groups.get("", ())),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}],
        }

    def api_groups(self) -> JSONObject:
        """`/apis`."""
        groups = [self._group(g) for g in self._groups if g]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def api_group(self, group: str) -> JSONObject:
        """`/apis/GROUP`."""
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}

    def _group(self, group: str) -> JSONObject:
        versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in self._groups[group]]
        return {"name": group, "versions": versions, "preferredVersion": dict(versions[0])}

    def resources(self, group: str, version: str) -> JSONObject:
        """`/api/v1`, `/apis/GROUP/VERSION`."""
        listed: list[JSONObject] = []
        for resource in self._of(group, version):
            listed.append(_entry(resource))
            listed += (_subresource_entry(resource, s) for s in subresources(resource))
        listed.sort(key=lambda r: str(r["name"]))
        found: JSONObject = {"kind": "APIResourceList"}
        if group:
            found["apiVersion"] = "v1"
        return {**found, "groupVersion": f"{group}/{version}" if group else version, "resources": listed}

    def _of(self, group: str, version: str) -> Iterable[Resource]:
        return (r for r in self._scheme.resources if r.group == group and r.gvk.version == version)

    # The aggregated form.

    def aggregated(self, wanted: Wanted, *, core: bool) -> JSONObject:
        """`/api` or `/apis` as an APIGroupDiscoveryList."""
        groups = [g for g in self._groups if bool(g) != core]
        items = [
            {
                "metadata": {"name": group, "creationTimestamp": None}
                if group
                else {"creationTimestamp": None},
                "versions": [self._aggregated_version(group, v) for v in self._groups[group]],
            }
            for group in groups
        ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{wanted.version}",
            "metadata": {},
            "items": deep_copy(items),
        }

    def _aggregated_version(self, group: str, version: str) -> JSONObject:
        resources = sorted(self._of(group, version), key=lambda r: r.plural)
        return {
            "version": version,
            "resources": [_aggregated_entry(r) for r in resources],
            "freshness": "Current",
        }

    def etag(self, body: JSONObject) -> str:
        """The ETag of an aggregated list."""
        return hashlib.sha512(encode(body)).hexdigest().upper()


def storage_version_hash(resource: Resource) -> str:
    """discovery.StorageVersionHash of the version in which objects are stored."""
    group, version, kind = resource.group, resource.gvk.version, resource.kind
    if resource.gvk.group == "autoscaling":
        version = "v2"
    elif resource.gvk.group == "events.k8s.io":
        group = ""
    digest = hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _is_stored(resource: Resource) -> bool:
    return "get" in resource.verbs and resource.plural not in _NOT_STORED


def subresources(resource: Resource) -> list[str]:
    """The subresources that discovery lists for a resource, sorted."""
    found = [*resource.subresources]
    if resource.has_status and "status" not in found:
        found.append("status")
    return sorted(found)


def _entry(resource: Resource) -> JSONObject:
    found: JSONObject = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if _is_stored(resource):
        found["storageVersionHash"] = storage_version_hash(resource)
    return found


def subresource_kind(resource: Resource, subresource: str) -> tuple[str, str, str]:
    """Group, version (both empty for the resource's own) and kind."""
    if subresource in _SUBRESOURCE_KINDS:
        return _SUBRESOURCE_KINDS[subresource]
    if subresource in _OPTIONS_KINDS:
        return "", "", f"{resource.kind}{_OPTIONS_KINDS[subresource]}Options"
    return "", "", resource.kind


def _subresource_entry(resource: Resource, subresource: str) -> JSONObject:
    group, version, kind = subresource_kind(resource, subresource)
    found: JSONObject = {
        "name": f"{resource.plural}/{subresource}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if group:
        found |= {"group": group, "version": version}
    return {**found, "kind": kind, "verbs": _SUBRESOURCE_VERBS.get(subresource, ["get", "patch", "update"])}


def _aggregated_entry(resource: Resource) -> JSONObject:
    kind = {"group": resource.group, "version": resource.gvk.version, "kind": resource.kind}
    found: JSONObject = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular or resource.kind.lower(),
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if below := [_aggregated_subresource(resource, s) for s in subresources(resource)]:
        found["subresources"] = below
    return found


def _aggregated_subresource(resource: Resource, subresource: str) -> JSONObject:
    group, version, kind = subresource_kind(resource, subresource)
    own = not group
    return {
        "subresource": subresource,
        "responseKind": {
            "group": resource.group if own else group,
            "version": resource.gvk.version if own else version,
            "kind": kind,
        },
        "verbs": _SUBRESOURCE_VERBS.get(subresource, ["get", "patch", "update"]),
    }
