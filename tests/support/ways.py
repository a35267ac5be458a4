"""kubesim's own commands in each of the ways they have to a cluster: the home's background process, no other process at all,
and a server that a kubeconfig names, over TLS.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.background import background
from support.cli import PROCESS, Result, new_home, process_environment

from kubesim import Cluster

WAYS = ("warm", "cold", "served")
ADDRESS = re.compile(r"127\.0\.0\.1:([0-9]+)")


@dataclass
class Way:
    """How commands reach the cluster: words that come first, and the environment."""

    place: Path
    env: Mapping[str, str]
    first: list[str] = field(default_factory=list)

    def argv(self, *words: str) -> list[str]:
        return [*PROCESS, *self.first, *words]

    def run(self, *words: str, stdin: str = "", cwd: Path | None = None) -> Result:
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            env=self.env,
            cwd=cwd or self.place,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on; killed at the end of the block, if it has not ended itself."""
        with subprocess.Popen(
            self.argv(*words),
            env=self.env,
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def listening(self, *words: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
        """The same of one that says first on which port it listens."""
        with self.start(*words) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            found = ADDRESS.search(line)
            assert found, (line, process.stderr.read())
            yield int(found[1]), process


@contextmanager
def way_to(which: str, folder: Path, manifests: str) -> Iterator[Way]:
    """A cluster with these objects, and one of the ways to it."""
    if which == "served":
        with Cluster(nodes=1) as cluster, cluster.serve() as server:
            cluster.apply(manifests)
            home = folder / "home"
            home.mkdir()
            yield Way(folder, process_environment(home), ["--kubeconfig", str(server.kubeconfig)])
        return
    home = new_home(folder)
    if which == "cold":
        way = Way(folder, process_environment(home))
        way.run("apply", "-f", "-", stdin=manifests).check()
        yield way
        return
    with background(home) as found:
        way = Way(folder, found.environment())
        way.run("apply", "-f", "-", stdin=manifests).check()
        yield way
