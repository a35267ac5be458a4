"""StatefulSets: their strategy, as pkg/registry/apps/statefulset has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_annotations, validate_labels, validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns, container_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_claim_template, default_pod_template, empty, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Ready, Age | Containers, Images")
_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "observedGeneration")
_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    default_pod_template(section(spec, "template"))
    empty(spec, "podManagementPolicy", "OrderedReady")
    strategy = section(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        missing(section(strategy, "rollingUpdate"), "partition", 0)
    elif strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        missing(strategy["rollingUpdate"], "partition", 0)
    policy = section(spec, "persistentVolumeClaimRetentionPolicy")
    empty(policy, "whenDeleted", "Retain")
    empty(policy, "whenScaled", "Retain")
    missing(spec, "replicas", 1)
    missing(spec, "revisionHistoryLimit", 10)
    missing(spec, "serviceName", "")
    for template in spec.get("volumeClaimTemplates") or ():
        empty(template, "apiVersion", "v1")
        empty(template, "kind", "PersistentVolumeClaim")
        default_claim_template(template)
        template["status"] = template.get("status") or {}
        empty(template["status"], "phase", "Pending")


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = {"availableReplicas": 0, "replicas": 0}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or {"availableReplicas": 0, "replicas": 0}


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    spec, path = obj.get("spec") or {}, Path("spec")
    errors = _validate_policies(spec, path)
    errors += validate_nonnegative(spec.get("replicas") or 0, path.child("replicas"))
    errors += validate_nonnegative(spec.get("minReadySeconds") or 0, path.child("minReadySeconds"))
    start = dig(spec, "ordinals", "start", default=0)
    errors += validate_nonnegative(start, path.child("ordinals", "start"))
    errors += workload.validate_selector(spec, path, "empty selector is invalid for statefulset")
    return errors + _validate_template(spec, path)


def _validate_policies(spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    management = spec.get("podManagementPolicy") or ""
    if not management:
        errors.append(field.required(path.child("podManagementPolicy"), ""))
    elif management not in {"OrderedReady", "Parallel"}:
        detail = "must be 'OrderedReady' or 'Parallel'"
        errors.append(field.invalid(path.child("podManagementPolicy"), management, detail))
    errors += _validate_strategy(spec.get("updateStrategy") or {}, path.child("updateStrategy"))
    policy = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for name in ("whenDeleted", "whenScaled"):
        value = policy.get(name)
        if value is not None and value not in {"Retain", "Delete"}:
            at = path.child("persistentVolumeClaimRetentionPolicy", name)
            errors.append(field.not_supported(at, value, ("Retain", "Delete")))
    return errors


def _validate_strategy(strategy: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if not kind:
        return [field.required(path, "")]
    if kind == "OnDelete":
        if rolling is None:
            return []
        shown = pretty("apps.RollingUpdateStatefulSetStrategy", rolling)
        detail = "only allowed for updateStrategy 'RollingUpdate'"
        return [field.invalid(path.child("rollingUpdate"), shown, detail)]
    if kind != "RollingUpdate":
        shown = pretty("apps.StatefulSetUpdateStrategy", strategy)
        return [field.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    partition = (rolling or {}).get("partition") or 0
    return validate_nonnegative(partition, path.child("rollingUpdate", "partition"))


def _validate_template(spec: JSONObject, path: Path) -> list[FieldError]:
    """The pod spec is left to the pods' own validation, for its volumes are not all there yet."""
    from kubesim.apis import workload
    from kubesim.apis.podtemplate_validation import validate_pod_annotations

    template, at = spec.get("template") or {}, path.child("template")
    metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    errors = workload.validate_template_labels(spec, path)
    errors += validate_labels(metadata.get("labels") or {}, at.child("labels"))
    errors += validate_annotations(annotations, at.child("annotations"))
    errors += validate_pod_annotations(annotations, pod, at.child("annotations"))
    return errors + workload.validate_restart_policy(spec, path, "StatefulSet")


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = validate(new)
    rest = [{k: v for k, v in (o.get("spec") or {}).items() if k not in _MUTABLE} for o in (new, old)]
    if rest[0] != rest[1]:
        errors.append(field.forbidden(Path("spec"), _FORBIDDEN))
    return errors


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis import workload

    status, path = new.get("status") or {}, Path("status")
    errors = workload.status_counts(status, (*_COUNTS, "collisionCount"), path)
    limits = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    errors += workload.not_above(status, tuple((name, "replicas") for name in limits), path)
    return errors + workload.not_decremented(new, old, "collisionCount")


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_workload

    return warnings_for_workload(new, old)


def cells(obj: JSONObject, now: datetime) -> Cells:
    ready, wanted = dig(obj, "status", "readyReplicas", default=0), dig(obj, "spec", "replicas", default=0)
    containers = container_cells(dig(obj, "spec", "template", "spec", default={}))
    return [name_of(obj), f"{ready}/{wanted}", age(obj, now), *containers]
