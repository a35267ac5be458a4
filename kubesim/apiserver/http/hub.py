"""All watches of a server: the log is read once, and each change is decoded, shaped and encoded once for whoever
wants the same.

A watch has a queue with a bound: a client that does not read is let go of, and costs the others nothing. Everything
here happens on the event loop's thread; the store says when there is something new.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from kubesim.apimachinery.watch import WatchEvent
from kubesim.apiserver.http.codec import frame
from kubesim.apiserver.output import EventStream
from kubesim.storage.interface import Change, Compacted, Storage
from kubesim.util.jsontypes import JSONObject

MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""What a watch may have unsent before it is ended; a client may come back and go on where it was."""
TICK: Final = 1.0
_CHUNK: Final = 500
_JOINED: Final = 256 * 1024  # how much is handed to a connection at once

Send = Callable[[dict[str, Any]], Awaitable[None]]
Decoded = tuple[JSONObject | None, JSONObject | None]


class Watcher:
    """One client's watch. `abort` ends its connection at once."""

    def __init__(self, stream: EventStream, send: Send, abort: Callable[[], None]) -> None:
        self.watch = stream.watch
        self.at = 0
        self._stream = stream
        self._send = send
        self._abort = abort
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._sender: asyncio.Task[None] | None = None
        self._ending = False
        self._is_first = True
        self._form = (stream.wanted, stream.include) if stream.shapes else None
        self._media_type = stream.wanted.media_type

    def push(self, event: WatchEvent, frames: dict[Any, bytes] | None = None) -> None:
        """Queue an event; `frames` has those of the same change that others wanted."""
        first, self._is_first = self._is_first, False
        if frames is None:
            self._put(self._frame(event, is_first=first))
            return
        resource = self.watch.reading.resource
        key = (resource.gvr, event.type, self._media_type, self._form, first and self._form is not None)
        made = frames.get(key)
        if made is None:
            made = frames[key] = self._frame(event, is_first=first)
        self._put(made)

    def _frame(self, event: WatchEvent, *, is_first: bool) -> bytes:
        shaped = self._stream.shape(event, is_first=is_first)
        return frame(shaped.type, shaped.object, self._media_type)

    def _put(self, data: bytes) -> None:
        self._queue.append(data)
        self._size += len(data)
        if self._size > MAX_QUEUED_BYTES:
            self._queue.clear()
            self._abort()
            return
        self._wake()

    def end(self) -> None:
        """Finish the response after what is queued."""
        self._ending = True
        self._wake()

    def _wake(self) -> None:
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._queue:
                await self._send({"type": "http.response.body", "body": self._take(), "more_body": True})
            if self._ending:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._sender = None

    def _take(self) -> bytes:
        parts, size = [], 0
        while self._queue and size < _JOINED:
            part = self._queue.popleft()
            parts.append(part)
            size += len(part)
        self._size -= size
        return b"".join(parts)


class Hub:
    """The watches of one server. `start` and `close` on the loop."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._loop: asyncio.AbstractEventLoop
        self._watchers: dict[str, set[Watcher]] = {}
        self._count = 0
        self._at = 0
        self._woken = False
        self._closed = False
        self._unsubscribe: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return self._count

    async def start(self) -> None:
        """Begin to follow the store."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self._storage.subscribe(self._committed)
        self._loop.call_later(TICK, self._tick)

    async def close(self) -> None:
        """End all watches."""
        self._closed = True
        self._unsubscribe()
        for watcher in self._all():
            watcher.end()

    async def serve(
        self,
        stream: EventStream,
        *,
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Send,
        abort: Callable[[], None],
    ) -> None:
        """Answer a watch whose response has begun, until it ends or the client has gone."""
        watcher = Watcher(stream, send, abort)
        watch = stream.watch
        if not self._count:
            self._at = self._storage.revision()  # nobody has followed since the last watch ended
        if watch.revision and not watch.options.send_initial_events:
            events, goes_on = watch.begin()
        else:
            events, goes_on = await self._loop.run_in_executor(None, watch.begin)
        for event in events:
            watcher.push(event)
        watcher.at = watch.revision
        goes_on = goes_on and not self._closed and self._catch_up(watcher)
        if not goes_on:
            watcher.end()
        else:
            self._watchers.setdefault(_root(watch.prefix), set()).add(watcher)
            self._count += 1
            self._committed()  # what came while nobody, or not yet this one, was there
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._remove(watcher)

    def _remove(self, watcher: Watcher) -> None:
        root = _root(watcher.watch.prefix)
        group = self._watchers.get(root)
        if group and watcher in group:
            group.remove(watcher)
            self._count -= 1
            if not group:
                del self._watchers[root]

    def _all(self) -> list[Watcher]:
        return [w for group in self._watchers.values() for w in group]

    # What has happened.

    def _committed(self) -> None:
        """Somebody has written, in whatever thread: have a look soon, once for all that comes until then."""
        if self._woken or not self._count:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._pump)
        except RuntimeError:  # the loop has been closed
            self._closed = True

    def _pump(self) -> None:
        """Give every watcher what is new."""
        self._woken = False
        while self._count:
            try:
                changes = self._storage.changes("", self._at, limit=_CHUNK)
            except Compacted as error:
                self._too_late(self._all(), error)
                self._at = self._storage.revision()
                return
            if not changes:
                return
            for change in changes:
                group = self._watchers.get(_root(change.key))
                if group:
                    _deliver(change, group)
            self._at = changes[-1].revision

    def _catch_up(self, watcher: Watcher) -> bool:
        """What happened between where a watcher begins and where the others are; whether it may go on."""
        while watcher.at < self._at:
            try:
                changes = self._storage.changes(watcher.watch.prefix, watcher.at, limit=_CHUNK)
            except Compacted as error:
                watcher.push(watcher.watch.too_old(watcher.at, error.oldest))
                return False
            for change in changes:
                _deliver(change, (watcher,))
            if len(changes) < _CHUNK:
                return True
        return True

    def _too_late(self, watchers: Iterable[Watcher], error: Compacted) -> None:
        for watcher in watchers:
            watcher.push(watcher.watch.too_old(watcher.at, error.oldest))
            self._remove(watcher)
            watcher.end()

    def _tick(self) -> None:
        """Once a second: bookmarks, and watches whose time is up."""
        if self._closed:
            return
        for watcher in self._all():
            watch = watcher.watch
            watch.spend(TICK)
            if watch.bookmark_is_due():
                watcher.push(watch.bookmark(max(watcher.at, self._at)))
            if watch.is_over():
                self._remove(watcher)
                watcher.end()
        self._loop.call_later(TICK, self._tick)


def _deliver(change: Change, watchers: Iterable[Watcher]) -> None:
    """One change for each of these watchers that it concerns."""
    decoded: dict[Any, Decoded] = {}
    frames: dict[Any, bytes] = {}
    for watcher in watchers:
        watch = watcher.watch
        if change.revision <= watcher.at or not change.key.startswith(watch.prefix):
            continue
        watcher.at = change.revision
        gvr = watch.reading.resource.gvr
        found = decoded.get(gvr)
        if found is None:
            found = decoded[gvr] = watch.decoded(change)
        event = watch.judge(change, *found)
        if event is not None:
            watcher.push(event, frames)


def _root(key: str) -> str:
    """`/registry/core/pods/` of a key or a prefix."""
    return "/".join(key.split("/", 4)[:4]) + "/"
