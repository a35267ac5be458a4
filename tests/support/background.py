"""Commands that may start a background process, and homes that are left without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.cli import PROCESS, Result, process_environment

from kubesim.util.clock import SystemClock

SECONDS = 20


@dataclass
class Background:
    """A home whose commands start its background process."""

    home: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self, **changes: str) -> dict[str, str]:
        return process_environment(self.home, {"KUBESIM_AUTOSTART": "1", **changes})

    def run(
        self,
        *words: str,
        stdin: bytes | None = b"",
        cwd: Path | None = None,
        timeout: float = SECONDS,
        **env: str,
    ) -> Result:
        done = subprocess.run(
            [*PROCESS, *words],
            input=stdin,
            capture_output=True,
            env=self.environment(**env),
            cwd=cwd or self.home.parent,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def shell(self, script: str, *, timeout: float = SECONDS, **env: str) -> Result:
        """A bash script in which `kubesim` is the command."""
        start = f'kubesim() {{ "{PROCESS[0]}" -m kubesim "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", start + script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment(**env),
            cwd=self.home.parent,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*PROCESS, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**env),
            cwd=self.home.parent,
        )
        self.started.append(process)
        return process

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "-o", "json").out)
        return found

    @property
    def pid(self) -> int:
        """The background process's."""
        return int(self.status()["pid"])

    def commands(self) -> int:
        """How many commands work with a cluster in the background process."""
        return sum(sim["commands"] for sim in self.status().get("sims", ()))

    def log(self) -> str:
        return (self.home / "run" / "server.log").read_text()

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()
        pid = self.pid if self.run("status").code == 0 else 0
        try:
            self.run("down", timeout=10)
        except subprocess.TimeoutExpired:
            os.kill(pid, signal.SIGUSR1)
            SystemClock().sleep(0.5)
            print(self.log())
            kill(pid)
            raise
        assert self.run("status").code == 3


@contextmanager
def background(home: Path) -> Iterator[Background]:
    """A home, and nothing that runs on it afterwards."""
    found = Background(home)
    try:
        yield found
    finally:
        found.end()


def eventually(holds: Any, *, seconds: float = 20) -> None:
    """What another process does takes a while."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    while not holds():
        assert clock.monotonic() < end, "it has not come to pass"
        clock.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state != "Z"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid))
