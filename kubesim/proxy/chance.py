"""Where the random bits of load balancing come from."""

from __future__ import annotations

from threading import Lock
from typing import Final, Protocol

from kubesim.util.ids import SystemIdentities
from kubesim.util.state import StateStore

_NOTE: Final = "proxy/turn"


class Chance(Protocol):
    """What draws numbers: `Identities` do."""

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        ...


class SeededChance:
    """Numbers of a cluster that has a seed: the same whenever the same commands are run, and others in each process.

    What a cluster draws otherwise follows from its newest revision. Requests make no revision: a process that sends
    one and ends would choose the same endpoint each time. So each process takes a turn, counted in the cluster's
    state, when it first draws.
    """

    def __init__(self, seed: str, state: StateStore) -> None:
        self._seed = seed
        self._state = state
        self._numbers: SystemIdentities | None = None
        self._lock = Lock()

    def below(self, limit: int) -> int:
        if self._numbers is None:
            turn = self._take_turn()  # not under the lock: who waits for the store may keep others from it
            with self._lock:
                self._numbers = self._numbers or SystemIdentities(f"{self._seed}/proxy/{turn}")
        return self._numbers.below(limit)

    def _take_turn(self) -> int:
        with self._state.atomic():
            turn = int(self._state.get(_NOTE) or b"0")
            self._state.set(_NOTE, str(turn + 1).encode())
        return turn
