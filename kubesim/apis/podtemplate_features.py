"""Fields whose feature gates are off by default in Kubernetes 1.32, which the API server takes out of what
it gets.

Source: DropDisabledPodFields in pkg/api/pod/util.go. A field that the stored object has already stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubesim.apis.podtemplate import CONTAINER_LISTS
from kubesim.util.jsontypes import JSONObject, dig

# PodLevelResources, UserNamespacesSupport and DynamicResourceAllocation are off.
_SPEC = ("hostUsers", "resources", "resourceClaims")
# SupplementalGroupsPolicy and SELinuxChangePolicy.
_SECURITY_CONTEXT = ("supplementalGroupsPolicy", "seLinuxChangePolicy")


def drop_disabled_template_fields(obj: JSONObject, old: JSONObject | None = None) -> None:
    """The same for the template of a workload: DropDisabledTemplateFields."""
    spec = _template_spec(obj)
    if spec is not None:
        drop_disabled_fields(spec, _template_spec(old or {}))


def _template_spec(obj: JSONObject) -> JSONObject | None:
    """Of a CronJob that of its Jobs; a PodTemplate has it at the top."""
    holder = obj if "template" in obj else dig(obj, "spec", "jobTemplate", "spec") or obj.get("spec")
    found: JSONObject | None = dig(holder, "template", "spec")
    return found


def drop_disabled_fields(spec: JSONObject, old: JSONObject | None = None) -> None:
    """Take out, in place, what a cluster with the default feature gates does not know."""
    before = old or {}
    for name in _SPEC:
        _drop(spec, before, name)
    if spec.get("securityContext"):
        for name in _SECURITY_CONTEXT:
            _drop(spec["securityContext"], before.get("securityContext") or {}, name)
    kept = {name for name in ("procMount", "resizePolicy", "claims") if _in_use(before, name)}
    for container in _containers(spec):
        if "resizePolicy" not in kept:
            container.pop("resizePolicy", None)
        if "procMount" not in kept and dig(container, "securityContext", "procMount") is not None:
            container["securityContext"]["procMount"] = "Default"
        if "claims" not in kept and container.get("resources"):
            container["resources"].pop("claims", None)
    _drop_image_volumes(spec, before)


def _drop_image_volumes(spec: JSONObject, before: JSONObject) -> None:
    """ImageVolume is off: neither such a volume nor a mount of it is left."""
    volumes = spec.get("volumes") or []
    names = {v.get("name") for v in volumes if v.get("image") is not None}
    if not names or any(v.get("image") is not None for v in before.get("volumes") or ()):
        return
    _keep_some(spec, "volumes", [v for v in volumes if v.get("image") is None])
    for container in _containers(spec):
        mounts = container.get("volumeMounts") or []
        _keep_some(container, "volumeMounts", [m for m in mounts if m.get("name") not in names])


def _keep_some(holder: JSONObject, name: str, left: list[JSONObject]) -> None:
    holder.pop(name, None)
    if left:
        holder[name] = left


def _drop(holder: JSONObject, before: JSONObject, name: str) -> None:
    if before.get(name) is None:
        holder.pop(name, None)


def _in_use(spec: JSONObject, name: str) -> bool:
    for container in _containers(spec):
        parts = (container, container.get("securityContext") or {}, container.get("resources") or {})
        if any(part.get(name) not in (None, "Default") for part in parts):
            return True
    return False


def _containers(spec: JSONObject) -> Iterator[JSONObject]:
    for group in CONTAINER_LISTS:
        yield from spec.get(group) or ()
