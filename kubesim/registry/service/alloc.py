"""`ServiceAllocator`: gives a Service its cluster IPs and node ports, in the transaction that stores it.

Invariant: the allocations of the store are exactly what the stored Services hold (`repair` rebuilds the
same). Order, rules and texts as in pkg/registry/core/service/storage/{storage,alloc}.go. What upstream
commits or reverts by hand is here the transaction: an error, or a refusal by validation later on, undoes it
all; what is given back is given back last, so that nothing is handed out again within the same write.

The owner of an allocation is `namespace/name/uid`: readable for who asks who has a port, and a Service made
anew under the same name is somebody else, whose allocations the old one cannot give away.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import Path
from kubesim.apimachinery.meta import name_of, namespace_of, uid_of
from kubesim.apis.servicespec import (
    EXTERNAL_NAME,
    NONE,
    cluster_ips_of,
    needs_cluster_ip,
    needs_health_check,
    needs_node_port,
    ports_of,
    spec_of,
    type_of,
)
from kubesim.registry.service.families import (
    allocates_node_ports,
    default_on_read,
    families_of,
    family_of,
    init_family_fields,
    keeps_preferred_families,
    node_ports_of,
    normalize_cluster_ips,
    patch_allocated_values,
)
from kubesim.registry.service.ipallocator import AllocationError, IPAllocator
from kubesim.registry.service.portallocator import (
    DryRunOperation,
    LiveOperation,
    PortAllocator,
    PortOperation,
)
from kubesim.storage.interface import Transaction
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject

_CLUSTER_IPS = Path("spec.clusterIPs")
_PORTS = Path("spec.ports")


def owner_of(service: JSONObject) -> str:
    """Who a Service is in the store's allocations."""
    return f"{namespace_of(service)}/{name_of(service)}/{uid_of(service)}"


class ServiceAllocator:
    """Cluster IPs out of one network for each family, the first being the default, and node ports out of a
    range.
    """

    def __init__(
        self, *, service_cidrs: Sequence[str], node_port_range: tuple[int, int], identities: Identities
    ) -> None:
        networks = [IPAllocator(cidr, identities=identities) for cidr in service_cidrs]
        self.networks = {network.family: network for network in networks}
        self.ports = PortAllocator(*node_port_range, identities=identities)
        self.default_family = networks[0].family

    def on_create(self, tx: Transaction, service: JSONObject, *, dry_run: bool = False) -> None:
        """Take what a new Service needs and write it into the Service. Raises StatusError."""
        write = _Write(self, tx, service, owner=owner_of(service), dry_run=dry_run)
        normalize_cluster_ips(service, None)
        init_family_fields(service, None, self.networks)
        write.allocate_cluster_ips()
        if needs_node_port(service):
            write.init_node_ports()
        if needs_health_check(service):
            write.allocate_health_check()

    def on_update(self, tx: Transaction, new: JSONObject, old: JSONObject, *, dry_run: bool = False) -> None:
        """Take what a changed Service needs more, and give back what it needs no longer. Raises StatusError."""
        self.default_on_read(old)
        patch_allocated_values(new, old)
        normalize_cluster_ips(new, old)
        # The old one's: what a client sends may leave the uid out.
        write = _Write(self, tx, new, owner=owner_of(old), dry_run=dry_run)
        init_family_fields(new, old, self.networks)
        addresses = write.update_cluster_ips(old)
        ports = write.update_node_ports(old)
        if not dry_run:
            self._release(tx, owner_of(old), addresses, ports)

    def on_delete(self, tx: Transaction, service: JSONObject) -> None:
        """Give back all that a Service had."""
        self.default_on_read(service)
        ports = node_ports_of(service)
        if needs_health_check(service) and (port := spec_of(service).get("healthCheckNodePort")):
            ports.add(port)
        addresses = cluster_ips_of(service) if needs_cluster_ip(service) else []
        self._release(tx, owner_of(service), addresses, ports)

    def default_on_read(self, service: JSONObject) -> None:
        """Fill in the fields that a Service stored by an older version lacks."""
        default_on_read(service, self.default_family)

    def _release(self, tx: Transaction, owner: str, addresses: Sequence[str], ports: set[int]) -> None:
        for ip in addresses:
            # A family that the cluster no longer has needs no giving back.
            if ip != NONE and (network := self.networks.get(family_of(ip))):
                network.release(tx, ip, owner)
        for port in sorted(ports):
            self.ports.release(tx, str(port), owner)


class _Write:
    """One write of one Service."""

    def __init__(
        self,
        allocator: ServiceAllocator,
        tx: Transaction,
        service: JSONObject,
        *,
        owner: str,
        dry_run: bool,
    ) -> None:
        self._allocator = allocator
        self._tx = tx
        self._service = service
        self._spec: JSONObject = service["spec"]
        self._owner = owner
        self._dry_run = dry_run
        self._ports: PortOperation = (
            DryRunOperation(allocator.ports, tx)
            if dry_run
            else LiveOperation(allocator.ports, tx, self._owner)
        )

    # Cluster IPs.

    def allocate_cluster_ips(self) -> None:
        """An address for each family that has none: allocClusterIPs."""
        if type_of(self._service) == EXTERNAL_NAME or cluster_ips_of(self._service)[:1] == [NONE]:
            return
        families = families_of(self._service)
        given = cluster_ips_of(self._service)
        # All of them stand in the list from here on, "" for those to come: an error shows it so.
        self._spec["clusterIPs"] = [*given, *[""] * (len(families) - len(given))]
        self._spec["clusterIPs"] = [
            self._take(family, ip) for family, ip in zip(families, self._spec["clusterIPs"], strict=True)
        ]
        self._spec["clusterIP"] = self._spec["clusterIPs"][0]

    def update_cluster_ips(self, old: JSONObject) -> list[str]:
        """Allocate as the change asks for; the addresses to give back: updateClusterIPs."""
        service = self._service
        if keeps_preferred_families(service, old):
            return []
        if type_of(old) == EXTERNAL_NAME and type_of(service) != EXTERNAL_NAME:
            self.allocate_cluster_ips()
            return []
        if cluster_ips_of(old)[:1] == [NONE]:
            return []
        if type_of(old) != EXTERNAL_NAME and type_of(service) == EXTERNAL_NAME:
            return list(cluster_ips_of(old))
        before, after = len(families_of(old)), len(families_of(service))
        if (before, after) == (1, 2):
            given = cluster_ips_of(service)
            addresses = self._spec["clusterIPs"] = given if len(given) > 1 else [*given, ""]
            addresses[1] = self._take(families_of(service)[1], addresses[1])
        if (before, after) == (2, 1):
            return cluster_ips_of(old)[1:]
        return []

    def _take(self, family: str, ip: str) -> str:
        """Take an address, any one where it is empty. A dry run shows the network's own, and takes none."""
        network = self._allocator.networks[family]
        if not ip:
            if self._dry_run:
                return str(network.network.network_address)
            try:
                return network.allocate_next(self._tx, self._owner)
            except AllocationError as error:
                raise errors.internal_error(f"failed to allocate a serviceIP: {error}") from error
        try:
            if self._dry_run:
                network.check(ip)
            else:
                network.allocate(self._tx, ip, self._owner)
        except AllocationError as error:
            found = field.invalid(
                _CLUSTER_IPS, list(self._spec["clusterIPs"]), f"failed to allocate IP {ip}: {error}"
            )
            raise errors.invalid("Service", name_of(self._service), [found]) from error
        return ip

    # Node ports.

    def init_node_ports(self) -> None:
        """A node port for each port that wants one: initNodePorts. One port number has one node port."""
        of_port: dict[int, int] = {}
        ports = ports_of(self._service)
        for at, port in enumerate(ports):
            wanted = port.get("nodePort") or 0
            if not wanted and not allocates_node_ports(self._service):
                continue
            number = port["port"]
            had = of_port.get(number, 0)
            if not had:
                # This looks ahead: another port of that number may name the node port they both have.
                named = next((p["nodePort"] for p in ports if p["port"] == number and p.get("nodePort")), 0)
                of_port[number] = port["nodePort"] = self._take_port(at, named) if named else self._any_port()
            elif not wanted:
                port["nodePort"] = had
            elif wanted != had:
                self._take_port(at, wanted)

    def update_node_ports(self, old: JSONObject) -> set[int]:
        """Allocate as the change asks for; the ports to give back: txnUpdateNodePorts."""
        # Validation lets an ExternalName have node ports, which are nobody's: upstream would take them for held.
        before = node_ports_of(old) if needs_node_port(old) else set()
        given_back: set[int] = set()
        if not needs_node_port(self._service):
            given_back |= before
        if needs_node_port(self._service):
            self._change_node_ports(before)
            given_back |= before - node_ports_of(self._service)
        needed, needs = needs_health_check(old), needs_health_check(self._service)
        if needs and not needed:
            self.allocate_health_check()
        elif needed and not needs and (port := spec_of(old).get("healthCheckNodePort")):
            given_back.add(port)
        return given_back

    def _change_node_ports(self, before: set[int]) -> None:
        """Keep, take or draw the node port of each port: updateNodePorts."""
        taken: set[int] = set()
        seen: set[tuple[str, int]] = set()
        for at, port in enumerate(ports_of(self._service)):
            wanted = port.get("nodePort") or 0
            if not wanted and not allocates_node_ports(self._service):
                continue
            if not wanted:
                wanted = port["nodePort"] = self._any_port()
            elif wanted not in before and wanted not in taken:
                taken.add(self._take_port(at, wanted))
            protocol = port.get("protocol") or ""
            if (protocol, wanted) in seen:
                raise errors.plain_error(f"duplicate nodePort: {{{protocol} {wanted}}}")
            seen.add((protocol, wanted))

    def allocate_health_check(self) -> None:
        """The port on which load balancers ask a node whether it has endpoints: allocHealthCheckNodePort."""
        wanted = self._spec.get("healthCheckNodePort") or 0
        try:
            if wanted:
                self._ports.allocate(wanted)
            else:
                self._spec["healthCheckNodePort"] = self._ports.allocate_next()
        except AllocationError as error:
            what = f"requested HealthCheck NodePort {wanted}" if wanted else "a HealthCheck NodePort 0"
            raise errors.internal_error(f"failed to allocate {what}: {error}") from error

    def _take_port(self, at: int, port: int) -> int:
        try:
            self._ports.allocate(port)
        except AllocationError as error:
            found = field.invalid(_PORTS.index(at).child("nodePort"), port, str(error))
            raise errors.invalid("Service", name_of(self._service), [found]) from error
        return port

    def _any_port(self) -> int:
        try:
            return self._ports.allocate_next()
        except AllocationError as error:
            raise errors.internal_error(f"failed to allocate a nodePort: {error}") from error
