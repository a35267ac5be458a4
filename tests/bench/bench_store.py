"""What the store costs: `python tests/bench/bench_store.py [--keys 100000]`. Medians of one run.

The peer is sqlite3 with the same pragmas on the same disk, in two ways: one INSERT into one table in a transaction
(what a write costs at the least), and the very rows that a create writes (what the layer above SQLite adds).
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kubesim.storage.sql import SQLStorage
from kubesim.storage.sql_sqlite import CHECKPOINT_PAGES, PAGE_SIZE
from kubesim.util.clock import SystemClock

CLOCK = SystemClock()
PODS = "/registry/core/pods/default/"
VALUE = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeName":"node-1"}}' * 10
WRITES = 2000


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


def timed(work: Callable[[], object]) -> float:
    started = CLOCK.monotonic()
    work()
    return CLOCK.monotonic() - started


def median(work: Callable[[], object], times: int) -> float:
    return statistics.median(timed(work) for _ in range(times))


def raw(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        f"page_size={PAGE_SIZE}",
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def raw_inserts(path: Path) -> float:
    """Transactions of one INSERT each, a second."""
    connection = raw(path)
    connection.execute("CREATE TABLE object (id INTEGER PRIMARY KEY, key TEXT UNIQUE, value BLOB)")

    def work() -> None:
        for n in range(WRITES):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO object (key, value) VALUES (?, ?)", (PODS + name_of(n), VALUE))
            connection.execute("COMMIT")

    took = timed(work)
    connection.close()
    return WRITES / took


def raw_rows(path: Path) -> float:
    """Transactions that write the rows of a create, a second."""
    SQLStorage(path).close()
    connection = raw(path)

    def work() -> None:
        for n in range(WRITES):
            key = PODS + name_of(n)
            connection.execute("BEGIN IMMEDIATE")
            columns = "(prev_revision, create_revision, deleted, key, entries, value)"
            row = (0, 0, 0, key, b"x" * 160, VALUE)
            made = connection.execute(f"INSERT INTO log {columns} VALUES (?, ?, ?, ?, ?, ?)", row).lastrowid
            connection.execute("INSERT INTO current VALUES (?, ?, ?, ?)", (key, made, made, 0))
            rows = [(*entry, key) for entry in entries_of(n)]
            connection.executemany("INSERT INTO lookup VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")

    took = timed(work)
    connection.close()
    return WRITES / took


def creates(path: Path) -> float:
    """Creates in a transaction each, a second."""
    storage = SQLStorage(path)

    def work() -> None:
        for n in range(WRITES):
            with storage.transaction() as tx:
                tx.create(PODS + name_of(n), VALUE, entries_of(n))

    took = timed(work)
    storage.close()
    return WRITES / took


def fill(storage: SQLStorage, first: int, last: int) -> None:
    with storage.transaction() as tx:
        for n in range(first, last):
            tx.create(PODS + name_of(n), VALUE, entries_of(n))


def batches(path: Path) -> float:
    """Creates in one transaction for all, a second."""
    storage = SQLStorage(path)
    took = timed(lambda: fill(storage, 0, WRITES))
    storage.close()
    return WRITES / took


def reads(storage: SQLStorage, keys: int) -> dict[str, float]:
    """Seconds of each read."""
    some = [PODS + name_of(n * 7919 % keys) for n in range(200)]
    apps = [f"app=app-{n * 31 % (keys // 10)}" for n in range(200)]
    return {
        "get": median(lambda: [storage.get(key) for key in some], 7) / len(some),
        "get at a revision": median(lambda: [storage.get(key, at=keys) for key in some], 7) / len(some),
        "lookup of 10": median(lambda: [storage.lookup(PODS, "label", [a]) for a in apps], 7) / len(apps),
        "list 1,000 (a page)": median(lambda: storage.list(PODS, limit=1000), 7),
        "count": median(lambda: storage.count(PODS), 7),
        "changes, the last 100": median(lambda: storage.changes(PODS, keys - 100), 7),
    }


def cpu_of(code: str) -> float:
    """CPU seconds of a Python process that runs a statement."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)

    return statistics.median(once() for _ in range(7))


def say(what: str, figure: str, ratio: float | None = None) -> None:
    print(f"{what:<44}{figure:>14}" + (f"{ratio:>9.2f}" if ratio is not None else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the store.")
    parser.add_argument(
        "--keys", type=int, default=100_000, help="size of the large cluster (default %(default)s)"
    )
    keys: int = parser.parse_args().keys
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        rounds = [
            [
                measure(place / f"{measure.__name__}-{n}.db")
                for measure in (raw_inserts, raw_rows, creates, batches)
            ]
            for n in range(5)
        ]
        one, rows, made, batch = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{'writes':<44}{'a second':>14}{'ratio':>9}")
        say("sqlite3, one INSERT a transaction", f"{one:,.0f}", 1.0)
        say("sqlite3, the rows of a create", f"{rows:,.0f}", rows / one)
        say("create, 5 index entries", f"{made:,.0f}", made / one)
        say("  of sqlite3 writing the same rows", "", made / rows)
        say("create in a batch of 2,000", f"{batch:,.0f}", batch / one)
        storage = SQLStorage(place / "large.db")
        fill(storage, 0, 1000)
        small = reads(storage, 1000)
        for first in range(1000, keys, 5000):
            fill(storage, first, min(first + 5000, keys))
        large = reads(storage, keys)
        storage.close()
        print(f"\n{'reads, µs':<30}{'1,000 keys':>14}{f'{keys:,} keys':>14}{'ratio':>9}")
        for what, seconds in small.items():
            figures = f"{seconds * 1e6:>14,.1f}{large[what] * 1e6:>14,.1f}"
            print(f"{what:<30}{figures}{large[what] / seconds:>9.2f}")
        opened = f"from kubesim.storage.sql import SQLStorage; SQLStorage({str(place / 'large.db')!r})"
        print(f"\n{'a process, CPU ms':<44}")
        for what, code in (
            ("python", "pass"),
            ("import kubesim.storage.memory", "import kubesim.storage.memory"),
            ("import kubesim.storage.sql", "import kubesim.storage.sql"),
            ("open a store and get one key", f"{opened}.get({PODS + name_of(7)!r})"),
        ):
            say(what, f"{cpu_of(code) * 1000:,.0f}")


if __name__ == "__main__":
    main()
