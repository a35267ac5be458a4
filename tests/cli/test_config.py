"""`config` on a kubeconfig file, to the letter, and what it does to kubesim's own."""

from __future__ import annotations

import shlex
from pathlib import Path

from support.cli import new_home, run_cli
from support.configfiles import TRANSCRIPT, write_files
from support.transcripts import read_transcript


def test_config_does_and_prints_what_kubectl_does_and_prints(tmp_path: Path) -> None:
    write_files(tmp_path)
    for recorded in read_transcript(TRANSCRIPT):
        words = shlex.split(recorded.line)
        result = run_cli(tmp_path, *words, "--kubeconfig=config.yaml", cwd=tmp_path, program="kubectl")
        shown = (result.err + result.out).replace(str(tmp_path), "DIRECTORY").splitlines()
        assert (shown, result.code) == ([*recorded.err, *recorded.out], recorded.code), recorded.line


def test_file_is_not_written_where_nothing_changes(tmp_path: Path) -> None:
    write_files(tmp_path)
    file = tmp_path / "config.yaml"
    before = file.read_bytes()
    for line in (
        "use-context ctx1",
        "set-context --current",
        "unset clusters.nope",
        "set users.u1.token abc",
    ):
        run_cli(tmp_path, "config", *shlex.split(line), "--kubeconfig", str(file)).check()
    assert file.read_bytes() == before


def test_too_many_arguments_show_the_help_page(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "config", "use-context", "a", "b", "--kubeconfig=x")
    assert (result.code, result.err) == (1, "error: Unexpected args: [a b]\n")
    assert "Usage:\n  kubesim config use-context" in result.out


def test_own_file_holds_one_context_and_its_namespace_is_obeyed(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    assert run_cli(home, "config", "get-contexts", "-o", "name").check().out == "kubesim\n"
    run_cli(home, "config", "set-context", "--current", "--namespace=kube-system").check()
    result = run_cli(home, "get", "cm", "-o", "name").check()
    assert "configmap/extension-apiserver-authentication" in result.out.splitlines()
