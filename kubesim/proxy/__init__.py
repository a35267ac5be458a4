"""kube-proxy of a node, in iptables mode: its rules, the way of a packet through them, and `iptables-save`."""

from __future__ import annotations

from kubesim.proxy.affinity import AffinityStore, StateAffinity
from kubesim.proxy.catalog import Catalog
from kubesim.proxy.chance import SeededChance
from kubesim.proxy.config import ProxyConfig
from kubesim.proxy.healthcheck import HealthCheck
from kubesim.proxy.nodeproxy import NodeProxy, iptables_save
from kubesim.proxy.passage import Hop, Packet, Verdict

__all__ = [
    "AffinityStore",
    "Catalog",
    "HealthCheck",
    "Hop",
    "NodeProxy",
    "Packet",
    "ProxyConfig",
    "SeededChance",
    "StateAffinity",
    "Verdict",
    "iptables_save",
]
