"""/ephemeralcontainers: debugging containers are added to a running Pod, and nothing else of it changes.

Source: k8s.io/kubernetes pkg/registry/core/pod/strategy.go (podEphemeralContainersStrategy).
"""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.registry.status import keep_all_but_status
from kubesim.registry.store import UpdateStrategy
from kubesim.util.jsontypes import JSONObject

_PATH = Path("spec.ephemeralContainers")


def _prepare(new: JSONObject, old: JSONObject) -> None:
    wanted = (new.get("spec") or {}).get("ephemeralContainers")
    keep_all_but_status(new, old)
    new["status"] = old.get("status") or {}
    new["spec"] = {k: v for k, v in old["spec"].items() if k != "ephemeralContainers"}
    if wanted:
        new["spec"]["ephemeralContainers"] = wanted


def _validate(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidatePodEphemeralContainersUpdate: what is there stays as it is; new names are new."""
    before = {c["name"]: c for c in old["spec"].get("ephemeralContainers") or []}
    after = new["spec"].get("ephemeralContainers") or []
    taken = {c["name"] for k in ("containers", "initContainers") for c in old["spec"].get(k) or []}
    found: list[FieldError] = []
    seen: set[str] = set()
    for position, container in enumerate(after):
        name = container.get("name") or ""
        if not name:
            found.append(field.required(_PATH.index(position).child("name")))
        elif name in seen or name in taken:
            found.append(field.duplicate(_PATH.index(position).child("name"), name))
        seen.add(name)
        if not container.get("image"):
            found.append(field.required(_PATH.index(position).child("image")))
    for name, container in before.items():
        match = next((c for c in after if c.get("name") == name), None)
        if match is None:
            found.append(
                field.forbidden(_PATH, f'existing ephemeral containers "{name}" may not be removed\n')
            )
        elif match != container:
            found.append(
                field.forbidden(_PATH, f'existing ephemeral containers "{name}" may not be changed\n')
            )
    return found


EPHEMERAL_CONTAINERS = UpdateStrategy(prepare=_prepare, validate=_validate, subresource="ephemeralcontainers")
