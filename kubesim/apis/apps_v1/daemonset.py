"""DaemonSets: their strategy, as pkg/registry/apps/daemonset has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns, workload_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template, empty, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns(
    "Name, Desired:i, Current:i, Ready:i, Up-to-date:i, Available:i, Node Selector, Age"
    " | Containers, Images, Selector"
)
_REQUIRED = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_COUNTS = (*_REQUIRED, "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    default_pod_template(section(spec, "template"))
    strategy = section(spec, "updateStrategy")
    empty(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = section(strategy, "rollingUpdate")
        missing(rolling, "maxUnavailable", 1)
        missing(rolling, "maxSurge", 0)
    missing(spec, "revisionHistoryLimit", 10)


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = dict.fromkeys(_REQUIRED, 0)
    _set_template_generation(obj, max(_template_generation(obj), 1))


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or dict.fromkeys(_REQUIRED, 0)
    changed = dig(new, "spec", "template") != dig(old, "spec", "template")
    _set_template_generation(new, _template_generation(old) + changed)


def _template_generation(obj: JSONObject) -> int:
    text = str(dig(obj, "metadata", "annotations", TEMPLATE_GENERATION, default=""))
    return int(text) if text.isdecimal() else 0


def _set_template_generation(obj: JSONObject, generation: int) -> None:
    """A field of old versions that lives on as an annotation: Convert_apps_DaemonSet_To_v1_DaemonSet."""
    section(section(obj, "metadata"), "annotations")[TEMPLATE_GENERATION] = str(generation)


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = workload.validate_selector_and_labels(spec, path, "empty selector is invalid for daemonset")
    errors += workload.validate_template_spec(spec, path)
    errors += workload.validate_restart_policy(spec, path, "DaemonSet")
    errors += validate_nonnegative(spec.get("minReadySeconds") or 0, path.child("minReadySeconds"))
    errors += _validate_strategy(spec.get("updateStrategy") or {}, path.child("updateStrategy"))
    return errors + validate_nonnegative(
        spec.get("revisionHistoryLimit") or 0, path.child("revisionHistoryLimit")
    )


def _validate_strategy(strategy: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis import workload
    from kubesim.apis.govalue import pretty

    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        shown = pretty("apps.DaemonSetUpdateStrategy", strategy)
        return [field.not_supported(path, shown, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [field.required(path.child("rollingUpdate"), "")]
    at = path.child("rollingUpdate")
    unavailable, surge = rolling.get("maxUnavailable") or 0, rolling.get("maxSurge") or 0
    errors = workload.validate_positive_int_or_percent(unavailable, at.child("maxUnavailable"))
    errors += workload.is_not_more_than_100_percent(unavailable, at.child("maxUnavailable"))
    errors += workload.validate_positive_int_or_percent(surge, at.child("maxSurge"))
    errors += workload.is_not_more_than_100_percent(surge, at.child("maxSurge"))
    some, more = workload.int_or_percent(unavailable), workload.int_or_percent(surge)
    if some and more:
        shown = pretty("intstr.IntOrString", surge)
        errors.append(
            field.invalid(at.child("maxSurge"), shown, "may not be set when maxUnavailable is non-zero")
        )
    elif not some and not more:
        errors.append(field.required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    return validate(new) + workload.validate_selector_kept(new, old)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    errors = workload.status_counts(new.get("status") or {}, _COUNTS, Path("status"))
    return errors + workload.not_decremented(new, old, "collisionCount")


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_workload

    return warnings_for_workload(new, old)


def cells(obj: JSONObject, now: datetime) -> Cells:
    status = obj.get("status") or {}
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    return [
        name_of(obj),
        *(status.get(name) or 0 for name in (*counts, "numberAvailable")),
        format_labels(dig(obj, "spec", "template", "spec", "nodeSelector")),
        age(obj, now),
        *workload_cells(obj),
    ]
