"""exec, attach and run -it of kubesim's own command line against a server elsewhere, as kubectl's do it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.terminal import Terminal

from kubesim import Cluster

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  containers:
  - {name: box, image: busybox, command: [sh, -c, "trap 'exit 0' TERM; sleep 100000"]}
"""


@pytest.fixture(scope="module")
def words() -> Iterator[list[str]]:
    """The beginning of a command line that reaches a served cluster with one Pod."""
    with Cluster(nodes=1) as cluster, cluster.serve() as server:
        cluster.apply(POD)
        yield [sys.executable, "-m", "kubesim", "--kubeconfig", str(server.kubeconfig)]


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBESIM_HOME", str(tmp_path))


def call(words: list[str], *more: str, stdin: str = "") -> tuple[int, str, str]:
    done = subprocess.run([*words, *more], input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize(
    ("command", "stdin", "expected"),
    [
        (["exec", "box", "--", "echo", "here"], "", (0, "here\n", "")),
        (
            ["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3"],
            "",
            (3, "out\n", "err\ncommand terminated with exit code 3\n"),
        ),
        (["exec", "-i", "box", "--", "wc", "-c"], "x" * 200_000, (0, "200000\n", "")),
        (["exec", "-i", "box", "--", "cat"], "a\nb", (0, "a\nb", "")),
        (
            ["exec", "box", "-c", "no", "--", "ls"],
            "",
            (1, "", "Error from server (BadRequest): container no is not valid for pod box\n"),
        ),
        (
            ["exec", "nobody", "--", "ls"],
            "",
            (1, "", 'Error from server (NotFound): pods "nobody" not found\n'),
        ),
    ],
    ids=["output", "code", "input", "end of input", "no container", "no pod"],
)
def test_exec(words: list[str], command: list[str], stdin: str, expected: tuple[int, str, str]) -> None:
    assert call(words, *command, stdin=stdin) == expected


@pytest.mark.parametrize("where", ["elsewhere", "here"])
@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
def test_a_program_that_is_not_there(words: list[str], env: None, where: str, *, tty: bool) -> None:
    if where == "here":
        words = [sys.executable, "-m", "kubesim"]
        assert call(words, "apply", "-f", "-", stdin=POD)[0] == 0
        assert call(words, "wait", "--for=condition=Ready", "pod/box")[0] == 0
    if tty:
        with Terminal([*words, "exec", "-it", "box", "--", "nosuch"], os.environ) as terminal:
            code, out = terminal.end(), ""
            err = terminal.shown.decode().replace("\r\n", "\n")
    else:
        code, out, err = call(words, "exec", "box", "--", "nosuch")
    if where == "here":
        call(words, "down")
    assert (code, out) == (1, "")
    # What kubectl 1.32 prints over WebSockets, where a node has containerd 1.7; without an exit code of the command.
    assert re.fullmatch(
        r"error: Internal error occurred: Internal error occurred: error executing command in container: failed to exec in "
        r'container: failed to start exec "[0-9a-f]{64}": OCI runtime exec failed: exec failed: unable to start container '
        r'process: exec: "nosuch": executable file not found in \$PATH: unknown\n',
        err,
    )


@pytest.mark.usefixtures("env")
def test_a_container_that_does_not_run(words: list[str]) -> None:
    call(words, "run", "waits", "--image=nginx:missing")
    text = 'error: Internal error occurred: unable to upgrade connection: container not found ("waits")\n'
    assert call(words, "exec", "waits", "--", "ls") == (1, "", text)


@pytest.mark.usefixtures("env")
def test_run_and_attach_to_what_was_run(words: list[str]) -> None:
    code, out, err = call(
        words,
        "run",
        "once",
        "--image=busybox",
        "--rm",
        "-i",
        "--restart=Never",
        "--",
        "sh",
        stdin="echo hi; exit 4\n",
    )
    assert code == 4
    assert out == 'hi\npod "once" deleted\n'
    assert "pod default/once terminated (Error)" in err


@pytest.mark.usefixtures("env")
def test_a_terminal_is_the_other_sides(words: list[str]) -> None:
    with Terminal([*words, "exec", "-it", "box", "--", "sh"], os.environ) as terminal:
        terminal.expect(b"# ")
        terminal.type(b"echo $((6*7))\r")
        terminal.expect(b"\r\n42\r\n")
        terminal.type(b"sleep 1000\r\x03")
        terminal.expect(b"# ")
        terminal.type(b"exit 5\r")
        assert terminal.end() == 5
        assert terminal.shown.endswith(b"command terminated with exit code 5\r\n")
