from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kubesim.controllers.workstate import Timer, Timers, WorkState
from kubesim.util.state import MemoryState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def timer(seconds: float) -> Timer:
    return Timer(after(seconds), "a test")


class Counting(MemoryState):
    """Counts the values that were read."""

    read = 0

    def get(self, name: str) -> bytes | None:
        self.read += 1
        return super().get(name)

    def items(self, prefix: str) -> dict[str, bytes]:
        found = super().items(prefix)
        self.read += len(found)
        return found


def test_the_earliest_timer_is_the_one_that_is_true_now():
    timers = Timers({("a", "x"): timer(5), ("a", "y"): timer(3)})
    assert timers.earliest() == after(3)
    timers.set(("a", "y"), timer(9))
    assert timers.earliest() == after(5)
    assert timers.drop(("a", "x"))
    assert not timers.drop(("a", "x"))
    assert timers.earliest() == after(9)
    assert timers.earliest(["b"]) is None
    timers.set(("b", "z"), timer(20))
    assert (timers.earliest(["b"]), timers.earliest(["a", "b"])) == (after(20), after(9))


def test_what_is_due_comes_in_the_order_of_names_and_stays_until_it_is_done():
    timers = Timers()
    for number, key in enumerate(["c", "a", "d", "b"]):
        timers.set(("k", key), timer(number))
    timers.set(("k", "d"), timer(50))
    due = [("k", "a"), ("k", "b"), ("k", "c")]
    assert timers.due(after(3)) == due
    assert timers.due(after(3)) == due
    assert timers.due(after(-1)) == []


def test_timers_that_are_set_again_and_again_take_no_more_room():
    timers = Timers()
    for number in range(10_000):
        timers.set(("k", str(number % 3)), timer(number))
    assert len(timers) == 3
    assert len(timers._heap) < 200
    assert timers.earliest() == after(9997)


def test_what_is_saved_is_read_by_the_next_process():
    store = MemoryState()
    state = WorkState(store)
    state.timers().set(("a", "ns/x"), Timer(after(1), "it waits", 2))
    state.save([("a", "ns/x")], {"a": 7, "b": 7})
    other = WorkState(store)
    assert other.timers().get(("a", "ns/x")) == Timer(after(1), "it waits", 2)
    assert (other.earliest(), other.checkpoints(["a", "c"])) == (after(1), {"a": 7, "c": 7})
    assert state.is_current()
    other.timers().drop(("a", "ns/x"))
    other.save([("a", "ns/x")], None)
    assert not state.is_current()
    assert state.timers().get(("a", "ns/x")) is None
    assert state.earliest() is None


def test_a_wish_in_the_inbox_is_due_at_once_and_becomes_a_timer():
    store = MemoryState()
    settling = WorkState(store)
    settling.timers().set(("a", "x"), timer(100))
    settling.save([("a", "x")], None)
    WorkState(store).post(("a", "x"), after(7), "a process ended")
    assert settling.is_current()
    assert settling.earliest() == after(7)
    assert settling.posted()
    settling.collect()
    assert not settling.posted()
    assert settling.timers().get(("a", "x")) == Timer(after(7), "a process ended")
    assert WorkState(store).timers().get(("a", "x")) == Timer(after(7), "a process ended")


def test_a_store_without_a_summary_is_understood():
    store = MemoryState()
    state = WorkState(store)
    state.timers().set(("a", "x"), timer(3))
    state.save([("a", "x")], None)
    store.set("controllers/summary", None)
    assert WorkState(store).earliest() == after(3)


def test_asking_for_the_earliest_of_ten_thousand_timers_reads_a_handful():
    store = Counting()
    state = WorkState(store)
    for number in range(10_000):
        state.timers().set(("kubelet", f"default/p{number}"), timer(number))
    state.save([("kubelet", f"default/p{n}") for n in range(10_000)], {"kubelet": 1})
    store.read = 0
    assert WorkState(store).earliest() == NOON
    assert store.read <= 2
    assert state.timers().earliest() == NOON
    assert store.read <= 4
