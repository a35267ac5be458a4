"""What is checked of every object's metadata: k8s.io/apimachinery api/validation and apis/meta/v1/validation.

Labels and annotations are checked in the order of their keys, where Go's order is random.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.names import (
    NameErrors,
    byte_length,
    is_qualified_name,
    is_valid_condition_reason,
    is_valid_label_value,
    name_is_dns_label,
)
from kubesim.util.gotext import quote, string_slice
from kubesim.util.jsontypes import JSONObject

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
ANNOTATIONS_MAX = 256 * 1024
FINALIZER_ORPHAN = "orphan"
FINALIZER_FOREGROUND = "foregroundDeletion"

_BANNED_OWNERS = (GroupVersionKind("", "v1", "Event"),)
_FIELD_MANAGER_MAX = 128
_SUBRESOURCE_MAX = 256


def validate_object_meta(
    meta: JSONObject,
    namespaced: bool,
    name_errors: NameErrors,
    path: Path,
) -> list[FieldError]:
    """The errors of metadata on creation, after generateName has made a name."""
    errors: list[FieldError] = []
    if generate_name := meta.get("generateName"):
        child = path.child("generateName")
        errors += [field.invalid(child, generate_name, e) for e in name_errors(generate_name, True)]  # noqa: FBT003
    name = meta.get("name") or ""
    if not name:
        errors.append(field.required(path.child("name"), "name or generateName is required"))
    else:
        errors += [field.invalid(path.child("name"), name, e) for e in name_errors(name, False)]  # noqa: FBT003
    errors += _validate_namespace(meta.get("namespace") or "", path.child("namespace"), namespaced=namespaced)
    errors += validate_nonnegative(meta.get("generation") or 0, path.child("generation"))
    errors += _validate_maps(meta, path)
    errors += validate_finalizers(meta.get("finalizers") or [], path.child("finalizers"))
    errors += validate_managed_fields(meta.get("managedFields") or [], path.child("managedFields"))
    return errors


def _validate_namespace(namespace: str, path: Path, *, namespaced: bool) -> list[FieldError]:
    if not namespaced:
        return [field.forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [field.required(path)]
    return [field.invalid(path, namespace, e) for e in name_is_dns_label(namespace, False)]  # noqa: FBT003


def _validate_maps(meta: JSONObject, path: Path) -> list[FieldError]:
    """Labels, annotations and owner references: what creation and update check alike."""
    errors: list[FieldError] = []
    if labels := meta.get("labels"):
        errors += validate_labels(labels, path.child("labels"))
    if annotations := meta.get("annotations"):
        errors += validate_annotations(annotations, path.child("annotations"))
    if references := meta.get("ownerReferences"):
        errors += validate_owner_references(references, path.child("ownerReferences"))
    return errors


def validate_object_meta_update(new: JSONObject, old: JSONObject, path: Path) -> list[FieldError]:
    """The errors of metadata on an update, after the registry has carried over what clients may leave out."""
    errors: list[FieldError] = []
    if old.get("deletionTimestamp"):
        extra = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
        if extra:
            detail = (
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"{string_slice(extra)}"
            )
            errors.append(field.forbidden(path.child("finalizers"), detail))
    if not new.get("resourceVersion"):
        errors.append(field.invalid(path.child("resourceVersion"), "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        generation = new.get("generation") or 0
        errors.append(field.invalid(path.child("generation"), generation, "must not be decremented"))
    for name in ("name", "namespace", "uid"):
        errors += validate_immutable(new.get(name) or "", old.get(name) or "", path.child(name))
    for name in ("creationTimestamp", "deletionTimestamp"):
        if (new.get(name) or None) != (old.get(name) or None):
            errors.append(field.invalid(path.child(name), _time(new.get(name)), IMMUTABLE))
    name = "deletionGracePeriodSeconds"
    errors += validate_immutable(new.get(name), old.get(name), path.child(name))
    errors += _validate_maps(new, path)
    errors += validate_managed_fields(new.get("managedFields") or [], path.child("managedFields"))
    return errors


def _time(text: str | None) -> Any:
    """A metav1.Time as time.Time's String method, which field errors print, has it."""
    if not text:
        return None
    return GoValue(text.replace("T", " ").replace("Z", " +0000 UTC"))


def validate_immutable(new: Any, old: Any, path: Path) -> list[FieldError]:
    """`field is immutable` where the values differ."""
    return [] if new == old else [field.invalid(path, new, IMMUTABLE)]


def validate_nonnegative(value: int, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, NOT_NEGATIVE)] if value < 0 else []


def validate_label_name(name: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, name, e) for e in is_qualified_name(name)]


def validate_labels(labels: dict[str, str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in sorted(labels):
        errors += validate_label_name(name, path)
        value = labels[name] or ""
        errors += [field.invalid(path, value, e) for e in is_valid_label_value(value)]
    return errors


def validate_annotations(annotations: dict[str, str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    size = 0
    for name in sorted(annotations):
        # Upper case is allowed in an annotation's prefix, so names are checked in lower case.
        errors += [field.invalid(path, name, e) for e in is_qualified_name(name.lower())]
        size += byte_length(name) + byte_length(annotations[name] or "")
    if size > ANNOTATIONS_MAX:
        errors.append(field.too_long(path, "", ANNOTATIONS_MAX))
    return errors


def validate_owner_references(references: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    first = ""
    for reference in references:
        errors += _validate_owner_reference(reference, path)
        if reference.get("controller"):
            controller = f"{reference.get('kind') or ''}/{reference.get('name') or ''}"
            if first:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{first} and {controller}"
                )
                listed = ", ".join(map(_go_reference, references))
                errors.append(field.invalid(path, GoValue(f"[]v1.OwnerReference{{{listed}}}"), detail))
            else:
                first = controller
    return errors


def _validate_owner_reference(reference: JSONObject, path: Path) -> list[FieldError]:
    api_version = reference.get("apiVersion") or ""
    kind = reference.get("kind") or ""
    try:
        group, version = split_api_version(api_version)
    except ValueError:
        group, version = "", ""
    errors = []
    if not version:
        errors.append(field.invalid(path.child("apiVersion"), api_version, "version must not be empty"))
    errors += [
        field.invalid(path.child(name), "", f"{name} must not be empty")
        for name in ("kind", "name", "uid")
        if not reference.get(name)
    ]
    gvk = GroupVersionKind(group, version, kind)
    if gvk in _BANNED_OWNERS:
        detail = f"{gvk} is disallowed from being an owner"
        errors.append(field.invalid(path, GoValue(_go_reference(reference)), detail))
    return errors


def _go_reference(reference: JSONObject) -> str:
    """An OwnerReference as %#v writes it; pointers have made-up addresses."""
    texts = [
        f"{name}:{quote(reference.get(key) or '')}"
        for name, key in (("APIVersion", "apiVersion"), ("Kind", "kind"), ("Name", "name"), ("UID", "uid"))
    ]
    for name, key in (("Controller", "controller"), ("BlockOwnerDeletion", "blockOwnerDeletion")):
        texts.append(f"{name}:(*bool)({'nil' if reference.get(key) is None else '0xc000000000'})")
    return "v1.OwnerReference{" + ", ".join(texts) + "}"


def validate_finalizer_name(name: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, name, e) for e in is_qualified_name(name)]


def validate_finalizers(finalizers: list[str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in finalizers:
        errors += validate_finalizer_name(name, path)
    if FINALIZER_ORPHAN in finalizers and FINALIZER_FOREGROUND in finalizers:
        detail = f"finalizer {FINALIZER_ORPHAN} and {FINALIZER_FOREGROUND} cannot be both set"
        errors.append(field.invalid(path, finalizers, detail))
    return errors


def validate_managed_fields(entries: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, entry in enumerate(entries):
        item = path.index(i)
        operation = entry.get("operation") or ""
        if operation not in {"Apply", "Update"}:
            errors.append(field.invalid(item.child("operation"), operation, "must be `Apply` or `Update`"))
        fields_type = entry.get("fieldsType") or ""
        if fields_type not in {"", "FieldsV1"}:
            errors.append(field.invalid(item.child("fieldsType"), fields_type, "must be `FieldsV1`"))
        errors += validate_field_manager(entry.get("manager") or "", item.child("manager"))
        if byte_length(entry.get("subresource") or "") > _SUBRESOURCE_MAX:
            errors.append(field.too_long(item.child("subresource"), "", _SUBRESOURCE_MAX))
    return errors


def validate_field_manager(manager: str, path: Path) -> list[FieldError]:
    if manager.isascii() and manager.isprintable() and len(manager) <= _FIELD_MANAGER_MAX:
        return []
    errors: list[FieldError] = []
    if byte_length(manager) > _FIELD_MANAGER_MAX:
        errors.append(field.too_long(path, "", _FIELD_MANAGER_MAX))
    position = 0
    for character in manager:
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            errors.append(field.invalid(path, manager, detail))
        position += byte_length(character)
    return errors


def validate_label_selector(
    selector: JSONObject | None, path: Path, *, allow_invalid_values: bool = False
) -> list[FieldError]:
    """The errors of a metav1.LabelSelector."""
    if not selector:
        return []
    errors = validate_labels(selector.get("matchLabels") or {}, path.child("matchLabels"))
    for i, expression in enumerate(selector.get("matchExpressions") or []):
        item = path.child("matchExpressions").index(i)
        errors += _validate_requirement(expression, item, allow_invalid_values=allow_invalid_values)
    return errors


def _validate_requirement(
    requirement: JSONObject, path: Path, *, allow_invalid_values: bool
) -> list[FieldError]:
    errors: list[FieldError] = []
    operator = requirement.get("operator") or ""
    values = requirement.get("values") or []
    if operator in {"In", "NotIn"}:
        if not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(field.required(path.child("values"), detail))
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(field.forbidden(path.child("values"), detail))
    else:
        errors.append(field.invalid(path.child("operator"), operator, "not a valid selector operator"))
    errors += validate_label_name(requirement.get("key") or "", path.child("key"))
    if not allow_invalid_values:
        for i, value in enumerate(values):
            item = path.child("values").index(i)
            errors += [field.invalid(item, value, e) for e in is_valid_label_value(value)]
    return errors


def validate_conditions(conditions: list[JSONObject], path: Path) -> list[FieldError]:
    """The errors of a list of metav1.Condition."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        name = condition.get("type") or ""
        if name in seen:
            errors.append(field.duplicate(path.index(i).child("type"), name))
        seen.add(name)
        errors += validate_condition(condition, path.index(i))
    return errors


def validate_condition(condition: JSONObject, path: Path) -> list[FieldError]:
    """The errors of one metav1.Condition."""
    errors = validate_label_name(condition.get("type") or "", path.child("type"))
    status = condition.get("status") or ""
    statuses = ("False", "True", "Unknown")
    if status not in statuses:
        errors.append(field.not_supported(path.child("status"), status, statuses))
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        detail = "must be greater than or equal to zero"
        errors.append(field.invalid(path.child("observedGeneration"), generation, detail))
    if not condition.get("lastTransitionTime"):
        errors.append(field.required(path.child("lastTransitionTime"), "must be set"))
    reason = condition.get("reason") or ""
    if not reason:
        errors.append(field.required(path.child("reason"), "must be set"))
    else:
        errors += [field.invalid(path.child("reason"), reason, e) for e in is_valid_condition_reason(reason)]
        if byte_length(reason) > 1024:
            errors.append(field.too_long(path.child("reason"), "", 1024))
    if byte_length(condition.get("message") or "") > 32 * 1024:
        errors.append(field.too_long(path.child("message"), "", 32 * 1024))
    return errors
