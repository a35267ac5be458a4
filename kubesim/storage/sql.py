"""The store in a SQL database: SQLAlchemy Core writes the schema and the statements (`sql_schema`), the driver's
own cursor runs them.

One writer at a time, in this process (a lock) and among processes (`BEGIN IMMEDIATE`); readers are never held
up and each sees one moment. Statements run on the driver's connection, because SQLAlchemy's execution costs
more than SQLite's own work here; it is imported where a URL is to be read, and nowhere else
(docs/decisions/0002-sqlalchemy-core.md has the figures).
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from threading import get_ident
from types import TracebackType
from typing import Any

import orjson

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
from kubesim.storage.sql_sqlite import Connection, SQLite
from kubesim.storage.sql_sqlite_statements import STATEMENTS
from kubesim.storage.sql_statements import SCHEMA_VERSION, Statements
from kubesim.util.fairlock import FairLock

Rows = list[Row]  # the store's own method is called `list`
Fetched = list[Any]

_EVERYTHING = 2**62  # a LIMIT that is none, in every dialect
_LAST = "\U0010ffff"  # sorts after every character that a key has
_NEXT = "\x01"  # what sorts right after a key begins with it: keys have no control characters
_COMPACT_ROWS = 500  # rows looked at in one transaction, so that compaction holds nobody up


class SQLStorage:
    """A store in one database: a file's path, or a URL as SQLAlchemy writes them. A writer waits for others for
    `busy_seconds`.

    Safe to use from several threads, and after a fork. A thread inside `transaction` sees its own writes
    through the store's reading methods too; other threads see what was committed.
    """

    def __init__(self, url_or_path: str | os.PathLike[str], *, busy_seconds: float = 30) -> None:
        self._database, self._sql = _open(url_or_path, busy_seconds), STATEMENTS
        self._lock = FairLock()
        self._commits = Commits(self.revision, shared=True)
        self._owner: int | None = None
        self._depth = 0
        self._writer: Connection | None = None
        self._transaction: SQLTransaction
        self._idle: deque[Connection] = deque()
        self._inherited: list[object] = []
        self._process = os.getpid()
        self._closed = False
        self._idle.append(self._database.prepare(SCHEMA_VERSION, self._sql.create_tables))

    def transaction(self) -> AbstractContextManager[Transaction]:
        return _Block(self._enter, self._leave)

    def get(self, key: str, *, at: int | None = None) -> Row | None:
        if at is not None:
            with self._moment() as connection:
                self._check(connection, at)
                found = self._one(connection, self._sql.newest, (key,))
                return self._row_at(connection, found[0], at) if found else None
        connection = self._borrow()
        try:
            found = self._one(connection, self._sql.get, (key,))
        finally:
            self._give_back(connection)
        return Row(*found) if found else None

    def list(self, prefix: str, *, at: int | None = None, after: str = "", limit: int = 0) -> Page:
        low, high = _range(prefix, after)
        with self._moment() as connection:
            newest = self._newest(connection)
            if at is None:
                found = self._all(
                    connection, self._sql.page, (low, high, limit + 1 if limit else _EVERYTHING)
                )
                rows = [Row(*f) for f in found]
                revision = newest
            else:
                self._check(connection, at)
                rows = self._page_at(connection, low, high, at, limit)
                revision = at
            if not limit:
                return Page(rows, revision)
            if len(rows) <= limit:
                return Page(rows, revision, remaining=0)
            del rows[limit:]
            remaining = self._count(connection, rows[-1].key + _NEXT, high, revision)
            return Page(rows, revision, more=True, remaining=remaining)

    def lookup(self, prefix: str, index: str, values: Sequence[str]) -> Page:
        low, high = _range(prefix)
        with self._moment() as connection:
            found: dict[str, Row] = {}
            for value in dict.fromkeys(values):
                for row in self._all(connection, self._sql.lookup, (index, value, low, high)):
                    found[row[0]] = Row(*row)
            return Page([found[k] for k in sorted(found)], self._newest(connection))

    def tally(self, prefix: str, index: str, values: Sequence[str], limit: int) -> int:
        low, high = _range(prefix)
        found = 0
        with self._any() as connection:
            for value in dict.fromkeys(values):
                if found < limit:
                    parameters = (index, value, low, high, limit - found)
                    found += int(self._one(connection, self._sql.tally, parameters)[0])
        return found

    def count(self, prefix: str) -> int:
        low, high = _range(prefix)
        with self._any() as connection:
            return int(self._one(connection, self._sql.count_keys, (low, high, _EVERYTHING))[0])

    def revision(self) -> int:
        with self._any() as connection:
            return self._newest(connection)

    def oldest_revision(self) -> int:
        with self._any() as connection:
            return self._oldest(connection)

    def changes(self, prefix: str, after: int, *, limit: int = 0) -> Sequence[Change]:
        limit = limit or _EVERYTHING
        with self._moment() as connection:
            if after < (oldest := self._oldest(connection)):
                raise Compacted(oldest)
            if prefix:
                parameters: tuple[Any, ...] = (after, len(prefix), prefix, limit)
                found = self._all(connection, self._sql.changes_below, parameters)
            else:
                found = self._all(connection, self._sql.changes, (after, limit))
        return [_change(*f) for f in found]

    def wait(self, after: int, timeout: float, *, interrupted: Callable[[], bool] = lambda: False) -> int:
        if self._owner == get_ident():
            raise StorageError("waiting inside a transaction keeps those out that are waited for")
        return self._commits.wait(after, timeout, interrupted)

    def wake(self) -> None:
        self._commits.wake()

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        return self._commits.subscribe(callback)

    def compact(self, revision: int) -> None:
        if self._owner == get_ident():
            raise StorageError("compaction inside a transaction would be undone with it")
        newest = self.revision()
        if revision > newest:
            raise FutureRevision(revision, newest)
        while self._compact_some(revision):
            pass
        with self._lock:
            try:
                self._database.give_back(self._writing())
            except self._database.errors as error:
                raise self._database.explain(error) from error

    def allocations(self, pool: str) -> dict[str, str]:
        with self._any() as connection:
            return dict(self._all(connection, self._sql.allocations, (pool,)))

    def get_note(self, name: str) -> bytes | None:
        with self._any() as connection:
            found = self._one(connection, self._sql.note, (name,))
        return found[0] if found else None

    def set_note(self, name: str, value: bytes | None) -> None:
        if self._owner == get_ident():
            self._transaction.set_note(
                name, value
            )  # without a savepoint: it is done, or the store has failed
        else:
            with self.transaction() as tx:
                tx.set_note(name, value)

    def notes(self, prefix: str) -> dict[str, bytes]:
        with self._any() as connection:
            return dict(self._all(connection, self._sql.notes, _range(prefix)))

    def close(self) -> None:
        with self._lock:
            if self._depth:
                raise StorageError("a store is closed after its transactions")
            self._closed = True
            connections = [*self._idle, *([self._writer] if self._writer else [])]
            self._idle.clear()
            self._writer = None
            for connection in connections:
                connection.close()
        self._commits.announce()  # those who wait find the store closed

    # Transactions.

    def _enter(self) -> SQLTransaction:
        self._check_process()
        self._lock.acquire()
        try:
            if self._depth:
                self._all(self._writing(), f"SAVEPOINT s{self._depth}")
            else:
                writer = self._writing()
                self._all(writer, self._database.begin_write)
                self._owner = get_ident()
                self._transaction = SQLTransaction(writer, self._sql, self._database)
            self._depth += 1
        except BaseException:
            self._lock.release()
            raise
        return self._transaction

    def _leave(self, failed: bool) -> None:
        self._depth -= 1
        try:
            writer = self._writing()
            if self._depth:
                # A full disk may have ended the whole transaction already: there is no savepoint then to go
                # back to.
                if failed and writer.in_transaction:
                    self._all(writer, f"ROLLBACK TO s{self._depth}")
                if not failed or writer.in_transaction:
                    self._all(writer, f"RELEASE s{self._depth}")
                return
            self._end(writer, failed=failed)
        finally:
            self._lock.release()
        if not failed:
            self._commits.announce()

    def _end(self, writer: Connection, *, failed: bool) -> None:
        self._transaction.ended = True
        self._owner = None
        try:
            if not failed:
                self._all(writer, "COMMIT")
        finally:
            if writer.in_transaction:
                self._all(writer, "ROLLBACK")

    def _compact_some(self, revision: int) -> bool:
        """Look at some rows above what is compacted already, and drop what they made old; whether there is
        more.
        """
        with self.transaction():
            connection, sql = self._writing(), self._sql
            compacted, newest = self._oldest(connection), self._newest(connection)
            if compacted >= revision:
                return False
            # The first row is looked at again: as the newest one of that time it could not go (see below).
            span = (compacted, min(compacted + _COMPACT_ROWS, revision))
            old = self._all(connection, sql.superseded, span)
            self._many(connection, sql.drop_row, old)
            # The newest row stays even if it is a deletion: its number is the store's revision.
            gone = [d for d in self._all(connection, sql.deletions, span) if d[1] < newest]
            self._many(connection, sql.drop_key, gone)
            self._many(connection, sql.drop_row, [(r,) for _, r in gone])
            self._all(connection, sql.set_compacted, (span[1],))
            return span[1] < revision

    # Reading.

    def _newest(self, connection: Connection) -> int:
        return int(self._one(connection, self._sql.revision)[0] or 0)

    def _oldest(self, connection: Connection) -> int:
        return int(self._one(connection, self._sql.compacted)[0])

    def _check(self, connection: Connection, at: int) -> None:
        if at > (newest := self._newest(connection)):
            raise FutureRevision(at, newest)
        if at < (oldest := self._oldest(connection)):
            raise Compacted(oldest)

    def _row_at(self, connection: Connection, revision: int, at: int) -> Row | None:
        """The row of a key at a past revision, walking back from a later row of it; None where it did not
        exist.
        """
        while revision > at:
            revision = int(self._one(connection, self._sql.step_back, (revision,))[0])
        found = self._one(connection, self._sql.row, (revision,)) if revision else None
        return Row(found[0], found[1], found[2] or found[1], found[3]) if found else None

    def _page_at(self, connection: Connection, low: str, high: str, at: int, limit: int) -> Rows:
        """Rows as they were, one more than `limit` where there are more."""
        wanted = limit + 1 if limit else _EVERYTHING
        rows: Rows = []
        while True:
            keys = self._all(connection, self._sql.keys, (low, high, wanted - len(rows)))
            for _, revision in keys:
                if row := self._row_at(connection, revision, at):
                    rows.append(row)
            if not limit or len(rows) >= wanted or not keys:
                return rows
            low = keys[-1][0] + _NEXT

    def _count(self, connection: Connection, low: str, high: str, at: int) -> int:
        """Keys of a range that existed at a revision."""
        found = int(self._one(connection, self._sql.count_keys, (low, high, at))[0])
        later = self._all(connection, self._sql.changed_keys, (low, high, at))
        return found + sum(self._row_at(connection, revision, at) is not None for (revision,) in later)

    def _one(self, connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Any:
        try:
            return connection.execute(statement, parameters).fetchone()
        except self._database.errors as error:
            raise self._database.explain(error) from error

    def _all(self, connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> Fetched:
        try:
            return connection.execute(statement, parameters).fetchall()
        except self._database.errors as error:
            raise self._database.explain(error) from error

    def _many(self, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            connection.executemany(statement, rows)
        except self._database.errors as error:
            raise self._database.explain(error) from error

    # Connections.

    @contextlib.contextmanager
    def _moment(self) -> Iterator[Connection]:
        """A connection on which everything read belongs to one moment."""
        connection = self._borrow()
        if connection is self._writer:
            yield connection
            return
        try:
            self._all(connection, self._database.begin_read)
            yield connection
        finally:
            if connection.in_transaction:
                self._all(connection, "COMMIT")
            self._give_back(connection)

    @contextlib.contextmanager
    def _any(self) -> Iterator[Connection]:
        """A connection for a single statement."""
        connection = self._borrow()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _borrow(self) -> Connection:
        """The writer's own connection for the thread that is writing, an idle or new one for the others."""
        self._check_process()
        if self._owner == get_ident():
            return self._writing()
        try:
            return self._idle.pop()
        except IndexError:
            return self._database.connect()

    def _give_back(self, connection: Connection) -> None:
        if connection is self._writer:
            return
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _writing(self) -> Connection:
        if self._writer is None:
            if self._closed:
                raise StorageError(f"{self._database.path} has been closed")
            self._writer = self._database.connect_writer()
        return self._writer

    def _check_process(self) -> None:
        """After a fork, leave the parent's connections and locks alone and begin with new ones.

        They are kept, unused: closing a SQLite connection here would drop the parent's locks on the file.
        """
        if self._closed:
            raise StorageError(f"{self._database.path} has been closed")
        if self._process == os.getpid():
            return
        self._inherited.extend((self._idle, self._writer))
        self._idle, self._writer = deque(), None
        self._lock, self._commits = FairLock(), Commits(self.revision, shared=True)
        self._owner, self._depth = None, 0
        self._process = os.getpid()


class _Block:
    """`with storage.transaction()`: the outermost one begins and commits, an inner one is a savepoint."""

    __slots__ = ("_enter", "_leave")

    def __init__(self, enter: Callable[[], Transaction], leave: Callable[[bool], None]) -> None:
        self._enter, self._leave = enter, leave

    def __enter__(self) -> Transaction:
        return self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(kind is not None)


class SQLTransaction:
    """The writing side of SQLStorage, while its outermost block lasts."""

    def __init__(self, connection: Connection, statements: Statements, database: SQLite) -> None:
        self._sql = statements
        self._database = database
        self._connection = connection
        self.ended = False

    def get(self, key: str) -> Row | None:
        found = self._run(self._sql.get, (key,)).fetchone()
        return Row(*found) if found else None

    def create(self, key: str, value: bytes, indexes: Indexes = ()) -> int:
        found = self._run(self._sql.newest, (key,)).fetchone()
        if found and not found[2]:
            raise KeyExists(key)
        entries = sorted(set(indexes))
        previous = found[0] if found else 0
        revision = self._append(previous, 0, key, entries, value)
        if found:
            self._run(self._sql.move_current, (revision, revision, 0, key))
        else:
            self._run(self._sql.add_current, (key, revision, revision, 0))
        if entries:
            self._run_many(self._sql.add_lookup, [(n, v, key) for n, v in entries])
        return revision

    def update(self, key: str, value: bytes, expected: int, indexes: Indexes = ()) -> int:
        created = self._expect(key, expected)
        entries = sorted(set(indexes))
        revision = self._append(expected, created, key, entries, value)
        self._run(self._sql.move_current, (revision, created, 0, key))
        self._reindex(key, expected, entries)
        return revision

    def delete(self, key: str, expected: int, last: bytes | None = None) -> int:
        created = self._expect(key, expected)
        parameters = (expected, created, 1, key, b"[]", last)
        revision = int(self._run(self._sql.append, parameters).lastrowid)
        self._run(self._sql.move_current, (revision, created, 1, key))
        self._reindex(key, expected, [])
        return revision

    def allocate(self, pool: str, item: str, owner: str) -> None:
        taken = self.owner_of(pool, item)
        if taken is None:
            self._run(self._sql.allocate, (pool, item, owner))
            self._count(pool, 1)
        elif taken != owner:
            raise AllocationTaken(pool, item, taken)

    def release(self, pool: str, item: str, owner: str) -> None:
        if self._run(self._sql.release, (pool, item, owner)).rowcount:
            self._count(pool, -1)

    def owner_of(self, pool: str, item: str) -> str | None:
        found = self._run(self._sql.owner, (pool, item)).fetchone()
        return found[0] if found else None

    def allocations(self, pool: str) -> dict[str, str]:
        return dict(self._run(self._sql.allocations, (pool,)).fetchall())

    def allocated_count(self, pool: str) -> int:
        found = self._run(self._sql.used, (pool,)).fetchone()
        return int(found[0]) if found else 0

    def get_note(self, name: str) -> bytes | None:
        found = self._run(self._sql.note, (name,)).fetchone()
        return found[0] if found else None

    def set_note(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._run(self._sql.drop_note, (name,))
        else:
            self._run(self._sql.put_note, (name, value))

    def _expect(self, key: str, expected: int) -> int:
        """The create revision of a key whose newest row is the expected one. Raises RevisionConflict."""
        found = self._run(self._sql.newest, (key,)).fetchone()
        if not found or found[2] or found[0] != expected:
            raise RevisionConflict(key, self.get(key))
        return int(found[1])

    def _append(
        self, previous: int, created: int, key: str, entries: list[tuple[str, str]], value: bytes
    ) -> int:
        parameters = (previous, created, 0, key, orjson.dumps(entries), value)
        return int(self._run(self._sql.append, parameters).lastrowid)

    def _reindex(self, key: str, previous: int, entries: list[tuple[str, str]]) -> None:
        """Write the difference between the entries of the previous row and the ones there are now."""
        old = {(n, v) for n, v in orjson.loads(self._run(self._sql.entries, (previous,)).fetchone()[0])}
        new = set(entries)
        if old != new:
            self._run_many(self._sql.drop_lookup, [(n, v, key) for n, v in sorted(old - new)])
            self._run_many(self._sql.add_lookup, [(n, v, key) for n, v in sorted(new - old)])

    def _count(self, pool: str, by: int) -> None:
        if not self._run(self._sql.move_pool, (by, pool)).rowcount:
            self._run(self._sql.add_pool, (pool, by))

    def _run(self, statement: str, parameters: Sequence[Any]) -> Any:
        if self.ended:
            raise StorageError("this transaction has ended")
        try:
            return self._connection.execute(statement, parameters)
        except self._database.errors as error:
            raise self._database.explain(error) from error

    def _run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(statement, rows)
        except self._database.errors as error:
            raise self._database.explain(error) from error


def _open(url_or_path: str | os.PathLike[str], busy_seconds: float) -> SQLite:
    text = os.fspath(url_or_path)
    path, options = _read_url(text) if "://" in text else (text, {})
    if path in ("", ":memory:"):
        raise StorageError("a SQL store needs a file: what ends with the process is kept by MemoryStorage")
    return SQLite(path, options, busy_seconds)


def _read_url(text: str) -> tuple[str, dict[str, Any]]:
    """A database's path, and what the driver is to be told when it opens it. Raises StorageError."""
    from sqlalchemy.engine.url import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(text)
        dialect: Any = url.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise StorageError(f"cannot open {text}: {error}") from error
    if dialect.name != "sqlite":
        raise StorageError(f"cannot open {text}: the store of kubesim is a SQLite file")
    if not url.database:
        return "", {}
    (path,), options = dialect(dbapi=dialect.import_dbapi()).create_connect_args(url)
    return path, options


def _range(prefix: str, after: str = "") -> tuple[str, str]:
    """The lowest key and the end of the keys that begin with `prefix` and sort after `after`."""
    return max(prefix, after + _NEXT if after else ""), prefix + _LAST


def _change(
    key: str, revision: int, created: int, deleted: int, value: bytes | None, previous: int, old: bytes | None
) -> Change:
    if not created:
        return Change(key, revision, revision, value, None, 0)
    if deleted:
        return Change(key, revision, created, None, old if value is None else value, previous)
    return Change(key, revision, created, value, old, previous)
