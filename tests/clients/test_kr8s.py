"""The Python client `kr8s`, unmodified, over HTTPS with the kubeconfig of a served cluster."""

from __future__ import annotations

import asyncio

import kr8s
import kr8s.asyncio
import pytest
from kr8s._async_utils import as_sync_func
from kr8s.objects import ConfigMap, Deployment, Node, Pod, Service


@pytest.fixture
def api(place):
    api = kr8s.api(kubeconfig=place.kubeconfig, namespace=place.namespace)
    yield api
    # kr8s leaves its connections to the garbage collector, which complains.
    as_sync_func(api._session.aclose)()


def a_pod(api, name="web", **labels):
    return Pod(
        {
            "metadata": {"name": name, "namespace": api.namespace, "labels": labels},
            "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
        },
        api=api,
    )


def settings(api, name, **data):
    return ConfigMap({"metadata": {"name": name, "namespace": api.namespace}, "data": data}, api=api)


def test_a_pod_comes_to_life(api):
    pod = a_pod(api)
    pod.create()
    pod.wait("condition=Ready", timeout=20)
    assert pod.ready()
    assert pod.status.phase == "Running"
    assert isinstance(list(pod.logs()), list)


def test_objects_are_read_changed_and_deleted(api):
    made = settings(api, "settings", a="1")
    made.create()
    assert made.exists()
    made.patch({"data": {"b": "2"}})
    assert made.data == {"a": "1", "b": "2"}
    made.patch([{"op": "remove", "path": "/data/a"}], type="json")
    assert ConfigMap.get("settings", namespace=api.namespace, api=api).data == {"b": "2"}
    made.label({"colour": "red"})
    made.annotate({"note": "x"})
    made.refresh()
    assert (made.labels, made.annotations.note) == ({"colour": "red"}, "x")
    made.remove_label("colour")
    assert made.labels == {}
    made.delete()
    assert not made.exists()
    with pytest.raises(kr8s.NotFoundError):
        ConfigMap.get("settings", namespace=api.namespace, api=api)


def test_lists_by_label_and_field(api):
    a_pod(api, "one", app="shop").create()
    a_pod(api, "two").create()

    def names(**how):
        return sorted(p.name for p in api.get("pods", **how))

    assert names() == ["one", "two"]
    assert names(label_selector={"app": "shop"}) == ["one"]
    assert names(field_selector="metadata.name=two") == ["two"]
    assert {"one", "two"} <= {p.name for p in api.get("pods", namespace=kr8s.ALL)}
    assert [p.name for p in api.get("po", "two")] == ["two"]


def test_what_the_server_is_and_has(api):
    assert api.version()["gitVersion"].startswith("v1.32.")
    assert {"pods", "deployments", "endpointslices"} <= {r["name"] for r in api.api_resources()}
    assert api.whoami() == "kubernetes-admin"
    assert {n.name for n in api.get("nodes")} == {"node-1", "node-2"}


def test_nodes_are_cordoned_and_tainted(api, place):
    node = Node.get("node-2", api=api)
    node.cordon()
    assert node.unschedulable
    node.uncordon()
    place.cluster.settle()  # the taint of a cordoned node goes
    node.taint("dedicated", "shop", effect="NoSchedule")
    assert [t.key for t in Node.get("node-2", api=api).taints] == ["dedicated"]
    node.taint("dedicated", "shop", effect="NoSchedule-")


def test_errors_carry_the_servers_words(api):
    settings(api, "settings").create()
    with pytest.raises(kr8s.ServerError, match='configmaps "settings" already exists') as caught:
        settings(api, "settings").create()
    assert caught.value.status["reason"] == "AlreadyExists"
    with pytest.raises(kr8s.ServerError, match="a lowercase RFC 1123 subdomain"):
        settings(api, "Bad_Name").create()


def test_a_deployment_is_scaled(api):
    made = Deployment(
        {
            "metadata": {"name": "shop", "namespace": api.namespace},
            "spec": {
                "selector": {"matchLabels": {"app": "shop"}},
                "template": {
                    "metadata": {"labels": {"app": "shop"}},
                    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
                },
            },
        },
        api=api,
    )
    made.create()
    made.patch({"spec": {"replicas": 2}})
    made.patch({"spec": {"replicas": 3}}, subresource="scale")
    made.refresh()
    assert made.replicas == 3


def test_a_service_knows_its_ready_pods(api):
    pod = a_pod(api, app="shop")
    pod.create()
    pod.wait("condition=Ready", timeout=20)
    service = Service(
        {
            "metadata": {"name": "shop", "namespace": api.namespace},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
        },
        api=api,
    )
    service.create()
    assert [p.name for p in service.ready_pods()] == ["web"]
    assert service.spec.clusterIP


def test_a_watch_tells_of_changes(api):
    made = settings(api, "settings", a="1")
    made.create()
    since = made.metadata.resourceVersion
    made.patch({"data": {"a": "2"}})
    made.delete()
    seen = []
    for event, obj in api.watch("configmaps", namespace=api.namespace, since=since):
        seen.append((event, obj.raw["data"]["a"]))
        if event == "DELETED":
            break
    assert seen == [("MODIFIED", "2"), ("DELETED", "2")]


def test_deleting_is_waited_for(api):
    pod = a_pod(api)
    pod.create()
    pod.wait("condition=Ready", timeout=20)
    pod.delete(grace_period=0)
    pod.wait("delete", timeout=20)
    assert not pod.exists()


@pytest.fixture
def running(api):
    pod = a_pod(api, app="shop")
    pod.create()
    pod.wait("condition=Ready", timeout=20)
    return pod


def test_commands_are_run(running):
    done = running.exec(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
    assert running.exec(["sh", "-c", "exit 3"], check=False).returncode == 3


def test_a_log_is_followed(api):
    script = "echo one; sleep 0.3; echo two"
    containers = [{"name": "job", "image": "busybox", "command": ["sh", "-c", script]}]
    pod = Pod(
        {
            "metadata": {"name": "job", "namespace": api.namespace},
            "spec": {"restartPolicy": "Never", "containers": containers},
        },
        api=api,
    )
    pod.create()
    pod.wait(["jsonpath='{.status.phase}'=Running", "jsonpath='{.status.phase}'=Succeeded"], timeout=20)
    assert list(pod.logs(follow=True, timeout=20)) == ["one", "two"]
    assert list(pod.logs(tail_lines=1)) == ["two"]


def test_a_service_is_reached_through_the_server(api, place, running):
    service = Service(
        {
            "metadata": {"name": "shop", "namespace": api.namespace},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
        },
        api=api,
    )
    service.create()
    place.cluster.settle()
    answer = service.proxy_http_get("/")
    assert (answer.status_code, "Welcome to nginx!" in answer.text) == (200, True)


def test_ports_are_forwarded(place):
    async def work():
        api = await kr8s.asyncio.api(kubeconfig=place.kubeconfig, namespace=place.namespace)
        containers = [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]
        pod = await kr8s.asyncio.objects.Pod(
            {"metadata": {"name": "web", "namespace": place.namespace}, "spec": {"containers": containers}},
            api=api,
        )
        await pod.create()
        await pod.wait("condition=Ready", timeout=20)
        async with pod.portforward(remote_port=80, local_port="auto") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        await api._session.aclose()
        return answer

    assert b"Welcome to nginx!" in asyncio.run(work())


def test_all_of_it_asynchronously(place):
    async def work():
        api = await kr8s.asyncio.api(kubeconfig=place.kubeconfig, namespace=place.namespace)
        pod = await kr8s.asyncio.objects.Pod(
            {
                "metadata": {"name": "web", "namespace": place.namespace},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
            api=api,
        )
        await pod.create()
        await pod.wait("condition=Ready", timeout=20)
        names = [p.name async for p in api.get("pods")]
        await api._session.aclose()
        return names

    assert asyncio.run(work()) == ["web"]
