"""The manager: runs reconcilers to a fixed point (`settle`), or for ever (`run`), and loses no work in
between.

What it knows is in the state store: up to which revision each controller has seen the log, and which keys
want work at what time. Both are written when a settle has come to its end, so a process that is killed in
the middle does some work again, and none is lost: reconcilers are level-based, twice is once.

A settle takes the changes since the checkpoint, asks each reconciler which keys they concern, and runs the
first controller of the order that has keys, all of them, until nobody has any. Time passes only between
these rounds: timers that have become due since the last settle fire first, in the order of their times,
each at its own time (`SettleClock`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.meta import key_of
from kubesim.apimachinery.scheme import Scheme
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.reconcile import EVERY_KIND, KeysOf, Prefetching, Reconciler, Result
from kubesim.client.workqueue import WorkQueue
from kubesim.controllers.settleclock import SettleClock
from kubesim.controllers.workstate import Item, Timer, WorkState
from kubesim.util.collection import collection_paused
from kubesim.util.state import StateStore

# A key that is worked on this often at one moment is written for ever by its own controller, or by two in
# turn.
WORK_BOUND: Final = 50
# A conflict means that somebody else wrote first: read again, at once. More often than this is no accident.
CONFLICT_BOUND: Final = 5
# Errors wait: workqueue.DefaultControllerRateLimiter doubles up to 1000 s; it starts at 5 ms, here at a
# second.
FIRST_BACKOFF: Final = timedelta(seconds=1)
LAST_BACKOFF: Final = timedelta(seconds=1000)
# How often `run` looks whether it should stop.
_LONGEST_WAIT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a controller did: what, for which key, and which change made it look."""

    controller: str
    key: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What a settle did. `done` is False where it was stopped early; `next_due` is the time of the first
    timer left.
    """

    actions: tuple[Action, ...] = ()
    done: bool = True
    next_due: datetime | None = None


class EndlessWorkError(Exception):
    """A controller does not come to rest."""


class Manager:
    """Runs reconcilers. `lock()` keeps other processes from settling the same cluster at the same time.

    `reconcilers` run in the order in which they are given (see `standard.in_order`).
    """

    def __init__(
        self,
        client: Client,
        reconcilers: Sequence[Reconciler],
        *,
        scheme: Scheme,
        state: StateStore,
        clock: SettleClock,
        lock: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._client = client
        self._reconcilers = {r.name: r for r in reconcilers}
        self._state = WorkState(state)
        self._routes = _Routes(reconcilers, scheme)
        self._clock = clock
        self._lock = lock

    @property
    def names(self) -> tuple[str, ...]:
        """The controllers, in the order in which they run."""
        return tuple(self._reconcilers)

    def resolve(self, word: str) -> str | None:
        """The controller that a user means: its name, or the name without `-controller`. None for no such
        controller.
        """
        return next((n for n in (word, f"{word}-controller") if n in self._reconcilers), None)

    def next_due(self) -> datetime | None:
        """When the first timer is due."""
        return min((t.at for t in self._state.timers(self._reconcilers).values()), default=None)

    def enqueue(self, controller: str, key: str, why: str) -> None:
        """Ask for work on a key at the next settle, for a reason that no object shows: a container's
        process ended.
        """
        item = (controller, key)
        self._state.set_timers([item], {item: Timer(self._clock.now(), why)})

    def settle(
        self, *, only: Collection[str] | None = None, step: bool = False, deadline: float | None = None
    ) -> SettleReport:
        """Bring the cluster up to now. Never sleeps; raises EndlessWorkError where controllers do not come
        to rest.

        `only` names the controllers to run; the others find their work as it was. `step` ends after the
        first key for which something was done. `deadline` is a time of the clock's `monotonic()` after
        which no further key is begun.
        """
        with self._lock():
            selected = [r for r in self._reconcilers.values() if only is None or r.name in only]
            work = _Settle(self._client, selected, self._routes, self._clock)
            work.load(self._state, self._reconcilers)
            work.stop_after_action, work.deadline = step, deadline
            work.run()
            if work.changed:
                with self._client.batch():
                    work.save(self._state)
            return work.report()

    def run(self, stop: threading.Event, wait: Callable[[int, float], int]) -> None:
        """Settle whenever something changes or a timer is due, until `stop` is set.

        `wait(revision, seconds)` blocks until there is a newer revision, at most so long: `Storage.wait`.
        """
        while not stop.is_set():
            report = self.settle()
            pause = _LONGEST_WAIT
            if report.next_due is not None:
                pause = min(pause, max(0.0, (report.next_due - self._clock.present()).total_seconds()))
            seen = self._state.checkpoints(self._reconcilers)
            wait(max(seen.values(), default=0), pause)


class _Routes:
    """Which reconcilers watch the kind of an event; looked up once a kind."""

    def __init__(self, reconcilers: Sequence[Reconciler], scheme: Scheme) -> None:
        self._reconcilers = reconcilers
        self._known: dict[tuple[str, str], list[tuple[str, KeysOf]]] = {}
        self.scheme = scheme
        self.prefetching = {r.name: r for r in reconcilers if isinstance(r, Prefetching)}

    def of(self, event: WatchEvent) -> list[tuple[str, KeysOf]]:
        obj = event.object
        kind = (obj.get("apiVersion") or "", obj.get("kind") or "")
        found = self._known.get(kind)
        if found is None:
            group, version = split_api_version(kind[0])
            resource = self.scheme.by_kind(GroupVersionKind(group, version, kind[1]))
            gvr = resource.gvr if resource else None
            found = self._known[kind] = [
                (r.name, keys_of)
                for r in self._reconcilers
                for watched, keys_of in r.watches.items()
                if watched in (gvr, EVERY_KIND)
            ]
        return found


class _Settle:
    """The work of one `Manager.settle`."""

    def __init__(
        self, client: Client, selected: Sequence[Reconciler], routes: _Routes, clock: SettleClock
    ) -> None:
        self._client = client
        self._selected = selected
        self._routes = routes
        self._clock = clock
        self._queues: dict[str, WorkQueue[str]] = {r.name: WorkQueue() for r in selected}
        self._checkpoints: dict[str, int] = {}
        self._timers: dict[Item, Timer] = {}
        self._touched: set[Item] = set()
        self._cursor = self._start = 0
        self._actions: list[Action] = []
        self._worked: Counter[Item] = Counter()
        self._conflicts: Counter[Item] = Counter()
        self._stopped = False
        self.stop_after_action = False
        self.deadline: float | None = None

    def load(self, state: WorkState, controllers: Collection[str]) -> None:
        self._checkpoints = state.checkpoints(controllers)
        self._timers = state.timers(controllers)
        self._cursor = self._start = min((self._checkpoints[n] for n in self._queues), default=0)

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self._cursor != self._start or bool(self._touched)

    def save(self, state: WorkState) -> None:
        if not self._stopped:  # whoever stops early sees the same events again
            for name in self._queues:
                self._checkpoints[name] = max(self._cursor, self._checkpoints[name])
            state.set_checkpoints(self._checkpoints)
        state.set_timers(sorted(self._touched), self._timers)

    def report(self) -> SettleReport:
        next_due = min((t.at for t in self._timers.values()), default=None)
        return SettleReport(tuple(self._actions), not self._stopped, next_due)

    def run(self) -> None:
        before = self._read_log()
        present = self._clock.present()
        # Timers first, each at its time; what they bring about is worked off there and then. What others
        # have written since the last settle happened later than that, and is taken up at the present.
        while not self._stopped and (due := self._earliest_due(present)) is not None:
            with self._clock.at(due):
                self._fire(due)
                self._work_off()
        if before and not self._stopped:
            self._worked.clear()
            self._deliver(before)
            self._work_off()

    # Events and timers become keys.

    def _read_log(self) -> list[WatchEvent]:
        try:
            with collection_paused():
                events = list(self._client.log(self._cursor))
        except StatusError as error:
            if error.code != 410:
                raise
            return self._resynchronise()
        if events:
            self._cursor = int(events[-1].object["metadata"]["resourceVersion"])
        return events

    def _resynchronise(self) -> list[WatchEvent]:
        """The log is compacted beyond the checkpoint: everything that exists counts as just added."""
        scheme = self._routes.scheme
        watched = {gvr for r in self._selected for gvr in r.watches}
        if EVERY_KIND in watched:
            watched |= {r.gvr for r in scheme.resources if "list" in r.verbs}
        events: list[WatchEvent] = []
        for gvr in sorted(watched - {EVERY_KIND}):
            found = self._client.list(gvr)
            self._cursor = max(self._cursor, int(found["metadata"]["resourceVersion"]))
            resource = scheme.by_resource(gvr)
            for obj in items(found):
                named = {"apiVersion": gvr.api_version, "kind": resource.kind if resource else ""} | obj
                events.append(WatchEvent("ADDED", named))
        return events

    def _deliver(self, events: Sequence[WatchEvent]) -> None:
        """Ask every reconciler which keys these events concern."""
        if not events:
            return
        for reconciler in self._selected:
            prefetching = self._routes.prefetching.get(reconciler.name)
            if prefetching is not None:
                prefetching.observe(events)
        for event in events:
            revision = int(event.object["metadata"].get("resourceVersion") or 0)
            why = ""
            for name, keys_of in self._routes.of(event):
                queue = self._queues.get(name)
                if queue is None or revision <= self._checkpoints[name]:
                    continue
                keys = list(keys_of(event))
                if keys:
                    why = why or _reason(event)
                    queue.add_all(keys, why)

    def _earliest_due(self, present: datetime) -> datetime | None:
        first = min((t.at for (name, _), t in self._timers.items() if name in self._queues), default=None)
        return first if first is not None and first <= present else None

    def _fire(self, moment: datetime) -> None:
        """Every timer of this moment becomes work. It stays stored until the work is done."""
        self._worked.clear()
        for (controller, key), timer in self._timers.items():
            if timer.at <= moment and controller in self._queues:
                self._queues[controller].add(key, timer.why)

    # Keys become work.

    def _work_off(self) -> None:
        while not self._stopped:
            reconciler = next((r for r in self._selected if len(self._queues[r.name])), None)
            if reconciler is not None:
                self._work(reconciler, self._queues[reconciler.name].take_all())
            # What this one wrote may be work for one before it, which then has its turn first.
            events = self._read_log()
            self._deliver(events)
            if reconciler is None and not events:
                return

    def _work(self, reconciler: Reconciler, keys: dict[str, str]) -> None:
        prefetching = self._routes.prefetching.get(reconciler.name)
        with self._client.batch():
            if prefetching:
                prefetching.begin(list(keys))
            try:
                for key, why in keys.items():
                    self._reconcile(reconciler, key, why)
                    if self._stopped:
                        break
            finally:
                if prefetching:
                    prefetching.end()

    def _reconcile(self, reconciler: Reconciler, key: str, why: str) -> None:
        item = (reconciler.name, key)
        self._worked[item] += 1
        if self._worked[item] > WORK_BOUND:
            raise EndlessWorkError(
                f"{reconciler.name} does not come to rest: it has worked on {key} {WORK_BOUND} times"
                f" in a row, the last time because {why}"
            )
        try:
            result = reconciler.reconcile(key)
        except StatusError as error:
            self._failed(item, why, error)
            return
        self._conflicts.pop(item, None)
        self._schedule(item, result)
        self._actions += (Action(reconciler.name, key, what, why) for what in result.actions)
        late = self.deadline is not None and self._clock.monotonic() > self.deadline
        self._stopped = late or (self.stop_after_action and bool(result.actions))

    def _schedule(self, item: Item, result: Result) -> None:
        """A key has one timer, the one its last reconciliation asked for."""
        if result.requeue_after is not None:
            self._touched.add(item)
            self._timers[item] = Timer(self._clock.now() + result.requeue_after, "its time had come")
        elif self._timers.pop(item, None):
            self._touched.add(item)

    def _failed(self, item: Item, why: str, error: StatusError) -> None:
        controller, key = item
        self._conflicts[item] += 1
        if error.reason in ("Conflict", "NotFound") and self._conflicts[item] <= CONFLICT_BOUND:
            self._queues[controller].add(key, why)
            return
        timer = self._timers.get(item)
        errors = timer.errors if timer else 0
        wait = min(FIRST_BACKOFF * 2 ** min(errors, 16), LAST_BACKOFF)
        self._touched.add(item)
        self._timers[item] = Timer(self._clock.now() + wait, f"it failed before: {error.message}", errors + 1)
        self._actions.append(
            Action(
                controller, key, f"failed, will try again in {wait.total_seconds():g}s: {error.message}", why
            )
        )


_VERBS = {"ADDED": "added", "MODIFIED": "changed", "DELETED": "deleted"}


def _reason(event: WatchEvent) -> str:
    return f"{event.object.get('kind')} {key_of(event.object)} was {_VERBS.get(event.type, event.type)}"
