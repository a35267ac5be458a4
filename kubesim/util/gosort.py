"""Go's sort.Sort: a pattern-defeating quicksort that is not stable, with the order that it leaves equals in.

As in package sort of Go 1.23, of which kubectl 1.32 is made. Which elements are compared and swapped follows from how many
there are and their order alone: up to twelve are sorted by insertion, a range that looks sorted by few insertions, one that
partitions badly too often as a heap. The relation need not be a sound one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
_INSERTION, _NINTHER, _SHIFTING, _STEPS = 12, 50, 50, 5
_ALL_SWAPPED = 12
_64_BITS = (1 << 64) - 1


def sorted_as_go(items: Sequence[T], less: Callable[[T, T], bool]) -> list[T]:
    """A new list in the order in which sort.Sort leaves a slice."""
    sorter = _Sorter(list(items), less)
    sorter.sort(0, len(items), len(items).bit_length())
    return sorter.data


class _Sorter(Generic[T]):
    def __init__(self, data: list[T], less: Callable[[T, T], bool]) -> None:
        self.data = data
        self._relation = less
        self._swaps = 0

    def sort(self, start: int, end: int, bad: int) -> None:
        """Sort a range. So many more bad partitions are put up with."""
        balanced = partitioned = True
        while end - start > _INSERTION:
            length = end - start
            if not bad:
                self._heap(start, length)
                return
            if not balanced:
                self._shuffle(start, length)
                bad -= 1
            pivot = self._choose(start, length)
            ascending = not self._swaps
            if self._swaps == _ALL_SWAPPED:
                self.data[start:end] = self.data[start:end][::-1]
                pivot, ascending = start + end - 1 - pivot, True
            if balanced and partitioned and ascending and self._nearly_sorted(start, end):
                return
            if start and not self._less(start - 1, pivot):
                start = self._split(start, end, pivot, equal=True)[0]
                continue
            middle, partitioned = self._split(start, end, pivot, equal=False)
            balanced = min(middle - start, end - middle) >= length // 8
            if middle - start < end - middle:
                self.sort(start, middle, bad)
                start = middle + 1
            else:
                self.sort(middle + 1, end, bad)
                end = middle
        for at in range(start + 1, end):
            self._sink(at, start)

    def _less(self, one: int, two: int) -> bool:
        return self._relation(self.data[one], self.data[two])

    def _swap(self, one: int, two: int) -> None:
        self.data[one], self.data[two] = self.data[two], self.data[one]

    def _sink(self, at: int, first: int) -> None:
        """Move an element towards the front, past all that are greater."""
        while at > first and self._less(at, at - 1):
            self._swap(at, at - 1)
            at -= 1

    def _choose(self, start: int, length: int) -> int:
        """The place of the pivot: the median of three, of nine in long ranges. `_swaps` says how they stood."""
        self._swaps = 0
        places = [start + length // 4 * n for n in (1, 2, 3)]
        if length >= _NINTHER:
            places = [self._median(p - 1, p, p + 1) for p in places]
        return self._median(*places)

    def _median(self, one: int, two: int, three: int) -> int:
        one, two = self._ordered(one, two)
        two, three = self._ordered(two, three)
        return self._ordered(one, two)[1]

    def _ordered(self, one: int, two: int) -> tuple[int, int]:
        if not self._less(two, one):
            return one, two
        self._swaps += 1
        return two, one

    def _split(self, start: int, end: int, pivot: int, *, equal: bool) -> tuple[int, bool]:
        """Put what is less than the pivot before it; with `equal` what is not greater. Where the rest begins, or the pivot
        is; and whether nothing had to be moved.
        """
        self._swap(start, pivot)
        left, right, moved = start + 1, end - 1, False
        while True:
            while left <= right and (not self._less(start, left) if equal else self._less(left, start)):
                left += 1
            while left <= right and (self._less(start, right) if equal else not self._less(right, start)):
                right -= 1
            if left > right:
                break
            self._swap(left, right)
            left, right, moved = left + 1, right - 1, True
        if equal:
            return left, not moved
        self._swap(right, start)
        return right, not moved

    def _nearly_sorted(self, start: int, end: int) -> bool:
        """Sort with a few insertions; False where they do not do."""
        at = start + 1
        for _ in range(_STEPS):
            while at < end and not self._less(at, at - 1):
                at += 1
            if at == end:
                return True
            if end - start < _SHIFTING:
                return False
            self._swap(at, at - 1)
            if at - start >= 2:
                self._sink(at - 1, 0)
            for later in range(at + 1, end):
                if not self._less(later, later - 1):
                    break
                self._swap(later, later - 1)
        return False

    def _shuffle(self, start: int, length: int) -> None:
        """Break a pattern: three elements in the middle change places with any others, drawn from their number alone."""
        state, mask = length, (1 << length.bit_length()) - 1
        middle = start + length // 4 * 2
        for place in range(middle - 1, middle + 2):
            state ^= state << 13 & _64_BITS
            state ^= state >> 17
            state ^= state << 5 & _64_BITS
            other = state & mask
            self._swap(place, start + (other - length if other >= length else other))

    def _heap(self, start: int, length: int) -> None:
        for root in range((length - 1) // 2, -1, -1):
            self._sift(root, length, start)
        for last in range(length - 1, -1, -1):
            self._swap(start, start + last)
            self._sift(0, last, start)

    def _sift(self, root: int, length: int, start: int) -> None:
        while (child := 2 * root + 1) < length:
            if child + 1 < length and self._less(start + child, start + child + 1):
                child += 1
            if not self._less(start + root, start + child):
                return
            self._swap(start + root, start + child)
            root = child
