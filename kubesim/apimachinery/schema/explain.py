"""What `kubectl explain` says of a kind and its fields, from the published descriptions.

Which texts and type words are shown follows the plaintext template of kubectl
(pkg/explain/v2/templates/plaintext.tmpl): a field's own description, then that of the object it refers to,
through lists and maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema.tables import load_tables

_Tree = tuple[Any, ...]


class FieldNotFoundError(ValueError):
    """A path names a field that is not there; the text is kubectl's, without `error: `."""


@dataclass(frozen=True, slots=True)
class ExplainNode:
    """One place of a kind.

    `type` is the word between the angle brackets: `Service`, `[]ServicePort`, `map[string]string`,
    `string`. `summary` is the field's own description, which a list of fields shows; `descriptions` are
    all that belong to the place, in order, each a paragraph of its own. `enum` are the values that are
    allowed, sorted. `definition` is the object below, through lists and maps, empty for none: a walk that
    meets one a second time is in a cycle.
    """

    name: str
    type: str
    summary: str
    descriptions: tuple[str, ...]
    required: bool
    enum: tuple[str, ...]
    definition: str
    _texts: dict[str, _Tree] = field(repr=False, compare=False)

    @property
    def children(self) -> list[ExplainNode]:
        """The fields of the object below, in the order in which they are listed."""
        if not self.definition:
            return []
        _, _, required, fields = self._texts[self.definition]
        return [_field(self._texts, name, text, name in required) for name, text in fields.items()]

    def child(self, name: str) -> ExplainNode | None:
        """A field of the object below, or None."""
        if not self.definition:
            return None
        _, _, required, fields = self._texts[self.definition]
        return _field(self._texts, name, fields[name], name in required) if name in fields else None


def explain_node(
    version: str, gvk: GroupVersionKind, field_path: Sequence[str] = (), *, cache_dir: Path | None = None
) -> ExplainNode:
    """The place that a path of field names leads to, from the root of a kind; an empty path is the kind
    itself.

    Raises FieldNotFoundError, KeyError for a kind that the version does not have, ValueError for an
    unknown version.
    """
    hot = load_tables(version, cache_dir, cold=False)
    texts = load_tables(version, cache_dir, cold=True)["texts"]
    definition = hot["names"][hot["kinds"][gvk.group, gvk.version, gvk.kind]]
    said = texts[definition][0]
    node = ExplainNode(gvk.kind, gvk.kind, said, (said,), False, (), definition, texts)  # noqa: FBT003 - a root
    for name in field_path:
        found = node.child(name)
        if found is None:
            # The template names the last part of the path, wherever it failed.
            raise FieldNotFoundError(f'field "{field_path[-1]}" does not exist')
        node = found
    return node


def _field(texts: dict[str, _Tree], name: str, text: _Tree, required: Any) -> ExplainNode:
    said, tree, enum = text
    below = _definition(texts, tree)
    descriptions = tuple(d for d in (said, *_below(texts, tree)) if d)
    return ExplainNode(name, _word(texts, tree), said, descriptions, bool(required), enum, below, texts)


def _word(texts: dict[str, _Tree], tree: _Tree) -> str:
    """The template's typeGuess."""
    kind = tree[0]
    if kind == "array":
        return "[]" + _word(texts, tree[1])
    if kind == "map":
        return "map[string]" + _word(texts, tree[1])
    if kind == "ref":
        target = texts[tree[1]][1]
        return tree[1].rsplit(".", 1)[1] if target in ("", "object") else str(target)
    return "Object" if kind in ("", "object") else str(kind)


def _below(texts: dict[str, _Tree], tree: _Tree) -> list[str]:
    """Descriptions of what a type refers to."""
    if tree[0] in ("array", "map"):
        return _below(texts, tree[1])
    return [texts[tree[1]][0]] if tree[0] == "ref" else []


def _definition(texts: dict[str, _Tree], tree: _Tree) -> str:
    if tree[0] in ("array", "map"):
        return _definition(texts, tree[1])
    return str(tree[1]) if tree[0] == "ref" and texts[tree[1]][3] else ""
