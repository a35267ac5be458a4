"""A cluster whose Pods talk: who reaches whom, and what the server sees of the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from support.cluster import START, make_cluster

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.resources import ENDPOINTS, NAMESPACES, NODES, PODS, SERVICES
from kubesim.cluster.containers import make_runtime
from kubesim.network.places import Origin
from kubesim.network.trip import Trip
from kubesim.network.views import FabricView, view_beside, view_of_node, view_of_outside
from kubesim.runtime.application import HTTPApplication, TransportProtocol
from kubesim.runtime.http1 import HTTPRequest
from kubesim.util.clock import FrozenClock

POLICIES = GroupVersionResource("networking.k8s.io", "v1", "networkpolicies")
HTTP_PORT, UDP_PORT = 8080, 8081
NODE_IPS = {"node-1": "172.18.0.3", "node-2": "172.18.0.4", "node-3": "172.18.0.5"}


@dataclass(frozen=True)
class Answer:
    """Who answered, and whom it saw."""

    pod: str
    client: str


class NetLab:
    """Pods are agnhost netexec on HTTP_PORT (TCP and UDP) with the label app=NAME, unless something else is said."""

    def __init__(self, nodes: int = 2, **config: Any) -> None:
        self.clock = FrozenClock(START)
        self.cluster = make_cluster(
            runtime=make_runtime, clock=self.clock, settle=True, nodes=nodes, **config
        )
        self.client = self.cluster.client

    # Things

    def namespace(self, name: str, **labels: str) -> None:
        self.client.create(
            NAMESPACES,
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        )
        self.cluster.settle()

    def pod(
        self,
        name: str,
        *,
        node: str = "node-1",
        namespace: str = "default",
        labels: dict[str, str] | None = None,
        image: str = "registry.k8s.io/e2e-test-images/agnhost:2.47",
        args: list[str] | None = None,
        ports: list[dict[str, Any]] | None = None,
        ready: bool = True,
        **spec: Any,
    ) -> str:
        """Make a Pod; its address."""
        container: dict[str, Any] = {"name": "c", "image": image}
        if "agnhost" in image:
            container["args"] = args or ["netexec", f"--http-port={HTTP_PORT}", f"--udp-port={UDP_PORT}"]
        elif args is not None:
            container["args"] = args
        if ports:
            container["ports"] = ports
        if not ready:
            container["readinessProbe"] = {"exec": {"command": ["false"]}}
        metadata = {"name": name, "labels": {"app": name} if labels is None else labels}
        body = {
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0, **spec},
        }  # fmt: skip
        self.client.create(PODS, body, namespace)
        self.settle()
        return self.address(name, namespace)

    def settle(self, seconds: float = 5) -> None:
        self.cluster.settle()
        self.clock.advance(timedelta(seconds=seconds))
        self.cluster.settle()

    def address(self, name: str, namespace: str = "default") -> str:
        found = self.client.get(PODS, name, namespace)["status"]["podIP"]
        assert isinstance(found, str)
        return found

    def delete_pod(self, name: str, namespace: str = "default") -> None:
        self.client.delete(PODS, name, namespace, delete_options={"gracePeriodSeconds": 0})
        self.settle()

    def service(
        self,
        name: str,
        selector: dict[str, str] | None = None,
        *,
        namespace: str = "default",
        ports: list[dict[str, Any]] | None = None,
        **spec: Any,
    ) -> dict[str, Any]:
        """Make a Service, port 80 to HTTP_PORT unless something else is said."""
        body: dict[str, Any] = {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": ports or [{"port": 80, "targetPort": HTTP_PORT}], **spec},
        }  # fmt: skip
        if selector is not None:
            body["spec"]["selector"] = selector
        made = self.client.create(SERVICES, body, namespace)
        self.cluster.settle()
        return made

    def endpoints(self, name: str, addresses: list[str], port: int, namespace: str = "default") -> None:
        body = {
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name},
            "subsets": [{"addresses": [{"ip": a} for a in addresses], "ports": [{"port": port}]}],
        }  # fmt: skip
        self.client.create(ENDPOINTS, body, namespace)
        self.cluster.settle()

    def balanced(self, name: str, *ips: str, mode: str = "") -> None:
        """Play the cloud: the Service has these addresses."""
        service = self.client.get(SERVICES, name, "default")
        points = [{"ip": ip} | ({"ipMode": mode} if mode else {}) for ip in ips]
        service["status"] = {"loadBalancer": {"ingress": points}}
        self.client.update(SERVICES, service, "default", subresource="status")
        self.cluster.settle()

    def policy(self, name: str, spec: dict[str, Any], namespace: str = "default") -> None:
        body = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.client.create(POLICIES, body, namespace)
        self.cluster.settle()

    def label_node(self, name: str, **changes: Any) -> None:
        node = self.client.get(NODES, name)
        node["metadata"]["labels"] |= changes
        self.client.update(NODES, node)

    # From where

    def view(self, place: str) -> FabricView:
        """`outside`, `node/NAME`, `NAMESPACE/POD` or `POD`."""
        fabric = self.cluster.network.fabric
        if place == "outside":
            return view_of_outside(fabric)
        if place.startswith("node/"):
            found = view_of_node(fabric, place.removeprefix("node/"))
            assert found is not None
            return found
        namespace, _, name = place.rpartition("/")
        return view_beside(fabric, self.client.get(PODS, name, namespace or "default"))

    def origin(self, place: str) -> Origin:
        return self.view(place).origin

    def send(self, place: str, address: str, port: int, protocol: TransportProtocol = "TCP") -> Trip:
        return self.view(place).send(address, port, protocol)

    def ask(
        self, place: str, address: str, port: int = 80, protocol: TransportProtocol = "TCP"
    ) -> Answer | str:
        """Who answers and whom it sees, or how the connection did not come about."""
        trip = self.send(place, address, port, protocol)
        if trip.listener is None or trip.peer is None:
            return trip.outcome
        application, peer = trip.listener.application, trip.peer
        if protocol == "UDP":
            found = application.datagram(b"hostname", peer)
            return Answer((found or b"").decode(), peer.address)
        assert isinstance(application, HTTPApplication)
        name = application.handle(HTTPRequest("GET", "/hostname"), peer).body.decode()
        client = application.handle(HTTPRequest("GET", "/clientip"), peer).body.decode()
        assert client == peer.text
        return Answer(name, peer.address)

    def sh(self, pod: str, *argv: str, namespace: str = "default") -> tuple[int, str, str]:
        """Run a command in a Pod: exit code, output, errors."""
        assert self.cluster.runtime is not None
        status = self.client.get(PODS, pod, namespace)["status"]["containerStatuses"][0]
        code, out, err = self.cluster.runtime.exec_capture(status["containerID"].rpartition("//")[2], argv)
        return code, out.decode(), err.decode()
