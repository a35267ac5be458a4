"""Watch events: what happened to an object, with the object after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubesim.util.jsontypes import JSONObject

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch.

    `object` is the object after the event; for DELETED its last state, with the revision of the deletion as
    its resourceVersion; for BOOKMARK only kind, apiVersion and resourceVersion; for ERROR a Status.
    `old` is the object before the event; only the in-process transport knows it, never the wire.
    """

    type: EventType
    object: JSONObject
    old: JSONObject | None = None
