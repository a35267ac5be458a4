"""`python -m tests.bench.served_names DIRECTORY SERVICES`: a cluster in a file whose names are served, for the benchmarks.

Beside it is a server that sends back what it gets. Prints the ports of both; the end of its input ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from kubesim.client.resources import SERVICES
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.home import Home
from kubesim.cluster.open import create_cluster, open_cluster


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


def echo() -> int:
    """Start the other server; its port."""
    loop = asyncio.new_event_loop()
    transport, _ = loop.run_until_complete(loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0)))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return int(transport.get_extra_info("sockname")[1])


def main() -> None:
    home = Home(Path(sys.argv[1]) / "home")
    create_cluster(home, ClusterConfig())
    cluster = open_cluster(home, "default")
    with cluster.client.batch():
        for n in range(int(sys.argv[2])):
            body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"svc-{n}"}}
            cluster.client.create(SERVICES, body | {"spec": {"ports": [{"port": 80}]}}, "default")
    cluster.settle()
    plane = ControlPlane(cluster)
    plane.start()
    print(json.dumps({"dns": plane.serve_dns(), "echo": echo()}), flush=True)
    sys.stdin.read()
    plane.stop()


if __name__ == "__main__":
    main()
