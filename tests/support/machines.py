"""Containers for tests: a runtime on a frozen clock, and a small network between its containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from kubesim.runtime.application import Listener, Peer, TransportProtocol
from kubesim.runtime.container import ContainerRuntime, ContainerSpec
from kubesim.runtime.network_view import (
    LOOPBACK,
    Connection,
    Interface,
    NetworkError,
    Refused,
    Route,
    TimedOut,
    Unreachable,
    is_loopback,
)
from kubesim.util.clock import FrozenClock
from kubesim.util.dnsmessage import DNSMessage, Record
from kubesim.util.state import MemoryState

RESOLV_CONF = "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
DNS = "10.96.0.10"
_SOA = Record(
    "cluster.local.", "SOA", "ns.dns.cluster.local. hostmaster.cluster.local. 1732000000 7200 1800 86400 30"
)


class Zone:
    """What the cluster's DNS server knows: (name, type) to data; a name without a type that exists is NODATA."""

    def __init__(self, records: dict[tuple[str, str], list[str]]) -> None:
        self._records = records

    def answer(self, name: str, qtype: str) -> DNSMessage:
        alias = self._records.get((name, "CNAME"))
        if alias and qtype != "CNAME":
            target = alias[0]
            more = tuple(Record(target, qtype, d) for d in self._records.get((target, qtype), []))
            return DNSMessage(answers=(Record(name, "CNAME", target), *more), server=DNS)
        found = self._records.get((name, qtype), [])
        if found:
            return DNSMessage(answers=tuple(Record(name, qtype, d) for d in found), server=DNS)
        rcode = "NOERROR" if any(n == name for n, _ in self._records) else "NXDOMAIN"
        return DNSMessage(rcode, authority=(_SOA,), server=DNS)


class Wire:
    """The network as one container sees it: Pods by address, virtual addresses, a DNS server."""

    def __init__(self, own: str, listeners: Callable[[str], Iterable[Listener]], zone: Zone | None) -> None:
        self._own = own
        self._listeners = listeners
        self._zone = zone
        self.virtual: dict[tuple[str, int], tuple[str, int]] = {}
        self.dropped: set[str] = set()

    def interfaces(self) -> tuple[Interface, ...]:
        return (LOOPBACK, Interface("eth0", (f"{self._own}/24",), "0a:58:0a:f4:01:02", peer_index=7))

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("default", "eth0", gateway="10.244.1.1"),
            Route("10.244.1.0/24", "eth0", source=self._own, scope="link", protocol="kernel"),
        )

    def listeners(self) -> Iterable[Listener]:
        return self._listeners(self._own)

    def query(self, name: str, qtype: str, server: str) -> DNSMessage:
        if server != DNS or self._zone is None:
            raise TimedOut(server)
        return self._zone.answer(name.lower(), qtype)

    def connect(
        self, address: str, port: int, protocol: TransportProtocol = "TCP", *, source: str = ""
    ) -> Connection:
        address, port = self.virtual.get((address, port), (address, port))
        if address in self.dropped or address.startswith("10.96."):
            raise TimedOut(address)
        if address.startswith("192.0.2."):
            raise Unreachable(address, host=True)
        place = self._own if is_loopback(address) else address
        for listener in self._listeners(place):
            if listener.protocol == protocol and listener.port == port and listener.accepts(address):
                seen = address if is_loopback(address) else self._own
                return Connection(
                    listener.application, Peer(source or seen, 40000, address, port), address, port
                )
        raise Refused(address)

    def ping(self, address: str) -> float | None:
        if address.startswith("192.0.2."):
            raise Unreachable(address)
        return None if address in self.dropped or address.startswith("10.96.") else 0.1


class Lab:
    """A runtime with a frozen clock, whose containers can reach each other."""

    def __init__(self, zone: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.clock = FrozenClock(datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC))
        self.state = MemoryState()
        self.zone = Zone(zone) if zone is not None else None
        self.addresses: dict[str, str] = {}
        self.wires: dict[str, Wire] = {}
        self.runtime = self.fresh()

    def fresh(self) -> ContainerRuntime:
        """A runtime as a later process has it: the same state, nothing in memory."""
        self.runtime = ContainerRuntime(state=self.state, clock=self.clock, network=self._wire)
        return self.runtime

    def _wire(self, spec: ContainerSpec) -> Wire:
        wire = Wire(spec.pod_ips[0], self._listening, self.zone)
        self.wires[spec.id] = wire
        return wire

    def _listening(self, address: str) -> list[Listener]:
        ids = [i for i, a in self.addresses.items() if a == address]
        return [listener for i in ids for listener in self.runtime.listeners(i)]

    def start(self, name: str, image: str, *argv: str, ip: str = "10.244.1.2", **more: object) -> None:
        """Start a container; its id is its name."""
        self.addresses[name] = ip
        fields: dict[str, object] = {
            "id": name, "name": name, "image": image, "command": argv, "pod_name": name, "pod_namespace": "default",
            "pod_ips": (ip,), "node_name": "node-1", "resolv_conf": RESOLV_CONF,
        }  # fmt: skip
        self.runtime.start(ContainerSpec(**(fields | more)))  # type: ignore[arg-type]

    def run(self, name: str, *argv: str, data: bytes = b"") -> tuple[int, str, str]:
        """Run a command in a container: exit code, output, errors."""
        code, out, err = self.runtime.exec_capture(name, argv, data)
        return code, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")

    def sh(self, name: str, script: str) -> tuple[int, str, str]:
        return self.run(name, "sh", "-c", script)


__all__ = ["DNS", "Lab", "NetworkError", "Wire", "Zone"]
