"""A command in the background process behaves as in a process of its own: streams, signals, directory, rights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.background import Background, background, eventually
from support.cli import PROCESS, new_home, run_process, start_process

BIG = 50_000_000


@pytest.fixture
def pod(warm: Background) -> Background:
    """A home with a Pod."""
    warm.run("run", "web", "--image=nginx", "--port=80", "--expose").check()
    warm.run("wait", "--for=condition=Ready", "pod/web").check()
    return warm


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Background]:
    """A home with a Pod, whose clock stands still."""
    with background(new_home(tmp_path, "--clock=2026-01-01T00:00:00Z")) as found:
        found.run("run", "web", "--image=nginx", "--port=80", "--expose").check()
        yield found


def test_output_and_exit_code_are_those_of_a_process_of_its_own(still: Background) -> None:
    for words in (
        ("get", "pods,svc,ep", "-o", "wide"),
        ("describe", "pod", "web"),
        ("get", "pods", "none"),
        ("get", "nonsense"),
        ("__complete", "get", "pod", ""),
        ("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3"),
        ("logs", "web"),
        ("reconcile", "--list"),
        ("sim", "--help"),
        ("frobnicate",),
    ):
        warm = still.run(*words)
        still.run("down").check()
        cold = run_process(still.home, *words)
        assert warm == cold, words


def test_input_comes_from_the_caller(warm: Background) -> None:
    manifest = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: piped}\ndata: {a: b}\n"
    assert warm.run("apply", "-f", "-", stdin=manifest).check().out == "configmap/piped created\n"


def test_input_of_a_command_in_a_container(pod: Background) -> None:
    assert pod.run("exec", "-i", "web", "--", "cat", stdin=b"hello\n").check().out == "hello\n"


def test_files_are_seen_from_the_caller_s_directory(warm: Background, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "cm.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: here}\n")
    assert warm.run("apply", "-f", "cm.yaml", cwd=folder).check().out == "configmap/here created\n"


def test_files_that_only_the_caller_has(warm: Background) -> None:
    script = """
        kubesim create -f <(echo '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}')
        kubesim create configmap b --from-file=x=<(echo from a pipe)
        kubesim create -f /dev/stdin <<< '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}'
        kubesim get configmap b -o 'jsonpath={.data.x}'
    """
    made = "configmap/a created\nconfigmap/b created\nconfigmap/c created\n"
    assert warm.shell(script).check().out == made + "from a pipe\n"


def test_tilde_is_the_caller_s_home(warm: Background, tmp_path: Path) -> None:
    (tmp_path / "cm.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n")
    warm.run("get", "ns").check()
    assert warm.run("apply", "-f", "~/cm.yaml", HOME=str(tmp_path)).check().out == "configmap/mine created\n"


def test_environment_is_the_caller_s(warm: Background) -> None:
    warm.run("sim", "create", "other", "--no-use").check()
    warm.run("create", "namespace", "there", KUBESIM_SIM="other").check()
    assert "there" in warm.run("get", "ns", KUBESIM_SIM="other").check().out
    assert "there" not in warm.run("get", "ns").check().out
    assert warm.run("diff", "-f", "-", stdin=b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\n",
                    KUBECTL_EXTERNAL_DIFF="echo").check().out.startswith("/")  # fmt: skip


@pytest.mark.parametrize("umask", ["022", "077", "002"])
def test_files_get_the_rights_that_the_caller_s_mask_leaves(
    warm: Background, tmp_path: Path, umask: str
) -> None:
    script = f"umask {umask}; kubesim cluster-info dump --output-directory=out"
    warm.shell(script).check()
    cold = tmp_path / "cold"
    cold.mkdir()
    warm.run("down").check()
    warm.shell(f"cd cold; {script}", KUBESIM_AUTOSTART="0").check()

    def modes(folder: Path) -> dict[str, str]:
        return {str(p.relative_to(folder)): oct(p.stat().st_mode) for p in folder.rglob("*")}

    assert modes(tmp_path / "out") == modes(cold / "out") != {}


def test_program_name_is_the_caller_s(warm: Background, tmp_path: Path) -> None:
    link = tmp_path / "kubectl"
    link.write_text(f"#!{PROCESS[0]}\nfrom kubesim.__main__ import main\nimport sys\nsys.exit(main())\n")
    link.chmod(0o755)
    done = subprocess.run([link, "get", "--nope"], capture_output=True, env=warm.environment(), text=True)
    assert "See 'kubectl get --help' for usage." in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(warm: Background, closed: str) -> None:
    warm.run("get", "ns").check()
    result = warm.shell(f"kubesim get ns -o name {closed}").check()
    assert result.out.startswith("namespace/default") == (">&-" not in closed.replace("2>&-", ""))
    assert warm.run("get", "ns", "-o", "name").check().out.startswith("namespace/default")


def test_closed_output_on_a_cold_start(empty: Background) -> None:
    empty.shell("kubesim create ns a <&- >&-").check()
    assert "namespace/a\n" in empty.run("get", "ns", "-o", "name").check().out


def test_reader_that_goes_ends_the_command_quietly(warm: Background) -> None:
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata: {{v: {'x' * 900_000}}}"
    warm.run("create", "-f", "-", stdin=manifest.encode()).check()
    result = warm.shell('kubesim get cm -o yaml | head -1; echo "${PIPESTATUS[0]}"')
    assert (result.code, result.out, result.err) == (0, "apiVersion: v1\n141\n", "")


def test_output_into_nothing_is_broken_pipe(warm: Background) -> None:
    warm.run("get", "ns").check()
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROCESS, "get", "ns"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=warm.environment(),
        stdin=subprocess.DEVNULL,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "words",
    [
        ("get", "pods", "--watch", "-o", "name"),
        ("wait", "pod/web", "--for=delete", "--timeout=1h"),
        ("logs", "-f", "web"),
        ("apply", "-f", "-"),
        ("exec", "-i", "web", "--", "cat"),
        ("events", "--watch"),
    ],
    ids=lambda words: words[0],
)
def test_ctrl_c_ends_what_waits(pod: Background, words: tuple[str, ...]) -> None:
    process = pod.start(*words)
    if words[0] in ("get", "logs", "events"):
        assert process.stdout is not None
        process.stdout.readline()
    elif words[0] == "apply":
        eventually(lambda: is_waiting(process.pid))
    else:
        eventually(lambda: pod.commands() == 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert process.stderr is not None
    said = b"command terminated with exit code 130\n" if words[0] == "exec" else b""
    assert process.stderr.read() == said
    eventually(lambda: pod.commands() == 0)


def is_waiting(pid: int) -> bool:
    """Whether a client waits for the end of its command: it has set its own handler of SIGINT by then."""
    caught = next(
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("SigCgt")
    )
    words = Path(f"/proc/{pid}/wchan").read_text()
    return (bool(int(caught, 16) & 2) and "unix" in words) or "sk_" in words or "recv" in words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP], ids=lambda n: n.name)
def test_command_ends_with_its_caller(pod: Background, number: signal.Signals) -> None:
    process = pod.start("get", "pods", "--watch")
    assert process.stdout is not None
    process.stdout.readline()
    eventually(lambda: pod.commands() == 1)
    process.send_signal(number)
    assert process.wait(10) == -number
    eventually(lambda: pod.commands() == 0)


def test_slow_reader_holds_up_nobody_else(warm: Background, tmp_path: Path) -> None:
    value = "x" * 900_000
    (tmp_path / "big.yaml").write_text(
        "\n---\n".join(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\ndata: {{v: {value}}}"
            for n in range(56)
        )
    )
    warm.run("create", "-f", str(tmp_path / "big.yaml")).check()
    slow = warm.start("get", "cm", "-o", "json")
    assert slow.stdout is not None
    first = os.read(slow.stdout.fileno(), 1)
    for _ in range(3):
        assert warm.run("get", "ns", "-o", "name", timeout=20).check().out.startswith("namespace/default\n")
    out, err = slow.communicate(timeout=60)
    assert (slow.returncode, err) == (0, b"")
    assert len(out) > BIG
    assert len(json.loads(first + out)["items"]) == 57


def test_ctrl_c_while_the_reader_is_slow(warm: Background) -> None:
    value = "x" * 900_000
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata: {{v: {value}}}"
    warm.run("create", "-f", "-", stdin=manifest.encode()).check()
    process = warm.start("get", "cm", "-o", "json")
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    eventually(lambda: warm.commands() == 0)


def test_substitution_returns_at_once_on_a_cold_start(empty: Background) -> None:
    result = empty.shell("x=$(kubesim get ns -o name); echo $x", timeout=20).check()
    assert (
        result.out
        == "namespace/default namespace/kube-node-lease namespace/kube-public namespace/kube-system\n"
    )
    assert empty.status()["running"]


def test_writes_are_settled_when_the_command_returns(warm: Background) -> None:
    for n in range(5):
        warm.run("run", f"web{n}", "--image=nginx", "--port=80", "--expose").check()
        found = (
            warm.run("get", "endpoints", f"web{n}", "-o", "jsonpath={.subsets[0].addresses[0].ip}")
            .check()
            .out
        )
        assert found.startswith("10.244.")


def test_manual_reconciliation_keeps_its_meaning(warm: Background) -> None:
    manual = {"KUBESIM_RECONCILE": "manual"}
    warm.run("get", "ns").check()
    warm.run("run", "web", "--image=nginx", **manual).check()
    assert "Pending" in warm.run("get", "pods", **manual).check().out
    warm.run("reconcile", **manual).check()
    assert "Running" in warm.run("get", "pods", **manual).check().out


def test_manual_reconciliation_holds_from_the_start(warm: Background) -> None:
    manual = {"KUBESIM_RECONCILE": "manual"}
    warm.run("run", "web", "--image=nginx", KUBESIM_AUTOSTART="0", **manual).check()
    for _ in range(3):
        assert "Pending" in warm.run("get", "pods", **manual).check().out
    assert "Running" in warm.run("get", "pods").check().out


def test_deleted_and_reset_clusters_are_let_go(warm: Background) -> None:
    warm.run("create", "ns", "a").check()
    warm.run("sim", "reset").check()
    assert "namespace/a" not in warm.run("get", "ns", "-o", "name").check().out
    warm.run("sim", "create", "other").check()
    warm.run("create", "ns", "b").check()
    warm.run("sim", "delete", "other").check()
    assert [sim["name"] for sim in warm.status()["sims"]] == ["default"]
    assert "namespace/b" not in warm.run("get", "ns", "-o", "name").check().out


def test_clusters_that_other_processes_replace_are_noticed(warm: Background) -> None:
    warm.run("create", "ns", "a").check()
    command = (
        "from pathlib import Path; from kubesim.cluster.home import Home; from kubesim.cluster.open import *;"
        "from kubesim.cluster.config import ClusterConfig; import sys;"
        "create_cluster(Home(Path(sys.argv[1])), ClusterConfig(name='default'), instead=True)"
    )
    subprocess.run([PROCESS[0], "-c", command, warm.home], check=True, env=warm.environment())
    assert "namespace/a" not in warm.run("get", "ns", "-o", "name").check().out
    warm.run("create", "ns", "c").check()


def test_other_processes_see_what_it_writes(warm: Background) -> None:
    warm.run("get", "ns").check()
    follower = start_process(warm.home, "get", "ns", "--watch", "-o", "name", env={"KUBESIM_AUTOSTART": "0"})
    try:
        assert follower.stdout is not None
        for _ in range(4):
            follower.stdout.readline()
        warm.run("create", "ns", "a").check()
        assert follower.stdout.readline() == b"namespace/a\n"
    finally:
        follower.kill()
        follower.communicate()


def test_terminal_is_the_caller_s(warm: Background) -> None:
    import pty

    warm.run("get", "ns").check()
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROCESS, "delete", "ns", "default", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=warm.environment(),
    )
    os.close(terminal)
    seen = b""
    while b"(y/N): " not in seen:
        seen += os.read(reader, 1000)
    os.write(reader, b"n\n")
    while b"cancelled" not in seen:
        seen += os.read(reader, 1000)
    assert process.wait(10) == 0
    os.close(reader)
