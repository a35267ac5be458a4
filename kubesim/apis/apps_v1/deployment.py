"""Deployments: their strategy, as pkg/registry/apps/deployment has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns, workload_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template, empty, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Ready, Up-to-date:i, Available:i, Age | Containers, Images, Selector")
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_LIMITS = (
    ("updatedReplicas", "replicas"),
    ("readyReplicas", "replicas"),
    ("availableReplicas", "replicas"),
    ("availableReplicas", "readyReplicas"),
)


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    default_pod_template(section(spec, "template"))
    missing(spec, "replicas", 1)
    strategy = section(spec, "strategy")
    empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = section(strategy, "rollingUpdate")
        missing(rolling, "maxUnavailable", "25%")
        missing(rolling, "maxSurge", "25%")
    missing(spec, "revisionHistoryLimit", 10)
    missing(spec, "progressDeadlineSeconds", 600)


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = validate_nonnegative(spec.get("replicas") or 0, path.child("replicas"))
    errors += workload.validate_selector(spec, path, "empty selector is invalid for deployment")
    errors += workload.validate_template(spec, path) + workload.validate_restart_policy(spec, path)
    errors += _validate_strategy(spec.get("strategy") or {}, path.child("strategy"))
    ready = spec.get("minReadySeconds") or 0
    errors += validate_nonnegative(ready, path.child("minReadySeconds"))
    errors += validate_nonnegative(spec.get("revisionHistoryLimit") or 0, path.child("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        at = path.child("progressDeadlineSeconds")
        errors += validate_nonnegative(deadline, at)
        if deadline <= ready:
            errors.append(field.invalid(at, deadline, "must be greater than minReadySeconds"))
    return errors


def _validate_strategy(strategy: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis import workload
    from kubesim.apis.govalue import pretty

    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [] if rolling is None else [field.forbidden(path.child("rollingUpdate"), detail)]
    if kind != "RollingUpdate":
        return [field.not_supported(path, _shown(strategy), ("Recreate", "RollingUpdate"))]
    if rolling is None:
        return [field.required(path.child("rollingUpdate"), "this should be defaulted and never be nil")]
    at = path.child("rollingUpdate")
    unavailable, surge = rolling.get("maxUnavailable") or 0, rolling.get("maxSurge") or 0
    errors = workload.validate_positive_int_or_percent(unavailable, at.child("maxUnavailable"))
    errors += workload.validate_positive_int_or_percent(surge, at.child("maxSurge"))
    if not workload.int_or_percent(unavailable) and not workload.int_or_percent(surge):
        shown = pretty("intstr.IntOrString", unavailable)
        errors.append(field.invalid(at.child("maxUnavailable"), shown, "may not be 0 when `maxSurge` is 0"))
    return errors + workload.is_not_more_than_100_percent(unavailable, at.child("maxUnavailable"))


def _shown(strategy: JSONObject) -> object:
    from kubesim.apis.govalue import pretty

    return pretty("apps.DeploymentStrategy", strategy)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    return validate(new) + workload.validate_selector_kept(new, old)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    status, path = new.get("status") or {}, Path("status")
    errors = workload.status_counts(status, ("observedGeneration", *_COUNTS), path)
    errors += workload.not_above(status, _LIMITS, path)
    return errors + workload.not_decremented(new, old, "collisionCount")


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_workload

    return warnings_for_workload(new, old)


def cells(obj: JSONObject, now: datetime) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(obj, now),
        *workload_cells(obj),
    ]
