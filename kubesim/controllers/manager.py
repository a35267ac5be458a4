"""The manager: runs reconcilers to a fixed point (`settle`), or for ever (`run`), and loses no work in
between.

What it knows is in the state store: up to which revision each controller has seen the log, and which keys
want work at what time. Both are written when a settle has come to its end, so a process that is killed in
the middle does some work again, and none is lost: reconcilers are level-based, twice is once.

One manager serves all threads of a process, which settle one after the other in the order in which they ask. A
settle that was given a budget and has not come to its end is kept, and the next one goes on with it, unless
another process has settled meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final

from kubesim.apimachinery.scheme import Scheme
from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.controllers.settleclock import SettleClock
from kubesim.controllers.settling import (
    Action,
    EndlessWorkError,
    OnError,
    Routes,
    Settle,
    SettleReport,
)
from kubesim.controllers.workstate import WorkState
from kubesim.util.clock import SystemClock
from kubesim.util.fairlock import FairLock
from kubesim.util.state import StateStore

__all__ = ["Action", "EndlessWorkError", "Manager", "SettleReport"]

# How often `run` looks whether it should stop.
_LONGEST_WAIT: Final = 1.0

_monotonic = SystemClock().monotonic  # a budget is real time, whatever the cluster's clock says


class Manager:
    """Runs reconcilers. `lock()` keeps other processes from settling the same cluster at the same time; `guard()`
    is entered before each transaction in which reconcilers run.

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
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
        on_error: OnError | None = None,
    ) -> None:
        self._client = client
        self._reconcilers = {r.name: r for r in reconcilers}
        self._stored = state
        self._state = WorkState(state)  # for the one who settles
        self._routes = Routes(reconcilers, scheme)
        self._clock = clock
        self._lock = lock
        self._guard = guard
        self._turn = FairLock()
        self._kept: tuple[frozenset[str], Settle] | None = None
        self._working: Settle | None = None
        self.on_error = on_error
        """Is told what a reconciler raises besides StatusError; the key is then tried again later, as after a
        StatusError. Without it, settling raises the same.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """The controllers, in the order in which they run."""
        return tuple(self._reconcilers)

    def resolve(self, word: str) -> str | None:
        """The controller that a user means: its name, or the name without `-controller`. None for no such
        controller.
        """
        return next((n for n in (word, f"{word}-controller") if n in self._reconcilers), None)

    def depths(self) -> dict[str, int]:
        """How many keys wait for each controller: those of a settle that was stopped, or that runs."""
        work = self._working
        return dict.fromkeys(self._reconcilers, 0) | (work.depths() if work is not None else {})

    def next_due(self) -> datetime | None:
        """When the first timer is due."""
        return WorkState(self._stored).earliest()

    def enqueue(self, controller: str, key: str, why: str) -> None:
        """Ask for work on a key at the next settle, for a reason that no object shows: a container's
        process ended.
        """
        WorkState(self._stored).post((controller, key), self._clock.now(), why)

    def settle(
        self, *, only: Collection[str] | None = None, step: bool = False, budget: float | None = None
    ) -> SettleReport:
        """Bring the cluster up to now. Never sleeps, but waits for others that settle; raises EndlessWorkError
        where controllers do not come to rest.

        `only` names the controllers to run; the others find their work as it was. `step` ends after the
        first key for which something was done. After `budget` seconds of real time no further key is begun;
        the report then says that it is not done, and the next settle goes on. At least one key is worked on.
        """
        with self._turn, self._lock():
            end = _monotonic() + budget if budget is not None else None
            selection = frozenset(n for n in self._reconcilers if only is None or n in only)
            try:
                self._working = work = self._take_up(selection, step=step)
                work.run(step=step, is_late=lambda: end is not None and _monotonic() > end)
                if work.changed:
                    with self._client.batch():
                        work.save()
            except BaseException:
                self._kept = self._working = None
                self._state.forget()
                raise
            self._kept = (selection, work) if work.stopped and not step else None
            self._working = work if work.stopped else None
            return work.report()

    def _take_up(self, selection: frozenset[str], *, step: bool) -> Settle:
        """The settle that was stopped, if it is still good for this, or a new one."""
        kept, current = self._kept, self._state.is_current()
        self._kept = None
        if self._state.posted():
            with self._client.batch():
                self._state.collect()
        if kept is not None and kept[0] == selection and current and not step:
            return kept[1]
        chosen = [r for r in self._reconcilers.values() if r.name in selection]
        work = Settle(
            self._client, chosen, self._routes, self._clock, self._state, self._guard, self.on_error
        )
        work.begin(self._state.checkpoints(self._reconcilers))
        return work

    def run(self, stop: threading.Event, wait: Callable[[int, float], int]) -> None:
        """Settle whenever something changes or a timer is due, until `stop` is set.

        `wait(revision, seconds)` blocks until there is a newer revision, at most so long: `Storage.wait`.
        """
        while not stop.is_set():
            report = self.settle()
            pause = _LONGEST_WAIT
            if report.next_due is not None:
                pause = min(pause, max(0.0, (report.next_due - self._clock.present()).total_seconds()))
            seen = WorkState(self._stored).checkpoints(self._reconcilers)
            wait(max(seen.values(), default=0), pause)
