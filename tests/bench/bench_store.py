"""What the store costs beside the bare sqlite3 of Python, with the same pragmas on the same disk.

A create writes one row of the log, one of `current` and one for each index entry. The peer of the target is sqlite3
writing these very rows in a transaction, from statements written by hand: what is left is what the layer adds. One
INSERT into one table a transaction, the least that a write can cost, stands beside it, and so does SQLAlchemy's own
execution of the same statements, which is why the store runs them on the driver's connection.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import bindparam, create_engine, insert

from kubesim.storage.sql import SQLStorage
from kubesim.storage.sql_schema import CURRENT, LOG, LOOKUP
from kubesim.storage.sql_sqlite import CHECKPOINT_PAGES, PAGE_SIZE
from tests.bench.measure import Cost, Measurement, cost_of, median_cost, median_cpu

PODS = "/registry/core/pods/default/"
VALUE = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeName":"node-1"}}' * 10
WRITES = 2_000
ROUNDS = 5
FEW, MANY = 1_000, 100_000
_PRAGMAS = (
    f"page_size={PAGE_SIZE}",
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
)


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        return [*_writes(place), *_reads(place / "many.db")]


def _writes(place: Path) -> list[Measurement]:
    """Each way once a round, so that what else the machine does falls on all of them alike."""
    ways = (_one_insert, _same_rows, _creates, _by_sqlalchemy, _batch)
    rounds = [[way(place / f"{way.__name__}-{n}.db") for way in ways] for n in range(ROUNDS)]
    bare, rows, made, core, batch = (_rate(median_cost(column)) for column in zip(*rounds, strict=True))
    return [
        Measurement(
            "create in `storage.sql`, 5 index entries, a transaction each",
            made.cpu,
            "/s",
            "sqlite3, the same rows",
            rows.cpu,
            target_ratio=0.5,
            at_least=True,
            wall=made.wall,
        ),
        _writes_row("the same, beside the least there is", made, "sqlite3, one INSERT", bare),
        _writes_row("the same rows written by sqlite3", rows, "sqlite3, one INSERT", bare),
        _writes_row("the same rows, executed by SQLAlchemy Core", core, "sqlite3, the same rows", rows),
        _writes_row(
            f"create in `storage.sql`, {WRITES:,} in a transaction", batch, "sqlite3, the same rows", rows
        ),
    ]


def _writes_row(what: str, found: Cost, name: str, peer: Cost) -> Measurement:
    return Measurement(what, found.cpu, "/s", name, peer.cpu, wall=found.wall)


def _rate(cost: Cost) -> Cost:
    """Writes a second, of CPU and on the wall."""
    return Cost(WRITES / cost.cpu, WRITES / cost.wall)


def name_of(n: int) -> str:
    """Names in no order, as generated ones are."""
    return f"web-{n * 2654435761 % 4294967296:08x}"


def entries_of(n: int) -> list[tuple[str, str]]:
    """Five index entries; ten keys share an app."""
    return [
        ("label", f"app=app-{n // 10}"),
        ("label", "tier=front"),
        ("field", f"spec.nodeName=node-{n % 100}"),
        ("field", "status.phase=Running"),
        ("owner", f"uid-{n // 10}"),
    ]


def _cost(write: Callable[[int], object]) -> Cost:
    """Seconds of many writes."""

    def work() -> None:
        for n in range(WRITES):
            write(n)

    return cost_of(work)


def _raw(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _one_insert(path: Path) -> Cost:
    connection = _raw(path)
    connection.execute("CREATE TABLE object (id INTEGER PRIMARY KEY, key TEXT UNIQUE, value BLOB)")

    def write(n: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO object (key, value) VALUES (?, ?)", (PODS + name_of(n), VALUE))
        connection.execute("COMMIT")

    cost = _cost(write)
    connection.close()
    return cost


def _same_rows(path: Path) -> Cost:
    SQLStorage(path).close()
    connection = _raw(path)
    append = "INSERT INTO log (prev_revision, create_revision, deleted, key, entries, value) VALUES (?, ?, ?, ?, ?, ?)"

    def write(n: int) -> None:
        key = PODS + name_of(n)
        connection.execute("BEGIN IMMEDIATE")
        made = connection.execute(append, (0, 0, 0, key, b"x" * 160, VALUE)).lastrowid
        connection.execute("INSERT INTO current VALUES (?, ?, ?, ?)", (key, made, made, 0))
        connection.executemany(
            "INSERT INTO lookup VALUES (?, ?, ?)", [(*entry, key) for entry in entries_of(n)]
        )
        connection.execute("COMMIT")

    cost = _cost(write)
    connection.close()
    return cost


def _by_sqlalchemy(path: Path) -> Cost:
    SQLStorage(path).close()
    engine = create_engine(f"sqlite:///{path}")
    append = insert(LOG).values({c.name: bindparam(c.name) for c in LOG.columns if c is not LOG.c.revision})
    with engine.connect() as connection:
        for pragma in _PRAGMAS[3:]:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.commit()

        def write(n: int) -> None:
            key = PODS + name_of(n)
            row = {"prev_revision": 0, "create_revision": 0, "deleted": 0, "key": key, "entries": b"x" * 160}
            with connection.begin():
                made = connection.execute(append, {**row, "value": VALUE}).lastrowid
                state = {"key": key, "revision": made, "create_revision": made, "deleted": 0}
                connection.execute(insert(CURRENT), state)
                entries = [{"name": k, "value": v, "key": key} for k, v in entries_of(n)]
                connection.execute(insert(LOOKUP), entries)

        cost = _cost(write)
    engine.dispose()
    return cost


def _creates(path: Path) -> Cost:
    storage = SQLStorage(path)

    def write(n: int) -> None:
        with storage.transaction() as tx:
            tx.create(PODS + name_of(n), VALUE, entries_of(n))

    cost = _cost(write)
    storage.close()
    return cost


def _batch(path: Path) -> Cost:
    storage = SQLStorage(path)
    cost = cost_of(lambda: _fill(storage, 0, WRITES))
    storage.close()
    return cost


def _fill(storage: SQLStorage, first: int, last: int) -> None:
    with storage.transaction() as tx:
        for n in range(first, last):
            tx.create(PODS + name_of(n), VALUE, entries_of(n))


def _reads(path: Path) -> list[Measurement]:
    storage = SQLStorage(path)
    _fill(storage, 0, FEW)
    few = _read(storage, FEW)
    for first in range(FEW, MANY, 5000):
        _fill(storage, first, min(first + 5000, MANY))
    many = _read(storage, MANY)
    storage.close()
    return [
        Measurement(
            f"store of {MANY:,} keys: 200 times {what}",
            seconds * 1000,
            "ms",
            f"{FEW:,} keys",
            few[what] * 1000,
        )
        for what, seconds in many.items()
    ]


def _read(storage: SQLStorage, keys: int) -> dict[str, float]:
    """CPU seconds of 200 reads of a kind."""
    some = [PODS + name_of(n * 7919 % keys) for n in range(200)]
    apps = [f"app=app-{n * 31 % (keys // 10)}" for n in range(200)]
    return {
        "get": median_cpu(lambda: [storage.get(key) for key in some], 7),
        "get at an old revision": median_cpu(lambda: [storage.get(key, at=keys) for key in some], 7),
        "look up 10 by label": median_cpu(lambda: [storage.lookup(PODS, "label", [a]) for a in apps], 7),
        "the last 10 changes": median_cpu(lambda: [storage.changes("", keys - 10) for _ in some], 7),
    }
