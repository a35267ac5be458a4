"""Services take addresses and ports in the transaction that stores them: genericregistry's Begin hooks of
Services.
"""

from __future__ import annotations

from typing import Protocol

from kubesim.registry.hooks import NoHooks
from kubesim.storage.interface import Transaction
from kubesim.util.jsontypes import JSONObject


class Allocator(Protocol):
    """What hands out cluster IPs and node ports: `registry.service.alloc.ServiceAllocator`."""

    def on_create(self, tx: Transaction, service: JSONObject, *, dry_run: bool = False) -> None: ...

    def on_update(
        self, tx: Transaction, new: JSONObject, old: JSONObject, *, dry_run: bool = False
    ) -> None: ...

    def on_delete(self, tx: Transaction, service: JSONObject) -> None: ...


class ServiceHooks(NoHooks):
    """The registry's hooks, on an allocator."""

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator

    def allocate_create(self, tx: Transaction, obj: JSONObject, *, dry_run: bool = False) -> None:
        self._allocator.on_create(tx, obj, dry_run=dry_run)

    def allocate_update(
        self, tx: Transaction, new: JSONObject, old: JSONObject, *, dry_run: bool = False
    ) -> None:
        self._allocator.on_update(tx, new, old, dry_run=dry_run)

    def release(self, tx: Transaction, obj: JSONObject) -> None:
        self._allocator.on_delete(tx, obj)
