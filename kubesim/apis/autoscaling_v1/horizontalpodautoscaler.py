"""HorizontalPodAutoscalers of autoscaling/v1, which know the processor alone.

`to_v2` and `to_v1` of `apis.horizontalpodautoscaling` convert between the two versions of one object.
"""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis import horizontalpodautoscaling as shared
from kubesim.apis.columns import UNSET, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import missing
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Reference, Targets, MinPods, MaxPods, Replicas:i, Age")
_EMPTY_STATUS = {"currentReplicas": 0, "desiredReplicas": 0}


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    missing(spec, "minReplicas", 1)
    missing(spec, "targetCPUUtilizationPercentage", 80)


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = dict(_EMPTY_STATUS)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or dict(_EMPTY_STATUS)


def validate(obj: JSONObject) -> list[FieldError]:
    return shared.validate(shared.to_v2(obj))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    reference = spec.get("scaleTargetRef") or {}
    low = spec.get("minReplicas")
    return [
        name_of(obj),
        f"{reference.get('kind') or ''}/{reference.get('name') or ''}",
        shared.format_metrics(shared.to_v2(obj)),
        UNSET if low is None else str(low),
        str(spec.get("maxReplicas") or 0),
        dig(obj, "status", "currentReplicas", default=0),
        age(obj, now),
    ]
