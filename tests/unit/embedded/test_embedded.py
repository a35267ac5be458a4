"""`from kubesim import Cluster`: every method, on clusters in memory at a time that stands still."""

from __future__ import annotations

import base64
import json
import logging
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from support.cli import PROJECT, new_home, run_cli

import kubesim
from kubesim import Cluster, CommandError, StatusError
from kubesim.cluster.config import ConfigError
from kubesim.cluster.home import HomeError
from kubesim.storage.interface import StorageError

START = "2026-01-01T09:00:00Z"

SHOP = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, labels: {app: shop}}
spec: {containers: [{name: web, image: nginx}]}
"""


def pod(name: str, **spec: object) -> dict[str, object]:
    containers = [{"name": "web", "image": "nginx"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers} | spec,
    }


@pytest.fixture
def cluster():
    with Cluster(seed=1, clock=START) as cluster:
        yield cluster


# Manifests.


def test_apply_returns_the_objects_with_the_servers_defaults(cluster):
    service, made = cluster.apply(SHOP)
    assert (service["kind"], made["kind"]) == ("Service", "Pod")
    assert service["spec"]["clusterIP"].startswith("10.")
    assert service["spec"]["sessionAffinity"] == "None"
    assert made["spec"]["restartPolicy"] == "Always"
    assert "kubectl.kubernetes.io/last-applied-configuration" in made["metadata"]["annotations"]


def test_a_cluster_may_have_a_pool_of_addresses_and_an_ingress_controller():
    pool = "172.18.255.200-172.18.255.201"
    with Cluster(seed=1, clock=START, load_balancer_pool=pool, ingress=True) as cluster:
        cluster.apply(SHOP)
        cluster.patch("service", "shop", {"spec": {"type": "LoadBalancer"}})
        (point,) = cluster.get("service", "shop")["status"]["loadBalancer"]["ingress"]
        assert point["ip"].startswith("172.18.255.20")
        assert cluster.get("ingressclass", "nginx")["spec"]["controller"] == "k8s.io/ingress-nginx"


def test_controllers_have_settled_when_apply_returns(cluster):
    cluster.apply(SHOP)
    (subset,) = cluster.get("endpoints", "shop")["subsets"]
    assert [a["targetRef"]["name"] for a in subset["addresses"]] == ["shop-1"]


def test_apply_removes_what_the_manifest_no_longer_names(cluster):
    labelled = pod("web")
    labelled["metadata"] = {"name": "web", "labels": {"a": "1", "b": "2"}}
    cluster.apply(labelled)
    labelled["metadata"] = {"name": "web", "labels": {"a": "1"}}
    (found,) = cluster.apply(labelled)
    assert found["metadata"]["labels"] == {"a": "1"}


def test_what_is_applied_by_a_program_is_unchanged_for_kubectl(cluster, tmp_path):
    (tmp_path / "shop.yaml").write_text(SHOP)
    cluster.apply(tmp_path / "shop.yaml")
    result = cluster.kubectl(["apply", "-f", str(tmp_path / "shop.yaml")], check=True)
    assert result.stdout == "service/shop unchanged\npod/shop-1 unchanged\n"


def _file(folder: Path) -> Path:
    file = folder / "shop.yaml"
    file.write_text(SHOP)
    return file


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(lambda folder: SHOP, id="text"),
        pytest.param(_file, id="path"),
        pytest.param(lambda folder: str(_file(folder)), id="name of a file"),
        pytest.param(lambda folder: _file(folder).parent, id="directory"),
        pytest.param(
            lambda folder: [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "shop"},
                    "spec": {"ports": [{"port": 80}]},
                },
                pod("shop-1"),
            ],
            id="list",
        ),
        pytest.param(
            lambda folder: (
                '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Service",'
                '"metadata":{"name":"shop"},"spec":{"ports":[{"port":80}]}},{"apiVersion":"v1","kind":"Pod",'
                '"metadata":{"name":"shop-1"},"spec":{"containers":[{"name":"web","image":"nginx"}]}}]}'
            ),
            id="JSON",
        ),
    ],
)
@pytest.mark.parametrize("method", ["apply", "create"])
def test_manifests_come_in_many_forms(cluster, tmp_path, manifest, method):
    written = getattr(cluster, method)(manifest(tmp_path))
    assert [o["metadata"]["name"] for o in written] == ["shop", "shop-1"]


def test_a_dict_stays_as_it_was(cluster):
    mine = pod("web")
    cluster.create(mine)
    assert mine == pod("web")


def test_namespace_is_for_objects_that_name_none(cluster):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    (made,) = cluster.create(pod("web"), namespace="shop")
    assert made["metadata"]["namespace"] == "shop"


def test_another_namespace_than_the_objects_own_is_refused(cluster):
    named = pod("web")
    named["metadata"] = {"name": "web", "namespace": "default"}
    with pytest.raises(ValueError, match='the namespace from the provided object "default" does not match'):
        cluster.create(named, namespace="shop")


def test_one_refused_object_does_not_stop_the_others(cluster):
    with pytest.raises(StatusError) as caught:
        cluster.apply([pod("a", restartPolicy="Sometimes"), pod("b"), pod("c", restartPolicy="Seldom")])
    assert caught.value.code == 422
    assert caught.value.message.startswith(
        'Pod "a" is invalid: spec.restartPolicy: Unsupported value: "Sometimes"'
    )
    assert caught.value.causes[0]["field"] == "spec.restartPolicy"
    (note,) = caught.value.__notes__
    assert note.startswith('also refused: Pod "c" is invalid')
    assert [p["metadata"]["name"] for p in cluster.list("pods")] == ["b"]


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ("a: b\n", "error validating data: [apiVersion not set, kind not set]"),
        (
            "apiVersion: v1\nkind: Shop\nmetadata: {name: a}\n",
            'no matches for kind "Shop" in version "v1"',
        ),
        ("a: [\n", "error parsing STDIN"),
        ("nowhere.yaml", 'the path "nowhere.yaml" does not exist'),
        ("# nothing\n", "no objects passed to apply"),
        ([], "no objects passed to apply"),
    ],
    ids=["no kind", "unknown kind", "no YAML", "no file", "no document", "empty list"],
)
def test_what_is_no_manifest_is_a_value_error_in_kubectls_words(cluster, manifest, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        cluster.apply(manifest)


def test_unknown_fields_are_refused(cluster):
    with pytest.raises(StatusError, match=r'strict decoding error: unknown field "spec\.restart"'):
        cluster.create(pod("web", restart="Always"))


# Objects.


def test_create_twice_conflicts(cluster):
    cluster.create(pod("web"))
    with pytest.raises(StatusError) as caught:
        cluster.create(pod("web"))
    assert (caught.value.code, caught.value.reason, caught.value.message) == (
        409,
        "AlreadyExists",
        'pods "web" already exists',
    )


@pytest.mark.parametrize("kind", ["pod", "pods", "po", "Pod", "pods.v1."])
def test_kinds_are_kubectls_words(cluster, kind):
    cluster.create(pod("web"))
    assert cluster.get(kind, "web")["status"]["phase"] == "Running"


def test_what_is_missing_is_not_found(cluster):
    with pytest.raises(StatusError, match='pods "web" not found') as caught:
        cluster.get("pod", "web")
    assert caught.value.code == 404


def test_an_unknown_word_is_a_value_error(cluster):
    with pytest.raises(ValueError, match='the server doesn\'t have a resource type "pdos"'):
        cluster.list("pdos")


def test_cluster_wide_kinds_need_no_namespace(cluster):
    assert cluster.get("node", "node-1")["metadata"]["name"] == "node-1"
    assert [n["metadata"]["name"] for n in cluster.list("nodes")] == ["node-1", "node-2"]


def test_lists_by_namespace_label_and_field(cluster):
    cluster.apply(SHOP)
    cluster.create(pod("web"))
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    cluster.create(pod("far"), namespace="other")

    def names(**how: object) -> list[str]:
        return [p["metadata"]["name"] for p in cluster.list("pods", **how)]

    assert names() == ["shop-1", "web"]
    assert names(namespace="other") == ["far"]
    assert names(all_namespaces=True) == ["shop-1", "web", "far"]
    assert names(label_selector="app=shop") == ["shop-1"]
    assert names(field_selector="metadata.name=web") == ["web"]


def test_items_of_a_list_say_what_they_are(cluster):
    assert {(n["apiVersion"], n["kind"]) for n in cluster.list("nodes")} == {("v1", "Node")}


@pytest.mark.parametrize(
    ("patch", "how"),
    [
        ({"metadata": {"labels": {"a": "b"}}}, {}),
        ({"metadata": {"labels": {"a": "b"}}}, {"type": "merge"}),
        ([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}], {}),
        ([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}], {"type": "json"}),
    ],
    ids=["strategic", "merge", "list", "json"],
)
def test_patches(cluster, patch, how):
    cluster.create(pod("web"))
    assert cluster.patch("pod", "web", patch, **how)["metadata"]["labels"] == {"a": "b"}
    assert cluster.get("pod", "web")["metadata"]["labels"] == {"a": "b"}


def test_subresources_are_patched_and_read(cluster):
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80}]},
        }
    )
    ingress = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    cluster.patch("service", "web", {"spec": {"type": "LoadBalancer"}})
    cluster.patch("service", "web", {"status": ingress}, subresource="status")
    assert cluster.get("service", "web", subresource="status")["status"]["loadBalancer"]["ingress"] == [
        {"ip": "192.0.2.1", "ipMode": "VIP"}
    ]


def test_delete_returns_when_the_object_is_gone(cluster):
    cluster.apply(SHOP)
    cluster.delete("pod", "shop-1")
    assert cluster.list("pods") == []
    assert "subsets" not in cluster.get("endpoints", "shop")
    with pytest.raises(StatusError, match='pods "shop-1" not found'):
        cluster.delete("pod", "shop-1")


def test_delete_can_end_before_the_object_does(cluster):
    held = pod("web")
    held["metadata"] = {"name": "web", "finalizers": ["example.org/hold"]}
    cluster.create(held)
    cluster.delete("pod", "web", wait=False)
    assert cluster.get("pod", "web")["metadata"]["deletionTimestamp"]
    with pytest.raises(TimeoutError, match="timed out waiting for the condition on pods/web"):
        cluster.delete("pod", "web", timeout=10)
    cluster.patch("pod", "web", {"metadata": {"finalizers": None}}, type="merge")
    assert cluster.list("pods") == []


# Waiting, and time.


def test_wait_gives_the_object_for_which_the_condition_holds(cluster):
    probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 20}
    container = {"name": "web", "image": "nginx", "readinessProbe": probe}
    cluster.create(pod("web", containers=[container]))
    found = cluster.wait("pod/web", "condition=Ready")
    assert {c["type"]: c["status"] for c in found["status"]["conditions"]}["Ready"] == "True"
    assert cluster.now() >= datetime(2026, 1, 1, 9, 0, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "condition", ["jsonpath={.status.phase}=Running", "create", "condition=PodScheduled"]
)
def test_conditions_are_those_of_kubectl_wait(cluster, condition):
    cluster.create(pod("web"))
    assert cluster.wait("pod/web", condition)["metadata"]["name"] == "web"


def test_waiting_for_a_deletion(cluster):
    cluster.create(pod("web"))
    cluster.delete("pod", "web", wait=False)
    assert cluster.wait("pod/web", "delete") == {}


def test_waiting_in_vain_is_a_timeout(cluster):
    cluster.create(pod("web", nodeSelector={"disk": "ssd"}))
    with pytest.raises(TimeoutError, match="timed out waiting for the condition on pods/web"):
        cluster.wait("pod/web", "condition=Ready", timeout=60)
    assert cluster.now() == datetime(2026, 1, 1, 9, 1, tzinfo=UTC)
    with pytest.raises(TimeoutError):
        cluster.wait("pod/other", "create", timeout=1)


@pytest.mark.parametrize(
    ("target", "condition", "text"),
    [
        ("web", "create", "the object is named by TYPE/NAME"),
        ("pod/web", "soon", 'unrecognized condition: "soon"'),
        ("pdo/web", "create", 'the server doesn\'t have a resource type "pdo"'),
    ],
)
def test_waiting_for_nonsense_is_a_value_error(cluster, target, condition, text):
    with pytest.raises(ValueError, match=text):
        cluster.wait(target, condition)


def test_advance_lets_things_happen_at_their_time(cluster):
    container = {"name": "job", "image": "busybox", "command": ["sleep", "25"]}
    cluster.create(pod("job", containers=[container], restartPolicy="Never"))
    cluster.advance(10)
    assert cluster.get("pod", "job")["status"]["phase"] == "Running"
    cluster.advance(3600)
    status = cluster.get("pod", "job")["status"]
    assert status["phase"] == "Succeeded"
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["startedAt"], ended["finishedAt"]) == (START, "2026-01-01T09:00:25Z")
    assert cluster.now() == datetime(2026, 1, 1, 10, 0, 10, tzinfo=UTC)


def test_time_goes_neither_back_nor_by_hand_where_it_passes(cluster):
    with pytest.raises(ValueError, match="a clock does not run backwards"):
        cluster.advance(-1)
    with Cluster(nodes=1) as other, pytest.raises(ValueError, match="passes by itself"):
        other.advance(1)


def test_the_clock_may_be_a_datetime():
    at = datetime(2026, 1, 1, 10, tzinfo=UTC) - timedelta(hours=1)
    with Cluster(nodes=1, clock=at) as cluster:
        assert cluster.now() == at
        assert cluster.get("node", "node-1")["metadata"]["creationTimestamp"] == START


# Containers and command lines.


def test_exec_keeps_the_streams_and_the_exit_code(cluster):
    cluster.create(pod("web"))
    result = cluster.exec("web", ["sh", "-c", "cat; echo no >&2; exit 3"], stdin="yes\n")
    assert (result.stdout, result.stderr, result.exit_code) == ("yes\n", "no\n", 3)
    assert cluster.exec("web", "echo 'a b'  c").stdout == "a b c\n"
    with pytest.raises(CommandError, match="'false' ended with exit code 1") as caught:
        cluster.exec("web", ["false"], check=True)
    assert caught.value.result.exit_code == 1


def test_exec_of_what_is_not_there(cluster):
    cluster.create(pod("web"))
    with pytest.raises(StatusError, match="executable file not found in"):
        cluster.exec("web", ["nonsense"])
    with pytest.raises(StatusError, match='pods "other" not found'):
        cluster.exec("other", ["true"])
    with pytest.raises(ValueError, match="container sidecar not found in pod web"):
        cluster.exec("web", ["true"], container="sidecar")


def test_controllers_see_what_a_command_did(cluster):
    probe = {"exec": {"command": ["test", "-f", "/ready"]}, "periodSeconds": 1}
    container = {"name": "web", "image": "nginx", "readinessProbe": probe}
    cluster.create(pod("web", containers=[container]))
    with pytest.raises(TimeoutError):
        cluster.wait("pod/web", "condition=Ready", timeout=5)
    cluster.exec("web", ["touch", "/ready"], check=True)
    cluster.wait("pod/web", "condition=Ready", timeout=5)


def test_logs(cluster):
    script = "echo one; echo two"
    container = {"name": "job", "image": "busybox", "command": ["sh", "-c", script]}
    cluster.create(pod("job", containers=[container], restartPolicy="Never"))
    assert cluster.logs("job") == "one\ntwo\n"
    assert cluster.logs("job", tail=1) == "two\n"
    assert cluster.logs("job", timestamps=True).startswith("2026-01-01T09:00:00")


def test_kubectl_runs_command_lines(cluster):
    cluster.kubectl("run web --image=nginx", check=True)
    result = cluster.kubectl(["get", "pods", "-o", "name"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "pod/web\n", "")
    assert cluster.kubectl("create -f -", stdin=SHOP).stdout == "service/shop created\npod/shop-1 created\n"


def test_a_failed_command_line_says_why(cluster):
    result = cluster.kubectl("get pod web")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == 'Error from server (NotFound): pods "web" not found\n'
    with pytest.raises(CommandError) as caught:
        cluster.kubectl("get pod web", check=True)
    assert str(caught.value) == (
        "'kubectl get pod web' ended with exit code 1: Error from server (NotFound): pods \"web\" not found"
    )


def test_a_cluster_of_a_program_has_no_home(cluster):
    result = cluster.kubectl("sim list")
    assert (result.exit_code, "part of a Python program" in result.stderr) == (1, True)


def test_what_a_command_wrote_is_there_for_the_program(cluster):
    cluster.kubectl("create configmap settings --from-literal=a=b", check=True)
    assert cluster.get("configmap", "settings")["data"] == {"a": "b"}


def test_warnings_of_the_server_are_logged(cluster, caplog):
    with caplog.at_level(logging.WARNING, "kubesim.warnings"):
        cluster.create(pod("web", nodeSelector={"beta.kubernetes.io/os": "linux"}))
    assert caplog.messages == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'
    ]


# Clusters.


def test_clusters_side_by_side_do_not_mix():
    with Cluster(nodes=1) as one, Cluster(nodes=3) as other:
        one.create(pod("web"))
        assert (len(one.list("pods")), len(other.list("pods"))) == (1, 0)
        assert (len(one.list("nodes")), len(other.list("nodes"))) == (1, 3)
        uids = [c.get("namespace", "default")["metadata"]["uid"] for c in (one, other)]
        assert len(set(uids)) == 2


def test_a_seed_makes_the_same_cluster_each_time():
    def everything() -> list[object]:
        with Cluster(seed="shop", clock=START) as cluster:
            cluster.apply(SHOP)
            kinds = ("namespaces", "nodes", "services", "pods", "endpointslices", "serviceaccounts", "events")
            return [cluster.list(kind, all_namespaces=True) for kind in kinds]

    assert everything() == everything()


def test_settings():
    with Cluster(
        nodes=1, kubernetes_version="1.29", service_cidr="10.0.0.0/24", pod_cidr="10.1.0.0/16"
    ) as cluster:
        assert cluster.kubectl("version").stdout.splitlines()[-1] == "Server Version: v1.29.15"
        assert cluster.get("service", "kubernetes")["spec"]["clusterIP"] == "10.0.0.1"
        cluster.create(pod("web"))
        assert cluster.get("pod", "web")["status"]["podIP"].startswith("10.1.0.")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"nodes": -1}, "the number of nodes must be between 0 and 250: -1"),
        ({"kubernetes_version": "1.2"}, 'there is no Kubernetes version "1.2"; there are 1.25 to 1.37'),
        ({"service_cidr": "ten"}, "bad service CIDR"),
        ({"clock": "noon"}, 'the clock is "system" or a time such as 2026-01-01T00:00:00Z: "noon"'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_no_cluster_can_have(settings, text):
    with pytest.raises(ConfigError, match=text):
        Cluster(**settings)


def test_a_file_keeps_the_cluster(tmp_path):
    path = tmp_path / "shop.db"
    with Cluster(nodes=1, path=path) as cluster:
        cluster.apply(SHOP)
        uid = cluster.get("pod", "shop-1")["metadata"]["uid"]
    with Cluster(nodes=5, path=path) as cluster:
        assert cluster.get("pod", "shop-1")["metadata"]["uid"] == uid
        assert len(cluster.list("nodes")) == 1


def test_a_cluster_of_a_home_is_the_command_lines(tmp_path):
    home = new_home(tmp_path)
    with Cluster.open(home) as cluster:
        cluster.apply(SHOP)
        assert "default" in cluster.kubectl("sim list", check=True).stdout
    assert run_cli(home, "get", "pods", "-o", "name").check().out == "pod/shop-1\n"
    with pytest.raises(HomeError, match='simulated cluster "other" not found'):
        Cluster.open(home, "other")


def test_a_closed_cluster_says_so():
    cluster = Cluster(nodes=1)
    cluster.close()
    with pytest.raises(StorageError, match="the store has been closed"):
        cluster.list("pods")


def test_many_threads_use_one_cluster(cluster):
    def make(number: int) -> str:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"web-{number}"}}
        cluster.create(service | {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}})
        return cluster.get("service", f"web-{number}")["spec"]["clusterIP"]

    with ThreadPoolExecutor(8) as pool:
        addresses = list(pool.map(make, range(40)))
    assert len(set(addresses)) == 40
    assert len(cluster.list("endpoints")) == 41


# Serving.


def _ask(server, path, *, certified=True):
    """What a client with the files of a served cluster gets."""
    context = ssl.create_default_context(cafile=str(server.ca))
    if certified:
        user = yaml.safe_load(server.kubeconfig.read_text())["users"][0]["user"]
        pair = server.kubeconfig.with_name("client.pem")
        pair.write_bytes(
            b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
        )
        context.load_cert_chain(pair)
    with urllib.request.urlopen(f"{server.url}{path}", context=context) as answer:
        return json.load(answer)


def test_a_served_cluster_answers_whom_it_gave_a_certificate(cluster):
    cluster.apply(SHOP)
    with cluster.serve() as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.kubeconfig.stat().st_mode & 0o777 == 0o600
        found = _ask(server, "/api/v1/namespaces/default/pods")
        with pytest.raises(urllib.error.HTTPError) as caught:
            _ask(server, "/api/v1/namespaces/default/pods", certified=False)
        assert caught.value.code in (401, 403)
        caught.value.close()
    assert [p["metadata"]["name"] for p in found["items"]] == ["shop-1"]


def test_a_served_cluster_goes_on_for_the_program(cluster):
    with cluster.serve() as server:
        cluster.apply(SHOP)
        assert cluster.kubectl("get pods -o name").stdout == "pod/shop-1\n"
        assert len(_ask(server, "/api/v1/pods")["items"]) == 1
    cluster.delete("pod", "shop-1")
    assert cluster.list("pods") == []


def test_time_is_moved_on_while_a_cluster_is_served(cluster):
    container = {"name": "job", "image": "busybox", "command": ["sleep", "25"]}
    with cluster.serve() as server:
        cluster.create(pod("job", containers=[container], restartPolicy="Never"))
        cluster.advance(30)
        status = _ask(server, "/api/v1/namespaces/default/pods/job")["status"]
    assert status["phase"] == "Succeeded"
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert ended["finishedAt"] == "2026-01-01T09:00:25Z"


def test_serving_ends_with_its_block(cluster):
    with cluster.serve() as server:
        _ask(server, "/version")
    assert not server.kubeconfig.exists()
    with pytest.raises(urllib.error.URLError), urllib.request.urlopen(server.url):
        pass
    with cluster.serve() as again:
        assert _ask(again, "/version")["minor"] == "32"


# The package.


def test_importing_the_package_loads_nothing_of_it():
    program = "import sys, kubesim; print(sorted(m for m in sys.modules if m.startswith('kubesim')))"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "['kubesim', 'kubesim.version']\n", done.stderr


def test_the_package_says_what_it_has():
    assert {"Cluster", "CommandError", "StatusError", "__version__"} <= set(dir(kubesim))
    with pytest.raises(AttributeError, match="module 'kubesim' has no attribute 'Clutser'"):
        _ = kubesim.Clutser
