"""Networks as text: a host in one, a part of one."""

from __future__ import annotations

from ipaddress import ip_network


def host_in(network: str, position: int) -> str:
    """The address at a position of a network, 0 being the network itself. Raises ValueError."""
    found = ip_network(network)
    if not 0 <= position < found.num_addresses:
        raise ValueError(f"{network} has no address {position}")
    return str(found[position])


def subnet(network: str, prefix_length: int, position: int) -> str:
    """The part of a network at a position, all parts having the same prefix length. Raises ValueError."""
    found = ip_network(network)
    size = 1 << (found.max_prefixlen - prefix_length)
    return f"{host_in(network, position * size)}/{prefix_length}"
