"""A registry of Services alone: the allocator, the Service's own strategy, and a store under them."""

from collections.abc import Sequence
from typing import Any

from kubesim.apimachinery import errors
from kubesim.apis.core_v1 import service as strategy
from kubesim.registry.service.alloc import ServiceAllocator
from kubesim.registry.service.repair import rebuild
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.util.ids import SystemIdentities
from kubesim.util.jsontypes import JSONObject, decode, deep_copy, encode

PREFIX = "/registry/core/services/"
POOLS = ("clusterip/IPv4", "clusterip/IPv6", "nodeport")


class Services:
    """Creates, updates and deletes as the registry does: allocate, prepare, validate, store, in one transaction."""

    def __init__(
        self,
        cidrs: Sequence[str] = ("10.96.0.0/12",),
        ports: tuple[int, int] = (30000, 32767),
        *,
        storage: Storage | None = None,
        seed: int = 1,
    ) -> None:
        self.storage = storage or MemoryStorage()
        self.identities = SystemIdentities(seed)
        self.allocator = ServiceAllocator(
            service_cidrs=cidrs, node_port_range=ports, identities=self.identities
        )

    def create(self, name: str = "web", *, dry_run: bool = False, **spec: Any) -> JSONObject:
        made = self.object(name, spec)
        made["metadata"]["uid"] = self.identities.uid()
        with self.storage.transaction() as tx:
            self.allocator.on_create(tx, made, dry_run=dry_run)
            strategy.prepare_create(made)
            refuse(name, strategy.validate(made))
            if not dry_run:
                tx.create(PREFIX + name, encode(made))
        return made

    def update(self, name: str = "web", *, dry_run: bool = False, **spec: Any) -> JSONObject:
        """A PUT of a whole spec."""
        with self.storage.transaction() as tx:
            row = tx.get(PREFIX + name)
            assert row is not None
            old = decode(row.value)
            new = self.object(name, spec)
            new["metadata"]["uid"] = old["metadata"]["uid"]
            self.allocator.on_update(tx, new, old, dry_run=dry_run)
            strategy.prepare_update(new, old)
            refuse(name, strategy.validate_update(new, old))
            if not dry_run:
                tx.update(PREFIX + name, encode(new), row.revision)
        return new

    def patch(self, name: str = "web", **spec: Any) -> JSONObject:
        """What there is, with these fields changed; None takes one away."""
        row = self.storage.get(PREFIX + name)
        assert row is not None
        whole = decode(row.value)["spec"] | spec
        return self.update(name, **{k: v for k, v in whole.items() if v is not None})

    def delete(self, name: str = "web") -> None:
        with self.storage.transaction() as tx:
            row = tx.get(PREFIX + name)
            assert row is not None
            tx.delete(PREFIX + name, row.revision)
            self.allocator.on_delete(tx, decode(row.value))

    def object(self, name: str, spec: JSONObject) -> JSONObject:
        made = {"metadata": {"name": name, "namespace": "default"}, "spec": deep_copy(spec)}
        strategy.default(made)
        return made

    def all(self) -> list[JSONObject]:
        return [decode(row.value) for row in self.storage.list(PREFIX).rows]

    def allocations(self) -> dict[str, dict[str, str]]:
        found = {pool: self.storage.allocations(pool) for pool in POOLS}
        return {pool: items for pool, items in found.items() if items}

    def taken(self, pool: str) -> list[str]:
        return list(self.storage.allocations(pool))

    def check(self) -> None:
        """The allocations are what the Services hold."""
        assert self.allocations() == rebuild(self.all(), self.allocator)


def refuse(name: str, found: Sequence[Any]) -> None:
    if found:
        raise errors.invalid("Service", name, found)


def port(number: int = 80, **more: Any) -> JSONObject:
    return {"port": number, **more}
