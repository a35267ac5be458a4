"""A Pod's life on a real cluster with real simulated containers; the clock is moved by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.cluster import START, make_cluster
from support.objects import addresses_of, events_of, make_service, pod_body, service_body

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import CONFIG_MAPS, EVENTS, NODES, PODS, SECRETS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.cluster.containers import make_runtime
from kubesim.kubelet.config import IMAGES_LABEL
from kubesim.util.clock import FrozenClock


class Node:
    """A cluster with one node that runs containers."""

    def __init__(self, **config: Any) -> None:
        self.clock = FrozenClock(START)
        self.cluster: Cluster = make_cluster(settle=True, clock=self.clock, runtime=make_runtime, **config)
        self.client = self.cluster.client

    def run(self, name: str = "p", image: str = "nginx", **fields: Any) -> dict[str, Any]:
        """Make a Pod; fields of a container by their names, those of the Pod's spec in `spec`."""
        spec, labels = fields.pop("spec", {}), fields.pop("labels", {})
        body = pod_body(name, labels, **spec)
        if "containers" not in spec:
            body["spec"]["containers"] = [{"name": "c", "image": image, **fields}]
        self.client.create(PODS, body, "default")
        self.cluster.settle()
        return self.pod(name)

    def pod(self, name: str = "p") -> dict[str, Any]:
        return self.client.get(PODS, name, "default")

    def after(self, seconds: float) -> dict[str, Any]:
        """The Pod `p` some seconds later."""
        self.clock.advance(timedelta(seconds=seconds))
        self.cluster.settle()
        return self.pod()

    def reasons(self, name: str = "p") -> list[str]:
        return [reason for _, reason, _ in events_of(self.client, name)]

    def exists(self, name: str = "p") -> bool:
        try:
            self.pod(name)
        except StatusError:
            return False
        return True


@pytest.fixture
def node() -> Node:
    return Node()


def container(pod: dict[str, Any], field: str = "containerStatuses", position: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = pod["status"][field][position]
    return found


def state(pod: dict[str, Any], field: str = "containerStatuses", position: int = 0) -> tuple[str, str]:
    """The state of a container, and its reason."""
    ((name, found),) = container(pod, field, position)["state"].items()
    return name, found.get("reason", "")


def conditions(pod: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in pod["status"]["conditions"]}


# Starting.


def test_a_pod_is_running_with_the_status_of_a_real_one(node: Node) -> None:
    status = node.run(ports=[{"containerPort": 80}])["status"]
    now = "2026-01-01T00:00:00Z"
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", "True"),
        ("ContainersReady", "True"),
        ("PodScheduled", "True"),
    ]
    assert {c["lastTransitionTime"] for c in status["conditions"]} == {now}
    assert (status["phase"], status["qosClass"], status["startTime"]) == ("Running", "BestEffort", now)
    assert (status["podIP"], status["podIPs"]) == ("10.244.0.2", [{"ip": "10.244.0.2"}])
    assert (status["hostIP"], status["hostIPs"]) == ("172.18.0.3", [{"ip": "172.18.0.3"}])
    (found,) = status["containerStatuses"]
    assert found["containerID"].startswith("containerd://")
    assert len(found["containerID"]) == len("containerd://") + 64
    assert found["imageID"].startswith("docker.io/library/nginx@sha256:")
    (mount,) = found["volumeMounts"]
    assert (mount["readOnly"], mount["recursiveReadOnly"]) == (True, "Disabled")
    expected = {
        "name": "c",
        "image": "docker.io/library/nginx:latest",
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": now}},
    }
    assert {k: found[k] for k in expected} == expected


def test_the_events_of_a_start_are_those_of_kubernetes(node: Node) -> None:
    node.run()
    found = events_of(node.client, "p")
    assert [(kind, reason) for kind, reason, _ in found] == [
        ("Normal", "Scheduled"),
        ("Normal", "Pulling"),
        ("Normal", "Pulled"),
        ("Normal", "Created"),
        ("Normal", "Started"),
    ]
    messages = [message for _, _, message in found]
    assert messages[1] == 'Pulling image "nginx"'
    assert messages[2].startswith('Successfully pulled image "nginx" in ')
    assert "including waiting). Image size: " in messages[2]
    assert messages[3:] == ["Created container: c", "Started container c"]
    events = node.client.list(EVENTS, "default", field_selector="involvedObject.name=p,reason=Started")[
        "items"
    ]
    assert events[0]["source"] == {"component": "kubelet", "host": "node-1"}
    assert events[0]["involvedObject"]["fieldPath"] == "spec.containers{c}"


def test_an_image_that_is_there_is_not_pulled_again(node: Node) -> None:
    node.run("first", image="nginx:1.27")
    node.run("second", image="nginx:1.27")
    assert ("Normal", "Pulled", 'Container image "nginx:1.27" already present on machine') in events_of(
        node.client, "second"
    )
    assert "Pulling" not in node.reasons("second")


def test_every_pod_has_a_new_address(node: Node) -> None:
    first = node.run("a")["status"]["podIP"]
    node.client.delete(PODS, "a", "default")
    node.cluster.settle()
    assert (first, node.run("a")["status"]["podIP"]) == ("10.244.0.2", "10.244.0.3")


def test_a_pod_in_the_host_network_has_the_nodes_address(node: Node) -> None:
    status = node.run(spec={"hostNetwork": True})["status"]
    assert status["podIP"] == status["hostIP"] == "172.18.0.3"


def test_pods_on_hold_are_left_alone(node: Node) -> None:
    body = pod_body("p")
    body["metadata"]["annotations"] = {"example.com/kubelet-hold": "y"}
    node.client.create(PODS, body, "default")
    node.cluster.settle()
    assert (node.pod()["status"]["phase"], node.reasons()) == ("Pending", ["Scheduled"])
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert "deletionTimestamp" in node.pod()["metadata"]


def test_looking_again_writes_nothing(node: Node) -> None:
    before = node.run()["metadata"]["resourceVersion"]
    node.cluster.manager.enqueue("kubelet", "default/p", "a test asks")
    node.cluster.settle()
    assert node.pod()["metadata"]["resourceVersion"] == before


# Ending, and starting again.


def test_a_command_that_ends_completes_a_pod_that_is_not_restarted(node: Node) -> None:
    node.run(image="busybox", command=["sleep", "5"], spec={"restartPolicy": "Never"})
    assert node.after(4)["status"]["phase"] == "Running"
    pod = node.after(1)
    assert (pod["status"]["phase"], state(pod)) == ("Succeeded", ("terminated", "Completed"))
    assert container(pod)["state"]["terminated"]["finishedAt"] == "2026-01-01T00:00:05Z"
    assert conditions(pod) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert {c.get("reason") for c in pod["status"]["conditions"]} == {None, "PodCompleted"}


def test_a_command_that_fails_fails_a_pod_that_is_not_restarted(node: Node) -> None:
    pod = node.run(image="busybox", command=["sh", "-c", "exit 3"], spec={"restartPolicy": "Never"})
    assert (pod["status"]["phase"], state(pod)) == ("Failed", ("terminated", "Error"))
    assert container(pod)["state"]["terminated"]["exitCode"] == 3


def test_a_container_that_ends_is_restarted_with_back_off(node: Node) -> None:
    pod = node.run(image="busybox", command=["false"])
    restarts = [(0.0, container(pod)["restartCount"])]
    assert state(pod) == ("waiting", "CrashLoopBackOff")
    title = f"p_default({pod['metadata']['uid']})"
    waiting = container(pod)["state"]["waiting"]["message"]
    assert waiting == f"back-off 10s restarting failed container=c pod={title}"
    assert ("Warning", "BackOff", f"Back-off restarting failed container c in pod {title}") in events_of(
        node.client, "p"
    )
    for _ in range(700):
        pod = node.after(1)
        if container(pod)["restartCount"] != restarts[-1][1]:
            restarts.append(((node.clock.now() - START).total_seconds(), container(pod)["restartCount"]))
    assert restarts == [(0, 1), (10, 2), (30, 3), (70, 4), (150, 5), (310, 6), (610, 7)]
    assert (pod["status"]["phase"], pod["status"]["conditions"][2]["reason"]) == (
        "Running",
        "ContainersNotReady",
    )
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 1


def test_time_that_passed_unwatched_is_made_up_for(node: Node) -> None:
    node.run(image="busybox", command=["false"])
    pod = node.after(311)
    assert container(pod)["restartCount"] == 6
    assert container(pod)["lastState"]["terminated"]["finishedAt"] == "2026-01-01T00:05:10Z"


def test_days_that_passed_unwatched_are_counted_and_not_played(node: Node) -> None:
    node.run(image="busybox", command=["false"])
    node.after(700)
    before = container(node.pod())["restartCount"]
    node.clock.advance(timedelta(days=7))
    actions = node.cluster.settle().actions
    assert container(node.pod())["restartCount"] == before + 7 * 24 * 12
    assert len(actions) < 30
    assert node.cluster.manager.next_due() is not None


def test_on_failure_restarts_only_failures(node: Node) -> None:
    script = "if [ -e /data/x ]; then exit 0; fi; touch /data/x; exit 1"
    volumes = [{"name": "data", "emptyDir": {}}]
    body = {"name": "c", "image": "busybox", "command": ["sh", "-c", script]}
    body["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]  # type: ignore[assignment]
    pod = node.run(spec={"restartPolicy": "OnFailure", "volumes": volumes, "containers": [body]})
    assert (pod["status"]["phase"], container(pod)["restartCount"]) == ("Succeeded", 1)


def test_a_pod_runs_no_longer_than_its_deadline(node: Node) -> None:
    node.run(spec={"activeDeadlineSeconds": 60})
    pod = node.after(60)
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


def test_a_new_image_starts_at_once_however_often_it_changes(node: Node) -> None:
    node.run(image="nginx:1.25")
    for count, image in enumerate(("nginx:1.26", "nginx:1.27", "nginx:1.28"), 1):
        change = {"spec": {"containers": [{"name": "c", "image": image}]}}
        node.client.patch(PODS, "p", change, "application/strategic-merge-patch+json", "default")
        pod = node.after(0)
        assert (container(pod)["restartCount"], container(pod)["ready"]) == (count, True)


def test_another_image_restarts_the_container(node: Node) -> None:
    node.run(image="nginx:1.26")
    change = {"spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}
    node.client.patch(PODS, "p", change, "application/strategic-merge-patch+json", "default")
    node.cluster.settle()
    found = container(node.pod())
    assert (found["image"], found["restartCount"]) == ("docker.io/library/nginx:1.27", 1)
    assert ("Normal", "Killing", "Container c definition changed, will be restarted") in events_of(
        node.client, "p"
    )


# Init containers and sidecars.


def test_init_containers_run_one_after_the_other(node: Node) -> None:
    init = [{"name": n, "image": "busybox", "command": ["sleep", "5"]} for n in ("one", "two")]
    pod = node.run(spec={"initContainers": init})
    assert [state(pod, "initContainerStatuses", i)[0] for i in (0, 1)] == ["running", "waiting"]
    assert (pod["status"]["phase"], state(pod)) == ("Pending", ("waiting", "PodInitializing"))
    initialised = pod["status"]["conditions"][1]
    assert (initialised["reason"], initialised["message"]) == (
        "ContainersNotInitialized",
        "containers with incomplete status: [one two]",
    )
    pod = node.after(5)
    assert [state(pod, "initContainerStatuses", i)[0] for i in (0, 1)] == ["terminated", "running"]
    pod = node.after(5)
    assert (pod["status"]["phase"], conditions(pod)["Initialized"], conditions(pod)["Ready"]) == (
        "Running",
        "True",
        "True",
    )


def test_an_init_container_that_fails_is_tried_again(node: Node) -> None:
    pod = node.run(spec={"initContainers": [{"name": "i", "image": "busybox", "command": ["false"]}]})
    assert state(pod, "initContainerStatuses") == ("waiting", "CrashLoopBackOff")
    assert (pod["status"]["phase"], container(pod, "initContainerStatuses")["restartCount"]) == ("Pending", 1)


def test_an_init_container_that_fails_fails_a_pod_that_never_restarts(node: Node) -> None:
    init = [{"name": "i", "image": "busybox", "command": ["false"]}]
    pod = node.run(spec={"initContainers": init, "restartPolicy": "Never"})
    assert (pod["status"]["phase"], state(pod)) == ("Failed", ("waiting", "PodInitializing"))


def test_a_sidecar_runs_beside_and_ends_after(node: Node) -> None:
    sidecar = {"name": "log", "image": "nginx", "restartPolicy": "Always"}
    main = {"name": "c", "image": "busybox", "command": ["sleep", "5"]}
    spec = {"initContainers": [sidecar], "containers": [main], "restartPolicy": "Never"}
    pod = node.run(spec=spec)
    assert (state(pod, "initContainerStatuses")[0], state(pod)[0]) == ("running", "running")
    assert container(pod, "initContainerStatuses")["started"] is True
    pod = node.after(5)
    assert (pod["status"]["phase"], state(pod, "initContainerStatuses")[0]) == ("Succeeded", "terminated")


def test_what_follows_a_sidecar_waits_for_its_startup_probe_and_no_longer(node: Node) -> None:
    startup = {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 20}
    first = {"name": "one", "image": "nginx", "restartPolicy": "Always", "startupProbe": startup}
    at_once = {"exec": {"command": ["true"]}}
    second = {"name": "two", "image": "redis", "restartPolicy": "Always", "startupProbe": at_once}
    node.run(spec={"initContainers": [first, second], "containers": [{"name": "c", "image": "memcached"}]})
    pod = node.after(19)
    assert (state(pod, "initContainerStatuses", 1)[0], state(pod)) == (
        "waiting",
        ("waiting", "PodInitializing"),
    )
    pod = node.after(1)
    assert (state(pod, "initContainerStatuses", 1)[0], state(pod)[0]) == ("running", "running")


def test_a_grpc_probe_says_what_the_server_answers(node: Node) -> None:
    image, args = "registry.k8s.io/e2e-test-images/agnhost:2.53", ["grpc-health-checking"]
    for name, port in (("of-another", 5000), ("of-http", 8080)):
        node.run(name, image, args=args, readinessProbe={"grpc": {"port": port, "service": "x"}})
    address = node.pod("of-http")["status"]["podIP"]
    assert [events_of(node.client, name)[-1] for name in ("of-another", "of-http")] == [
        ("Warning", "Unhealthy", f"Readiness probe failed: {text}")
        for text in (
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
            f'timeout: failed to connect service "{address}:8080" within 1s: context deadline exceeded',
        )
    ]


def test_images_are_added_in_a_config_map(node: Node) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "labels": {IMAGES_LABEL: "true"}},
        "data": {"mine": "images: {mine: {names: [example.com/mine], like: radish}}"},
    }
    node.run("before", "example.com/unknown")
    node.client.create(CONFIG_MAPS, config, "kube-system")
    pod = node.run(image="example.com/mine:7")
    assert state(pod) == ("waiting", "ErrImagePull")
    assert container(pod)["state"]["waiting"]["message"].startswith(
        'failed to pull and unpack image "example.com/mine:7": configmap kube-system/mine key mine: '
    )
    assert node.pod("before")["status"]["phase"] == "Running"  # what runs goes on
    config["data"] = {"mine": "images: {mine: {names: [example.com/mine], like: redis}}"}
    node.client.patch(CONFIG_MAPS, "mine", config, MERGE_PATCH, "kube-system")
    assert state(node.after(60)) == ("running", "")
    assert node.run("probed", "example.com/mine", readinessProbe={"tcpSocket": {"port": 6379}})["status"][
        "phase"
    ]


# What goes wrong.


def test_an_image_that_cannot_be_pulled(node: Node) -> None:
    pod = node.run(image="nginx:missing")
    assert state(pod) == ("waiting", "ErrImagePull")
    assert pod["status"]["phase"] == "Pending"
    pulled = container(pod)["state"]["waiting"]["message"]
    assert "not found" in pulled
    assert events_of(node.client, "p")[1:] == [
        ("Normal", "Pulling", 'Pulling image "nginx:missing"'),
        ("Warning", "Failed", f'Failed to pull image "nginx:missing": {pulled}'),
        ("Warning", "Failed", "Error: ErrImagePull"),
    ]
    pod = node.after(1)
    assert state(pod) == ("waiting", "ImagePullBackOff")
    assert container(pod)["state"]["waiting"]["message"] == (
        f'Back-off pulling image "nginx:missing": ErrImagePull: {pulled}'
    )
    assert events_of(node.client, "p")[-2:] == [
        ("Normal", "BackOff", 'Back-off pulling image "nginx:missing"'),
        ("Warning", "Failed", "Error: ImagePullBackOff"),
    ]
    assert state(node.after(9)) == ("waiting", "ErrImagePull")


def test_an_image_that_is_never_pulled_has_to_be_there(node: Node) -> None:
    pod = node.run(imagePullPolicy="Never")
    assert state(pod) == ("waiting", "ErrImageNeverPull")
    assert container(pod)["state"]["waiting"]["message"] == (
        'Container image "nginx" is not present with pull policy of Never'
    )


def test_a_config_map_that_is_missing_is_waited_for(node: Node) -> None:
    pod = node.run(envFrom=[{"configMapRef": {"name": "cm"}}])
    assert state(pod) == ("waiting", "CreateContainerConfigError")
    assert container(pod)["state"]["waiting"]["message"] == 'configmap "cm" not found'
    assert ("Warning", "Failed", 'Error: configmap "cm" not found') in events_of(node.client, "p")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"A": "1"}}
    node.client.create(CONFIG_MAPS, body, "default")
    node.cluster.settle()
    assert node.pod()["status"]["phase"] == "Running"


def test_a_volume_that_is_missing_is_waited_for(node: Node) -> None:
    pod = node.run(spec={"volumes": [{"name": "v", "secret": {"secretName": "s"}}]})
    assert state(pod) == ("waiting", "ContainerCreating")
    assert conditions(pod)["PodReadyToStartContainers"] == "False"
    assert "podIP" not in pod["status"]
    text = 'MountVolume.SetUp failed for volume "v" : secret "s" not found'
    assert ("Warning", "FailedMount", text) in events_of(node.client, "p")
    node.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}, "default")
    node.cluster.settle()
    assert node.pod()["status"]["phase"] == "Running"


def test_a_command_that_does_not_exist(node: Node) -> None:
    pod = node.run(command=["nosuch"])
    assert state(pod) == ("waiting", "RunContainerError")
    text = 'exec: "nosuch": executable file not found in $PATH: unknown'
    assert container(pod)["state"]["waiting"]["message"].endswith(text)
    last = container(pod)["lastState"]["terminated"]
    assert (last["reason"], last["exitCode"], last["startedAt"]) == (
        "StartError",
        128,
        "1970-01-01T00:00:00Z",
    )
    assert "Started" not in node.reasons()
    assert container(node.after(10))["restartCount"] == 1


def test_a_container_that_may_not_be_root(node: Node) -> None:
    pod = node.run(securityContext={"runAsNonRoot": True})
    assert state(pod) == ("waiting", "CreateContainerConfigError")
    assert container(pod)["state"]["waiting"]["message"].startswith(
        'container has runAsNonRoot and image will run as root (pod: "p_default('
    )


def test_a_node_without_addresses_is_tried_again(node: Node) -> None:
    cidr = node.client.get(NODES, "node-1")["spec"]["podCIDR"]
    base = cidr.rpartition(".")[0]
    for number in range(2, 255):
        node.cluster.state.set(f"kubelet/address/{cidr}/{base}.{number}", b"somebody")
    pod = node.run()
    assert state(pod) == ("waiting", "ContainerCreating")
    assert "FailedCreatePodSandBox" in node.reasons()
    node.cluster.state.set(f"kubelet/address/{cidr}/{base}.9", None)
    assert node.after(10)["status"]["podIP"] == f"{base}.9"


def test_an_ephemeral_container_runs_beside_the_others(node: Node) -> None:
    pod = node.run()
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox", "command": ["sleep", "5"]}]
    node.client.update(PODS, pod, "default", subresource="ephemeralcontainers")
    node.cluster.settle()
    assert state(node.pod(), "ephemeralContainerStatuses")[0] == "running"
    pod = node.after(5)
    assert state(pod, "ephemeralContainerStatuses") == ("terminated", "Completed")
    assert (pod["status"]["phase"], container(pod)["restartCount"]) == ("Running", 0)


# Probes.

READY_80 = {"httpGet": {"path": "/", "port": 80}}


def test_a_readiness_probe_is_asked_after_its_delay(node: Node) -> None:
    pod = node.run(readinessProbe={**READY_80, "initialDelaySeconds": 5})
    assert conditions(pod)["Ready"] == "False"
    ready = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == (
        "ContainersNotReady",
        "containers with unready status: [c]",
    )
    pod = node.after(5)
    assert (conditions(pod)["Ready"], container(pod)["ready"]) == ("True", True)


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        pytest.param(
            {"httpGet": {"path": "/", "port": 81}},
            'Readiness probe failed: Get "http://10.244.0.2:81/": dial tcp 10.244.0.2:81: connect: connection refused',
            id="http refused",
        ),
        pytest.param(
            {"httpGet": {"path": "/nosuch", "port": 80}},
            "Readiness probe failed: HTTP probe failed with statuscode: 404",
            id="http status",
        ),
        pytest.param(
            {"tcpSocket": {"port": 81}},
            "Readiness probe failed: dial tcp 10.244.0.2:81: connect: connection refused",
            id="tcp refused",
        ),
        pytest.param(
            {"exec": {"command": ["cat", "/nosuch"]}},
            "Readiness probe failed: cat: /nosuch: No such file or directory\n",
            id="exec",
        ),
    ],
)
def test_a_failing_probe_says_why(node: Node, probe: dict[str, Any], text: str) -> None:
    pod = node.run(readinessProbe=probe)
    assert conditions(pod)["Ready"] == "False"
    assert ("Warning", "Unhealthy", text) in events_of(node.client, "p")


@pytest.mark.parametrize(
    "probe",
    [READY_80, {"tcpSocket": {"port": "web"}}, {"exec": {"command": ["true"]}}],
    ids=["http", "tcp", "exec"],
)
def test_a_probe_that_succeeds_makes_ready(node: Node, probe: dict[str, Any]) -> None:
    pod = node.run(readinessProbe=probe, ports=[{"name": "web", "containerPort": 80}])
    assert conditions(pod)["Ready"] == "True"
    assert "Unhealthy" not in node.reasons()


def test_endpoints_follow_readiness(node: Node) -> None:
    make_service(node.cluster, "web", {"app": "web"})
    node.run(labels={"app": "web"}, readinessProbe={**READY_80, "initialDelaySeconds": 5})
    assert addresses_of(node.cluster, "web", "notReadyAddresses") == ["10.244.0.2"]
    node.after(5)
    assert addresses_of(node.cluster, "web") == ["10.244.0.2"]


def test_a_liveness_probe_restarts_the_container_after_its_threshold(node: Node) -> None:
    # The example of Kubernetes' documentation.
    script = "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600"
    probe = {"exec": {"command": ["cat", "/tmp/healthy"]}, "initialDelaySeconds": 5, "periodSeconds": 5}
    pod = node.run(image="busybox", args=["/bin/sh", "-c", script], livenessProbe=probe)
    assert container(pod)["ready"] is True
    assert container(node.after(30))["restartCount"] == 0
    assert ("Unhealthy" in node.after(6) and node.reasons()) or node.reasons()
    pod = node.after(60)
    assert container(pod)["restartCount"] == 1
    assert ("Normal", "Killing", "Container c failed liveness probe, will be restarted") in events_of(
        node.client, "p"
    )
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 137


def test_a_startup_probe_holds_the_others_back(node: Node) -> None:
    startup = {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 20}
    liveness = {"httpGet": {"path": "/nosuch", "port": 80}, "failureThreshold": 1}
    pod = node.run(startupProbe=startup, livenessProbe=liveness)
    assert (container(pod)["started"], container(pod)["ready"]) == (False, False)
    pod = node.after(19)
    assert container(pod)["restartCount"] == 0
    pod = node.after(1)
    assert "Container c failed liveness probe, will be restarted" in [
        m for _, _, m in events_of(node.client, "p")
    ]


def test_a_healthy_pod_needs_no_timer(node: Node) -> None:
    node.run(readinessProbe=READY_80, livenessProbe=READY_80)
    due = node.cluster.manager.next_due()
    assert due is not None
    assert due > START + timedelta(minutes=30)


def test_readiness_gates_are_waited_for(node: Node) -> None:
    pod = node.run(spec={"readinessGates": [{"conditionType": "example.com/gate"}]})
    assert (conditions(pod)["ContainersReady"], conditions(pod)["Ready"]) == ("True", "False")
    pod["status"]["conditions"].append({"type": "example.com/gate", "status": "True"})
    node.client.update(PODS, pod, "default", subresource="status")
    node.cluster.settle()
    assert conditions(node.pod())["Ready"] == "True"


# Being deleted.


def test_a_deleted_pod_is_gone_with_its_address(node: Node) -> None:
    node.run()
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert not node.exists()
    assert ("Normal", "Killing", "Stopping container c") in events_of(node.client, "p")
    assert node.cluster.state.items("kubelet/address/") == {}
    assert node.cluster.state.items("kubelet/pod/") == {}


def test_a_process_that_does_not_listen_is_killed_after_the_grace_period(node: Node) -> None:
    node.run(image="busybox", command=["sleep", "3600"], spec={"terminationGracePeriodSeconds": 10})
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert "deletionTimestamp" in node.pod()["metadata"]
    assert state(node.after(9))[0] == "running"
    node.clock.advance(timedelta(seconds=1))
    node.cluster.settle()
    assert not node.exists()


def test_a_shorter_grace_period_hurries_it(node: Node) -> None:
    node.run(image="busybox", command=["sleep", "3600"])
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert node.exists()
    node.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 1})
    node.clock.advance(timedelta(seconds=2))
    node.cluster.settle()
    assert not node.exists()


@pytest.mark.parametrize(
    ("hook", "grace", "seconds"),
    [
        pytest.param({"exec": {"command": ["sleep", "20"]}}, 60, 20, id="exec"),
        pytest.param({"exec": {"command": ["sh", "-c", "sleep 5; sleep 5"]}}, 60, 10, id="a script"),
        pytest.param({"exec": {"command": ["sleep", "100"]}}, 30, 30, id="longer than it may"),
        pytest.param({"exec": {"command": ["true"]}}, 30, 0, id="at once"),
        pytest.param({"sleep": {"seconds": 20}}, 60, 20, id="sleep"),
    ],
)
def test_a_container_runs_on_while_its_last_hook_does(
    node: Node, hook: dict[str, Any], grace: int, seconds: int
) -> None:
    node.run(lifecycle={"preStop": hook}, spec={"terminationGracePeriodSeconds": grace})
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    if seconds:
        pod = node.after(seconds - 1)
        assert state(pod)[0] == "running"
        assert container(pod)["ready"]
        node.clock.advance(timedelta(seconds=1))
        node.cluster.settle()
    assert not node.exists()


def test_a_container_that_takes_its_time_to_end_is_hurried(node: Node) -> None:
    node.run(
        image="registry.k8s.io/e2e-test-images/agnhost:2.53",
        args=["netexec", "--delay-shutdown=100"],
        spec={"terminationGracePeriodSeconds": 200},
    )
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert state(node.after(50))[0] == "running"
    node.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 1})
    node.clock.advance(timedelta(seconds=2))
    node.cluster.settle()
    assert not node.exists()
    assert node.cluster.state.items("runtime/") == {}


def test_force_deletion_ends_the_containers_all_the_same(node: Node) -> None:
    node.run()
    node.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 0})
    assert not node.exists()
    node.cluster.settle()
    assert node.cluster.state.items("kubelet/pod/") == {}
    assert node.cluster.state.items("runtime/") == {}


def test_a_pod_of_the_same_name_is_another_pod(node: Node) -> None:
    first = node.run()
    node.client.delete(PODS, "p", "default", delete_options={"gracePeriodSeconds": 0})
    second = node.run()
    assert second["status"]["podIP"] != first["status"]["podIP"]
    assert container(second)["containerID"] != container(first)["containerID"]


def test_finalizers_keep_the_object_and_not_its_containers(node: Node) -> None:
    node.run()
    node.client.patch(PODS, "p", {"metadata": {"finalizers": ["x.example/f"]}}, MERGE_PATCH, "default")
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert node.exists()
    assert node.cluster.state.items("kubelet/pod/") == {}
    node.client.patch(PODS, "p", {"metadata": {"finalizers": None}}, MERGE_PATCH, "default")
    node.cluster.settle()
    assert not node.exists()


# The environment, as the container sees it.


def _environment(node: Node) -> dict[str, str]:
    runtime = node.cluster.runtime
    assert runtime is not None
    identity = container(node.pod())["containerID"].removeprefix("containerd://")
    code, out, _ = runtime.exec_capture(identity, ["env"])
    assert code == 0
    return dict(line.partition("=")[::2] for line in out.decode().splitlines())


def test_a_service_made_later_is_not_in_the_environment(node: Node) -> None:
    node.client.create(SERVICES, service_body("early", {"a": "b"}), "default")
    node.run(image="busybox", command=["sleep", "60"])
    node.client.create(SERVICES, service_body("late", {"a": "b"}), "default")
    node.cluster.settle()
    found = _environment(node)
    assert found["HOSTNAME"] == "p"
    assert {n for n in found if n.endswith("_SERVICE_HOST")} == {
        "KUBERNETES_SERVICE_HOST",
        "EARLY_SERVICE_HOST",
    }
    node.after(60)
    assert "LATE_SERVICE_HOST" in _environment(node)


def test_a_changed_config_map_is_seen_in_its_volume_and_not_in_the_environment(node: Node) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"A": "1"}}
    made = node.client.create(CONFIG_MAPS, body, "default")
    spec = {
        "volumes": [{"name": "v", "configMap": {"name": "cm"}}],
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "envFrom": [{"configMapRef": {"name": "cm"}}],
                "volumeMounts": [{"name": "v", "mountPath": "/etc/cm"}],
            }
        ],
    }
    node.run(spec=spec)
    node.client.update(CONFIG_MAPS, made | {"data": {"A": "2"}}, "default")
    node.cluster.settle()
    runtime = node.cluster.runtime
    assert runtime is not None
    identity = container(node.pod())["containerID"].removeprefix("containerd://")
    assert runtime.exec_capture(identity, ["cat", "/etc/cm/A"])[1] == b"2"
    assert _environment(node)["A"] == "1"


# What the runtime has lost.


def _lose_containers(node: Node) -> None:
    runtime = node.cluster.runtime
    assert runtime is not None
    runtime.remove(container(node.pod())["containerID"].removeprefix("containerd://"))


def test_a_container_that_the_runtime_does_not_know_is_started_again(node: Node) -> None:
    node.run()
    _lose_containers(node)
    node.client.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH, "default")
    pod = node.after(2)
    last = container(pod)["lastState"]["terminated"]
    assert (state(pod)[0], container(pod)["restartCount"]) == ("running", 1)
    assert (last["reason"], last["exitCode"]) == ("ContainerStatusUnknown", 137)


def test_a_pod_whose_container_is_lost_can_be_deleted(node: Node) -> None:
    node.run()
    _lose_containers(node)
    node.client.delete(PODS, "p", "default")
    node.cluster.settle()
    assert not node.exists()


def test_what_a_probe_leaves_in_the_log_is_kept_at_once(node):
    node.run(readinessProbe={"httpGet": {"port": 80}, "initialDelaySeconds": 2})
    node.after(3)
    log = [text for name, text in node.cluster.state.items("runtime/").items() if "/log/" in name]
    assert b"kube-probe" in b"".join(log)
