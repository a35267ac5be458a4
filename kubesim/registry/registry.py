"""All resources of a cluster, each with its store."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kubesim.admission.chain import Chain
from kubesim.admission.interface import Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.schema import Schema
from kubesim.apimachinery.scheme import Resource, Scheme
from kubesim.registry.hooks import NO_HOOKS, Hooks
from kubesim.registry.keys import STORED_AS
from kubesim.registry.namespace import NamespaceHooks
from kubesim.registry.service.hooks import Allocator, ServiceHooks
from kubesim.registry.store import Advise, Store
from kubesim.storage.interface import Storage
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities


class Registry:
    """Makes the store of a resource when it is first asked for."""

    def __init__(
        self,
        *,
        scheme: Scheme,
        schema: Schema,
        storage: Storage,
        admission: Chain,
        reader: Reader,
        clock: Clock,
        identities: Identities,
        allocator: Allocator | None = None,
        advice: Mapping[str, Advise] = MappingProxyType({}),
    ) -> None:
        """`advice` has further warnings, by kind."""
        self.scheme = scheme
        self.schema = schema
        self.storage = storage
        self.admission = admission
        self.reader = reader
        self.clock = clock
        self.identities = identities
        self._allocator = allocator
        self._advice = advice
        self._stores: dict[GroupVersionResource, Store] = {}

    def store(self, gvr: GroupVersionResource) -> Store | None:
        """The store of a resource, None for one that the cluster does not have."""
        found = self._stores.get(gvr)
        if found is None:
            resource = self.scheme.by_resource(gvr)
            if resource is None:
                return None
            found = self._stores[gvr] = self._make(resource)
        return found

    def _make(self, resource: Resource) -> Store:
        stored_as = STORED_AS.get(resource.gvr)
        return Store(
            resource,
            storage=self.storage,
            schema=self.schema,
            admission=self.admission,
            reader=self.reader,
            clock=self.clock,
            identities=self.identities,
            hooks=self._hooks(resource),
            stored_as=self.scheme.by_kind(stored_as) if stored_as else None,
            advise=self._advice.get(resource.kind),
        )

    def _hooks(self, resource: Resource) -> Hooks:
        if resource.group:
            return NO_HOOKS
        if resource.kind == "Service" and self._allocator is not None:
            return ServiceHooks(self._allocator)
        if resource.kind == "Namespace":
            return NamespaceHooks()
        return NO_HOOKS
