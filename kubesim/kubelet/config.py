"""What all kubelets of a cluster are set to: KubeletConfiguration, as far as it matters here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

HOLD_ANNOTATION: Final = "example.com/kubelet-hold"
IMAGES_LABEL: Final = "kubesim/image-catalogue"
"""With the value `true` it makes a ConfigMap a part of the image catalogue: docs/images.md."""


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """Pods with `hold_annotation`, whatever its value, are left alone: their status is written by hand.

    `cluster_dns` are the DNS servers that Pods ask, `node_resolv_conf` is what `dnsPolicy: Default` gives
    them.
    """

    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    cluster_domain: str = "cluster.local"
    node_resolv_conf: str = "nameserver 172.18.0.1\noptions edns0 trust-ad ndots:0\n"
    hold_annotation: str = HOLD_ANNOTATION

    @classmethod
    def of(cls, cluster_dns: str, resolver: str) -> Self:
        """The settings of a cluster whose DNS is at an address, and whose nodes ask another one."""
        return cls(cluster_dns=(cluster_dns,), node_resolv_conf=resolv_conf_of(resolver))


def resolv_conf_of(resolver: str) -> str:
    """The /etc/resolv.conf of nodes that ask a resolver, as kind's have it."""
    return f"nameserver {resolver}\noptions edns0 trust-ad ndots:0\n"
