"""The Python client `kubernetes`, unmodified, over HTTPS with the kubeconfig of a served cluster."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pydantic
import pytest
import yaml
from kubernetes import aio, client, config, dynamic, utils, watch
from kubernetes.client import ApiException
from kubernetes.informer import SharedInformer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL

MANIFESTS = "manifests/walkthrough"


@pytest.fixture
def api(place):
    with config.new_client_from_config(place.kubeconfig) as api:
        yield api


@pytest.fixture
def core(api):
    return client.CoreV1Api(api)


def a_pod(name="web", **labels):
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, labels=labels or None),
        spec=client.V1PodSpec(containers=[client.V1Container(name="web", image="nginx")]),
    )


def a_config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def until(holds, seconds=10):
    """What holds in the end; controllers work in the background."""
    for _ in range(seconds * 100):
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came about")


# The typed API.


def test_a_pod_comes_to_life(core, place):
    made = core.create_namespaced_pod(place.namespace, a_pod())
    assert (made.metadata.namespace, made.spec.restart_policy) == (place.namespace, "Always")
    assert made.metadata.creation_timestamp.tzinfo is not None

    def running():
        found = core.read_namespaced_pod_status("web", place.namespace)
        return found if found.status.phase == "Running" else None

    found = until(running)
    assert found.status.container_statuses[0].state.running.started_at
    assert core.read_namespaced_pod_log("web", place.namespace) is not None


def test_replace_with_a_stale_version_conflicts(core, place):
    first = core.create_namespaced_config_map(place.namespace, a_config_map("settings", a="1"))
    first.data["a"] = "2"
    second = core.replace_namespaced_config_map("settings", place.namespace, first)
    assert second.data == {"a": "2"}
    with pytest.raises(ApiException) as caught:
        core.replace_namespaced_config_map("settings", place.namespace, first)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")


@pytest.mark.parametrize(
    ("patch", "data"),
    [
        ({"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ([{"op": "replace", "path": "/data/a", "value": "3"}], {"a": "3"}),
    ],
    ids=["strategic", "json"],
)
def test_patches(core, place, patch, data):
    core.create_namespaced_config_map(place.namespace, a_config_map("settings", a="1"))
    assert core.patch_namespaced_config_map("settings", place.namespace, patch).data == data


def test_a_merge_patch_is_asked_for_by_its_content_type(core, place):
    core.create_namespaced_config_map(place.namespace, a_config_map("settings", a="1", b="2"))
    found = core.patch_namespaced_config_map(
        "settings", place.namespace, {"data": {"a": None}}, _content_type="application/merge-patch+json"
    )
    assert found.data == {"b": "2"}


def test_server_side_apply_is_refused_plainly(core, place):
    with pytest.raises(ApiException) as caught:
        core.patch_namespaced_config_map(
            "settings",
            place.namespace,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}},
            field_manager="test",
            _content_type="application/apply-patch+yaml",
        )
    assert (caught.value.status, caught.value.reason) == (415, "Unsupported Media Type")


def test_delete_answers_what_the_client_expects(core, place):
    core.create_namespaced_config_map(place.namespace, a_config_map("settings"))
    answer = core.delete_namespaced_config_map("settings", place.namespace)
    assert (answer["status"], answer["details"]["name"]) == ("Success", "settings")
    core.create_namespaced_pod(place.namespace, a_pod())
    pod = core.delete_namespaced_pod("web", place.namespace, grace_period_seconds=0)
    assert pod.metadata.name == "web"
    until(lambda: not core.list_namespaced_pod(place.namespace).items)


def test_a_collection_is_deleted(core, place):
    for name in ("a", "b"):
        core.create_namespaced_config_map(place.namespace, a_config_map(name))
    core.delete_collection_namespaced_config_map(place.namespace, field_selector="metadata.name=a")
    names = [c.metadata.name for c in core.list_namespaced_config_map(place.namespace).items]
    assert names == ["b", "kube-root-ca.crt"]


def test_pages(core, place):
    for number in range(5):
        core.create_namespaced_config_map(place.namespace, a_config_map(f"page-{number}"))
    names, token, remaining = [], None, []
    while True:
        page = core.list_namespaced_config_map(place.namespace, limit=2, _continue=token)
        names += [c.metadata.name for c in page.items]
        remaining.append(page.metadata.remaining_item_count)
        token = page.metadata._continue
        if not token:
            break
    assert names == ["kube-root-ca.crt", *(f"page-{n}" for n in range(5))]
    assert remaining == [4, 2, None]


def test_selectors(core, place):
    core.create_namespaced_pod(place.namespace, a_pod("one", app="shop", tier="web"))
    core.create_namespaced_pod(place.namespace, a_pod("two", app="shop"))

    def names(**how):
        return [p.metadata.name for p in core.list_namespaced_pod(place.namespace, **how).items]

    assert names(label_selector="app=shop,tier!=web") == ["two"]
    assert names(label_selector="app in (shop),tier") == ["one"]
    assert names(field_selector="metadata.name=two") == ["two"]
    until(lambda: names(field_selector="status.phase=Running") == ["one", "two"])
    everywhere = core.list_pod_for_all_namespaces(field_selector=f"metadata.namespace={place.namespace}")
    assert [p.metadata.name for p in everywhere.items] == ["one", "two"]


def test_a_deployment_with_its_scale(api, place):
    apps = client.AppsV1Api(api)
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "shop"}), spec=a_pod().spec
    )
    selector = client.V1LabelSelector(match_labels={"app": "shop"})
    spec = client.V1DeploymentSpec(replicas=2, selector=selector, template=template)
    made = apps.create_namespaced_deployment(
        place.namespace, client.V1Deployment(metadata=client.V1ObjectMeta(name="shop"), spec=spec)
    )
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    apps.patch_namespaced_deployment_scale("shop", place.namespace, {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment_scale("shop", place.namespace).spec.replicas == 3
    assert apps.read_namespaced_deployment("shop", place.namespace).metadata.generation == 2


@pytest.mark.parametrize(
    ("call", "code", "reason", "message"),
    [
        (
            lambda core, ns: core.read_namespaced_pod("none", ns),
            404,
            "NotFound",
            'pods "none" not found',
        ),
        (
            lambda core, ns: core.create_namespaced_config_map(ns, a_config_map("kube-root-ca.crt")),
            409,
            "AlreadyExists",
            'configmaps "kube-root-ca.crt" already exists',
        ),
        (
            lambda core, ns: core.create_namespaced_pod(ns, a_pod("Bad_Name")),
            422,
            "Invalid",
            'Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"',
        ),
        (
            lambda core, ns: core.create_namespaced_pod("nowhere", a_pod()),
            404,
            "NotFound",
            'namespaces "nowhere" not found',
        ),
        (
            lambda core, ns: core.list_namespaced_pod(ns, field_selector="spec.color=red"),
            400,
            "BadRequest",
            "field label not supported: spec.color",
        ),
    ],
    ids=["missing", "taken", "invalid", "no namespace", "bad selector"],
)
def test_errors_carry_the_servers_status(core, place, call, code, reason, message):
    with pytest.raises(ApiException) as caught:
        call(core, place.namespace)
    body = client.V1Status.from_json(caught.value.body)
    assert (caught.value.status, body.code, body.reason) == (code, code, reason)
    assert body.message.startswith(message)


def test_dry_run(core, place):
    core.create_namespaced_config_map(place.namespace, a_config_map("dry"), dry_run="All")
    names = [c.metadata.name for c in core.list_namespaced_config_map(place.namespace).items]
    assert "dry" not in names


def test_version_and_reviews(api, place):
    assert client.VersionApi(api).get_code().git_version.startswith("v1.32.")
    attributes = client.V1ResourceAttributes(verb="create", resource="pods", namespace=place.namespace)
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )
    answer = client.AuthorizationV1Api(api).create_self_subject_access_review(review)
    assert answer.status.allowed
    who = client.AuthenticationV1Api(api).create_self_subject_review(client.V1SelfSubjectReview())
    assert who.status.user_info.username == "kubernetes-admin"
    assert "kubeadm:cluster-admins" in who.status.user_info.groups


def test_a_token_of_a_service_account_is_its_own_user(api, core, place):
    request = client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=["https://kubernetes.default.svc.cluster.local"])
    )
    until(lambda: core.list_namespaced_service_account(place.namespace).items)
    token = core.create_namespaced_service_account_token("default", place.namespace, request).status.token
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = place.server.url, str(place.server.ca)
    settings.api_key = {"authorization": f"Bearer {token}"}
    with client.ApiClient(settings) as other:
        who = client.AuthenticationV1Api(other).create_self_subject_review(client.V1SelfSubjectReview())
    assert who.status.user_info.username == f"system:serviceaccount:{place.namespace}:default"


def test_nobody_in_particular_is_refused(place):
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = place.server.url, str(place.server.ca)
    with client.ApiClient(settings) as other, pytest.raises(ApiException) as caught:
        client.CoreV1Api(other).list_namespace()
    assert caught.value.status in (401, 403)


def _lists(api):
    """Every method of the client that lists a kind, in all namespaces."""
    for name, group in inspect.getmembers(client, inspect.isclass):
        if not name.endswith("Api"):
            continue
        for method, call in inspect.getmembers(group(api), inspect.ismethod):
            if method.startswith("list_") and not method.endswith(("_with_http_info", "_preload_content")):
                parameters = inspect.signature(call).parameters.values()
                if not any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters):
                    yield f"{name}.{method}", call


def test_what_every_kind_is_listed_as_is_understood(api, place):
    utils.create_from_directory(api, MANIFESTS, namespace=place.namespace)
    place.cluster.settle()
    understood, unknown = [], []
    for name, call in _lists(api):
        try:
            call()
        except client.exceptions.NotFoundException:
            unknown.append(name)  # of another version of Kubernetes than the cluster's
        except pydantic.ValidationError:
            # A core Event has no eventTime, and Kubernetes writes null where the client wants a time.
            assert name == "EventsV1Api.list_event_for_all_namespaces"
        else:
            understood.append(name)
    assert {"CoreV1Api.list_pod_for_all_namespaces", "AppsV1Api.list_deployment_for_all_namespaces"} <= {
        *understood
    }
    assert len(understood) >= 50
    assert not [
        name for name in unknown if name.startswith(("CoreV1", "AppsV1", "BatchV1", "RbacAuthorizationV1"))
    ]


def test_many_clients_at_once(place):
    def work(number):
        with config.new_client_from_config(place.kubeconfig) as api:
            core = client.CoreV1Api(api)
            for pod in range(6):
                core.create_namespaced_pod(place.namespace, a_pod(f"web-{number}-{pod}", app=f"web-{number}"))
                core.list_namespaced_pod(place.namespace, label_selector=f"app=web-{number}")
            core.delete_namespaced_pod(f"web-{number}-0", place.namespace, grace_period_seconds=0)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    place.cluster.settle()
    phases = [p["status"]["phase"] for p in place.cluster.list("pods", place.namespace)]
    assert phases == ["Running"] * 30


# The dynamic client, and manifests.


def test_the_dynamic_client_discovers_and_works(api, place):
    found = dynamic.DynamicClient(api)
    services = found.resources.get(api_version="v1", kind="Service")
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"ports": [{"port": 80}]},
    }
    made = services.create(body=body, namespace=place.namespace)
    assert made.spec.clusterIP
    changed = services.patch(
        name="shop",
        namespace=place.namespace,
        body={"spec": {"ports": [{"port": 80, "name": "http"}]}},
        content_type="application/merge-patch+json",
    )
    assert changed.spec.ports[0].name == "http"
    assert [s.metadata.name for s in services.get(namespace=place.namespace).items] == ["shop"]
    deployments = found.resources.get(api_version="apps/v1", kind="Deployment")
    assert "deployments/scale" in {f"{deployments.name}/{s}" for s in deployments.subresources}
    services.delete(name="shop", namespace=place.namespace)
    with pytest.raises(dynamic.exceptions.NotFoundError):
        services.get(name="shop", namespace=place.namespace)


def test_the_dynamic_client_watches(api, place):
    pods = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="Pod")
    place.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        },
        namespace=place.namespace,
    )
    events = list(pods.watch(namespace=place.namespace, timeout=1))
    assert events[0]["type"] == "ADDED"
    assert events[0]["object"].metadata.name == "web"


def test_manifests_are_created_from_files(api, core, place):
    utils.create_from_directory(api, MANIFESTS, namespace=place.namespace)
    until(lambda: {p.status.phase for p in core.list_namespaced_pod(place.namespace).items} == {"Running"})

    def ready():
        found = core.list_namespaced_endpoints(place.namespace, field_selector="metadata.name=frontend-svc")
        return [s for e in found.items for s in e.subsets or () if len(s.addresses or ()) == 3]

    until(ready)
    with pytest.raises(utils.FailToCreateError, match="already exists"):
        utils.create_from_directory(api, MANIFESTS, namespace=place.namespace)


# Watches.


def test_a_watch_tells_of_a_pods_life(core, place):
    seen = []
    watching = watch.Watch()
    maker = threading.Timer(0.1, lambda: core.create_namespaced_pod(place.namespace, a_pod()))
    maker.start()
    for event in watching.stream(core.list_namespaced_pod, place.namespace, timeout_seconds=20):
        seen.append((event["type"], event["object"].status.phase))
        if event["type"] == "DELETED":
            watching.stop()
        elif event["object"].status.phase == "Running" and not event["object"].metadata.deletion_timestamp:
            core.delete_namespaced_pod("web", place.namespace, grace_period_seconds=0)
    maker.join()
    assert seen[0] == ("ADDED", "Pending")
    assert ("MODIFIED", "Running") in seen
    assert seen[-1][0] == "DELETED"


def test_a_watch_resumes_where_it_ended(core, place):
    first = core.create_namespaced_config_map(place.namespace, a_config_map("a"))
    core.create_namespaced_config_map(place.namespace, a_config_map("b"))
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        place.namespace,
        resource_version=first.metadata.resource_version,
        field_selector="metadata.name!=kube-root-ca.crt",
        timeout_seconds=1,
    )
    assert [(e["type"], e["object"].metadata.name) for e in stream] == [("ADDED", "b")]


def test_a_watch_from_what_is_compacted_is_gone(core, place):
    first = core.create_namespaced_config_map(place.namespace, a_config_map("a"))
    storage = place.cluster._cluster.storage
    core.create_namespaced_config_map(place.namespace, a_config_map("b"))
    storage.compact(storage.revision())
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        place.namespace,
        resource_version=first.metadata.resource_version,
        timeout_seconds=1,
    )
    with pytest.raises(ApiException, match="too old resource version") as caught:
        list(stream)
    assert caught.value.status == 410


# Containers.


# A WebSocket that the server has closed is left by the client to the garbage collector.
leaves_a_socket = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture
def running(core, place):
    """A Pod that runs nginx."""
    core.create_namespaced_pod(place.namespace, a_pod())
    until(lambda: core.read_namespaced_pod("web", place.namespace).status.phase == "Running")
    yield "web"
    gc.collect()


@leaves_a_socket
def test_a_command_answers_all_at_once(core, place, running):
    answer = stream(
        core.connect_get_namespaced_pod_exec,
        running,
        place.namespace,
        command=["sh", "-c", "echo out; echo err >&2"],
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    )
    assert sorted(answer.split()) == ["err", "out"]


@leaves_a_socket
def test_a_command_is_spoken_to(core, place, running):
    talk = stream(
        core.connect_get_namespaced_pod_exec,
        running,
        place.namespace,
        command=["sh"],
        stdout=True,
        stderr=True,
        stdin=True,
        tty=False,
        _preload_content=False,
    )
    talk.write_stdin("echo one\n")
    assert talk.readline_stdout(timeout=10) == "one"
    talk.write_stdin("echo two >&2\n")
    assert talk.readline_stderr(timeout=10) == "two"
    talk.write_stdin("exit 3\n")
    talk.run_forever(timeout=10)
    assert talk.returncode == 3
    talk.close()


@leaves_a_socket
def test_what_cannot_be_run_is_told(core, place, running):
    talk = stream(
        core.connect_get_namespaced_pod_exec,
        running,
        place.namespace,
        command=["nonsense"],
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    talk.run_forever(timeout=10)
    error = yaml.safe_load(talk.read_channel(ERROR_CHANNEL))
    assert error["status"] == "Failure"
    assert "executable file not found in $PATH" in error["message"]
    talk.close()
    with pytest.raises(ApiException) as caught:
        stream(core.connect_get_namespaced_pod_exec, "none", place.namespace, command=["true"], stdout=True)
    assert "404" in str(caught.value)


def test_a_port_is_forwarded(core, place, running):
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, running, place.namespace, ports="80")
    with contextlib.closing(forwarded.socket(80)) as socket:
        socket.setblocking(True)
        socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := socket.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Welcome to nginx!" in answer
    assert forwarded.error(80) is None
    # The client's own thread ends with the port, and leaves the connection behind.
    for thread in threading.enumerate():
        if thread.name.startswith("Kubernetes port forward proxy"):
            thread.join(10)
    forwarded.websocket.shutdown()


def test_a_log_is_followed(core, place):
    script = "echo one; sleep 0.3; echo two"
    container = client.V1Container(name="job", image="busybox", command=["sh", "-c", script])
    spec = client.V1PodSpec(containers=[container], restart_policy="Never")
    core.create_namespaced_pod(
        place.namespace, client.V1Pod(metadata=client.V1ObjectMeta(name="job"), spec=spec)
    )
    until(lambda: core.read_namespaced_pod("job", place.namespace).status.phase != "Pending")
    lines = list(watch.Watch().stream(core.read_namespaced_pod_log, "job", place.namespace))
    assert lines == ["one", "two"]
    assert core.read_namespaced_pod_log("job", place.namespace, tail_lines=1) == "two\n"


def test_a_service_is_reached_through_the_server(core, place, running):
    core.patch_namespaced_pod("web", place.namespace, {"metadata": {"labels": {"app": "shop"}}})
    spec = client.V1ServiceSpec(selector={"app": "shop"}, ports=[client.V1ServicePort(port=80)])
    core.create_namespaced_service(
        place.namespace, client.V1Service(metadata=client.V1ObjectMeta(name="shop"), spec=spec)
    )
    place.cluster.settle()
    assert "Welcome to nginx!" in core.connect_get_namespaced_service_proxy("shop", place.namespace)
    assert "Welcome to nginx!" in core.connect_get_namespaced_pod_proxy("web", place.namespace)


# What stands on the client: its informer, its leader election, its asynchronous side.


def test_an_informer_keeps_up(core, place):
    seen = []
    informer = SharedInformer(core.list_namespaced_pod, namespace=place.namespace)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, lambda pod, kind=kind: seen.append((kind, pod.metadata.name)))
    core.create_namespaced_pod(place.namespace, a_pod("before"))
    informer.start()
    until(lambda: ("ADDED", "before") in seen)
    core.create_namespaced_pod(place.namespace, a_pod("after"))
    until(lambda: ("MODIFIED", "after") in seen)
    core.delete_namespaced_pod("before", place.namespace, grace_period_seconds=0)
    until(lambda: ("DELETED", "before") in seen)
    assert [p.metadata.name for p in informer.cache.list()] == ["after"]
    informer.stop()


@pytest.mark.parametrize("lock", [LeaseLock, ConfigMapLock])
def test_one_candidate_leads(place, lock):
    config.load_kube_config(place.kubeconfig)

    def candidate(name):
        return leaderelection.LeaderElection(
            electionconfig.Config(
                lock("leader", place.namespace, name),
                lease_duration=17,
                renew_deadline=15,
                retry_period=5,
                onstarted_leading=lambda: None,
                onstopped_leading=lambda: None,
            )
        )

    first, second = candidate("first"), candidate("second")
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew()
    assert first.try_acquire_or_renew()


def test_the_asynchronous_client(place):
    async def work():
        async with await aio.config.new_client_from_config(place.kubeconfig) as api:
            core = aio.client.CoreV1Api(api)
            await core.create_namespaced_pod(
                place.namespace,
                {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}},
            )
            async with aio.watch.Watch() as watching:
                async for event in watching.stream(
                    core.list_namespaced_pod, place.namespace, timeout_seconds=20
                ):
                    if event["object"].status.phase == "Running":
                        break
        settings = type.__call__(aio.client.Configuration)
        await aio.config.load_kube_config(place.kubeconfig, client_configuration=settings)
        async with aio.stream.WsApiClient(settings) as api:
            core = aio.client.CoreV1Api(api)
            return await core.connect_get_namespaced_pod_exec(
                "web", place.namespace, command=["hostname"], stdout=True, stderr=True
            )

    assert asyncio.run(work()) == "web\n"
