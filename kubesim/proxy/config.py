"""How kube-proxy is configured: the fields of KubeProxyConfiguration that its rules depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """The defaults are those of a cluster that kubeadm made.

    `cluster_cidrs` are the Pods' networks, one of a family: what comes from elsewhere is masqueraded on its way to a
    cluster IP (detectLocalMode ClusterCIDR). A family without one masquerades nothing there, and has no short cut for
    Pods past externalTrafficPolicy Local, as kube-proxy without a detector of local traffic.
    `node_port_addresses` are networks; only a node's addresses in them have node ports. Empty: all addresses.
    """

    cluster_cidrs: tuple[str, ...] = ("10.244.0.0/16",)
    masquerade_all: bool = False
    masquerade_bit: int = 14
    node_port_addresses: tuple[str, ...] = ()
    localhost_node_ports: bool = True

    @property
    def mark(self) -> int:
        return 1 << self.masquerade_bit

    def cluster_cidr(self, family: str) -> str | None:
        """The Pods' network of a family."""
        return next((c for c in self.cluster_cidrs if (":" in c) == (family == "IPv6")), None)
