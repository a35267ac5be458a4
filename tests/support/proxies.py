"""Services and slices in a cluster without controllers, and the kube-proxies of its nodes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from support.cluster import START

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.resources import ENDPOINT_SLICES, NODES, SERVICES
from kubesim.cluster.build import Cluster, build, load_kinds
from kubesim.cluster.config import ClusterConfig
from kubesim.proxy import Catalog, NodeProxy, Packet, ProxyConfig, StateAffinity, Verdict
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.memory import MemoryStorage
from kubesim.util.clock import FrozenClock
from kubesim.util.ids import SystemIdentities
from kubesim.util.jsontypes import JSONObject, encode
from kubesim.util.state import MemoryState

NODE_ADDRESSES = {"node-1": "172.18.0.3", "node-2": "172.18.0.4", "node-3": "172.18.0.5"}
CLUSTER_IP = "10.96.1.1"
NODE_PORT = 30080
OUTSIDE = "198.51.100.77"

_kinds = cache(load_kinds)  # clusters may share them


def ready(address: str, node: str = "node-1", **more: Any) -> JSONObject:
    """An endpoint that is ready; `zones` are its hints."""
    return _endpoint(address, node, {"ready": True, "serving": True, "terminating": False}, more)


def not_ready(address: str, node: str = "node-1", **more: Any) -> JSONObject:
    return _endpoint(address, node, {"ready": False, "serving": False, "terminating": False}, more)


def terminating(address: str, node: str = "node-1", *, serving: bool = True, **more: Any) -> JSONObject:
    return _endpoint(address, node, {"ready": False, "serving": serving, "terminating": True}, more)


def _endpoint(address: str, node: str, conditions: dict[str, bool], more: dict[str, Any]) -> JSONObject:
    found: JSONObject = {"addresses": [address], "conditions": conditions, "nodeName": node}
    if zones := more.pop("zones", ()):
        found["hints"] = {"forZones": [{"name": zone} for zone in zones]}
    return found | more


def service(name: str = "web", *, ingress: Iterable[JSONObject] = (), **spec: Any) -> JSONObject:
    """A Service as it is stored; `labels` go to its metadata."""
    labels = spec.pop("labels", None)
    address = spec.setdefault("clusterIP", CLUSTER_IP)
    spec.setdefault("clusterIPs", [address])
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("ports", [{"name": "http", "port": 80, "protocol": "TCP"}])
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"} | ({"labels": labels} if labels else {}),
        "spec": spec,
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


def node_port(name: str = "web", *, port: int = NODE_PORT, **spec: Any) -> JSONObject:
    """A Service of type NodePort."""
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": port}]
    return service(name, **{"type": "NodePort", "ports": ports} | spec)


def balanced(
    name: str = "web", *, ingress: Iterable[JSONObject] = ({"ip": "203.0.113.5"},), **spec: Any
) -> JSONObject:
    """A Service of type LoadBalancer, with an address."""
    return node_port(name, ingress=ingress, **{"type": "LoadBalancer"} | spec)


def endpoint_slice(
    *endpoints: JSONObject,
    name: str = "web",
    part: str = "a",
    port: int = 8080,
    port_name: str = "http",
    **more: Any,
) -> JSONObject:
    protocol = more.pop("protocol", "TCP")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{part}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": port_name, "port": port, "protocol": protocol}],
    } | more


class Network:
    """A cluster of three nodes whose Services and slices are what the test puts there, and nothing else."""

    def __init__(
        self, *objects: JSONObject, config: ProxyConfig | None = None, seed: int = 1, warm: bool = False
    ) -> None:
        self.clock = FrozenClock(START)
        made = ClusterConfig(seed="test", nodes=3)
        self.cluster: Cluster = build(made, MemoryStorage(), clock=self.clock, kinds=_kinds)
        self.client = self.cluster.client
        self.config = config
        self.seed = seed
        self.state = MemoryState()
        self.catalog = Catalog(self.client, self.cluster.storage.revision if warm else None)
        self._proxies: dict[str, NodeProxy] = {}
        self.remove(SERVICES, "kubernetes")
        self.put(*objects)

    def put(self, *objects: JSONObject) -> None:
        """Store objects as they are, past the API server; those of the same names are replaced."""
        with self.cluster.storage.transaction() as tx:
            for obj in objects:
                gvr = {"Service": SERVICES, "EndpointSlice": ENDPOINT_SLICES, "Node": NODES}[obj["kind"]]
                resource = self.cluster.scheme.by_resource(gvr)
                assert resource is not None
                key = key_of(gvr, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
                row = tx.get(key)
                if row is None:
                    tx.create(key, encode(obj), indexes_of(resource, obj))
                else:
                    tx.update(key, encode(obj), row.revision, indexes_of(resource, obj))

    def remove(self, gvr: GroupVersionResource, name: str) -> None:
        with self.cluster.storage.transaction() as tx:
            row = tx.get(key := key_of(gvr, "default", name))
            if row is not None:
                tx.delete(key, row.revision)

    def clear(self) -> None:
        """Away with all Services and slices."""
        for gvr in (SERVICES, ENDPOINT_SLICES):
            for obj in self.client.list(gvr)["items"]:
                self.remove(gvr, obj["metadata"]["name"])

    def zone(self, node: str, zone: str) -> None:
        """Label a node with its zone."""
        found = self.client.get(NODES, node)
        found["metadata"].setdefault("labels", {})["topology.kubernetes.io/zone"] = zone
        self.put(found)

    def proxy(self, node: str = "node-1") -> NodeProxy:
        if node not in self._proxies:
            self._proxies[node] = NodeProxy(
                self.client,
                node_name=node,
                config=self.config,
                identities=SystemIdentities(self.seed),
                affinity=StateAffinity(self.state, self.cluster.clock),
                catalog=self.catalog,
            )
        return self._proxies[node]

    def send(self, packet: Packet, node: str = "node-1") -> Verdict:
        return self.proxy(node).translate(packet)

    def from_pod(
        self, to: str = CLUSTER_IP, port: int = 80, *, source: str = "10.244.0.99", **more: Any
    ) -> Verdict:
        """What becomes of a packet of a Pod on node-1, or on `node`."""
        node = more.pop("node", "node-1")
        return self.send(Packet(source, 40000, to, port, interface="pod", **more), node)

    def from_node(
        self, to: str = CLUSTER_IP, port: int = 80, *, node: str = "node-1", **more: Any
    ) -> Verdict:
        return self.send(Packet(NODE_ADDRESSES[node], 40000, to, port, interface="node", **more), node)

    def from_outside(
        self, to: str = "", port: int = NODE_PORT, *, node: str = "node-1", **more: Any
    ) -> Verdict:
        source = more.pop("source", OUTSIDE)
        return self.send(
            Packet(source, 40000, to or NODE_ADDRESSES[node], port, interface="outside", **more), node
        )

    def targets(self, packet: Packet, node: str = "node-1", *, tries: int = 60) -> set[str]:
        """Who may answer: the destinations of many such packets, or what became of them."""
        found = set()
        for _ in range(tries):
            verdict = self.send(packet, node)
            found.add(
                f"{verdict.destination}:{verdict.destination_port}"
                if verdict.action == "dnat"
                else verdict.action
            )
        return found
