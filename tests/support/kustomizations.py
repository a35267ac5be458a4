"""Kustomizations with what kustomize makes of them, in one file each.

A file holds sections, `-- NAME --` and what follows: the files of the kustomization, and `stdout` and `stderr` of
`kubectl kustomize .`, where they are not empty; ROOT stands for the directory. Files of `shared.txtar` that a case
uses too are named in its first line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "cli" / "kustomizations"
_SECTION = re.compile(r"^-- (.+) --\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One kustomization and what is printed for it."""

    name: str
    files: dict[str, str]
    out: str
    err: str

    def write(self, root: Path) -> Path:
        """The files, below a directory."""
        for name, text in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root


def cases() -> list[Case]:
    """All of them, by name."""
    return [_case(path) for path in sorted(FOLDER.glob("*.txtar")) if path.stem != "shared"]


def _case(path: Path) -> Case:
    head, sections = _sections(path)
    shared = {name: _shared()[name] for name in head.removeprefix("shared:").split()}
    out, err = sections.pop("stdout", ""), sections.pop("stderr", "")
    return Case(path.stem, shared | sections, out, err)


@cache
def _shared() -> dict[str, str]:
    return _sections(FOLDER / "shared.txtar")[1]


def _sections(path: Path) -> tuple[str, dict[str, str]]:
    head, *parts = _SECTION.split(path.read_text())
    return head, dict(zip(parts[::2], parts[1::2], strict=True))
