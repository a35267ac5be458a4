"""ssh and curl in the background process, in processes of their own beside it, and many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.background import Background
from support.cli import PROCESS
from support.terminal import Terminal

WEB = "<title>Welcome to nginx!</title>"


@pytest.fixture
def web(warm: Background) -> Background:
    """A home with nginx behind a node port."""
    warm.run("run", "web", "--image=nginx", "--labels=app=web").check()
    warm.run("create", "service", "nodeport", "web", "--tcp=80", "--node-port=30080").check()
    warm.run("wait", "--for=condition=Ready", "pod/web").check()
    return warm


def _hits(home: Background) -> int:
    return home.run("logs", "web").check().out.count('"GET ')


def test_they_run_in_the_background_process(web: Background) -> None:
    pid = web.pid
    vip = web.run("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}").check().out
    assert WEB in web.run("ssh", "node-1", "--", "curl", "-s", vip).check().out
    assert WEB in web.run("curl", "-s", "http://172.18.0.4:30080").check().out
    assert web.run("curl", "-sS", "-m", "1", f"http://{vip}").code == 28
    assert _hits(web) == 2
    assert web.pid == pid


def test_a_shell_has_a_process_of_its_own_and_the_same_cluster(web: Background) -> None:
    vip = web.run("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}").check().out
    done = web.run("ssh", "node-2", stdin=f"curl -s {vip} | grep title\nexit 4\n".encode())
    assert (done.code, done.out) == (4, f"{WEB}\n")
    assert _hits(web) == 1


def test_many_at_once_lose_no_line_of_the_log(web: Background) -> None:
    loop = "i=0; while [ $i -lt 20 ]; do curl -s -o /dev/null localhost; i=$((i+1)); done"
    jobs = [("curl", "-s", "-o", "/dev/null", "http://172.18.0.3:30080")] * 12
    jobs += [("ssh", "node-1", "--", "curl", "-s", "-o", "/dev/null", "http://172.18.0.4:30080")] * 6
    jobs += [("exec", "web", "--", "sh", "-c", loop)] * 2
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda words: web.run(*words), jobs))
    assert [r.code for r in results] == [0] * len(jobs)
    assert _hits(web) == 12 + 6 + 2 * 20


def test_a_shell_on_a_node_at_a_terminal(web: Background) -> None:
    with Terminal([*PROCESS, "ssh", "node-1"], web.environment()) as terminal:
        terminal.expect(b"root@node-1:~# ")
        terminal.type(b"curl -s 172.18.0.4:30080 | grep title\n")
        terminal.expect(b"<title>Welcome to nginx!</title>")
        terminal.expect(b"root@node-1:~# ")
        # What the shell has done is seen while it is open.
        assert _hits(web) == 1
        terminal.type(b"sleep 100\n")
        terminal.expect(b"sleep 100")
        terminal.type(b"\x03")
        terminal.type(b"exit 5\n")
        assert terminal.end() == 5
