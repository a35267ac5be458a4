"""What the manager keeps between two settles: how far each controller has read the log, and which keys
wait for a time.

One note holds all checkpoints, each timer has its own, and one says when the first timer is due and how often
all this has been written: who has read the timers once need not read them again until somebody else settles,
and who only asks whether there is something to do reads none.

Whoever is not settling leaves his wish in the inbox (`post`): he waits for nobody, and disturbs nobody.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubesim.util.jsontypes import JSONObject, decode, encode
from kubesim.util.state import StateStore

CHECKPOINT: Final = "controllers/checkpoint"
TIMERS: Final = "controllers/timer/"
INBOX: Final = "controllers/inbox/"
SUMMARY: Final = "controllers/summary"

Item = tuple[str, str]
"""A controller's name and one of its keys."""


@dataclass(slots=True)
class Timer:
    """A key that wants work at a time; `errors` counts the failures in a row that it comes from."""

    at: datetime
    why: str
    errors: int = 0


class Timers:
    """The timers of all controllers, the earliest at hand. An item has one."""

    def __init__(self, found: Mapping[Item, Timer] | None = None) -> None:
        self._timers = dict(found or {})
        self._heap = [(t.at, item) for item, t in self._timers.items()]  # some of them are no longer true
        heapq.heapify(self._heap)

    def get(self, item: Item) -> Timer | None:
        return self._timers.get(item)

    def set(self, item: Item, timer: Timer) -> None:
        self._timers[item] = timer
        heapq.heappush(self._heap, (timer.at, item))
        if len(self._heap) > 64 + 4 * len(self._timers):
            self._heap = [(t.at, i) for i, t in self._timers.items()]
            heapq.heapify(self._heap)

    def drop(self, item: Item) -> bool:
        """Remove an item's timer; whether it had one."""
        return self._timers.pop(item, None) is not None

    def earliest(self, controllers: Collection[str] | None = None) -> datetime | None:
        """When the first timer is due; of some controllers, or of all."""
        while self._heap and not self._is_true(*self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        at, (controller, _) = self._heap[0]
        if controllers is None or controller in controllers:
            return at
        return min((t.at for (name, _), t in self._timers.items() if name in controllers), default=None)

    def due(self, moment: datetime) -> list[Item]:
        """The items whose time has come, in the order of their names."""
        found = {item for at, item in _up_to(self._heap, moment) if self._is_true(at, item)}
        return sorted(found)

    def _is_true(self, at: datetime, item: Item) -> bool:
        timer = self._timers.get(item)
        return timer is not None and timer.at == at

    def __len__(self) -> int:
        return len(self._timers)


class WorkState:
    """Reads and writes checkpoints and timers."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._timers: Timers | None = None
        self._count = 0

    # Without reading all of it.

    def checkpoints(self, controllers: Collection[str]) -> dict[str, int]:
        """The revision up to which each controller has seen the log; 0 for one that has seen nothing."""
        found = self._read(CHECKPOINT)
        common = found.get("*") or 0
        return {name: found.get(name) or common for name in controllers}

    def common_checkpoint(self) -> int | None:
        """The revision that every controller has seen; None where they differ or have seen nothing."""
        found = self._read(CHECKPOINT)
        return found["*"] if set(found) == {"*"} else None

    def lowest_checkpoint(self) -> int:
        """The revision that every controller has seen, however far the others are; 0 where one has seen
        nothing.
        """
        return min(self._read(CHECKPOINT).values(), default=0)

    def earliest(self) -> datetime | None:
        """When the first timer of any controller is due."""
        times = [t.at for t in self._posted().values()]
        summary = self._read(SUMMARY)
        if summary.get("first"):
            times.append(datetime.fromisoformat(summary["first"]))
        elif not summary and (first := self._all().earliest()):
            times.append(first)  # written before there was a summary
        return min(times, default=None)

    def post(self, item: Item, at: datetime, why: str) -> None:
        """Ask for work on a key, whoever is settling meanwhile."""
        controller, key = item
        self._state.set(f"{INBOX}{controller}/{key}", _encoded(Timer(at, why)))

    # For the one who settles.

    def timers(self) -> Timers:
        """All timers. Who settles changes them, and says so with `save`; until then nobody else may."""
        if self._timers is None or not self.is_current():
            self._count = self._stored_count()
            self._timers = self._all()
        return self._timers

    def is_current(self) -> bool:
        """Whether nobody else has settled since the timers were read."""
        return self._timers is not None and self._count == self._stored_count()

    def forget(self) -> None:
        """What was changed and not saved is not to be trusted."""
        self._timers = None

    def posted(self) -> bool:
        """Whether there is something in the inbox."""
        return bool(self._state.items(INBOX))

    def collect(self) -> None:
        """Make timers of what lies in the inbox."""
        timers, posted = self.timers(), self._posted()
        for (controller, key), timer in posted.items():
            timers.set((controller, key), timer)
            self._state.set(f"{INBOX}{controller}/{key}", None)
        self.save(posted, None)

    def save(self, changed: Iterable[Item], checkpoints: Mapping[str, int] | None) -> None:
        """Write the timers of the items that changed, and checkpoints, if they have moved."""
        timers = self.timers()
        for controller, key in sorted(changed):
            timer = timers.get((controller, key))
            self._state.set(f"{TIMERS}{controller}/{key}", _encoded(timer) if timer is not None else None)
        if checkpoints is not None:
            revisions = set(checkpoints.values())
            shown = {"*": revisions.pop()} if len(revisions) == 1 else dict(checkpoints)
            self._state.set(CHECKPOINT, encode(shown))
        first, stored = timers.earliest(), self._stored_count()
        if stored != self._count:
            self._timers = None  # two have settled at once, which the manager's lock prevents where it can
        self._count = stored + 1
        summary = {"count": self._count, "first": first.isoformat() if first else None}
        self._state.set(SUMMARY, encode(summary))

    def _stored_count(self) -> int:
        return int(self._read(SUMMARY).get("count", 0))

    def _all(self) -> Timers:
        return Timers(self._decoded(TIMERS))

    def _posted(self) -> dict[Item, Timer]:
        return self._decoded(INBOX)

    def _decoded(self, prefix: str) -> dict[Item, Timer]:
        found = {}
        for name, value in self._state.items(prefix).items():
            controller, _, key = name[len(prefix) :].partition("/")
            stored = decode(value)
            at = datetime.fromisoformat(stored["at"])
            found[controller, key] = Timer(at, stored["why"], stored["errors"])
        return found

    def _read(self, name: str) -> JSONObject:
        stored = self._state.get(name)
        return decode(stored) if stored else {}


def _encoded(timer: Timer) -> bytes:
    return encode({"at": timer.at.isoformat(), "why": timer.why, "errors": timer.errors})


def _up_to(heap: list[tuple[datetime, Item]], moment: datetime) -> Iterator[tuple[datetime, Item]]:
    """The entries of a heap up to a moment: whoever is later has only later ones below it."""
    places = [0]
    while places:
        place = places.pop()
        if place < len(heap) and heap[place][0] <= moment:
            yield heap[place]
            places += (2 * place + 1, 2 * place + 2)
