"""Services, their endpoints, and nodes, as kube-proxy reads them: what is asked for, and no more.

Everything is looked up by index: a process that sends one packet reads one Service. A process that lives longer gives
a `revision`: while it stays the same, nothing is read again; when it moves on, the log of changes says what of the
remembered is to be forgotten. The catalog serves any number of threads and of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import labels_of, name_of, namespace_of
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.servicespec import addresses_of, node_ports_of
from kubesim.client.client import Client
from kubesim.client.lister import by_index, get_or_none, items
from kubesim.client.resources import ENDPOINT_SLICES, NODES, SERVICES
from kubesim.proxy.addresses import FAMILIES, Family
from kubesim.proxy.chains import NodeFacts
from kubesim.proxy.serviceport import (
    SERVICE_NAME,
    Endpoint,
    ServicePort,
    is_proxied,
    port_endpoints,
    service_ports,
)
from kubesim.util.jsontypes import JSONObject, dig

Key = tuple[str, str]
"""Namespace and name of a Service."""

_ZONE: Final = "topology.kubernetes.io/zone"
_MANY_CHANGES: Final = 500
_MANY_SERVICES: Final = 50
_REMEMBERED: Final = 50_000


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A Service as its rules are made from it: for each family its ports, with the endpoints of each."""

    key: Key
    ports: dict[Family, tuple[tuple[ServicePort, tuple[Endpoint, ...]], ...]]


@dataclass(slots=True)
class _Memory:
    """What was read. `everything` are the keys of all Services, once they were asked for."""

    by_address: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    by_node_port: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    services: dict[Key, dict[Family, tuple[ServicePort, ...]]] = field(default_factory=dict)
    entries: dict[Key, ServiceEntry] = field(default_factory=dict)
    nodes: dict[str, NodeFacts | None] = field(default_factory=dict)
    everything: set[Key] | None = None


class Catalog:
    """See the module. Without a `revision` everything is read anew after each `refresh`."""

    def __init__(self, client: Client, revision: Callable[[], int] | None = None) -> None:
        self._client = client
        self._revision = revision
        self._lock = Lock()  # never held while the store is read: who reads may wait for one who waits for it
        self._memory = _Memory()
        self._at = -1
        self._epoch = 0

    def refresh(self) -> None:
        """Forget what has changed since the last call."""
        now = self._revision() if self._revision is not None else -1
        if now == self._at and now >= 0:
            return
        at = self._at
        events = self._changes(at) if 0 <= at < now else None
        with self._lock:
            self._epoch += 1
            if events is None or self._at < at or len(self._memory.by_address) > _REMEMBERED:
                # The revision goes back where a transaction was undone.
                self._memory = _Memory()
                self._at = now
                return
            for event in events:
                _forget(self._memory, event)
            self._at = max(now, self._at)

    def start_over(self) -> None:
        """Forget everything: what was read inside a transaction that was undone is not so."""
        with self._lock:
            self._epoch += 1
            self._at = -1
            self._memory = _Memory()

    def at(self, address: str) -> Sequence[ServiceEntry]:
        """The Services that have an address: as cluster IP, external IP or that of a load balancer."""
        return self._found(self._memory.by_address, "address", address)

    def on_node_port(self, port: int) -> Sequence[ServiceEntry]:
        """The Services that have a node port, or a health check on it."""
        return self._found(self._memory.by_node_port, "nodePort", str(port))

    def get(self, namespace: str, name: str) -> ServiceEntry | None:
        """One Service; None where there is none that kube-proxy has to do with."""
        return self._entry((namespace, name))

    def all(self) -> Sequence[ServiceEntry]:
        """Every Service that kube-proxy has to do with, in order."""
        memory = self._memory
        keys = memory.everything
        if keys is None:
            epoch = self._epoch
            services = {key_of(s): _families(s) for s in items(self._client.list(SERVICES)) if is_proxied(s)}
            keys = set(services)
            with self._lock:
                if epoch == self._epoch:
                    memory.services.update(services)
                    memory.everything = keys
        else:
            services = {}
        missing = [key for key in keys if key not in memory.entries]
        made = self._many_entries(missing, services) if len(missing) > _MANY_SERVICES else {}
        found = (made.get(key) or self._entry(key) for key in sorted(keys))
        return [entry for entry in found if entry is not None]

    def node(self, name: str) -> NodeFacts | None:
        """What rules depend on of a node, or None."""
        memory, epoch = self._memory, self._epoch
        if name not in memory.nodes:
            node = get_or_none(self._client, NODES, name)
            found = node_facts(node) if node is not None else None
            with self._lock:
                if epoch == self._epoch:
                    memory.nodes[name] = found
            return found
        return memory.nodes.get(name)

    def _changes(self, after: int) -> list[WatchEvent] | None:
        """What happened since a revision; None where that is not known any more, or too much."""
        try:
            events = list(self._client.log(after, limit=_MANY_CHANGES))
        except StatusError as error:
            if error.code == 410:
                return None
            raise
        return events if len(events) < _MANY_CHANGES else None

    def _found(self, known: dict[str, tuple[Key, ...]], index: str, value: str) -> Sequence[ServiceEntry]:
        keys = known.get(value)
        if keys is None:
            memory, epoch = self._memory, self._epoch
            found = by_index(self._client, SERVICES, "", index, (value,))
            services = {key_of(s): _families(s) for s in found if is_proxied(s)}
            keys = tuple(sorted(services))
            with self._lock:
                if epoch == self._epoch:
                    memory.services.update(services)
                    known[value] = keys
            return [self._make(key, services[key]) for key in keys]
        if not keys:
            return ()
        return [entry for key in keys if (entry := self._entry(key)) is not None]

    def _entry(self, key: Key) -> ServiceEntry | None:
        memory, epoch = self._memory, self._epoch
        if (entry := memory.entries.get(key)) is not None:
            return entry
        ports = memory.services.get(key)
        if ports is None:
            namespace, name = key
            service = get_or_none(self._client, SERVICES, name, namespace)
            if service is None or not is_proxied(service):
                return None
            ports = _families(service)
            with self._lock:
                if epoch == self._epoch:
                    memory.services[key] = ports
        return self._make(key, ports)

    def _make(self, key: Key, ports: dict[Family, tuple[ServicePort, ...]]) -> ServiceEntry:
        memory, epoch = self._memory, self._epoch
        if (known := memory.entries.get(key)) is not None:
            return known
        namespace, name = key
        slices = by_index(self._client, ENDPOINT_SLICES, namespace, "label", (f"{SERVICE_NAME}={name}",))
        entry = _entry_of(key, ports, slices)
        with self._lock:
            if epoch == self._epoch:
                memory.entries[key] = entry
        return entry

    def _many_entries(
        self, keys: Iterable[Key], services: dict[Key, dict[Family, tuple[ServicePort, ...]]]
    ) -> dict[Key, ServiceEntry]:
        """Those of many Services, from one list of all slices."""
        memory, epoch = self._memory, self._epoch
        slices: dict[Key, list[JSONObject]] = {}
        for part in items(self._client.list(ENDPOINT_SLICES)):
            slices.setdefault(_service_of(part), []).append(part)
        made = {
            key: _entry_of(key, ports, slices.get(key, ()))
            for key in keys
            if (ports := services.get(key) or memory.services.get(key)) is not None
        }
        with self._lock:
            if epoch == self._epoch:
                memory.entries.update(made)
        return made


def key_of(obj: JSONObject) -> Key:
    return namespace_of(obj), name_of(obj)


def node_facts(node: JSONObject) -> NodeFacts:
    """What rules depend on of a Node."""
    addresses = dig(node, "status", "addresses", default=[])
    spec = node.get("spec") or {}
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return NodeFacts(
        name_of(node),
        tuple(a["address"] for a in addresses if a.get("type") in {"InternalIP", "ExternalIP"}),
        labels_of(node).get(_ZONE, ""),
        tuple(cidrs),
    )


def _service_of(part: JSONObject) -> Key:
    """The Service that a slice belongs to."""
    return namespace_of(part), labels_of(part).get(SERVICE_NAME, "")


def _families(service: JSONObject) -> dict[Family, tuple[ServicePort, ...]]:
    found = {family: service_ports(service, family) for family in FAMILIES}
    return {family: ports for family, ports in found.items() if ports}


def _entry_of(
    key: Key, ports: dict[Family, tuple[ServicePort, ...]], slices: Sequence[JSONObject]
) -> ServiceEntry:
    found: dict[Family, tuple[tuple[ServicePort, tuple[Endpoint, ...]], ...]] = {}
    for family, of_family in ports.items():
        endpoints = port_endpoints(slices, family)
        found[family] = tuple((p, endpoints.get((p.port_name, p.protocol), ())) for p in of_family)
    return ServiceEntry(key, found)


def _forget(memory: _Memory, event: WatchEvent) -> None:
    kind = event.object.get("kind")
    states = [event.object] if event.old is None else [event.object, event.old]
    if kind == "Service":
        key = key_of(event.object)
        memory.services.pop(key, None)
        memory.entries.pop(key, None)
        if memory.everything is not None:
            (memory.everything.discard if event.type == "DELETED" else memory.everything.add)(key)
        for service in states:
            for address in addresses_of(service):
                memory.by_address.pop(address, None)
            for port in node_ports_of(service):
                memory.by_node_port.pop(str(port), None)
    elif kind == "EndpointSlice":
        for part in states:
            memory.entries.pop(_service_of(part), None)
    elif kind == "Node":
        memory.nodes.pop(name_of(event.object), None)
