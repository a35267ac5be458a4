"""With one seed and a clock that stands still, two runs of a script print the same bytes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import Result, run_cli, run_process

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: frontend}
spec: {type: LoadBalancer, selector: {app: frontend}, ports: [{port: 80, targetPort: 5000}], externalTrafficPolicy: Local}
---
apiVersion: v1
kind: Pod
metadata: {generateName: frontend-, labels: {app: frontend}}
spec: {containers: [{name: c, image: nginx}]}
"""
SCRIPT = """\
run my-pod --image=nginx --port=80 --expose
get po,svc,ep --show-labels
get pods -o wide
create service nodeport web --tcp=80:8080
create -f frontend.yaml
get pods,services -o yaml
get endpointslices,endpoints -o yaml
expose pod my-pod --name=again --port=8080 --type=NodePort
get svc -o jsonpath={.items[*].spec.clusterIP}{.items[*].spec.ports[*].nodePort}
describe pod my-pod
describe svc frontend
get events -o yaml
events
exec my-pod -- env
exec my-pod -- sh -c 'echo $RANDOM; hostname; date; cat /etc/resolv.conf'
logs my-pod
create namespace shop
create serviceaccount bob -n shop
create configmap settings -n shop --from-literal=a=b
create secret generic key -n shop --from-literal=a=b
create token bob -n shop
get all,cm,secret,sa -A -o yaml
patch svc web -p '{"spec":{"type":"ClusterIP"}}'
label pod my-pod tier=front
set selector svc web app=frontend
delete pod my-pod
run my-pod --image=busybox -- sleep 100
get pods -A -o wide --sort-by=.metadata.creationTimestamp
delete namespace shop
get events -A
describe node node-1
reconcile
get --raw /api/v1/nodes
sim list
"""
Runner = Callable[..., Result]


Played = list[tuple[str, Result]]


def play(folder: Path, runner: Runner, seed: str = "1") -> Played:
    """The lines of the script with what they left, on a cluster of their own."""
    (folder / "frontend.yaml").write_text(MANIFEST)
    create = f"sim create default --seed {seed} --clock 2026-01-01T00:00:00Z"
    return [(line, runner(folder, *shlex.split(line))) for line in [create, *SCRIPT.splitlines()]]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Played:
    played = play(tmp_path_factory.mktemp("first"), run_cli)
    assert [(line, result.err) for line, result in played if result.code] == []
    return played


@pytest.mark.parametrize("runner", [run_cli, run_process], ids=["in one process", "in a process each"])
def test_a_script_prints_the_same_again(first: Played, tmp_path: Path, runner: Runner) -> None:
    for (line, one), (_, two) in zip(first, play(tmp_path, runner), strict=True):
        assert two == one, line


def test_another_seed_draws_other_values(first: Played, tmp_path: Path) -> None:
    other = play(tmp_path, run_cli, "2")
    drawn = {line for (line, a), (_, b) in zip(first, other, strict=True) if a.out != b.out}
    assert {"get po,svc,ep --show-labels", "get pods,services -o yaml", "describe svc frontend"} <= drawn
