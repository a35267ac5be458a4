"""Fields whose feature gates are off by default in Kubernetes 1.32, which the API server takes out of what
it gets.

Source: DropDisabledPodFields in pkg/api/pod/util.go. A field that the stored object has already stays.
"""

from __future__ import annotations

from kubesim.apis.podtemplate import CONTAINER_LISTS
from kubesim.util.jsontypes import JSONObject

# PodLevelResources, UserNamespacesSupport and DynamicResourceAllocation are off.
_SPEC = ("hostUsers", "resources", "resourceClaims")
# SupplementalGroupsPolicy and SELinuxChangePolicy.
_SECURITY_CONTEXT = ("supplementalGroupsPolicy", "seLinuxChangePolicy")


def drop_disabled_fields(spec: JSONObject, old: JSONObject | None = None) -> None:
    """Take out, in place, what a cluster with the default feature gates does not know."""
    before = old or {}
    for name in _SPEC:
        _drop(spec, before, name)
    if spec.get("securityContext"):
        for name in _SECURITY_CONTEXT:
            _drop(spec["securityContext"], before.get("securityContext") or {}, name)
    kept = {name for name in ("procMount", "resizePolicy", "claims") if _in_use(before, name)}
    for group in CONTAINER_LISTS:
        for container in spec.get(group) or ():
            if "resizePolicy" not in kept:
                container.pop("resizePolicy", None)
            if "procMount" not in kept and container.get("securityContext"):
                container["securityContext"].pop("procMount", None)
            if "claims" not in kept and container.get("resources"):
                container["resources"].pop("claims", None)


def _drop(holder: JSONObject, before: JSONObject, name: str) -> None:
    if before.get(name) is None:
        holder.pop(name, None)


def _in_use(spec: JSONObject, name: str) -> bool:
    for group in CONTAINER_LISTS:
        for container in spec.get(group) or ():
            parts = (container, container.get("securityContext") or {}, container.get("resources") or {})
            if any(part.get(name) for part in parts):
                return True
    return False
