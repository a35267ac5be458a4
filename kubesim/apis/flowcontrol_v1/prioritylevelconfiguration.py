"""PriorityLevelConfigurations: how many requests of a level are served at once."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty, missing
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age")


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    if (limited := spec.get("limited")) is not None:
        missing(limited, "nominalConcurrencyShares", 30)
        missing(limited, "lendablePercent", 0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            for name, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
                empty(queuing, name, value)
    if (exempt := spec.get("exempt")) is not None:
        missing(exempt, "nominalConcurrencyShares", 0)
        missing(exempt, "lendablePercent", 0)


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get prioritylevelconfigurations`: printPriorityLevelConfiguration."""
    limited = dig(obj, "spec", "limited")
    shares = dig(obj, "spec", "exempt" if limited is None else "limited", "nominalConcurrencyShares")
    queuing = dig(limited, "limitResponse", "queuing", default={})
    return [
        name_of(obj),
        dig(obj, "spec", "type", default=""),
        NONE if shares is None else shares,
        *(queuing.get(name, NONE) for name in ("queues", "handSize", "queueLengthLimit")),
        age(obj, now),
    ]
