"""How admission reads the cluster: `admission.interface.Reader` on the store."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.registry.keys import key_of, prefix_of
from kubesim.storage.interface import Row, Storage
from kubesim.util.jsontypes import JSONObject, decode

_REMEMBERED = 256


class StorageReader:
    """Reads what is committed, and what this thread's transaction has written.

    Objects are decoded once: a Namespace is asked for with every write in it.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._decoded: dict[str, tuple[Row, JSONObject]] = {}

    def get(self, resource: GroupVersionResource, name: str, namespace: str = "") -> JSONObject | None:
        row = self._storage.get(key_of(resource, namespace, name))
        return self._object(row) if row else None

    def list(self, resource: GroupVersionResource, namespace: str = "") -> Sequence[JSONObject]:
        return [self._object(row) for row in self._storage.list(prefix_of(resource, namespace)).rows]

    def count(self, resource: GroupVersionResource, namespace: str = "") -> int:
        return self._storage.count(prefix_of(resource, namespace))

    def _object(self, row: Row) -> JSONObject:
        known = self._decoded.get(row.key)
        # The value counts too: a revision that was taken back, as dry runs are, comes again with another one.
        if known and known[0].revision == row.revision and known[0].value == row.value:
            return known[1]
        obj: JSONObject = decode(row.value)
        obj["metadata"]["resourceVersion"] = str(row.revision)
        if len(self._decoded) >= _REMEMBERED:
            self._decoded.clear()
        self._decoded[row.key] = (row, obj)
        return obj
