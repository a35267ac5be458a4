"""FlowSchemas: which priority level a request belongs to."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import NONE, age, columns
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, PriorityLevel, MatchingPrecedence:i, DistinguisherMethod, Age, MissingPL")


def default(obj: JSONObject) -> None:
    empty(section(obj, "spec"), "matchingPrecedence", 1000)


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get flowschemas`: printFlowSchema."""
    dangling = {
        c.get("status") for c in dig(obj, "status", "conditions", default=()) if c.get("type") == "Dangling"
    }
    return [
        name_of(obj),
        dig(obj, "spec", "priorityLevelConfiguration", "name", default=""),
        dig(obj, "spec", "matchingPrecedence", default=0),
        dig(obj, "spec", "distinguisherMethod", "type", default=NONE),
        age(obj, now),
        dangling.pop() if dangling else "?",
    ]
