"""A throw-away branch of a cluster: a copy in memory to which manifests are applied, to see what would come of it.

It is the API server with all its rules, and nothing else: no controllers, no nodes that run anything. No admission plugins
either: a branch has no ServiceAccounts, and a namespace need not be there before what is in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.admission.chain import Chain
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import gvk_of, name_of, namespace_of
from kubesim.client.client import Client
from kubesim.client.lister import items
from kubesim.client.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICATION_CONTROLLERS,
    SECRETS,
    SERVICES,
)
from kubesim.cluster.build import Cluster, Kinds, build
from kubesim.cluster.config import NOTE, ClusterConfig
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.memory import MemoryStorage
from kubesim.util.jsontypes import JSONObject, encode

_FORBIDDEN = 403
COPIED = (
    NAMESPACES,
    NODES,
    SERVICES,
    PODS,
    ENDPOINTS,
    ENDPOINT_SLICES,
    REPLICATION_CONTROLLERS,
    *(
        GroupVersionResource("apps", "v1", r)
        for r in ("deployments", "statefulsets", "daemonsets", "replicasets")
    ),
    *(GroupVersionResource("batch", "v1", r) for r in ("jobs", "cronjobs")),
    *(
        GroupVersionResource("networking.k8s.io", "v1", r)
        for r in ("networkpolicies", "ingresses", "ingressclasses")
    ),
)
"""What has a part in whether a request arrives; and of Secrets those with certificates."""


def copied_objects(client: Client) -> Iterable[JSONObject]:
    """The objects of a cluster that a branch begins with. Raises StatusError."""
    for gvr in COPIED:
        yield from items(client.list(gvr))
    yield from _certificates(client)


def _certificates(client: Client) -> Iterable[JSONObject]:
    """What is in them is nobody's business here; who may not see them does without."""
    try:
        found = items(client.list(SECRETS, field_selector="type=kubernetes.io/tls"))
    except StatusError as error:
        if error.code != _FORBIDDEN:
            raise
        return
    for secret in found:
        yield {**secret, "data": dict.fromkeys(secret.get("data") or {}, "")}


def make_branch(config: ClusterConfig, objects: Iterable[JSONObject], kinds: Kinds) -> Cluster:
    """A branch that holds these objects as they are, with uids, times and status."""
    storage = MemoryStorage()
    storage.set_note(NOTE, config.encode())  # so that nobody fills it as a new cluster
    cluster = build(config, storage, kinds=kinds, admission=Chain(list))
    with storage.transaction() as tx:
        for obj in objects:
            resource = cluster.scheme.by_kind(gvk_of(obj))
            if resource is not None:
                key = key_of(resource.gvr, namespace_of(obj), name_of(obj))
                tx.create(key, encode(obj), indexes_of(resource, obj))
    cluster.repair()  # the addresses and node ports that the Services hold
    return cluster
