"""The order in which Go's sort.Sort leaves elements: recorded from `kubectl get configmaps --sort-by=.data.key` of 1.32.5."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from kubesim.util.gosort import sorted_as_go

ORDERS: Final[dict[str, str]] = json.loads((Path(__file__).parent / "sort_orders.json").read_text())
SHAPES: Final[dict[str, Callable[[int, int], int | None]]] = {
    # The key of an element, by its place and their number; None: it has none, and is less than all others, even its like.
    "equal": lambda i, n: 0,
    "two": lambda i, n: i * 7919 % 2,
    "five": lambda i, n: (i * i * 31 + i * 7) % 5,
    "rows": lambda i, n: i // 4,
    "down": lambda i, n: (n - i) // 3,
    "saw": lambda i, n: i % 17,
    "mixed": lambda i, n: (i * 7919 + i * i * 104729) % (n * 3),
    "missing": lambda i, n: None if i % 3 == 0 else i % 4,
    "pipe": lambda i, n: min(i, n - i),
    "last": lambda i, n: i + 1 if i < n - 1 else 0,
    "flip": lambda i, n: i ^ 1,
}

Element = tuple[int, "int | None"]


def less(one: Element, two: Element) -> bool:
    return one[1] is None or (two[1] is not None and one[1] < two[1])


@pytest.mark.parametrize("name", ORDERS)
def test_equals_are_left_in_gos_order(name: str) -> None:
    shape, number = name.split("-")
    count = int(number)
    items = [(place, SHAPES[shape](place, count)) for place in range(count)]
    assert [place for place, _ in sorted_as_go(items, less)] == [int(n) for n in ORDERS[name].split()]
