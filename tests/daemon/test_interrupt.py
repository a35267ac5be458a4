"""Ctrl-C and death of the caller at any moment of a write: the cluster is sound, and the background process goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.background import Background, eventually, is_alive
from support.consistency import inconsistencies

from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster
from kubesim.util.clock import SystemClock

RUNS, OBJECTS = 30, 12


def manifest(run: int) -> str:
    """Services with what they select, all of one run."""
    return "---\n".join(
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{run}-{n}, labels: {{run: r{run}}}}}\n"
        f"spec: {{type: NodePort, selector: {{app: a{run}-{n}}}, ports: [{{port: 80}}]}}\n"
        f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{run}-{n}, labels: {{app: a{run}-{n}, run: r{run}}}}}\n"
        "spec: {containers: [{name: c, image: nginx}]}\n"
        for n in range(OBJECTS)
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_what_was_said_to_be_done_is_done_and_the_rest_is_sound(
    warm: Background, tmp_path: Path, number: signal.Signals
) -> None:
    warm.run("get", "ns").check()
    pid = warm.pid
    clock = SystemClock()
    said: list[str] = []
    for run in range(RUNS):
        file = tmp_path / f"{run}.yaml"
        file.write_text(manifest(run))
        process = warm.start("apply", "-f", str(file))
        clock.sleep(0.01 + 0.25 * run / RUNS)  # the moment is what is tried out
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        if b"KeyboardInterrupt" in err:
            assert out == b""  # Python itself had not started yet
            continue
        assert process.returncode in (0, 130, -number), err.decode() + warm.log()
        assert err == b""
        said += out.decode().split("\n")[:-1]
        if run % 3 == 0:
            warm.run("delete", "pods,services", "-l", f"run=r{run}", "--wait=false").check()
            said = [line for line in said if not line.startswith((f"pod/p{run}-", f"service/s{run}-"))]
    eventually(lambda: warm.commands() == 0)
    assert warm.pid == pid
    there = set(warm.run("get", "pods,services", "-o", "name").check().out.split())
    assert {line.split()[0] for line in said} <= there
    warm.run("down").check()
    eventually(lambda: not is_alive(pid))
    cluster = open_cluster(Home(warm.home), "default")
    try:
        cluster.settle()
        assert inconsistencies(cluster) == []
    finally:
        cluster.close()
