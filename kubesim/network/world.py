"""Who is where: Pods and nodes by address, and the policies that concern a Pod, read through the client.

Everything is looked up by index when it is first asked for, so that one packet costs what it touches. What was found is
kept until the store has a newer revision in which something of the network has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import labels_of, name_of, namespace_of, uid_of
from kubesim.apis.podfacts import is_terminal, pod_ips, spec_of, status_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items, pods_at
from kubesim.client.resources import NAMESPACES, NODES, PODS
from kubesim.kubelet.portforward import running_containers
from kubesim.network.policy import Party, Policy, compile_policy
from kubesim.util.jsontypes import JSONObject

NETWORK_POLICIES: Final = GroupVersionResource("networking.k8s.io", "v1", "networkpolicies")
_CONCERNING: Final = frozenset(
    {"Pod", "Node", "Namespace", "NetworkPolicy", "Service", "EndpointSlice", "Ingress", "IngressClass"}
)
# So many changes at once are not read one by one to see whether any concerns the network.
_MANY: Final = 200


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of a node that leads to a container's (`hostPort`)."""

    protocol: str
    port: int
    target: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class PodPlace:
    """A Pod in the network."""

    party: Party
    uid: str
    addresses: tuple[str, ...]
    node: str
    host_network: bool
    containers: tuple[str, ...]
    """The ids of those of its containers that run."""
    host_ports: tuple[HostPort, ...] = ()

    def address(self, like: str) -> str:
        """Its first address of the family of another one; empty where it has none."""
        six = ":" in like
        return next((a for a in self.addresses if (":" in a) == six), "")

    @property
    def title(self) -> str:
        return f"pod {self.party.namespace}/{self.party.name}"


@dataclass(frozen=True, slots=True)
class NodePlace:
    """A node in the network."""

    name: str
    addresses: tuple[str, ...]
    pod_networks: tuple[IPv4Network | IPv6Network, ...]
    ready: bool = True

    @property
    def title(self) -> str:
        return f"node {self.name}"

    def address(self, like: str = "") -> str:
        """Its first address of the family of another one."""
        six = ":" in like
        return next((a for a in self.addresses if (":" in a) == six), "")

    def gateway(self, like: str = "") -> str:
        """Its address on the Pods' side: the first of its range."""
        six = ":" in like
        return next((str(n[1]) for n in self.pod_networks if (n.version == 6) == six), "")


class World:
    """What the network knows of the cluster. `revision` gives the store's newest one; without it nothing is kept."""

    def __init__(self, client: Client, revision: Callable[[], int] | None = None) -> None:
        self._client = client
        self._revision = revision
        self._seen = -1
        self.generation = 0
        """Counts how often what was kept has been thrown away."""
        self._clear()

    def _clear(self) -> None:
        self.generation += 1
        self._pods: dict[str, PodPlace | None] = {}
        self._by_key: dict[tuple[str, str], PodPlace | None] = {}
        self._nodes: tuple[NodePlace, ...] | None = None
        self._node_names: dict[str, NodePlace] = {}
        self._node_addresses: dict[str, NodePlace] = {}
        self._on_node: dict[str, tuple[PodPlace, ...]] = {}
        self._policies: dict[str, tuple[Policy, ...]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def start_over(self) -> None:
        """Forget what was read inside a transaction that was undone."""
        self._seen = -1

    def refresh(self) -> None:
        """What was kept is thrown away if the network may have changed."""
        if self._revision is None:
            self._clear()
            return
        newest = self._revision()
        if newest == self._seen:
            return
        if self._seen < 0 or newest < self._seen or self._concerns(newest):
            self._clear()
        self._seen = newest

    def _concerns(self, newest: int) -> bool:
        if newest - self._seen > _MANY:
            return True
        try:
            return any(e.object.get("kind") in _CONCERNING for e in self._client.log(self._seen, limit=_MANY))
        except StatusError:  # compacted
            return True

    # Pods

    def pod_at(self, address: str) -> PodPlace | None:
        """The Pod that has an address of its own; None where there is none (any more)."""
        try:
            return self._pods[address]
        except KeyError:
            pass
        found = pods_at(self._client, address)
        place = next((self._place(p) for p in found if _has_address(p, address)), None)
        self._pods[address] = place
        return place

    def pod(self, namespace: str, name: str) -> PodPlace | None:
        """A Pod by its name."""
        key = namespace, name
        if key not in self._by_key:
            found = get_or_none(self._client, PODS, name, namespace)
            self._by_key[key] = self._place(found) if found is not None else None
        return self._by_key[key]

    def on_node(self, node: str) -> tuple[PodPlace, ...]:
        """The Pods of a node that are seen at its own addresses: with `hostNetwork`, or with a `hostPort`."""
        if node not in self._on_node:
            found = items(self._client.list(PODS, field_selector=f"spec.nodeName={node}"))
            places = [self._place(p) for p in found if not is_terminal(p)]
            self._on_node[node] = tuple(p for p in places if p.host_network or p.host_ports)
        return self._on_node[node]

    def with_addresses_on(self, node: str) -> list[PodPlace]:
        """The Pods of a node that have addresses of their own. Not kept: who lists interfaces asks for them."""
        found = items(self._client.list(PODS, field_selector=f"spec.nodeName={node}"))
        places = [self._place(p) for p in found if not is_terminal(p)]
        return [p for p in places if p.addresses and not p.host_network]

    def _place(self, pod: JSONObject) -> PodPlace:
        spec, namespace = spec_of(pod), namespace_of(pod)
        named: dict[tuple[str, str], set[int]] = {}
        host_ports = []
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            for port in container.get("ports") or ():
                protocol, number = port.get("protocol") or "TCP", port["containerPort"]
                if port.get("name"):
                    named.setdefault((protocol, port["name"]), set()).add(number)
                if port.get("hostPort"):
                    host_ports.append(HostPort(protocol, port["hostPort"], number, port.get("hostIP") or ""))
        addresses = tuple(pod_ips(pod)) or tuple(filter(None, [status_of(pod).get("podIP")]))
        host_network = bool(spec.get("hostNetwork"))
        party = Party(
            addresses[0] if addresses else "",
            namespace,
            name_of(pod),
            labels_of(pod),
            self._namespace_labels(namespace),
            {key: frozenset(ports) for key, ports in named.items()},
        )
        return PodPlace(
            party,
            uid_of(pod),
            addresses,
            spec.get("nodeName") or "",
            host_network,
            tuple(running_containers(pod)),
            () if host_network else tuple(host_ports),
        )

    def _namespace_labels(self, name: str) -> Mapping[str, str]:
        if name not in self._namespaces:
            found = get_or_none(self._client, NAMESPACES, name)
            self._namespaces[name] = labels_of(found) if found is not None else {}
        return self._namespaces[name]

    # Policies

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        """The policies of a namespace."""
        if namespace not in self._policies:
            found = items(self._client.list(NETWORK_POLICIES, namespace))
            self._policies[namespace] = tuple(compile_policy(p) for p in found)
        return self._policies[namespace]

    # Nodes

    @property
    def nodes(self) -> Sequence[NodePlace]:
        if self._nodes is None:
            self._nodes = tuple(_node(n) for n in items(self._client.list(NODES)))
            self._node_names = {n.name: n for n in self._nodes}
            self._node_addresses = {a: n for n in self._nodes for a in n.addresses}
        return self._nodes

    def node(self, name: str) -> NodePlace | None:
        """A node by its name."""
        return self._node_names.get(name) if self.nodes else None

    def node_at(self, address: str) -> NodePlace | None:
        """The node that has an address, on the nodes' network or on its Pods' side."""
        if not self.nodes:
            return None
        found = self._node_addresses.get(address)
        if found is None:
            found = next((n for n in self.nodes if n.gateway(address) == address), None)
        return found

    def in_pod_networks(self, address: str) -> bool:
        """Whether an address lies in the range of some node's Pods."""
        found = ip_address(address)
        return any(found in network for node in self.nodes for network in node.pod_networks)


def _has_address(pod: JSONObject, address: str) -> bool:
    return not is_terminal(pod) and not spec_of(pod).get("hostNetwork") and address in pod_ips(pod)


def _node(node: JSONObject) -> NodePlace:
    spec, addresses = spec_of(node), status_of(node).get("addresses") or ()
    networks = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    conditions = status_of(node).get("conditions") or ()
    return NodePlace(
        name_of(node),
        tuple(a["address"] for a in addresses if a.get("type") in ("InternalIP", "ExternalIP")),
        tuple(ip_network(n) for n in networks),
        any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
    )
