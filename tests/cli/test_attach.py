"""One-off Pods in the foreground and attaching to running ones, as users do it: pipes and terminals."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from support.cli import PROCESS, PROJECT, Result, new_home, run_cli, start_process

from kubesim.util.clock import SystemClock

PROMPT = "If you don't see a command prompt, try pressing enter.\n"
NO_TERMINAL = "Unable to use a TTY - input is not a terminal or the right kind of file\n"
DELETED = 'pod "tmp" deleted\n'
ONE_OFF = ("run", "tmp", "--rm", "-i", "--image=busybox", "--restart=Never", "--")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def one_off(home: Path, *command: str, stdin: str = "") -> Result:
    return run_cli(home, *ONE_OFF, *command, stdin=stdin)


def pod_phase(home: Path, name: str) -> str:
    return run_cli(home, "get", "pod", name, "-o", "jsonpath={.status.phase}").check().out


# run


def test_a_shell_takes_its_commands_from_a_pipe(home: Path) -> None:
    done = one_off(home, "sh", stdin="echo one\nhostname\n")
    assert done == Result(0, f"one\ntmp\n{DELETED}", PROMPT)


def test_commands_of_a_piped_shell_read_the_lines_that_follow(home: Path) -> None:
    done = one_off(home, "sh", stdin="read x\ntwo words\necho got $x\ncat\nrest\n")
    assert done.out == f"got two words\nrest\n{DELETED}"


@pytest.mark.parametrize(
    ("script", "stdin", "out"),
    [
        ("echo hello; read x; echo hi $x", "bob\n", "hello\nhi bob\n"),
        ("while read x; do echo got $x; done", "a\nb\n", "got a\ngot b\n"),
        ("cat | grep b", "a\nb\n", "b\n"),
        ("x=$(cat); echo $x", "a\nb\n", "a b\n"),
        ("f() { read y; }; f; if read x; then echo $y$x; fi", "1\n2\n", "12\n"),
        ("(read x; echo sub $x)", "a\n", "sub a\n"),
        ("printf 'name? '; read x; echo $x", "bob\n", "name? bob\n"),
    ],
    ids=["before", "loop", "pipe", "substitution", "function", "subshell", "prompt"],
)
def test_a_script_goes_on_where_it_waited_for_input(home: Path, script: str, stdin: str, out: str) -> None:
    assert one_off(home, "sh", "-c", script, stdin=stdin) == Result(0, out + DELETED, PROMPT)


def test_a_program_that_reads_gets_all_of_the_input(home: Path) -> None:
    assert one_off(home, "cat", stdin="a\nb").out == f"a\nb{DELETED}"


def test_standard_error_stays_apart(home: Path) -> None:
    done = one_off(home, "sh", stdin="echo no >&2\n")
    assert (done.out, done.err) == (DELETED, f"{PROMPT}no\n")


def test_the_exit_code_is_the_processes(home: Path) -> None:
    done = one_off(home, "sh", stdin="exit 3\n")
    assert done == Result(3, DELETED, f"{PROMPT}pod default/tmp terminated (Error)\n")


def test_a_process_that_has_ended_is_told_by_its_log(home: Path) -> None:
    done = run_cli(home, "run", "tmp", "--attach", "--restart=Never", "--image=busybox", "--", "echo", "hi")
    assert done == Result(0, "hi\n", "")
    assert pod_phase(home, "tmp") == "Succeeded"


def test_a_process_that_failed_at_once_gives_its_exit_code(home: Path) -> None:
    done = one_off(home, "sh", "-c", "echo bad >&2; exit 5")
    assert done == Result(5, f"bad\n{DELETED}", "pod default/tmp terminated (Error)\n")


def test_quiet_leaves_what_the_process_says(home: Path) -> None:
    done = run_cli(home, *ONE_OFF[:2], "-q", *ONE_OFF[2:], "sh", stdin="echo one\n")
    assert done == Result(0, "one\n", "")


def test_expose_and_rm_take_both_away(home: Path) -> None:
    done = run_cli(home, *ONE_OFF[:2], "--expose", "--port=80", *ONE_OFF[2:], "true").check()
    assert done.out == f'service/tmp created\n{DELETED}service "tmp" deleted\n'
    assert run_cli(home, "get", "svc", "tmp").code == 1


def test_a_terminal_of_the_container_alone_shows_what_is_typed(home: Path) -> None:
    done = run_cli(home, *ONE_OFF[:3], "-it", *ONE_OFF[4:], "sh", stdin="echo one\n")
    assert done == Result(0, f"/ # echo one\none\n/ # {DELETED}", NO_TERMINAL + PROMPT)


def test_a_pod_that_does_not_come_up_is_waited_for_only_so_long(home: Path) -> None:
    words = ("run", "tmp", "--rm", "-i", "--pod-running-timeout=1s", "--restart=Never", "--image=nosuch:9")
    done = run_cli(home, *words, "--image-pull-policy=Never")
    assert (done.code, done.out, done.err) == (1, DELETED, "error: timed out waiting for the condition\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--rm"], "error: --rm should only be used for attached containers"),
        (["-t"], "error: -i/--stdin is required for containers with -t/--tty=true"),
        (
            ["-i", "--dry-run=client"],
            "error: --dry-run=[server|client] can't be used with attached containers",
        ),
        (["--pod-running-timeout=0s"], "error: --pod-running-timeout must be higher than zero"),
        (["--cascade=no"], "error: invalid cascade value (no)."),
    ],
    ids=["rm", "tty", "dry-run", "timeout", "cascade"],
)
def test_flags_that_do_not_go_together(home: Path, words: list[str], text: str) -> None:
    done = run_cli(home, "run", "tmp", "--image=busybox", *words)
    assert done.code == 1
    assert done.err.startswith(text)


# What waits for input


def test_a_shell_without_stdin_ends_and_one_with_it_waits(home: Path) -> None:
    run_cli(home, "run", "a", "--restart=Never", "--image=busybox", "--", "sh").check()
    run_cli(
        home, "run", "b", "--restart=Never", "--image=busybox", "-i", "--attach=false", "--", "sh"
    ).check()
    assert (pod_phase(home, "a"), pod_phase(home, "b")) == ("Succeeded", "Running")


def test_a_terminal_keeps_a_shell_waiting(home: Path) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(tty=True)).check()
    assert pod_phase(home, "p") == "Running"
    assert run_cli(home, "logs", "p").out == ""  # a prompt is no whole line


def _pod(**container: object) -> str:
    import json

    spec = {"containers": [{"name": "c", "image": "busybox", **container}], "restartPolicy": "Never"}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})


# attach


def test_stdin_once_ends_the_process_with_the_first_attachment(home: Path) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(stdin=True, stdinOnce=True)).check()
    assert run_cli(home, "attach", "-i", "p", stdin="echo one; exit 4\n") == Result(0, "one\n", PROMPT)
    assert pod_phase(home, "p") == "Failed"
    done = run_cli(home, "attach", "-i", "p")
    assert done.err == "error: cannot attach a container in a completed pod; current phase is Failed\n"
    assert run_cli(home, "logs", "p").out == "one\n"


def test_without_stdin_once_a_shell_goes_on_with_the_next_attachment(home: Path) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(stdin=True)).check()
    run_cli(home, "attach", "-i", "p", stdin="X=7; cd /tmp; echo begun >f\n").check()
    assert run_cli(home, "exec", "p", "--", "cat", "/tmp/f").out == "begun\n"
    assert run_cli(home, "attach", "-qi", "p", stdin="echo $X $PWD\n") == Result(0, "7 /tmp\n", "")
    assert pod_phase(home, "p") == "Running"


def test_half_a_line_waits_for_the_rest(home: Path) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(stdin=True)).check()
    run_cli(home, "attach", "-qi", "p", stdin="for i in 1 2; do\nec").check()
    assert run_cli(home, "attach", "-qi", "p", stdin="ho $i; done\n").out == "1\n2\n"


def test_a_container_that_restarts_can_be_attached_to_again(home: Path) -> None:
    run_cli(home, "run", "box", "-i", "--image=busybox", stdin="echo one\n").check()
    restarts = run_cli(
        home, "get", "pod", "box", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"
    )
    assert restarts.out == "1"
    assert run_cli(home, "attach", "-qi", "box", stdin="echo two\n").out == "two\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "error: at least 1 argument is required for attach\n"),
        (
            ["a", "b", "c"],
            "error: expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw 3: [a b c]\n",
        ),
        (["nope"], 'Error from server (NotFound): pods "nope" not found\n'),
        (["p", "-c", "x"], "error: cannot attach to the container: container x not found in pod p\n"),
    ],
    ids=["none", "many", "missing", "container"],
)
def test_what_cannot_be_attached_to(home: Path, words: list[str], text: str) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(stdin=True)).check()
    assert run_cli(home, "attach", *words) == Result(1, "", text)


def test_an_image_that_cannot_be_had_leaves_nothing_to_attach_to(home: Path) -> None:
    run_cli(home, "run", "p", "--image=nosuch:9", "--image-pull-policy=Never").check()
    text = "error: Internal error occurred: unable to upgrade connection: container p not found in pod p_default\n"
    assert run_cli(home, "attach", "p") == Result(1, "", PROMPT + text)


def test_following_a_server_shows_what_it_writes_from_now_on(home: Path) -> None:
    run_cli(home, "run", "web", "--image=nginx").check()
    follower = start_process(home, "attach", "web")
    assert line_of(follower.stderr) == PROMPT
    run_cli(home, "exec", "web", "--", "curl", "-s", "localhost").check()
    line = line_of(follower.stdout)
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=20)
    assert '"GET / HTTP/1.1" 200' in line
    assert follower.returncode == 130


def test_a_pod_that_is_deleted_ends_the_attachment(home: Path) -> None:
    run_cli(home, "apply", "-f", "-", stdin=_pod(stdin=True)).check()
    held = start_process(home, "attach", "-i", "p")
    assert line_of(held.stderr) == PROMPT
    run_cli(home, "delete", "pod", "p", "--force").check()
    assert held.wait(timeout=20) == 0
    _, err = held.communicate()
    assert err == b""


def line_of(stream: IO[bytes] | None, seconds: float = 30) -> str:
    """A line that a process writes in time."""
    assert stream is not None
    assert select.select([stream], [], [], seconds)[0], "nothing came"
    return stream.readline().decode()


# Terminals


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, home: Path, *words: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            kept = {k: os.environ[k] for k in ("PATH", "LANG") if k in os.environ}
            env = kept | {
                "KUBESIM_HOME": str(home),
                "KUBESIM_AUTOSTART": "0",
                "HOME": str(home),
                "PYTHONPATH": str(PROJECT),
            }
            os.execvpe(PROCESS[0], [*PROCESS, *words], env)
        self.text = ""

    def expect(self, text: str, seconds: float = 30) -> Terminal:
        """Wait until a text comes that has not come before."""
        start, end = len(self.text), SystemClock().monotonic() + seconds
        while text not in self.text[start:]:
            left = end - SystemClock().monotonic()
            assert left > 0, f"no {text!r} in {self.text!r}"
            if not self._read(left):
                raise AssertionError(f"ended without {text!r}: {self.text!r}")
        return self

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)

    def send(self, text: str) -> Terminal:
        os.write(self._fd, text.encode())
        return self

    def end(self) -> int:
        """The exit code, once the command has ended."""
        limit = SystemClock().monotonic() + 30
        while self._read(1.0):
            assert SystemClock().monotonic() < limit, f"still runs: {self.text!r}"
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def interactive(home: Path, steps: Sequence[tuple[str, str]], *words: str) -> tuple[int, str]:
    """Type each text when what it waits for has come; exit code and everything on the screen."""
    terminal = Terminal(home, *words)
    for awaited, typed in steps:
        terminal.expect(awaited).send(typed)
    return terminal.end(), terminal.text


RUN_IT = ("run", "tmp", "--rm", "-it", "--image=busybox", "--restart=Never", "--")


def test_a_shell_at_a_terminal(home: Path) -> None:
    steps = [("/ # ", "X=5; cd /tmp\n"), ("/tmp # ", "echo $X $PWD\n"), ("/tmp # ", "exit 7\n")]
    code, text = interactive(home, steps, *RUN_IT, "sh")
    assert code == 7
    assert text.startswith(PROMPT + "/ # ")
    assert "\n5 /tmp\n" in text
    assert DELETED + "pod default/tmp terminated (Error)\n" in text


def test_ctrl_c_drops_the_line_and_ctrl_d_ends_the_shell(home: Path) -> None:
    steps = [
        ("/ # ", "half a li\x03"),
        ("/ # ", "sleep 1000\n"),
        ("sleep", "\x03"),
        ("/ # ", "true\n"),
        ("/ # ", "\x04"),
    ]
    code, text = interactive(home, steps, *RUN_IT, "sh")
    assert code == 0
    assert text.endswith(DELETED)
    assert "not found" not in text


def test_a_session_that_can_be_resumed_says_how(home: Path) -> None:
    resume = "Session ended, resume using 'kubesim attach box -c box -i -t' command when the pod is running\n"
    code, text = interactive(home, [("/ # ", "exit 2\n")], "run", "box", "-it", "--image=busybox")
    assert (code, text.endswith(resume)) == (0, True)
    code, text = interactive(home, [("/ # ", "exit\n")], "attach", "box", "-it")
    assert (code, text.endswith(resume)) == (0, True)


def test_what_is_typed_at_a_terminal_is_in_the_log(home: Path) -> None:
    interactive(home, [("/ # ", "echo one\n"), ("/ # ", "exit\n")], *RUN_IT[:2], *RUN_IT[3:], "sh")
    assert run_cli(home, "logs", "tmp").check().out == "/ # echo one\none\n/ # exit\n"


def test_ctrl_c_ends_a_server_at_a_terminal(home: Path) -> None:
    words = ("run", "tmp", "--rm", "-it", "--image=nginx", "--restart=Never")
    code, text = interactive(home, [("start worker", "\x03")], *words)
    assert (code, text.endswith(DELETED)) == (0, True)


def test_ctrl_c_leaves_a_process_that_ignores_it(home: Path) -> None:
    code, text = interactive(home, [(PROMPT.strip(), "\x03")], *RUN_IT, "sleep", "1000")
    assert (code, text.endswith(DELETED)) == (130, True)


def test_ctrl_c_at_a_pipe_kills_the_client_alone(home: Path) -> None:
    run_cli(
        home, "apply", "-f", "-", stdin=_pod(stdin=True, command=["sh", "-c", "read x; echo got $x"])
    ).check()
    client = subprocess.Popen(
        [*PROCESS, "attach", "-i", "p"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "KUBESIM_HOME": str(home),
            "KUBESIM_AUTOSTART": "0",
            "HOME": str(home),
            "PYTHONPATH": str(PROJECT),
        },
    )
    assert line_of(client.stderr) == PROMPT
    SystemClock().sleep(0.5)  # let it get from its greeting to its reading
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=20)
    assert (client.returncode, err) == (130, b"")
    assert pod_phase(home, "p") == "Running"


# logs -f shows every line, though those written in one go bear one time


def test_following_a_log_prints_lines_of_one_moment(home: Path) -> None:
    run_cli(home, "run", "p", "--restart=Never", "--image=busybox", "--", "seq", "3").check()
    assert run_cli(home, "logs", "-f", "p").out == "1\n2\n3\n"
