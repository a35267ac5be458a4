"""Jobs: their strategy, as pkg/registry/batch/job has it."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import SelectorError, selector_from_label_selector
from kubesim.apimachinery.meta import labels_of, name_of, uid_of
from kubesim.apimachinery.names import is_dns1123_label
from kubesim.apimachinery.objectmeta import (
    IMMUTABLE,
    validate_immutable,
    validate_label_selector,
)
from kubesim.apimachinery.scheme import Cells, standard_fields
from kubesim.apis.columns import age, columns, workload_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

COLUMNS = columns("Name, Status, Completions, Duration, Age | Containers, Images, Selector")
CONTROLLER_UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_LEGACY_UID, _LEGACY_NAME = "controller-uid", "job-name"
_MAX_INT32 = (1 << 31) - 1
# What a suspended job that has not begun may still change in its template.
_SCHEDULING = ("nodeSelector", "tolerations", "schedulingGates")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    template = section(spec, "template")
    labels = dig(template, "metadata", "labels")
    if labels and not labels_of(obj):
        section(obj, "metadata")["labels"] = dict(labels)
    default_pod_template(template)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    missing(spec, "parallelism", 1)
    missing(spec, "backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _MAX_INT32)
    missing(spec, "completionMode", "NonIndexed")
    missing(spec, "suspend", False)  # noqa: FBT003 - the field's value
    policy = spec.get("podFailurePolicy")
    missing(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            missing(pattern, "status", "True")


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = {}
    spec = section(obj, "spec")
    if not spec.get("manualSelector"):
        _generate_selector(obj, spec)
    if not labels_of(obj):
        # Reading it from the store defaults the labels once more, now from the generated ones.
        section(obj, "metadata")["labels"] = dict(dig(spec, "template", "metadata", "labels", default={}))


def _generate_selector(obj: JSONObject, spec: JSONObject) -> None:
    labels = section(section(section(spec, "template"), "metadata"), "labels")
    for key in (_LEGACY_NAME, JOB_NAME):
        labels.setdefault(key, name_of(obj))
    for key in (_LEGACY_UID, CONTROLLER_UID):
        labels.setdefault(key, uid_of(obj))
    section(section(spec, "selector"), "matchLabels").setdefault(CONTROLLER_UID, uid_of(obj))


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = _validate_generated_selector(obj, spec) + _validate_spec(spec)
    completions = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and completions > 0:
        host = f"{name_of(obj)}-{completions - 1}"
        if is_dns1123_label(host):
            detail = f"will not able to create pod with invalid DNS label: {host}"
            errors.append(field.invalid(Path("metadata").child("name"), name_of(obj), detail))
    return errors


def _validate_spec(spec: JSONObject) -> list[FieldError]:
    from kubesim.apis.jobspec import validate_job_spec
    from kubesim.apis.workload import MISMATCH, go_labels

    path = Path("spec")
    errors = validate_job_spec(spec, path)
    selector = spec.get("selector")
    if selector is None:
        errors.append(field.required(path.child("selector"), ""))
    else:
        errors += validate_label_selector(selector, path.child("selector"))
    labels = dig(spec, "template", "metadata", "labels")
    if not _selects(selector, labels or {}):
        at = path.child("template", "metadata", "labels")
        errors.append(field.invalid(at, go_labels(labels), MISMATCH))
    return errors


def _selects(selector: JSONObject | None, labels: dict[str, str]) -> bool:
    """Whether labels match; a selector that cannot be read has been reported already."""
    try:
        return selector_from_label_selector(selector).matches(labels)
    except SelectorError:
        return True


def _validate_generated_selector(obj: JSONObject, spec: JSONObject) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    uid, name = uid_of(obj), name_of(obj)
    labels = dig(spec, "template", "metadata", "labels", default={})
    path = Path("spec").child("template", "metadata", "labels")
    errors = [] if uid else [field.required(Path("metadata").child("uid"), "")]
    expected = {_LEGACY_UID: uid, _LEGACY_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name}
    for key, value in expected.items():
        if key not in labels:
            errors.append(field.required(path.key(key), f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(field.invalid(path.key(key), labels, f"must be '{value}'"))
    if not _selects(selector, expected):
        shown = pretty("v1.LabelSelector", selector)
        errors.append(field.invalid(Path("spec").child("selector"), shown, "`selector` not auto-generated"))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    spec, before, path = new.get("spec") or {}, old.get("spec") or {}, Path("spec")
    errors = _validate_spec(spec) + _validate_completions(spec, before, path)
    if spec.get("selector") != before.get("selector"):
        shown = pretty("v1.LabelSelector", spec.get("selector"))
        errors.append(field.invalid(path.child("selector"), shown, IMMUTABLE))
    template, was = spec.get("template") or {}, deep_copy(before.get("template") or {})
    if before.get("suspend") and not dig(old, "status", "startTime"):
        _allow_scheduling(was, template)
    if template != was:
        errors.append(
            field.invalid(path.child("template"), pretty("core.PodTemplateSpec", template), IMMUTABLE)
        )
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        errors += validate_immutable(spec.get(name), before.get(name), path.child(name))
    return errors


def _validate_completions(spec: JSONObject, before: JSONObject, path: Path) -> list[FieldError]:
    completions, was = spec.get("completions"), before.get("completions")
    at = path.child("completions")
    if completions == was:
        return []
    if spec.get("completionMode") != "Indexed" or completions is None or was is None:
        return [field.invalid(at, completions, IMMUTABLE)]
    if completions == spec.get("parallelism") and was == before.get("parallelism"):
        return []
    detail = f"can only be modified in tandem with {path.child('parallelism')}"
    return [field.invalid(at, completions, detail)]


def _allow_scheduling(was: JSONObject, template: JSONObject) -> None:
    """Take over, for the comparison, what steers the pods to nodes."""
    pod, wanted = section(was, "spec"), template.get("spec") or {}
    for name in (*_SCHEDULING, "affinity"):
        if name in wanted:
            pod[name] = wanted[name]
        else:
            pod.pop(name, None)
    metadata = dig(template, "metadata", default={})
    for name in ("labels", "annotations"):
        if metadata.get(name) is not None:
            section(was, "metadata")[name] = metadata[name]


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_workload

    spec = new.get("spec") or {}
    found = []
    many, parallel = spec.get("completions") or 0, spec.get("parallelism") or 0
    if spec.get("completionMode") == "Indexed" and many > 100_000 and parallel > 10_000:
        found.append(
            "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    return found + warnings_for_workload(new, old)


def fields(obj: JSONObject) -> dict[str, str]:
    return standard_fields(obj) | {"status.successful": str(dig(obj, "status", "succeeded", default=0))}


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get jobs`: printJob."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    wanted, parallel = spec.get("completions"), spec.get("parallelism") or 0
    succeeded = status.get("succeeded") or 0
    if wanted is not None:
        completions = f"{succeeded}/{wanted}"
    else:
        completions = f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"
    duration = ""
    if status.get("startTime"):
        ended = status.get("completionTime")
        duration = human_duration((parse_time(ended) if ended else now) - parse_time(status["startTime"]))
    return [name_of(obj), _status(obj), completions, duration, age(obj, now), *workload_cells(obj)]


def _status(obj: JSONObject) -> str:
    conditions = dig(obj, "status", "conditions", default=())
    true = {c.get("type") for c in conditions if c.get("status") == "True"}
    for word in ("Complete", "Failed"):
        if word in true:
            return word
    if dig(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if word in true:
            return word
    return "Running"
