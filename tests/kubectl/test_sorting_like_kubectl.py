"""`--sort-by` of the real kubectl and of kubesim: where keys are equal, the order is that of Go's sort."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from support.kubectl import find_kubectl

from kubesim import Cluster

COUNTS = (5, 13, 60, 200)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Cluster, list[str]]]:
    """Pods whose two labels are of few values: one that all have, and one that a third has not."""
    kubectl = find_kubectl()
    with Cluster(nodes=1, seed=1) as cluster, cluster.serve() as server:
        for count in COUNTS:
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{count}"}})
            pods = [_pod(number) for number in range(count)]
            cluster.apply({"apiVersion": "v1", "kind": "List", "items": pods}, f"n{count}")
        yield cluster, [kubectl, f"--kubeconfig={server.kubeconfig}"]


def _pod(number: int) -> dict[str, object]:
    labels = {"two": f"v{number % 2}"} | ({"some": f"v{number % 4}"} if number % 3 else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"p{number:03}", "labels": labels},
        "spec": {"nodeName": "nowhere", "containers": [{"name": "c", "image": "nginx"}]},
    }


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("field", [".metadata.namespace", ".metadata.labels.two", ".metadata.labels.some"])
@pytest.mark.parametrize("form", ["", "-o name"], ids=["table", "names"])
def test_pods_with_equal_keys(served: tuple[Cluster, list[str]], count: int, field: str, form: str) -> None:
    cluster, kubectl = served
    words = ["get", "pods", "-n", f"n{count}", f"--sort-by={field}", *form.split()]
    done = subprocess.run([*kubectl, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert _names(cluster.kubectl(words, check=True).stdout) == _names(done.stdout)


def _names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]
