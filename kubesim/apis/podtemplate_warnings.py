"""Warnings about pod specs that are allowed and yet likely wrong: pkg/api/pod/warnings.go."""

from __future__ import annotations

from collections.abc import Iterator

from kubesim.apimachinery.field import Path
from kubesim.apis.podtemplate import containers_with_paths
from kubesim.apis.podtemplate_scheduling import PREFERRED, REQUIRED
from kubesim.apis.resources import quantity
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

_NEW_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_DEPRECATED_LABELS = {
    old: f'deprecated since {version}; use "{new}" instead' for old, (version, new) in _NEW_LABELS.items()
}
_SYSCTLS = 'non-functional in v1.11+; use the "sysctls" field instead'
_DEPRECATED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": _SYSCTLS,
    "security.alpha.kubernetes.io/unsafe-sysctls": _SYSCTLS,
}
_DEPRECATED_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


def warnings_for_pod(new: JSONObject, old: JSONObject | None) -> list[str]:
    """Warnings of a pod."""
    return list(_warnings(new, Path(), Path("spec"), Path("metadata"), template=False))


def warnings_for_workload(new: JSONObject, old: JSONObject | None) -> list[str]:
    """Warnings of the template in `spec.template`, for a new workload and for one whose spec has changed."""
    if old is not None and new.get("spec") == old.get("spec"):
        return []
    return warnings_for_pod_template(dig(new, "spec", "template", default={}), Path("spec").child("template"))


def warnings_for_pod_template(template: JSONObject, path: Path) -> list[str]:
    """Warnings of a workload's template, which stands at `path`."""
    return list(_warnings(template, path, path.child("spec"), path.child("metadata"), template=True))


def _warnings(obj: JSONObject, top: Path, path: Path, metadata: Path, *, template: bool) -> Iterator[str]:
    spec = obj.get("spec") or {}
    annotations = dig(obj, "metadata", "annotations", default={})
    yield from _of_labels(spec, path)
    for key, message in _DEPRECATED_ANNOTATIONS.items():
        if key in annotations:
            yield f"{metadata.child('annotations').key(key)}: {message}"
    yield from _of_volumes(spec, path)
    yield from _of_duplicates(spec, path)
    for name in ("memory", "ephemeral-storage"):
        yield from _of_fraction(spec.get("overhead") or {}, name, path.child("overhead"))
    if _SECCOMP_POD in annotations and not dig(spec, "securityContext", "seccompProfile"):
        yield f"{metadata.child('annotations').key(_SECCOMP_POD)}: {_SECCOMP}"
    for container, at in containers_with_paths(spec, path):
        yield from _of_annotations(spec, container, annotations, metadata, template=template)
        yield from _of_container(container, at)
    yield from _of_ports(spec, path)


def _of_labels(spec: JSONObject, path: Path) -> Iterator[str]:
    for key in sorted(spec.get("nodeSelector") or {}):
        if key in _DEPRECATED_LABELS:
            yield f"{path.child('nodeSelector').key(key)}: {_DEPRECATED_LABELS[key]}"
    at = path.child("affinity", "nodeAffinity")
    affinity = dig(spec, "affinity", "nodeAffinity", default={})
    for i, term in enumerate(dig(affinity, REQUIRED, "nodeSelectorTerms", default=())):
        yield from _of_term(term, at.child(REQUIRED, "nodeSelectorTerms").index(i))
    for i, term in enumerate(affinity.get(PREFERRED) or ()):
        yield from _of_term(term.get("preference") or {}, at.child(PREFERRED).index(i).child("preference"))
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at = path.child("topologySpreadConstraints").index(i)
        key = constraint.get("topologyKey") or ""
        if key in _DEPRECATED_LABELS:
            yield f"{at.child('topologyKey')}: {key} is {_DEPRECATED_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{at.child('labelSelector')}: a null labelSelector results in matching no pod"


def _of_term(term: JSONObject, path: Path) -> Iterator[str]:
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        key = expression.get("key") or ""
        if key in _DEPRECATED_LABELS:
            at = path.child("matchExpressions").index(i).child("key")
            yield f"{at}: {key} is {_DEPRECATED_LABELS[key]}"


def _of_volumes(spec: JSONObject, path: Path) -> Iterator[str]:
    volumes = spec.get("volumes") or ()
    for i, volume in enumerate(volumes):
        for name, message in _DEPRECATED_VOLUMES.items():
            if volume.get(name) is not None:
                shown = "storageOS" if name == "storageos" else name
                yield f"{path.child('volumes').index(i).child(shown)}: {message}"
    tokens = {
        dig(source, "serviceAccountToken", "path", default="")
        for volume in volumes
        for source in dig(volume, "projected", "sources", default=())
        if source.get("serviceAccountToken") is not None
    }
    if not tokens:
        return
    for i, volume in enumerate(volumes):
        for source in dig(volume, "projected", "sources", default=()):
            for name, shown in (
                ("configMap", "configMap"),
                ("secret", "secrets"),
                ("downwardAPI", "downwardAPI"),
            ):
                for j, item in enumerate(dig(source, name, "items", default=())):
                    if item.get("path") in tokens:
                        at = path.child("volumes").index(i).child("projected", "sources", shown).index(j)
                        yield f"{at}: has duplicated path with ServiceAccountToken {quote(item['path'])}"


def _of_duplicates(spec: JSONObject, path: Path) -> Iterator[str]:
    for name, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for i, item in enumerate(spec.get(name) or ()):
            value = item.get(key) or ""
            if value in seen:
                yield f"{path.child(name).index(i).child(key)}: duplicate {key} {quote(value)}"
            seen.add(value)
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{path.child("imagePullSecrets").index(i).child("name")}: invalid empty name ""'


def _of_fraction(amounts: JSONObject, name: str, path: Path) -> Iterator[str]:
    if name not in amounts:
        return
    amount = quantity(amounts[name])
    if amount.milli_value() % 1000:
        shown = quote(str(amount))
        yield f"{path.key(name)}: fractional byte value {shown} is invalid, must be an integer"


def _of_annotations(
    spec: JSONObject, container: JSONObject, annotations: dict[str, str], metadata: Path, *, template: bool
) -> Iterator[str]:
    context = container.get("securityContext") or {}
    key = f"{_SECCOMP_CONTAINER}{container.get('name')}"
    if key in annotations and not context.get("seccompProfile"):
        yield f"{metadata.child('annotations').key(key)}: {_SECCOMP}"
    key = f"{_APP_ARMOR}{container.get('name')}"
    profile = context.get("appArmorProfile") or dig(spec, "securityContext", "appArmorProfile")
    if template and key in annotations and not profile:
        at = metadata.child("annotations").key(key)
        yield f'{at}: deprecated since v1.30; use the "appArmorProfile" field instead'


def _of_container(container: JSONObject, path: Path) -> Iterator[str]:
    resources = container.get("resources") or {}
    for name in ("memory", "ephemeral-storage"):
        for kind in ("limits", "requests"):
            yield from _of_fraction(resources.get(kind) or {}, name, path.child("resources", kind))
    seen: set[str] = set()
    for i, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        if name not in seen:
            seen.add(name)
            continue
        value, reference = variable.get("value") or "", f"$({name})"
        if variable.get("valueFrom") is not None or value == reference or reference not in value:
            at = path.child("env").index(i)
            yield f"{at}: hides previous definition of {quote(name)}, which may be dropped when using apply"


def _of_ports(spec: JSONObject, path: Path) -> Iterator[str]:
    taken: dict[tuple[int, str], list[tuple[Path, JSONObject]]] = {}
    for container, at in containers_with_paths(spec, path):
        for i, port in enumerate(container.get("ports") or ()):
            place = at.child("ports").index(i)
            host, address = port.get("hostPort") or 0, port.get("hostIP") or ""
            if address and not host:
                yield f"{place}: hostIP set without hostPort: {_shown(port)}"
            others = taken.setdefault((port.get("containerPort") or 0, port.get("protocol") or ""), [])
            for where, other in others:
                yield from _of_overlap(place, where, (host, address), other)
            others.append((place, port))


def _of_overlap(place: Path, where: Path, own: tuple[int, str], other: JSONObject) -> Iterator[str]:
    host, address = own
    other_host, other_address = other.get("hostPort") or 0, other.get("hostIP") or ""
    if (host, address) == (other_host, other_address):
        yield f"{place}: duplicate port definition with {where}"
    elif not host or not other_host:
        yield f"{place}: overlapping port definition with {where}"
    elif host == other_host and (address in {"", "0.0.0.0"} or other_address in {"", "0.0.0.0"}):  # noqa: S104
        yield f"{place}: dangerously ambiguous port definition with {where}"


def _shown(port: JSONObject) -> str:
    parts = (
        f"Name:{port.get('name') or ''}",
        f"HostPort:{port.get('hostPort') or 0}",
        f"ContainerPort:{port.get('containerPort') or 0}",
        f"Protocol:{port.get('protocol') or ''}",
        f"HostIP:{port.get('hostIP') or ''}",
    )
    return "{" + " ".join(parts) + "}"
