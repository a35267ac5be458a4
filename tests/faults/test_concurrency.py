"""Many processes on one cluster: nothing is lost, nothing is handed out twice, and every Service finds its Pods."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.cli import PROJECT, new_home, process_environment, run_cli, start_process
from support.consistency import inconsistencies

from kubesim.client.resources import ENDPOINTS, PODS, SERVICES
from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster

WORKER = str(PROJECT / "tests" / "support" / "createworker.py")
PROCESSES, PAIRS = 8, 50  # a hundred creates each


def start(home: Path, prefix: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, WORKER, str(home), prefix, str(PAIRS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=process_environment(home),
    )


def test_pods_and_services_made_by_many_at_once_are_all_there_and_connected(tmp_path: Path) -> None:
    home = new_home(tmp_path, "--nodes", "8")  # room for 400 Pods
    workers = [start(home, f"w{n}") for n in range(PROCESSES)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [line.split() for w in workers for line in w.communicate(timeout=120)[0].splitlines()]
    assert [w.returncode for w in workers] == [0] * PROCESSES
    assert len(told) == PROCESSES * PAIRS
    cluster = open_cluster(Home(home), "default")
    assert inconsistencies(cluster) == []
    services, pods, endpoints = (
        {o["metadata"]["name"]: o for o in cluster.client.list(gvr, "default")["items"]}
        for gvr in (SERVICES, PODS, ENDPOINTS)
    )
    assert len(services) == len(told) + 1  # and `kubernetes`
    for name, ip, port in told:
        spec = services[name]["spec"]
        assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == (ip, int(port))
        subset = endpoints[name]["subsets"][0]
        assert [a["ip"] for a in subset["addresses"]] == [pods[name]["status"]["podIP"]]
    cluster.close()


def test_commands_of_many_processes_make_one_cluster_and_lose_nothing(tmp_path: Path) -> None:
    """On an empty home: each of the first commands finds no cluster."""
    rounds, at_once = 3, 6
    for turn in range(rounds):
        names = [f"p{turn}{n}" for n in range(at_once)]
        words = ("--image=nginx", "--port=80", "--expose")
        processes = [start_process(tmp_path, "run", name, *words) for name in names]
        for name, process in zip(names, processes, strict=True):
            out, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, b"")
            assert out.decode() == f"service/{name} created\npod/{name} created\n"
    found = json.loads(run_cli(tmp_path, "get", "pods,services,endpoints", "-o", "json").check().out)["items"]
    kinds = [item["kind"] for item in found]
    assert [kinds.count(kind) for kind in ("Pod", "Service", "Endpoints")] == [18, 19, 19]
    assert all(item["subsets"][0]["addresses"] for item in found if item["kind"] == "Endpoints")
    cluster = open_cluster(Home(tmp_path), "default")
    assert inconsistencies(cluster) == []
    cluster.close()
