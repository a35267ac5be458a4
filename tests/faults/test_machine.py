"""The machine fails: the disk is full, the home cannot be written, the database is not what it should be, nobody reads.

Real processes on real files. What was said to be done is done, what was not is not, and nobody sees a traceback.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.cli import PROCESS, Result, new_home, process_environment, run_cli, run_process, stored

FULL = "is the disk full, a quota reached, or the device gone? nothing was changed\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def database(home: Path) -> Path:
    return home / "sims" / "default" / "cluster.db"


def run_limited(home: Path, limit: int, *words: str) -> Result:
    """Run a command that may make no file longer than `limit` bytes: for it, the disk is full there."""
    done = subprocess.run(
        [*PROCESS, *words],
        capture_output=True,
        text=True,
        # Python keeps compiled modules that the limit has cut off, and fails on them ever after.
        env=process_environment(home, {"PYTHONDONTWRITEBYTECODE": "1"}),
        cwd=home,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    return Result(done.returncode, done.stdout, done.stderr)


# A full disk.


def test_a_write_on_a_full_disk_changes_nothing(home: Path) -> None:
    (home / "data").write_text("x" * 500_000)
    before = stored(home)
    result = run_limited(home, 100_000, "create", "configmap", "a", "--from-file=data")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "error: failed to create configmap: Internal error occurred: cannot read or write "
    )
    assert result.err.endswith(FULL)
    assert stored(home) == before
    run_cli(home, "create", "configmap", "a", "--from-file=data").check()


@pytest.mark.parametrize("limit", [0, 33_000, 60_000, 90_000, 130_000])
def test_what_was_acknowledged_before_the_disk_was_full_is_there(home: Path, limit: int) -> None:
    result = run_limited(home, limit, "run", "web", "--image=nginx", "--port=80", "--expose")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert result.err.endswith(FULL)
    made = [line.removesuffix(" created") for line in result.out.splitlines()]
    found = run_cli(home, "get", "svc,po", "-o", "name").check().out.split()
    assert sorted(found) == sorted(["service/kubernetes", *made])


def test_a_cluster_that_cannot_be_made_for_lack_of_space_is_not_there(tmp_path: Path) -> None:
    result = run_limited(tmp_path, 20_000, "get", "pods")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    assert run_cli(tmp_path, "get", "ns", "-o", "name").check().out.startswith("namespace/default\n")


# A home that cannot be used.


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert run_process(file, "get", "pods", cwd=tmp_path) == Result(
        1, "", f"error: cannot read {file}/current: not a directory\n"
    )


def test_a_home_below_nothing_is_made(tmp_path: Path) -> None:
    assert run_process(tmp_path / "a" / "b", "get", "ns", "-o", "name", cwd=tmp_path).code == 0


def test_no_home_at_all_is_told(tmp_path: Path) -> None:
    result = run_process(tmp_path, "get", "pods", env={"KUBESIM_HOME": "", "HOME": ""})
    assert result == Result(
        1, "", "error: neither KUBESIM_HOME nor HOME is set: there is no place for the cluster\n"
    )


def as_nobody() -> tuple[str, ...]:
    """Words before a command that take root's rights away; none for others, who have none."""
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()


@pytest.fixture
def readable(home: Path) -> Path:
    """A home that may be read and not written."""
    for path in [home, *home.parents]:
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    for path in home.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    home.chmod(0o555)
    (home / "cache").resolve().parent.chmod(0o755)
    return home


def test_a_read_only_home_is_told_and_left_alone(readable: Path) -> None:
    before = database(readable).read_bytes()
    result = run_process(readable, "create", "ns", "a", prefix=as_nobody(), cwd=Path("/"))
    assert result == Result(
        1,
        "",
        f"error: {database(readable)} is read-only: allow writing to the file and to its directory, "
        "or choose another state directory\n",
    )
    assert database(readable).read_bytes() == before


def test_a_home_that_may_not_be_written_gets_no_cluster(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for path in (home, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o555 if path == home else 0o755)
    result = run_process(home, "get", "pods", prefix=as_nobody(), cwd=Path("/"))
    assert result == Result(1, "", f"error: cannot make {home}/sims: permission denied\n")


# A database that is not what it should be.


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def holes(path: Path) -> None:
    """Overwrite all pages but the first."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


DAMAGED = "is damaged ({}): restore it from a copy, or remove it together with its -wal and -shm files to begin anew"
DATABASES: list[tuple[str, Callable[[Path], object], str]] = [
    (
        "of a newer schema",
        newer,
        (
            "{} was written by a newer kubesim (schema 99, here up to 1): "
            "upgrade kubesim, or choose another state directory"
        ),
    ),
    ("of another program", of_another_program, "{} is the database of another program: choose another file"),
    ("text", lambda p: p.write_text("hello " * 1000), "{} " + DAMAGED.format("file is not a database")),
    ("short text", lambda p: p.write_text("hello"), "{} " + DAMAGED.format("file is not a database")),
    ("cut off", lambda p: os.truncate(p, 8192), "{} " + DAMAGED.format("database disk image is malformed")),
    ("overwritten", holes, "{} " + DAMAGED.format("database disk image is malformed")),
    ("a directory", directory, "cannot open {}: Is a directory"),
]


@pytest.mark.parametrize("words", [("get", "pods"), ("create", "ns", "a"), ("sim", "list")], ids=" ".join)
@pytest.mark.parametrize(("damage", "message"), [d[1:] for d in DATABASES], ids=[d[0] for d in DATABASES])
def test_a_database_that_cannot_be_used_is_told_and_left_alone(
    home: Path, damage: Callable[[Path], object], message: str, words: tuple[str, ...]
) -> None:
    path = database(home)
    damage(path)
    before = path.read_bytes() if path.is_file() else b""
    result = run_cli(home, *words)
    assert result.err == f"error: {message.format(path)}\n"
    assert (result.code, result.out) == (1, "")
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_damaged_cluster_can_be_deleted(home: Path) -> None:
    database(home).write_text("hello")
    run_cli(home, "sim", "delete", "default").check()
    assert run_cli(home, "get", "ns", "-o", "name").check().out.startswith("namespace/default\n")


def test_a_schema_cache_that_is_damaged_is_made_anew(home: Path) -> None:
    cache = (home / "cache").resolve()
    (home / "cache").unlink()
    shutil.copytree(cache, home / "cache")
    for file in (home / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    assert run_process(home, "get", "ns", "-o", "name").check().out.startswith("namespace/default\n")


def test_a_schema_cache_that_cannot_be_written_is_done_without(home: Path) -> None:
    (home / "cache").unlink()
    (home / "cache").write_text("a file")
    assert run_process(home, "get", "ns", "-o", "name").check().out.startswith("namespace/default\n")


GO = "json: cannot unmarshal number into Go struct field"
KUBECONFIGS = [
    ("a: [", "yaml: line 1: did not find expected node content"),
    (
        "- a",
        (
            "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type "
            r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
        ),
    ),
    ("contexts: 7", f"{GO} Config.contexts of type []v1.NamedContext"),
    ("contexts: [7]", f"{GO} Config.contexts of type v1.NamedContext"),
    ("contexts: [{context: {namespace: 7}}]", f"{GO} Context.contexts.context.namespace of type string"),
    ("current-context: 7", f"{GO} Config.current-context of type string"),
    (
        "kind: Foo",
        (
            'no kind "Foo" is registered for version "v1" in scheme '
            '"k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50"'
        ),
    ),
]


@pytest.mark.parametrize(("content", "message"), KUBECONFIGS, ids=[c for c, _ in KUBECONFIGS])
def test_a_broken_kubeconfig_is_told(home: Path, content: str, message: str) -> None:
    path = home / "kubeconfig"
    path.write_text(content)
    told = f'error: error loading config file "{path}": {message}\n'
    for words in (("get", "pods"), ("config", "view"), ("config", "set-context", "a")):
        assert run_cli(home, *words) == Result(1, "", told)
    assert path.read_text() == content


# Names of clusters.


@pytest.mark.parametrize("name", ["../x", "UP", "a/b", "-a", "a" * 64, "a b"])
def test_names_that_no_cluster_can_have_are_refused(home: Path, name: str) -> None:
    message = (
        f'error: invalid cluster name "{name}": lower-case letters, digits and "-", at most 63, '
        "beginning and ending with a letter or digit\n"
    )
    assert run_cli(home, "get", "pods", f"--sim={name}") == Result(1, "", message)
    assert run_cli(home, "get", "pods", env={"KUBESIM_SIM": name}) == Result(1, "", message)
    assert run_cli(home, "sim", "create", "--", name) == Result(1, "", message)
    assert sorted(p.name for p in (home / "sims").iterdir()) == ["default"]


def test_a_cluster_that_is_not_there_is_not_made(home: Path) -> None:
    message = 'error: simulated cluster "nope" not found; make it with `sim create nope`\n'
    assert run_cli(home, "get", "pods", "--sim=nope") == Result(1, "", message)
    for verb in ("delete", "use", "reset"):
        assert run_cli(home, "sim", verb, "nope").err == 'error: simulated cluster "nope" not found\n'
    assert (
        run_cli(home, "sim", "create", "default").err == 'error: simulated cluster "default" already exists\n'
    )


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--kubernetes-version=9", 'the Kubernetes version must be like 1.32: "9"'),
        ("--service-cidr=x", "bad service CIDR: 'x' does not appear to be an IPv4 or IPv6 network"),
        ("--pod-cidr=10.0.0.0/30", "the pod CIDR must hold a /24 for each node: 10.0.0.0/30"),
        ("--clock=x", 'the clock is "system" or a time such as 2026-01-01T00:00:00Z: "x"'),
        ("--node-port-range=5", 'the node port range must be like 30000-32767: "5"'),
    ],
)
def test_what_no_cluster_can_be_made_with_is_refused(home: Path, flag: str, message: str) -> None:
    assert run_cli(home, "sim", "create", "new", flag) == Result(1, "", f"error: {message}\n")
    assert not (home / "sims" / "new").exists()


# Nobody reads, or nothing can be written.


def in_shell(home: Path, script: str) -> Result:
    """Run a bash script in which `$K` is the command; its exit code is that of the pipe's first command."""
    words = " ".join(PROCESS)
    done = subprocess.run(
        ["bash", "-c", f"K='{words}'; {script}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        env=process_environment(home),
        cwd=home,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def large(home: Path) -> Path:
    """A home with an object that no pipe holds."""
    (home / "data").write_text("x\n" * 300_000)
    run_cli(home, "create", "configmap", "large", "--from-file=data").check()
    return home


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_goes_ends_the_command_quietly(large: Path, unbuffered: str) -> None:
    script = f"export PYTHONUNBUFFERED={unbuffered}; $K get cm large -o yaml | head -1"
    assert in_shell(large, script) == Result(141, "apiVersion: v1\n", "")


def test_a_large_output_arrives_whole(large: Path) -> None:
    assert in_shell(large, "$K get cm large -o yaml | wc -l").out == "300010\n"


def test_an_output_that_cannot_be_written_is_told(large: Path) -> None:
    for what in ("cm large", "ns"):
        told = "error: write /dev/stdout: no space left on device\n"
        assert in_shell(large, f"$K get {what} -o yaml >/dev/full") == Result(1, "", told)


def test_an_error_that_cannot_be_written_still_has_its_code(home: Path) -> None:
    assert in_shell(home, "$K get nope 2>/dev/full") == Result(1, "", "")


@pytest.mark.parametrize(
    ("redirection", "command", "code", "out"),
    [
        (">&-", "get ns", 0, ""),
        ("2>&-", "get nope", 1, ""),
        ("<&-", "get ns -o name", 0, None),
        ("<&- >&- 2>&-", "create configmap a", 0, ""),
    ],
)
def test_closed_streams_are_done_without(
    home: Path, redirection: str, command: str, code: int, out: str | None
) -> None:
    result = in_shell(home, f"$K {command} {redirection}")
    assert (result.code, result.err) == (code, "")
    assert out is None or result.out == out


def test_a_closed_standard_input_is_empty(home: Path) -> None:
    assert in_shell(home, "$K apply -f - <&-") == Result(1, "", "error: no objects passed to apply\n")
