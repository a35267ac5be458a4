"""ResourceClaims: devices that pods ask for."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.meta import is_terminating, name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, State, Age")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get resourceclaims`: printResourceClaim."""
    status = obj.get("status") or {}
    states = ["deleted"] if is_terminating(obj) else []
    if status.get("allocation") is None:
        states = states or ["pending"]
    else:
        states.append("allocated")
        states += ["reserved"] if status.get("reservedFor") else []
    return [name_of(obj), ",".join(states), age(obj, now)]
