"""The real kubectl follows a served cluster: `get --watch` while objects come, change and go."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.kubectl import find_kubectl

from kubesim import Cluster

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"port": 80}]},
}
EVENTS = "{.type} {.object.metadata.name} {.object.spec.ports[0].port}\n"


@contextmanager
def watching(cluster: Cluster, home: Path, *words: str) -> Iterator[Iterator[str]]:
    """The lines of a `kubectl get --watch`, as they come."""
    with cluster.serve() as served:
        process = subprocess.Popen(
            [find_kubectl(), "get", *words, "--watch"],
            env={"HOME": str(home), "KUBECONFIG": str(served.kubeconfig), "PATH": os.defpath},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield (line.rstrip("\n") for line in process.stdout)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_changes_are_printed_as_they_come(tmp_path: Path) -> None:
    with Cluster() as cluster:
        words = ("svc", "--output-watch-events", f"-o=jsonpath={EVENTS}")
        with watching(cluster, tmp_path, *words) as lines:
            assert next(lines) == "ADDED kubernetes 443"
            cluster.create(SERVICE)
            assert next(lines) == "ADDED web 80"
            cluster.patch("service", "web", [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}])
            assert next(lines) == "MODIFIED web 81"
            cluster.delete("service", "web")
            assert next(lines) == "DELETED web 81"


def test_pod_is_followed_through_its_life(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
    }
    with Cluster() as cluster:
        cluster.create(pod)
        with watching(cluster, tmp_path, "pods") as lines:
            assert next(lines).split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
            assert next(lines).split()[:4] == ["web", "1/1", "Running", "0"]
            cluster.delete("pod", "web", wait=False)
            assert next(lines).split()[:3] == ["web", "1/1", "Terminating"]


@pytest.mark.parametrize("selector", ["-l=app=web", "--field-selector=metadata.name=web"])
def test_only_what_is_selected_is_printed(tmp_path: Path, selector: str) -> None:
    with Cluster() as cluster:
        cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "labels": {"app": "web"}}}
        )
        with watching(cluster, tmp_path, "cm", selector, "-o=name") as lines:
            assert next(lines) == "configmap/web"
            for name in ("other", "another"):
                cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
            cluster.patch("configmap", "web", {"data": {"a": "b"}})
            assert next(lines) == "configmap/web"
