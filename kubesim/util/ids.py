"""The one place that draws random values: uids, name suffixes, cluster IPs, node ports.

All of them come from one `Identities`, seeded for a reproducible cluster (`--seed`), from the system's
entropy without.
"""

from __future__ import annotations

import random
import uuid
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
