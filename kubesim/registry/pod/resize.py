"""/resize: a running Pod's containers get other resources, and nothing else of it changes.

Source: k8s.io/kubernetes pkg/registry/core/pod/strategy.go (podResizeStrategy); from Kubernetes 1.33 on.
"""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.registry.status import keep_all_but_status
from kubesim.registry.store import UpdateStrategy
from kubesim.util.jsontypes import JSONObject

_RESIZABLE = ("resources", "resizePolicy")
_LISTS = ("containers", "initContainers")


def _prepare(new: JSONObject, old: JSONObject) -> None:
    """dropNonResizeUpdates: containers are matched by name."""
    wanted = {kind: (new.get("spec") or {}).get(kind) or [] for kind in _LISTS}
    generation = new["metadata"].get("generation")
    keep_all_but_status(new, old)
    new["status"] = old.get("status") or {}
    new["spec"] = dict(old["spec"])
    for kind in _LISTS:
        if old["spec"].get(kind):
            by_name = {c.get("name"): c for c in wanted[kind]}
            new["spec"][kind] = [_resized(c, by_name.get(c["name"])) for c in old["spec"][kind]]
    if new["spec"] != old["spec"] and generation:
        new["metadata"]["generation"] = generation + 1


def _resized(container: JSONObject, wanted: JSONObject | None) -> JSONObject:
    if wanted is None:
        return container
    kept = {k: v for k, v in container.items() if k not in _RESIZABLE}
    return kept | {k: wanted[k] for k in _RESIZABLE if k in wanted}


def _validate(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The quality of service class is for life: ValidatePodResize."""
    found: list[FieldError] = []
    for position, (after, before) in enumerate(
        zip(new["spec"].get("containers") or [], old["spec"].get("containers") or [], strict=False)
    ):
        resources = after.get("resources") or {}
        had = before.get("resources") or {}
        for part in ("requests", "limits"):
            missing = sorted(set(had.get(part) or {}) - set(resources.get(part) or {}))
            if missing:
                path = Path("spec.containers").index(position).child("resources", part)
                found.append(field.forbidden(path, f"resource {part} cannot be removed"))
    return found


RESIZE = UpdateStrategy(prepare=_prepare, validate=_validate, subresource="resize")
