"""What every store keeps to: one suite, over each implementation."""

import threading
from collections.abc import Callable, Iterator

import pytest

from kubesim.storage.interface import (
    AllocationTaken,
    Compacted,
    FutureRevision,
    KeyExists,
    RevisionConflict,
    Row,
    Storage,
    StorageError,
)
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage

PODS = "/registry/core/pods/"


@pytest.fixture(params=["memory", "sql"])
def storage(request, tmp_path) -> Iterator[Storage]:
    made = MemoryStorage() if request.param == "memory" else SQLStorage(tmp_path / "cluster.db")
    yield made
    made.close()


def create(storage: Storage, key: str, value: bytes = b"{}", *indexes: tuple[str, str]) -> int:
    with storage.transaction() as tx:
        return tx.create(key, value, indexes)


def update(storage: Storage, key: str, value: bytes, expected: int, *indexes: tuple[str, str]) -> int:
    with storage.transaction() as tx:
        return tx.update(key, value, expected, indexes)


def delete(storage: Storage, key: str, expected: int, last: bytes | None = None) -> int:
    with storage.transaction() as tx:
        return tx.delete(key, expected, last)


def keys(page) -> list[str]:
    return [r.key for r in page.rows]


def test_an_empty_store_has_revision_zero(storage):
    assert storage.revision() == 0
    assert storage.oldest_revision() == 0
    assert storage.list("/").rows == []
    assert storage.list("/").revision == 0
    assert storage.changes("", 0) == []
    assert storage.get("/a") is None


def test_each_write_is_one_revision(storage):
    assert create(storage, "/a", b"1") == 1
    assert create(storage, "/b", b"2") == 2
    assert update(storage, "/a", b"3", 1) == 3
    assert delete(storage, "/b", 2) == 4
    assert storage.revision() == 4
    assert storage.get("/a") == Row("/a", 3, 1, b"3")
    assert storage.get("/b") is None


def test_creating_what_exists_is_refused(storage):
    create(storage, "/a", b"1")
    with pytest.raises(KeyExists, match="/a"):
        create(storage, "/a", b"2")
    assert storage.get("/a") == Row("/a", 1, 1, b"1")
    assert storage.revision() == 1


def test_a_key_made_again_begins_a_new_life(storage):
    create(storage, "/a", b"1", ("label", "x=1"))
    delete(storage, "/a", 1)
    assert create(storage, "/a", b"2") == 3
    assert storage.get("/a") == Row("/a", 3, 3, b"2")
    assert storage.lookup("/", "label", ["x=1"]).rows == []


@pytest.mark.parametrize("write", [update, delete])
def test_a_stale_revision_conflicts_and_writes_nothing(storage, write):
    create(storage, "/a", b"1", ("label", "x=1"))
    update(storage, "/a", b"2", 1, ("label", "x=2"))
    with pytest.raises(RevisionConflict) as caught:
        write(storage, "/a", *([b"3"] if write is update else []), 1)
    assert caught.value.key == "/a"
    assert caught.value.current == Row("/a", 2, 1, b"2")
    assert storage.revision() == 2
    assert keys(storage.lookup("/", "label", ["x=2"])) == ["/a"]


def test_writing_to_what_is_gone_conflicts_with_nothing_there(storage):
    with pytest.raises(RevisionConflict) as caught:
        update(storage, "/a", b"1", 7)
    assert caught.value.current is None
    create(storage, "/a")
    delete(storage, "/a", 1)
    with pytest.raises(RevisionConflict) as caught:
        delete(storage, "/a", 2)
    assert caught.value.current is None


def test_a_list_is_in_key_order_below_the_prefix(storage):
    for name in ("b/2", "a/10", "a/9", "b/1", "a-b/1", "a"):
        create(storage, PODS + name)
    create(storage, "/registry/core/podsx/a")
    assert keys(storage.list(PODS + "a/")) == [PODS + "a/10", PODS + "a/9"]
    assert keys(storage.list(PODS)) == [PODS + n for n in ("a", "a-b/1", "a/10", "a/9", "b/1", "b/2")]
    assert len(storage.list("").rows) == 7
    assert storage.count(PODS) == 6
    assert storage.count("") == 7


def test_keys_beyond_ascii_are_found_by_prefix(storage):
    for name in ("é", "z", "𝄞", "日本"):
        create(storage, f"/{name}/x")
    assert keys(storage.list("/")) == ["/z/x", "/é/x", "/日本/x", "/𝄞/x"]
    assert keys(storage.list("/日本/")) == ["/日本/x"]


def test_pages_follow_each_other_and_say_what_remains(storage):
    for n in range(7):
        create(storage, f"/p/{n}")
    first = storage.list("/p/", limit=3)
    assert (keys(first), first.more, first.remaining) == (["/p/0", "/p/1", "/p/2"], True, 4)
    second = storage.list("/p/", limit=3, after="/p/2")
    assert (keys(second), second.more, second.remaining) == (["/p/3", "/p/4", "/p/5"], True, 1)
    third = storage.list("/p/", limit=3, after="/p/5")
    assert (keys(third), third.more, third.remaining) == (["/p/6"], False, 0)
    whole = storage.list("/p/")
    assert (len(whole.rows), whole.more, whole.remaining) == (7, False, None)


def test_a_page_that_just_fits_has_no_more(storage):
    for n in range(3):
        create(storage, f"/p/{n}")
    page = storage.list("/p/", limit=3)
    assert (len(page.rows), page.more, page.remaining) == (3, False, 0)


def test_pages_at_a_revision_do_not_see_later_changes(storage):
    for n in range(6):
        create(storage, f"/p/{n}", b"old")
    delete(storage, "/p/4", 5)
    update(storage, "/p/5", b"new", 6)
    create(storage, "/p/33")
    first = storage.list("/p/", at=6, limit=2)
    assert (keys(first), first.remaining, first.revision) == (["/p/0", "/p/1"], 4, 6)
    rest = storage.list("/p/", at=6, limit=10, after="/p/1")
    assert keys(rest) == ["/p/2", "/p/3", "/p/4", "/p/5"]
    assert (rest.more, rest.remaining) == (False, 0)
    assert rest.rows[3] == Row("/p/5", 6, 6, b"old")


def test_a_small_page_reaches_past_many_deleted_keys(storage):
    for n in range(40):
        create(storage, f"/p/{n:02}")
    for n in range(39):
        delete(storage, f"/p/{n:02}", n + 1)
    assert keys(storage.list("/p/", at=79, limit=1)) == ["/p/39"]
    assert storage.list("/p/", at=20, limit=5).remaining == 15


def test_the_past_is_read_as_it_was(storage):
    create(storage, "/a", b"1")  # 1
    update(storage, "/a", b"2", 1)  # 2
    delete(storage, "/a", 2)  # 3
    create(storage, "/a", b"4")  # 4
    found = [storage.get("/a", at=r) for r in range(5)]
    assert found == [None, Row("/a", 1, 1, b"1"), Row("/a", 2, 1, b"2"), None, Row("/a", 4, 4, b"4")]
    assert [len(storage.list("/", at=r).rows) for r in range(5)] == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("read", ["get", "list"])
def test_a_revision_that_is_yet_to_come_is_refused(storage, read):
    create(storage, "/a")
    with pytest.raises(FutureRevision, match="Too large resource version: 2, current: 1"):
        getattr(storage, read)("/a", at=2)


def test_a_lookup_finds_what_has_any_of_the_values(storage):
    create(storage, PODS + "n/a", b"a", ("label", "app=web"), ("label", "tier=front"))
    create(storage, PODS + "n/b", b"b", ("label", "app=db"))
    create(storage, PODS + "m/c", b"c", ("label", "app=web"), ("owner", "app=web"))
    create(storage, "/registry/core/services/n/a", b"s", ("label", "app=web"))
    found = storage.lookup(PODS, "label", ["app=web"])
    assert [(r.key, r.value) for r in found.rows] == [(PODS + "m/c", b"c"), (PODS + "n/a", b"a")]
    assert found.revision == 4
    assert keys(storage.lookup(PODS, "label", ["tier=front", "app=web"])) == [PODS + "m/c", PODS + "n/a"]
    assert keys(storage.lookup(PODS + "n/", "label", ["app=web", "app=db"])) == [PODS + "n/a", PODS + "n/b"]
    assert keys(storage.lookup(PODS, "owner", ["app=web"])) == [PODS + "m/c"]
    assert storage.lookup(PODS, "label", []).rows == []


@pytest.mark.parametrize(
    ("prefix", "values", "limit", "number"),
    [
        (PODS, ["app=web"], 10, 3),
        (PODS, ["app=web"], 2, 2),
        (PODS, ["app=web", "app=db"], 10, 4),
        (PODS, ["app=web", "app=db"], 3, 3),
        (PODS + "n/", ["app=web"], 10, 1),
        (PODS, ["app=none"], 10, 0),
        (PODS, [], 10, 0),
    ],
)
def test_a_tally_counts_what_a_lookup_would_find_up_to_a_limit(storage, prefix, values, limit, number):
    for name in ("m/a", "m/b", "n/c"):
        create(storage, PODS + name, b"x", ("label", "app=web"))
    create(storage, PODS + "n/d", b"x", ("label", "app=db"))
    create(storage, "/registry/core/services/n/a", b"s", ("label", "app=web"))
    assert storage.tally(prefix, "label", values, limit) == number


def test_an_update_moves_the_index_entries(storage):
    create(storage, "/a", b"1", ("label", "x=1"), ("label", "y=1"), ("label", "y=1"))
    update(storage, "/a", b"2", 1, ("label", "x=2"), ("label", "y=1"))
    assert storage.lookup("/", "label", ["x=1"]).rows == []
    assert storage.lookup("/", "label", ["x=2"]).rows == [Row("/a", 2, 1, b"2")]
    assert storage.lookup("/", "label", ["y=1"]).rows == [Row("/a", 2, 1, b"2")]
    update(storage, "/a", b"3", 2)
    assert storage.lookup("/", "label", ["x=2", "y=1"]).rows == []


def test_changes_tell_the_value_before(storage):
    create(storage, "/a", b"1")
    update(storage, "/a", b"2", 1)
    create(storage, "/b", b"b")
    delete(storage, "/a", 2)
    create(storage, "/a", b"5")
    delete(storage, "/a", 5, b"last words")
    told = [
        (c.key, c.revision, c.create_revision, c.value, c.old, c.old_revision) for c in storage.changes("", 0)
    ]
    assert told == [
        ("/a", 1, 1, b"1", None, 0),
        ("/a", 2, 1, b"2", b"1", 1),
        ("/b", 3, 3, b"b", None, 0),
        ("/a", 4, 1, None, b"2", 2),
        ("/a", 5, 5, b"5", None, 0),
        ("/a", 6, 5, None, b"last words", 5),
    ]


def test_changes_are_those_after_a_revision_below_a_prefix(storage):
    for n, key in enumerate(["/a/1", "/b/1", "/a/2", "/b/2", "/a/3"]):
        create(storage, key, str(n).encode())
    assert [c.revision for c in storage.changes("/a/", 1)] == [3, 5]
    assert [c.revision for c in storage.changes("", 3)] == [4, 5]
    assert [c.revision for c in storage.changes("/a/", 0, limit=2)] == [1, 3]
    assert storage.changes("/a/", 5) == []
    assert storage.changes("", 99) == []


def test_a_block_that_raises_leaves_nothing_behind(storage):
    create(storage, "/a", b"1", ("label", "x=1"))
    with storage.transaction() as tx:
        tx.allocate("pool", "1", "me")
        tx.set_note("kept", b"old")

    def write_much_and_fail() -> None:
        with storage.transaction() as tx:
            tx.update("/a", b"2", 1, [("label", "x=2")])
            tx.create("/b", b"b", [("label", "x=1")])
            tx.delete("/a", 2)
            tx.allocate("pool", "2", "me")
            tx.release("pool", "1", "me")
            tx.set_note("kept", b"new")
            tx.set_note("other", b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_much_and_fail()
    assert storage.revision() == 1
    assert storage.list("/").rows == [Row("/a", 1, 1, b"1")]
    assert keys(storage.lookup("/", "label", ["x=1", "x=2"])) == ["/a"]
    assert storage.allocations("pool") == {"1": "me"}
    assert storage.notes("") == {"kept": b"old"}
    assert create(storage, "/b") == 2


def test_a_transaction_sees_its_own_writes(storage):
    with storage.transaction() as tx:
        tx.create("/a", b"1", [("label", "x=1")])
        tx.set_note("n", b"1")
        assert tx.get("/a") == Row("/a", 1, 1, b"1")
        assert tx.get_note("n") == b"1"
        assert keys(storage.list("/")) == ["/a"]
        assert keys(storage.lookup("/", "label", ["x=1"])) == ["/a"]
        assert [c.key for c in storage.changes("", 0)] == ["/a"]
        assert storage.revision() == 1
        assert storage.get("/a", at=1) == Row("/a", 1, 1, b"1")


def test_an_inner_block_joins_the_outer_one(storage):
    def fail_outside() -> None:
        with storage.transaction() as outer:
            outer.create("/a", b"1")
            with storage.transaction() as inner:
                inner.create("/b", b"2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_outside()
    assert storage.list("/").rows == []
    with storage.transaction() as outer:
        outer.create("/a", b"1")
        with storage.transaction() as inner:
            assert inner.create("/b", b"2") == 2
    assert keys(storage.list("/")) == ["/a", "/b"]


def test_an_inner_block_that_raises_is_undone_alone(storage):
    def fail_inside() -> None:
        with storage.transaction() as middle:
            middle.create("/b", b"2", [("label", "x=1")])
            middle.allocate("pool", "1", "b")
            with storage.transaction() as inner:
                inner.create("/c", b"3")
            middle.create("/a", b"4")

    with storage.transaction() as outer:
        outer.create("/a", b"1", [("label", "x=1")])
        with pytest.raises(KeyExists):
            fail_inside()
        assert outer.create("/d", b"5", [("label", "x=1")]) == 2
    assert keys(storage.list("/")) == ["/a", "/d"]
    assert keys(storage.lookup("/", "label", ["x=1"])) == ["/a", "/d"]
    assert storage.allocations("pool") == {}
    assert [c.revision for c in storage.changes("", 0)] == [1, 2]


def test_a_transaction_that_has_ended_writes_no_more(storage):
    with storage.transaction() as tx:
        tx.create("/a", b"1")
    with pytest.raises(StorageError, match="this transaction has ended"):
        tx.create("/b", b"2")


def test_an_item_belongs_to_one_owner(storage):
    with storage.transaction() as tx:
        tx.allocate("ip", "10.96.0.1", "a")
        tx.allocate("ip", "10.96.0.1", "a")
        tx.allocate("port", "10.96.0.1", "b")
        assert tx.allocated_count("ip") == 1
    with (
        pytest.raises(AllocationTaken, match=r"ip 10\.96\.0\.1 is taken by a") as caught,
        storage.transaction() as tx,
    ):
        tx.allocate("ip", "10.96.0.1", "b")
    assert (caught.value.pool, caught.value.item, caught.value.owner) == ("ip", "10.96.0.1", "a")
    with storage.transaction() as tx:
        tx.release("ip", "10.96.0.1", "b")
        assert tx.owner_of("ip", "10.96.0.1") == "a"
        tx.release("ip", "10.96.0.1", "a")
        tx.release("ip", "10.96.0.1", "a")
        assert tx.owner_of("ip", "10.96.0.1") is None
        assert tx.allocated_count("ip") == 0
        assert tx.allocations("port") == {"10.96.0.1": "b"}
    assert storage.allocations("ip") == {}
    assert storage.allocations("port") == {"10.96.0.1": "b"}


def test_notes_are_named_values_without_a_revision(storage):
    with storage.transaction() as tx:
        for name in ("timer/b", "timer/a", "config"):
            tx.set_note(name, name.encode())
        tx.set_note("config", b"second")
    assert storage.revision() == 0
    assert storage.get_note("config") == b"second"
    assert storage.get_note("missing") is None
    assert storage.notes("timer/") == {"timer/a": b"timer/a", "timer/b": b"timer/b"}
    with storage.transaction() as tx:
        tx.set_note("timer/a", None)
        tx.set_note("missing", None)
    assert list(storage.notes("")) == ["config", "timer/b"]


def test_compaction_drops_what_only_older_readers_need(storage):
    create(storage, "/a", b"1")  # 1
    update(storage, "/a", b"2", 1)  # 2
    create(storage, "/b", b"3")  # 3
    delete(storage, "/b", 3)  # 4
    create(storage, "/c", b"5")  # 5
    update(storage, "/a", b"6", 2)  # 6
    delete(storage, "/c", 5)  # 7
    storage.compact(5)
    assert storage.oldest_revision() == 5
    assert storage.revision() == 7
    assert [(r.key, r.value) for r in storage.list("/", at=5).rows] == [("/a", b"2"), ("/c", b"5")]
    assert [(r.key, r.value) for r in storage.list("/").rows] == [("/a", b"6")]
    assert [(c.revision, c.value, c.old) for c in storage.changes("", 5)] == [
        (6, b"6", b"2"),
        (7, None, b"5"),
    ]
    for read in (
        lambda: storage.changes("", 4),
        lambda: storage.list("/", at=4),
        lambda: storage.get("/a", at=4),
    ):
        with pytest.raises(Compacted, match="revisions before 5 have been compacted"):
            read()


def test_compacting_again_or_further_back_changes_nothing(storage):
    for n in range(5):
        create(storage, f"/{n}")
    storage.compact(3)
    storage.compact(3)
    storage.compact(2)
    assert storage.oldest_revision() == 3
    with pytest.raises(FutureRevision):
        storage.compact(6)


def test_revisions_grow_though_everything_is_deleted_and_compacted(storage):
    create(storage, "/a", b"1")
    delete(storage, "/a", 1)
    storage.compact(2)
    assert storage.revision() == 2
    assert storage.list("/").rows == []
    assert storage.count("/") == 0
    assert storage.changes("", 2) == []
    assert create(storage, "/a", b"3") == 3
    assert storage.get("/a") == Row("/a", 3, 3, b"3")
    assert storage.get("/a", at=2) is None
    storage.compact(3)
    assert [r.key for r in storage.list("/", at=3).rows] == ["/a"]


def test_compaction_takes_many_steps_over_a_long_log(storage):
    with storage.transaction() as tx:
        tx.create("/kept", b"0")
        revision = tx.create("/a", b"0", [("label", "x=1")])
        for n in range(1800):
            revision = tx.update("/a", str(n).encode(), revision, [("label", "x=1")])
    storage.compact(storage.revision() - 1)
    assert [(c.revision, c.old) for c in storage.changes("", revision - 1)] == [(revision, b"1798")]
    assert keys(storage.lookup("/", "label", ["x=1"])) == ["/a"]
    assert storage.get("/a", at=revision - 1) == Row("/a", revision - 1, 2, b"1798")
    assert storage.get("/kept", at=revision - 1) == Row("/kept", 1, 1, b"0")


def test_compaction_is_refused_inside_a_transaction(storage):
    with storage.transaction() as tx:
        tx.create("/a", b"1")
        with pytest.raises(StorageError, match="compaction inside a transaction"):
            storage.compact(1)


def test_waiting_ends_with_a_change_of_another_thread(storage):
    started = threading.Event()
    seen = []

    def watch() -> None:
        started.set()
        seen.append(storage.wait(0, 30))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started.wait()
    create(storage, "/a")
    watcher.join(30)
    assert seen == [1]


def test_waiting_ends_with_its_time(storage):
    create(storage, "/a")
    assert storage.wait(1, 0) == 1
    assert storage.wait(1, 0.01) == 1
    assert storage.wait(0, 30) == 1


def test_waiting_ends_when_the_store_is_closed(storage):
    failures: list[str] = []

    def watch() -> None:
        try:
            storage.wait(0, 30)
        except StorageError as error:
            failures.append(str(error))

    watcher = threading.Thread(target=watch)
    watcher.start()
    storage.close()
    watcher.join(20)
    assert ["has been closed" in text for text in failures] == [True]


def test_waiting_is_refused_inside_a_transaction(storage):
    with storage.transaction(), pytest.raises(StorageError, match="waiting inside a transaction"):
        storage.wait(0, 30)


def test_subscribers_are_told_of_each_commit_after_it(storage):
    told: list[tuple[str, int]] = []
    first = storage.subscribe(lambda: told.append(("first", storage.revision())))
    second = storage.subscribe(lambda: told.append(("second", storage.revision())))
    with storage.transaction() as tx:
        tx.create("/a", b"1")
        with storage.transaction():
            tx.create("/b", b"2")
        assert told == []
    assert told == [("first", 2), ("second", 2)]
    with pytest.raises(KeyExists), storage.transaction() as tx:
        tx.create("/a", b"3")
    assert len(told) == 2
    first()
    create(storage, "/d")
    assert told[2:] == [("second", 3)]
    second()
    second()
    create(storage, "/e")
    assert len(told) == 3


def test_who_waits_can_be_interrupted(storage):
    create(storage, "/a")
    stop, found = threading.Event(), []
    waiting = threading.Thread(target=lambda: found.append(storage.wait(1, 60, interrupted=stop.is_set)))
    waiting.start()
    storage.wake()
    waiting.join(0.05)
    assert waiting.is_alive()
    stop.set()
    storage.wake()
    waiting.join(30)
    assert found == [1]
    assert storage.wait(1, 60, interrupted=stop.is_set) == 1


def test_a_subscriber_may_read_and_write(storage):
    def once() -> None:
        end()
        create(storage, "/told")

    end = storage.subscribe(once)
    create(storage, "/a")
    assert keys(storage.list("/")) == ["/a", "/told"]


def test_a_writer_in_a_hurry_lets_others_have_their_turn(storage):
    """One thread writes as fast as it can; another gets its few writes in between, not afterwards."""
    stop = threading.Event()
    written: list[int] = []

    def work(n: int) -> None:
        if n:
            for step in range(10):
                create(storage, f"/patient/{step}")
            stop.set()
            return
        for step in range(20_000):
            create(storage, f"/hasty/{step}")
            written.append(step)
            if stop.is_set():
                return

    in_threads(2, work)
    assert len(written) < 20_000


def in_threads(count: int, work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def run(n: int) -> None:
        try:
            work(n)
        except BaseException as error:  # noqa: BLE001 - the test judges
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_threads_that_count_up_one_key_lose_no_step(storage):
    create(storage, "/counter", b"0")

    def count(n: int) -> None:
        for _ in range(20):
            while True:
                row = storage.get("/counter")
                assert row is not None
                try:
                    update(storage, "/counter", str(int(row.value) + 1).encode(), row.revision)
                except RevisionConflict:
                    continue
                break

    in_threads(4, count)
    row = storage.get("/counter")
    assert row is not None
    assert (row.value, row.revision) == (b"80", 81)


def test_a_list_never_sees_half_a_transaction(storage):
    stop = threading.Event()

    def work(n: int) -> None:
        if n:
            for step in range(60):
                with storage.transaction() as tx:
                    tx.create(f"/p/{step}/a", b"")
                    tx.create(f"/p/{step}/b", b"")
            stop.set()
            return
        while not stop.is_set():
            page = storage.list("/p/")
            assert len(page.rows) == page.revision
            assert page.revision % 2 == 0

    in_threads(2, work)


def test_a_closed_store_says_so(storage):
    create(storage, "/a")
    storage.close()
    with pytest.raises(StorageError, match="has been closed"):
        storage.get("/a")
    with pytest.raises(StorageError, match="has been closed"):
        create(storage, "/b")
