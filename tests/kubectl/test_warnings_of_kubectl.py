"""The real kubectl shows what kubesim has to say of a Service; and kubesim's own `check` asks a server elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.cli import PROJECT, run_cli
from support.kubectl import find_kubectl

from kubesim import Cluster

MISTAKES = PROJECT / "manifests" / "mistakes"
HEADLESS = next(MISTAKES.glob("12-*.yaml"))


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    with Cluster(nodes=1, seed=1) as cluster:
        cluster.apply(next(MISTAKES.glob("03-*.yaml")))
        with cluster.serve() as server:
            yield Path(server.kubeconfig)


def test_kubectl_shows_the_warning_and_goes_on(kubeconfig: Path) -> None:
    documents = list(yaml.safe_load_all(HEADLESS.read_text()))
    done = subprocess.run(
        [find_kubectl(), "apply", "-f", "-"],
        input=yaml.safe_dump_all(documents),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(kubeconfig.parent), "KUBECONFIG": str(kubeconfig)},
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "pod/web created\nservice/web created\npod/client created\n")
    assert done.stderr == (
        "Warning: spec.ports[0].targetPort: a headless Service maps no ports: clients connect to port 8080 of the Pods; "
        "write port: 80, or remove clusterIP: None (reason 12 of `kubesim check`)\n"
    )


def test_check_asks_a_server_elsewhere(kubeconfig: Path, tmp_path: Path) -> None:
    done = run_cli(tmp_path, "--kubeconfig", str(kubeconfig), "check", "-n", "red", "-o", "json")
    (found,) = json.loads(done.out)["findings"]
    assert (found["code"], done.code, done.err) == (3, 1, "")
    assert found["evidence"] == ["service/db in namespace blue"]


def test_manifests_are_checked_with_what_a_server_elsewhere_has(kubeconfig: Path, tmp_path: Path) -> None:
    text = """
apiVersion: v1
kind: Service
metadata: {name: data, namespace: red}
spec: {selector: {app: db}, ports: [{port: 6379}]}
"""
    done = run_cli(tmp_path, "--kubeconfig", str(kubeconfig), "check", "-f", "-", "-o", "json", stdin=text)
    (found,) = json.loads(done.out)["findings"]
    assert (found["code"], found["evidence"]) == (2, ["pod/db in namespace blue"])


def test_trace_and_rules_are_for_simulated_clusters_of_the_home(kubeconfig: Path, tmp_path: Path) -> None:
    for words in (("trace", "node/node-1", "svc/kubernetes"), ("rules", "svc/kubernetes")):
        done = run_cli(tmp_path, "--kubeconfig", str(kubeconfig), *words)
        assert done.code == 1
        assert "this works with simulated clusters of this home alone" in done.err
