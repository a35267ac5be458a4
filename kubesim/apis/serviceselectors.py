"""How the Services that select a Pod are found through an index, whatever else the namespace holds.

A Service is indexed by up to three pairs of its selector, the first in alphabetical order. A Pod that it
selects has these pairs among its labels; so all that select a Pod are among the entries of the sets of up
to three of its labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

INDEX: Final = "selecting"
_PAIRS: Final = 3


def selector_entry(selector: Mapping[str, str]) -> str:
    """The index value of a Service; empty for one that selects nothing."""
    return ",".join(f"{k}={v}" for k, v in sorted(selector.items())[:_PAIRS])


def entries_selecting(labels: Mapping[str, str]) -> Iterator[str]:
    """The index values under which those that select an object with these labels are."""
    pairs = [f"{k}={v}" for k, v in sorted(labels.items())]
    for size in range(1, _PAIRS + 1):
        for chosen in combinations(pairs, size):
            yield ",".join(chosen)
