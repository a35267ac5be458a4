"""Commands that keep their terminal to themselves, beside a background process that has the cluster."""

from __future__ import annotations

from pathlib import Path

from support.background import Background
from support.cli import PROCESS, run_cli
from support.terminal import Terminal

from kubesim.cli.flags import FlagSet
from kubesim.cli.globals import GLOBAL_FLAGS
from kubesim.cli.session import Session
from kubesim.cli.streams import Streams
from kubesim.client.http import HTTPTransport


def test_they_speak_to_the_process_that_has_the_cluster(warm: Background, tmp_path: Path) -> None:
    import io

    def session() -> Session:
        env = {"KUBESIM_HOME": str(warm.home)}
        streams = Streams(io.BytesIO(), io.StringIO(), io.StringIO(), tmp_path, env)
        return Session(FlagSet(GLOBAL_FLAGS).parse([])[0], streams)

    assert not session().remote
    warm.run("get", "pods").check()
    through = session()
    assert through.remote
    assert isinstance(through.client.transport, HTTPTransport)
    assert through.client.request("GET", "/version").status == 200
    through.close()
    warm.run("down").check()
    assert not session().remote


def test_edit(warm: Background, tmp_path: Path) -> None:
    warm.run("create", "service", "clusterip", "web", "--tcp=80").check()
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/^  type: ClusterIP/  type: NodePort/" "$1"\n')
    editor.chmod(0o755)
    assert warm.run("edit", "service", "web", EDITOR=str(editor)).check().out == "service/web edited\n"
    assert warm.run("get", "service", "web", "-o", "jsonpath={.spec.type}").out == "NodePort"


def test_a_shell_at_a_terminal(warm: Background) -> None:
    warm.run("run", "web", "--image=nginx").check()
    with Terminal([*PROCESS, "exec", "-it", "web", "--", "sh"], warm.environment()) as terminal:
        terminal.expect(b"# ")
        terminal.type(b"curl -s localhost -o /dev/null -w '%{http_code}\\n'\r")
        terminal.expect(b"\r\n200\r\n")
        terminal.type(b"exit 7\r")
        assert terminal.end() == 7
    assert '"GET / HTTP/1.1" 200' in warm.run("logs", "web", "--tail=1").out


def test_a_pod_that_is_run_at_a_terminal(warm: Background) -> None:
    words = ("run", "box", "-it", "--rm", "--image=busybox", "--restart=Never")
    with Terminal([*PROCESS, *words], warm.environment()) as terminal:
        terminal.expect(b"# ")
        terminal.type(b"hostname\r")
        terminal.expect(b"\r\nbox\r\n")
        terminal.type(b"exit\r")
        assert terminal.end() == 0
    assert warm.run("get", "pods").err == "No resources found in default namespace.\n"


def test_by_hand_means_by_hand(warm: Background, tmp_path: Path) -> None:
    """Controllers that are left alone must not begin because a command has asked another process."""
    warm.run("create", "service", "clusterip", "web", "--tcp=80").check()
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/^    app: web/    app: other/" "$1"\n')
    editor.chmod(0o755)
    env = {"EDITOR": str(editor), "KUBESIM_RECONCILE": "manual"}
    assert run_cli(warm.home, "edit", "service", "web", env=env).code == 0
