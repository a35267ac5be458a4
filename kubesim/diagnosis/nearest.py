"""What was probably meant: labels and names that differ by case, by a letter or by a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_FAR = 100.0
_NO_DIGITS = str.maketrans("", "", "0123456789")


def distance(one: str, two: str) -> int:
    """How many letters have to be put in, left out, replaced or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(two, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def is_near(one: str, two: str) -> bool:
    """Whether one is probably a slip of the pen for the other: case, or a letter in four, at most two.

    What differs by its digits alone is another one of a row: `web-1`, `web-2`.
    """
    a, b = one.lower(), two.lower()
    if a == b:
        return True
    if a.translate(_NO_DIGITS) == b.translate(_NO_DIGITS):
        return False
    allowed = min(2, max(len(a), len(b)) // 4)
    return abs(len(a) - len(b)) <= allowed and distance(a, b) <= allowed


def closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate that is nearest to a word and near enough to have been meant; empty if none is."""
    near = [c for c in candidates if c != word and is_near(word, c)]
    return min(near, key=lambda c: (distance(word.lower(), c.lower()), c), default="")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where labels are not what a selector asks for. `has` is the pair that comes nearest; None: there is none."""

    wanted: tuple[str, str]
    has: tuple[str, str] | None
    slip: bool
    """Whether it looks like a slip of the pen, and not like another thing."""

    @property
    def text(self) -> str:
        key, value = self.wanted
        if self.has is None:
            return f"it has no label {key}"
        other, found = self.has
        if other != key:
            how = (
                "the key differs in case" if other.lower() == key.lower() else "the key is spelt differently"
            )
            return f"it has {other}={found}: {how}"
        if found.lower() == value.lower():
            return f"it has {key}={found}: the value differs in case"
        if self.slip:
            return f"it has {key}={found}: {_letters(value, found)}"
        return f"it has {key}={found}"


def _letters(one: str, two: str) -> str:
    count = distance(one, two)
    return "one letter differs" if count == 1 else f"{count} letters differ"


def differences(selector: Mapping[str, str], labels: Mapping[str, str]) -> list[Difference]:
    """Each pair of a selector that labels do not have."""
    free = [k for k in labels if k not in selector]
    return [
        _difference(key, value, labels, free) for key, value in selector.items() if labels.get(key) != value
    ]


def _difference(key: str, value: str, labels: Mapping[str, str], free: Sequence[str]) -> Difference:
    if key in labels:
        return Difference((key, value), (key, labels[key]), is_near(value, labels[key]))
    same = [k for k in free if labels[k] == value]
    other = closest(key, same) or closest(key, free)
    if other:
        return Difference((key, value), (other, labels[other]), is_near(value, labels[other]))
    return Difference((key, value), None, slip=False)


def cost(found: Sequence[Difference]) -> float:
    """How far off labels are: what looks like a slip counts little, what is missing much."""
    total = 0.0
    for one in found:
        if one.has is None:
            total += _FAR
        elif one.slip:
            total += 1 + 0.1 * distance(one.wanted[1], one.has[1])
        elif one.has[0] == one.wanted[0]:
            total += 20
        else:
            total += 50
    return total


def is_slip(found: Sequence[Difference]) -> bool:
    """Whether labels miss a selector by slips of the pen alone."""
    return bool(found) and all(d.slip for d in found)
