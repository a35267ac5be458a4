"""What the store in a file adds: several processes, a process killed, a disk full, a file that is not ours."""

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kubesim.storage.interface import Row, StorageError
from kubesim.storage.sql import SQLStorage

WORKER = Path(__file__).parents[2] / "support" / "storage_worker.py"
SERVICES = "/registry/core/services/"


def worker(mode: str, path: Path, name: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), mode, str(path), name, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def in_a_fork(work: Callable[[], object]) -> str:
    """Run in a forked process; what it returns or raises, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = str(work())
        except BaseException as error:  # noqa: BLE001 - the parent judges
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


def fill(storage: SQLStorage, number: int, size: int = 100) -> None:
    with storage.transaction() as tx:
        for n in range(number):
            tx.create(f"/p/{n:05}", b"x" * size, [("label", f"n={n % 10}")])


def check_sound(storage: SQLStorage) -> None:
    """Look-ups, allocations and SQLite's own check agree with the rows."""
    rows = storage.list(SERVICES).rows
    assert storage.allocations("items") == {
        r.value.decode()[: len(i)]: r.key for r, i in zip(rows, items(rows), strict=True)
    }
    by_index = {v: storage.lookup(SERVICES, "field", [f"item={v}"]).rows for v in items(rows)}
    assert by_index == {i: [r] for r, i in zip(rows, items(rows), strict=True)}
    assert storage.count(SERVICES) == len(rows)
    with storage._any() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT used FROM pool").fetchone() == (len(rows),)


def items(rows) -> list[str]:
    """The item of each row: an updated value repeats it 300 times."""
    return [v[: len(v) // 300] if len(v := r.value.decode()) >= 300 else v for r in rows]


def test_a_file_keeps_everything_when_it_is_opened_again(tmp_path):
    path = tmp_path / "cluster.db"
    storage = SQLStorage(path)
    with storage.transaction() as tx:
        tx.create("/a", b"1", [("label", "x=1")])
        tx.update("/a", b"2", 1, [("label", "x=2")])
        tx.allocate("pool", "1", "me")
        tx.set_note("n", b"v")
    storage.close()
    storage = SQLStorage(f"sqlite:///{path}")
    assert storage.get("/a") == Row("/a", 2, 1, b"2")
    assert storage.get("/a", at=1) == Row("/a", 1, 1, b"1")
    assert storage.lookup("/", "label", ["x=2"]).rows == [Row("/a", 2, 1, b"2")]
    assert storage.allocations("pool") == {"1": "me"}
    assert storage.get_note("n") == b"v"
    storage.close()


def test_the_files_are_their_owners_alone(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 1)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"cluster.db": 0o600, "cluster.db-wal": 0o600, "cluster.db-shm": 0o600}
    storage.close()


def test_a_database_can_be_told_from_other_programs(tmp_path):
    SQLStorage(tmp_path / "cluster.db").close()
    assert (tmp_path / "cluster.db").read_bytes()[68:72] == b"kube"


def test_processes_lose_nothing_and_share_no_item(tmp_path):
    path = tmp_path / "cluster.db"
    workers = [worker("create", path, f"w{n}", 50) for n in range(4)]
    told = [line.split() for w in workers for line in w.communicate(timeout=120)[0].splitlines()]
    assert [w.returncode for w in workers] == [0, 0, 0, 0]
    assert len(told) == 200
    storage = SQLStorage(path)
    assert storage.revision() == 200
    assert {r.key: r.value.decode() for r in storage.list(SERVICES).rows} == dict(told)
    assert len({item for _, item in told}) == 200
    assert storage.allocations("items") == {item: key for key, item in told}
    assert [c.revision for c in storage.changes("", 0)] == list(range(1, 201))
    check_sound(storage)
    storage.close()


def test_a_killed_process_leaves_every_acknowledged_write(tmp_path):
    path = tmp_path / "cluster.db"
    acknowledged: dict[str, str] = {}
    for n in range(20):
        running = worker("forever", path, f"w{n}", 0)
        assert running.stdout is not None
        for _ in range(1 + n * 7 % 30):
            key, item = running.stdout.readline().split()
            acknowledged[key] = item
        running.kill()
        for line in running.communicate()[0].splitlines():
            if len(parts := line.split()) == 2 and line.count("/") == 5:
                acknowledged.setdefault(*parts)
        assert running.returncode == -signal.SIGKILL
    storage = SQLStorage(path)
    rows = storage.list(SERVICES).rows
    there = dict(zip([r.key for r in rows], items(rows), strict=True))
    # A line cut off by the kill may name a shorter item; the key's own line was whole when it was read.
    assert {k for k in acknowledged if k not in there} == set()
    assert {k: v for k, v in acknowledged.items() if not there[k].startswith(v)} == {}
    check_sound(storage)
    storage.close()


def test_waiting_sees_what_another_process_writes(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    other = worker("create", tmp_path / "cluster.db", "w", 1)
    assert storage.wait(0, 60) == 1
    other.communicate()
    storage.close()


def test_all_who_wait_see_what_another_process_writes_and_subscribers_are_told(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    told, seen = threading.Event(), []
    storage.subscribe(told.set)
    threads = [threading.Thread(target=lambda: seen.append(storage.wait(0, 60))) for _ in range(10)]
    for thread in threads:
        thread.start()
    brief = storage.wait(0, 0.03)  # whoever looks for the others may leave before them
    other = worker("create", tmp_path / "cluster.db", "w", 1)
    for thread in threads:
        thread.join(30)
    assert brief == 0
    assert seen == [1] * 10
    assert told.wait(30)
    other.communicate()
    storage.close()


def test_a_fork_goes_on_with_its_own_connections(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 3)

    def work() -> object:
        with storage.transaction() as tx:
            tx.create("/forked", b"1")
        return len(storage.list("/").rows)

    assert in_a_fork(work) == "4"
    with storage.transaction() as tx:
        assert tx.create("/parent", b"2") == 5
    assert storage.get("/forked") == Row("/forked", 4, 4, b"1")
    storage.close()


def test_a_full_disk_is_said_and_changes_nothing(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 10)
    storage._writing().execute("PRAGMA max_page_count=30")

    def write_too_much() -> None:
        with storage.transaction() as tx:
            tx.create("/small", b"1")
            with storage.transaction() as inner:
                inner.create("/large", b"x" * 1_000_000)

    with pytest.raises(
        StorageError, match=r"the disk is full: .*cluster\.db cannot grow; nothing was changed"
    ):
        write_too_much()
    assert storage.revision() == 10
    assert storage.get("/small") is None
    storage._writing().execute("PRAGMA max_page_count=1000000")
    with storage.transaction() as tx:
        assert tx.create("/small", b"1") == 11
    storage.close()


def test_a_file_that_may_not_grow_is_said_and_stays_sound(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 10)

    def work() -> object:
        size = 200_000
        sys.dont_write_bytecode = True  # compiled modules would be cut off too
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        fill_more(storage)
        return "wrote beyond the limit"

    def fill_more(storage: SQLStorage) -> None:
        for n in range(1000):
            with storage.transaction() as tx:
                tx.create(f"/more/{n:04}", b"x" * 1000)

    assert in_a_fork(work).startswith("StorageError: cannot read or write ")
    found = storage.list("/").rows
    assert storage.revision() == len(found) > 10
    fill_more_keys = [r.key for r in found if r.key.startswith("/more/")]
    assert fill_more_keys == [f"/more/{n:04}" for n in range(len(fill_more_keys))]
    with storage.transaction() as tx:
        tx.create("/after", b"1")
    storage.close()


@pytest.fixture
def open_directory():
    """A directory that other users may enter, for tests that give up root's rights."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def as_nobody(work: Callable[[], object]) -> str:
    def run() -> object:
        if os.geteuid() == 0:
            os.setuid(65534)
        return work()

    return in_a_fork(run)


def test_a_directory_that_may_not_be_written_is_said(open_directory):
    os.chmod(open_directory, 0o555)
    said = as_nobody(lambda: SQLStorage(open_directory / "cluster.db"))
    assert said == f"StorageError: cannot open {open_directory}/cluster.db: Permission denied"
    os.chmod(open_directory, 0o755)


def test_a_file_that_may_not_be_written_is_said(open_directory):
    path = open_directory / "cluster.db"
    storage = SQLStorage(path)
    fill(storage, 2)
    storage.close()
    os.chmod(path, 0o444)
    os.chmod(open_directory, 0o555)

    def work() -> object:
        storage = SQLStorage(path)
        with storage.transaction() as tx:
            tx.create("/a", b"1")
        return "written"

    said = as_nobody(work)
    assert said in (
        f"StorageError: {path} is read-only: allow writing to the file and to its directory, or choose another state directory",
        f"StorageError: cannot open {path}: its directory may not be written to",
    )
    os.chmod(open_directory, 0o755)


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(StorageError, match=r"cannot open .*/missing/cluster\.db: No such file or directory"):
        SQLStorage(tmp_path / "missing" / "cluster.db")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"apiVersion: v1\nkind: Pod\n" * 100, "is damaged", id="text"),
        pytest.param(os.urandom(8192), "is damaged", id="noise"),
        pytest.param(b"SQLite format 3\0" + b"\0" * 4080, "is damaged", id="header-only"),
    ],
)
def test_a_file_that_is_no_database_is_said(tmp_path, content, text):
    path = tmp_path / "cluster.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=text) as caught:
        SQLStorage(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_page_is_said(tmp_path):
    path = tmp_path / "cluster.db"
    storage = SQLStorage(path)
    fill(storage, 2000)
    storage.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(
        StorageError, match=r"cluster\.db is damaged .*: restore it from a copy, or remove it"
    ):
        SQLStorage(path).list("/")


def test_a_newer_schema_is_said(tmp_path):
    path = tmp_path / "cluster.db"
    SQLStorage(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    with pytest.raises(
        StorageError, match=r"was written by a newer kubesim \(schema 7, here up to 1\): upgrade kubesim"
    ):
        SQLStorage(path)


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "cookies.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cookies (name)")
    connection.close()
    with pytest.raises(StorageError, match=r"cookies\.db is the database of another program"):
        SQLStorage(path)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (":memory:", "a SQL store needs a file"),
        ("sqlite://", "a SQL store needs a file"),
        ("oracle://host/db", "the store of kubesim is a SQLite file"),
        ("nosuch://host/db", "cannot open nosuch://host/db"),
    ],
)
def test_a_url_that_names_no_file_is_refused(url, text):
    with pytest.raises(StorageError, match=text):
        SQLStorage(url)


def test_a_writer_that_takes_too_long_is_said(tmp_path):
    path = tmp_path / "cluster.db"
    first, second = SQLStorage(path), SQLStorage(path, busy_seconds=0.05)
    with first.transaction() as tx:
        tx.create("/a", b"1")
        assert second.get("/a") is None
        with (
            pytest.raises(
                StorageError, match=r"is locked: another process has been writing to it for 0\.05 seconds"
            ),
            second.transaction(),
        ):
            pass
    with second.transaction() as tx:
        tx.create("/b", b"2")
    first.close()
    second.close()


def test_readers_go_on_while_another_thread_writes(tmp_path):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 3)
    seen = []
    with storage.transaction() as tx:
        tx.create("/new", b"1")
        reader = threading.Thread(target=lambda: seen.append(len(storage.list("/").rows)))
        reader.start()
        reader.join(10)
    assert seen == [3]
    storage.close()


def test_compaction_gives_the_space_back(tmp_path):
    path = tmp_path / "cluster.db"
    storage = SQLStorage(path)
    with storage.transaction() as tx:
        revision = tx.create("/a", b"")
        for n in range(2000):
            revision = tx.update("/a", bytes([n % 256]) * 4000, revision)
    size = path.stat().st_size + (tmp_path / "cluster.db-wal").stat().st_size
    storage.compact(revision)
    after = path.stat().st_size + (tmp_path / "cluster.db-wal").stat().st_size
    assert size > 8_000_000
    assert after < 200_000
    assert storage.get("/a") == Row("/a", revision, 1, bytes([1999 % 256]) * 4000)
    storage.close()


def test_compaction_does_not_wait_for_a_reader_of_the_past(tmp_path):
    storage, reader = SQLStorage(tmp_path / "cluster.db"), SQLStorage(tmp_path / "cluster.db")
    fill(storage, 50)
    with reader._moment() as connection:
        assert reader._newest(connection) == 50
        with storage.transaction() as tx:
            tx.delete("/p/00001", 2)
        storage.compact(51)
        assert connection.execute("SELECT count(*) FROM current").fetchone() == (50,)
    assert storage.count("/") == 49
    storage.close()
    reader.close()


@pytest.mark.parametrize(
    ("statement", "parameters", "plan"),
    [
        (
            "get",
            ("k",),
            "SEARCH current USING PRIMARY KEY (key=?); SEARCH log USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            "page",
            ("a", "b", 1),
            "SEARCH current USING PRIMARY KEY (key>? AND key<?); SEARCH log USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            "lookup",
            ("n", "v", "a", "b"),
            "SEARCH lookup USING PRIMARY KEY (name=? AND value=? AND key>? AND key<?); SEARCH current USING PRIMARY KEY (key=?); SEARCH log USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            "changes_below",
            (1, 1, "a", 1),
            "SEARCH log USING INTEGER PRIMARY KEY (rowid>?); SEARCH old USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
        ),
        ("superseded", (1, 2), "SEARCH log USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("count_keys", ("a", "b", 1), "SEARCH current USING PRIMARY KEY (key>? AND key<?)"),
    ],
)
def test_a_statement_reads_no_more_than_its_answer(tmp_path, statement, parameters, plan):
    storage = SQLStorage(tmp_path / "cluster.db")
    fill(storage, 500)
    with storage._any() as connection:
        explained = connection.execute("EXPLAIN QUERY PLAN " + getattr(storage._sql, statement), parameters)
        assert "; ".join(step[3] for step in explained) == plan
    storage.close()
