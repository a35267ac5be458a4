"""The contract of level-based controllers: `Reconciler.reconcile(key) -> Result`.

* A reconciler gets a key, never an event: it reads what is there now, and makes what should be there.
* It may be called at any time, again and again, for a key that does not exist any more; twice in a row
  changes nothing.
* `watches` says which kinds wake it, and for which keys: a function from an event (with the object before it)
  to keys.
* What it has to do later it says with `requeue_after`; the time is kept, also over the end of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, runtime_checkable

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.watch import WatchEvent

EVERY_KIND: Final = GroupVersionResource("*", "*", "*")
"""In `watches`: changes of every kind, for those who follow owners or namespaces."""

KeysOf = Callable[[WatchEvent], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconciliation ended. `actions` say what was done and why, one line each, for `kubesim
    reconcile`.
    """

    actions: tuple[str, ...] = ()
    requeue_after: timedelta | None = None


DONE = Result()


class Reconciler(Protocol):
    """One controller."""

    @property
    def name(self) -> str:
        """The controller's name as kube-controller-manager knows it, such as `endpointslice-controller`."""
        ...

    @property
    def watches(self) -> Mapping[GroupVersionResource, KeysOf]:
        """Which changes concern it, and which keys they concern."""
        ...

    def reconcile(self, key: str) -> Result:
        """Make the world of one key as it should be. StatusError with Conflict or NotFound means: try the key
        again.
        """
        ...


@runtime_checkable
class Prefetching(Protocol):
    """A reconciler that would rather ask once for much than often for little. Both are hints: nothing depends
    on them.
    """

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """These are the events whose keys will be asked for next."""
        ...

    def begin(self, keys: Sequence[str]) -> None:
        """These are the keys that will be reconciled next, in this order; nothing else happens in between."""
        ...

    def end(self, *, over: bool) -> None:
        """They have been; what was fetched for them is old from now on. `over`: they were the last ones for now."""
        ...
