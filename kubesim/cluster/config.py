"""What a cluster is made with. It is kept in the cluster's own store, and never changes afterwards."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, Literal

from kubesim.util.clock import format_time, parse_time
from kubesim.util.ipnet import host_in
from kubesim.util.jsontypes import decode, encode

NOTE: Final = "cluster/config"
POD_CIDRS: Final = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
"""The addresses of Pods where no others are named, by family."""
NODE_PREFIXES: Final = {4: 24, 6: 64}
"""The part of the Pods' addresses that each node gets, as kube-controller-manager's --node-cidr-mask-size has it."""
SERVICE_CIDR: Final = "10.96.0.0/12"
NODE_NETWORKS: Final = {4: "172.18.0.0/16", 6: "fc00:f853:ccd:e793::/64"}
"""The network of the nodes, by family: the first address is the computer outside, the second the API server, the third
the first node.
"""
HOST, CONTROL_PLANE, FIRST_NODE = 1, 2, 3
API_PORT: Final = 6443
DNS_POSITION: Final = 10
MAX_NODES: Final = 250
DEFAULT_NODES: Final = 2

# The newest patch release of each minor version, for what the parts of the cluster say of themselves.
_PATCHES: Final = {
    25: 16, 26: 15, 27: 16, 28: 15, 29: 15, 30: 14, 31: 14, 32: 13, 33: 9, 34: 5, 35: 2,
}  # fmt: skip


class ConfigError(ValueError):
    """A cluster cannot be made like this. The text is for people."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The settings of a cluster. `seed` makes uids, names and addresses the same each time.

    `kube_dns` says whether the cluster's DNS shows as the Service kube-dns; it answers in any case. `frozen_at`
    stops the clock at a moment; `created` is when the cluster was made. `load_balancer_pool` are the addresses for
    Services of type LoadBalancer, as `address_range` reads them; without any they wait for one for ever. With
    `ingress` there is a simulated ingress-nginx. `pod_cidr` are networks with a comma between them, one of a family; a
    family of the Services that has none there has the usual one. `images` are documents of docs/images.md, each with the
    name of its source.
    """

    name: str = "default"
    nodes: int = DEFAULT_NODES
    seed: str | None = None
    kubernetes_version: str = "1.32"
    service_cidrs: tuple[str, ...] = (SERVICE_CIDR,)
    pod_cidr: str = ""
    node_port_range: tuple[int, int] = (30000, 32767)
    kube_dns: bool = False
    frozen_at: datetime | None = None
    created: datetime | None = None
    load_balancer_pool: tuple[str, ...] = ()
    ingress: bool = False
    images: tuple[tuple[str, str], ...] = ()

    def validate(self) -> None:
        """Raises ConfigError."""
        if not 0 <= self.nodes <= MAX_NODES:
            raise ConfigError(f"the number of nodes must be between 0 and {MAX_NODES}: {self.nodes}")
        if not re.fullmatch(r"1\.\d+", self.kubernetes_version):
            raise ConfigError(f'the Kubernetes version must be like 1.32: "{self.kubernetes_version}"')
        self._validate_networks()
        low, high = self.node_port_range
        if not 1 <= low <= high <= 65535:
            raise ConfigError(f"the node port range must lie between 1 and 65535: {low}-{high}")

    def _validate_networks(self) -> None:
        networks = [_network(text, "service") for text in self.service_cidrs]
        if not networks:
            raise ConfigError("a cluster needs a service CIDR")
        if len(networks) > 2 or (len(networks) == 2 and networks[0].version == networks[1].version):
            raise ConfigError("service CIDRs are one of IPv4, one of IPv6, or one of each")
        for network in networks:
            if network.num_addresses < 8:
                raise ConfigError(f"the service CIDR {network} is too small")
            # As kube-apiserver: no more than 20 bits, so that allocations stay manageable.
            if network.max_prefixlen - network.prefixlen > 20 and network.version == 4:
                raise ConfigError(f"the service CIDR {network} is larger than /12")
        pods = self._validate_pods({network.version for network in networks})
        if self.load_balancer_pool:
            self._validate_pool([*networks, *pods])

    def _validate_pods(self, families: set[int]) -> list[IPv4Network | IPv6Network]:
        named = [_network(text, "pod") for text in _parts(self.pod_cidr)]
        if len({n.version for n in named}) < len(named) or any(n.version not in families for n in named):
            raise ConfigError(f"pod CIDRs are one of each family that Services have: {self.pod_cidr}")
        pods = [_network(text, "pod") for text in self.pod_cidrs]
        for network in pods:
            each = NODE_PREFIXES[network.version]
            if network.prefixlen > each:
                raise ConfigError(f"the pod CIDR must hold a /{each} for each node: {network}")
            # As kube-controller-manager: a map of more parts than that is not managed.
            if each - network.prefixlen > 16:
                raise ConfigError(f"the pod CIDR {network} is larger than /{each - 16}")
            if 1 << (each - network.prefixlen) < self.nodes:
                raise ConfigError(f"the pod CIDR {network} has no room for {self.nodes} nodes")
        return pods

    def _validate_pool(self, used: list[IPv4Network | IPv6Network]) -> None:
        from kubesim.util.ipnet import address_range

        # The whole /24 of the nodes: its first addresses are the host's and the API server's.
        taken = [*(str(n) for n in used), "172.18.0.0/24", "fc00:f853:ccd:e793::/120"]
        try:
            pool = [address_range(text) for text in self.load_balancer_pool]
        except ValueError as error:
            raise ConfigError(f"bad load balancer pool: {error}") from None
        for position, part in enumerate(pool):
            for text in (*taken, *self.load_balancer_pool[:position]):
                if part.overlaps(address_range(text)):
                    raise ConfigError(f"the load balancer pool {part} overlaps with {text}")

    @property
    def git_version(self) -> str:
        """The version that the API server and the nodes report: `v1.32.13`."""
        minor = int(self.kubernetes_version.partition(".")[2])
        return f"v{self.kubernetes_version}.{_PATCHES.get(minor, 0)}"

    @property
    def dns_address(self) -> str:
        """Where the cluster's DNS is: the tenth address of the Service range, as kubeadm has it, or in a smaller range
        the last.
        """
        network = ip_network(self.service_cidrs[0])
        return str(network[min(DNS_POSITION, network.num_addresses - 2)])

    @property
    def api_address(self) -> str:
        """Address and port of the API server, as the cluster's own parts reach it."""
        address = self.addresses(CONTROL_PLANE)[0]
        return f"[{address}]:{API_PORT}" if ":" in address else f"{address}:{API_PORT}"

    @property
    def families(self) -> tuple[Literal[4, 6], ...]:
        """The families of the cluster's addresses, 4 or 6; the first is the primary one."""
        return tuple(ip_network(text).version for text in self.service_cidrs)

    @property
    def pod_cidrs(self) -> tuple[str, ...]:
        """The networks of Pods, one for each family, the primary one first."""
        named = {ip_network(text).version: text for text in _parts(self.pod_cidr)}
        return tuple(named.get(family, POD_CIDRS[family]) for family in self.families)

    def addresses(self, position: int) -> tuple[str, ...]:
        """The addresses of somebody on the network of the nodes, the primary one first: HOST, CONTROL_PLANE, a node."""
        return tuple(host_in(NODE_NETWORKS[family], position) for family in self.families)

    def node_names(self) -> tuple[str, ...]:
        return tuple(f"node-{i + 1}" for i in range(self.nodes))

    def encode(self) -> bytes:
        """As it is kept in the store."""
        found = asdict(self)
        for name in ("frozen_at", "created"):
            found[name] = format_time(found[name]) if found[name] else None
        if not self.images:
            del found["images"]  # for versions that know nothing of them
        return encode(found)


def decode_config(text: bytes) -> ClusterConfig:
    """Read a kept configuration. Settings that only a newer kubesim knows are refused."""
    found: dict[str, Any] = decode(text)
    for name in ("service_cidrs", "node_port_range", "load_balancer_pool"):
        if name in found:  # clusters of older versions have no pool
            found[name] = tuple(found[name])
    found["images"] = tuple((source, text) for source, text in found.get("images") or ())
    if found.get("pod_cidr") == POD_CIDRS[4]:
        found["pod_cidr"] = ""  # older versions wrote it down unasked, whatever the families
    for name in ("frozen_at", "created"):
        found[name] = parse_time(found[name]) if found[name] else None
    try:
        return ClusterConfig(**found)
    except TypeError as error:
        raise ConfigError(f"the cluster was made by another version of kubesim: {error}") from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str, what: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ConfigError(f"bad {what} CIDR: {error}") from None
