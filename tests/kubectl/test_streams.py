"""The real kubectl in containers of a served cluster: exec, cp, attach, logs, port-forward, proxy.

A kubectl of 1.32 speaks WebSockets, one of 1.28 SPDY; where both are installed, both are driven.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.kubectl import find_kubectl
from support.manifests import STORE, WEB
from support.served import served
from support.terminal import Terminal

from kubesim.cluster.home import Home
from kubesim.cluster.kubeconfig import write_kubeconfig

PODS = (
    WEB
    + STORE
    + """\
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  containers:
  - {name: box, image: busybox, command: [sh, -c, "echo started; trap 'exit 0' TERM; sleep 100000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: clock}
spec:
  containers:
  - {name: clock, image: busybox, command: [sh, -c, "i=0; while true; do i=$((i+1)); echo tick $i; sleep 1; done"]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{name: http, port: 80}]}
"""
)
SHELL = """\
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: busybox, command: [%s], stdin: true, tty: %s}
"""
CURL = ["curl", "-sS", "-m", "20"]


@dataclass
class Kubectl:
    """One kubectl that speaks to one server, over TLS with the administrator's certificate."""

    program: str
    env: dict[str, str]
    name: str
    place: Path

    def argv(self, *arguments: str) -> list[str]:
        return [self.program, *arguments]

    def __call__(self, *arguments: str, stdin: str | None = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            env=self.env,
            cwd=self.place,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def terminal(self, *arguments: str) -> Terminal:
        return Terminal(self.argv(*arguments), self.env)

    @contextmanager
    def forward(self, *arguments: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
        """A running `port-forward`, or `proxy`, and the port on which it listens."""
        with subprocess.Popen(
            self.argv(*arguments), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                found = re.search(r"127\.0\.0\.1:([0-9]+)", line)
                assert found, (line, process.stderr.read() if process.stderr else "")
                yield int(found[1]), process
            finally:
                process.kill()


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's, of a cluster that is served over TLS."""
    with served() as found:
        url = found.plane.serve(authenticator=found.cluster.server.authenticator)
        home = Home(tmp_path_factory.mktemp("home"))
        home.directory("default").mkdir(parents=True)
        yield write_kubeconfig(home, "default", url, found.cluster.authority)


@pytest.fixture(scope="module", params=["1.32", "1.28"], ids=["websocket", "spdy"])
def kubectl(
    request: pytest.FixtureRequest, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    program = Path(find_kubectl())
    if request.param != "1.32":
        program = program.with_name(f"kubectl.{request.param}")
        if not program.exists():
            pytest.skip(f"no kubectl of {request.param} is installed")
    home = tmp_path_factory.mktemp("kubectl")
    env = {"HOME": str(home), "KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"], "TERM": "xterm"}
    found = Kubectl(str(program), env, request.param, home)
    applied = found("apply", "--validate=false", "-f", "-", stdin=PODS)
    assert applied.returncode == 0, applied.stderr
    return found


@pytest.fixture
def is_new(kubectl: Kubectl) -> bool:
    """Whether it is the one with WebSockets."""
    return kubectl.name == "1.32"


# exec


def test_exec_prints_what_the_command_writes(kubectl: Kubectl) -> None:
    result = kubectl("exec", "box", "--", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 0)


@pytest.mark.parametrize("code", [1, 3, 127, 255])
def test_exec_ends_with_the_exit_code_of_the_command(kubectl: Kubectl, code: int) -> None:
    result = kubectl("exec", "box", "--", "sh", "-c", f"exit {code}")
    assert (result.stderr, result.returncode) == (f"command terminated with exit code {code}\n", code)


def test_exec_hands_on_its_input_to_the_end(kubectl: Kubectl) -> None:
    text = "".join(f"line {n}\n" for n in range(50_000))
    result = kubectl("exec", "-i", "box", "--", "cat", stdin=text)
    assert result.stdout == text
    assert kubectl("exec", "-i", "box", "--", "wc", "-l", stdin=text).stdout == "50000\n"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_exec_of_what_is_no_program(kubectl: Kubectl, is_new: bool, command: str, text: str) -> None:
    result = kubectl("exec", "box", "--", command)
    start = "Internal error occurred: " * (2 if is_new else 1)
    expected = (
        rf'error: {start}error executing command in container: failed to exec in container: failed to start exec "[0-9a-f]+'
        rf'": OCI runtime exec failed: exec failed: unable to start container process: {re.escape(text)}: unknown\n'
    )
    assert re.fullmatch(expected, result.stderr), result.stderr
    assert result.returncode == 1


def test_exec_where_there_is_nothing(kubectl: Kubectl) -> None:
    result = kubectl("exec", "nosuch", "--", "ls")
    assert result.stderr == 'Error from server (NotFound): pods "nosuch" not found\n'
    result = kubectl("exec", "box", "-c", "nosuch", "--", "ls")
    assert result.stderr == "Error from server (BadRequest): container nosuch is not valid for pod box\n"


def test_exec_at_a_terminal(kubectl: Kubectl) -> None:
    with kubectl.terminal("exec", "-it", "box", "--", "sh") as terminal:
        terminal.expect(b"/ # ")
        terminal.type(b"echo wrong\x15echo a\x7fb $((1+2))\r")
        terminal.expect(b"\r\nb 3\r\n/ # ")
        terminal.type(b"tty\r")
        terminal.expect(b"/dev/pts/0\r\n/ # ")
        terminal.type(b"sleep 1000\r")
        terminal.expect(b"sleep 1000\r\n")
        terminal.type(b"\x03")
        terminal.expect(b"^C\r\n/ # ")
        terminal.type(b"while true; do echo y; done\r")
        terminal.expect(b"y\r\ny\r\n")
        terminal.type(b"\x03")
        terminal.expect(b"^C\r\n/ # ")
        terminal.type(b"cat\rline\r")
        terminal.expect(b"line\r\nline\r\n")
        terminal.type(b"\x04")
        terminal.expect(b"/ # ")
        terminal.type(b"exit 7\r")
        assert terminal.end() == 7


def test_session_sees_what_others_do_meanwhile_and_undoes_none_of_it(kubectl: Kubectl) -> None:
    with kubectl.terminal("exec", "-it", "box", "--", "sh") as terminal:
        terminal.expect(b"/ # ")
        assert kubectl("exec", "box", "--", "sh", "-c", "echo theirs > /tmp/theirs").returncode == 0
        terminal.type(b"cat /tmp/theirs; echo ours > /tmp/ours\r")
        terminal.expect(b"\r\ntheirs\r\n/ # ")
        assert kubectl("exec", "box", "--", "cat", "/tmp/ours").stdout == "ours\n"
        terminal.type(b"exit\r")
        assert terminal.end() == 0
    assert kubectl("exec", "box", "--", "cat", "/tmp/theirs", "/tmp/ours").stdout == "theirs\nours\n"


def test_session_ends_with_its_pod(kubectl: Kubectl) -> None:
    assert kubectl("run", "brief", "--image=busybox", "--command", "--", "sleep", "100000").returncode == 0
    assert kubectl("wait", "--for=condition=Ready", "pod/brief").returncode == 0
    with kubectl.terminal("exec", "-it", "brief", "--", "sh") as terminal:
        terminal.expect(b"/ # ")
        assert kubectl("delete", "pod", "brief", "--grace-period=1").returncode == 0
        assert terminal.end() == 137


# cp


def test_cp_both_ways(kubectl: Kubectl) -> None:
    here = kubectl.place / "sent"
    (here / "deeper").mkdir(parents=True, exist_ok=True)
    data = os.urandom(2_000_000)
    (here / "deeper" / "data").write_bytes(data)
    (here / "text").write_text("hello\n")
    there = f"/tmp/got-{kubectl.name}"
    assert kubectl("cp", "sent", f"box:{there}").returncode == 0
    assert kubectl("exec", "box", "--", "cat", f"{there}/text").stdout == "hello\n"
    assert kubectl("cp", f"box:{there}", "back").returncode == 0
    assert (kubectl.place / "back" / "deeper" / "data").read_bytes() == data


# attach


def test_attach_to_a_shell(kubectl: Kubectl) -> None:
    name = f"shell-{kubectl.name.replace('.', '')}"
    kubectl("apply", "--validate=false", "-f", "-", stdin=SHELL % (name, "sh", "true"))
    assert kubectl("wait", "--for=condition=Ready", f"pod/{name}").returncode == 0
    with kubectl.terminal("attach", "-it", name) as terminal:
        terminal.expect(b"/ # ")
        terminal.type(b"a=1; echo $((a+1))\r")
        terminal.expect(b"\r\n2\r\n/ # ")
    with kubectl.terminal("attach", "-it", name) as terminal:  # the shell has outlived the first
        terminal.expect(b"/ # ")
        terminal.type(b"echo a is $a\r")
        terminal.expect(b"\r\na is 1\r\n/ # ")
        terminal.type(b"exit 4\r")
        terminal.end()
    path = "{.status.containerStatuses[0].state.terminated.exitCode}"
    waited = kubectl("wait", "--for=jsonpath={.status.phase}=Failed", f"pod/{name}")
    assert waited.returncode == 0
    assert kubectl("get", "pod", name, "-o", f"jsonpath={path}").stdout == "4"
    assert "a is 1" in kubectl("logs", name).stdout


def test_attach_with_a_pipe(kubectl: Kubectl) -> None:
    name = f"pipe-{kubectl.name.replace('.', '')}"
    kubectl("apply", "--validate=false", "-f", "-", stdin=SHELL % (name, "cat", "false"))
    assert kubectl("wait", "--for=condition=Ready", f"pod/{name}").returncode == 0
    result = kubectl("attach", "-i", name, stdin="one\ntwo\n")
    assert "one\ntwo\n" in result.stdout
    assert kubectl("logs", name).stdout == "one\ntwo\n"


def test_run_with_a_terminal(kubectl: Kubectl) -> None:
    arguments = ("run", "-it", "--rm", "passing", "--image=busybox", "--restart=Never", "--", "sh")
    with kubectl.terminal(*arguments) as terminal:
        terminal.expect(b"/ # ")
        terminal.type(b"exit 5\r")
        assert terminal.end() == 5
    assert b'pod "passing" deleted' in terminal.shown


# logs


def test_logs_follow_until_the_reader_goes(kubectl: Kubectl) -> None:
    argv = kubectl.argv("logs", "-f", "clock", "--tail=1")
    with subprocess.Popen(argv, env=kubectl.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ticks = [int(process.stdout.readline().split()[1]) for _ in range(3)]
        process.kill()
    assert ticks == list(range(ticks[0], ticks[0] + 3))


def test_logs_follow_until_the_container_ends(kubectl: Kubectl) -> None:
    name = f"short-{kubectl.name.replace('.', '')}"
    command = "echo one; sleep 1; echo two"
    kubectl("run", name, "--image=busybox", "--restart=Never", "--command", "--", "sh", "-c", command)
    assert kubectl("logs", "-f", name, "--pod-running-timeout=20s").stdout == "one\ntwo\n"


# port-forward


@pytest.mark.parametrize("target", ["pod/web", "svc/web"])
def test_port_forward_carries_a_real_curl(kubectl: Kubectl, target: str) -> None:
    with kubectl.forward("port-forward", target, ":80" if target == "pod/web" else ":8080") as (port, _):
        url = f"http://127.0.0.1:{port}"
        found = subprocess.run([*CURL, url], capture_output=True, text=True, check=True)
        assert "<title>Welcome to nginx!</title>" in found.stdout
        several = [
            subprocess.Popen(
                [*CURL, "-o", os.devnull, "-w", "%{http_code}", f"{url}/{n}"], stdout=subprocess.PIPE
            )
            for n in ("", "index.html", "nosuch", "")
        ]
        assert [p.communicate(timeout=30)[0] for p in several] == [b"200", b"200", b"404", b"200"]


def test_port_forward_to_a_database_and_exec_see_the_same(kubectl: Kubectl) -> None:
    with (
        kubectl.forward("port-forward", "store", ":6379") as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
        connection.makefile("rwb", buffering=0) as stream,
    ):
        stream.write(b"SET a 5\r\n")
        assert stream.readline() == b"+OK\r\n"
        assert kubectl("exec", "store", "--", "redis-cli", "incr", "a").stdout == "6\n"
        stream.write(b"GET a\r\n")
        assert [stream.readline(), stream.readline()] == [b"$1\r\n", b"6\r\n"]


def test_port_forward_to_a_port_where_nothing_listens(kubectl: Kubectl) -> None:
    with kubectl.forward("port-forward", "pod/web", ":81") as (port, process):
        result = subprocess.run([*CURL, f"http://127.0.0.1:{port}"], capture_output=True, check=False)
        assert result.returncode in (52, 56)  # an empty reply, or the connection reset
        assert process.stderr is not None
        said = process.stderr.readline()
    assert re.search(
        rf"an error occurred forwarding {port} -> 81: error forwarding port 81 to pod [0-9a-f]+, uid : failed to execute "
        rf"portforward in network namespace .*: failed to connect to localhost:81 inside namespace .*, "
        rf"IPv4: dial tcp4 127\.0\.0\.1:81: connect: connection refused",
        said,
    ), said


# proxy


def test_proxy_leads_to_pods_and_services(kubectl: Kubectl) -> None:
    with kubectl.forward("proxy", "--port=0") as (port, _):
        base = f"http://127.0.0.1:{port}/api/v1/namespaces/default"
        for path in (
            "pods/web/proxy/",
            "pods/web:80/proxy/",
            "services/web:http/proxy/",
            "services/web:8080/proxy/",
        ):
            found = subprocess.run([*CURL, f"{base}/{path}"], capture_output=True, text=True, check=True)
            assert "Welcome to nginx!" in found.stdout, path
        found = subprocess.run(
            [*CURL, "-L", "-o", os.devnull, "-w", "%{num_redirects} %{http_code}", f"{base}/pods/web/proxy"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout == "1 200"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/nobody/proxy/", 'no endpoints available for service "nobody"'),
        ("services/web:99/proxy/", 'no service port 99 found for service "web"'),
    ],
)
def test_proxy_to_where_nobody_is(kubectl: Kubectl, path: str, text: str) -> None:
    result = kubectl("get", "--raw", f"/api/v1/namespaces/default/{path}")
    assert result.stderr.strip() in (
        f"Error from server (ServiceUnavailable): {text}",
        f"Error from server: {text}",
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
    )


def test_proxy_to_a_node(kubectl: Kubectl) -> None:
    name = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").stdout
    assert kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/healthz").stdout == "ok"
