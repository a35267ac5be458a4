"""What only SQLite has: how a file is opened, begun upon, checked, vacuumed, and what its errors mean to
people.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from kubesim.storage.interface import StorageError

Connection = sqlite3.Connection

APPLICATION_ID = 0x6B756265  # "kube", so that `file` and we can tell the database from another program's
PAGE_SIZE = 4096

# A checkpoint costs two fsyncs however much it moves: every 16 MB instead of every 4 makes a create a tenth
# cheaper.
CHECKPOINT_PAGES = 4000

# SQLite keeps 2 MB of pages by default, fewer than a look-up of a thousand Pods touches in a large cluster.
CACHE_KILOBYTES = 32 * 1024

# KiB that a connection may keep of the file: at 100,000 keys the pages above the leaves do not fit SQLite's
# own 2 MB.
_CACHE_KIB = 16_000


class SQLite:
    """One database file. Connections are in autocommit mode: transactions are begun and ended by hand."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    begin_write = "BEGIN IMMEDIATE"
    begin_read = "BEGIN"

    def __init__(self, path: str, options: Mapping[str, Any], busy_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        self._name = path
        self._options: dict[str, Any] = {
            **options,
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": busy_seconds,
            "cached_statements": 256,
        }
        self.path = Path(path)

    def connect(self) -> Connection:
        """A connection for reading."""
        try:
            connection: Connection = sqlite3.connect(self._name, **self._options)
            connection.execute(f"PRAGMA cache_size=-{CACHE_KILOBYTES}")
        except sqlite3.Error as error:
            raise self.explain(error) from error
        self._set(connection, f"cache_size=-{_CACHE_KIB}")
        return connection

    def connect_writer(self) -> Connection:
        """A connection for writing: durable after a crash of the process; the file is sound after one of the
        machine.
        """
        connection = self.connect()
        self._set(connection, "synchronous=NORMAL", f"wal_autocheckpoint={CHECKPOINT_PAGES}")
        return connection

    def _set(self, connection: Connection, *pragmas: str) -> None:
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            connection.close()
            raise self.explain(error) from error

    def prepare(self, version: int, tables: Iterable[str]) -> Connection:
        """Make the file and its tables where they are missing; an open connection for reading.

        Raises StorageError for a file of another program, of a newer version, or damaged.
        """
        self._touch()
        connection = self.connect()
        try:
            found = _number(connection, "PRAGMA user_version")
            if found == 0:
                found = self._make(connection, version, tables)
            if found > version:
                raise StorageError(
                    f"{self.path} was written by a newer kubesim (schema {found}, here up to {version}): "
                    "upgrade kubesim, or choose another state directory"
                )
        except sqlite3.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: Connection) -> None:
        """Move what lies behind free pages and cut the file, in small steps: writers get their turn."""
        while (free := _number(connection, "PRAGMA freelist_count")) > 0:
            connection.execute("PRAGMA incremental_vacuum(256)").fetchall()
            if _number(connection, "PRAGMA freelist_count") >= free:
                break  # another process is at it, or the file was made without auto_vacuum
        # Readers of an old snapshot keep the log from being cut: then the next time does it.
        connection.execute("PRAGMA busy_timeout=200")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            if _primary(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(self._busy_seconds * 1000)}")

    def explain(self, error: Exception) -> StorageError:
        """The error in words that say what to do."""
        path, code = self.path, _primary(error)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StorageError(
                f"{path} is damaged ({error}): restore it from a copy, or remove it "
                "together with its -wal and -shm files to begin anew"
            )
        if code == sqlite3.SQLITE_FULL:
            return StorageError(
                f"the disk is full: {path} cannot grow; nothing was changed; free some space and try again"
            )
        if code == sqlite3.SQLITE_READONLY:
            return StorageError(
                f"{path} is read-only: allow writing to the file and to its directory, "
                "or choose another state directory"
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StorageError(
                f"{path} is locked: another process has been writing to it for {self._busy_seconds:g} seconds; "
                "wait for it or end it, then try again"
            )
        if code == sqlite3.SQLITE_CANTOPEN:
            return StorageError(f"cannot open {path}: {self._why_not()}")
        if code == sqlite3.SQLITE_IOERR:
            return StorageError(
                f"cannot read or write {path} ({error}): is the disk full, a quota reached, "
                "or the device gone? nothing was changed"
            )
        return StorageError(f"{path}: {error}")

    def _touch(self) -> None:
        """Make the file for its owner alone; SQLite gives its mode to the -wal and -shm files beside it."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except PermissionError as error:
            if not os.access(self.path, os.R_OK):
                raise StorageError(f"cannot open {self.path}: {error.strerror}") from error
        except OSError as error:
            raise StorageError(f"cannot open {self.path}: {error.strerror}") from error

    def _make(self, connection: Connection, version: int, tables: Iterable[str]) -> int:
        """Make the tables, unless another process was first; the version found or made."""
        # Looked at in this order, tables that another process is just making are not taken for a stranger's.
        tables_there = _number(connection, "SELECT count(*) FROM sqlite_schema")
        if tables_there and not _number(connection, "PRAGMA user_version"):
            raise StorageError(f"{self.path} is the database of another program: choose another file")
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = _number(connection, "PRAGMA user_version")
            if found == 0:
                for statement in tables:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={version}")
                found = version
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return found

    def _use_wal(self, connection: Connection) -> None:
        """Switch to write-ahead logging; SQLite does not wait here when another process is at the same, so we
        do.
        """
        pause = Event()
        for _ in range(int(self._busy_seconds * 20)):
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY:
                    raise
                pause.wait(0.05)
            else:
                return
        connection.execute("PRAGMA journal_mode=WAL").fetchall()

    def _why_not(self) -> str:
        if not self.path.parent.is_dir():
            return "its directory does not exist"
        if not os.access(self.path.parent, os.W_OK):
            return "its directory may not be written to"
        return (
            "permission denied"
            if not os.access(self.path, os.R_OK | os.W_OK)
            else "the file cannot be opened"
        )


def _number(connection: Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])


def _primary(error: Exception) -> int:
    """SQLite's result code without the extension that says where it happened."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
