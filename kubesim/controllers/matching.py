"""Which objects a selector picks, for many selectors and many objects at once, through an index of labels.
Pure.

Pair by pair, 1,000 Services times 10,000 Pods are ten million comparisons. Here a selector looks only at
the objects that have its rarest label, so the work is that of the result.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

Labels = Mapping[str, str]
Key = TypeVar("Key", bound=Hashable)


def match_all(selectors: Mapping[Key, Labels], objects: Sequence[Labels]) -> dict[Key, list[int]]:
    """For each selector the positions of the objects that have all its labels, in order.

    A selector without labels picks nothing, as that of a Service does.
    """
    wanted = {pair for selector in selectors.values() for pair in selector.items()}
    having: dict[tuple[str, str], list[int]] = {pair: [] for pair in wanted}
    for position, labels in enumerate(objects):
        for pair in labels.items():
            if pair in wanted:
                having[pair].append(position)
    found: dict[Key, list[int]] = {}
    for key, selector in selectors.items():
        if len(selector) == 1:
            found[key] = having[next(iter(selector.items()))]
        elif not selector:
            found[key] = []
        else:
            rarest = min((having[pair] for pair in selector.items()), key=len)
            items = selector.items()
            found[key] = [p for p in rarest if items <= objects[p].items()]
    return found


class SelectorIndex(Generic[Key]):
    """The selectors of a namespace, by one label each, so that those which pick an object are found from
    its labels.
    """

    def __init__(self, selectors: Mapping[Key, Labels]) -> None:
        uses: dict[tuple[str, str], int] = {}
        for selector in selectors.values():
            for pair in selector.items():
                uses[pair] = uses.get(pair, 0) + 1
        self._by_pair: dict[tuple[str, str], list[tuple[Key, Labels]]] = {}
        for key, selector in selectors.items():
            if selector:
                anchor = min(selector.items(), key=uses.__getitem__)
                self._by_pair.setdefault(anchor, []).append((key, selector))

    def picking(self, labels: Labels) -> list[Key]:
        """The selectors that pick an object with these labels."""
        mine = labels.items()
        return [
            key
            for pair in mine
            for key, selector in self._by_pair.get(pair, ())
            if len(selector) == 1 or selector.items() <= mine
        ]


def pairs_to_look_up(selectors: Iterable[Labels]) -> list[tuple[str, str]]:
    """Labels of which every selector has at least one, to look objects up by: as few and as telling ones as
    can be guessed.

    A selector of one label needs that one; another takes one that is needed anyway, else the one that the
    fewest selectors name.
    """
    listed = sorted((s for s in selectors if s), key=len)
    uses: dict[tuple[str, str], int] = {}
    for selector in listed:
        for pair in selector.items():
            uses[pair] = uses.get(pair, 0) + 1
    chosen: dict[tuple[str, str], None] = {}
    for selector in listed:
        if chosen.keys().isdisjoint(selector.items()):
            chosen[min(selector.items(), key=uses.__getitem__)] = None
    return list(chosen)
