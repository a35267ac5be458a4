"""The names of chains. Source: pkg/proxy/iptables/proxier.go."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256
from typing import Final

SERVICES: Final = "KUBE-SERVICES"
EXTERNAL_SERVICES: Final = "KUBE-EXTERNAL-SERVICES"
NODE_PORTS: Final = "KUBE-NODEPORTS"
POSTROUTING: Final = "KUBE-POSTROUTING"
MARK_MASQ: Final = "KUBE-MARK-MASQ"
FORWARD: Final = "KUBE-FORWARD"
PROXY_FIREWALL: Final = "KUBE-PROXY-FIREWALL"
PROXY_CANARY: Final = "KUBE-PROXY-CANARY"
# The kubelet's own.
FIREWALL: Final = "KUBE-FIREWALL"
KUBELET_CANARY: Final = "KUBE-KUBELET-CANARY"
HINT: Final = "KUBE-IPTABLES-HINT"


def chain_hash(*parts: str) -> str:
    """The first 16 characters of the SHA-256 in base 32."""
    return b32encode(sha256("".join(parts).encode()).digest()[:10]).decode()


def service_chain(kind: str, port_name: str, protocol: str) -> str:
    """`kind` is SVC (policy Cluster), SVL (policy Local), EXT (external destinations) or FW (source ranges);
    `port_name` is namespace/name:port.
    """
    return f"KUBE-{kind}-{chain_hash(port_name, protocol)}"


def endpoint_chain(port_name: str, protocol: str, endpoint: str) -> str:
    """`endpoint` is address:port."""
    return f"KUBE-SEP-{chain_hash(port_name, protocol, endpoint)}"
