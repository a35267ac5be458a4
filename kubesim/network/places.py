"""From where packets are sent, and who answers at fixed addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubesim.network.policy import Party
from kubesim.runtime.application import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a packet is sent: a Pod, a node (or a Pod with `hostNetwork`), or the outside."""

    kind: Literal["pod", "node", "outside"]
    title: str
    addresses: tuple[str, ...]
    node: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    container: str = ""

    def address(self, like: str) -> str:
        """The address from which it sends to another one; empty where it has none of that family."""
        six = ":" in like
        return next((a for a in self.addresses if (":" in a) == six), "")


@dataclass(frozen=True, slots=True)
class Server:
    """Somebody at a fixed address who is neither Pod nor node: the API server, a resolver, the cluster's DNS."""

    title: str
    listeners: tuple[Listener, ...]
    party: Party
    in_cluster: bool = False
    """Whether its address is that of a Pod: nobody is masqueraded on the way to it, and the outside cannot reach it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a load balancer, or whoever routes an external address into the cluster, leads."""

    node: str
    address: str = ""
    """Another destination: that of a load balancer which opens a connection of its own (`ipMode: Proxy`)."""
    port: int = 0
