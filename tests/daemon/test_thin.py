"""What the thin client decides, and what it may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.background import Background
from support.cli import PROJECT

from kubesim import thin

LOADED = """
import os, sys
before = set(sys.modules)
leave = os._exit
def told(code):
    print(*sorted(set(sys.modules) - before), file=sys.stderr)
    leave(code)
os._exit = told
from kubesim.__main__ import main
sys.exit(main())
"""


def test_warm_command_loads_next_to_nothing(warm: Background) -> None:
    warm.run("get", "ns").check()
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n{LOADED}",
            "get",
            "ns",
        ],
        capture_output=True,
        text=True,
        env=warm.environment(),
    )
    assert done.returncode == 0
    assert set(done.stderr.split()) <= {
        "__future__", "_signal", "_socket", "kubesim", "kubesim.__main__", "kubesim.thin", "kubesim.version"
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "edit svc web", "-n shop edit svc/web", "exec -it web -- sh", "exec web -ti -- sh", "exec -i -t web -- sh",
        "exec --tty --stdin web -- sh", "attach web", "run -it tmp --image=busybox", "run tmp --image=busybox -i",
        "run tmp --image=busybox --attach", "debug -it web --image=busybox", "create --edit -f x.yaml",
        "apply edit-last-applied svc/web", "apply -f https://example.com/x.yaml", "get pods --server=http://127.0.0.1:1",
        "get pods -s http://127.0.0.1:1", "get pods --kubeconfig x", "get pods --context kind", "down", "status", "serve",
        "proxy --port=0", "port-forward svc/web 8080:80", "apply -f /dev/fd/63", "apply -f /dev/stdin",
        "create configmap a --from-file=x=/dev/fd/63", "diff -f=/proc/self/fd/11",
    ],
)  # fmt: skip
def test_command_runs_in_the_caller_s_process(line: str) -> None:
    assert thin.wants_own_process(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "get pods", "exec web -- ls -it", "exec -i web -- cat", "run web --image=nginx --port=80 --expose",
        "run web --image=nginx -- sh -c -it", "apply -f svc.yaml", "logs -f web", "delete pod web -i", "up --port=0",
        "create service clusterip web --tcp=80", "get pods -l app=web -o wide", "exec web -- cat /dev/stdin",
    ],
)  # fmt: skip
def test_command_may_run_in_the_background(line: str) -> None:
    assert not thin.wants_own_process(line.split())


def test_server_keeps_little_of_its_starter_s_environment() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/root",
        "TOKEN": "secret",
        "KUBECONFIG": "x",
        "LC_ALL": "C",
        "PYTHONPATH": "y",
    }
    assert thin.server_environment(given) == {
        "PATH": "/bin",
        "HOME": "/root",
        "LC_ALL": "C",
        "PYTHONPATH": "y",
    }


def test_request_says_what_the_server_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kubesim.cli.warm.request import decode

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODD", "a=b\nc")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl", "get"])
    data, descriptors = thin.encode(["get", "", "pöds", "\udcff"])
    request = decode(data[len(thin.MAGIC) + 4 :].split(b"\0"))
    assert (request.words, request.program, request.cwd) == (
        ["get", "", "pöds", "\udcff"],
        "kubectl",
        str(tmp_path),
    )
    assert request.env["ODD"] == "a=b\nc"
    assert len(descriptors) == 3 - request.states.count("-")
