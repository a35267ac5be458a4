"""Session affinity: the lists of xt_recent, which say when a source address was last seen.

Source: net/netfilter/xt_recent.c. A list holds 100 addresses (ip_list_tot); a further one takes the place of the one
that was not seen for the longest. Times are those of the cluster's clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Protocol

from kubesim.util.clock import Clock
from kubesim.util.jsontypes import decode, encode
from kubesim.util.state import StateStore

LIST_SIZE: Final = 100
_RESOLUTION: Final = 1.0
"""Seconds within which a further connection of the same source is not written again: who is busy costs no writes."""


class AffinityStore(Protocol):
    """The lists of all nodes."""

    def seen(self, node: str, name: str, source: str, seconds: int) -> bool:
        """Whether a node's list has a source that was last put there no longer ago."""
        ...

    def remember(self, node: str, name: str, source: str) -> None:
        """Put a source on a node's list, now."""
        ...


class StateAffinity:
    """Lists that survive the process, one value each: `proxy/recent/NODE/LIST`, sources by the time they were seen."""

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def seen(self, node: str, name: str, source: str, seconds: int) -> bool:
        at = self._read(node, name).get(source)
        return at is not None and at >= self._now() - seconds

    def remember(self, node: str, name: str, source: str) -> None:
        now = self._now()
        if self._read(node, name).get(source, 0.0) > now - _RESOLUTION:
            return
        with self._state.atomic():
            found = self._read(node, name)
            found[source] = now
            for oldest in sorted(found, key=found.__getitem__)[: max(0, len(found) - LIST_SIZE)]:
                del found[oldest]
            self._state.set(_key(node, name), encode(found))

    def _read(self, node: str, name: str) -> dict[str, float]:
        kept = self._state.get(_key(node, name))
        found: dict[str, float] = decode(kept) if kept else {}
        return found

    def _now(self) -> float:
        return (self._clock.now() - _EPOCH).total_seconds()


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _key(node: str, name: str) -> str:
    return f"proxy/recent/{node}/{name}"
