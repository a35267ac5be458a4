"""`--record`: the command line as an annotation of what it changed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from support.cli import new_home, run_cli, run_process

NOTICE = "Flag --record has been deprecated, --record will be removed in the future\n"
CAUSE = "kubernetes.io/change-cause"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cluster with a Deployment, and a file."""
    home = new_home(tmp_path)
    run_cli(home, "create", "deploy", "d", "--image=nginx").check()
    (home / "m.json").write_text(json.dumps(MAP), encoding="utf-8")
    return home


CHANGES = [
    (
        "set image deploy/d nginx=nginx:2 --record",
        "deploy/d",
        "set image deploy/d nginx=nginx:2 --record=true",
    ),
    (
        "set resources deploy d --record --limits cpu=1",
        "deploy/d",
        "set resources deploy d --record=true --limits=cpu=1",
    ),
    (
        "set sa -n default deploy d x --record=1",
        "deploy/d",
        "set sa deploy d x --namespace=default --record=1",
    ),
    ("apply -f m.json --record", "cm/m", "apply --filename=m.json --record=true"),
    ("create -f m.json --record", "cm/m", "create --filename=m.json --record=true"),
    ("replace -f m.json --record --force", "cm/m", "replace --filename=m.json --record=true --force=true"),
    ("run p --image=nginx --record", "po/p", "run p --image=nginx --record=true"),
    ("expose deploy d --port=80 --record", "svc/d", "expose deploy d --port=80 --record=true"),
    ("label deploy d a=b --record", "deploy/d", "label deploy d a=b --record=true"),
    ("annotate deploy d a=b --record", "deploy/d", "annotate deploy d a=b --record=true"),
    ("patch deploy d -p {} --record", "deploy/d", "patch deploy d --patch={} --record=true"),
]


@pytest.mark.parametrize(
    ("line", "name", "cause"), CHANGES, ids=[line.split(" -")[0] for line, _, _ in CHANGES]
)
def test_command_line_is_noted(home: Path, line: str, name: str, cause: str) -> None:
    result = run_cli(home, *shlex.split(line), cwd=home, program="kubectl").check()
    assert result.err == NOTICE
    found = json.loads(run_cli(home, "get", name, "-o", "json").check().out)["metadata"]["annotations"][CAUSE]
    assert found.removeprefix("kubectl ").replace("serviceaccount", "sa") == cause


def test_nothing_is_noted_unasked(home: Path) -> None:
    result = run_cli(home, "set", "image", "deploy/d", "nginx=nginx:3", "--record=false").check()
    assert result.err == NOTICE
    assert CAUSE not in run_cli(home, "get", "deploy", "d", "-o", "json").check().out


def test_a_patch_is_named_by_what_it_changed_itself(home: Path) -> None:
    assert run_cli(home, "patch", "deploy", "d", "-p", "{}", "--record").out.endswith(
        " patched (no change)\n"
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_told_stands_in_the_order_in_which_it_was_told(home: Path, unbuffered: str) -> None:
    env = {"PYTHONUNBUFFERED": unbuffered} if unbuffered else {}
    result = run_process(home, "get", "deploy", "d", "nope", env=env, prefix=("sh", "-c", '"$@" 2>&1', "-"))
    assert [line.split()[0] for line in result.out.splitlines()] == ["NAME", "d", "Error"]
