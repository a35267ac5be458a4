"""How the benchmarks measure, and the form in which they say what they found.

CPU time (user and system) is what counts: on a machine that has other things to do it is the figure that stays the
same, and what is measured here runs on one core. Where a target could be read as time on the wall, that stands beside
it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row of the table: what was measured, against which limit or peer, and what it should be.

    `target` bounds the value, `target_ratio` the value divided by the peer's; `at_least` says that they are lower
    bounds. A row without a target is there to compare with. `wall` is the same value by the clock on the wall.
    """

    what: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    target: float | None = None
    target_ratio: float | None = None
    at_least: bool = False
    wall: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer_value if self.peer_value else None

    @property
    def ok(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is not None:
            return self.value >= self.target if self.at_least else self.value <= self.target
        if self.target_ratio is not None and self.ratio is not None:
            return self.ratio >= self.target_ratio if self.at_least else self.ratio <= self.target_ratio
        return None

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `TITLES`."""
        sign = "≥" if self.at_least else "≤"
        target = ""
        if self.target is not None:
            target = f"{sign} {_number(self.target)} {self.unit}"
        elif self.target_ratio is not None:
            target = f"{sign} {self.target_ratio:g} x"
        peer = "" if self.peer_value is None else f"{self.peer}: {_number(self.peer_value)}"
        ratio = "" if self.ratio is None else _number(self.ratio)
        wall = "" if self.wall is None else _number(self.wall)
        verdict = {True: "yes", False: "NO", None: ""}[self.ok]
        return self.what, f"{_number(self.value)} {self.unit}", wall, peer, ratio, target, verdict


TITLES = ("what", "measured", "wall", "limit or peer", "ratio", "target", "ok")


def _number(value: float) -> str:
    """About three digits."""
    decimals = next((d for d, bound in enumerate((100, 10, 1)) if abs(value) >= bound), 3)
    return f"{value:,.{decimals}f}"


class Cost(NamedTuple):
    """Seconds of CPU, and on the wall."""

    cpu: float
    wall: float


def cost_of(work: Callable[[], object]) -> Cost:
    """What work costs in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def median_cost(costs: Iterable[Cost]) -> Cost:
    """Medians of each."""
    cpu, wall = zip(*costs, strict=True)
    return Cost(statistics.median(cpu), statistics.median(wall))


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    return cost_of(work).cpu


def median_cpu(work: Callable[[], object], times: int) -> float:
    """The median of CPU seconds; the first run, which fills caches, does not count."""
    work()
    return statistics.median(cpu_of(work) for _ in range(times))


@dataclass(frozen=True, slots=True)
class Run:
    """What running a command cost: medians of CPU and wall seconds, and the largest resident set in MB."""

    cpu: float
    wall: float
    memory: float


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, times: int = 11) -> Run:
    """Run a command several times; the first run, which fills caches, does not count. Raises CalledProcessError."""
    return medians([run_once(command, env=env) for _ in range(times + 1)][1:])


def medians(runs: Sequence[Run]) -> Run:
    """Medians of the times, and the largest of the memories."""
    return Run(
        statistics.median(r.cpu for r in runs),
        statistics.median(r.wall for r in runs),
        max(r.memory for r in runs),
    )


def run_once(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Run:
    """Run a command. Raises CalledProcessError."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **(env or {})},
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            sys.stderr.write(said.read().decode())
            raise subprocess.CalledProcessError(child.returncode, command)
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(usage.ru_utime + usage.ru_stime, wall, kilobytes / 1024)


def kubesim(*words: str) -> list[str]:
    """The command line of this environment's kubesim."""
    return [str(Path(sys.executable).with_name("kubesim")), *words]
