"""Pod addresses: each node hands out those of its own range, one after the other, and an old one again only
at the end.

That a Pod's address is new each time is why there are Services; so the counter goes on where it was, also
over the end of the process, and begins anew only when the range is used up.
"""

from __future__ import annotations

from ipaddress import ip_network

from kubesim.util.state import StateStore

_FIRST = 2  # the node itself has the first address: it is the Pods' gateway


class AddressesExhaustedError(Exception):
    """A node has no address left; the text is that of the host-local IPAM plugin."""


class PodAddresses:
    """Who has which address, in the state store: `kubelet/address/RANGE/ADDRESS` names the Pod."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    def allocate(self, cidr: str, owner: str) -> str:
        """The next free address of a range. Raises AddressesExhaustedError."""
        network = ip_network(cidr, strict=False)
        # The last address of an IPv4 range is its broadcast address.
        end = min(network.num_addresses - (1 if network.version == 4 else 0), 1 << 32)
        note = f"kubelet/next-address/{cidr}"
        stored = self._state.get(note)
        start = int(stored) if stored else _FIRST
        for turn in range(end - _FIRST):
            offset = _FIRST + (start - _FIRST + turn) % (end - _FIRST)
            address = str(network[offset])
            key = self._key(cidr, address)
            if self._state.get(key) is None:
                self._state.set(key, owner.encode())
                self._state.set(note, str(offset + 1 if offset + 1 < end else _FIRST).encode())
                return address
        name = network.network_address
        raise AddressesExhaustedError(f"no IP addresses available in range set: {name}-{network[end - 1]}")

    def release(self, cidr: str, address: str, owner: str) -> None:
        """Give an address back, if it is the owner's."""
        key = self._key(cidr, address)
        if self._state.get(key) == owner.encode():
            self._state.set(key, None)

    def _key(self, cidr: str, address: str) -> str:
        return f"kubelet/address/{cidr}/{address}"
