"""One background process for each home: it starts by itself, is replaced without anybody noticing, and leaves."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.background import Background, background, eventually, is_alive, kill
from support.cli import PROJECT, new_home

from kubesim import thin

NAMESPACES = "namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n"
GET = ("get", "namespaces", "-o", "name")


def test_first_command_makes_cluster_and_process(empty: Background) -> None:
    assert empty.run(*GET).check().out == NAMESPACES
    status = empty.status()
    assert status["running"]
    assert [sim["name"] for sim in status["sims"]] == ["default"]


def test_later_commands_are_run_by_it(warm: Background) -> None:
    warm.run("create", "namespace", "a").check()
    pid = warm.pid
    warm.run("create", "namespace", "b").check()
    assert warm.pid == pid
    assert "namespace/a\nnamespace/b\n" in warm.run(*GET).check().out


def test_process_is_detached(warm: Background) -> None:
    warm.run(*GET).check()
    pid = warm.pid
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").resolve() == Path("/")
    held = {Path(f"/proc/{pid}/fd/{n}").resolve() for n in (0, 1, 2)}
    assert held == {Path("/dev/null"), (warm.home / "run" / "server.log").resolve()}


def test_files_are_the_owner_s_alone(warm: Background) -> None:
    warm.run(*GET).check()
    run = warm.home / "run"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (run, *run.iterdir())}
    assert modes == {
        "run": 0o700,
        "command.sock": 0o600,
        "lock": 0o600,
        "server.json": 0o600,
        "server.log": 0o600,
    }


@pytest.mark.parametrize("home", ["empty", "warm"])
def test_eight_starts_at_once_yield_one_process(home: str, request: pytest.FixtureRequest) -> None:
    found: Background = request.getfixturevalue(home)
    started = [found.start(*GET) for _ in range(8)]
    for process in started:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.decode(), err.decode()) == (0, NAMESPACES, "")
    pid = found.pid
    assert processes_of(found.home) == [pid]


def processes_of(home: Path) -> list[int]:
    """The background processes of a home, as the system lists them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(home) in words and any(b"kubesim.cli.warm.process" in w for w in words):
                found.append(int(folder.name))
    return found


def test_killed_process_is_replaced(warm: Background) -> None:
    warm.run("create", "namespace", "a").check()
    first = warm.pid
    kill(first)
    assert "namespace/a\n" in warm.run(*GET).check().out
    assert warm.pid != first


def test_socket_at_which_nobody_listens_is_replaced(warm: Background) -> None:
    folder = warm.home / "run"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        thin.within(str(folder), "command.sock", stale.bind)
    assert warm.run(*GET).check().out == NAMESPACES
    assert warm.status()["running"]


def test_process_of_another_kubesim_is_replaced(warm: Background, tmp_path: Path) -> None:
    """The same program in another directory is another program."""
    warm.run("create", "namespace", "a").check()
    first = warm.pid
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "kubesim").symlink_to(PROJECT / "kubesim")
    result = warm.run(*GET, PYTHONPATH=str(copy)).check()
    assert (result.err, "namespace/a\n" in result.out) == ("", True)
    eventually(lambda: not is_alive(first))
    assert str(copy) in warm.status()["identity"]


def test_replaced_process_ends_its_commands_first(warm: Background, tmp_path: Path) -> None:
    watch = warm.start("get", "namespaces", "-o", "name", "--watch")
    assert watch.stdout is not None
    assert watch.stdout.readline() == b"namespace/default\n"
    first = warm.pid
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "kubesim").symlink_to(PROJECT / "kubesim")
    warm.run("create", "namespace", "later", PYTHONPATH=str(copy)).check()
    lines = [watch.stdout.readline() for _ in range(4)]
    assert lines[-1] == b"namespace/later\n"
    assert is_alive(first)
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == 130
    eventually(lambda: not is_alive(first))


def test_process_with_old_code_is_replaced(warm: Background, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(PROJECT / "kubesim", copy / "kubesim", ignore=shutil.ignore_patterns("__pycache__"))
    warm.run(*GET, PYTHONPATH=str(copy)).check()
    first = warm.pid
    (copy / "kubesim" / "cli" / "command.py").touch()

    def is_replaced() -> bool:
        warm.run(*GET, PYTHONPATH=str(copy)).check()
        return warm.pid != first

    eventually(is_replaced)


def test_down_ends_it_and_says_so(warm: Background) -> None:
    warm.run(*GET).check()
    pid = warm.pid
    assert warm.run("down").check().out == "stopped\n"
    assert not is_alive(pid)
    assert warm.run("down").check().out == "not running\n"
    assert warm.run("status").out == "not running\n"
    assert warm.run("status").code == 3


def test_down_ends_commands_that_run(warm: Background) -> None:
    watch = warm.start("get", "namespaces", "-o", "name", "--watch")
    assert watch.stdout is not None
    watch.stdout.readline()
    assert warm.run("down").check().out == "stopped\n"
    assert watch.wait(20) == 130


def test_idle_process_leaves(tmp_path: Path) -> None:
    with background(new_home(tmp_path)) as found:
        found.run(*GET, KUBESIM_IDLE_TIMEOUT="300ms").check()
        eventually(lambda: found.run("status").code == 3)
        assert found.run(*GET).check().out == NAMESPACES


def test_process_leaves_with_its_home(tmp_path: Path) -> None:
    import shutil

    home = new_home(tmp_path)
    with background(home) as found:
        found.run(*GET).check()
        pid = found.pid
        shutil.rmtree(home)
        eventually(lambda: not is_alive(pid))


def test_command_in_a_killed_process_says_so(warm: Background) -> None:
    watch = warm.start("get", "namespaces", "-o", "name", "--watch")
    assert watch.stdout is not None
    watch.stdout.readline()
    kill(warm.pid)
    assert watch.wait(20) == 1
    assert watch.stderr is not None
    assert b"ended in the middle of this command" in watch.stderr.read()


def test_without_automatic_start_there_is_none(warm: Background) -> None:
    assert warm.run(*GET, KUBESIM_AUTOSTART="0").check().out == NAMESPACES
    assert not (warm.home / "run").exists()


def test_without_automatic_start_one_that_runs_is_used(warm: Background) -> None:
    warm.run("create", "namespace", "a").check()
    watch = warm.start("get", "namespaces", "-o", "name", "--watch", KUBESIM_AUTOSTART="0")
    assert watch.stdout is not None
    watch.stdout.readline()
    eventually(lambda: warm.commands() == 1)


@pytest.mark.parametrize("words", [(), ("--help",), ("version", "--client"), ("get", "-h")], ids=" ".join)
def test_help_starts_nothing(empty: Background, words: tuple[str, ...]) -> None:
    empty.run(*words).check()
    assert not empty.home.exists()


def test_home_that_cannot_have_a_process_works_without(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    (home / "run").write_text("in the way")
    found = Background(home)
    assert found.run(*GET).check().out == NAMESPACES
    assert found.run(*GET).check().err == ""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs another user to be")
def test_read_only_home_works_without(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode | 0o055)
    result = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--clear-groups",
            sys.executable,
            "-m",
            "kubesim",
            "version",
            "--client",
        ],
        capture_output=True,
        env=Background(home).environment(),
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert not (home / "run").exists()


def test_long_path_of_a_home(tmp_path: Path) -> None:
    home = tmp_path / ("d" * 90) / ("e" * 90)
    home.mkdir(parents=True)
    with background(home) as found:
        assert found.run(*GET).check().out == NAMESPACES
        assert found.status()["running"]
        assert found.run(*GET).check().out == NAMESPACES


def test_relative_home(warm: Background) -> None:
    assert warm.run(*GET, KUBESIM_HOME=warm.home.name).check().out == NAMESPACES
    pid = warm.pid
    assert warm.run(*GET).check().out == NAMESPACES
    assert warm.pid == pid


def test_stranger_s_bytes_do_no_harm(warm: Background) -> None:
    warm.run(*GET).check()
    for data in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        thin.MAGIC + b"\xff\xff\xff\xff",
        thin.frame([b"run", b"x"]),
    ):
        with socket.socket(socket.AF_UNIX) as stranger:
            thin.within(str(warm.home / "run"), "command.sock", stranger.connect)
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            assert stranger.recv(10) in (b"", b"R")
    assert warm.run(*GET).check().out == NAMESPACES
