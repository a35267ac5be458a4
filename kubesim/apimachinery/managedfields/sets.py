"""Sets of field paths, kept as the FieldsV1 objects that they are written as.

`{}` is a member; `{".": {}, "f:x": …}` a member with members below it; `{"f:x": …}` no member itself. All
operations return sets that may share parts with their arguments: a set is never changed once it is made.
"""

from __future__ import annotations

from typing import Any

FieldSet = dict[str, Any]

SELF = "."


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of both."""
    if not left:
        return right
    if not right:
        return left
    made = dict(left)
    for key, below in right.items():
        made[key] = _union(made[key], below) if key in made else below
    return made


def _union(left: FieldSet, right: FieldSet) -> FieldSet:
    """As `union`, of two nodes, where the empty one is a member."""
    if not left or not right:
        more = left or right
        return more if not more or SELF in more else {SELF: {}, **more}
    return union(left, right)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """The members of the first that are not in the second. A member's absence says nothing of those below
    it.
    """
    if not left or not right:
        return left
    made: FieldSet = {}
    for key, below in left.items():
        other = right.get(key)
        if other is None:
            made[key] = below
            continue
        rest = _difference(below, other)
        if rest is not None:
            made[key] = rest
    return made


def _difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    """As `difference`, of two nodes; None where neither the node nor anything below it is left."""
    there = not left or SELF in left
    gone = not right or SELF in right
    below = {k: v for k, v in left.items() if k != SELF}
    if right:
        below = difference(below, {k: v for k, v in right.items() if k != SELF})
    stays = there and not gone
    if not below:
        return {} if stays else None
    return {SELF: {}, **below} if stays else below


def without(left: FieldSet, paths: FieldSet) -> FieldSet:
    """The members of the first that are neither in the second nor below one of its members."""
    made: FieldSet = {}
    for key, below in left.items():
        cut = paths.get(key)
        if cut is None:
            made[key] = below
        elif cut and SELF not in cut:
            rest = without(below, cut)
            if rest or not below:
                made[key] = rest
    return made


def ordered(fields: FieldSet) -> FieldSet:
    """The same set with its keys in the order in which they are written."""
    return {key: ordered(fields[key]) if fields[key] else fields[key] for key in sorted(fields)}
