"""What the manager keeps between two settles: how far each controller has read the log, and which keys
wait for a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubesim.util.jsontypes import decode, encode
from kubesim.util.state import StateStore

CHECKPOINT: Final = "controllers/checkpoint"
TIMERS: Final = "controllers/timer/"

Item = tuple[str, str]
"""A controller's name and one of its keys."""


@dataclass(slots=True)
class Timer:
    """A key that wants work at a time; `errors` counts the failures in a row that it comes from."""

    at: datetime
    why: str
    errors: int = 0


class WorkState:
    """Reads and writes checkpoints and timers. One note holds all checkpoints; each timer has its own."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    def checkpoints(self, controllers: Collection[str]) -> dict[str, int]:
        """The revision up to which each controller has seen the log; 0 for one that has seen nothing."""
        stored = self._state.get(CHECKPOINT)
        found = decode(stored) if stored else {}
        common = found.get("*", 0)
        return {name: found.get(name, common) for name in controllers}

    def common_checkpoint(self) -> int | None:
        """The revision that every controller has seen; None where they differ or have seen nothing."""
        stored = self._state.get(CHECKPOINT)
        found = decode(stored) if stored else {}
        return found["*"] if set(found) == {"*"} else None

    def earliest(self) -> datetime | None:
        """When the first timer of any controller is due."""
        times = (decode(value)["at"] for value in self._state.items(TIMERS).values())
        return min(map(datetime.fromisoformat, times), default=None)

    def set_checkpoints(self, checkpoints: Mapping[str, int]) -> None:
        revisions = set(checkpoints.values())
        self._state.set(CHECKPOINT, encode({"*": revisions.pop()} if len(revisions) == 1 else checkpoints))

    def timers(self, controllers: Collection[str]) -> dict[Item, Timer]:
        found = {}
        for name, value in self._state.items(TIMERS).items():
            controller, _, key = name[len(TIMERS) :].partition("/")
            if controller in controllers:
                stored = decode(value)
                found[controller, key] = Timer(
                    datetime.fromisoformat(stored["at"]), stored["why"], stored["errors"]
                )
        return found

    def set_timers(self, changed: Iterable[Item], timers: Mapping[Item, Timer]) -> None:
        """Write the timers of the items that changed; those that have none any more are removed."""
        for controller, key in changed:
            timer = timers.get((controller, key))
            value = None
            if timer is not None:
                value = encode({"at": timer.at.isoformat(), "why": timer.why, "errors": timer.errors})
            self._state.set(f"{TIMERS}{controller}/{key}", value)
