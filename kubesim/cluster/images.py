"""The images of users' own that a cluster is given from outside: files of its home, and its own configuration.

`GivenImages` is asked whenever containers start; files are read again only when one of them has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.runtime.images import Document, Problem

MOST = 1024 * 1024
_ENDINGS = (".yaml", ".yml", ".json")
_State = tuple[tuple[str, int, int], ...]


class GivenImages:
    """The documents of a directory that need not be there, then those of a cluster's configuration."""

    def __init__(self, folder: Path | None, own: Iterable[tuple[str, str]]) -> None:
        self._folder = folder
        self._own = tuple(own)
        self._known: tuple[_State, Sequence[Document]] | None = None

    def __call__(self) -> Sequence[Document]:
        """The documents as they are now; the same object as long as they are the same."""
        state = self._state()
        known = self._known
        if known is None or known[0] != state:
            known = self._known = state, self._read(state) if state or self._own else ()
        return known[1]

    def problems(self) -> Sequence[Problem]:
        """What is wrong with them, the first mistakes of each."""
        documents = self()
        if not documents:
            return ()
        from kubesim.runtime.images import Catalogue, told

        return told(Catalogue.load().extended(documents).problems)

    def _state(self) -> _State:
        if self._folder is None:
            return ()
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(
                    e.name for e in entries if e.name.endswith(_ENDINGS) and not e.name.startswith(".")
                )
        except OSError:
            return ()
        found = []
        for name in names:
            try:
                stat = (self._folder / name).stat()
            except OSError:
                found.append((name, 0, -1))
                continue
            found.append((name, stat.st_mtime_ns, stat.st_size if S_ISREG(stat.st_mode) else -1))
        return tuple(found)

    def _read(self, state: _State) -> Sequence[Document]:
        from kubesim.runtime.images import Document

        found = (
            [_read(self._folder / name, size) for name, _, size in state] if self._folder is not None else []
        )
        return (*found, *(Document(source, text) for source, text in self._own))


def _read(path: Path, size: int) -> Document:
    from kubesim.runtime.images import Document

    if size > MOST:
        return Document(str(path), "", f"want at most {MOST} bytes")
    try:
        if size < 0 and path.exists():
            return Document(str(path), "", "want a file")
        return Document(str(path), path.read_text("utf-8"))
    except UnicodeDecodeError:
        return Document(str(path), "", "want text in UTF-8")
    except OSError as error:
        return Document(str(path), "", (error.strerror or str(error)).lower())
