"""Strategic merges as kustomize does them: kyaml's merge2, which differs from the API server's.

New items of lists come first, items are matched by all keys of the list, and a kind without a schema has its lists replaced.
"""

from __future__ import annotations

from typing import Any, Final

from kubesim.apimachinery.schema.node import Node
from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.resources import NullWord, node_kind, text_of, wrong_kind
from kubesim.util.jsontypes import JSONObject

_ABSENT: Final = object()
_DIRECTIVE: Final = "$patch"


def merge_patch(target: JSONObject, patch: JSONObject, node: Node | None) -> JSONObject | None:
    """The target with the patch merged in; None where the patch deletes it. Raises BuildError."""
    found = _walk(target, patch, node)
    return None if found is _ABSENT or found is None else found


def _walk(target: Any, patch: Any, node: Node | None) -> Any:
    first = patch if _is_empty(target) else target
    if isinstance(first, dict):
        _demand("MappingNode", target, patch)
        return _walk_map(target, patch, node)
    if isinstance(first, list):
        _demand("SequenceNode", target, patch)
        if node is not None and node.is_list and "merge" in node.patch_strategies:
            return _walk_merged_list(target, patch, node)
        return target if patch is _ABSENT else patch
    if _is_empty(first):
        # A null stays where it was written as a word, and nobody patches it.
        return target if patch is _ABSENT and isinstance(target, NullWord) else _ABSENT
    _demand("ScalarNode", target, patch)
    return target if patch is _ABSENT else patch


def _is_empty(value: Any) -> bool:
    """Whether a value is missing or null: IsMissingOrNull."""
    return value is _ABSENT or value is None or isinstance(value, NullWord)


def _demand(wanted: str, *values: Any) -> None:
    for value in values:
        if not _is_empty(value) and node_kind(value) != wanted:
            raise wrong_kind(wanted, value)


def _walk_map(target: Any, patch: Any, node: Node | None) -> Any:
    """Merger.VisitMap, then all fields."""
    directive = _map_directive(patch)
    if _is_empty(target):
        if directive == "delete":
            return _ABSENT
        target = patch
    elif _is_null(patch) or directive == "delete":
        return _ABSENT
    elif directive == "replace":
        target = patch
    other = {} if patch is _ABSENT else patch
    for key in sorted({*target, *other}):
        child = node.child(key) if node is not None else None
        value = _walk(target.get(key, _ABSENT), other.get(key, _ABSENT), child)
        if value is _ABSENT or (_is_null(value) and key in other):
            target.pop(key, None)
        else:
            target[key] = value
    return target


def _is_null(value: Any) -> bool:
    return value is None or isinstance(value, NullWord)


def _map_directive(patch: Any) -> str:
    if not isinstance(patch, dict) or _DIRECTIVE not in patch:
        return "merge"
    return _known(text_of(patch.pop(_DIRECTIVE)))


def _known(directive: str) -> str:
    if directive not in ("delete", "replace", "merge"):
        raise BuildError(f"unknown patch strategy '{directive}'")
    return directive


def _list_directive(patch: Any) -> str:
    """The directive of a list is an item of its own, with nothing else in it."""
    if not isinstance(patch, list):
        return "merge"
    item = next((i for i in patch if isinstance(i, dict) and _DIRECTIVE in i), None)
    if item is None or len(item) > 1:
        return "merge"
    directive = _known(text_of(item[_DIRECTIVE]))
    patch[:] = _without(patch, [_DIRECTIVE], [directive])
    return directive


def _walk_merged_list(target: Any, patch: Any, node: Node) -> Any:
    if _is_empty(target):
        target = patch
    elif _is_null(patch):
        return _ABSENT
    else:
        directive = _list_directive(patch)
        if directive == "delete":
            return _ABSENT
        target = patch if directive == "replace" else target
    keys = list(node.list_map_keys) or ([node.merge_key] if node.merge_key else [])
    other = [] if _is_empty(patch) else patch
    if not keys:
        return _merged_scalars(target, other)
    return _Items(target, other, keys, node.items).merged()


def _merged_scalars(target: list[Any], patch: list[Any]) -> list[Any]:
    """Values of the patch first, then those that were there."""
    known = {text_of(v) for v in patch}
    return [*dict.fromkeys(patch), *(v for v in target if text_of(v) not in known)]


class _Items:
    """Merges two lists of objects by their keys: setAssociativeSequenceElements."""

    def __init__(self, target: list[Any], patch: list[Any], keys: list[str], node: Node | None) -> None:
        self._target = target
        self._patch = patch
        self._keys = keys
        self._node = node

    def merged(self) -> Any:
        wanted = self._values()
        if len(self._keys) > 1:
            wanted = _joined(wanted)
        made: list[Any] = []
        keys = self._keys
        for values in wanted:
            keys, known = _usable(wanted, values, self._keys)
            item = self._item(keys, known)
            if _is_empty(item) or item == {}:
                self._target = _without(self._target, keys, known)
                continue
            for key, value in zip(keys, known, strict=True):
                if key not in item and value:
                    item[key] = value
            made = _with(made, item, keys, known)
        if wanted:
            made = _appended(made, self._target, keys)
            self._target[:] = made
        return self._target

    def _values(self) -> list[list[str]]:
        """The keys of all items, those of the patch first."""
        found: list[list[str]] = []
        for items in (self._patch, self._target):
            for item in items:
                values = [text_of(item.get(k)) if isinstance(item, dict) else "" for k in self._keys]
                if values not in found:
                    found.append(values)
        return found

    def _item(self, keys: list[str], values: list[str]) -> Any:
        """One item of both lists, merged."""
        pairs = [(k, v) for k, v in zip(keys, values, strict=True) if v] or list(
            zip(keys, values, strict=True)
        )
        target, patch = (_matching(items, pairs) for items in (self._target, self._patch))
        return _walk(target, patch, self._node)


def _matching(items: list[Any], pairs: list[tuple[str, str]]) -> Any:
    for item in items:
        if isinstance(item, dict) and all(k in item and text_of(item[k]) == v for k, v in pairs):
            return item
    return _ABSENT


def _matches(item: Any, key: str, value: str) -> bool:
    """Whether a field has a value; any value where none is named: FieldMatcher."""
    return key in item and (not value or text_of(item[key]) == value)


def _joined(wanted: list[list[str]]) -> list[list[str]]:
    """Keys that differ only in what one of them leaves out are the same: mergeValues."""
    for i, one in enumerate(wanted):
        for j in range(len(wanted)):
            same = _match(one, wanted[j])
            if same is not None:
                wanted[i] = wanted[j] = same
    return wanted


def _match(a: list[str], b: list[str]) -> list[str] | None:
    if any(x and y and x != y for x, y in zip(a, b, strict=True)):
        return None
    if not any(x == y for x, y in zip(a, b, strict=True)):
        return None
    return [x or y for x, y in zip(a, b, strict=True)]


def _usable(wanted: list[list[str]], values: list[str], keys: list[str]) -> tuple[list[str], list[str]]:
    """The keys that any item has: validateKeys."""
    known = {k for item in wanted for k, v in zip(keys, item, strict=True) if v}
    if not known:
        return keys, values
    kept = [(k, v) for k, v in zip(keys, values, strict=True) if k in known]
    return [k for k, _ in kept], [v for _, v in kept]


def _found(item: Any, keys: list[str], values: list[str]) -> bool:
    """Whether ElementSetter takes an item for the one it looks for: keys without a value match what came before."""
    matched = False
    for position, key in enumerate(keys):
        if position < len(values):
            matched = _matches(item, key, values[position])
        if not matched:
            return False
    return True


def _without(items: list[Any], keys: list[str], values: list[str]) -> list[Any]:
    """The items that do not have these keys."""
    return [
        item
        for item in items
        if item not in (None, {}) and values and not (isinstance(item, dict) and _found(item, keys, values))
    ]


def _with(items: list[Any], item: Any, keys: list[str], values: list[str]) -> list[Any]:
    """An item in the place of the one with these keys, or at the end."""
    found: list[Any] = []
    placed = False
    for old in items:
        if old in (None, {}):
            continue
        if isinstance(old, dict) and _found(old, keys, values):
            found.append(item)
            placed = True
        elif values:  # ElementSetter forgets the others where it has no value to look for
            found.append(old)
    return found if placed else [*found, item]


def _appended(made: list[Any], items: list[Any], keys: list[str]) -> list[Any]:
    """What was there, after what is new: appendListNode."""
    for item in items:
        values: list[str] = []
        for key in keys:
            if not isinstance(item, dict) or item.get(key) is None:
                made = [*made, item]
            else:
                values.append(text_of(item[key]))
        if len(keys) > 1:
            made = _without(made, keys, values)
        made = _with(made, item, keys, values)
    return made
