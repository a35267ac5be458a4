"""Namespaces, ConfigMaps, Secrets, quotas and limits."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, labels_of, name_of, namespace_of
from kubesim.cli.describe.page import Page
from kubesim.util.jsontypes import JSONObject, dig

QUOTAS = GroupVersionResource("", "v1", "resourcequotas")
LIMITS = GroupVersionResource("", "v1", "limitranges")
CONDITIONS = (
    ("Type", "type", ""),
    ("Status", "status", ""),
    ("LastTransitionTime", "lastTransitionTime", ""),
    ("Reason", "reason", ""),
    ("Message", "message", ""),
)
SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before "
    "being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running "
    "pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality "
    "of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or "
    "guaranteed quality of service.",
}


def config_map(page: Page, obj: JSONObject) -> None:
    """ConfigMapDescriber."""
    page.head(obj)
    page.write(0, "\nData\n====\n")
    for key, value in sorted((obj.get("data") or {}).items()):
        page.write(0, f"{key}:\n----\n")
        page.write(0, f"{value}\n")
        page.write(0, "\n")
    page.write(0, "\nBinaryData\n====\n")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        page.write(0, f"{key}: {_size(value)} bytes\n")
    page.write(0, "\n")
    page.events(obj)


def secret(page: Page, obj: JSONObject) -> None:
    """As describeSecret: sizes alone, but for service account tokens."""
    page.head(obj)
    page.write(0, f"\nType:\t{obj.get('type', '')}\n")
    page.write(0, "\nData\n====\n")
    for key, value in sorted((obj.get("data") or {}).items()):
        if key == "token" and obj.get("type") == "kubernetes.io/service-account-token":
            page.line(0, f"{key}:", base64.b64decode(value).decode(errors="replace"))
        else:
            page.line(0, f"{key}:", f"{_size(value)} bytes")


def _size(value: str) -> int:
    return len(base64.b64decode(value or ""))


def namespace(page: Page, obj: JSONObject) -> None:
    """DescribeNamespace."""
    page.line(0, "Name:", name_of(obj))
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    page.line(0, "Status:", dig(obj, "status", "phase", default=""))
    conditions = dig(obj, "status", "conditions", default=[])
    if conditions:
        page.conditions("Conditions:\n", CONDITIONS, conditions)
    for resource, write in ((QUOTAS, _quotas), (LIMITS, _limit_ranges)):
        try:
            found = page.items(resource, name_of(obj))
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            continue
        page.write(0, "\n")
        write(page, found)


def _quotas(page: Page, quotas: Sequence[JSONObject]) -> None:
    if not quotas:
        page.write(0, "No resource quota.\n")
        return
    page.write(0, "Resource Quotas\n")
    for quota in sorted(quotas, key=name_of):
        page.line(1, "Name:", name_of(quota))
        _scopes(page, quota, level=1, bullet="* ")
        page.write(1, "Resource\tUsed\tHard\n")
        page.write(1, "--------\t---\t---\n")
        used = dig(quota, "status", "used", default={})
        for resource, hard in sorted(dig(quota, "status", "hard", default={}).items()):
            page.line(1, resource, used.get(resource, "0"), hard)


def _scopes(page: Page, quota: JSONObject, *, level: int, bullet: str) -> None:
    scopes = sorted(dig(quota, "spec", "scopes", default=[]))
    if scopes:
        page.line(level, "Scopes:", ", ".join(scopes))
        for scope in scopes:
            if scope in SCOPES:
                page.write(level, f"{bullet}{SCOPES[scope]}\n")


def resource_quota(page: Page, obj: JSONObject) -> None:
    """DescribeQuota."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    _scopes(page, obj, level=0, bullet=" * ")
    page.write(0, "Resource\tUsed\tHard\n")
    page.write(0, "--------\t----\t----\n")
    used = dig(obj, "status", "used", default={})
    for resource, hard in sorted(dig(obj, "status", "hard", default={}).items()):
        page.line(0, resource, _like(used.get(resource, "0"), hard), hard)


def _like(used: str, hard: str) -> str:
    """What is used, in the form in which the limit is written."""
    from kubesim.util.quantity import Quantity

    amount, limit = Quantity.from_json(used), Quantity.from_json(hard)
    return str(amount) if amount.format == limit.format else str(Quantity(amount.value(), 0, limit.format))


_RANGE_HEAD = "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio\n"
_RANGE_RULE = "----\t--------\t---\t---\t---------------\t-------------\t-----------------------\n"


def _limit_ranges(page: Page, ranges: Sequence[JSONObject]) -> None:
    if not ranges:
        page.write(0, "No LimitRange resource.\n")
        return
    page.write(0, f"Resource Limits\n {_RANGE_HEAD}")
    page.write(0, f" {_RANGE_RULE}")
    for item in ranges:
        _limits(page, item, " ")


def limit_range(page: Page, obj: JSONObject) -> None:
    """DescribeLimitRange."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    page.write(0, _RANGE_HEAD)
    page.write(0, _RANGE_RULE)
    _limits(page, obj, "")


def _limits(page: Page, obj: JSONObject, prefix: str) -> None:
    columns = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for item in dig(obj, "spec", "limits", default=[]):
        for resource in sorted({r for c in columns for r in item.get(c) or {}}):
            values = [(item.get(c) or {}).get(resource, "-") for c in columns]
            page.line(0, f"{prefix}{item.get('type', '')}", resource, *values)
