"""The cluster that Kubernetes' "Granular Checks" are made in: test/e2e/framework/network/utils.go."""

from __future__ import annotations

import json
from typing import Any

from support.e2e import E2E, NODE_1, NODE_2, SERVERS, bracketed, cluster_ip, node_port

from kubesim.util.jsontypes import JSONObject

HTTP_PORT, UDP_PORT, SCTP_PORT = 8083, 8081, 8084
SERVICE_PORTS: list[JSONObject] = [
    {"name": "http", "port": 80, "protocol": "TCP", "targetPort": HTTP_PORT},
    {"name": "udp", "port": 90, "protocol": "UDP", "targetPort": UDP_PORT},
    {"name": "sctp", "port": 95, "protocol": "SCTP", "targetPort": SCTP_PORT},
]
PROTOCOLS = ["http", "udp", "sctp"]
PORT = {"http": 80, "udp": 90, "sctp": 95}
INDEX = {"http": 0, "udp": 1, "sctp": 2}


class Nettest:
    """A server on each node, a Service of type NodePort in front of them, and a client; a client in a node's network."""

    def __init__(self, e2e: E2E, family: str = "", *, host_network: bool = False, **spec: Any) -> None:
        """The addresses that are asked are of the family, the primary one without it; `spec` is of the Service."""
        self.e2e = e2e
        self.family = family
        self._host_network = host_network
        self.names = {f"netserver-{i}" for i in range(2)}
        for number, node in enumerate((NODE_1, NODE_2)):
            self.server(f"netserver-{number}", node)
        self.service = e2e.service("node-port-service", *SERVICE_PORTS, type="NodePort", **spec)
        self.vip = cluster_ip(self.service, family)
        e2e.pod("test-container-pod", "netexec", "--http-port=8080", "--udp-port=8081")
        e2e.pod("host-test-container-pod", node=NODE_1, hostNetwork=True)

    def server(self, name: str, node: str) -> None:
        args = ("netexec", f"--http-port={HTTP_PORT}", f"--udp-port={UDP_PORT}", f"--sctp-port={SCTP_PORT}")
        self.e2e.pod(name, *args, node=node, labels=SERVERS, hostNetwork=self._host_network)

    def node_ip(self, node: str) -> str:
        return self.e2e.node_ip(node, self.family)

    def node_port(self, protocol: str) -> int:
        return node_port(self.service, INDEX[protocol])

    def dial(
        self,
        protocol: str,
        address: str,
        port: int,
        *,
        dialler: str = "",
        request: str = "hostname",
        times: int = 20,
    ) -> set[str]:
        """What answers a Pod that is told to dial; by default the client."""
        own, own_port = (
            (self.e2e.ip(dialler), HTTP_PORT) if dialler else (self.e2e.ip("test-container-pod"), 8080)
        )
        query = f"request={request}&protocol={protocol}&host={address}&port={port}&tries=1"
        url = f"http://{bracketed(own)}:{own_port}/dial?{query}"
        command = f"for i in $(seq 1 {times}); do curl -g -q -s '{url}'; echo; done"
        found: set[str] = set()
        for line in self.e2e.sh("host-test-container-pod", command).check().stdout.splitlines():
            answer = json.loads(line)
            found |= set(answer.get("responses", [])) | {"error" for _ in answer.get("errors", [])}
        return found

    def dial_from_node(self, protocol: str, address: str, port: int) -> set[str]:
        """What answers a client in a node's network."""
        if protocol == "http":
            return self.e2e.hostnames("host-test-container-pod", address, port)
        return {self.e2e.udp("host-test-container-pod", address, port) for _ in range(20)}
