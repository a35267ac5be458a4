"""CronJobs: their strategy, as pkg/registry/batch/cronjob has it."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import format_label_selector
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.objectmeta import validate_nonnegative
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, UNSET, age, columns, container_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template, empty, missing
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns(
    "Name, Schedule, Timezone, Suspend, Active:i, Last Schedule, Age | Containers, Images, Selector"
)
# A job's name is the cron job's with a dash and ten digits, and has to fit into a label of 63.
_NAME_MAX = 63 - 11
_POLICIES = ("Allow", "Forbid", "Replace")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    empty(spec, "concurrencyPolicy", "Allow")
    missing(spec, "suspend", False)  # noqa: FBT003 - the field's value
    missing(spec, "successfulJobsHistoryLimit", 3)
    missing(spec, "failedJobsHistoryLimit", 1)
    template = section(spec, "jobTemplate")
    section(template, "metadata").setdefault("creationTimestamp", None)
    default_pod_template(section(section(template, "spec"), "template"))


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    errors = _validate_spec(obj.get("spec") or {}, None)
    name = name_of(obj)
    if len(name) > _NAME_MAX:
        detail = f"must be no more than {_NAME_MAX} characters"
        errors.append(field.invalid(Path("metadata").child("name"), name, detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return _validate_spec(new.get("spec") or {}, old.get("spec") or {})


def _validate_spec(spec: JSONObject, old: JSONObject | None) -> list[FieldError]:
    from kubesim.apis.govalue import pretty
    from kubesim.apis.jobspec import validate_job_spec

    path = Path("spec")
    errors = _validate_schedule(spec, old or {}, path.child("schedule"))
    errors += validate_nonnegative(
        spec.get("startingDeadlineSeconds") or 0, path.child("startingDeadlineSeconds")
    )
    zone = spec.get("timeZone")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        errors += _validate_time_zone(zone, path.child("timeZone"))
    policy = spec.get("concurrencyPolicy") or ""
    if not policy:
        errors.append(field.required(path.child("concurrencyPolicy"), ""))
    elif policy not in _POLICIES:
        errors.append(field.not_supported(path.child("concurrencyPolicy"), policy, _POLICIES))
    job, at = dig(spec, "jobTemplate", "spec", default={}), path.child("jobTemplate", "spec")
    errors += validate_job_spec(job, at)
    if job.get("selector") is not None:
        shown = pretty("v1.LabelSelector", job["selector"])
        errors.append(field.invalid(at.child("selector"), shown, "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        errors.append(field.not_supported(at.child("manualSelector"), True, ("nil", "false")))  # noqa: FBT003
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += validate_nonnegative(spec.get(name) or 0, path.child(name))
    return errors


def _validate_schedule(spec: JSONObject, old: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.util.cron import parse_schedule

    schedule = str(spec.get("schedule") or "")
    if not schedule:
        return [field.required(path, "")]
    errors: list[FieldError] = []
    try:
        parse_schedule(schedule)
    except ValueError as error:
        errors.append(field.invalid(path, schedule, str(error)))
    if "TZ" not in schedule:
        return errors
    if "TZ" not in str(old.get("schedule") or ""):
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(field.invalid(path, schedule, detail))
    elif spec.get("timeZone") is not None:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.append(field.invalid(path, schedule, detail))
    return errors


def _validate_time_zone(zone: str, path: Path) -> list[FieldError]:
    if not zone:
        return [field.invalid(path, zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [field.invalid(path, zone, detail)]
    unknown = [field.invalid(path, zone, f"unknown time zone {zone}")]
    if not re.fullmatch(r"[A-Za-z0-9.+_/-]+", zone):
        return unknown
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return unknown
    return []


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_pod_template

    spec = new.get("spec") or {}
    found = []
    if "." in name_of(new) and old is None:
        found.append(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising "
            "behavior; a DNS label is recommended: [must not contain dots]"
        )
    if "TZ" in str(spec.get("schedule") or ""):
        found.append(
            "CRON_TZ or TZ used in spec.schedule is not officially supported, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )
    path = Path("spec").child("jobTemplate", "spec", "template")
    return found + warnings_for_pod_template(dig(spec, "jobTemplate", "spec", "template", default={}), path)


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get cronjobs`: printCronJob."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    last, suspend = status.get("lastScheduleTime"), spec.get("suspend")
    job = dig(spec, "jobTemplate", "spec", default={})
    return [
        name_of(obj),
        spec.get("schedule") or "",
        spec.get("timeZone") or NONE,
        UNSET if suspend is None else str(bool(suspend)),
        len(status.get("active") or ()),
        time_since(last, now) if last else NONE,
        age(obj, now),
        *container_cells(dig(job, "template", "spec", default={})),
        format_label_selector(job.get("selector")),
    ]
