"""/scale: the number of replicas of a workload, as an object of autoscaling/v1 whatever the workload is.

Source: k8s.io/kubernetes pkg/registry/apps/deployment/storage/storage.go (ScaleREST).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.labels import SelectorError, selector_from_label_selector, selector_from_map
from kubesim.registry.options import WriteOptions
from kubesim.registry.store import Store, UpdateStrategy
from kubesim.util.jsontypes import JSONObject

SCALE: Final = GroupVersionKind("autoscaling", "v1", "Scale")
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: JSONObject) -> JSONObject:
    """The Scale of a workload."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector")
    found: JSONObject = {"replicas": status.get("replicas") or 0}
    if text := _selector_text(selector, obj["kind"]):
        found["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: obj["metadata"][k] for k in _METADATA if obj["metadata"].get(k)},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": found,
    }


def _selector_text(selector: JSONObject | None, kind: str) -> str:
    try:
        if kind == "ReplicationController":
            return str(selector_from_map(selector))
        return str(selector_from_label_selector(selector))
    except SelectorError as error:
        raise errors.plain_error(str(error)) from None


def update_scale(
    store: Store,
    name: str,
    change: Callable[[JSONObject], JSONObject],
    *,
    namespace: str,
    options: WriteOptions,
) -> JSONObject:
    """Change the Scale of a workload; the new one. Raises StatusError."""

    def apply(obj: JSONObject) -> JSONObject:
        current = scale_of(obj)
        scale = change(current)
        _check(current, scale, name)
        obj["spec"]["replicas"] = int((scale.get("spec") or {}).get("replicas") or 0)
        if not scale["metadata"].get("resourceVersion"):
            obj["metadata"].pop("resourceVersion", None)
        else:
            obj["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"]
        return obj

    strategy = UpdateStrategy(
        prepare=_bumping(store),
        validate=store.resource.validate_update,
        warnings=store.resource.warnings,
        subresource="scale",
    )
    return scale_of(store.modify(name, apply, namespace=namespace, options=options, strategy=strategy))


def _bumping(store: Store) -> Callable[[JSONObject, JSONObject], None]:
    """The workload's own preparation; and a new generation, as for a change through the workload itself."""

    def prepare(new: JSONObject, old: JSONObject) -> None:
        store.resource.prepare_update(new, old)
        before = old["metadata"].get("generation")
        if before and new["metadata"].get("generation") == before and new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] = before + 1

    return prepare


def _check(current: JSONObject, scale: JSONObject, name: str) -> None:
    wanted, own = scale["metadata"].get("uid"), current["metadata"].get("uid")
    if wanted and wanted != own:
        detail = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {own}"
        raise errors.conflict("scale", name, detail, group="autoscaling")
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    found: list[FieldError] = []
    if replicas < 0:
        found.append(field.invalid(Path("spec.replicas"), replicas, "must be greater than or equal to 0"))
    if found:
        raise errors.invalid("Scale", name, found, group="autoscaling")
