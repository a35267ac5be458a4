"""Reading object metadata without a model: names, labels, owners, and the keys that queues and caches use."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.util.jsontypes import JSONObject


def name_of(obj: JSONObject) -> str:
    return str(metadata_of(obj).get("name") or "")


def namespace_of(obj: JSONObject) -> str:
    """The namespace, empty for what has none."""
    return str(metadata_of(obj).get("namespace") or "")


def uid_of(obj: JSONObject) -> str:
    return str(metadata_of(obj).get("uid") or "")


def resource_version_of(obj: JSONObject) -> str:
    return str(metadata_of(obj).get("resourceVersion") or "")


def metadata_of(obj: JSONObject) -> JSONObject:
    """`metadata`, or an empty dict that is not part of the object."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def labels_of(obj: JSONObject) -> dict[str, str]:
    found = metadata_of(obj).get("labels")
    return found if isinstance(found, dict) else {}


def annotations_of(obj: JSONObject) -> dict[str, str]:
    found = metadata_of(obj).get("annotations")
    return found if isinstance(found, dict) else {}


def finalizers_of(obj: JSONObject) -> list[str]:
    return list(metadata_of(obj).get("finalizers") or [])


def owner_references_of(obj: JSONObject) -> list[JSONObject]:
    return list(metadata_of(obj).get("ownerReferences") or [])


def controller_of(obj: JSONObject) -> JSONObject | None:
    """The owner reference with `controller: true`, if there is one."""
    return next((r for r in owner_references_of(obj) if r.get("controller")), None)


def is_terminating(obj: JSONObject) -> bool:
    return bool(metadata_of(obj).get("deletionTimestamp"))


def gvk_of(obj: JSONObject) -> GroupVersionKind:
    """Raises ValueError where apiVersion has more than one slash."""
    group, version = split_api_version(str(obj.get("apiVersion") or ""))
    return GroupVersionKind(group, version, str(obj.get("kind") or ""))


def key_of(obj: JSONObject) -> str:
    """`namespace/name`, or `name` for what has no namespace: the key of queues and caches."""
    namespace = namespace_of(obj)
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def split_key(key: str) -> tuple[str, str]:
    """Namespace (empty for none) and name of a key."""
    namespace, slash, name = key.partition("/")
    return (namespace, name) if slash else ("", namespace)
