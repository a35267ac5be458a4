"""`cluster-info` and what it dumps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import new_home, run_cli

from kubesim.util.yamlfmt import load_documents


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = new_home(tmp_path)
    run_cli(home, "run", "web", "--image=nginx").check()
    return home


def test_services_of_the_cluster_are_named_with_their_addresses(home: Path) -> None:
    run_cli(home, "create", "svc", "clusterip", "dns", "--tcp=dns:53", "-n", "kube-system")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "dns",
            "labels": {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {"ports": [{"name": "dns", "port": 53}]},
    }
    run_cli(home, "apply", "-n", "kube-system", "-f", "-", stdin=json.dumps(service)).check()
    lines = run_cli(home, "cluster-info", "whatever").check().out.splitlines()
    server = lines[0].removeprefix("Kubernetes control plane is running at ")
    path = "/api/v1/namespaces/kube-system/services/dns:dns/proxy"
    assert lines[1] == f"CoreDNS is running at {server}{path}"


def test_dump_has_lists_and_logs_one_after_the_other(home: Path) -> None:
    out = run_cli(home, "cluster-info", "dump", "--namespaces=default").check().out
    assert out.startswith('{\n    "kind": "NodeList",\n    "apiVersion": "v1",\n')
    objects, _, logs = out.partition("==== START logs for container web of pod default/web ====\n")
    assert '"kind": "PodList"' in objects
    assert "start worker process" in logs
    assert logs.endswith("==== END logs for container web of pod default/web ====\n")


def test_dump_in_yaml_has_a_document_for_each_list(home: Path) -> None:
    out = run_cli(home, "cluster-info", "dump", "--namespaces=kube-public", "-o", "yaml").check().out
    kinds = [d.value["kind"].removesuffix("List") for d in load_documents(out.encode())]
    assert kinds == [
        "Node",
        "Event",
        "ReplicationController",
        "Service",
        "DaemonSet",
        "Deployment",
        "ReplicaSet",
        "Pod",
    ]


def test_dump_goes_into_files(home: Path) -> None:
    result = run_cli(home, "cluster-info", "dump", "--output-directory=state", cwd=home).check()
    assert result.out == "Cluster info dumped to state\n"
    found = {str(p.relative_to(home / "state")) for p in (home / "state").rglob("*") if p.is_file()}
    assert {"nodes.json", "kube-system/events.json", "default/pods.json", "default/web/logs.txt"} <= found


def test_dump_of_all_namespaces_takes_each(home: Path) -> None:
    run_cli(home, "cluster-info", "dump", "-A", "--output-directory=state", "-o", "yaml", cwd=home).check()
    assert sorted(p.name for p in (home / "state").iterdir()) == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "nodes.yaml",
    ]


def test_names_of_lists_are_refused(home: Path) -> None:
    result = run_cli(home, "cluster-info", "dump", "-o", "name")
    assert (result.code, result.err) == (
        1,
        "error: list types are not supported by name printing: *v1.NodeList\n",
    )
