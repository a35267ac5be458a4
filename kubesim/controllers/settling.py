"""The work of one settle: changes and timers become keys, keys become work, until there is none.

A settle takes the changes since the checkpoint, asks each reconciler which keys they concern, and runs the
first controller of the order that has keys, all of them, until nobody has any. Time passes only between
these rounds: timers that have become due since the last settle fire first, in the order of their times,
each at its own time (`SettleClock`).

It can be stopped after each key and go on later. Its writes are committed every `BATCH_KEYS` keys, wherever they
are read from: other writers wait no longer than that, and a seeded cluster comes out the same however it is run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
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

# A key that is worked on this often at one moment, with nobody else writing, is written for ever by its own
# controller, or by two in turn.
WORK_BOUND: Final = 50
# A conflict means that somebody else wrote first: read again, at once. More often than this is no accident.
CONFLICT_BOUND: Final = 5
# Keys worked on in one transaction: other writers wait for one at most some 20 to 40 ms.
BATCH_KEYS: Final = 16
# Errors wait: workqueue.DefaultControllerRateLimiter doubles up to 1000 s; it starts at 5 ms, here at a
# second.
FIRST_BACKOFF: Final = timedelta(seconds=1)
LAST_BACKOFF: Final = timedelta(seconds=1000)

OnError = Callable[[str, str, Exception], object]
"""Is told of a controller, a key and what a reconciliation raised that it should not have."""


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


class Routes:
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


class Settle:
    """The work of one `Manager.settle`, or of several in succession: `run` goes on where it was stopped."""

    def __init__(
        self,
        client: Client,
        selected: Sequence[Reconciler],
        routes: Routes,
        clock: SettleClock,
        state: WorkState,
        guard: Callable[[], AbstractContextManager[object]],
        on_error: OnError | None,
    ) -> None:
        self._client = client
        self._selected = selected
        self._routes = routes
        self._clock = clock
        self._state = state
        self._guard = guard
        self._on_error = on_error
        self._queues: dict[str, WorkQueue[str]] = {r.name: WorkQueue() for r in selected}
        self._timers = state.timers()
        self._touched: set[Item] = set()
        self._checkpoints: dict[str, int] = {}
        self._cursor = self._start = 0
        # Where it stands: the time for which work is being done (None is the present), the controller whose
        # round it is with its keys, and what has to wait until no timer is due.
        self._moment: datetime | None = None
        self._round: tuple[Reconciler, dict[str, str]] | None = None
        self._later: list[WatchEvent] | None = None
        self._actions: list[Action] = []
        self._worked: Counter[Item] = Counter()
        self._conflicts: Counter[Item] = Counter()
        self._stop_after_action = False
        self._is_late: Callable[[], bool] = lambda: False
        self.stopped = False

    def begin(self, checkpoints: dict[str, int]) -> None:
        """Start from what is stored."""
        self._checkpoints = checkpoints
        self._cursor = self._start = min((checkpoints[n] for n in self._queues), default=0)

    def run(self, *, step: bool, is_late: Callable[[], bool]) -> None:
        """Work until there is nothing to do, the first thing was done (`step`), or it is late."""
        self.stopped, self._stop_after_action, self._is_late = False, step, is_late
        self._actions = []
        goes_on = self._later is not None
        if self._later is None:
            self._later = self._read_log()
        present = self._clock.present()
        # Timers first, each at its time; what they bring about is worked off there and then. What others
        # have written since the last settle happened later than that, and is taken up at the present.
        if self._moment is not None:
            self._work_at(self._moment)
        while not self.stopped and (due := self._earliest_due(present)) is not None:
            self._fire(due)
            self._work_at(due)
        if not self.stopped and (self._later or goes_on):
            self._worked.clear()
            self._deliver_later()
            self._work_off()

    def _deliver_later(self) -> None:
        """What many Pods were when the settle began is not kept in memory until the last of them runs."""
        later, self._later = self._later or [], []
        self._deliver(later)

    def depths(self) -> dict[str, int]:
        """How many keys wait for each controller."""
        depths = {name: len(queue) for name, queue in self._queues.items()}
        if self._round is not None:
            depths[self._round[0].name] += len(self._round[1])
        return depths

    def save(self) -> None:
        """Keep what has come of it, in the transaction of the caller."""
        if self.stopped:  # whoever goes on from what is stored sees the same events again
            self._state.save(self._touched, None)
        else:
            for name in self._queues:
                self._checkpoints[name] = max(self._cursor, self._checkpoints[name])
            self._state.save(self._touched, self._checkpoints)
        self._touched = set()

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return bool(self._touched) or (not self.stopped and self._cursor != self._start)

    def report(self) -> SettleReport:
        return SettleReport(tuple(self._actions), not self.stopped, self._timers.earliest())

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
        """The log is compacted beyond the checkpoint: everything that exists counts as just added, also what was seen
        before, for what has gone since is not told of.
        """
        scheme = self._routes.scheme
        watched = {gvr for r in self._selected for gvr in r.watches}
        if EVERY_KIND in watched:
            # What cannot be watched, such as component statuses, is not stored and has no version.
            watched |= {r.gvr for r in scheme.resources if {"list", "watch"} <= {*r.verbs}}
        events: list[WatchEvent] = []
        revisions: list[int] = []
        for gvr in sorted(watched - {EVERY_KIND}):
            found = self._client.list(gvr)
            revisions.append(int(found["metadata"]["resourceVersion"]))
            resource = scheme.by_resource(gvr)
            for obj in items(found):
                named = {"apiVersion": gvr.api_version, "kind": resource.kind if resource else ""} | obj
                events.append(WatchEvent("ADDED", named))
        # Others write between two lists: the log is read on from before the first one.
        self._cursor = max(self._cursor, min(revisions, default=0))
        self._checkpoints.update(dict.fromkeys(self._queues, 0))
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
        first = self._timers.earliest(self._queues)
        return first if first is not None and first <= present else None

    def _fire(self, moment: datetime) -> None:
        """Every timer of this moment becomes work. It stays stored until the work is done."""
        self._worked.clear()
        for item in self._timers.due(moment):
            timer, (controller, key) = self._timers.get(item), item
            if timer is not None and controller in self._queues:
                self._queues[controller].add(key, timer.why)

    # Keys become work.

    def _work_at(self, moment: datetime) -> None:
        """Work off what there is as if it were that time."""
        self._moment = moment
        with self._clock.at(moment):
            self._work_off()
        if not self.stopped:
            self._moment = None

    def _work_off(self) -> None:
        while not self.stopped:
            if self._round is None:
                self._round = self._next_round()
            if self._round is not None:
                self._work_some(*self._round)
                continue
            events = self._read_log()  # what others have written meanwhile
            if not events:
                return
            self._worked.clear()
            self._deliver(events)

    def _next_round(self) -> tuple[Reconciler, dict[str, str]] | None:
        """The first controller with work, and its keys. What it writes may be work for one before it, which then
        has its turn first.
        """
        reconciler = next((r for r in self._selected if len(self._queues[r.name])), None)
        return (reconciler, self._queues[reconciler.name].take_all()) if reconciler is not None else None

    def _work_some(self, reconciler: Reconciler, left: dict[str, str]) -> None:
        """Work on the next keys of a round, in one transaction."""
        prefetching = self._routes.prefetching.get(reconciler.name)
        keys = [key for key, _ in zip(left, range(BATCH_KEYS), strict=False)]
        # It is all one moment: a program that ends when it is told to has ended now, and not after the milliseconds
        # that this takes, when the next command may have come.
        with self._guard(), self._client.batch(), self._clock.at(self._clock.now()):
            others = self._read_log()
            if others:
                self._worked.clear()  # it is not the controllers alone that keep each other busy
                self._deliver(others)
            if prefetching:
                prefetching.begin(keys)
            try:
                for key in keys:
                    self._reconcile(reconciler, key, left.pop(key))
                    if self.stopped:
                        break
            finally:
                if prefetching:
                    prefetching.end(over=not left)
            own = self._read_log()
        if not left:
            self._round = None
        self._deliver(own)

    def _reconcile(self, reconciler: Reconciler, key: str, why: str) -> None:
        item = (reconciler.name, key)
        self._worked[item] += 1
        try:
            if self._worked[item] > WORK_BOUND:
                raise EndlessWorkError(
                    f"{reconciler.name} does not come to rest: it has worked on {key} {WORK_BOUND} times"
                    f" in a row, the last time because {why}"
                )
            result = reconciler.reconcile(key)
        except StatusError as error:
            self._failed(item, why, error.reason, error.message)
        except Exception as error:
            # A mistake in one controller must not keep the others from their work, where they work for ever.
            if self._on_error is None:
                raise
            self._on_error(reconciler.name, key, error)
            self._worked.pop(item, None)
            self._failed(item, why, "", str(error) or type(error).__name__)
        else:
            self._conflicts.pop(item, None)
            self._schedule(item, result)
            self._actions += (Action(reconciler.name, key, what, why) for what in result.actions)
            self.stopped = self._stop_after_action and bool(result.actions)
        self.stopped = self.stopped or self._is_late()

    def _schedule(self, item: Item, result: Result) -> None:
        """A key has one timer, the one its last reconciliation asked for."""
        if result.requeue_after is not None:
            self._touched.add(item)
            self._timers.set(item, Timer(self._clock.now() + result.requeue_after, "its time had come"))
        elif self._timers.drop(item):
            self._touched.add(item)

    def _failed(self, item: Item, why: str, reason: str, message: str) -> None:
        controller, key = item
        self._conflicts[item] += 1
        if reason in ("Conflict", "NotFound") and self._conflicts[item] <= CONFLICT_BOUND:
            self._queues[controller].add(key, why)
            return
        timer = self._timers.get(item)
        errors = timer.errors if timer else 0
        wait = min(FIRST_BACKOFF * 2 ** min(errors, 16), LAST_BACKOFF)
        self._touched.add(item)
        self._timers.set(item, Timer(self._clock.now() + wait, f"it failed before: {message}", errors + 1))
        what = f"failed, will try again in {wait.total_seconds():g}s: {message}"
        self._actions.append(Action(controller, key, what, why))


_VERBS = {"ADDED": "added", "MODIFIED": "changed", "DELETED": "deleted"}


def _reason(event: WatchEvent) -> str:
    return f"{event.object.get('kind')} {key_of(event.object)} was {_VERBS.get(event.type, event.type)}"
