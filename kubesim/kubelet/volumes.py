"""A Pod's volumes: what is in those that the kubelet writes, and how containers mount them.

Rules as in pkg/volume/{configmap,secret,projected,downwardapi} of Kubernetes 1.32, with their texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubesim.apimachinery.errors import StatusError
from kubesim.kubelet.downward import PodFacts, field_value, resource_value
from kubesim.kubelet.environment import expand
from kubesim.kubelet.errors import ConfigError, MountError
from kubesim.kubelet.sources import Sources, data_of
from kubesim.runtime.spec import Mount
from kubesim.util.jsontypes import JSONObject

_DEFAULT_TOKEN_SECONDS = 3600
_WRITTEN = ("configMap", "secret", "projected", "downwardAPI")


@dataclass(slots=True)
class Volume:
    """A volume that is ready to be mounted. `files` is None where its content is not the kubelet's."""

    source: str
    type: str
    files: dict[str, bytes] | None = None
    mode: int = 0o644


def build_volumes(facts: PodFacts, sources: Sources) -> dict[str, Volume]:
    """Every volume of a Pod by its name. Raises MountError."""
    spec, metadata = facts.pod.get("spec") or {}, facts.pod["metadata"]
    found = {}
    for volume in spec.get("volumes") or ():
        name = volume["name"]
        source = f"{metadata['uid']}/{name}"
        if any(volume.get(kind) is not None for kind in _WRITTEN):
            try:
                files, mode = _files(facts, volume, sources)
            except (ConfigError, StatusError) as error:
                text = error.message if isinstance(error, StatusError) else str(error)
                raise MountError(name, text) from error
            found[name] = Volume(source, "tmpfs", files, mode)
        else:
            found[name] = _plain(volume, source, metadata["namespace"], spec.get("nodeName") or "")
    return found


def _plain(volume: JSONObject, source: str, namespace: str, node: str) -> Volume:
    """A volume whose content is that of its users."""
    if volume.get("hostPath"):
        return Volume(f"host/{node}{volume['hostPath'].get('path') or ''}", "ext4")
    if volume.get("persistentVolumeClaim"):
        return Volume(f"claim/{namespace}/{volume['persistentVolumeClaim'].get('claimName')}", "ext4")
    memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
    return Volume(source, "tmpfs" if memory else "ext4")


def _files(facts: PodFacts, volume: JSONObject, sources: Sources) -> tuple[dict[str, bytes], int]:
    namespace = facts.pod["metadata"]["namespace"]
    for kind in ("configMap", "secret"):
        source = volume.get(kind)
        if source is not None:
            name = source.get("name") if kind == "configMap" else source.get("secretName")
            return _entries(namespace, name or "", source, sources, secret=kind == "secret"), _mode(source)
    source = volume.get("downwardAPI")
    if source is not None:
        return _downward(facts, source.get("items") or ()), _mode(source)
    source = volume.get("projected") or {}
    files: dict[str, bytes] = {}
    for part in source.get("sources") or ():
        files |= _projected(facts, part, sources)
    return files, _mode(source)


def _mode(source: JSONObject) -> int:
    mode = source.get("defaultMode")
    return 0o644 if mode is None else int(mode)


def _projected(facts: PodFacts, part: JSONObject, sources: Sources) -> dict[str, bytes]:
    namespace = facts.pod["metadata"]["namespace"]
    for kind in ("configMap", "secret"):
        source = part.get(kind)
        if source is not None:
            return _entries(namespace, source.get("name") or "", source, sources, secret=kind == "secret")
    if part.get("downwardAPI") is not None:
        return _downward(facts, part["downwardAPI"].get("items") or ())
    token = part.get("serviceAccountToken")
    if token is not None:
        seconds = token.get("expirationSeconds") or _DEFAULT_TOKEN_SECONDS
        value = sources.token(facts.pod, seconds, token.get("audience") or "")
        return {token.get("path") or "token": value.encode()}
    return {}


def _entries(
    namespace: str, name: str, source: JSONObject, sources: Sources, *, secret: bool
) -> dict[str, bytes]:
    """MakePayload: all entries, or those that are named, under the paths they are given."""
    obj = sources.secret(namespace, name) if secret else sources.config_map(namespace, name)
    optional = bool(source.get("optional"))
    if obj is None:
        if optional:
            return {}
        raise ConfigError(f'{"secret" if secret else "configmap"} "{name}" not found')
    data = data_of(obj, secret=secret)
    chosen = source.get("items")
    if not chosen:
        return data
    found = {}
    for item in chosen:
        if item["key"] in data:
            found[item["path"]] = data[item["key"]]
        elif not optional:
            kind = (
                "references non-existent secret key"
                if secret
                else "configmap references non-existent config key"
            )
            raise ConfigError(f"{kind}: {item['key']}")
    return found


def _downward(facts: PodFacts, entries: Iterable[JSONObject]) -> dict[str, bytes]:
    found = {}
    for item in entries:
        if item.get("fieldRef"):
            text = field_value(facts, item["fieldRef"].get("fieldPath") or "")
        else:
            text = resource_value(facts, {}, item.get("resourceFieldRef") or {})
        found[item["path"]] = text.encode()
    return found


def mounts_of(
    container: JSONObject, volumes: dict[str, Volume], environment: Mapping[str, str]
) -> Iterator[Mount]:
    """A container's mounts."""
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"])
        if volume is None:
            continue
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", environment)
        yield Mount(
            path=mount["mountPath"],
            source=volume.source,
            type=volume.type,
            read_only=bool(mount.get("readOnly")),
            sub_path=sub_path,
            files=volume.files,
            mode=volume.mode,
        )


def references(pod: JSONObject) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that a Pod names: ("configmaps", name), ("secrets", name)."""
    spec = pod.get("spec") or {}
    found: set[tuple[str, str]] = set()
    for volume in spec.get("volumes") or ():
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        for part in parts:
            config_map, secret = part.get("configMap"), part.get("secret")
            if config_map:
                found.add(("configmaps", config_map.get("name") or ""))
            if secret:
                found.add(("secrets", secret.get("secretName") or secret.get("name") or ""))
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        sources = list(container.get("envFrom") or ())
        sources += [e["valueFrom"] for e in container.get("env") or () if e.get("valueFrom")]
        for source in sources:
            for field_name, kind in (
                ("configMapRef", "configmaps"),
                ("configMapKeyRef", "configmaps"),
                ("secretRef", "secrets"),
                ("secretKeyRef", "secrets"),
            ):
                if source.get(field_name):
                    found.add((kind, source[field_name].get("name") or ""))
    return found
