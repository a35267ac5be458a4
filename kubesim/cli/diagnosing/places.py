"""Where in a file a field stands: from a document's text and a field's path to a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from kubesim.diagnosis.finding import Finding, ObjectRef, Place
from kubesim.util.yamlload import Document

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDEX: Final = re.compile(r"\[(\d+)\]")


@dataclass(slots=True)
class Places:
    """Where objects were written down. An object of a List has a `prefix` in its document: `items[3].`."""

    by_object: dict[ObjectRef, Place] = field(default_factory=dict)
    _documents: dict[ObjectRef, tuple[Document, str]] = field(default_factory=dict)

    def add(self, ref: ObjectRef, place: Place, document: Document, prefix: str = "") -> None:
        """What is written last is what counts."""
        self.by_object[ref] = place
        self._documents[ref] = document, prefix

    def located(self, finding: Finding) -> Finding:
        """The finding with the line of its field, or of what comes nearest to it in the file."""
        found = self._documents.get(finding.object)
        if found is None or finding.place is None:
            return finding
        document, prefix = found
        line = document.line + line_of(document.text, prefix + finding.field)
        return replace(finding, place=replace(finding.place, line=line))


def line_of(text: bytes, path: str) -> int:
    """The line of a field, counted from 0 at the beginning of a document; that of its parent where it is left out."""
    try:
        node: Any = yaml.compose(text.decode("utf-8", "replace"), Loader=_LOADER)
    except yaml.YAMLError:
        return 0
    line = node.start_mark.line if node is not None else 0
    rest = path
    while rest and node is not None:
        step = _item(node, rest) if rest.startswith("[") else _member(node, rest)
        if step is None:
            break
        line, node, rest = step
    return int(line)


def _item(node: Any, rest: str) -> tuple[int, Any, str] | None:
    match = _INDEX.match(rest)
    if match is None or not isinstance(node, yaml.SequenceNode) or int(match[1]) >= len(node.value):
        return None
    found = node.value[int(match[1])]
    return found.start_mark.line, found, rest[match.end() :].removeprefix(".")


def _member(node: Any, rest: str) -> tuple[int, Any, str] | None:
    """The longest key that the path goes on with: labels have dots in them."""
    if not isinstance(node, yaml.MappingNode):
        return None
    best = None
    for key, value in node.value:
        name = str(key.value)
        fits = rest == name or (rest.startswith(name) and rest[len(name)] in ".[")
        if fits and (best is None or len(name) > len(best[0])):
            best = name, key.start_mark.line, value
    if best is None:
        return None
    return best[1], best[2], rest[len(best[0]) :].removeprefix(".")
