"""A process that makes Pods, each with a Service, on the cluster of a home: `createworker.py HOME PREFIX COUNT`.

It says `ready`, waits for a line, and then names each Service with its address and its node port.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster


def main(home: str, prefix: str, count: int) -> None:
    cluster = open_cluster(Home(Path(home)), "default")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        name = f"{prefix}-{number}"
        labels, containers = {"app": name}, [{"name": "c", "image": "nginx"}]
        cluster.client.create(
            PODS,
            {"metadata": {"name": name, "labels": labels}, "spec": {"containers": containers}},
            "default",
        )
        spec = {"type": "NodePort", "selector": labels, "ports": [{"port": 80}]}
        made = cluster.client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")["spec"]
        print(name, made["clusterIP"], made["ports"][0]["nodePort"], flush=True)
    cluster.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
