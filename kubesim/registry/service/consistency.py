"""The repair loops, run once: the allocations of the store are made what the stored Services hold."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.registry.keys import prefix_of
from kubesim.registry.service.alloc import ServiceAllocator
from kubesim.registry.service.portallocator import POOL
from kubesim.registry.service.repair import Repair, apply_repairs, find_repairs
from kubesim.storage.interface import Storage
from kubesim.util.jsontypes import decode

SERVICES = GroupVersionResource("", "v1", "services")


def repair_allocations(storage: Storage, allocator: ServiceAllocator) -> list[Repair]:
    """Compare and put right, in one transaction; what differed, Services first."""
    with storage.transaction() as tx:
        services = [decode(row.value) for row in storage.list(prefix_of(SERVICES)).rows]
        pools = [POOL, *(network.pool for network in allocator.networks.values())]
        found = find_repairs(services, {pool: tx.allocations(pool) for pool in pools}, allocator)
        apply_repairs(tx, found)
    return found
