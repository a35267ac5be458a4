from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster
from support.objects import addresses_of, make_service, running_pod, set_status

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import key_of, split_key
from kubesim.apimachinery.rest import Request, Response
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.reconcile import DONE, KeysOf, Reconciler, Result
from kubesim.client.recorder import EventBroadcaster
from kubesim.client.resources import CONFIG_MAPS, PODS, SERVICES
from kubesim.client.transport import InProcessTransport
from kubesim.cluster.build import Cluster
from kubesim.controllers import standard
from kubesim.controllers.manager import EndlessWorkError, Manager
from kubesim.controllers.settleclock import SettleClock
from kubesim.controllers.settling import BATCH_KEYS, WORK_BOUND
from kubesim.util.clock import FrozenClock


class Watcher:
    """A controller for tests: it looks at ConfigMaps, and does what it is told."""

    def __init__(self, name: str, work: Callable[[str], Result], seen: list[str]) -> None:
        self.name = name
        self._work = work
        self._seen = seen
        self.watches: Mapping[GroupVersionResource, KeysOf] = {CONFIG_MAPS: self._keys}

    def _keys(self, event: WatchEvent) -> Iterable[str]:
        return (key_of(event.object),) if event.object["metadata"]["namespace"] == "default" else ()

    def reconcile(self, key: str) -> Result:
        self._seen.append(f"{self.name} {key.removeprefix('default/')}")
        return self._work(key)


class Bench:
    """A manager with controllers of the test's own, over a real cluster."""

    def __init__(self) -> None:
        self.clock = FrozenClock(START)
        self.cluster = make_cluster(clock=self.clock)
        self.settle_clock = SettleClock(self.clock)
        self.client = self.cluster.client
        self.seen: list[str] = []
        self.reconcilers: list[Reconciler] = []

    def add(self, name: str, work: Callable[[str], Result] = lambda key: DONE) -> None:
        self.reconcilers.append(Watcher(name, work, self.seen))

    def manager(self) -> Manager:
        """A new one each time, as in a new process."""
        return Manager(
            self.client,
            self.reconcilers,
            scheme=self.cluster.scheme,
            state=self.cluster.state,
            clock=self.settle_clock,
        )

    def make(self, name: str, **data: str) -> dict[str, Any]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        return self.client.create(CONFIG_MAPS, body, "default")

    def change(self, name: str, **data: str) -> None:
        found = self.client.get(CONFIG_MAPS, name, "default")
        self.client.update(CONFIG_MAPS, found | {"data": data}, "default")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_key_is_worked_on_once_however_often_it_changed(bench: Bench) -> None:
    bench.add("a")
    bench.make("x")
    for number in range(5):
        bench.change("x", n=str(number))
    bench.manager().settle()
    assert bench.seen == ["a x"]


def test_controllers_run_in_their_order_and_keys_in_the_order_of_their_first_event(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.make("y")
    bench.make("x")
    bench.manager().settle()
    assert bench.seen == ["a y", "a x", "b y", "b x"]


def test_what_a_later_controller_writes_is_worked_off_by_an_earlier_one(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", lambda key: bench.make("made") and DONE if key.endswith("/x") else DONE)
    bench.make("x")
    bench.manager().settle()
    assert bench.seen == ["a x", "b x", "a made", "b made"]


def test_a_settled_cluster_gives_no_work(bench: Bench) -> None:
    bench.add("a")
    bench.make("x")
    bench.manager().settle()
    bench.seen.clear()
    assert bench.manager().settle().actions == ()
    assert bench.seen == []


def test_nothing_to_do_costs_one_look_at_the_log(bench: Bench) -> None:
    bench.add("a")
    bench.manager().settle()
    sent: list[str] = []
    handle = bench.cluster.server

    class Counting(InProcessTransport):
        def send(self, request: Request) -> Response:
            sent.append(request.path)
            return super().send(request)

    bench.client = Client(Counting(handle))
    bench.manager().settle()
    assert sent == ["/kubesim/log"]


def test_actions_say_who_did_what_and_why(bench: Bench) -> None:
    bench.add("a", lambda key: Result((f"looked at {key}",)))
    bench.make("x")
    (action,) = bench.manager().settle().actions
    assert (action.controller, action.key) == ("a", "default/x")
    assert (action.what, action.why) == ("looked at default/x", "ConfigMap default/x was added")


def test_only_some_controllers_run_and_the_others_find_their_work_later(bench: Bench) -> None:
    bench.add("a")
    bench.add("b")
    bench.make("x")
    bench.manager().settle(only=["b"])
    assert bench.seen == ["b x"]
    bench.manager().settle()
    assert bench.seen == ["b x", "a x"]


def test_a_step_ends_after_the_first_thing_that_was_done(bench: Bench) -> None:
    done: set[str] = set()

    def work(key: str) -> Result:
        first = key not in done
        done.add(key)
        return Result((f"did {key}",)) if first else DONE

    bench.add("a", work)
    bench.make("x")
    bench.make("y")
    found = [[a.key for a in bench.manager().settle(step=True).actions] for _ in range(3)]
    assert found == [["default/x"], ["default/y"], []]
    assert bench.manager().settle(step=True).done


def test_a_process_that_dies_in_the_middle_loses_no_work(bench: Bench) -> None:
    alive = [False]

    def work(key: str) -> Result:
        if key.endswith("/y") and not alive[0]:
            raise KeyboardInterrupt
        return DONE

    bench.add("a", work)
    bench.make("x")
    bench.make("y")
    with pytest.raises(KeyboardInterrupt):
        bench.manager().settle()
    alive[0] = True
    bench.manager().settle()
    assert bench.seen == ["a x", "a y", "a x", "a y"]


def test_timers_fire_in_order_at_their_own_time(bench: Bench) -> None:
    waits = {"default/x": [30, 5], "default/y": [10]}
    times: list[tuple[str, float]] = []

    def work(key: str) -> Result:
        times.append((key[-1], (bench.settle_clock.now() - START).total_seconds()))
        left = waits[key]
        return Result(requeue_after=timedelta(seconds=left.pop(0))) if left else DONE

    bench.add("a", work)
    bench.make("x")
    bench.make("y")
    bench.manager().settle()
    bench.clock.advance(timedelta(seconds=9))
    bench.manager().settle()
    bench.clock.advance(timedelta(minutes=5))
    report = bench.manager().settle()
    assert times == [("x", 0), ("y", 0), ("y", 10), ("x", 30), ("x", 35)]
    assert report.next_due is None


def test_what_a_timer_brings_about_is_stamped_with_its_time() -> None:
    clock = FrozenClock(START)
    cluster = make_cluster(clock=clock, settle=True)
    made = cluster.client.create
    seen: list[str] = []

    def work(key: str) -> Result:
        if key.endswith("/x") and len(seen) > 1:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}}
            made(CONFIG_MAPS, body, "default")
            return DONE
        return Result(requeue_after=timedelta(seconds=20)) if key.endswith("/x") else DONE

    watcher = Watcher("a", work, seen)
    manager = Manager(
        cluster.client,
        [watcher],
        scheme=cluster.scheme,
        state=cluster.state,
        clock=cluster.parts.clock,  # type: ignore[arg-type]
    )
    made(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}, "default")
    manager.settle()
    clock.advance(timedelta(minutes=1))
    manager.settle()
    late = cluster.client.get(CONFIG_MAPS, "late", "default")
    assert late["metadata"]["creationTimestamp"] == "2026-01-01T00:00:20Z"


def test_the_time_stands_still_while_keys_are_worked_on(bench: Bench) -> None:
    seen = []

    def work(_: str) -> Result:
        seen.append(bench.settle_clock.now())
        bench.clock.advance(timedelta(milliseconds=4))  # this is how long the work takes
        seen.append(bench.settle_clock.now())
        return DONE

    bench.add("slow", work)
    bench.make("a")
    bench.manager().settle()
    bench.make("b")
    bench.manager().settle()
    assert seen == [START, START, START + timedelta(milliseconds=4), START + timedelta(milliseconds=4)]


def test_a_key_that_was_enqueued_is_worked_on(bench: Bench) -> None:
    bench.add("a", lambda key: Result(("did it",)))
    bench.manager().enqueue("a", "default/z", "a process ended")
    (action,) = bench.manager().settle().actions
    assert (action.key, action.why) == ("default/z", "a process ended")
    assert bench.manager().settle().actions == ()


def test_a_controller_that_keeps_writing_is_named(bench: Bench) -> None:
    numbers = iter(range(10_000))
    bench.add("restless", lambda key: bench.change("x", n=str(next(numbers))) or DONE)
    bench.make("x")
    with pytest.raises(EndlessWorkError, match="restless does not come to rest"):
        bench.manager().settle()


def _failing(reason: str, times: int) -> Callable[[str], Result]:
    left = [times]

    def work(key: str) -> Result:
        if left[0]:
            left[0] -= 1
            raise StatusError(
                {"reason": reason, "code": 409 if reason == "Conflict" else 500, "message": "no"}
            )
        return DONE

    return work


def test_a_conflict_is_tried_again_at_once(bench: Bench) -> None:
    bench.add("a", _failing("Conflict", 2))
    bench.make("x")
    assert bench.manager().settle().next_due is None
    assert bench.seen == ["a x"] * 3


def test_errors_wait_longer_each_time(bench: Bench) -> None:
    bench.add("a", _failing("InternalError", 3))
    bench.make("x")
    waits = []
    for _ in range(4):
        due = bench.manager().settle().next_due
        waits.append((due - bench.clock.now()).total_seconds() if due else None)
        bench.clock.set(due or bench.clock.now())
    assert waits == [1, 2, 4, None]


def test_a_compacted_log_is_made_up_for_where_a_controller_watches_every_kind() -> None:
    cluster = make_cluster(settle=True)
    cluster.client.create(CONFIG_MAPS, {"metadata": {"name": "late", "namespace": "default"}}, "default")
    cluster.storage.compact(cluster.storage.revision())
    cluster.settle()
    assert cluster.is_settled()


def test_a_log_that_was_compacted_is_made_up_for_by_looking_at_everything(bench: Bench) -> None:
    bench.add("a")
    bench.make("x")
    bench.make("y")
    bench.cluster.storage.compact(bench.cluster.storage.revision())
    bench.manager().settle()
    assert bench.seen == ["a x", "a y"]


def test_what_was_deleted_before_a_compaction_has_its_consequences() -> None:
    cluster = make_cluster(settle=True)
    make_service(cluster, "web", {"app": "web"})
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.2")
    cluster.settle()
    assert addresses_of(cluster, "web") == ["10.244.0.2"]
    cluster.client.delete(PODS, "web-1", "default", delete_options={"gracePeriodSeconds": 0})
    cluster.storage.compact(cluster.storage.revision())
    cluster.settle()
    assert addresses_of(cluster, "web") == []


def test_what_is_written_while_everything_is_looked_at_is_not_lost(bench: Bench) -> None:
    bench.add("a")
    bench.reconcilers[0].watches = {
        CONFIG_MAPS: bench.reconcilers[0].watches[CONFIG_MAPS],
        SERVICES: lambda _: (),
    }
    bench.make("x")
    bench.cluster.storage.compact(bench.cluster.storage.revision())

    class Busy(InProcessTransport):
        def send(self, request: Request) -> Response:
            response = super().send(request)
            if request.path == "/api/v1/configmaps":
                bench.client = bench.cluster.client
                bench.make("late")
            return response

    bench.client = Client(Busy(bench.cluster.server))
    bench.manager().settle()
    assert bench.seen == ["a x", "a late"]


def test_the_continuous_manager_settles_what_is_written_while_it_waits(bench: Bench) -> None:
    bench.add("a")
    stop = threading.Event()
    waits: list[int] = []

    def wait(revision: int, seconds: float) -> int:
        waits.append(revision)
        if len(waits) == 1:
            bench.make("x")
        else:
            stop.set()
        return bench.cluster.storage.revision()

    bench.manager().run(stop, wait)
    assert bench.seen == ["a x"]
    assert waits[1] > waits[0]


# Several threads, and work in slices.


def test_a_settle_that_was_stopped_goes_on_where_it_was(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.add(name, lambda key: Result((f"looked at {key}",)))
    for name in ("x", "y", "z"):
        bench.make(name)
    manager = bench.manager()
    reports = [manager.settle(budget=0) for _ in range(5)]
    assert [r.done for r in reports] == [False] * 5
    assert [[a.key[-1] for a in r.actions] for r in reports] == [["x"], ["y"], ["z"], ["x"], ["y"]]
    last = manager.settle()
    assert last.done
    assert bench.seen == ["a x", "a y", "a z", "b x", "b y", "b z"]
    assert bench.manager().settle().actions == ()


def test_what_is_written_between_two_slices_is_worked_on_too(bench: Bench) -> None:
    bench.add("a")
    bench.make("x")
    bench.make("y")
    manager = bench.manager()
    manager.settle(budget=0)
    bench.make("z")
    bench.change("x", n="1")
    while not manager.settle(budget=0).done:
        pass
    assert bench.seen == ["a x", "a y", "a z", "a x"]


@pytest.mark.parametrize("between", ["another process", "only", "step"])
def test_a_settle_that_was_stopped_begins_anew_when_somebody_else_has_settled(
    bench: Bench, between: str
) -> None:
    bench.add("a", lambda key: Result((f"looked at {key}",)))
    bench.add("b")
    bench.make("x")
    bench.make("y")
    manager = bench.manager()
    manager.settle(budget=0)
    if between == "another process":
        bench.manager().settle()
    elif between == "only":
        manager.settle(only=["a"])
    else:
        manager.settle(step=True)
    bench.seen.clear()
    assert manager.settle().done
    missing = {"another process": [], "only": ["b x", "b y"], "step": ["a x", "a y", "b x", "b y"]}
    assert bench.seen == missing[between]
    assert bench.manager().settle().actions == ()


def test_a_process_that_dies_between_two_slices_loses_no_work(bench: Bench) -> None:
    bench.add("a", lambda key: Result(requeue_after=timedelta(seconds=5)))
    bench.make("x")
    bench.make("y")
    bench.manager().settle(budget=0)
    assert bench.manager().settle().done
    assert bench.seen == ["a x", "a x", "a y"]


def test_timers_of_a_slice_fire_at_their_time_in_the_next_one(bench: Bench) -> None:
    times: list[tuple[str, float]] = []

    def work(key: str) -> Result:
        times.append((key[-1], (bench.settle_clock.now() - START).total_seconds()))
        return Result(requeue_after=timedelta(seconds=10)) if len(times) <= 3 else DONE

    bench.add("a", work)
    for name in ("x", "y", "z"):
        bench.make(name)
    manager = bench.manager()
    manager.settle()
    bench.clock.advance(timedelta(seconds=60))
    assert not manager.settle(budget=0).done
    bench.clock.advance(timedelta(seconds=60))
    assert manager.settle().done
    assert times[3:] == [("x", 10), ("y", 10), ("z", 10)]


def test_a_key_that_is_enqueued_between_two_slices_does_not_make_the_rest_begin_anew(bench: Bench) -> None:
    bench.add("a")
    bench.make("x")
    bench.make("y")
    manager = bench.manager()
    manager.settle(budget=0)
    bench.manager().enqueue("a", "default/z", "another process asks")
    assert manager.next_due() == START
    assert manager.settle().done
    assert sorted(bench.seen) == ["a x", "a y", "a z"]
    assert manager.next_due() is None


def test_one_key_is_never_enqueued_in_vain(bench: Bench) -> None:
    """Asked for again while it is being worked on: there may be more to see than was seen."""
    manager: Manager
    asked = []

    def work(key: str) -> Result:
        if not asked:
            asked.append(key)
            manager.enqueue("a", key, "more has happened")
        return DONE

    bench.add("a", work)
    manager = bench.manager()
    manager.enqueue("a", "default/x", "something has happened")
    manager.settle()
    manager.settle()
    assert bench.seen == ["a x", "a x"]
    assert manager.next_due() is None


def test_threads_settle_one_after_the_other_and_go_on_with_one_work(bench: Bench) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(key: str) -> Result:
        inside.append(1)
        most.append(len(inside))
        bench.make(f"{key[8:]}-made") if not key.endswith("made") else None
        inside.pop()
        return DONE

    bench.add("a", work)
    for number in range(40):
        bench.make(f"x{number}")
    manager = bench.manager()
    failures: list[BaseException] = []

    def settle(n: int) -> None:
        try:
            while not manager.settle(budget=None if n == 3 else 0.001).done:
                pass
        except BaseException as error:  # noqa: BLE001 - the test judges
            failures.append(error)

    threads = [threading.Thread(target=settle, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert not any(t.is_alive() for t in threads)
    assert set(most) == {1}
    assert sorted(bench.seen) == sorted([f"a x{n}" for n in range(40)] + [f"a x{n}-made" for n in range(40)])


def test_writes_are_committed_every_few_keys(bench: Bench) -> None:
    """Others get their turn in between: a thousand keys must not keep them waiting for seconds."""
    commits: list[int] = []
    bench.add("a", lambda key: bench.make(f"{key[8:]}-made") and DONE if "made" not in key else DONE)
    for number in range(3 * BATCH_KEYS):
        bench.make(f"x{number}")
    before = bench.cluster.storage.revision()
    bench.cluster.storage.subscribe(lambda: commits.append(bench.cluster.storage.revision() - before))
    bench.manager().settle()
    written = sorted(set(commits))
    assert written == [BATCH_KEYS, 2 * BATCH_KEYS, 3 * BATCH_KEYS]


def test_others_who_keep_writing_are_not_taken_for_a_controller_without_rest(bench: Bench) -> None:
    times, writing = [3 * WORK_BOUND], []

    def write() -> None:  # another client, as far as the manager can see: after each of its transactions
        if times[0] and not writing:
            times[0] -= 1
            writing.append(1)
            bench.change("x", n=str(times[0]))
            writing.pop()

    bench.add("a")
    bench.make("x")
    manager = bench.manager()
    end = bench.cluster.storage.subscribe(write)
    assert manager.settle().done
    end()
    assert times == [0]


@pytest.mark.parametrize("mistake", ["raises", "never rests"])
def test_a_mistake_in_one_controller_is_reported_and_does_not_stop_the_others(
    bench: Bench, mistake: str
) -> None:
    errors: list[tuple[str, str, str]] = []
    numbers = iter(range(10_000))

    def work(key: str) -> Result:
        if key.endswith("/x") and mistake == "raises":
            raise ZeroDivisionError("division by zero")
        if key.endswith("/x"):
            bench.change("x", n=str(next(numbers)))
        return DONE

    bench.add("wrong", work)
    bench.add("right")
    bench.make("x")
    bench.make("y")
    manager = bench.manager()
    manager.on_error = lambda controller, key, error: errors.append((controller, key, type(error).__name__))
    report = manager.settle()
    assert report.done
    assert "right y" in bench.seen
    assert report.next_due is not None
    assert report.next_due > bench.clock.now()
    kind = "ZeroDivisionError" if mistake == "raises" else "EndlessWorkError"
    assert errors == [("wrong", "default/x", kind)]


def test_a_settle_that_failed_is_begun_anew_from_what_is_stored(bench: Bench) -> None:
    fails = [True]

    def work(key: str) -> Result:
        if key.endswith("/y") and fails[0]:
            raise ZeroDivisionError
        return Result(requeue_after=timedelta(seconds=5))

    bench.add("a", work)
    bench.make("x")
    bench.make("y")
    manager = bench.manager()
    with pytest.raises(ZeroDivisionError):
        manager.settle()
    fails[0] = False
    assert manager.settle().done
    assert bench.seen == ["a x", "a y", "a x", "a y"]


def test_names_are_understood_without_their_ending() -> None:
    manager = make_cluster().manager
    assert manager.resolve("endpoints") == "endpoints-controller"
    assert manager.resolve("scheduler") == "scheduler"
    assert manager.resolve("nonsense") is None


# The cost of a change.


class Meter(InProcessTransport):
    """A transport that counts the objects that go through it."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.server)
        self.read = self.written = 0

    def send(self, request: Request) -> Response:
        response = super().send(request)
        body = response.body if isinstance(response.body, dict) else {}
        if request.method != "GET":
            self.written += 1
        elif request.path != "/kubesim/log":
            self.read += len(body["items"]) if "items" in body else 1
        return response


def _metered(cluster: Cluster) -> tuple[Manager, Meter]:
    meter = Meter(cluster)
    client = Client(meter)
    parts = cluster.parts
    reconcilers = standard.reconcilers(
        client=client,
        clock=parts.clock,
        events=EventBroadcaster(client, clock=parts.clock),
        state=parts.state,
        scheme=parts.scheme,
        ca_certificate="",
        api_server=("172.18.0.2", 6443),
        kubernetes_ip="10.96.0.1",
    )
    manager = Manager(
        client, reconcilers, scheme=parts.scheme, state=parts.state, clock=SettleClock(parts.clock)
    )
    return manager, meter


@pytest.mark.parametrize("others", [0, 60])
def test_a_pods_readiness_costs_what_its_services_cost_and_not_what_the_cluster_holds(others: int) -> None:
    cluster = make_cluster(settle=True)
    labels = {"app": "web", "tier": "front"}
    for name, selector in (("web", {"app": "web"}), ("front", labels), ("db", {"app": "db"})):
        make_service(cluster, name, selector)
    pods = [running_pod(cluster, f"web-{i}", labels, ip=f"10.244.0.{i + 2}") for i in range(3)]
    for number in range(others):
        make_service(cluster, f"other-{number}", {"app": f"o{number}", "tier": "front"})
        running_pod(
            cluster, f"other-{number}", {"app": f"o{number}", "tier": "front"}, ip=f"10.244.1.{number + 2}"
        )
    cluster.settle()
    manager, meter = _metered(cluster)
    manager.settle()
    meter.read = meter.written = 0
    set_status(cluster, pods[0], ips=["10.244.0.2"], ready=False)
    manager.settle()
    assert addresses_of(cluster, "web", "notReadyAddresses") == ["10.244.0.2"]
    # Endpoints and a slice of each of the two Services that select it.
    assert meter.written == 4
    # Two Services, their three Pods, two Endpoints, two slices, a node, and who else asks for the Pod:
    # fixed numbers.
    assert meter.read <= 40


def test_pods_that_nobody_selects_cost_endpoints_nothing() -> None:
    cluster = make_cluster(settle=True)
    make_service(cluster, "web", {"app": "web"})
    pod = running_pod(cluster, "lonely", {"app": "other"}, ip="10.244.0.2")
    cluster.settle()
    manager, meter = _metered(cluster)
    manager.settle()
    meter.read = meter.written = 0
    set_status(cluster, pod, ips=["10.244.0.2"], ready=False)
    manager.settle()
    assert meter.written == 0
    assert split_key(key_of(cluster.client.get(PODS, "lonely", "default"))) == ("default", "lonely")
