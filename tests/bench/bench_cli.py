"""What a cold command costs: CPU and memory of a whole process, beside the real kubectl's.

kubectl's `get` needs a server, so it is a kubectl that asks nobody which stands beside ours: `version --client` is its
bare start, and `create configmap --dry-run=client` is the same work in both. kubesim's `get` is client, API server
and store in one process; kubectl's would wait for a server whose CPU is not counted here. The kubectl is the one that
`KUBECTL` names, or the one on the path; without one the rows stand alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

from tests.bench.measure import Measurement, Run, kubesim, medians, run, run_once

GET_TARGET_MS = 650
STARTS = 6
_DRY_RUN = ("create", "configmap", "settings", "--from-literal=a=b", "--dry-run=client", "-o", "yaml")
_START, _DRAFT = "kubectl version --client", "kubectl, the same"


def measure() -> list[Measurement]:
    kubectl = os.environ.get("KUBECTL") or shutil.which("kubectl")
    start = run([kubectl, "version", "--client"]) if kubectl else None
    draft = run([kubectl, *_DRY_RUN]) if kubectl else None
    with tempfile.TemporaryDirectory() as home:
        env = {"KUBESIM_HOME": home, "KUBESIM_AUTOSTART": "0"}
        pods = [kubesim("run", f"pod-{n}", "--image=nginx", "--port=80", "--expose") for n in range(STARTS)]
        writing = medians([run_once(command, env=env) for command in pods][1:])
        reading = run(kubesim("get", "pods"), env=env, times=15)
        same = run(kubesim(*_DRY_RUN), env=env)
    return [
        _cpu(f"`kubesim get pods`, {STARTS} Pods", reading, _START, start, target=GET_TARGET_MS),
        _memory(f"`kubesim get pods`, {STARTS} Pods, memory", reading, _START, start),
        _cpu("`kubesim create configmap --dry-run=client -o yaml`", same, _DRAFT, draft),
        _cpu("`kubesim run --expose`: two writes, all controllers", writing, _START, start),
        _memory("`kubesim run --expose`, memory", writing, _START, start),
        _first_command(),
        _cpu(
            "a Python that imports `kubesim.storage.sql`",
            run([sys.executable, "-c", "import kubesim.storage.sql"]),
            "imports SQLAlchemy",
            run([sys.executable, "-c", "import sqlalchemy"]),
        ),
    ]


def _first_command() -> Measurement:
    """The command that makes the home, the compiled schema and the cluster."""
    found = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as home:
            found.append(
                run_once(kubesim("get", "pods"), env={"KUBESIM_HOME": home, "KUBESIM_AUTOSTART": "0"})
            )
    return _cpu("the first command of a home: it makes the cluster", medians(found))


def _cpu(
    what: str, found: Run, name: str = "", peer: Run | None = None, *, target: float | None = None
) -> Measurement:
    return Measurement(
        f"{what}, CPU",
        found.cpu * 1000,
        "ms",
        name,
        peer and peer.cpu * 1000,
        target=target,
        wall=found.wall * 1000,
    )


def _memory(what: str, found: Run, name: str, peer: Run | None) -> Measurement:
    return Measurement(what, found.memory, "MB", name, peer and peer.memory)
