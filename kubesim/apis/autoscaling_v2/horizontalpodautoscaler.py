"""HorizontalPodAutoscalers of autoscaling/v2."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis import horizontalpodautoscaling as shared
from kubesim.apis.columns import UNSET, age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Reference, Targets, MinPods, MaxPods, Replicas:i, Age")

default = shared.default_v2
validate = shared.validate


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = dict(shared.EMPTY_STATUS)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or dict(shared.EMPTY_STATUS)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get horizontalpodautoscalers`: printHorizontalPodAutoscaler."""
    spec = obj.get("spec") or {}
    reference = spec.get("scaleTargetRef") or {}
    low = spec.get("minReplicas")
    return [
        name_of(obj),
        f"{reference.get('kind') or ''}/{reference.get('name') or ''}",
        shared.format_metrics(obj),
        UNSET if low is None else str(low),
        str(spec.get("maxReplicas") or 0),
        dig(obj, "status", "currentReplicas", default=0),
        age(obj, now),
    ]
