"""Jobs and CronJobs."""

from __future__ import annotations

from kubesim.apimachinery.labels import SelectorError, selector_from_label_selector
from kubesim.apimachinery.meta import annotations_of, labels_of, name_of, namespace_of
from kubesim.cli.describe.page import (
    NONE,
    UNSET,
    Page,
    PrefixWriter,
    go_bool,
    long_time,
    or_unset,
    yes_or_unset,
)
from kubesim.cli.describe.template import pod_template
from kubesim.cli.describe.workloads import controlled_by
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, dig

MAX_INDEXES = 50


def job(page: Page, obj: JSONObject) -> None:
    """As describeJob."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    page.line(0, "Selector:", _selector(spec.get("selector")))
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    controlled_by(page, obj)
    if spec.get("parallelism") is not None:
        page.line(0, "Parallelism:", spec["parallelism"])
    page.line(0, "Completions:", or_unset(spec.get("completions")))
    if spec.get("suspend") is not None:
        spec = {**spec, "suspend": go_bool(spec["suspend"])}
    for title, key in (
        ("Completion Mode:", "completionMode"),
        ("Suspend:", "suspend"),
        ("Backoff Limit:", "backoffLimit"),
        ("TTL Seconds After Finished:", "ttlSecondsAfterFinished"),
    ):
        if spec.get(key) is not None:
            page.line(0, title, spec[key])
    _times(page, status)
    if spec.get("activeDeadlineSeconds") is not None:
        page.line(0, "Active Deadline Seconds:", f"{spec['activeDeadlineSeconds']}s")
    ready = "" if status.get("ready") is None else f" ({status['ready']} Ready)"
    active, succeeded, failed = (status.get(k) or 0 for k in ("active", "succeeded", "failed"))
    page.line(0, "Pods Statuses:", f"{active} Active{ready} / {succeeded} Succeeded / {failed} Failed")
    if spec.get("completionMode") == "Indexed":
        page.line(0, "Completed Indexes:", _indexes(status.get("completedIndexes") or ""))
    pod_template(page, spec.get("template") or {})
    page.events(obj)


def _selector(selector: JSONObject | None) -> str:
    try:
        return str(selector_from_label_selector(selector))
    except SelectorError as error:
        return f"Failed to get selector: {error}"


def _times(page: PrefixWriter, status: JSONObject) -> None:
    start, end = status.get("startTime"), status.get("completionTime")
    if start:
        page.line(0, "Start Time:", long_time(start))
    if end:
        page.line(0, "Completed At:", long_time(end))
    if start and end:
        page.line(0, "Duration:", human_duration(parse_time(end) - parse_time(start)))


def _indexes(indexes: str) -> str:
    """capIndexesListOrNone: cut off at the first comma from the limit on."""
    comma = indexes.find(",", MAX_INDEXES)
    return f"{indexes[: comma + 1]}..." if comma >= 0 else indexes or NONE


def cron_job(page: Page, obj: JSONObject) -> None:
    """As describeCronJob."""
    spec: JSONObject = obj.get("spec") or {}
    page.head(obj)
    page.line(0, "Schedule:", spec.get("schedule", ""))
    page.line(0, "Concurrency Policy:", spec.get("concurrencyPolicy", ""))
    page.line(0, "Suspend:", yes_or_unset(spec.get("suspend")))
    page.line(0, "Successful Job History Limit:", or_unset(spec.get("successfulJobsHistoryLimit")))
    page.line(0, "Failed Job History Limit:", or_unset(spec.get("failedJobsHistoryLimit")))
    page.line(0, "Starting Deadline Seconds:", or_unset(spec.get("startingDeadlineSeconds"), "s"))
    _job_template(page, dig(spec, "jobTemplate", "spec", default={}))
    last = dig(obj, "status", "lastScheduleTime")
    page.line(0, "Last Schedule Time:", long_time(last) if last else UNSET)
    active = dig(obj, "status", "active", default=[])
    page.line(0, "Active Jobs:", ", ".join(str(j.get("name", "")) for j in active) or NONE)
    page.events(obj)


def _job_template(page: PrefixWriter, spec: JSONObject) -> None:
    page.line(0, "Selector:", _selector(spec["selector"]) if spec.get("selector") is not None else UNSET)
    page.line(0, "Parallelism:", or_unset(spec.get("parallelism")))
    page.line(0, "Completions:", or_unset(spec.get("completions")))
    if spec.get("activeDeadlineSeconds") is not None:
        page.line(0, "Active Deadline Seconds:", f"{spec['activeDeadlineSeconds']}s")
    pod_template(page, spec.get("template") or {})
