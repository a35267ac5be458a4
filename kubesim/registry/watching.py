"""Watches: the changes of one resource as events, from a revision on.

An event is seen through the watch's selectors: an object that begins to match is ADDED, one that ceases to is
DELETED. Source: k8s.io/apiserver pkg/storage/{etcd3/watcher,cacher/cache_watcher}.go.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.watch import WatchEvent
from kubesim.registry.keys import prefix_of
from kubesim.registry.listing import ListOptions, parse_resource_version, too_large
from kubesim.storage.interface import Change, Compacted
from kubesim.util.jsontypes import JSONObject, encode

if TYPE_CHECKING:
    from kubesim.registry.reading import Reading

BOOKMARK_INTERVAL: Final = 60.0
BOOKMARK_BEFORE_END: Final = 2.0
LONGEST_WAIT: Final = 1.0
"""How long a watch sleeps at most before it looks whether it should end."""
MIN_TIMEOUT: Final = 1800.0
"""--min-request-timeout: how long a watch lasts that names no timeout (upstream up to twice that, at random).
"""
_CHUNK: Final = 500


class Watch:
    """One watch."""

    def __init__(self, reading: Reading, namespace: str, options: ListOptions) -> None:
        self._reading = reading
        self._namespace = namespace
        self._options = options
        self._prefix = prefix_of(reading.gvr, namespace)
        self._match = reading.matcher(options)
        timeout = options.timeout_seconds
        self._left = MIN_TIMEOUT if timeout is None else timeout
        # Read at once, so that a bad one is refused before the watch has begun.
        self._revision = parse_resource_version(options.resource_version)
        self._since_bookmark = 0.0
        self._last_is_due = self._left > BOOKMARK_BEFORE_END

    def events(self) -> Iterator[WatchEvent]:
        """Everything, until the time is up."""
        options = self._options
        revision = self._revision
        current = self._reading.storage.revision()
        if options.send_initial_events and revision > current:
            yield self._error(too_large(revision, current).status)
            return
        if options.send_initial_events or (options.send_initial_events is None and not revision):
            objects, current, _, _ = self._reading.select(
                self._namespace, replace(options, resource_version="", resource_version_match="")
            )
            for obj in objects:
                yield WatchEvent("ADDED", obj)
            if options.send_initial_events and options.bookmarks:
                yield self._bookmark(current, initial=True)
            revision = current
        elif not revision:
            revision = current
        yield from self._changes(revision)

    def _changes(self, revision: int) -> Iterator[WatchEvent]:
        storage, clock = self._reading.storage, self._reading.clock
        while True:
            try:
                changes = storage.changes(self._prefix, revision, limit=_CHUNK)
            except Compacted as error:
                detail = f"too old resource version: {revision} ({error.oldest})"
                yield self._error(errors.expired(detail).status)
                return
            for change in changes:
                event = self._event(change)
                if event is not None:
                    yield event
            if changes:
                revision = changes[-1].revision
                if len(changes) == _CHUNK:
                    continue
            else:
                revision = max(revision, storage.revision()) if self._quiet(revision) else revision
            if self._bookmark_is_due():
                yield self._bookmark(revision)
            if self._left <= 0:
                return
            before = clock.monotonic()
            pause = min(self._left, LONGEST_WAIT)
            newest = storage.wait(revision, pause)
            # A clock that stands still must not make a watch eternal: a wait in vain has taken its time.
            spent = clock.monotonic() - before if newest > revision else pause
            self._left -= spent
            self._since_bookmark += spent

    def _quiet(self, revision: int) -> bool:
        """Whether nothing of this resource has happened between a revision and the newest one."""
        newest = self._reading.storage.revision()
        return newest > revision and not self._reading.storage.changes(self._prefix, revision, limit=1)

    def _event(self, change: Change) -> WatchEvent | None:
        reading = self._reading
        old = reading.load_value(change.old, change.old_revision) if change.old is not None else None
        new = reading.load_value(change.value, change.revision) if change.value is not None else None
        was = old is not None and (self._match is None or self._match(old))
        is_now = new is not None and (self._match is None or self._match(new))
        if new is not None and is_now:
            return WatchEvent("MODIFIED" if was else "ADDED", new, old)
        if old is not None and was:
            gone = reading.load_value(change.old or b"{}", change.revision)
            return WatchEvent("DELETED", gone, old)
        return None

    def _bookmark_is_due(self) -> bool:
        """Once a minute, and shortly before the end: newTimeBucketWatchers in the watch cache."""
        if not self._options.bookmarks:
            return False
        if self._last_is_due and self._left <= BOOKMARK_BEFORE_END:
            self._last_is_due = False
            return True
        return self._since_bookmark >= BOOKMARK_INTERVAL

    def _bookmark(self, revision: int, *, initial: bool = False) -> WatchEvent:
        self._since_bookmark = 0.0
        resource = self._reading.resource
        metadata: JSONObject = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial:
            blueprint = encode(
                {
                    "kind": f"{resource.kind}List",
                    "apiVersion": resource.api_version,
                    "metadata": {},
                    "items": None,
                }
            )
            metadata["annotations"] = {
                "k8s.io/initial-events-end": "true",
                "kubernetes.io/initial-events-list-blueprint": base64.b64encode(blueprint + b"\n").decode(),
            }
        return WatchEvent(
            "BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        )

    def _error(self, status: JSONObject) -> WatchEvent:
        return WatchEvent("ERROR", status)
