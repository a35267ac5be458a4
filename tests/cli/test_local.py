"""What `--local` makes of files without a server, to the letter: `set`, `label`, `annotate`, `patch`."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from support.cli import Result, new_home, run_cli
from support.localfiles import TRANSCRIPT, write_files
from support.transcripts import Recorded, read_transcript


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    write_files(directory)
    (directory / "home").mkdir()
    return directory


@pytest.mark.parametrize("recorded", read_transcript(TRANSCRIPT), ids=lambda r: r.line)
def test_local_prints_what_kubectl_prints(files: Path, recorded: Recorded) -> None:
    result = run_cli(files / "home", *shlex.split(recorded.line), cwd=files, program="kubectl")
    assert result.err.splitlines() == list(recorded.err)
    assert result.out.splitlines() == list(recorded.out)
    assert result.code == recorded.code


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cluster with a Deployment, and no controllers."""
    home = new_home(tmp_path)
    run_cli(home, "create", "deploy", "d", "--image=nginx", "--replicas=2").check()
    return home


def _set(home: Path, line: str) -> Result:
    return run_cli(home, "set", *shlex.split(line))


def _value(home: Path, path: str) -> str:
    return run_cli(home, "get", "deploy", "d", "-o", f"jsonpath={{{path}}}").check().out


def test_service_account_is_set_in_both_of_its_fields(home: Path) -> None:
    for name in ("a", "b"):
        assert _set(home, f"sa deploy/d {name}").check().out == "deployment.apps/d serviceaccount updated\n"
        assert _value(home, ".spec.template.spec['serviceAccount','serviceAccountName']") == f"{name} {name}"


def test_same_service_account_again_is_sent_again(home: Path) -> None:
    _set(home, "sa deploy/d a").check()
    assert _set(home, "sa deploy/d a").check().out == "deployment.apps/d serviceaccount updated\n"


def test_same_image_again_says_nothing(home: Path) -> None:
    assert _set(home, "image deploy/d nginx=nginx").check().out == ""


def test_zero_is_an_amount(home: Path) -> None:
    _set(home, "resources deploy d --limits=cpu=1,memory=1Gi").check()
    _set(home, "resources deploy d --limits=cpu=0").check()
    assert _value(home, ".spec.template.spec.containers[0].resources.limits") == '{"cpu":"0","memory":"1Gi"}'


def test_listing_resolves_references(home: Path) -> None:
    run_cli(home, "create", "cm", "m", "--from-literal=9a-b=x").check()
    made = _set(home, "env deploy/d --from=cm/m --prefix=P_").check()
    assert made.err == "Warning: key 9a-b transferred to 9A_B\n"
    _set(home, "env deploy/d B=c").check()
    reference = "# P_9A_B from configmap m, key 9a-b"
    head = "# Deployment d, container nginx"
    assert _set(home, "env deploy/d --list").check().out.splitlines() == [head, reference, "B=c"]
    assert _set(home, "env deploy/d --list --resolve").check().out.splitlines() == [head, "P_9A_B=x", "B=c"]
    run_cli(home, "delete", "cm", "m").check()
    result = _set(home, "env deploy/d --list --resolve")
    assert result.out.splitlines() == [head, reference, "B=c"]
    assert result.err == 'error retrieving reference for P_9A_B: configmaps "m" not found\n'


def test_refusals_have_what_was_being_done_in_front(home: Path) -> None:
    run_cli(home, "run", "p", "--image=nginx").check()
    assert _set(home, "image pod/p p=").err.startswith(
        "error: failed to patch image update to pod template: "
    )
    assert _set(home, "sa pod/p x").err.startswith("error: failed to patch ServiceAccountName Pod ")
    assert _set(home, "resources pod/p --limits=cpu=1").err.startswith(
        "error: failed to patch resources update to pod template Pod "
    )


def test_stale_resource_version_refuses_a_selector(home: Path) -> None:
    run_cli(home, "create", "svc", "clusterip", "s", "--tcp=80").check()
    result = _set(home, "selector svc s a=b --resource-version=1")
    assert "the object has been modified" in result.err
    assert result.code == 1


def test_scale_is_shown_in_columns_of_its_own(home: Path) -> None:
    result = run_cli(home, "get", "deploy", "d", "--subresource=scale").check()
    assert [line.split()[:3] for line in result.out.splitlines()] == [
        ["NAME", "DESIRED", "AVAILABLE"],
        ["d", "2", "0"],
    ]
