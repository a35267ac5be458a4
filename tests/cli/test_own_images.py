"""Images of users' own, from files of the home, from `sim create` and from ConfigMaps, through the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from support.cli import PROJECT, Result, new_home, run_cli

from kubesim import Cluster
from kubesim.runtime import imageform
from kubesim.runtime.images import Document

LABEL = "kubesim/image-catalogue"
SELF = ("exec", "p", "--", "curl", "-s", "localhost:8080")


def shop(body: str) -> str:
    """A description of the image `shop`."""
    listens = [{"port": 8080, "http": [{"path": "/", "body": body}]}]
    return json.dumps({"images": {"shop": {"runs": {"listens": listens}}}})


def config_map(text: str, name: str = "own", namespace: str = "default", label: str = "true") -> str:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: label}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"own.yaml": text}}
    )


def pod(name: str = "p", image: str = "shop", **container: object) -> str:
    spec = {"containers": [{"name": "c", "image": image, **container}]}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
    )


def apply(home: Path, *texts: str) -> Result:
    return run_cli(home, "apply", "-f", "-", stdin="\n".join(texts))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def own(home: Path, text: str, name: str = "own.yaml") -> Path:
    """A file of the home with descriptions."""
    (home / "images").mkdir(exist_ok=True)
    file = home / "images" / name
    file.write_text(text)
    return file


# Where they come from


def test_a_config_map_of_the_same_file_describes_the_images_of_its_pods(home: Path) -> None:
    applied = apply(home, config_map(shop("hello")), pod())
    assert (applied.code, applied.err) == (0, "")
    assert run_cli(home, *SELF).out == "hello"


def test_the_more_special_place_wins(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    home = new_home(tmp_path)

    def body() -> str:
        run_cli(home, "delete", "pod", "p", "--now", "--ignore-not-found").check()
        apply(home, pod()).check()
        return run_cli(home, *SELF).out.splitlines()[0]

    run_cli(home, "run", "p", "--image=shop", "--port=8080").check()
    assert run_cli(home, *SELF).out.startswith("Hostname: p\n")
    own(home, shop("home"))
    assert body() == "home"
    own(home, shop("home, the later file"), "z.yaml")
    assert body() == "home, the later file"
    file.write_text(shop("cluster"))
    run_cli(home, "sim", "create", "other", "--images", str(file)).check()
    assert body() == "cluster"
    run_cli(home, "sim", "reset").check()
    assert body() == "cluster"
    apply(home, config_map(shop("everywhere"), namespace="kube-system")).check()
    assert body() == "everywhere"
    apply(home, config_map(shop("elsewhere"), namespace="kube-public")).check()
    assert body() == "everywhere"
    apply(home, config_map(shop("namespace"))).check()
    assert body() == "namespace"
    apply(home, config_map(shop("the later name"), name="own-2")).check()
    assert body() == "the later name"
    run_cli(home, "delete", "configmap", "own", "own-2").check()
    assert body() == "everywhere"


def test_what_runs_keeps_what_it_has_until_it_starts_again(home: Path) -> None:
    apply(
        home,
        config_map(shop("one")),
        pod(
            livenessProbe={
                "exec": {"command": ["test", "!", "-e", "/stop"]},
                "periodSeconds": 1,
                "failureThreshold": 1,
            }
        ),
    ).check()
    first = json.loads(run_cli(home, "get", "pod", "p", "-o", "json").out)["status"]["containerStatuses"][0]
    apply(home, config_map(shop("two"))).check()
    assert run_cli(home, *SELF).out == "one"
    run_cli(home, "exec", "p", "--", "touch", "/stop").check()
    run_cli(
        home, "wait", "pod/p", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=20s"
    ).check()
    assert run_cli(home, *SELF).out == "two"
    second = json.loads(run_cli(home, "get", "pod", "p", "-o", "json").out)["status"]["containerStatuses"][0]
    assert first["imageID"] != second["imageID"]
    run_cli(home, "delete", "configmap", "own").check()
    assert run_cli(home, *SELF).out == "two"


def test_a_binary_entry_and_another_value_of_the_label_are_told(home: Path) -> None:
    told = apply(home, config_map(shop("x"), label="yes"))
    assert (
        told.err
        == f'Warning: metadata.labels[{LABEL}]: want "true" for a catalogue of images; with "yes" it is none\n'
    )
    apply(home, pod(ports=[{"containerPort": 8080}])).check()
    assert "Hostname: p" in run_cli(home, *SELF).out
    binary = config_map(shop("x")).replace('"data"', '"binaryData": {"a": "AAAA"}, "data"')
    assert apply(home, binary).err == "Warning: configmap default/own: binaryData: want texts, in data\n"


# Mistakes

WRONG = "images: {shop: {runs: {listens: [{port: 80000}]}}, fine: {cmd: [sleep, infinity]}}"
TOLD = "images.shop.runs.listens[0].port: want at most 65535"


def test_a_mistake_in_a_config_map_is_told_by_warning_event_and_pod(home: Path) -> None:
    where = "configmap default/own key own.yaml"
    applied = apply(home, config_map(WRONG), pod(), pod("fine", "fine"))
    assert (applied.code, applied.err) == (0, f"Warning: {where}: {TOLD}\n")
    told = run_cli(
        home,
        "get",
        "events",
        "--field-selector=involvedObject.kind=ConfigMap",
        "-o",
        "jsonpath={.items[*]['type', 'reason', 'message']}",
    )
    assert told.out == f"Warning InvalidImageCatalogue {where}: {TOLD}"
    failed = f'Failed to pull image "shop": failed to pull and unpack image "docker.io/library/shop:latest": {where}: {TOLD}'
    assert failed in run_cli(home, "describe", "pod", "p").out
    assert run_cli(home, "get", "pod", "fine", "-o", "jsonpath={.status.phase}").out == "Running"
    assert apply(home, config_map(shop("mended"))).err == ""
    run_cli(home, "wait", "pod/p", "--for=condition=Ready", "--timeout=30s").check()
    assert run_cli(home, *SELF).out == "mended"


def test_a_mistake_that_only_the_whole_catalogue_shows_is_an_event(home: Path) -> None:
    apply(home, config_map("images: {shop: {like: ngnix}}")).check()
    told = run_cli(
        home, "get", "events", "--field-selector=type=Warning", "-o", "jsonpath={.items[*].message}"
    ).out
    assert (
        told
        == 'configmap default/own key own.yaml: images.shop.like: there is no image "ngnix"; did you mean "nginx"?'
    )


def test_a_mistake_in_a_file_of_the_home_is_told_to_who_writes_and_the_rest_works(home: Path) -> None:
    file = own(home, WRONG)
    broken = own(home, "images: [", "broken.yaml")
    applied = apply(home, pod(), pod("fine", "fine"))
    assert applied.code == 0
    assert applied.err == (
        f"Warning: {broken}: yaml: line 1: did not find expected node content\nWarning: {file}: {TOLD}\n"
    )
    assert run_cli(home, "get", "pods").err == ""
    assert TOLD in run_cli(home, "describe", "pod", "p").out
    run_cli(home, "run", "other", "--image=other").check()
    doubt = f'Image "other" answers as an echo, for want of a description: {broken}: yaml: line 1:'
    assert doubt in run_cli(home, "describe", "pod", "other").out
    assert "InvalidImageCatalogue" not in run_cli(home, "describe", "pod", "fine").out
    assert run_cli(home, "get", "pod", "fine", "-o", "jsonpath={.status.phase}").out == "Running"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda f: f.write_bytes(b"\xff\xfe"), "want text in UTF-8"),
        (lambda f: f.mkdir(), "want a file"),
        (lambda f: f.symlink_to("nowhere"), "no such file or directory"),
        (lambda f: f.write_bytes(b"#" * (1024 * 1024 + 1)), "want at most 1048576 bytes"),
    ],
    ids=("binary", "directory", "nothing", "large"),
)
def test_a_file_of_the_home_that_cannot_be_read_is_told(home: Path, make, told: str) -> None:
    file = own(home, "", "x").with_name("odd.yaml")
    make(file)
    assert run_cli(home, "run", "p", "--image=nginx").err == f"Warning: {file}: {told}\n"


def test_a_cluster_is_not_made_with_a_mistake(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    made = run_cli(home, "sim", "create", "other", "--images", str(file))
    assert (made.code, made.err) == (1, f"error: {file}: {TOLD}\n")
    missing = run_cli(home, "sim", "create", "other", "--images", "nothing.yaml")
    assert (missing.code, missing.err) == (1, "error: cannot read nothing.yaml: no such file or directory\n")
    assert run_cli(home, "sim", "list").out.count("\n") == 2


# Probes, check and trace

PROBED = """
images:
  late:
    runs:
      log: starting
      ready_after: 2s
      listens: [{port: 8080, http: [{path: /healthz, body: ok}, {path: /slow, delay: 3s}]}]
  ends: {runs: {log: "up", exits: {code: 3, after: 1s}}}
"""


def test_probes_see_what_it_does(home: Path) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    slow = {"httpGet": {"path": "/slow", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 1}
    patient = slow | {"timeoutSeconds": 4}
    apply(
        home,
        config_map(PROBED),
        pod("late", "late", readinessProbe=probe),
        pod("slow", "late", readinessProbe=slow),
        pod("patient", "late", readinessProbe=patient),
        pod("ends", "ends"),
    ).check()
    assert "connect: connection refused" in run_cli(home, "describe", "pod", "late").out
    run_cli(home, "wait", "pod/late", "pod/patient", "--for=condition=Ready", "--timeout=20s").check()
    run_cli(
        home,
        "wait",
        "pod/ends",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=3",
        "--timeout=20s",
    ).check()
    assert (
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        in run_cli(home, "describe", "pod", "slow").out
    )
    assert (
        "False"
        in run_cli(
            home, "get", "pod", "slow", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        ).out
    )
    assert run_cli(home, "logs", "ends").out == "up\n"


def service(port: int) -> str:
    spec = {"selector": {"app": "p"}, "ports": [{"port": 80, "targetPort": port}]}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})


@pytest.mark.parametrize("image", ["late", "ends"])
def test_check_of_manifests_knows_what_they_would_listen_on(home: Path, tmp_path: Path, image: str) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("\n".join([config_map(PROBED), pod("p", image), service(9000)]))
    for alone in ((), ("--alone",)):
        found = run_cli(home, "check", "-f", str(file), *alone)
        assert found.code == 1
        assert "spec.ports[0].targetPort" in found.out
        assert ("late on 8080/TCP" in found.out) is (image == "late")
    file.write_text("\n".join([config_map(PROBED), pod("p", "late"), service(8080)]))
    assert run_cli(home, "check", "-f", str(file)).code == 0
    file.write_text("\n".join([pod("p", "late"), service(9000)]))
    assert run_cli(home, "check", "--alone", "-f", str(file)).out == ""


def test_check_of_manifests_knows_the_images_of_cluster_and_home(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "pods.yaml"
    file.write_text("\n".join([pod("p", "late"), service(9000)]))
    assert run_cli(home, "check", "-f", str(file)).code == 0
    own(home, PROBED)
    assert run_cli(home, "check", "-f", str(file)).code == 1
    assert run_cli(home, "check", "--alone", "-f", str(file)).code == 0
    (home / "images" / "own.yaml").unlink()
    apply(home, config_map(PROBED)).check()
    assert run_cli(home, "check", "-f", str(file)).code == 1


def test_check_and_trace_of_a_cluster_say_what_listens(home: Path) -> None:
    listens = [{"port": 8080}, {"port": 9000, "address": "127.0.0.1"}]
    text = json.dumps({"images": {"shop": {"runs": {"listens": listens}}}})
    apply(home, config_map(text), pod(), service(9000)).check()
    checked = run_cli(home, "check")
    assert (checked.code, "127.0.0.1" in checked.out) == (1, True)
    traced = run_cli(home, "trace", "pod/p", "svc/web:80")
    assert (traced.code, "127.0.0.1" in traced.out) == (1, True)
    apply(home, service(8080)).check()
    assert run_cli(home, "trace", "pod/p", "svc/web:80").code == 0


# Programs


@pytest.mark.parametrize("form", ["file", "text", "dict", "several"])
def test_a_programs_cluster_has_images(tmp_path: Path, form: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(shop("hello"))
    given = {
        "file": file,
        "text": shop("hello"),
        "dict": json.loads(shop("hello")),
        "several": [json.loads(shop("earlier")), str(file)],
    }[form]
    with Cluster(images=given) as cluster:
        cluster.apply(json.loads(pod()))
        assert cluster.exec("p", "curl -s localhost:8080").stdout == "hello"


def test_a_programs_cluster_refuses_mistakes_and_keeps_images_in_its_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"images\[0\]: images.shop.like: there is no image"):
        Cluster(images={"images": {"shop": {"like": "nothing-of-the-kind"}}})
    with pytest.raises(ValueError, match=r"cannot read .*/nothing\.yaml"):
        Cluster(images=tmp_path / "nothing.yaml")
    path = tmp_path / "cluster.db"
    Cluster(path=path, images=shop("kept")).close()
    with Cluster(path=path) as cluster:
        cluster.apply(json.loads(pod()))
        assert cluster.exec("p", "curl -s localhost:8080").stdout == "kept"


def test_a_delay_is_one_for_programs_outside_too() -> None:
    listens = [{"port": 8080, "http": [{"path": "/", "body": "late", "delay": 0.3}]}]
    with Cluster(images={"images": {"shop": {"runs": {"listens": listens}}}}) as cluster:
        cluster.apply(json.loads(pod()))
        node_port = json.loads(service(8080))
        node_port["spec"]["type"] = "NodePort"
        cluster.apply(node_port)
        with cluster.serve(edge=True) as server:
            began = cluster.now()
            with urlopen(f"http://{server.address('web')}/", timeout=10) as answer:
                assert answer.read() == b"late"
            assert (cluster.now() - began).total_seconds() >= 0.3


def test_the_page_describes_every_field() -> None:
    page = (PROJECT / "docs" / "images.md").read_text()
    models = (
        imageform.Entry,
        imageform.Variant,
        imageform.Runs,
        imageform.Listen,
        imageform.Route,
        imageform.Exit,
    )
    assert [f for model in models for f in model.model_fields if f"`{f}`" not in page] == []


def test_what_the_page_shows_is_right() -> None:
    page = (PROJECT / "docs" / "images.md").read_text()
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    texts = [next(iter(yaml.safe_load(t)["data"].values())) if "ConfigMap" in t else t for t in shown]
    assert len(texts) == 2
    assert [imageform.read(Document("page", text)).problems for text in texts] == [(), ()]
