"""What commands refuse before or instead of doing anything, in kubectl's words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from support.cli import new_home, run_cli

from kubesim.cli.session import INVALID_TIMEOUT


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster with a Pod, and a directory with one file to apply."""
    home = new_home(tmp_path_factory.mktemp("refusals"))
    run_cli(home, "run", "web", "--image=nginx").check()
    (home / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n", encoding="utf-8")
    return home


REFUSED = [
    (
        "logs web --since-time=foo",
        'error: parsing time "foo" as "2006-01-02T15:04:05Z07:00": cannot parse "foo" as "2006"',
    ),
    (
        "logs no/node-1",
        "error: cannot get the logs from *v1.Node: selector for *v1.Node not implemented",
    ),
    (
        "logs svc/kubernetes",
        "error: cannot get the logs from *v1.Service: invalid service 'kubernetes': Service is defined without a selector",
    ),
    (
        "get svc --request-timeout=1x",
        f"error: {INVALID_TIMEOUT}",
    ),
    (
        "delete pod web --cascade=foo",
        'error: invalid cascade value (foo). Must be "background", "foreground", or "orphan"',
    ),
    ("events --for=foo/web", 'the server doesn\'t have a resource type "foo"'),
    ("events --for=pods.v1/web", 'the server doesn\'t have a resource type "pods" in group "v1"'),
    (
        "apply -f map.yaml --prune --all --prune-allowlist=core/v1/Foo",
        'error: no matches for kind "Foo" in version "v1"',
    ),
    (
        "apply -f map.yaml --prune --all --prune-allowlist=core/v1",
        "error: invalid GroupVersionKind format: core/v1, please follow <group/version/kind>",
    ),
]


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=lambda value: value.split(" -")[0][:40])
def test_refusal(home: Path, line: str, text: str) -> None:
    result = run_cli(home, *shlex.split(line), cwd=home)
    assert (result.code, result.out, result.err) == (1, "", f"{text}\n")
    assert run_cli(home, "get", "cm", "m").code == 1, "nothing was applied"


def test_group_of_our_own_alone_shows_its_help_and_fails(home: Path) -> None:
    result = run_cli(home, "sim")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Usage: ")
