"""ServiceAccount: an identity for Pods. Source: pkg/registry/core/serviceaccount/strategy.go."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.apis.meta import AGE, NAME, created, drop_empty, items
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject

COLUMNS: Final = (NAME, Column("Secrets", description="Number of Secrets that its Pods may use."), AGE)

_ENFORCE_MOUNTABLE: Final = "kubernetes.io/enforce-mountable-secrets"


def default(account: JSONObject) -> None:
    drop_empty(account, ("secrets", "imagePullSecrets"))


def prepare_create(account: JSONObject) -> None:
    """Of a reference to a Secret only the name counts."""
    if account.get("secrets"):
        account["secrets"] = [
            {"name": secret["name"]} if secret.get("name") else {} for secret in account["secrets"]
        ]


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    prepare_create(new)


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    if _ENFORCE_MOUNTABLE not in annotations_of(new) or (old and _ENFORCE_MOUNTABLE in annotations_of(old)):
        return []
    path = f"metadata.annotations[{_ENFORCE_MOUNTABLE}]"
    advice = "prefer separate namespaces to isolate access to mounted secrets"
    return [f"{path}: deprecated in v1.32+; {advice}"]


def cells(account: JSONObject, now: datetime) -> Cells:
    return [name_of(account), len(items(account, "secrets")), time_since(created(account), now)]
