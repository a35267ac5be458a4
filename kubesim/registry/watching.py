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
    """One watch: what it begins with, and what it makes of each change after `revision`.

    In process somebody reads `events` and waits in it; over HTTP the API server's hub reads the log once for all
    its watches and asks `judge`.
    """

    def __init__(self, reading: Reading, namespace: str, options: ListOptions) -> None:
        self.reading = reading
        self.options = options
        self.prefix = prefix_of(reading.gvr, namespace)
        self.timeout = MIN_TIMEOUT if options.timeout_seconds is None else options.timeout_seconds
        # Read at once, so that a bad one is refused before the watch has begun.
        self.revision = parse_resource_version(options.resource_version)
        self._namespace = namespace
        self._match = reading.matcher(options)
        self._left = self.timeout
        self._since_bookmark = 0.0
        self._last_is_due = self.timeout > BOOKMARK_BEFORE_END

    def begin(self) -> tuple[list[WatchEvent], bool]:
        """The events to begin with, and whether the watch goes on; `revision` is then where."""
        options = self.options
        current = self.reading.storage.revision()
        if options.send_initial_events and self.revision > current:
            return [self.error(too_large(self.revision, current).status)], False
        events: list[WatchEvent] = []
        if options.send_initial_events or (options.send_initial_events is None and not self.revision):
            objects, current, _, _ = self.reading.select(
                self._namespace, replace(options, resource_version="", resource_version_match="")
            )
            events = [WatchEvent("ADDED", obj) for obj in objects]
            if options.send_initial_events and options.bookmarks:
                events.append(self.bookmark(current, initial=True))
            self.revision = current
        elif not self.revision:
            self.revision = current
        return events, True

    def events(self) -> Iterator[WatchEvent]:
        """Everything, until the time is up."""
        events, goes_on = self.begin()
        yield from events
        if goes_on:
            yield from self._changes(self.revision)

    def _changes(self, revision: int) -> Iterator[WatchEvent]:
        storage, clock = self.reading.storage, self.reading.clock
        while True:
            newest = storage.revision()  # read first: what comes after it is no reason to pass over it
            try:
                changes = storage.changes(self.prefix, revision, limit=_CHUNK)
            except Compacted as error:
                yield self.too_old(revision, error.oldest)
                return
            for change in changes:
                event = self.judge(change, *self.decoded(change))
                if event is not None:
                    yield event
            if changes:
                revision = changes[-1].revision
                if len(changes) == _CHUNK:
                    continue
            else:
                revision = max(revision, newest)
            if self.bookmark_is_due():
                yield self.bookmark(revision)
            if self.is_over():
                return
            before = clock.monotonic()
            pause = min(self._left, LONGEST_WAIT)
            newest = storage.wait(revision, pause)
            # A clock that stands still must not make a watch eternal: a wait in vain has taken its time.
            self.spend(clock.monotonic() - before if newest > revision else pause)

    def decoded(self, change: Change) -> tuple[JSONObject | None, JSONObject | None]:
        """The object before a change and after it, as this watch's resource shows it."""
        reading = self.reading
        old = reading.load_value(change.old, change.old_revision) if change.old is not None else None
        new = reading.load_value(change.value, change.revision) if change.value is not None else None
        return old, new

    def judge(self, change: Change, old: JSONObject | None, new: JSONObject | None) -> WatchEvent | None:
        """What a change, decoded, is to this watch; None where it does not concern it."""
        was = old is not None and (self._match is None or self._match(old))
        is_now = new is not None and (self._match is None or self._match(new))
        if new is not None and is_now:
            return WatchEvent("MODIFIED" if was else "ADDED", new, old)
        if old is not None and was:
            gone = self.reading.load_value(change.old or b"{}", change.revision)
            return WatchEvent("DELETED", gone, old)
        return None

    def spend(self, seconds: float) -> None:
        """So much of the watch's time has passed."""
        self._left -= seconds
        self._since_bookmark += seconds

    def is_over(self) -> bool:
        """Whether its time is up."""
        return self._left <= 0

    def bookmark_is_due(self) -> bool:
        """Once a minute, and shortly before the end: newTimeBucketWatchers in the watch cache."""
        if not self.options.bookmarks:
            return False
        if self._last_is_due and self._left <= BOOKMARK_BEFORE_END:
            self._last_is_due = False
            return True
        return self._since_bookmark >= BOOKMARK_INTERVAL

    def bookmark(self, revision: int, *, initial: bool = False) -> WatchEvent:
        """An event that says only how far the watch has come."""
        self._since_bookmark = 0.0
        resource = self.reading.resource
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

    def too_old(self, revision: int, oldest: int) -> WatchEvent:
        """The end of a watch that compaction has overtaken: 410."""
        return self.error(errors.expired(f"too old resource version: {revision} ({oldest})").status)

    def error(self, status: JSONObject) -> WatchEvent:
        """The end of a watch that cannot go on."""
        return WatchEvent("ERROR", status)
