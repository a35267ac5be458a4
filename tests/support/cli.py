"""Commands as a user gives them: in this process for speed, or in processes of their own where that is the point.

Every test has a home of its own. `new_home(tmp_path)` gives one with a cluster in it that was made once for the whole
test process and is copied; a home that is just a directory works too, and its first command makes the cluster.
"""

from __future__ import annotations

import atexit
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kubesim.cli.main import run
from kubesim.cli.streams import Streams

PROCESS = (sys.executable, "-m", "kubesim")
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left: its exit code and its two streams."""

    code: int
    out: str
    err: str

    def check(self) -> Result:
        """The result itself, of a command that must succeed."""
        assert self.code == 0, f"exit {self.code}\n{self.out}{self.err}"
        return self


class _Bytes(io.TextIOWrapper):
    """A text stream as a process has it, into memory."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", errors="backslashreplace", newline="\n")

    def text(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode()


def run_cli(
    home: Path,
    *words: str,
    stdin: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    program: str = "kubesim",
) -> Result:
    """Run one command line in this process, on the clusters of `home`."""
    out, err = _Bytes(), _Bytes()
    code = run(
        words,
        Streams(
            stdin=io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin),
            stdout=out,
            stderr=err,
            cwd=cwd or home,
            env=_environment(home, env),
            program=program,
        ),
    )
    return Result(code, out.text(), err.text())


def run_process(
    home: Path,
    *words: str,
    stdin: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
    prefix: Sequence[str] = (),
) -> Result:
    """Run one command line in a process of its own; `prefix` are words before it (`prlimit …`)."""
    done = subprocess.run(
        [*prefix, *PROCESS, *words],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=process_environment(home, env),
        cwd=cwd or home,
        timeout=timeout,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def start_process(
    home: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start one command line in a process of its own, its streams being pipes."""
    return subprocess.Popen(
        [*PROCESS, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(home, env),
        cwd=cwd or home,
    )


def run_script(home: Path, lines: str, *, cwd: Path | None = None) -> list[Result]:
    """Run the lines of a script, one command each, in this process; all must succeed."""
    import shlex

    return [run_cli(home, *shlex.split(line), cwd=cwd).check() for line in lines.strip().splitlines()]


def new_home(folder: Path, *options: str) -> Path:
    """A home below `folder` with a fresh default cluster, copied from one that was made with the same options."""
    home, template = folder / "home", _template(options)
    home.mkdir(mode=0o700)
    shutil.copytree(template / "sims", home / "sims")
    (home / "cache").symlink_to(template / "cache")  # compiled schemas, the same for all
    return home


def stored(home: Path, sim: str = "default") -> dict[str, bytes]:
    """All objects, allocations included: what must be the same after a command that was refused."""
    with closing(sqlite3.connect(f"file:{home}/sims/{sim}/cluster.db?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT c.key, l.value FROM current c JOIN log l ON l.revision = c.revision WHERE NOT c.deleted"
        ).fetchall()
        taken = connection.execute("SELECT pool || ' ' || item, owner FROM allocation").fetchall()
    return dict(rows) | {item: owner.encode() for item, owner in taken}


@cache
def _template(options: tuple[str, ...]) -> Path:
    home = Path(tempfile.mkdtemp(prefix="kubesim-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    run_cli(home, "sim", "create", "default", *options).check()
    return home


def process_environment(home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that is to use the clusters of `home`."""
    return {"PYTHONPATH": str(PROJECT)} | _environment(home, env)


def _environment(home: Path, env: Mapping[str, str] | None) -> dict[str, str]:
    """Nothing of the developer's own environment but what a process needs to start."""
    kept = {k: os.environ[k] for k in ("PATH", "LANG", "TZ") if k in os.environ}
    own = {"KUBESIM_HOME": str(home), "HOME": str(home), "KUBESIM_AUTOSTART": "0"}
    return kept | own | dict(env or {})
