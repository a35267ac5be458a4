"""What a command costs that the background process runs, beside the real kubectl on the same cluster.

The kubectl talks to the same process over HTTPS (`kubesim up`), so that both read and write the same objects. CPU is that of the
command and of the background process together, for kubesim; of kubectl it is its own alone.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.measure import Cost, Measurement, kubesim, run_once

TIMES = 21
ROUNDS = 10
"""Ten commands each."""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: web, annotations: {{note: "{note}"}}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}
"""
_KUBECTL = "kubectl, the same"


@dataclass
class Home:
    """A home with its background process, and the two programs that work with it."""

    path: Path
    kubectl: str | None

    @property
    def env(self) -> dict[str, str]:
        return {
            "KUBESIM_HOME": str(self.path),
            "KUBESIM_AUTOSTART": "1",
            "KUBECONFIG": str(self.path / "sims" / "default" / "kubeconfig"),
        }

    def ours(self, *words: str) -> Cost:
        before = self.server_cpu()
        found = run_once(kubesim(*words), env=self.env)
        return Cost(found.cpu + self.server_cpu() - before, found.wall)

    def theirs(self, *words: str, with_server: bool = False) -> Cost | None:
        """Its own CPU; `with_server`: and what the server had to do for it."""
        if self.kubectl is None:
            return None
        before = self.server_cpu()
        found = run_once([self.kubectl, *words], env=self.env)
        return Cost(found.cpu + (self.server_cpu() - before if with_server else 0.0), found.wall)

    @property
    def pid(self) -> int:
        return int(json.loads((self.path / "run" / "server.json").read_text())["pid"])

    def server_cpu(self) -> float:
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def server_memory(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def measure() -> list[Measurement]:
    kubectl = os.environ.get("KUBECTL") or shutil.which("kubectl")
    found = [_cold()]
    with home_with_process(kubectl) as home:
        found += [_idle(home), *_reading(home), *_applying(home), *_script(home)]
    return found


@contextmanager
def home_with_process(kubectl: str | None) -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as path:
        home = Home(Path(path), kubectl)
        try:
            home.ours("up", "--port=0")
            yield home
        finally:
            run_once(kubesim("down"), env=home.env)


def _cold() -> Measurement:
    walls = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as path:
            home = Home(Path(path), None)
            try:
                walls.append(home.ours("get", "pods").wall)
            finally:
                run_once(kubesim("down"), env=home.env)
    return Measurement(
        "the first command of a home: makes cluster and background process, wall",
        statistics.median(walls),
        "s",
        target=1.0,
    )


def _idle(home: Home) -> Measurement:
    return Measurement(
        "the background process, idle, HTTPS served, memory", home.server_memory(), "MB", target=110
    )


def _reading(home: Home) -> list[Measurement]:
    for n in range(6):
        home.ours("run", f"pod-{n}", "--image=nginx", "--port=80", "--expose")
    return _compared("`kubesim get pods`, 6 Pods", home, [("get", "pods")] * TIMES, ratio=0.25)


def _applying(home: Home) -> list[Measurement]:
    files = []
    for n in range(TIMES):
        files.append(home.path / f"web-{n}.yaml")
        files[-1].write_text(SERVICE.format(note=n))
    home.ours("apply", "-f", str(files[-1]))
    unchanged = [("apply", "-f", str(files[-1]))] * TIMES
    changed = [("apply", "-f", str(f)) for f in files]
    return [
        *_compared("`kubesim apply` of a Service, unchanged", home, unchanged, ratio=0.3),
        *_compared("`kubesim apply` of a Service, changed", home, changed, ratio=0.3),
    ]


def _compared(
    what: str, home: Home, commands: Sequence[tuple[str, ...]], *, ratio: float
) -> list[Measurement]:
    ours = [home.ours(*words) for words in commands]
    theirs = [cost for words in commands if (cost := home.theirs(*words))]
    # The kernel counts the server's CPU in steps of 10 ms: the mean of many is exact, a median would not be.
    cpu = statistics.mean(c.cpu for c in ours[1:])
    wall = statistics.median(c.wall for c in ours)
    peer_cpu = statistics.mean(c.cpu for c in theirs[1:]) * 1000 if theirs else None
    peer_wall = statistics.median(c.wall for c in theirs) * 1000 if theirs else None
    return [
        Measurement(f"{what}, warm, wall", wall * 1000, "ms", _KUBECTL, peer_wall, target_ratio=ratio),
        Measurement(f"{what}, warm, CPU", cpu * 1000, "ms", _KUBECTL, peer_cpu, target_ratio=ratio),
    ]


def _round(n: int) -> list[tuple[str, ...]]:
    return [
        ("create", "configmap", f"c{n}", "--from-literal=a=b"),
        ("create", "service", "clusterip", f"s{n}", "--tcp=80"),
        ("label", "configmap", f"c{n}", "tier=front"),
        ("run", f"p{n}", "--image=nginx", f"--labels=app=s{n}"),
        ("get", "pods,services", "-o", "wide"),
        ("get", "endpoints", f"s{n}", "-o", "yaml"),
        ("patch", "configmap", f"c{n}", "-p", '{"data":{"z":"1"}}'),
        ("describe", "service", f"s{n}"),
        ("delete", "service", f"s{n}"),
        ("delete", "pod", f"p{n}", "--now"),
    ]


def _script(home: Home) -> list[Measurement]:
    def timed(run: Callable[..., Cost | None], first: int) -> Cost:
        start, cpu = time.perf_counter(), 0.0
        for n in range(first, first + ROUNDS):
            for words in _round(n):
                cost = run(*words)
                cpu += cost.cpu if cost else 0.0
        return Cost(cpu, time.perf_counter() - start)

    ours = timed(home.ours, 0)
    theirs = timed(partial(home.theirs, with_server=True), ROUNDS) if home.kubectl else None
    what = f"a script of {ROUNDS * 10} mixed commands"
    return [
        Measurement(f"{what}, wall", ours.wall, "s", _KUBECTL, theirs and theirs.wall, target_ratio=0.25),
        Measurement(
            f"{what}, CPU with the server's",
            ours.cpu,
            "s",
            _KUBECTL,
            theirs and theirs.cpu,
            target_ratio=0.25,
        ),
    ]
