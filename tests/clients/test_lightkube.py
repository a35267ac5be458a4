"""The Python client `lightkube`, unmodified, over HTTPS with the kubeconfig of a served cluster."""

from __future__ import annotations

import asyncio

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.models.core_v1 import Container, PodSpec, ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Node, Pod, Service
from lightkube.types import PatchType

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: nginx}]}
"""


@pytest.fixture
def client(place):
    with Client(KubeConfig.from_file(place.kubeconfig), namespace=place.namespace, trust_env=False) as client:
        yield client


def a_pod(name="web", **labels):
    spec = PodSpec(containers=[Container(name="web", image="nginx")])
    return Pod(metadata=ObjectMeta(name=name, labels=labels or None), spec=spec)


def settings(name, **data):
    return ConfigMap(metadata=ObjectMeta(name=name), data=data)


def test_a_pod_comes_to_life(client):
    made = client.create(a_pod())
    assert made.spec.restartPolicy == "Always"
    ready = client.wait(Pod, "web", for_conditions=["Ready"])
    assert ready.status.phase == "Running"
    assert list(client.log("web")) is not None


def test_a_service_gets_an_address(client):
    made = client.create(
        Service(metadata=ObjectMeta(name="shop"), spec=ServiceSpec(ports=[ServicePort(port=80)]))
    )
    assert made.spec.clusterIP.startswith("10.")
    assert client.get(Service, "shop").spec.ports[0].targetPort == 80


def test_lists_with_selectors_and_pages(client, place):
    for number in range(5):
        client.create(settings(f"page-{number}", a=str(number)))
    names = [c.metadata.name for c in client.list(ConfigMap, chunk_size=2)]
    assert names == ["kube-root-ca.crt", *(f"page-{n}" for n in range(5))]
    client.create(a_pod("one", app="shop"))
    client.create(a_pod("two"))
    assert [p.metadata.name for p in client.list(Pod, labels={"app": "shop"})] == ["one"]
    assert [p.metadata.name for p in client.list(Pod, fields={"metadata.name": "two"})] == ["two"]
    everywhere = client.list(Pod, namespace="*", fields={"metadata.namespace": place.namespace})
    assert [p.metadata.name for p in everywhere] == ["one", "two"]
    assert {n.metadata.name for n in client.list(Node)} == {"node-1", "node-2"}


def test_replace_and_conflict(client):
    first = client.create(settings("settings", a="1"))
    first.data = {"a": "2"}
    assert client.replace(first).data == {"a": "2"}
    with pytest.raises(ApiError, match="the object has been modified") as caught:
        client.replace(first)
    assert (caught.value.status.code, caught.value.status.reason) == (409, "Conflict")


@pytest.mark.parametrize(
    ("patch", "how"),
    [
        ({"data": {"b": "2"}}, PatchType.STRATEGIC),
        ({"data": {"b": "2"}}, PatchType.MERGE),
        ([{"op": "add", "path": "/data/b", "value": "2"}], PatchType.JSON),
    ],
    ids=["strategic", "merge", "json"],
)
def test_patches(client, patch, how):
    client.create(settings("settings", a="1"))
    assert client.patch(ConfigMap, "settings", patch, patch_type=how).data == {"a": "1", "b": "2"}


def test_labels_are_set(client):
    client.create(settings("settings"))
    client.set(ConfigMap, "settings", labels={"a": "b"})
    assert client.get(ConfigMap, "settings").metadata.labels == {"a": "b"}


def test_server_side_apply_is_refused_plainly(client):
    with pytest.raises(ApiError) as caught:
        client.apply(settings("settings", a="1"), field_manager="test")
    assert (caught.value.status.code, caught.value.status.reason) == (415, "UnsupportedMediaType")
    assert "accepted media types include: application/json-patch+json" in caught.value.status.message


def test_manifests(client):
    for obj in codecs.load_all_yaml(MANIFEST):
        client.create(obj)
    found = client.get(Deployment, "shop")
    assert (found.spec.replicas, found.spec.strategy.type) == (1, "RollingUpdate")
    scale = client.get(Deployment.Scale, "shop")
    scale.spec.replicas = 3
    client.replace(scale, "shop")
    assert client.get(Deployment, "shop").spec.replicas == 3


def test_status_is_a_subresource(client):
    client.create(
        Service(
            metadata=ObjectMeta(name="shop"),
            spec=ServiceSpec(type="LoadBalancer", ports=[ServicePort(port=80)]),
        )
    )
    client.patch(Service.Status, "shop", {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}})
    assert client.get(Service.Status, "shop").status.loadBalancer.ingress[0].ip == "192.0.2.1"


def test_deletions(client):
    client.create(settings("a"))
    client.create(settings("b"))
    client.delete(ConfigMap, "a")
    with pytest.raises(ApiError, match='configmaps "a" not found') as caught:
        client.get(ConfigMap, "a")
    assert caught.value.status.code == 404
    client.deletecollection(ConfigMap)
    assert "b" not in [c.metadata.name for c in client.list(ConfigMap)]


def test_a_pod_is_watched_until_it_is_gone(client):
    version = client.create(a_pod()).metadata.resourceVersion
    seen = []
    for event, obj in client.watch(Pod, fields={"metadata.name": "web"}, resource_version=version):
        seen.append((event, obj.status.phase))
        if event == "DELETED":
            break
        if obj.status.phase == "Running" and not obj.metadata.deletionTimestamp:
            client.delete(Pod, "web", grace_period=0)
    assert ("MODIFIED", "Running") in seen


def test_dry_run(client):
    client.create(settings("dry"), dry_run=True)
    assert [c.metadata.name for c in client.list(ConfigMap)] == ["kube-root-ca.crt"]


def test_commands_are_run(client):
    client.create(a_pod())
    client.wait(Pod, "web", for_conditions=["Ready"])
    done = client.exec(
        "web", command=["sh", "-c", "cat; echo err >&2; exit 3"], stdin="in", stdout=True, stderr=True
    )
    assert (done.stdout, done.stderr, done.exit_code) == ("in", "err\n", 3)
    assert client.exec("web", command="hostname", stdout=True).stdout == "web\n"


def test_a_log_is_followed(client):
    script = "echo one; sleep 0.3; echo two"
    spec = PodSpec(
        restartPolicy="Never",
        containers=[Container(name="job", image="busybox", command=["sh", "-c", script])],
    )
    client.create(Pod(metadata=ObjectMeta(name="job"), spec=spec))
    client.wait(Pod, "job", for_conditions=["PodReadyToStartContainers"])
    assert list(client.log("job", follow=True)) == ["one\n", "two\n"]


def test_all_of_it_asynchronously(place):
    async def work():
        config = KubeConfig.from_file(place.kubeconfig)
        async with AsyncClient(config, namespace=place.namespace, trust_env=False) as client:
            await client.create(a_pod())
            await client.wait(Pod, "web", for_conditions=["Ready"])
            return [n.metadata.name async for n in client.list(Namespace)]

    assert place.namespace in asyncio.run(work())
