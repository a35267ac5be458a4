"""Hold the allocations against the Services, and say what differs: what was leaked, what is missing, what two
Services claim.

`find_repairs` is pure; `apply_repairs` writes. Reasons and messages are those of upstream's repair loops
(ipallocator/controller/repair.go, portallocator/controller/repair.go). A leak is given back at once, where
upstream waits for three rounds: an allocation is written in the transaction of its Service, so that no Service
can still be on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.meta import key_of
from kubesim.apis.servicespec import (
    NONE,
    cluster_ips_of,
    needs_cluster_ip,
    needs_node_port,
    ports_of,
    spec_of,
)
from kubesim.registry.service.alloc import ServiceAllocator, owner_of
from kubesim.registry.service.families import cluster_ip_of, family_of
from kubesim.registry.service.ipallocator import parse_ip
from kubesim.registry.service.portallocator import POOL
from kubesim.storage.interface import Transaction
from kubesim.util.jsontypes import JSONObject

ALLOCATE: Final = "allocate"
RELEASE: Final = "release"
REPORT: Final = "report"

Allocations = Mapping[str, Mapping[str, str]]
"""Pool → item → owner."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One difference. `action` says what puts it right; a `report` only a person can.

    `reason` and `message` are the Warning Event on the Service `service` (`namespace/name`); a leak belongs to
    no Service: both are empty there but for the message, which upstream writes to its log. `owner` is who gets
    the item, or who has it now in a release.
    """

    action: str
    pool: str
    item: str
    owner: str
    reason: str
    message: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class _Claim:
    """An item that a Service holds, and the words for it and its range in messages."""

    service: JSONObject
    pool: str
    item: str
    kind: str
    what: str
    in_range: bool
    range_text: str


def find_repairs(
    services: Iterable[JSONObject], allocations: Allocations, allocator: ServiceAllocator
) -> list[Repair]:
    """What has to change for the allocations to be what the Services hold, Services first, then leaks."""
    services = list(services)
    rebuilt: dict[tuple[str, str], str] = {}
    # Of two Services with one item, the one that the table names keeps it; else the first, as upstream.
    rightful = _rightful_owners(services, allocations, allocator)
    found: list[Repair] = []
    for service in services:
        found += _corrupt(service, allocator)
        for claim in _claims(service, allocator):
            found += _check(claim, allocations, rebuilt, rightful)
    for pool, items in sorted(allocations.items()):
        for item, owner in sorted(items.items()):
            if (pool, item) not in rebuilt:
                kind = "node port" if pool == POOL else "cluster IP"
                message = f"the {kind} {item} appears to have leaked: cleaning up"
                found.append(Repair(RELEASE, pool, item, owner, "", message))
    return found


def rebuild(services: Iterable[JSONObject], allocator: ServiceAllocator) -> dict[str, dict[str, str]]:
    """The allocations that the Services hold, the first one winning where two hold the same."""
    rebuilt: dict[str, dict[str, str]] = {}
    for service in services:
        for claim in _claims(service, allocator):
            if claim.in_range:
                rebuilt.setdefault(claim.pool, {}).setdefault(claim.item, owner_of(service))
    return rebuilt


def apply_repairs(tx: Transaction, repairs: Iterable[Repair]) -> None:
    """Write what can be put right without a person."""
    for repair in repairs:
        if repair.action == RELEASE:
            tx.release(repair.pool, repair.item, repair.owner)
        elif repair.action == ALLOCATE:
            if stale := tx.owner_of(repair.pool, repair.item):
                tx.release(repair.pool, repair.item, stale)
            tx.allocate(repair.pool, repair.item, repair.owner)


def _rightful_owners(
    services: Iterable[JSONObject], allocations: Allocations, allocator: ServiceAllocator
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for service in services:
        owner = owner_of(service)
        for claim in _claims(service, allocator):
            place = (claim.pool, claim.item)
            if place not in found or allocations.get(claim.pool, {}).get(claim.item) == owner:
                found[place] = owner
    return found


def _check(
    claim: _Claim,
    allocations: Allocations,
    rebuilt: dict[tuple[str, str], str],
    rightful: Mapping[tuple[str, str], str],
) -> Iterator[Repair]:
    owner, place = owner_of(claim.service), (claim.pool, claim.item)
    service = key_of(claim.service)
    if not claim.in_range:
        reason, text = f"{claim.kind}OutOfRange", f"{claim.what} is not within the {claim.range_text}"
        yield Repair(
            REPORT, claim.pool, claim.item, owner, reason, f"{text}; please recreate service", service
        )
        return
    if place in rebuilt or rightful[place] != owner:
        reason, text = f"{claim.kind}AlreadyAllocated", f"{claim.what} was assigned to multiple services"
        yield Repair(
            REPORT, claim.pool, claim.item, owner, reason, f"{text}; please recreate service", service
        )
        return
    rebuilt[place] = owner
    if allocations.get(claim.pool, {}).get(claim.item) != owner:
        reason, text = f"{claim.kind}NotAllocated", f"{claim.what} is not allocated; repairing"
        yield Repair(ALLOCATE, claim.pool, claim.item, owner, reason, text, service)


def _corrupt(service: JSONObject, allocator: ServiceAllocator) -> Iterator[Repair]:
    """Addresses that no range can hold."""
    if not _has_cluster_ip(service):
        return
    for ip in cluster_ips_of(service):
        if parse_ip(ip) is None:
            text = f"Cluster IP {ip} is not a valid IP; please recreate service"
        elif family_of(ip) not in allocator.networks:
            text = (
                f"Cluster IP {ip}({family_of(ip)}) is of ip family that is no longer configured on cluster; "
                "please recreate service"
            )
        else:
            continue
        yield Repair(REPORT, "", ip, owner_of(service), "ClusterIPNotValid", text, key_of(service))


def _claims(service: JSONObject, allocator: ServiceAllocator) -> Iterator[_Claim]:
    if _has_cluster_ip(service):
        for text in cluster_ips_of(service):
            ip, network = parse_ip(text), allocator.networks.get(family_of(text))
            if ip is None or network is None:
                continue
            what = f"Cluster IP [{network.family}]:{ip}"
            in_range = network.contains(ip)
            range_text = f"service CIDR {network.cidr}"
            yield _Claim(service, network.pool, str(ip), "ClusterIP", what, in_range, range_text)
    ports = allocator.ports
    for port in _node_ports(service):
        in_range, range_text = ports.contains(port), f"port range {ports}"
        yield _Claim(service, POOL, str(port), "Port", f"Port {port}", in_range, range_text)


def _has_cluster_ip(service: JSONObject) -> bool:
    return needs_cluster_ip(service) and cluster_ip_of(service) not in {"", NONE}


def _node_ports(service: JSONObject) -> list[int]:
    """The node ports of a Service; one that two of its ports have with the same protocol stands twice.

    Source: portallocator/controller/repair.go, collectServiceNodePorts; but those that an ExternalName names
    are nobody's.
    """
    if not needs_node_port(service):
        return []
    found: list[int] = []
    protocols: dict[int, set[str]] = {}
    for port in ports_of(service):
        number, protocol = port.get("nodePort"), port.get("protocol") or ""
        if not number:
            continue
        seen = protocols.setdefault(number, set())
        if not seen or protocol in seen:
            found.append(number)
        seen.add(protocol)
    health = spec_of(service).get("healthCheckNodePort")
    if health and (health not in protocols or "TCP" in protocols[health]):
        found.append(health)
    return found
