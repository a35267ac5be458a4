"""The tables of the SQL store and its statements, written once in SQLAlchemy Core and compiled for a dialect.

Invariant: `log` is append-only (compaction aside) and its primary key is the revision; `current` has one row
for each key, naming its newest row of the log; `lookup` has exactly the index entries of the live keys.

How this differs from kine's single table, and why: the newest row of a key is found in `current`, not by
searching the log, so that a list costs what it returns and not the history behind it; the compare-and-swap is
`current`'s primary key and revision under the writer's lock; the value before a change is the row that
`prev_revision` names, so that it is not stored twice. A key that was deleted keeps its row in `current` (with
`deleted`) until compaction, so that a past revision can be listed by walking back from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql import ClauseElement, ColumnElement
    from sqlalchemy.sql.selectable import Select

SCHEMA_VERSION = 1

# SQLite's rowid must be called INTEGER; elsewhere revisions want 64 bits. Keys compare byte by byte
# everywhere.
_Revision = BigInteger().with_variant(Integer(), "sqlite")
_Key = String().with_variant(String(collation="C"), "postgresql")

METADATA = MetaData()

# The large column stands last, so that reading the others never follows its overflow pages.
LOG = Table(
    "log",
    METADATA,
    Column("revision", _Revision, primary_key=True),
    Column("prev_revision", _Revision, nullable=False),
    Column("create_revision", _Revision, nullable=False),  # 0 in the row that made the key
    Column("deleted", SmallInteger, nullable=False),
    Column("key", _Key, nullable=False),
    Column("entries", LargeBinary, nullable=False),  # the index entries of the object, encoded
    Column("value", LargeBinary),  # in a deletion the object's last state, where one was given
    implicit_returning=False,
)
CURRENT = Table(
    "current",
    METADATA,
    Column("key", _Key, primary_key=True),
    Column("revision", _Revision, nullable=False),
    Column("create_revision", _Revision, nullable=False),
    Column("deleted", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
LOOKUP = Table(
    "lookup",
    METADATA,
    Column("name", _Key, primary_key=True),
    Column("value", _Key, primary_key=True),
    Column("key", _Key, primary_key=True),
    sqlite_with_rowid=False,
)
ALLOCATION = Table(
    "allocation",
    METADATA,
    Column("pool", _Key, primary_key=True),
    Column("item", _Key, primary_key=True),
    Column("owner", _Key, nullable=False),
    sqlite_with_rowid=False,
)
POOL = Table(
    "pool",
    METADATA,
    Column("name", _Key, primary_key=True),
    Column("used", Integer, nullable=False),
    sqlite_with_rowid=False,
)
NOTE = Table(
    "note",
    METADATA,
    Column("name", _Key, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
COMPACTION = Table(
    "compaction",
    METADATA,
    Column("one", SmallInteger, primary_key=True),
    Column("revision", _Revision, nullable=False),
)

_OLD = LOG.alias("old")


class Statements:
    """The statements as text for one dialect, each compiled when it is first used (a command needs three or
    four).

    Parameters are positional, in the order that each docstring names.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def create_tables(self) -> Sequence[str]:
        """What makes an empty store."""
        made = [str(CreateTable(t).compile(dialect=self._dialect)) for t in METADATA.sorted_tables]
        return [*made, self._text(insert(COMPACTION).values(one=1, revision=0))]

    @cached_property
    def revision(self) -> str:
        return self._text(select(func.max(LOG.c.revision)))

    @cached_property
    def get(self) -> str:
        """(key)"""
        return self._text(self._live().where(CURRENT.c.key == bindparam("key")), "key")

    @cached_property
    def page(self) -> str:
        """Live rows of a range of keys: (low, high, limit)"""
        found = self._live().where(_between(CURRENT.c.key)).order_by(CURRENT.c.key).limit(bindparam("limit"))
        return self._text(found, "low", "high", "limit")

    @cached_property
    def keys(self) -> str:
        """Keys of a range with their newest revision, deleted ones too: (low, high, limit)"""
        found = select(CURRENT.c.key, CURRENT.c.revision).where(_between(CURRENT.c.key))
        return self._text(found.order_by(CURRENT.c.key).limit(bindparam("limit")), "low", "high", "limit")

    @cached_property
    def changed_keys(self) -> str:
        """Newest revisions above one, of the keys of a range: (low, high, revision)"""
        found = select(CURRENT.c.revision).where(_between(CURRENT.c.key))
        return self._text(found.where(CURRENT.c.revision > bindparam("revision")), "low", "high", "revision")

    @cached_property
    def count(self) -> str:
        """Live keys of a range, changed last at or before a revision: (low, high, revision)"""
        found = select(func.count()).select_from(CURRENT).where(_between(CURRENT.c.key))
        live = found.where(CURRENT.c.deleted == 0, CURRENT.c.revision <= bindparam("revision"))
        return self._text(live, "low", "high", "revision")

    @cached_property
    def newest(self) -> str:
        """Where a key stands, deleted or not: (key)"""
        columns = (CURRENT.c.revision, CURRENT.c.create_revision, CURRENT.c.deleted)
        return self._text(select(*columns).where(CURRENT.c.key == bindparam("key")), "key")

    @cached_property
    def step_back(self) -> str:
        """(revision)"""
        return self._text(
            select(LOG.c.prev_revision).where(LOG.c.revision == bindparam("revision")), "revision"
        )

    @cached_property
    def row(self) -> str:
        """A row of the log that is no deletion: (revision)"""
        columns = (LOG.c.key, LOG.c.revision, LOG.c.create_revision, LOG.c.value)
        found = select(*columns).where(LOG.c.revision == bindparam("revision"), LOG.c.deleted == 0)
        return self._text(found, "revision")

    @cached_property
    def entries(self) -> str:
        """(revision)"""
        return self._text(select(LOG.c.entries).where(LOG.c.revision == bindparam("revision")), "revision")

    @cached_property
    def lookup(self) -> str:
        """(name, value, low, high)"""
        joined = LOOKUP.join(CURRENT, CURRENT.c.key == LOOKUP.c.key).join(
            LOG, LOG.c.revision == CURRENT.c.revision
        )
        found = select(CURRENT.c.key, CURRENT.c.revision, CURRENT.c.create_revision, LOG.c.value)
        where = (
            LOOKUP.c.name == bindparam("name"),
            LOOKUP.c.value == bindparam("value"),
            _between(LOOKUP.c.key),
        )
        return self._text(found.select_from(joined).where(*where), "name", "value", "low", "high")

    @cached_property
    def changes(self) -> str:
        """(revision, limit)"""
        return self._text(self._changes(), "revision", "limit")

    @cached_property
    def changes_below(self) -> str:
        """(revision, length, prefix, limit); `substr` keeps the search on the revision, where there is little
        to read.
        """
        below = func.substr(LOG.c.key, 1, bindparam("length")) == bindparam("prefix")
        found = self._changes().where(below)
        return self._text(found, "revision", "length", "prefix", "limit")

    @cached_property
    def append(self) -> str:
        """(prev_revision, create_revision, deleted, key, entries, value)"""
        names = ("prev_revision", "create_revision", "deleted", "key", "entries", "value")
        return self._text(insert(LOG).values({n: bindparam(n) for n in names}).inline(), *names)

    @cached_property
    def add_current(self) -> str:
        """(key, revision, create_revision, deleted)"""
        names = ("key", "revision", "create_revision", "deleted")
        return self._text(insert(CURRENT).values({n: bindparam(n) for n in names}), *names)

    @cached_property
    def move_current(self) -> str:
        """(revision, create_revision, deleted, key)"""
        names = ("revision", "create_revision", "deleted")
        changed = update(CURRENT).values({n: bindparam(n) for n in names})
        return self._text(changed.where(CURRENT.c.key == bindparam("at_key")), *names, "at_key")

    @cached_property
    def add_lookup(self) -> str:
        """(name, value, key)"""
        names = ("name", "value", "key")
        return self._text(insert(LOOKUP).values({n: bindparam(n) for n in names}), *names)

    @cached_property
    def drop_lookup(self) -> str:
        """(name, value, key)"""
        names = ("name", "value", "key")
        return self._text(delete(LOOKUP).where(*(LOOKUP.c[n] == bindparam(n) for n in names)), *names)

    @cached_property
    def owner(self) -> str:
        """(pool, item)"""
        where = (ALLOCATION.c.pool == bindparam("pool"), ALLOCATION.c.item == bindparam("item"))
        return self._text(select(ALLOCATION.c.owner).where(*where), "pool", "item")

    @cached_property
    def allocate(self) -> str:
        """(pool, item, owner)"""
        names = ("pool", "item", "owner")
        return self._text(insert(ALLOCATION).values({n: bindparam(n) for n in names}), *names)

    @cached_property
    def release(self) -> str:
        """(pool, item, owner)"""
        names = ("pool", "item", "owner")
        return self._text(delete(ALLOCATION).where(*(ALLOCATION.c[n] == bindparam(n) for n in names)), *names)

    @cached_property
    def allocations(self) -> str:
        """(pool)"""
        found = select(ALLOCATION.c.item, ALLOCATION.c.owner).where(ALLOCATION.c.pool == bindparam("pool"))
        return self._text(found.order_by(ALLOCATION.c.item), "pool")

    @cached_property
    def used(self) -> str:
        """(pool)"""
        return self._text(select(POOL.c.used).where(POOL.c.name == bindparam("pool")), "pool")

    @cached_property
    def add_pool(self) -> str:
        """(name, used)"""
        return self._text(insert(POOL).values(name=bindparam("name"), used=bindparam("used")), "name", "used")

    @cached_property
    def move_pool(self) -> str:
        """(by, name)"""
        changed = update(POOL).values(used=POOL.c.used + bindparam("by", type_=Integer))
        return self._text(changed.where(POOL.c.name == bindparam("at_name")), "by", "at_name")

    @cached_property
    def note(self) -> str:
        """(name)"""
        return self._text(select(NOTE.c.value).where(NOTE.c.name == bindparam("name")), "name")

    @cached_property
    def notes(self) -> str:
        """(low, high)"""
        found = select(NOTE.c.name, NOTE.c.value).where(_between(NOTE.c.name)).order_by(NOTE.c.name)
        return self._text(found, "low", "high")

    @cached_property
    def add_note(self) -> str:
        """(name, value)"""
        return self._text(
            insert(NOTE).values(name=bindparam("name"), value=bindparam("value")), "name", "value"
        )

    @cached_property
    def drop_note(self) -> str:
        """(name)"""
        return self._text(delete(NOTE).where(NOTE.c.name == bindparam("name")), "name")

    @cached_property
    def compacted(self) -> str:
        return self._text(select(COMPACTION.c.revision))

    @cached_property
    def set_compacted(self) -> str:
        """(revision)"""
        return self._text(update(COMPACTION).values(revision=bindparam("revision")), "revision")

    @cached_property
    def superseded(self) -> str:
        """Revisions that changes of a range of revisions made old: (low, high), both included"""
        found = select(LOG.c.prev_revision).where(LOG.c.revision.between(bindparam("low"), bindparam("high")))
        return self._text(found.where(LOG.c.prev_revision > 0), "low", "high")

    @cached_property
    def deletions(self) -> str:
        """Deletions of a range of revisions: (low, high), both included"""
        found = select(LOG.c.key, LOG.c.revision).where(
            LOG.c.revision.between(bindparam("low"), bindparam("high"))
        )
        return self._text(found.where(LOG.c.deleted == 1), "low", "high")

    @cached_property
    def drop_row(self) -> str:
        """(revision)"""
        return self._text(delete(LOG).where(LOG.c.revision == bindparam("revision")), "revision")

    @cached_property
    def drop_key(self) -> str:
        """(key, revision): only where the key has not moved on"""
        where = (CURRENT.c.key == bindparam("key"), CURRENT.c.revision == bindparam("revision"))
        return self._text(delete(CURRENT).where(*where), "key", "revision")

    def _live(self) -> Select[Any]:
        joined = CURRENT.join(LOG, LOG.c.revision == CURRENT.c.revision)
        columns = (CURRENT.c.key, CURRENT.c.revision, CURRENT.c.create_revision, LOG.c.value)
        return select(*columns).select_from(joined).where(CURRENT.c.deleted == 0)

    def _changes(self) -> Select[Any]:
        joined = LOG.outerjoin(_OLD, _OLD.c.revision == LOG.c.prev_revision)
        columns = (
            LOG.c.key,
            LOG.c.revision,
            LOG.c.create_revision,
            LOG.c.deleted,
            LOG.c.value,
            LOG.c.prev_revision,
            _OLD.c.value,
        )
        found = select(*columns).select_from(joined).where(LOG.c.revision > bindparam("revision"))
        return found.order_by(LOG.c.revision).limit(bindparam("limit"))

    def _text(self, statement: ClauseElement, *names: str) -> str:
        """Compile; constants of the statement (a `== 0`, the `OFFSET 0` of a limit) are written into the
        text.
        """
        compiled = statement.compile(dialect=self._dialect)
        places: list[str] = list(getattr(compiled, "positiontup", None) or ())
        if tuple(p for p in places if p in names) != names:
            raise AssertionError(f"parameters stand as {places}, not as {names}, in: {compiled}")
        pieces = str(compiled).split("?")
        constants = compiled.params
        marks = ["?" if place in names else str(int(constants[place])) for place in places]
        return "".join(piece + mark for piece, mark in zip(pieces, [*marks, ""], strict=True))


def _between(column: Any) -> ColumnElement[bool]:
    """A range of keys: the low end included, the high end not."""
    found: ColumnElement[bool] = (column >= bindparam("low")) & (column < bindparam("high"))
    return found
