"""ComponentStatuses: the health of the control plane's parts, deprecated since 1.19."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import columns
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Status, Message, Error")


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get componentstatuses`: printComponentStatus."""
    status, message, error = "Unknown", "", ""
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            status = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            message, error = condition.get("message") or "", condition.get("error") or ""
            break
    return [name_of(obj), status, message, error]
