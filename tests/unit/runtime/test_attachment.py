"""A main process that waits for input: what it is while nobody is attached, and what an attachment makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubesim.runtime.container import ContainerRuntime
from kubesim.runtime.spec import ContainerSpec, ContainerState, Streams
from kubesim.util.clock import FrozenClock
from kubesim.util.state import MemoryState

START = datetime(2026, 1, 1, tzinfo=UTC)


class Place:
    """A container on a node, looked at by one process after another."""

    def __init__(self, *command: str, tty: bool = False, stdin: bool = True, once: bool = False) -> None:
        self.clock = FrozenClock(START)
        self._state = MemoryState()
        self.runtime = self.again()
        self.started = self.runtime.start(
            ContainerSpec(
                id="c", name="c", image="busybox", command=command, tty=tty, stdin=stdin, stdin_once=once
            )
        )

    def again(self) -> ContainerRuntime:
        """What a later process has."""
        self.runtime = ContainerRuntime(state=self._state, clock=self.clock)
        return self.runtime

    def attach(self, *pieces: str) -> str:
        """Attach with input that comes piece by piece, and what was seen; the time passes that the process sleeps."""
        seen = bytearray()
        rest = [p.encode() for p in pieces]
        streams = Streams(seen.extend, seen.extend, lambda: rest.pop(0) if rest else b"")
        self.again().attach("c", streams, wait=self._wait)
        return seen.decode()

    def _wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def status(self) -> ContainerState:
        return self.again().status("c")


@pytest.mark.parametrize(
    ("stdin", "tty", "waits"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
    ids=["closed", "stdin", "terminal", "both"],
)
def test_a_shell_waits_only_where_something_may_come(stdin: bool, tty: bool, waits: bool) -> None:
    place = Place("sh", stdin=stdin, tty=tty)
    assert place.started.running is waits
    assert waits is False or place.again().awaits_input("c")


def test_the_end_of_the_first_attachment_is_the_end_of_stdin_once() -> None:
    place = Place("sh", "-c", "cat; echo end; cat; exit 6", once=True)
    assert place.attach("a\n") == "a\nend\n"
    assert (place.status().running, place.status().exit_code) == (False, 6)


def test_input_that_was_not_taken_waits_for_the_process() -> None:
    place = Place("sh", "-c", "while read x; do echo $x; done")
    assert place.attach("one\ntw") == "one\n"
    assert place.attach("o\n") == "two\n"
    assert place.status().running


def test_a_process_sleeps_in_the_attachers_time() -> None:
    place = Place("sh", "-c", "read x; sleep 5; echo $x; sleep 5", once=True)
    assert place.attach("hi\n") == "hi\n"
    assert place.clock.now() == START + timedelta(seconds=10)
    assert place.status().finished_at == place.clock.now()


def test_a_process_whose_attacher_goes_sleeps_on_alone() -> None:
    place = Place("sh", "-c", "read x; sleep 5; echo $x")
    rest = [b"hi\n"]
    seen = bytearray()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.again().attach("c", Streams(seen.extend, seen.extend, rest.pop), wait=interrupted)
    assert place.again().advance("c").running
    place.clock.advance(timedelta(seconds=6))
    assert not place.again().advance("c").running
    assert (bytes(seen), place.again().logs("c")) == (b"", "hi\n")


def test_what_is_attached_to_is_logged_line_by_line() -> None:
    place = Place("sh")
    place.attach("echo out; echo err >&2\n")
    assert [(line.stream, line.text) for line in place.again().log_lines("c")] == [(1, "out"), (2, "err")]


def test_a_terminal_has_one_stream_and_shows_what_is_typed() -> None:
    place = Place("sh", tty=True)
    assert place.again().unfinished("c") == "/ # "
    assert place.attach("echo err >&2\n", "cd /tmp\n") == "echo err >&2\nerr\n/ # cd /tmp\n/tmp # "
    assert place.attach("pwd\n") == "pwd\n/tmp\n/tmp # "


def test_a_command_of_a_session_that_waits_goes_on_with_the_next_attachment() -> None:
    place = Place("sh", tty=True)
    place.attach("read x\n")
    assert place.attach("word\n", "echo got $x\n") == "word\n/ # echo got $x\ngot word\n/ # "


def test_a_server_started_from_a_pipe_goes_on_without_its_attacher() -> None:
    place = Place("sh", once=True)
    place.attach("echo hi >/tmp/index.html; httpd -f -p 80 -h /tmp\n")
    assert [listener.port for listener in place.again().listeners("c")] == [80]


def test_an_attachment_to_what_waits_for_nothing_ends_at_once() -> None:
    place = Place("sleep", "100")
    assert place.attach("x\n") == ""
    assert place.status().running


def test_a_container_that_is_removed_meanwhile_stays_removed() -> None:
    place = Place("sh")

    def removed() -> bytes:
        ContainerRuntime(state=place._state, clock=place.clock).remove("c")
        return b"echo too late\n"

    seen = bytearray()
    runtime = place.again()
    runtime.attach("c", Streams(seen.extend, seen.extend, removed))
    assert place.again().has_ended("c")
