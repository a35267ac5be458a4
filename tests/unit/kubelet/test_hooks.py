"""`lifecycle`: what its handlers do, how long they take, and what comes of their failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubesim import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z") as found:
        yield found


def run(cluster: Cluster, name: str = "p", *, lifecycle: dict[str, Any] | None = None, **fields: Any) -> None:
    spec = fields.pop("spec", {})
    container = {"name": "c", "image": "nginx", **fields, **({"lifecycle": lifecycle} if lifecycle else {})}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [container], **spec},
        }
    )
    cluster.advance(0)


def state(cluster: Cluster, name: str = "p") -> tuple[str, str]:
    [found] = cluster.get("pod", name)["status"]["containerStatuses"]
    ((word, more),) = found["state"].items()
    return word, more.get("reason", "")


def told(cluster: Cluster, name: str = "p") -> list[tuple[str, str]]:
    found = [e for e in cluster.list("events") if e["involvedObject"]["name"] == name]
    found.sort(key=lambda e: int(e["metadata"]["resourceVersion"]))
    return [(e["reason"], e["message"]) for e in found]


def http(**fields: Any) -> dict[str, Any]:
    return {"httpGet": {"port": 80, **fields}}


# postStart


def test_a_request_comes_from_the_node_and_says_who_it_is(cluster: Cluster) -> None:
    run(
        cluster,
        lifecycle={"postStart": http(path="/hello?x=1", port="web")},
        ports=[{"name": "web", "containerPort": 80}],
    )
    assert state(cluster) == ("running", "")
    [line] = [x for x in cluster.logs("p").splitlines() if "GET" in x and "open()" not in x]
    assert line.startswith("10.244.")
    assert line.endswith(
        '"GET /hello?x=1 HTTP/1.1" 404 153 "-" "kube-lifecycle/1.32" "-"'
    )  # any answer is good


def test_a_request_to_another_pod_goes_through_the_network(cluster: Cluster) -> None:
    run(cluster, "web")
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": 80}]},
        }
    )
    address = cluster.get("service", "web")["spec"]["clusterIP"]
    headers = [{"name": "User-Agent", "value": "my-hook"}]
    run(cluster, lifecycle={"postStart": http(host=address, port=8080, path="/up", httpHeaders=headers)})
    assert state(cluster) == ("running", "")
    [line] = [x for x in cluster.logs("web").splitlines() if "my-hook" in x]
    assert '"GET /up HTTP/1.1" 404' in line


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        pytest.param(
            http(port=81, path="/x"),
            'HTTP lifecycle hook (/x) for Container "c" in Pod "p_default({uid})" failed - error: '
            'Get "http://{ip}:81/x": dial tcp {ip}:81: connect: connection refused',
            id="nothing listens",
        ),
        pytest.param(
            http(port="nobody"),
            'HTTP lifecycle hook (/) for Container "c" in Pod "p_default({uid})" failed - error: '
            'strconv.Atoi: parsing "nobody": invalid syntax',
            id="no such port",
        ),
        pytest.param(
            http(host="web.default.svc"),
            'HTTP lifecycle hook (/) for Container "c" in Pod "p_default({uid})" failed - error: '
            'Get "http://web.default.svc:80/": dial tcp: lookup web.default.svc on 172.18.0.1:53: no such host',
            id="a name of the cluster, which nodes do not know",
        ),
        pytest.param(
            {"exec": {"command": ["sh", "-c", "echo out; echo err >&2; exit 3"]}},
            'Exec lifecycle hook ([sh -c echo out; echo err >&2; exit 3]) for Container "c" in Pod "p_default({uid})" '
            "failed - error: command 'sh -c echo out; echo err >&2; exit 3' exited with 3: err\n"
            ', message: "out\\nerr\\n"',
            id="a command",
        ),
    ],
)
def test_a_failure_ends_the_container_and_its_text_is_in_the_state(
    cluster: Cluster, handler: dict[str, Any], said: str
) -> None:
    run(cluster, lifecycle={"postStart": handler})
    pod = cluster.get("pod", "p")
    [found] = pod["status"]["containerStatuses"]
    text = said.replace("{uid}", pod["metadata"]["uid"]).replace("{ip}", pod["status"]["podIP"])
    assert found["state"] == {"waiting": {"reason": "PostStartHookError", "message": text}}
    assert found["lastState"]["terminated"]["reason"] == "Completed"  # nginx ends well when it is told to
    assert not found["ready"]
    assert told(cluster)[-2:] == [
        ("FailedPostStartHook", "PostStartHook failed"),
        ("Killing", "FailedPostStartHook"),
    ]


def test_it_is_tried_again_with_back_off(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": http(port=81)})
    assert state(cluster) == ("waiting", "PostStartHookError")
    cluster.advance(1)
    assert state(cluster) == ("waiting", "PostStartHookError")
    assert cluster.get("pod", "p")["status"]["containerStatuses"][0]["restartCount"] == 1
    cluster.advance(1)
    assert state(cluster) == ("waiting", "CrashLoopBackOff")
    cluster.advance(60)
    assert cluster.get("pod", "p")["status"]["containerStatuses"][0]["restartCount"] >= 2
    assert cluster.kubectl("get pod p --no-headers").stdout.split()[2] in (
        "CrashLoopBackOff",
        "PostStartHookError",
    )


def test_a_pod_that_is_not_started_again_has_ended(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": http(port=81)}, spec={"restartPolicy": "Never"})
    assert cluster.get("pod", "p")["status"]["phase"] == "Succeeded"
    assert state(cluster) == ("terminated", "Completed")


def test_https_falls_back_to_http_with_an_event(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": http(scheme="HTTPS", path="/")})
    address = cluster.get("pod", "p")["status"]["podIP"]
    assert state(cluster) == ("running", "")
    said = f"request to HTTPS lifecycle hook {address}:80 got HTTP response, retry with HTTP succeeded"
    assert ("LifecycleHTTPFallback", said) in told(cluster)


@pytest.mark.parametrize(
    "handler",
    [{"exec": {"command": ["sleep", "20"]}}, {"sleep": {"seconds": 20}}],
    ids=["exec", "sleep"],
)
def test_a_container_is_being_created_while_its_hook_runs_and_the_next_one_waits(
    cluster: Cluster, handler: dict[str, Any]
) -> None:
    first = {"name": "first", "image": "nginx", "lifecycle": {"postStart": handler}}
    second = {"name": "second", "image": "busybox", "command": ["sleep", "600"]}
    run(cluster, spec={"containers": [first, second]})

    def states() -> list[tuple[str, str, bool]]:
        found = []
        for one in cluster.get("pod", "p")["status"]["containerStatuses"]:
            ((word, more),) = one["state"].items()
            found.append((word, more.get("reason", ""), one["ready"]))
        return found

    cluster.advance(19)
    assert states() == [("waiting", "ContainerCreating", False)] * 2
    assert cluster.get("pod", "p")["status"]["phase"] == "Pending"
    cluster.advance(1)
    assert states() == [("running", "", True)] * 2


def test_probes_begin_after_the_hook(cluster: Cluster) -> None:
    run(
        cluster,
        lifecycle={"postStart": {"sleep": {"seconds": 20}}},
        livenessProbe={"httpGet": {"port": 81}, "periodSeconds": 1, "failureThreshold": 1},
    )
    cluster.advance(19)
    assert "Unhealthy" not in [reason for reason, _ in told(cluster)]
    cluster.advance(2)
    assert "Unhealthy" in [reason for reason, _ in told(cluster)]


def test_a_hook_that_fails_late_ends_the_container_then(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "sleep 5; exit 1"]}}})
    cluster.advance(4)
    assert state(cluster) == ("waiting", "ContainerCreating")
    cluster.advance(1)
    assert state(cluster) == ("waiting", "PostStartHookError")


def test_a_pod_can_be_deleted_while_a_hook_runs(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": {"sleep": {"seconds": 20}}})
    cluster.kubectl("delete pod p", check=True)
    assert cluster.list("pods") == []
    assert "FailedPostStartHook" not in [reason for reason, _ in told(cluster)]


def test_an_address_that_nobody_has_keeps_it_until_the_kernel_gives_up(cluster: Cluster) -> None:
    run(cluster, lifecycle={"postStart": http(host="10.244.9.9")})
    cluster.advance(126)
    assert state(cluster) == ("waiting", "ContainerCreating")
    cluster.advance(1)
    [found] = cluster.get("pod", "p")["status"]["containerStatuses"]
    assert found["state"]["waiting"]["message"].endswith(
        "dial tcp 10.244.9.9:80: connect: connection timed out"
    )


# preStop


def test_a_request_is_made_before_the_end(cluster: Cluster) -> None:
    run(cluster, "web")
    address = cluster.get("pod", "web")["status"]["podIP"]
    run(cluster, lifecycle={"preStop": http(host=address, path="/bye")})
    assert "/bye" not in cluster.logs("web")
    cluster.kubectl("delete pod p", check=True)
    assert '"GET /bye HTTP/1.1" 404' in cluster.logs("web")
    assert "FailedPreStopHook" not in [reason for reason, _ in told(cluster)]


@pytest.mark.parametrize(
    "handler",
    [http(port=81), {"exec": {"command": ["false"]}}, {"exec": {"command": ["no-such-program"]}}],
    ids=["nothing listens", "it fails", "it cannot be started"],
)
def test_a_failure_before_the_end_is_told_and_changes_nothing(
    cluster: Cluster, handler: dict[str, Any]
) -> None:
    run(cluster, lifecycle={"preStop": handler})
    cluster.kubectl("delete pod p", check=True)
    assert cluster.list("pods") == []
    assert told(cluster)[-2:] == [
        ("Killing", "Stopping container c"),
        ("FailedPreStopHook", "PreStopHook failed"),
    ]
