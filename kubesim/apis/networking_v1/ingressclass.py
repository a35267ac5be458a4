"""IngressClasses: which controller serves an Ingress."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_domain_prefixed_path
from kubesim.apimachinery.objectmeta import validate_immutable
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Controller, Parameters, Age")
_CONTROLLER_MAX = 250


def default(obj: JSONObject) -> None:
    parameters = section(obj, "spec").get("parameters")
    if parameters is not None:
        missing(parameters, "scope", "Cluster")


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    controller = str(spec.get("controller") or "")
    at = path.child("controller")
    errors: list[FieldError] = []
    if len(controller) > _CONTROLLER_MAX:
        errors.append(field.too_long(at, "", _CONTROLLER_MAX))
    if not controller:
        errors.append(field.required(at, ""))
    else:
        errors += [field.invalid(at, controller, e) for e in is_domain_prefixed_path(controller)]
    parameters = spec.get("parameters")
    return errors + (_validate_parameters(parameters, path.child("parameters")) if parameters else [])


def _validate_parameters(parameters: JSONObject, path: Path) -> list[FieldError]:
    errors = [
        field.required(path.child(n), f"{n} is required") for n in ("kind", "name") if not parameters.get(n)
    ]
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        return [*errors, field.required(path.child("scope"), "")]
    if scope not in {"Cluster", "Namespace"}:
        errors.append(field.not_supported(path.child("scope"), scope, ("Cluster", "Namespace")))
    elif scope == "Namespace" and not namespace:
        detail = "`parameters.scope` is set to 'Namespace'"
        errors.append(field.required(path.child("namespace"), detail))
    elif scope == "Cluster" and namespace is not None:
        detail = "`parameters.scope` is set to 'Cluster'"
        errors.append(field.forbidden(path.child("namespace"), detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    controller, before = dig(new, "spec", "controller"), dig(old, "spec", "controller")
    return validate_immutable(controller, before, Path("spec").child("controller")) + validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    parameters = dig(obj, "spec", "parameters")
    shown = NONE
    if parameters:
        group = parameters.get("apiGroup")
        kind = f"{parameters.get('kind')}.{group}" if group else parameters.get("kind")
        shown = f"{kind}/{parameters.get('name')}"
    return [name_of(obj), dig(obj, "spec", "controller", default=""), shown, age(obj, now)]
