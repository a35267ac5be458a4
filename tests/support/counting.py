"""A store that counts: how many objects were read from it, and how many written to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kubesim.storage.interface import Change, Page, Row, Storage


class CountingStorage:
    """Hands everything on to a store. Rows and changes that come out count as read, rows that go in as written."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self.read = 0
        self.written = 0

    def reset(self) -> None:
        self.read = self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._inner.transaction() as tx:
            yield _CountingTransaction(self, tx)

    def get(self, key: str, *, at: int | None = None) -> Row | None:
        row = self._inner.get(key, at=at)
        self.read += row is not None
        return row

    def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int = 0) -> Page:
        return self._paged(self._inner.list(prefix, at=at, after=after, limit=limit))

    def lookup(self, prefix: str, index: str, values: Sequence[str]) -> Page:
        return self._paged(self._inner.lookup(prefix, index, values))

    def changes(self, prefix: str, after: int, *, limit: int = 0) -> Sequence[Change]:
        found = self._inner.changes(prefix, after, limit=limit)
        self.read += len(found)
        return found

    def _paged(self, page: Page) -> Page:
        self.read += len(page.rows)
        return page


class _CountingTransaction:
    def __init__(self, counter: CountingStorage, inner: Any) -> None:
        self._counter, self._inner = counter, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get(self, key: str) -> Row | None:
        row: Row | None = self._inner.get(key)
        self._counter.read += row is not None
        return row

    def create(self, *arguments: Any, **named: Any) -> int:
        self._counter.written += 1
        return int(self._inner.create(*arguments, **named))

    def update(self, *arguments: Any, **named: Any) -> int:
        self._counter.written += 1
        return int(self._inner.update(*arguments, **named))

    def delete(self, *arguments: Any, **named: Any) -> int:
        self._counter.written += 1
        return int(self._inner.delete(*arguments, **named))
