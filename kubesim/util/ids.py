"""The one place that draws random values: uids, name suffixes, cluster IPs, node ports.

All of them come from one `Identities`, seeded for a reproducible cluster (`--seed`), from the system's
entropy without.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from threading import Lock, get_ident
from typing import Protocol

# k8s.io/apimachinery/pkg/util/rand: no vowels, no digits that look like letters, so that no words come out.
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Identities(Protocol):
    """Where random values come from."""

    def uid(self) -> str:
        """A version 4 UUID, as metadata.uid has it."""
        ...

    def suffix(self, length: int = 5) -> str:
        """`length` characters of the safe alphabet, as generateName appends them."""
        ...

    def below(self, limit: int) -> int:
        """A whole number in [0, limit)."""
        ...

    def hex(self, length: int) -> str:
        """`length` lower-case hexadecimal digits, as container ids have them."""
        ...


class SystemIdentities:
    """Values from the system's entropy, or the same ones each time where a seed is given."""

    def __init__(self, seed: int | str | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._random.choices(SAFE_ALPHABET, k=length))

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)

    def hex(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"


class RevisionIdentities(SystemIdentities):
    """Values that follow from a seed and from how far the cluster has come, so that a script makes the same
    cluster each time, in one process or in several.

    `revision` is the store's newest revision: every write moves it on. With each new revision the sequence
    begins anew, from the seed and that number; a process that starts at a revision draws what the one before
    it would have drawn there first. Two draws can only agree if nothing was written in between, and neither
    was written then.

    Threads see different revisions at one moment: one writes a batch, another reads what was committed before. Only
    the thread that began the sequence goes back with it (what it wrote was undone); the others draw on from where
    it is, so that no two of them draw the same.
    """

    def __init__(self, seed: int | str, revision: Callable[[], int]) -> None:
        super().__init__(seed)
        self._seed = seed
        self._revision = revision
        self._at = -1
        self._begun_by = 0
        self._lock = Lock()

    def uid(self) -> str:
        revision = self._revision()
        with self._lock:
            self._follow(revision)
            return super().uid()

    def suffix(self, length: int = 5) -> str:
        revision = self._revision()
        with self._lock:
            self._follow(revision)
            return super().suffix(length)

    def below(self, limit: int) -> int:
        revision = self._revision()
        with self._lock:
            self._follow(revision)
            return super().below(limit)

    def hex(self, length: int) -> str:
        revision = self._revision()
        with self._lock:
            self._follow(revision)
            return super().hex(length)

    def _follow(self, revision: int) -> None:
        """Begin anew at a new revision. It was read before the lock was taken: who reads may wait for the thread that
        writes, which may wait for the lock.
        """
        me = get_ident()
        if revision > self._at or (revision < self._at and self._begun_by == me):
            self._at, self._begun_by = revision, me
            self._random.seed(f"{self._seed}/{revision}")
