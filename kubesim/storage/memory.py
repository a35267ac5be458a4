"""The store in plain Python: for tests and throw-away clusters, and the model that the SQL store is held
against.

A transaction holds the lock from its beginning to its end, so that other threads wait and never see half of
it; what a block wrote is undone step by step if it raises.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType

from kubesim.storage.commits import Commits
from kubesim.storage.interface import (
    AllocationTaken,
    Change,
    Compacted,
    FutureRevision,
    Indexes,
    KeyExists,
    Page,
    RevisionConflict,
    Row,
    StorageError,
    Transaction,
)
from kubesim.util.fairlock import FairLock

_LAST = "\U0010ffff"  # sorts after every character that a key has


@dataclass(slots=True)
class _Version:
    """One row of the log. `row` is None for a deletion; `last` is then what watchers get as the old value."""

    key: str
    revision: int
    create_revision: int
    row: Row | None
    last: bytes | None
    previous: _Version | None
    entries: frozenset[tuple[str, str]]

    def at(self, revision: int) -> Row | None:
        """The row that a reader of a revision sees, walking back from here."""
        found: _Version | None = self
        while found is not None and found.revision > revision:
            found = found.previous
        return found.row if found is not None else None


class _State:
    """What the store holds, shared by its reading and its writing side. `undo` takes back the open
    transaction's writes.
    """

    def __init__(self) -> None:
        self.log: list[_Version] = []
        self.newest: dict[str, _Version] = {}
        self.live: list[str] = []
        self.deleted: set[str] = set()
        self.lookup: dict[tuple[str, str], set[str]] = {}
        self.pools: dict[str, dict[str, str]] = {}
        self.notes: dict[str, bytes] = {}
        self.note_names: list[str] = []  # sorted
        self.revision = 0
        self.oldest = 0
        self.undo: list[Callable[[], object]] = []

    def append(self, version: _Version) -> int:
        """Make a version the newest of its key and of the log; its revision."""
        version.previous = self.newest.get(version.key)
        self.revision = version.revision
        self.log.append(version)
        self._show(version.key, version.previous, version)
        self.undo.append(lambda: self._take_back(version))
        return version.revision

    def _take_back(self, version: _Version) -> None:
        self.log.pop()
        self.revision -= 1
        self._show(version.key, version, version.previous)

    def _show(self, key: str, before: _Version | None, now: _Version | None) -> None:
        """Have the lists and the look-up tell what `now` says of a key, in place of `before`."""
        if now is None:
            del self.newest[key]
        else:
            self.newest[key] = now
        was_live = before is not None and before.row is not None
        is_live = now is not None and now.row is not None
        if is_live and not was_live:
            insort(self.live, key)
        elif was_live and not is_live:
            del self.live[bisect_left(self.live, key)]
        if now is not None and not is_live:
            self.deleted.add(key)
        else:
            self.deleted.discard(key)
        old, new = (v.entries if v is not None else frozenset() for v in (before, now))
        for entry in old - new:
            self.lookup[entry].discard(key)
            if not self.lookup[entry]:
                del self.lookup[entry]
        for entry in new - old:
            self.lookup.setdefault(entry, set()).add(key)

    def put_note(self, name: str, value: bytes | None) -> None:
        if value is None:
            if self.notes.pop(name, None) is not None:
                del self.note_names[bisect_left(self.note_names, name)]
            return
        if name not in self.notes:
            insort(self.note_names, name)
        self.notes[name] = value

    def span(self, prefix: str, after: str) -> tuple[int, int]:
        """Where the live keys with a prefix stand that sort after `after`."""
        start = bisect_left(self.live, prefix)
        if after:
            start = max(start, bisect_right(self.live, after))
        return start, max(start, bisect_left(self.live, prefix + _LAST))

    def past(self, prefix: str, after: str, at: int) -> Iterator[Row]:
        """The rows that a reader of a revision sees, in key order."""
        start, end = self.span(prefix, after)
        gone = [k for k in self.deleted if k.startswith(prefix) and k > after]
        for key in sorted([*self.live[start:end], *gone]) if gone else self.live[start:end]:
            if row := self.newest[key].at(at):
                yield row

    def compact(self, revision: int) -> None:
        """Drop what was no longer the newest at a revision, and the deletions up to it."""
        for version in self.log:
            if version.revision <= revision and version.previous is not None:
                version.previous.row = None
                version.previous = None
        kept = []
        for version in self.log:
            if version.revision > revision or version.row is not None:
                kept.append(version)
            elif self.newest.get(version.key) is version:
                del self.newest[version.key]
                self.deleted.discard(version.key)
        self.log = kept
        self.oldest = revision


class MemoryStorage:
    """A store that ends with the process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = FairLock()
        self._commits = Commits(self.revision, shared=False)
        self._state = _State()
        self._closed = False
        self._marks: list[int] = []
        self._transaction: MemoryTransaction | None = None

    def transaction(self) -> AbstractContextManager[Transaction]:
        return _Block(self._enter, self._leave)

    def get(self, key: str, *, at: int | None = None) -> Row | None:
        with self._reading() as state:
            found = state.newest.get(key)
            if at is None:
                return found.row if found else None
            _check(state, at)
            return found.at(at) if found else None

    def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int = 0) -> Page:
        with self._reading() as state:
            if at is not None:
                return _past_page(state, prefix, at, after, limit)
            start, end = state.span(prefix, after)
            stop = min(end, start + limit) if limit else end
            rows = [r for k in state.live[start:stop] if (r := state.newest[k].row)]
            if not limit:
                return Page(rows, state.revision)
            return Page(rows, state.revision, more=stop < end, remaining=end - stop)

    def lookup(self, prefix: str, index: str, values: Sequence[str]) -> Page:
        with self._reading() as state:
            keys: set[str] = set()
            for value in values:
                keys |= state.lookup.get((index, value), set())
            found = (state.newest[k].row for k in sorted(keys) if k.startswith(prefix))
            return Page([row for row in found if row], state.revision)

    def tally(self, prefix: str, index: str, values: Sequence[str], limit: int) -> int:
        with self._reading() as state:
            keys = chain.from_iterable(state.lookup.get((index, v), ()) for v in dict.fromkeys(values))
            return sum(1 for _ in islice((k for k in keys if k.startswith(prefix)), limit))

    def count(self, prefix: str) -> int:
        with self._reading() as state:
            start, end = state.span(prefix, "")
            return end - start

    def revision(self) -> int:
        with self._reading() as state:
            return state.revision

    def oldest_revision(self) -> int:
        with self._reading() as state:
            return state.oldest

    def changes(self, prefix: str, after: int, *, limit: int = 0) -> Sequence[Change]:
        with self._reading() as state:
            if after < state.oldest:
                raise Compacted(state.oldest)
            start = bisect_right(state.log, after, key=_revision)
            found = (v for v in islice(state.log, start, None) if v.key.startswith(prefix))
            return [_change(v) for v in (islice(found, limit) if limit else found)]

    def wait(self, after: int, timeout: float, *, interrupted: Callable[[], bool] = lambda: False) -> int:
        if self._lock.mine:
            raise StorageError("waiting inside a transaction keeps those out that are waited for")
        return self._commits.wait(after, timeout, interrupted)

    def wake(self) -> None:
        self._commits.wake()

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        return self._commits.subscribe(callback)

    def compact(self, revision: int) -> None:
        with self._reading() as state:
            if self._marks:
                raise StorageError("compaction inside a transaction would be undone with it")
            if revision > state.revision:
                raise FutureRevision(revision, state.revision)
            if revision > state.oldest:
                state.compact(revision)

    def allocations(self, pool: str) -> dict[str, str]:
        with self._reading() as state:
            return dict(sorted(state.pools.get(pool, {}).items()))

    def get_note(self, name: str) -> bytes | None:
        with self._reading() as state:
            return state.notes.get(name)

    def set_note(self, name: str, value: bytes | None) -> None:
        if self._lock.mine and self._transaction is not None:
            self._transaction.set_note(
                name, value
            )  # without a savepoint: it is done, or the store has failed
        else:
            with self.transaction() as tx:
                tx.set_note(name, value)

    def notes(self, prefix: str) -> dict[str, bytes]:
        with self._reading() as state:
            names = state.note_names
            found = names[bisect_left(names, prefix) : bisect_left(names, prefix + _LAST)]
            return {name: state.notes[name] for name in found}

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._commits.announce()  # those who wait find the store closed

    @contextmanager
    def _reading(self) -> Iterator[_State]:
        with self._lock:
            if self._closed:
                raise StorageError("the store has been closed")
            yield self._state

    def _enter(self) -> MemoryTransaction:
        self._lock.acquire()
        if self._closed:
            self._lock.release()
            raise StorageError("the store has been closed")
        if self._transaction is None:
            self._transaction = MemoryTransaction(self._state)
        self._marks.append(len(self._state.undo))
        return self._transaction

    def _leave(self, failed: bool) -> None:
        mark, undo = self._marks.pop(), self._state.undo
        try:
            if failed:
                while len(undo) > mark:
                    undo.pop()()
            ends = not self._marks
            if ends and self._transaction is not None:
                self._transaction.ended = True
                self._transaction = None
                undo.clear()
        finally:
            self._lock.release()
        if ends and not failed:
            self._commits.announce()


class _Block:
    """`with storage.transaction()`."""

    __slots__ = ("_enter", "_leave")

    def __init__(self, enter: Callable[[], Transaction], leave: Callable[[bool], None]) -> None:
        self._enter, self._leave = enter, leave

    def __enter__(self) -> Transaction:
        return self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(kind is not None)


class MemoryTransaction:
    """The writing side of MemoryStorage. Each write leaves behind what takes it back."""

    def __init__(self, state: _State) -> None:
        self._kept = state
        self.ended = False

    @property
    def _state(self) -> _State:
        if self.ended:
            raise StorageError("this transaction has ended")
        return self._kept

    def get(self, key: str) -> Row | None:
        found = self._state.newest.get(key)
        return found.row if found else None

    def create(self, key: str, value: bytes, indexes: Indexes = ()) -> int:
        if self.get(key) is not None:
            raise KeyExists(key)
        revision = self._state.revision + 1
        row = Row(key, revision, revision, value)
        return self._state.append(_Version(key, revision, revision, row, None, None, frozenset(indexes)))

    def update(self, key: str, value: bytes, expected: int, indexes: Indexes = ()) -> int:
        created = self._expect(key, expected).create_revision
        revision = self._state.revision + 1
        row = Row(key, revision, created, value)
        return self._state.append(_Version(key, revision, created, row, None, None, frozenset(indexes)))

    def delete(self, key: str, expected: int, last: bytes | None = None) -> int:
        row = self._expect(key, expected)
        revision = self._state.revision + 1
        old = row.value if last is None else last
        return self._state.append(_Version(key, revision, row.create_revision, None, old, None, frozenset()))

    def allocate(self, pool: str, item: str, owner: str) -> None:
        items = self._state.pools.setdefault(pool, {})
        taken = items.get(item)
        if taken is None:
            items[item] = owner
            self._state.undo.append(lambda: items.pop(item))
        elif taken != owner:
            raise AllocationTaken(pool, item, taken)

    def release(self, pool: str, item: str, owner: str) -> None:
        items = self._state.pools.get(pool, {})
        if items.get(item) == owner:
            del items[item]
            self._state.undo.append(lambda: items.update({item: owner}))

    def owner_of(self, pool: str, item: str) -> str | None:
        return self._state.pools.get(pool, {}).get(item)

    def allocations(self, pool: str) -> dict[str, str]:
        return dict(sorted(self._state.pools.get(pool, {}).items()))

    def allocated_count(self, pool: str) -> int:
        return len(self._state.pools.get(pool, {}))

    def get_note(self, name: str) -> bytes | None:
        return self._state.notes.get(name)

    def set_note(self, name: str, value: bytes | None) -> None:
        state = self._state
        old = state.notes.get(name)
        state.put_note(name, value)
        state.undo.append(lambda: state.put_note(name, old))

    def _expect(self, key: str, expected: int) -> Row:
        row = self.get(key)
        if row is None or row.revision != expected:
            raise RevisionConflict(key, row)
        return row


def _check(state: _State, at: int) -> None:
    if at > state.revision:
        raise FutureRevision(at, state.revision)
    if at < state.oldest:
        raise Compacted(state.oldest)


def _past_page(state: _State, prefix: str, at: int, after: str, limit: int) -> Page:
    _check(state, at)
    past = state.past(prefix, after, at)
    if not limit:
        return Page(list(past), at)
    rows = list(islice(past, limit))
    remaining = sum(1 for _ in past)
    return Page(rows, at, more=remaining > 0, remaining=remaining)


def _revision(version: _Version) -> int:
    return version.revision


def _change(version: _Version) -> Change:
    row, previous = version.row, version.previous
    if row is None:
        old_revision = previous.revision if previous else 0
        return Change(
            version.key, version.revision, version.create_revision, None, version.last, old_revision
        )
    if previous is None or previous.row is None:
        return Change(version.key, version.revision, version.create_revision, row.value, None, 0)
    return Change(
        version.key,
        version.revision,
        version.create_revision,
        row.value,
        previous.row.value,
        previous.revision,
    )
