"""ResourceQuotas: how much a namespace may use."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Age, Request, Limit")
_SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
)
_WITHOUT_VALUES = frozenset(_SCOPES) - {"PriorityClass"}
_COMPUTE = ("cpu", "memory")
_POD_RESOURCES = frozenset(
    {"pods", *_COMPUTE, *(f"requests.{r}" for r in _COMPUTE), *(f"limits.{r}" for r in _COMPUTE)}
)
_UNFIT = "unsupported scope applied to resource"
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    errors = _validate_amounts(spec.get("hard") or {}, path.child("hard"))
    return errors + _validate_scopes(spec, path.child("scopes")) + _validate_selector(spec, path)


def _validate_amounts(amounts: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis import resources

    errors: list[FieldError] = []
    for name in sorted(amounts):
        at = path.key(name)
        errors += resources.validate_resource_name(name, at)
        if "/" not in name and not resources.is_standard_quota(name):
            errors.append(field.invalid(at, name, "must be a standard resource for quota"))
        errors += resources.validate_quantity_value(name, resources.quantity(amounts[name]), at)
    return errors


def _validate_scopes(spec: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    scopes = spec.get("scopes") or []
    shown = pretty("[]core.ResourceQuotaScope", scopes)
    errors: list[FieldError] = []
    for scope in scopes:
        if scope not in _SCOPES:
            errors.append(field.invalid(path, shown, "unsupported scope"))
        errors += [field.invalid(path, shown, _UNFIT) for _ in _unfit(scope, spec)]
    return errors + [field.invalid(path, shown, "conflicting scopes") for _ in _conflicts(scopes)]


def _unfit(scope: str, spec: JSONObject) -> list[str]:
    """The resources that are not counted with a scope, of those that Kubernetes knows:
    IsResourceQuotaScopeValidForResource.
    """
    from kubesim.apis import resources

    if scope not in _SCOPES:
        return []
    fit = {"pods"} if scope == "BestEffort" else _POD_RESOURCES
    return [n for n in sorted(spec.get("hard") or ()) if resources.is_standard_quota(n) and n not in fit]


def _conflicts(scopes: Collection[str]) -> list[tuple[str, str]]:
    return [pair for pair in _CONFLICTS if set(pair) <= set(scopes)]


def _validate_selector(spec: JSONObject, path: Path) -> list[FieldError]:
    """As validateScopedResourceSelectorRequirement has it."""
    from kubesim.apis.govalue import pretty

    expressions = dig(spec, "scopeSelector", "matchExpressions", default=())
    shown = pretty("core.ScopeSelector", spec.get("scopeSelector") or {})
    at = path.child("scopeSelector", "matchExpressions")
    errors: list[FieldError] = []
    for expression in expressions:
        scope, operator = expression.get("scopeName") or "", expression.get("operator") or ""
        values = expression.get("values") or []
        if scope not in _SCOPES:
            errors.append(field.invalid(at.child("scopeName"), scope, "unsupported scope"))
        errors += [field.invalid(at, shown, _UNFIT) for _ in _unfit(scope, spec)]
        if scope in _WITHOUT_VALUES and operator != "Exists":
            detail = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
            detail += "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
            detail += "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
            errors.append(field.invalid(at.child("operator"), operator, detail))
        if operator in {"In", "NotIn"} and not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(field.required(at.child("values"), detail))
        elif operator in {"Exists", "DoesNotExist"} and values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(field.invalid(at.child("values"), values, detail))
        elif operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
            errors.append(field.invalid(at.child("operator"), operator, "not a valid selector operator"))
    found = _conflicts([e.get("scopeName") or "" for e in expressions])
    scopes = pretty("[]core.ResourceQuotaScope", spec.get("scopes"))
    return errors + [field.invalid(at, scopes, "conflicting scopes") for _ in found]


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    errors = validate(new)
    scopes, before = (dig(o, "spec", "scopes", default=[]) for o in (new, old))
    if set(scopes) != set(before):
        shown = pretty("[]core.ResourceQuotaScope", scopes)
        errors.append(field.invalid(Path("spec").child("scopes"), shown, IMMUTABLE))
    return errors


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    status, path = new.get("status") or {}, Path("status")
    errors = _validate_amounts(status.get("hard") or {}, path.child("hard"))
    return errors + _validate_amounts(status.get("used") or {}, path.child("used"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get resourcequotas`: printResourceQuota."""
    hard, used = dig(obj, "status", "hard", default={}), dig(obj, "status", "used", default={})
    texts: dict[bool, list[str]] = {False: [], True: []}
    for name in sorted(hard):
        texts[name.startswith("limits.")].append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [name_of(obj), age(obj, now), ", ".join(texts[False]), ", ".join(texts[True])]
