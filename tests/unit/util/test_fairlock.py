import ctypes
import threading

from kubesim.util.fairlock import FairLock


def queue_up(lock: FairLock, order: list[str], *names: str) -> list[threading.Thread]:
    """Threads that wait for a lock in this order, and note when they have it."""
    threads = []

    def take(name: str) -> None:
        with lock:
            order.append(name)

    for name in names:
        before = lock.waiting
        thread = threading.Thread(target=take, args=(name,))
        thread.start()
        while lock.waiting == before:
            thread.join(0.001)
        threads.append(thread)
    return threads


def finish(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
    assert not any(t.is_alive() for t in threads)


def test_it_goes_to_those_who_wait_in_the_order_in_which_they_came():
    lock, order = FairLock(), []
    with lock:
        threads = queue_up(lock, order, "a", "b", "c")
    finish(threads)
    assert order == ["a", "b", "c"]


def test_who_lets_go_and_takes_it_again_comes_after_those_who_wait():
    lock, order = FairLock(), []
    lock.acquire()
    threads = queue_up(lock, order, "a", "b")
    lock.release()
    with lock:
        order.append("again")
    finish(threads)
    assert order == ["a", "b", "again"]


def test_its_holder_may_take_it_again_and_others_wait_for_the_last_release():
    lock, order = FairLock(), []
    with lock:
        with lock:
            threads = queue_up(lock, order, "other")
        assert order == []
        assert lock.mine
        order.append("holder")
    finish(threads)
    assert order == ["holder", "other"]
    assert not lock.mine


def test_only_its_holder_lets_go():
    lock, texts = FairLock(), []

    def let_go() -> None:
        try:
            lock.release()
        except RuntimeError as error:
            texts.append(str(error))

    let_go()
    with lock:
        thread = threading.Thread(target=let_go)
        thread.start()
        finish([thread])
        assert lock.mine
    assert texts == ["this thread does not hold the lock"] * 2


def test_threads_keep_each_other_out():
    lock, inside, total = FairLock(), [], []

    def work() -> None:
        for _ in range(300):
            with lock:
                inside.append(1)
                total.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    finish(threads)
    assert total == [1] * 1800


class Interrupted(BaseException):
    pass


def test_who_is_interrupted_while_waiting_leaves_the_lock_to_the_others():
    lock, order = FairLock(), []
    ended = threading.Event()

    def interrupted() -> None:
        try:
            lock.acquire()
        except Interrupted:
            ended.set()

    with lock:
        first = threading.Thread(target=interrupted)
        first.start()
        while not lock.waiting:
            first.join(0.001)
        # Reaches the thread when it runs again, which is when the lock has been handed to it.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(first.ident or 0), ctypes.py_object(Interrupted)
        )
        threads = queue_up(lock, order, "next")
    finish([first, *threads])
    assert ended.is_set()
    assert order == ["next"]
    with lock:
        assert lock.mine
