"""The Services walkthrough, as a learner types it: each row on a cluster of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import PROJECT, Result, new_home, run_cli

MANIFESTS = str(PROJECT / "manifests" / "walkthrough")
ENDPOINTS = "-o=jsonpath={.subsets[*].addresses[*].ip}"


class Learner:
    """Somebody at a terminal with a cluster of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, line: str, *more: str, env: dict[str, str] | None = None, stdin: str = "") -> Result:
        return run_cli(self.home, *line.split(), *more, env=env, stdin=stdin)

    def out(self, line: str, *more: str, env: dict[str, str] | None = None, stdin: str = "") -> str:
        return self(line, *more, env=env, stdin=stdin).check().out

    def rows(self, line: str) -> list[list[str]]:
        return [row.split() for row in self.out(line).splitlines()]


@pytest.fixture
def kubesim(tmp_path: Path) -> Learner:
    return Learner(new_home(tmp_path))


@pytest.fixture
def exposed(kubesim: Learner) -> Learner:
    kubesim.out("run my-pod --image=nginx --port=80 --expose=true")
    return kubesim


def editor(folder: Path, *bodies: str) -> dict[str, str]:
    """An editor that runs each body in turn, one a call, on the text; what it was shown is kept as `opened-N`."""
    script = folder / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        f"here, file = pathlib.Path({str(folder)!r}), pathlib.Path(sys.argv[1])\n"
        f"bodies = {bodies!r}\n"
        "turn = len(list(here.glob('opened-*')))\n"
        "text = file.read_text()\n"
        "(here / f'opened-{turn}').write_text(text)\n"
        "file.write_text(eval(bodies[min(turn, len(bodies) - 1)]))\n"
    )
    return {"KUBE_EDITOR": f"{sys.executable} {script}"}


def test_run_with_expose_makes_a_service_and_a_pod(kubesim: Learner) -> None:
    said = kubesim.out("run my-pod --image=nginx --port=80 --expose=true")
    assert said == "service/my-pod created\npod/my-pod created\n"


def test_the_pod_runs_and_its_address_is_the_endpoint(exposed: Learner) -> None:
    text = exposed.out("get po,svc,ep --show-labels")
    ip = exposed.out("get pod my-pod -o jsonpath={.status.podIP}")
    cluster_ip = exposed.out("get svc my-pod -o jsonpath={.spec.clusterIP}")
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:4] == ["pod/my-pod", "1/1", "Running", "0"]
    assert rows[1][-1] == "run=my-pod"
    assert ["service/my-pod", "ClusterIP", cluster_ip, "<none>", "80/TCP"] in [row[:5] for row in rows]
    assert ["endpoints/my-pod", f"{ip}:80"] in [row[:2] for row in rows]
    assert "service/kubernetes" in text


def test_wide_output_shows_the_same_address_and_the_node(exposed: Learner) -> None:
    header, row = exposed.rows("get pods -o wide")
    assert header[5:7] == ["IP", "NODE"]
    assert row[5] == exposed.out("get ep my-pod", ENDPOINTS)
    assert row[6] in {"node-1", "node-2"}


class TestEdit:
    def test_a_node_port_is_allocated(self, exposed: Learner, tmp_path: Path) -> None:
        env = editor(tmp_path, "text.replace('ClusterIP', 'NodePort')")
        assert exposed.out("edit svc my-pod", env=env) == "service/my-pod edited\n"
        port = int(exposed.out("get svc my-pod -o jsonpath={.spec.ports[0].nodePort}"))
        assert 30000 <= port <= 32767

    def test_editor_is_taken_where_kube_editor_is_not_set(self, exposed: Learner, tmp_path: Path) -> None:
        env = {"EDITOR": editor(tmp_path, "text.replace('ClusterIP', 'NodePort')")["KUBE_EDITOR"]}
        assert exposed.out("edit svc my-pod", env=env) == "service/my-pod edited\n"

    def test_no_change_says_so(self, exposed: Learner, tmp_path: Path) -> None:
        done = exposed("edit svc my-pod", env=editor(tmp_path, "text"))
        assert (done.code, done.err) == (0, "Edit cancelled, no changes made.\n")

    def test_a_broken_edit_reopens_with_the_reasons_and_what_was_typed(
        self, exposed: Learner, tmp_path: Path
    ) -> None:
        bad = "text.replace('port: 80', 'port: 80000')"
        done = exposed("edit svc my-pod", env=editor(tmp_path, bad, "text.replace('80000', '8080')"))
        assert done.out == "service/my-pod edited\n"
        again = (tmp_path / "opened-1").read_text()
        assert '# services "my-pod" was not valid:\n' in again
        assert "# * spec.ports[0].port: Invalid value: 80000: must be between 1 and 65535, inclusive" in again
        assert "port: 80000" in again
        assert exposed.out("get svc my-pod -o jsonpath={.spec.ports[0].port}") == "8080"

    def test_an_edit_given_up_is_kept_in_a_file(self, exposed: Learner, tmp_path: Path) -> None:
        bad = "text if '80000' in text else text.replace('port: 80', 'port: 80000')"
        done = exposed("edit svc my-pod", env=editor(tmp_path, bad, "text"))
        assert done.code == 1
        kept = re.search(r'stored to "(.+?)"', done.out + done.err)
        assert kept is not None
        file = Path(kept[1])
        assert "port: 80000" in file.read_text()
        file.unlink()
        assert exposed.out("get svc my-pod -o jsonpath={.spec.ports[0].port}") == "80"


class TestServiceVariables:
    def test_of_the_services_that_came_first(self, exposed: Learner) -> None:
        exposed.out("create service clusterip late --tcp=5432")
        env = dict(line.split("=", 1) for line in exposed.out("exec my-pod -- env").splitlines())
        ip = exposed.out("get svc my-pod -o jsonpath={.spec.clusterIP}")
        assert env["MY_POD_SERVICE_HOST"] == ip
        assert env["MY_POD_PORT_80_TCP"] == f"tcp://{ip}:80"
        assert env["KUBERNETES_SERVICE_PORT"] == "443"
        assert not [name for name in env if name.startswith("LATE_")]

    def test_a_shell_in_the_container_has_them(self, exposed: Learner) -> None:
        script = "echo $MY_POD_SERVICE_PORT\nhostname\nexit 3\n"
        done = exposed("exec -i my-pod -- sh", stdin=script)
        assert done.out == "80\nmy-pod\n"
        assert (done.code, done.err) == (3, "command terminated with exit code 3\n")

    def test_not_those_of_another_namespace(self, exposed: Learner) -> None:
        exposed.out("create ns other")
        exposed.out("run o --image=busybox -n other --command -- sleep 60")
        assert "MY_POD" not in exposed.out("exec o -n other -- env")


def test_endpoints_follow_the_pods(kubesim: Learner) -> None:
    kubesim.out("apply -f", MANIFESTS)
    before = kubesim.out("get ep frontend-svc", ENDPOINTS).split()
    assert len(before) == 3
    assert len(kubesim.out("get ep db-svc", ENDPOINTS).split()) == 1
    assert ":5000" in kubesim.out("get ep frontend-svc")
    gone = kubesim.out("get pod frontend-2 -o jsonpath={.status.podIP}")
    kubesim.out("delete pod frontend-2")
    assert set(kubesim.out("get ep frontend-svc", ENDPOINTS).split()) == set(before) - {gone}
    kubesim.out("apply -f", MANIFESTS)
    after = kubesim.out("get ep frontend-svc", ENDPOINTS).split()
    new = kubesim.out("get pod frontend-2 -o jsonpath={.status.podIP}")
    assert new not in before
    assert set(after) == set(before) - {gone} | {new}


class TestReconcile:
    MANUAL = {"KUBESIM_RECONCILE": "manual"}

    def test_by_hand_the_api_server_is_alone(self, kubesim: Learner) -> None:
        kubesim.out("run demo --image=nginx --port=80 --expose", env=self.MANUAL)
        row = kubesim.out("get pod demo --no-headers", env=self.MANUAL).split()
        assert row[1:3] == ["0/1", "Pending"]
        assert kubesim.out("get pod demo -o jsonpath={.spec.nodeName}", env=self.MANUAL) == ""
        assert kubesim.out("get svc demo -o jsonpath={.spec.clusterIP}", env=self.MANUAL).startswith("10.")
        missing = kubesim("get ep demo", env=self.MANUAL)
        assert missing.err == 'Error from server (NotFound): endpoints "demo" not found\n'

    def test_each_controller_says_what_it_did_and_why(self, kubesim: Learner) -> None:
        kubesim.out("run demo --image=nginx --port=80 --expose", env=self.MANUAL)
        said = kubesim.out("reconcile scheduler", env=self.MANUAL)
        assert said.startswith("scheduler: default/demo: ")
        assert kubesim.out("get pod demo -o jsonpath={.spec.nodeName}", env=self.MANUAL).startswith("node-")
        assert kubesim("get ep demo", env=self.MANUAL).code == 1
        said = kubesim.out("reconcile", env=self.MANUAL)
        assert "endpoint" in said
        assert "kubelet" in said
        assert kubesim.out("get ep demo", ENDPOINTS, env=self.MANUAL)
        assert kubesim.out("reconcile", env=self.MANUAL) == "nothing to do\n"


SCRIPT = r"""
set -euo pipefail
kubesim create namespace ci
kubesim -n ci create service clusterip web --tcp=80:8080 --dry-run=client -o yaml | kubesim apply -f -
kubesim -n ci run web --image=nginx --labels=app=web --port=8080
kubesim -n ci wait --for=condition=Ready pod/web --timeout=10s
ip=$(kubesim -n ci get svc web -o jsonpath='{.spec.clusterIP}')
test -n "$ip"
kubesim -n ci get pods -l app=web -o name | xargs kubesim -n ci delete
if kubesim -n ci get pod web 2>err.txt; then exit 9; fi
cat err.txt
kubesim -n ci get pods 2>&1 >/dev/null
kubesim delete namespace ci
"""


def test_a_shell_script_of_ci(kubesim: Learner, tmp_path: Path) -> None:
    command = tmp_path / "kubesim"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kubesim "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "KUBESIM_HOME": str(kubesim.home),
            "KUBESIM_AUTOSTART": "0",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "namespace/ci created\n"
        "service/web created\n"
        "pod/web created\n"
        "pod/web condition met\n"
        'pod "web" deleted\n'
        'Error from server (NotFound): pods "web" not found\n'
        "No resources found in ci namespace.\n"
        'namespace "ci" deleted\n'
    )
