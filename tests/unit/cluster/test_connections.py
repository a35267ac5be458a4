"""Commands in containers beside each other, in one process and in two, and what the kubelet sees of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster
from support.objects import pod_body

from kubesim.client.resources import PODS
from kubesim.cluster.build import Cluster
from kubesim.cluster.containers import make_runtime
from kubesim.kubelet.server import LogOptions, PodServer, bare_id
from kubesim.runtime.container import LOADED
from kubesim.runtime.spec import Streams
from kubesim.util.clock import FrozenClock


class Host:
    """A cluster; `elsewhere` is the same one, as this process or another has it."""

    def __init__(self, *, processes: int) -> None:
        self.clock = FrozenClock(START)
        self.cluster: Cluster = make_cluster(settle=True, clock=self.clock, runtime=make_runtime, nodes=4)
        self.elsewhere = self.cluster
        if processes > 1:
            self.elsewhere = make_cluster(self.cluster.storage, clock=self.clock, runtime=make_runtime)

    def run(self, name: str = "p", **container: Any) -> dict[str, Any]:
        volumes = [{"name": "data", "emptyDir": {}}]
        mounts = [{"name": "data", "mountPath": "/data"}]
        body = pod_body(name, {}, volumes=volumes)
        body["spec"]["containers"] = [{"name": "c", "image": "nginx", "volumeMounts": mounts, **container}]
        self.cluster.client.create(PODS, body, "default")
        self.cluster.settle()
        return self.pod(name)

    def pod(self, name: str = "p") -> dict[str, Any]:
        return self.cluster.client.get(PODS, name, "default")

    def sh(self, script: str, *, server: PodServer | None = None, pod: str = "p") -> tuple[int, str]:
        streams, out, err = Streams.captured()
        where = server or self.elsewhere.pods
        code = where.exec(self.pod(pod), "", ["sh", "-c", script], streams)
        return code, (out + err).decode()

    def sh_during(self, script: str, meanwhile: Callable[[], object]) -> int:
        """A command that reads a line; while it waits for that, something else happens."""

        def read() -> bytes:
            if not happened:
                happened.append(1)
                meanwhile()
                return b"line\n"
            return b""

        happened: list[int] = []
        streams = Streams(lambda data: None, lambda data: None, read)
        return self.cluster.pods.exec(self.pod(), "", ["sh", "-c", script], streams)

    def restarts(self) -> int:
        return int(self.pod()["status"]["containerStatuses"][0]["restartCount"])


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def host(request: pytest.FixtureRequest) -> Host:
    return Host(processes=request.param)


def test_what_one_connection_has_done_another_sees(host: Host) -> None:
    host.run()
    one, two = host.cluster.pods, host.elsewhere.pods
    assert host.sh("echo hello > /tmp/f; echo shared > /data/f", server=one) == (0, "")
    assert host.sh("cat /tmp/f /data/f", server=two) == (0, "hello\nshared\n")


def test_two_sessions_in_one_container_keep_the_files_of_both(host: Host) -> None:
    host.run()
    host.sh("echo 0 > /tmp/both; echo 0 > /tmp/gone; echo 0 > /data/both")

    def second() -> None:
        assert host.sh("echo 2 > /tmp/two; echo 2 > /data/two; rm /tmp/gone")[0] == 0

    script = "echo 1 > /tmp/one; echo 1 > /data/one; read x; echo 1 > /tmp/both; echo $x > /data/both"
    assert host.sh_during(script, second) == 0
    assert host.sh("cat /tmp/one /tmp/two /tmp/both /data/one /data/two /data/both") == (
        0,
        "1\n2\n1\n1\n2\nline\n",
    )
    assert host.sh("test -e /tmp/gone")[0] == 1
    host.cluster.settle()
    assert host.restarts() == 0


def test_a_session_does_not_undo_what_became_of_the_container_meanwhile(host: Host) -> None:
    host.run()

    def restarted() -> None:
        host.sh("kill 1")
        host.elsewhere.settle()
        host.clock.advance(timedelta(seconds=60))
        host.elsewhere.settle()

    host.sh_during("echo late > /tmp/late; read x", restarted)
    host.cluster.settle()
    assert host.restarts() == 1
    assert host.pod()["status"]["containerStatuses"][0]["state"].keys() == {"running"}


def test_a_session_that_outlives_its_pod_leaves_nothing_behind(host: Host) -> None:
    host.run()

    def deleted() -> None:
        host.cluster.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 0})
        host.elsewhere.settle()
        host.clock.advance(timedelta(seconds=60))
        host.elsewhere.settle()

    host.sh_during("echo late > /tmp/late; echo late > /data/late; read x", deleted)
    host.cluster.settle()
    assert dict(host.cluster.state.items("runtime/")) == {}
    assert dict(host.cluster.state.items("volumes/")) == {}


def test_the_kubelet_sees_what_a_connection_did(host: Host) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 5}
    host.run(readinessProbe=probe)
    assert not host.pod()["status"]["containerStatuses"][0]["ready"]
    host.sh("touch /tmp/ready")
    host.clock.advance(timedelta(seconds=10))
    host.cluster.settle()
    assert host.pod()["status"]["containerStatuses"][0]["ready"]


def test_a_command_that_ends_the_container_restarts_it(host: Host) -> None:
    host.run()
    host.sh("kill 1")
    host.cluster.settle()
    host.clock.advance(timedelta(seconds=60))
    host.cluster.settle()
    assert host.restarts() == 1


def test_lines_logged_through_two_connections_are_all_there(host: Host) -> None:
    host.run()

    def ask(word: str) -> None:
        assert host.sh(f"curl -s -o /dev/null localhost/?{word}")[0] == 0

    host.sh_during(
        "curl -s -o /dev/null localhost/?first; read x; curl -s -o /dev/null localhost/?third",
        lambda: ask("second"),
    )
    log = host.elsewhere.pods.logs(host.pod(), LogOptions())
    assert [log.count(f"GET /?{word} ") for word in ("first", "second", "third")] == [1, 1, 1]


def test_the_kubelet_keeps_few_containers_in_memory() -> None:
    host = Host(processes=1)
    number = LOADED + 40
    for n in range(number):
        body = pod_body(f"p{n}", {})
        body["spec"]["containers"] = [{"name": "c", "image": "busybox", "command": ["sleep", "3600"]}]
        host.cluster.client.create(PODS, body, "default")
    host.cluster.settle()
    pods = host.cluster.client.list(PODS, "default")["items"]
    assert sum(p["status"]["phase"] == "Running" for p in pods) == number
    runtime = host.cluster.runtime
    assert runtime is not None
    assert len(runtime._loaded) <= LOADED + 16
    first = next(p for p in pods if p["metadata"]["name"] == "p0")
    container_id = bare_id(first["status"]["containerStatuses"][0]["containerID"])
    assert runtime.advance(container_id).running
