"""Ctrl-C at any moment: exit code 130, no traceback, what was said to be done is done, and the cluster is sound."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cli import PROJECT, new_home, process_environment, run_cli, run_script, start_process
from support.consistency import inconsistencies

from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster

WORKER = str(PROJECT / "tests" / "support" / "interruptworker.py")
INTERRUPTED = 130
MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
"""
EVERYTHING = "namespaces,services,pods,configmaps"


def empty(folder: Path) -> None:
    folder.mkdir()


def fresh(folder: Path) -> None:
    folder.mkdir()
    new_home(folder).rename(folder.with_suffix(".home"))
    folder.rmdir()
    folder.with_suffix(".home").rename(folder)


def with_manifest(folder: Path) -> None:
    fresh(folder)
    (folder / "shop.yaml").write_text(MANIFEST)


def with_objects(folder: Path) -> None:
    with_manifest(folder)
    run_script(folder, "apply -f shop.yaml\nrun other --image=nginx --port=80 --expose")


COMMANDS: list[tuple[str, int, Callable[[Path], None], str]] = [
    ("run web --image=nginx --port=80 --expose", 25, fresh, "warm"),
    ("apply -f shop.yaml", 25, with_manifest, "warm"),
    ("delete pod,service other", 20, with_objects, "warm"),
    ("delete namespace shop", 20, with_objects, "warm"),
    ("get namespaces -o name", 10, empty, "cold"),
    ("get namespaces -o name", 10, empty, "warm"),
    ("sim reset default", 10, with_objects, "warm"),
]


def interrupted(homes: Path, words: str, how: str) -> list[dict[str, Any]]:
    environment = process_environment(homes, {"PYTHONPATH": f"{PROJECT}:{PROJECT / 'tests'}"})
    done = subprocess.run(
        [sys.executable, WORKER, str(homes), how, *words.split()],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "count", "prepare", "how"), COMMANDS, ids=[f"{c[0]}, {c[3]}, {c[2].__name__}" for c in COMMANDS]
)
def test_ctrl_c_leaves_what_was_acknowledged_and_a_sound_cluster(
    tmp_path: Path, words: str, count: int, prepare: Callable[[Path], None], how: str
) -> None:
    homes = tmp_path / "homes"
    homes.mkdir()
    for number in range(count + 2):
        made = tmp_path / str(number)
        prepare(made)
        made.rename(homes / str(number))
    whole, *runs = interrupted(homes, words, how)
    assert (whole["code"], whole["err"]) == (0, "")
    assert len(runs) >= count
    for number, result in enumerate(runs, 1):
        assert (result["code"], result["err"]) == (INTERRUPTED, ""), result
        assert whole["out"].startswith(result["out"])
        home = homes / str(number)
        check_acknowledged(home, result["out"])
        cluster = open_cluster(Home(home), "default")
        assert inconsistencies(cluster) == [], result
        cluster.close()


def check_acknowledged(home: Path, out: str) -> None:
    """Hold the lines of a command against what a later command finds."""
    if "created" not in out and "deleted" not in out:
        return
    shown = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.deletionTimestamp}{'\\n'}{end}"
    found = run_cli(home, "get", EVERYTHING, "-A", "-o", shown).check().out.lower().splitlines()
    there = dict(line.split(" ") for line in found)
    for line in out.splitlines():
        words = line.split()
        if words[-1] == "created":
            assert words[0] in there, line
        else:  # `pod "web" deleted`: gone, or on its way
            assert there.get(f"{words[0]}/{json.loads(words[1])}", "on its way"), line


def test_ctrl_c_while_waiting_ends_the_command(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    process = start_process(home, "get", "ns", "--watch", "-o", "name")
    assert process.stdout is not None
    assert process.stdout.readline() == b"namespace/default\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (INTERRUPTED, b"")


def test_ctrl_c_while_waiting_for_a_condition_ends_the_command(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    run_cli(home, "create", "configmap", "a").check()
    process = start_process(home, "wait", "cm/a", "--for=delete", "--timeout=1h", "-v=6")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    # Python itself may not have got as far as the command.
    assert process.returncode in (INTERRUPTED, -signal.SIGINT)
    assert out == b""
    assert b"kubesim failed" not in err
