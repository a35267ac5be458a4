"""ReplicaSets: their strategy, as pkg/registry/apps/replicaset has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_nonnegative
from kubesim.apimachinery.scheme import Cells, standard_fields
from kubesim.apis.columns import age, columns, workload_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Desired:i, Current:i, Ready:i, Age | Containers, Images, Selector")
_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
_LIMITS = (
    ("fullyLabeledReplicas", "replicas"),
    ("readyReplicas", "replicas"),
    ("availableReplicas", "replicas"),
    ("availableReplicas", "readyReplicas"),
)


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    default_pod_template(section(spec, "template"))
    missing(spec, "replicas", 1)


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = {"replicas": 0}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or {"replicas": 0}


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = validate_nonnegative(spec.get("replicas") or 0, path.child("replicas"))
    errors += validate_nonnegative(spec.get("minReadySeconds") or 0, path.child("minReadySeconds"))
    errors += workload.validate_selector(spec, path, "empty selector is invalid for deployment")
    return errors + workload.validate_template(spec, path) + workload.validate_restart_policy(spec, path)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    return validate(new) + workload.validate_selector_kept(new, old)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    status, path = new.get("status") or {}, Path("status")
    return workload.status_counts(status, _COUNTS, path) + workload.not_above(status, _LIMITS, path)


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_workload

    return warnings_for_workload(new, old)


def fields(obj: JSONObject) -> dict[str, str]:
    return standard_fields(obj) | {"status.replicas": str(dig(obj, "status", "replicas", default=0))}


def cells(obj: JSONObject, now: datetime) -> Cells:
    status = obj.get("status") or {}
    return [
        name_of(obj),
        dig(obj, "spec", "replicas", default=0),
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(obj, now),
        *workload_cells(obj),
    ]
