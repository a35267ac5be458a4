"""Fields that a JSON text gives twice. A decoded object cannot tell, so this reads the text itself."""

from __future__ import annotations

import json
from typing import Any

from kubesim.apimachinery.schema.mistakes import MAX_STRICT_ERRORS
from kubesim.util.gotext import quote


def find_duplicate_fields(json_text: str | bytes) -> list[str]:
    """`duplicate field "spec.ports"` for each, in the order of the text, as sigs.k8s.io/json reports them.

    Raises ValueError for text that is not JSON.
    """
    found: dict[str, None] = {}
    _visit(json.loads(json_text, object_pairs_hook=_Pairs), "", found)
    return list(found)[:MAX_STRICT_ERRORS]


class _Pairs:
    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _visit(value: Any, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, below in value.pairs:
            where = f"{path}.{name}" if path else name
            if name in seen:
                found[f"duplicate field {quote(where)}"] = None
            seen.add(name)
            _visit(below, where, found)
    elif isinstance(value, list):
        for position, below in enumerate(value):
            _visit(below, f"{path}[{position}]", found)
