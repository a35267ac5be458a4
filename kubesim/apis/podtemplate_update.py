"""Which pods may be made, and which changes of a pod are allowed: ValidatePodCreate, ValidatePodUpdate and
their kin.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.names import inclusive_range_error
from kubesim.apis.podtemplate import CONTAINER_LISTS, is_sidecar
from kubesim.apis.podtemplate_containers import validate_image_padding
from kubesim.apis.podtemplate_qos import qos_class
from kubesim.apis.podtemplate_scheduling import REQUIRED, validate_tolerations
from kubesim.apis.podtemplate_validation import MAX_INT32, validate_pod_annotations, validate_pod_spec
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

_SPEC = Path("spec")
_MIRROR = "kubernetes.io/config.mirror"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def validate_pod_create(obj: JSONObject) -> list[FieldError]:
    """The errors of a new pod."""
    spec = obj.get("spec") or {}
    errors = _validate_pod(obj)
    if spec.get("ephemeralContainers"):
        errors.append(field.forbidden(_SPEC.child("ephemeralContainers"), "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        detail = "cannot be set until all schedulingGates have been cleared"
        errors.append(field.forbidden(_SPEC.child("nodeName"), detail))
    return errors


def _validate_pod(obj: JSONObject) -> list[FieldError]:
    spec = obj.get("spec") or {}
    path = Path("metadata").child("annotations")
    errors = validate_pod_annotations(annotations_of(obj), spec, path)
    errors += validate_pod_spec(spec, _SPEC, name_of(obj))
    if not spec.get("serviceAccountName"):
        errors += _no_tokens(spec)
    for name in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(name) or ()):
            errors += validate_image_padding(container, _SPEC.child(name).index(i))
    return errors


def _no_tokens(spec: JSONObject) -> list[FieldError]:
    detail = "must not be specified when serviceAccountName is not set"
    return [
        field.forbidden(
            _SPEC.child("volumes")
            .index(i)
            .child("projected", "sources")
            .index(j)
            .child("serviceAccountToken"),
            detail,
        )
        for i, volume in enumerate(spec.get("volumes") or ())
        for j, source in enumerate(dig(volume, "projected", "sources", default=()))
        if source.get("serviceAccountToken") is not None
    ]


def validate_pod_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The errors of a change that a user may wish: images, a deadline, more tolerations, fewer scheduling
    gates.
    """
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = _validate_pod(new) + _validate_annotation_changes(new, old)
    for name in ("containers", "initContainers"):
        containers = spec.get(name) or []
        if len(containers) != len(before.get(name) or []):
            detail = "pod updates may not add or remove containers"
            return [*errors, field.forbidden(_SPEC.child(name), detail)]
        for i, container in enumerate(containers):
            at = _SPEC.child(name).index(i)
            if not container.get("image"):
                errors.append(field.required(at.child("image"), ""))
            errors += validate_image_padding(container, at)
    wrong, stop = _validate_deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    errors += wrong
    if stop:
        return errors
    errors += _validate_added_tolerations(spec, before) + _validate_removed_gates(spec, before)
    if _normal(spec) == _normal(before):
        return errors
    return errors + _validate_rest(spec, before)


def _validate_annotation_changes(new: JSONObject, old: JSONObject) -> list[FieldError]:
    now, before = annotations_of(new), annotations_of(old)
    path = Path("metadata").child("annotations")
    errors: list[FieldError] = []
    for key in sorted(before):
        if now.get(key) == before[key]:
            continue
        if key.startswith(_APP_ARMOR):
            errors.append(field.forbidden(path.key(key), "may not remove or update AppArmor annotations"))
        if key == _MIRROR:
            errors.append(field.forbidden(path.key(key), "may not remove or update mirror pod annotation"))
    for key in sorted(set(now) - set(before)):
        if key.startswith(_APP_ARMOR):
            errors.append(field.forbidden(path.key(key), "may not add AppArmor annotations"))
        if key == _MIRROR:
            errors.append(field.forbidden(path.key(key), "may not add mirror pod annotation"))
    return errors + validate_pod_annotations(now, new.get("spec") or {}, path)


def _validate_deadline(value: int | None, before: int | None) -> tuple[list[FieldError], bool]:
    """The errors, and whether Kubernetes looks no further."""
    path = _SPEC.child("activeDeadlineSeconds")
    if value is None:
        if before is None:
            return [], False
        detail = "must not update from a positive integer to nil value"
        return [field.invalid(path, None, detail)], False
    if not 0 <= value <= MAX_INT32:
        return [field.invalid(path, value, inclusive_range_error(0, MAX_INT32))], True
    if before is not None and before < value:
        return [field.invalid(path, value, "must be less than or equal to previous value")], True
    return [], False


def _validate_added_tolerations(spec: JSONObject, before: JSONObject) -> list[FieldError]:
    path = _SPEC.child("tolerations")
    tolerations = spec.get("tolerations") or []
    kept = [_without_seconds(t) for t in tolerations]
    if any(_without_seconds(t) not in kept for t in before.get("tolerations") or ()):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        return [field.forbidden(path, detail)]
    return validate_tolerations(tolerations, path)


def _without_seconds(toleration: JSONObject) -> JSONObject:
    return {k: v for k, v in toleration.items() if k != "tolerationSeconds" and v}


def _validate_removed_gates(spec: JSONObject, before: JSONObject) -> list[FieldError]:
    known = {g.get("name") for g in before.get("schedulingGates") or ()}
    path = _SPEC.child("schedulingGates")
    return [
        field.forbidden(
            path.index(i).child("name"),
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
        )
        for i, gate in enumerate(spec.get("schedulingGates") or ())
        if gate.get("name") not in known
    ]


def _validate_rest(spec: JSONObject, before: JSONObject) -> list[FieldError]:
    """Everything else has to be as it was; the difference is shown as go-cmp shows it."""
    munged = deep_copy(spec)
    for name in ("containers", "initContainers"):
        for container, was in zip(munged.get(name) or (), before.get(name) or (), strict=True):
            _put(container, "image", was.get("image"))
    for name in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _put(munged, name, before.get(name))
    grace = before.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = grace
    errors: list[FieldError] = []
    if before.get("schedulingGates"):
        errors += _validate_gated(munged, before)
    if _normal(munged) == _normal(before):
        return errors
    from kubesim.apis.godiff import diff

    text = diff("core.PodSpec", before, munged)
    detail = f"pod updates may not change fields other than {','.join(_UPDATABLE)}\n{text}"
    return [*errors, field.forbidden(_SPEC, detail)]


def _put(holder: JSONObject, name: str, value: Any) -> None:
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value


def _validate_gated(munged: JSONObject, before: JSONObject) -> list[FieldError]:
    """A pod that waits at a gate may get a narrower node selector and node affinity, which are then set
    aside.
    """
    errors: list[FieldError] = []
    wanted, selector = munged.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(wanted.get(k) != v for k, v in selector.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(field.invalid(_SPEC.child("nodeSelector"), wanted, detail))
    _put(munged, "nodeSelector", before.get("nodeSelector"))
    new_affinity, old_affinity = (
        dig(munged, "affinity", "nodeAffinity"),
        dig(before, "affinity", "nodeAffinity"),
    )
    if new_affinity == old_affinity:
        return errors
    errors += _validate_affinity_change(new_affinity or {}, old_affinity or {})
    affinity = munged.get("affinity")
    if affinity is None:
        munged["affinity"] = {"nodeAffinity": old_affinity}
    else:
        _put(affinity, "nodeAffinity", old_affinity)
        if not affinity and before.get("affinity") is None:
            del munged["affinity"]
    return errors


def _validate_affinity_change(new: JSONObject, old: JSONObject) -> list[FieldError]:
    terms, before = (dig(a, REQUIRED, "nodeSelectorTerms", default=[]) for a in (new, old))
    path = _SPEC.child("affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms")
    if not before:
        return []
    if len(terms) != len(before):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [field.invalid(path, _shown("[]core.NodeSelectorTerm", terms), detail)]
    detail = "only additions are allowed (no mutations or deletions)"
    return [
        field.invalid(path.index(i), _shown("core.NodeSelectorTerm", term), detail)
        for i, (term, was) in enumerate(zip(terms, before, strict=True))
        if not _only_additions(term, was)
    ]


def _only_additions(term: JSONObject, was: JSONObject) -> bool:
    names = ("matchExpressions", "matchFields")
    if not any(was.get(n) for n in names):
        return not any(term.get(n) for n in names)
    return all((term.get(n) or [])[: len(was.get(n) or [])] == (was.get(n) or []) for n in names)


def _shown(kind: str, value: Any) -> Any:
    from kubesim.apis.govalue import pretty

    return pretty(kind, value)


def _normal(value: Any) -> Any:
    """A value without nulls and empty parts, which Semantic.DeepEqual takes for the same."""
    if isinstance(value, dict):
        return {k: n for k, v in value.items() if (n := _normal(v)) not in (None, [], "", False, 0)}
    return [_normal(v) for v in value] if isinstance(value, list) else value


def validate_pod_ephemeral_containers_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The errors of an update of /ephemeralcontainers: what is there stays as it is."""
    if _MIRROR in annotations_of(old):
        return [field.forbidden(Path(""), "static pods do not support ephemeral containers")]
    errors = _validate_pod(new) + _validate_annotation_changes(new, old)
    path = _SPEC.child("ephemeralContainers")
    wanted = {c.get("name"): c for c in dig(new, "spec", "ephemeralContainers", default=[])}
    for container in dig(old, "spec", "ephemeralContainers", default=[]):
        name = container.get("name") or ""
        if name not in wanted:
            detail = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(field.forbidden(path, detail))
        elif _normal(container) != _normal(wanted[name]):
            from kubesim.apis.godiff import diff

            text = diff("core.EphemeralContainer", container, wanted[name])
            detail = f'existing ephemeral containers "{name}" may not be changed\n{text}'
            errors.append(field.forbidden(path, detail))
    return errors


def validate_pod_resize(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """The errors of an update of /resize: cpu and memory alone, within the quality-of-service class."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for wrong, text in (
        (before.get("resources") or spec.get("resources"), "pods with pod-level resources cannot be resized"),
        (_MIRROR in annotations_of(old), "static pods cannot be resized"),
        (dig(before, "os", "name") == "windows", "windows pods cannot be resized"),
    ):
        if wrong:
            return [field.forbidden(Path(""), text)]
    errors = _validate_pod(new)
    if qos_class(before) != qos_class(spec):
        shown = dig(new, "status", "qosClass", default="")
        errors.append(field.invalid(_SPEC, shown, "Pod QOS Class may not change as a result of resizing"))
    for name in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(name) or ()):
            was = before[name][i]
            if name == "initContainers" and not is_sidecar(container):
                continue
            errors += _validate_container_resize(
                container, was, _SPEC.child(name).index(i).child("resources")
            )
    errors += _validate_resources_only(spec, before)
    rest = [{k: v for k, v in s.items() if k not in CONTAINER_LISTS} for s in (spec, before)]
    if _normal(rest[0]) != _normal(rest[1]):
        errors.append(field.forbidden(_SPEC, "only cpu and memory resources are mutable"))
    return errors


def _validate_resources_only(spec: JSONObject, before: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, text in (
        ("containers", "only cpu and memory resources are mutable"),
        ("initContainers", "only cpu and memory resources for sidecar containers are mutable"),
    ):
        for container, was in zip(spec.get(name) or (), before.get(name) or (), strict=True):
            if name == "initContainers" and not is_sidecar(container):
                if _normal(container) != _normal(was):
                    detail = "resources for non-sidecar init containers are immutable"
                    errors.append(field.forbidden(_SPEC, detail))
            elif _normal(_without_compute(container)) != _normal(_without_compute(was)):
                errors.append(field.forbidden(_SPEC, text))
    return errors


def _validate_container_resize(container: JSONObject, was: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for kind in ("limits", "requests"):
        now, old = (dig(c, "resources", kind, default={}) for c in (container, was))
        errors += [
            field.forbidden(path.child(kind), f"{kind[:-1]} cannot be removed")
            for name in ("cpu", "memory")
            if name in old and name not in now
        ]
    return errors


def _without_compute(container: JSONObject) -> JSONObject:
    found = {k: v for k, v in container.items() if k != "resizePolicy"}
    resources = found.get("resources") or {}
    kept = {
        kind: {n: a for n, a in amounts.items() if n not in {"cpu", "memory"}}
        if isinstance(amounts, dict)
        else amounts
        for kind, amounts in resources.items()
    }
    return {**found, "resources": kept}
