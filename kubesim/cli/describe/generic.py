"""Any object, from its fields alone."""

from __future__ import annotations

import re

from kubesim.cli.describe.page import Page, PrefixWriter
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject

SKIPPED = (
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
)
ACRONYMS = ("API", "URL", "UID", "OSB", "GUID")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|-+")


def generic(page: Page, obj: JSONObject) -> None:
    """GenericDescriber."""
    page.head(obj)
    _fields(page, 0, obj, "")
    page.events(obj)


def _fields(page: PrefixWriter, level: int, content: JSONObject, prefix: str) -> None:
    for field, value in sorted(content.items()):
        path = f"{prefix}.{field}"
        if path in SKIPPED:
            continue
        title = label_for(field)
        if isinstance(value, dict):
            page.write(level, f"{title}:\n")
            _fields(page, level + 1, value, path)
        elif isinstance(value, list):
            page.write(level, f"{title}:\n")
            for child in value:
                if isinstance(child, dict):
                    _fields(page, level + 1, child, path)
                else:
                    page.write(level + 1, f"{sprint(child)}\n")
        else:
            page.line(level, f"{title}:", sprint(value))


def label_for(field: str) -> str:
    """`resourceVersion` is `Resource Version`; names with other signs than letters and `-` stay."""
    if not all(c.isalpha() or c == "-" for c in field):
        return field
    parts = _PART.findall(field)
    return " ".join(p.upper() if p.upper() in ACRONYMS else p[:1].upper() + p[1:] for p in parts)
