"""A transaction that can be taken back: how a dry run sees all that a write would do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubesim.storage.interface import Storage, Transaction


class _TakeBackError(Exception):
    """Leaves the block, so that the store undoes it."""


@contextmanager
def writing(storage: Storage, *, dry_run: bool) -> Iterator[Transaction]:
    """A transaction of the store; everything done in it is undone at its end if this is a dry run."""
    try:
        with storage.transaction() as tx:
            yield tx
            if dry_run:
                raise _TakeBackError
    except _TakeBackError:
        return
