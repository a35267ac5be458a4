"""ControllerRevisions: a template as it was, kept by DaemonSets and StatefulSets."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import controller_of, name_of
from kubesim.apimachinery.objectmeta import validate_immutable, validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, age, columns
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Controller, Revision, Age")


def validate(obj: JSONObject) -> list[FieldError]:
    errors = [] if obj.get("data") is not None else [field.required(Path("data"), "data is mandatory")]
    return errors + validate_nonnegative(obj.get("revision") or 0, Path("revision"))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new) + validate_immutable(new.get("data"), old.get("data"), Path("data"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    owner = controller_of(obj)
    return [name_of(obj), _described(owner) if owner else NONE, obj.get("revision") or 0, age(obj, now)]


def _described(owner: JSONObject) -> str:
    # formatResourceName: the kind in lower case with its group, and the name.
    group, slash, _ = str(owner.get("apiVersion") or "").partition("/")
    kind = str(owner.get("kind") or "").lower()
    return f"{kind}.{group}/{owner.get('name')}" if slash else f"{kind}/{owner.get('name')}"
