"""Events are kept for an hour, as kube-apiserver's --event-ttl has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.reconcile import KeysOf, Result
from kubesim.client.resources import EVENTS
from kubesim.util.clock import Clock, parse_time
from kubesim.util.jsontypes import JSONObject

TTL: Final = timedelta(hours=1)
# Events are swept up together: one timer for all that were last seen in the same ten minutes.
_STRIDE: Final = timedelta(minutes=10)


class EventTTL:
    """One key is one stride of time, by its number since 1970."""

    name = "event-ttl-controller"

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.watches: Mapping[GroupVersionResource, KeysOf] = {EVENTS: _stride_of}

    def reconcile(self, key: str) -> Result:
        end = datetime.fromtimestamp(0, UTC) + (int(key) + 1) * _STRIDE + TTL
        now = self._clock.now()
        if now < end:
            return Result(requeue_after=end - now)
        deleted = 0
        for event in items(self._client.list(EVENTS)):
            if last_seen(event) + TTL <= now:
                deleted += self._delete(event)
        return Result((f"deleted {deleted} Events older than an hour",) if deleted else ())

    def _delete(self, event: JSONObject) -> int:
        metadata = event["metadata"]
        try:
            self._client.delete(EVENTS, metadata["name"], metadata["namespace"])
        except StatusError as error:
            if error.code != 404:
                raise
            return 0
        return 1


def last_seen(event: JSONObject) -> datetime:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    text = next((t for t in times if t), event["metadata"]["creationTimestamp"])
    return parse_time(text)


def _stride_of(event: WatchEvent) -> Iterable[str]:
    if event.type == "DELETED":
        return ()
    since = last_seen(event.object) - datetime.fromtimestamp(0, UTC)
    return (str(since // _STRIDE),)
