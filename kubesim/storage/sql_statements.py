"""The statements that the SQL store runs, as texts of one dialect.

They are composed by `sql_schema`; `sql_sqlite_statements` has what that gives for SQLite, so that a command
which reads a cluster does not import SQLAlchemy.
"""

from __future__ import annotations

from typing import NamedTuple

SCHEMA_VERSION = 1


class Statements(NamedTuple):
    """Parameters are positional; `sql_schema` names those of each."""

    create_tables: tuple[str, ...]
    revision: str
    get: str
    page: str
    keys: str
    changed_keys: str
    count_keys: str
    newest: str
    step_back: str
    row: str
    entries: str
    lookup: str
    tally: str
    changes: str
    changes_below: str
    append: str
    add_current: str
    move_current: str
    add_lookup: str
    drop_lookup: str
    owner: str
    allocate: str
    release: str
    allocations: str
    used: str
    add_pool: str
    move_pool: str
    note: str
    notes: str
    put_note: str
    drop_note: str
    compacted: str
    set_compacted: str
    superseded: str
    deletions: str
    drop_row: str
    drop_key: str
