"""The contract of the store: a log of revisions with compare-and-swap, look-up indexes and allocations.

Every write appends one row to the log, and the row's number is the revision (the resourceVersion of the API):
revisions only ever grow, over all keys. What holds for every implementation:

* A transaction is atomic and serialised against every other writer, in this process or another: its rows, its
  index entries, its allocations and its notes are all there afterwards, or none is.
* `update` and `delete` name the revision they saw; if the key has moved on, nothing is written
  (`RevisionConflict`).
* A change, once visible to `changes`, has every change with a lower revision visible before it: a reader that
  remembers the last revision it saw misses nothing.
* Values are bytes and are returned as they were stored; the revision is not part of them.

Keys are `/registry/<group>/<resource>/<namespace>/<name>` (the core group is `core`; what has no namespace
has no such part), so that a prefix ending in `/` names a resource or a namespace of it, in name order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

Indexes = Iterable[tuple[str, str]]
"""(index, value) pairs of one object, e.g. `("label", "app=web")`, `("owner", UID)`, `("field",
"spec.nodeName=n")`.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One key at one revision. `create_revision` is the revision that made the key."""

    key: str
    revision: int
    create_revision: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the log. `value` is None for a deletion; `old` is the value before, None for a creation.

    `old_revision` is 0 for a creation.
    """

    key: str
    revision: int
    create_revision: int
    value: bytes | None
    old: bytes | None
    old_revision: int


@dataclass(frozen=True, slots=True)
class Page:
    """A consistent slice of the store at `revision`, in key order.

    `more` says whether rows after the last one exist; `remaining` how many (None where nobody counted:
    look-ups by index, and pages without a limit).
    """

    rows: Sequence[Row]
    revision: int
    more: bool = False
    remaining: int | None = None


class StorageError(Exception):
    """The store cannot do its work: disk full, file damaged, schema too new, locked for too long. The text is
    for people.
    """


class KeyExists(StorageError):
    """`create` found the key already there."""


class RevisionConflict(StorageError):
    """`update` or `delete` named a revision that is no longer the key's newest; `current` is None if the key
    is gone.
    """

    def __init__(self, key: str, current: Row | None) -> None:
        super().__init__(key)
        self.key, self.current = key, current


class Compacted(StorageError):
    """A revision was asked for that compaction has dropped; `oldest` is the oldest one that can be read."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revisions before {oldest} have been compacted")
        self.oldest = oldest


class FutureRevision(StorageError):
    """A revision was asked for that does not exist yet."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"Too large resource version: {asked}, current: {current}")
        self.asked, self.current = asked, current


class AllocationTaken(StorageError):
    """An item of a pool belongs to somebody else: `owner`."""

    def __init__(self, pool: str, item: str, owner: str) -> None:
        super().__init__(f"{pool} {item} is taken by {owner}")
        self.pool, self.item, self.owner = pool, item, owner


class Transaction(Protocol):
    """Reads and writes that happen together. Reads see the transaction's own writes."""

    def get(self, key: str) -> Row | None:
        """The newest row of a key, None where it does not exist."""
        ...

    def create(self, key: str, value: bytes, indexes: Indexes = ()) -> int:
        """Append a first row; its revision. Raises KeyExists."""
        ...

    def update(self, key: str, value: bytes, expected: int, indexes: Indexes = ()) -> int:
        """Append a row in place of the one with revision `expected`; its revision. Raises RevisionConflict.

        `indexes` are all entries the object now has; the store works out the difference.
        """
        ...

    def delete(self, key: str, expected: int, last: bytes | None = None) -> int:
        """Append a deletion; its revision. `last`, if given, is the object's last state for watchers.

        Raises RevisionConflict.
        """
        ...

    def allocate(self, pool: str, item: str, owner: str) -> None:
        """Take an item for an owner; taking what one already has is fine. Raises AllocationTaken."""
        ...

    def release(self, pool: str, item: str, owner: str) -> None:
        """Give an item back; nothing happens if the owner does not have it."""
        ...

    def owner_of(self, pool: str, item: str) -> str | None:
        """Who has an item."""
        ...

    def allocations(self, pool: str) -> dict[str, str]:
        """Every item taken, with its owner."""
        ...

    def allocated_count(self, pool: str) -> int:
        """How many items of a pool are taken, in constant time or nearly so."""
        ...

    def get_note(self, name: str) -> bytes | None:
        """A small named value beside the log (checkpoints, timers, the cluster's configuration); no
        revision.
        """
        ...

    def set_note(self, name: str, value: bytes | None) -> None:
        """Write a note; None removes it."""
        ...


class Storage(Protocol):
    """A store. Safe to use from several threads; files may be shared with other processes."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin writing at once (waiting for other writers), commit at the end of the block, roll back on an
        exception.

        Entered again by the same thread inside a block, it joins the outer transaction: a batch of writes is
        one commit. An exception that leaves an inner block undoes what that block did.
        """
        ...

    def get(self, key: str, *, at: int | None = None) -> Row | None:
        """The row of a key, at a revision or the newest. Raises Compacted or FutureRevision for `at`."""
        ...

    def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int = 0) -> Page:
        """Rows whose key begins with `prefix` and sorts after `after`. Raises Compacted or FutureRevision for
        `at`.
        """
        ...

    def lookup(self, prefix: str, index: str, values: Sequence[str]) -> Page:
        """The newest rows below `prefix` that have any of the values in an index; the cost follows the
        result.
        """
        ...

    def tally(self, prefix: str, index: str, values: Sequence[str], limit: int) -> int:
        """How many entries `lookup` would follow, counted no further than `limit`: to choose between two."""
        ...

    def count(self, prefix: str) -> int:
        """How many keys there are below a prefix now."""
        ...

    def revision(self) -> int:
        """The newest revision; 0 in an empty store."""
        ...

    def oldest_revision(self) -> int:
        """The oldest revision that can still be read or watched from."""
        ...

    def changes(self, prefix: str, after: int, *, limit: int = 0) -> Sequence[Change]:
        """Rows of the log with a revision above `after`, oldest first. Raises Compacted."""
        ...

    def wait(self, after: int, timeout: float, *, interrupted: Callable[[], bool] = lambda: False) -> int:
        """Block until a revision above `after` exists, at most `timeout` seconds; the newest revision.

        It also ends when `interrupted()`, which is asked first and at each `wake`; it must not block. Not
        inside a transaction. Raises StorageError when the store is closed meanwhile.
        """
        ...

    def wake(self) -> None:
        """Have everybody in `wait` ask whether he is interrupted."""
        ...

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback()` called after each commit of this process; calling what is returned ends that.

        It is called by the thread that has committed, outside all locks, so it must neither block nor raise:
        it wakes somebody. It is also called when a thread in `wait` notices that another process has
        written; without such a thread nobody looks. There may be calls to which no new revision belongs.
        """
        ...

    def compact(self, revision: int) -> None:
        """Drop what only readers of revisions before `revision` need, and give the space back."""
        ...

    def allocations(self, pool: str) -> dict[str, str]:
        """Every item of a pool that is taken, with its owner."""
        ...

    def get_note(self, name: str) -> bytes | None:
        """A note as last committed."""
        ...

    def set_note(self, name: str, value: bytes | None) -> None:
        """Write a note, or remove it with None: in this thread's open transaction if there is one, else in one of
        its own.
        """
        ...

    def notes(self, prefix: str) -> dict[str, bytes]:
        """Every note whose name begins so, as last committed."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
