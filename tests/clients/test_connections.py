"""Commands, forwarded ports and followed logs by client libraries, unmodified: `kubernetes` and `kr8s`."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import kr8s
import pytest
from kr8s._async_utils import as_sync_func
from kr8s.objects import Pod
from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

# `kubernetes` leaves it to the interpreter to close the sockets of commands that have ended.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PODS: list[dict[str, Any]] = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "box"},
        "spec": {
            "containers": [
                {
                    "name": "box",
                    "image": "busybox",
                    "command": ["sh", "-c", "echo one; echo two; sleep 100000"],
                }
            ]
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
    },
]


@pytest.fixture
def core(place: Any) -> Iterator[client.CoreV1Api]:
    for pod in PODS:
        place.cluster.create({**pod, "metadata": {**pod["metadata"], "namespace": place.namespace}})
    place.cluster.settle()
    with config.new_client_from_config(place.kubeconfig) as api:
        yield client.CoreV1Api(api)


def _exec(core: client.CoreV1Api, place: Any, *command: str, stdin: bool = False, **options: Any) -> Any:
    return stream(
        core.connect_get_namespaced_pod_exec,
        "box",
        place.namespace,
        command=list(command),
        stdin=stdin,
        stdout=True,
        stderr=True,
        tty=False,
        **options,
    )


def test_kubernetes_runs_commands(core: client.CoreV1Api, place: Any) -> None:
    assert _exec(core, place, "sh", "-c", "echo out; echo err >&2") == "out\nerr\n"
    shell = _exec(core, place, "sh", stdin=True, _preload_content=False)
    try:
        shell.write_stdin("echo $((1+2))\n")
        assert shell.readline_stdout(timeout=20) == "3"
        shell.write_stdin("exit 3\n")
        shell.run_forever(timeout=20)
        assert shell.returncode == 3
    finally:
        shell.close()


def test_kubernetes_forwards_ports(core: client.CoreV1Api, place: Any) -> None:
    connect = core.connect_get_namespaced_pod_portforward
    forwarded = portforward(connect, "web", place.namespace, ports="80")
    with closing(forwarded.socket(80)) as connection:
        connection.setblocking(True)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert b"Welcome to nginx!" in answer.read()
    assert forwarded.error(80) is None
    forwarded = portforward(connect, "web", place.namespace, ports="81")
    with closing(forwarded.socket(81)) as connection:
        connection.setblocking(True)
        assert connection.recv(1) == b""
    assert "connect: connection refused" in forwarded.error(81)


def test_kubernetes_follows_logs_and_goes_through_the_proxy(core: client.CoreV1Api, place: Any) -> None:
    lines = watch.Watch().stream(core.read_namespaced_pod_log, "box", place.namespace)
    assert [next(lines), next(lines)] == ["one", "two"]
    lines.close()
    assert "Welcome to nginx!" in core.connect_get_namespaced_pod_proxy("web", place.namespace)


def test_kr8s_runs_commands_and_forwards_ports(core: client.CoreV1Api, place: Any) -> None:
    del core  # the Pods are there
    api = kr8s.api(kubeconfig=place.kubeconfig, namespace=place.namespace)
    try:
        done = Pod.get("box", api=api).exec(["sh", "-c", "echo out; exit 2"], check=False)
        assert (done.stdout, done.returncode) == (b"out\n", 2)
        with Pod.get("web", api=api).portforward(80, local_port="auto") as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/nosuch")
            assert connection.getresponse().status == 404
            connection.close()
    finally:  # kr8s leaves its connections to the garbage collector, whenever that comes
        as_sync_func(api._session.aclose)()
