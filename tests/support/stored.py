"""A cluster that holds given objects just as they are: with their own uids, times and statuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml
from support.cluster import make_cluster

from kubesim.apimachinery.meta import gvk_of, name_of, namespace_of
from kubesim.cluster.build import Cluster
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.memory import MemoryStorage
from kubesim.util.clock import FrozenClock
from kubesim.util.jsontypes import JSONObject, encode

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def objects_in(text: str) -> list[JSONObject]:
    """The documents of a YAML text; times stay text."""
    return [_plain(document) for document in yaml.safe_load_all(text) if document]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def stored_cluster(objects: list[JSONObject]) -> Cluster:
    """A cluster at `NOW`, with the objects in its store; nothing has looked at them."""
    storage = MemoryStorage()
    cluster = make_cluster(storage, clock=FrozenClock(NOW))
    with storage.transaction() as tx:
        for obj in objects:
            resource = cluster.scheme.by_kind(gvk_of(obj))
            if resource is None:
                continue  # not served by default, such as betas
            key = key_of(resource.gvr, namespace_of(obj), name_of(obj))
            row = tx.get(key)
            if row is None:
                tx.create(key, encode(obj), indexes_of(resource, obj))
            else:  # one that every cluster is born with
                tx.update(key, encode(obj), row.revision, indexes_of(resource, obj))
    return cluster
