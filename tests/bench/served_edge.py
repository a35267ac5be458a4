"""`python -m tests.bench.served_edge DIRECTORY`: a cluster in a file with nginx in two Pods behind a node port, and a server of
asyncio that answers the same bytes. Prints their ports, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import urllib.request
from pathlib import Path

from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.home import Home
from kubesim.cluster.open import create_cluster, open_cluster


class _Fixed(asyncio.Protocol):
    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


def _serve_fixed(body: bytes) -> int:
    _Fixed.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Fixed, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return int(server.sockets[0].getsockname()[1])


def main() -> None:
    home = Home(Path(sys.argv[1]))
    create_cluster(home, ClusterConfig())
    cluster = open_cluster(home, "default")
    for name in ("web-0", "web-1"):
        spec = {"containers": [{"name": "web", "image": "nginx:1.27"}]}
        cluster.client.create(
            PODS, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}, "default"
        )
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    cluster.client.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "default")
    cluster.settle()
    plane = ControlPlane(cluster)
    plane.start()
    [opening] = plane.serve_edge().openings
    with urllib.request.urlopen(f"http://127.0.0.1:{opening.port}") as answer:
        body = answer.read()
    print(json.dumps({"edge": opening.port, "fixed": _serve_fixed(body)}), flush=True)
    sys.stdin.read()
    plane.stop()
    cluster.close()


if __name__ == "__main__":
    main()
