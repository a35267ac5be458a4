"""Both stores against a model that keeps nothing but the list of all changes, and works everything out from it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kubesim.storage.interface import (
    AllocationTaken,
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    RevisionConflict,
    Row,
    Storage,
    Transaction,
)
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage

KEYS = st.sampled_from(["/a/1", "/a/10", "/a/b/1", "/ab/1", "/b/é"])
PREFIXES = st.sampled_from(["", "/", "/a", "/a/", "/a/b/", "/b/", "/c/"])
VALUES = st.binary(max_size=4)
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["label", "owner"]), st.sampled_from(["x", "y", "z"])), max_size=4
)
POOLS, ITEMS, OWNERS = st.sampled_from(["ip", "port"]), st.sampled_from("123"), st.sampled_from("ab")
NAMES = st.sampled_from(["n/1", "n/2", "m"])


class Model:
    """The naive store. `entries` are those of each change."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.entries: dict[int, frozenset[tuple[str, str]]] = {}
        self.taken: dict[tuple[str, str], str] = {}
        self.notes: dict[str, bytes] = {}
        self.oldest = 0

    def copy(self) -> "Model":
        made = Model()
        made.changes, made.entries = list(self.changes), dict(self.entries)
        made.taken, made.notes, made.oldest = dict(self.taken), dict(self.notes), self.oldest
        return made

    @property
    def revision(self) -> int:
        return len(self.changes)

    def rows(self, prefix: str, at: int) -> list[Row]:
        found: dict[str, Row] = {}
        for change in self.changes[:at]:
            if change.value is None:
                found.pop(change.key, None)
            else:
                found[change.key] = Row(change.key, change.revision, change.create_revision, change.value)
        return [found[k] for k in sorted(found) if k.startswith(prefix)]

    def row(self, key: str) -> Row | None:
        return next((r for r in self.rows(key, self.revision) if r.key == key), None)

    def write(
        self, key: str, value: bytes | None, entries: frozenset[tuple[str, str]], last: bytes | None
    ) -> int:
        before, revision = self.row(key), self.revision + 1
        created = before.create_revision if before else revision
        old = last if value is None and last is not None else before.value if before else None
        self.changes.append(Change(key, revision, created, value, old, before.revision if before else 0))
        self.entries[revision] = entries
        return revision

    # The methods of a Transaction.

    def create(self, key, value, entries) -> int:
        if self.row(key):
            raise KeyExists(key)
        return self.write(key, value, frozenset(entries), None)

    def update(self, key, value, expected, entries) -> int:
        self.expect(key, expected)
        return self.write(key, value, frozenset(entries), None)

    def delete(self, key, expected, last) -> int:
        self.expect(key, expected)
        return self.write(key, None, frozenset(), last)

    def expect(self, key, expected) -> None:
        row = self.row(key)
        if not row or row.revision != expected:
            raise RevisionConflict(key, row)

    def allocate(self, pool, item, owner) -> None:
        taken = self.taken.setdefault((pool, item), owner)
        if taken != owner:
            raise AllocationTaken(pool, item, taken)

    def release(self, pool, item, owner) -> None:
        if self.taken.get((pool, item)) == owner:
            del self.taken[pool, item]

    def set_note(self, name, value) -> None:
        self.notes.pop(name, None)
        if value is not None:
            self.notes[name] = value


# What is added to the revision that a writer names: mostly nothing, at times it is stale or absurd.
SLACK = st.sampled_from([0, 0, 0, 0, 0, 0, -1, -2, 1])
OPERATIONS = st.one_of(
    st.tuples(st.just("create"), KEYS, VALUES, ENTRIES),
    st.tuples(st.just("update"), KEYS, VALUES, SLACK, ENTRIES),
    st.tuples(st.just("delete"), KEYS, SLACK, st.none() | VALUES),
    st.tuples(st.just("allocate"), POOLS, ITEMS, OWNERS),
    st.tuples(st.just("release"), POOLS, ITEMS, OWNERS),
    st.tuples(st.just("set_note"), NAMES, st.none() | VALUES),
)
# A plan is a list of operations and of inner blocks, each of which may end with a failure.
PLANS = st.recursive(
    st.lists(OPERATIONS, max_size=5),
    lambda inner: st.tuples(st.booleans(), st.lists(OPERATIONS | inner, max_size=4)),
    max_leaves=6,
)


class Failure(Exception):
    """What makes a block fail on purpose."""


def apply(model: Model, tx: Transaction, operation) -> None:
    """Do one operation on both; they agree on the result or on the error."""
    kind, *arguments = operation
    if kind in ("update", "delete"):
        row = model.row(arguments[0])
        arguments[-2] += row.revision if row else 0
    outcomes = []
    for side in (model, tx):
        try:
            outcomes.append(getattr(side, kind)(*arguments))
        except (KeyExists, RevisionConflict, AllocationTaken) as error:
            outcomes.append((type(error), str(error), getattr(error, "current", None)))
    assert outcomes[1] == outcomes[0]


class StorageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @initialize()
    def begin(self) -> None:
        self.storage: Storage = self.open()

    def open(self) -> Storage:
        return MemoryStorage()

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=4))
    def write(self, operations) -> None:
        self.block(False, operations)

    @rule(key=KEYS, values=st.lists(VALUES, max_size=3), entries=ENTRIES, compacted=st.booleans())
    def live_and_die(self, key, values, entries, compacted) -> None:
        if self.model.row(key) is None:
            self.block(False, [("create", key, b"born", entries)])
        for value in values:
            self.block(False, [("update", key, value, 0, entries)])
        self.block(False, [("delete", key, 0, None)])
        if compacted:
            self.compact(0)

    @rule(plan=PLANS)
    def transact(self, plan) -> None:
        fails, steps = plan if isinstance(plan, tuple) else (False, plan)
        self.block(fails, steps)

    def block(self, fails: bool, steps) -> None:
        before = self.model.copy()
        try:
            with self.storage.transaction() as tx:
                for step in steps:
                    if isinstance(step, list):
                        self.block(False, step)
                    elif isinstance(step[0], bool):
                        self.block(*step)
                    else:
                        apply(self.model, tx, step)
                assert tx.allocations("ip") == {
                    i: o for (p, i), o in sorted(self.model.taken.items()) if p == "ip"
                }
                assert tx.allocated_count("port") == sum(p == "port" for p, _ in self.model.taken)
                if fails:
                    raise Failure
        except Failure:
            self.model = before

    @rule(prefix=PREFIXES, back=st.integers(-2, 8), limit=st.integers(0, 3))
    def read_the_past(self, prefix, back, limit) -> None:
        at = self.model.revision - back
        if at > self.model.revision:
            with pytest.raises(FutureRevision):
                self.storage.list(prefix, at=at)
            return
        if at < self.model.oldest:
            with pytest.raises(Compacted):
                self.storage.list(prefix, at=at)
            return
        expected = self.model.rows(prefix, at)
        found: list[Row] = []
        while True:
            page = self.storage.list(prefix, at=at, limit=limit, after=found[-1].key if found else "")
            found += page.rows
            assert page.revision == at
            assert page.remaining == (len(expected) - len(found) if limit else None)
            if not page.more:
                break
        assert found == expected
        for key in {r.key for r in expected} | {"/a/1", "/b/é"}:
            assert self.storage.get(key, at=at) == next(
                (r for r in self.model.rows(key, at) if r.key == key), None
            )

    @rule(prefix=PREFIXES, back=st.integers(0, 12), limit=st.integers(0, 3))
    def watch(self, prefix, back, limit) -> None:
        after = max(0, self.model.revision - back)
        if after < self.model.oldest:
            with pytest.raises(Compacted):
                self.storage.changes(prefix, after)
            return
        expected = [c for c in self.model.changes[after:] if c.key.startswith(prefix)]
        assert list(self.storage.changes(prefix, after, limit=limit)) == (
            expected[:limit] if limit else expected
        )

    @rule(
        prefix=PREFIXES,
        values=st.lists(st.sampled_from("xyz"), max_size=3),
        index=st.sampled_from(["label", "owner"]),
    )
    def look_up(self, prefix, values, index) -> None:
        expected = [
            r for r in self.model.rows(prefix, self.model.revision)
            if any((index, v) in self.model.entries[r.revision] for v in values)
        ]  # fmt: skip
        assert self.storage.lookup(prefix, index, values).rows == expected
        if len(values) == 1:
            assert self.storage.tally(prefix, index, values, 2) == min(len(expected), 2)

    @precondition(lambda self: self.model.revision > self.model.oldest)
    @rule(back=st.integers(0, 6))
    def compact(self, back) -> None:
        revision = max(0, self.model.revision - back)
        self.storage.compact(revision)
        self.model.oldest = max(self.model.oldest, revision)

    @invariant()
    def the_present_agrees(self) -> None:
        if not hasattr(self, "storage"):
            return
        rows = self.model.rows("", self.model.revision)
        page = self.storage.list("")
        assert (page.rows, page.revision) == (rows, self.model.revision)
        assert self.storage.count("/a") == sum(r.key.startswith("/a") for r in rows)
        assert self.storage.oldest_revision() == self.model.oldest
        assert self.storage.notes("") == dict(sorted(self.model.notes.items()))
        for pool in ("ip", "port"):
            assert self.storage.allocations(pool) == {
                i: o for (p, i), o in sorted(self.model.taken.items()) if p == pool
            }

    def teardown(self) -> None:
        if hasattr(self, "storage"):
            self.storage.close()


class SQLMachine(StorageMachine):
    def open(self) -> Storage:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "cluster.db"
        return SQLStorage(self.path)

    @rule()
    def reopen(self) -> None:
        self.storage.close()
        self.storage = SQLStorage(self.path)

    @rule(key=KEYS, value=VALUES)
    def another_opens_it_too(self, key, value) -> None:
        other = SQLStorage(self.path)
        with other.transaction() as tx:
            apply(self.model, tx, ("create", key, value, [("label", "x")]))
        other.close()

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestMemoryStorage = StorageMachine.TestCase
TestMemoryStorage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSQLStorage = SQLMachine.TestCase
TestSQLStorage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
