"""Where a variable's value comes from, in words, and the value itself (pkg/cmd/set/env/env_resolve.go)."""

from __future__ import annotations

import base64

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import annotations_of, labels_of, metadata_of
from kubesim.apimachinery.names import is_qualified_name
from kubesim.cli.command import Context
from kubesim.kubelet.downward import PodFacts, format_map, resource_value
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

_RESOURCES = frozenset(
    f"{of}.{what}" for of in ("limits", "requests") for what in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid")


class SourceError(Exception):
    """A reference that leads nowhere."""


def described(source: JSONObject) -> str:
    """`configmap c1, key a` and the like."""
    for name, word in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if name in source:
            return f"{word} {source[name].get('name', '')}, key {source[name].get('key', '')}"
    if "fieldRef" in source:
        return f"field path {source['fieldRef'].get('fieldPath', '')}"
    if "resourceFieldRef" in source:
        found = source["resourceFieldRef"]
        prefix = f"{found['containerName']}/" if found.get("containerName") else ""
        return f"resource field {prefix}{found.get('resource', '')}"
    return "invalid valueFrom"


def resolved(context: Context, source: JSONObject, obj: JSONObject, container: JSONObject) -> str:
    """The value. Raises SourceError."""
    if "secretKeyRef" in source:
        text = _key(context, source["secretKeyRef"], "secrets", "secret")
        return base64.b64decode(text).decode(errors="replace")
    if "configMapKeyRef" in source:
        return _key(context, source["configMapKeyRef"], "configmaps", "config map")
    if "fieldRef" in source:
        return _field(obj, str(source["fieldRef"].get("fieldPath", "")))
    if "resourceFieldRef" in source:
        return _amount(source["resourceFieldRef"], obj, container)
    raise SourceError("invalid valueFrom")


def _key(context: Context, reference: JSONObject, resource: str, word: str) -> str:
    name, key = reference.get("name", ""), reference.get("key", "")
    try:
        path = f"/api/v1/namespaces/{context.session.namespace}/{resource}/{name}"
        found = context.session.client.request("GET", path).body
    except StatusError as error:
        raise SourceError(error.message) from None
    data = (found.get("data") or {}) if isinstance(found, dict) else {}
    if key not in data:
        raise SourceError(f"key {key} not found in {word} {name}")
    return str(data[key])


def _field(obj: JSONObject, path: str) -> str:
    """A field of the object itself, be it a Pod or something with a template."""
    base, bracket, rest = path.partition("['")
    if base and bracket and path.endswith("']"):
        subscript = rest.removesuffix("']")
        entries = {"metadata.annotations": annotations_of, "metadata.labels": labels_of}.get(base)
        if entries is None:
            raise SourceError(f"fieldPath {quote(path)} does not support subscript")
        checked = subscript.lower() if base == "metadata.annotations" else subscript
        problems = is_qualified_name(checked)
        if problems:
            raise SourceError(f"invalid key subscript in {path}: {';'.join(problems)}")
        return str(entries(obj).get(subscript, ""))
    if path in _FIELDS:
        return str(metadata_of(obj).get(path.removeprefix("metadata.")) or "")
    match path:
        case "metadata.labels":
            return format_map(labels_of(obj))
        case "metadata.annotations":
            return format_map(annotations_of(obj))
    raise SourceError(f"unsupported fieldPath: {path}")


def _amount(reference: JSONObject, obj: JSONObject, container: JSONObject) -> str:
    wanted = str(reference.get("resource", ""))
    if wanted not in _RESOURCES and not wanted.startswith(_HUGE_PAGES):
        raise SourceError(f"Unsupported container resource : {wanted}")
    own = {k: v for k, v in reference.items() if k != "containerName"}
    return resource_value(PodFacts(obj), container, own)
