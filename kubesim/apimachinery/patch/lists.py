"""The lists of strategic merge patches: what their items are, and in which order they end up.

As in k8s.io/apimachinery/pkg/util/strategicpatch/patch.go. A merged list has the items of the patch in the
order that the patch asks for, and those that only the server has in the order that they had, put together
with best effort.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.patch.errors import StrategicPatchError, bad_type, no_lists_of_lists, no_merge_key
from kubesim.apimachinery.patch.values import identity
from kubesim.util.gotext import sprint

Items = list[Any]

DIRECTIVE = "$patch"
DELETE = "delete"


def element_type(*lists: Items) -> type:
    """The one type that all items have. Raises StrategicPatchError for several types, lists of lists, or
    no item at all.
    """
    found: type | None = None
    for items in lists:
        for item in items:
            if found is None:
                found = type(item)
                if found is list:
                    raise no_lists_of_lists()
            elif type(item) is not found:
                shown = sprint([list(one) for one in lists])
                raise StrategicPatchError(f"list element types are not identical: {shown}")
    if found is None:
        raise StrategicPatchError("no elements in any of the given slices")
    return found


def key_of(item: Any, merge_key: str, *, maps: bool) -> Any:
    """What makes two items the same one."""
    if not maps:
        return identity(item)
    return identity(item.get(merge_key)) if isinstance(item, dict) else None


def positions(order: Items, merge_key: str, *, maps: bool) -> dict[Any, int]:
    """Where each item comes first in a list."""
    found: dict[Any, int] = {}
    for at, item in enumerate(order):
        found.setdefault(key_of(item, merge_key, maps=maps), at)
    return found


def sort_by_order(items: Items, order: Items, merge_key: str, *, maps: bool) -> Items:
    """Items in the order of another list; items marked for deletion go to the end."""
    deleted: Items = []
    if maps:
        for item in [*items, *order]:
            if not isinstance(item, dict):
                raise bad_type(dict, item)
            if merge_key not in item:
                raise no_merge_key(item, merge_key)
        deleted = [i for i in items if i.get(DIRECTIVE) == DELETE]
        items = [i for i in items if i.get(DIRECTIVE) != DELETE]
    where = positions(order, merge_key, maps=maps)
    ranks = [where.get(key_of(item, merge_key, maps=maps), -1) for item in items]
    if -1 in ranks:
        return _as_go_sorts(items, ranks) + deleted
    return [items[at] for at in sorted(range(len(items)), key=ranks.__getitem__)] + deleted


def _as_go_sorts(items: Items, ranks: list[int]) -> Items:
    """Insertion sort with the comparison of the original, which calls an item that is nowhere in the order
    the smaller.
    """
    made = list(zip(ranks, items, strict=True))
    for end in range(1, len(made)):
        at = end
        while at > 0 and (made[at][0] < 0 or made[at - 1][0] < 0 or made[at][0] < made[at - 1][0]):
            made[at - 1], made[at] = made[at], made[at - 1]
            at -= 1
    return [item for _, item in made]


def merge_orders(
    patch: Items, server_only: Items, patch_order: Items, server_order: Items, merge_key: str, *, maps: bool
) -> Items:
    """The items of the patch and those only on the server in one list; each keeps the order among its own."""
    right = sort_by_order(patch, patch_order, merge_key, maps=maps)
    left = sort_by_order(server_only, server_order, merge_key, maps=maps)
    where = positions(server_order, merge_key, maps=maps)
    merged: Items = []
    i = j = 0
    while i < len(left) and j < len(right):
        before = where.get(key_of(left[i], merge_key, maps=maps))
        after = where.get(key_of(right[j], merge_key, maps=maps))
        if before is not None and after is not None and before < after:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


def partition(items: Items, by: Items, merge_key: str) -> tuple[Items, Items]:
    """The items that another list has, and those that it does not have."""
    maps = bool(merge_key)
    if maps:
        for item in items:
            if not isinstance(item, dict):
                raise bad_type(dict, item)
            if merge_key not in item:
                raise no_merge_key(item, merge_key)
        for at, item in enumerate(by):
            if not isinstance(item, dict):
                raise StrategicPatchError(f"value for key {at} is not a map")
    there = {
        key_of(item, merge_key, maps=maps)
        for item in by
        if not maps or (isinstance(item, dict) and merge_key in item)
    }
    first: Items = []
    second: Items = []
    for item in items:
        (first if key_of(item, merge_key, maps=maps) in there else second).append(item)
    return first, second


def without_duplicates(items: Items) -> Items:
    """Each scalar once. The last item takes the place of one that was there before, as in the original."""
    made = list(items)
    at = 0
    while at < len(made) - 1:
        other = at + 1
        while other < len(made):
            if identity(made[at]) == identity(made[other]):
                last = made.pop()
                if other < len(made):
                    made[other] = last
            else:
                other += 1
        at += 1
    return made


def sort_scalars(items: Items) -> Items:
    """In place, by what Go prints for them."""
    items.sort(key=sprint)
    return items


def find(items: Items, merge_key: str, value: Any) -> int:
    """The position of the item with a merge key value, or -1."""
    wanted = identity(value)
    for at, item in enumerate(items):
        if not isinstance(item, dict):
            raise StrategicPatchError(f"value for key {at} is not a map")
        if merge_key in item and identity(item[merge_key]) == wanted:
            return at
    return -1
