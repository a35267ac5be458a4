"""Namespace: a scope for names, which is gone only when its last finalizer is.

`/finalize` changes spec.finalizers and nothing else: `prepare_finalize_update`, `validate_finalize_update`.
Source: pkg/registry/core/namespace/strategy.go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import is_terminating, name_of
from kubesim.apimachinery.names import name_is_dns_label
from kubesim.apimachinery.objectmeta import validate_finalizer_name
from kubesim.apimachinery.scheme import Cells, Column, standard_fields
from kubesim.apis.meta import AGE, NAME, created, drop_empty, items, section
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

COLUMNS: Final = (NAME, Column("Status", description="The status of the namespace"), AGE)
FINALIZER: Final = "kubernetes"
NAME_LABEL: Final = "kubernetes.io/metadata.name"
ACTIVE: Final = "Active"
TERMINATING: Final = "Terminating"

_STANDARD_FINALIZERS: Final = (FINALIZER, "orphan", "foregroundDeletion")

name_errors = name_is_dns_label


def default(namespace: JSONObject) -> None:
    """SetDefaults_Namespace, SetDefaults_NamespaceStatus."""
    drop_empty(section(namespace, "spec"), ("finalizers",))
    _label(namespace)
    status = section(namespace, "status")
    if not status.get("phase"):
        status["phase"] = ACTIVE


def _label(namespace: JSONObject) -> None:
    # A generated name is not known when defaults are filled in: the label is set again when it is.
    if name_of(namespace):
        section(section(namespace, "metadata"), "labels")[NAME_LABEL] = name_of(namespace)


def prepare_create(namespace: JSONObject) -> None:
    _label(namespace)
    namespace["status"] = {"phase": ACTIVE}
    spec = section(namespace, "spec")
    if FINALIZER not in items(spec, "finalizers"):
        spec["finalizers"] = [*items(spec, "finalizers"), FINALIZER]


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    """Finalizers are for /finalize, the status is for /status."""
    _label(new)
    new["spec"] = deep_copy(old.get("spec") or {})
    new["status"] = deep_copy(old.get("status") or {})


def prepare_finalize_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = deep_copy(old.get("status") or {})


def validate(namespace: JSONObject) -> list[FieldError]:
    """ValidateNamespace."""
    path = Path("spec.finalizers")
    errors: list[FieldError] = []
    for name in items(namespace.get("spec") or {}, "finalizers"):
        errors += _validate_finalizer(name, path)
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def validate_finalize_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateNamespaceFinalizeUpdate."""
    path = Path("spec.finalizers")
    errors: list[FieldError] = []
    for at, name in enumerate(items(new.get("spec") or {}, "finalizers")):
        errors += _validate_finalizer(name, path.index(at))
    return errors


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateNamespaceStatusUpdate: the phase says whether the namespace is being deleted."""
    phase = dig(new, "status", "phase", default="")
    wanted, state = (TERMINATING, "is not empty") if is_terminating(new) else (ACTIVE, "is empty")
    if phase == wanted:
        return []
    return [
        field.invalid(Path("status.Phase"), phase, f"may only be '{wanted}' if `deletionTimestamp` {state}")
    ]


def _validate_finalizer(name: str, path: Path) -> list[FieldError]:
    errors = validate_finalizer_name(name, path)
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(field.invalid(path, name, detail))
    return errors


def fields(namespace: JSONObject) -> dict[str, str]:
    """`name` without `metadata.` is an old mistake that clients rely on."""
    phase = dig(namespace, "status", "phase", default="")
    return standard_fields(namespace) | {"status.phase": phase, "name": name_of(namespace)}


def cells(namespace: JSONObject, now: datetime) -> Cells:
    phase = dig(namespace, "status", "phase", default="")
    return [name_of(namespace), phase, time_since(created(namespace), now)]
