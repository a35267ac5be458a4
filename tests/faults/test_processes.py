"""Many processes at once, and processes that are killed: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import PROJECT, new_home

from kubesim.client.client import Client
from kubesim.client.resources import ENDPOINT_SLICES, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster

WORKER = str(PROJECT / "tests" / "support" / "faultworker.py")
PROCESSES, CREATES, KILLS = 8, 100, 200


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, WORKER, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ) | {"PYTHONPATH": str(PROJECT)},
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def opened(home: Path) -> Cluster:
    return open_cluster(Home(home), "default")


def by_name(client: Client, gvr: Any) -> dict[str, dict[str, Any]]:
    return {obj["metadata"]["name"]: obj for obj in client.list(gvr, "default")["items"]}


def check_addresses(services: dict[str, dict[str, Any]]) -> None:
    """No two Services share an address or a port."""
    ips = [s["spec"]["clusterIP"] for s in services.values()]
    ports = [p["nodePort"] for s in services.values() for p in s["spec"]["ports"] if "nodePort" in p]
    assert len(set(ips)) == len(ips)
    assert len(set(ports)) == len(ports)


def test_processes_that_create_at_once_lose_nothing_and_share_no_address(home: Path) -> None:
    workers = [start("creates", str(home), f"w{n}", str(CREATES)) for n in range(PROCESSES)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [line.split() for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    assert len(said) == PROCESSES * CREATES
    cluster = opened(home)
    services = by_name(cluster.client, SERVICES)
    assert len(services) == PROCESSES * CREATES + 1  # and `kubernetes`
    for name, ip, port in said:
        assert (services[name]["spec"]["clusterIP"], services[name]["spec"]["ports"][0]["nodePort"]) == (
            ip,
            int(port),
        )
    check_addresses(services)
    assert cluster.repair() == []
    cluster.close()


class Acknowledged:
    """What the killed processes were told is there."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.there: dict[tuple[str, str], str] = {}
        self.gone: set[tuple[str, str]] = set()
        self.open: set[tuple[str, str]] = set()
        for line in lines:
            mark, name, *more = line.split()
            kind = mark[1:]
            match mark[0]:
                case "+":
                    self.there[kind, name] = more[0] if more else ""
                case "?":
                    self.open.add((kind, name))
                case "-":
                    self.gone.add((kind, name))
                case _:
                    pytest.fail(line)


def test_a_cluster_outlives_processes_that_are_killed(home: Path) -> None:
    worker = start("victims", str(home), str(KILLS), "7")
    text, _ = worker.communicate(timeout=300)
    assert worker.returncode == 0
    said = Acknowledged(iter(text.splitlines()))
    assert len(said.there) > KILLS  # they did get to write
    cluster = opened(home)
    cluster.settle()
    found = {"svc": by_name(cluster.client, SERVICES), "pod": by_name(cluster.client, PODS)}
    for (kind, name), ip in said.there.items():
        if (kind, name) in said.gone:
            assert name not in found[kind]
        elif (kind, name) not in said.open:
            assert name in found[kind], f"{kind} {name} is lost"
            assert not ip or found[kind][name]["spec"]["clusterIP"] == ip
    check_addresses(found["svc"])
    assert cluster.repair() == []
    check_endpoints(cluster.client, found["svc"], found["pod"])
    assert not cluster.settle().actions
    cluster.close()


def check_endpoints(
    client: Client, services: dict[str, dict[str, Any]], pods: dict[str, dict[str, Any]]
) -> None:
    """Every ready Pod is in exactly the slices of the Services that select it."""
    ips = [pod["status"]["podIP"] for pod in pods.values()]
    assert len(set(ips)) == len(ips)
    slices: dict[str, list[str]] = {name: [] for name in services}
    for part in client.list(ENDPOINT_SLICES, "default")["items"]:
        owner = part["metadata"]["labels"]["kubernetes.io/service-name"]
        slices[owner] += [e["targetRef"]["name"] for e in part.get("endpoints") or () if "targetRef" in e]
    for name, service in services.items():
        selector = service["spec"].get("selector")
        if selector:
            wanted = [n for n, pod in pods.items() if pod["metadata"]["labels"].get("app") == selector["app"]]
            assert sorted(slices[name]) == sorted(wanted)
