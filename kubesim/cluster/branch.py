"""A throw-away branch of a cluster: a copy in memory to which manifests are applied, to see what would come of it.

It is the API server with all its rules, and nothing else: no controllers, no nodes that run anything. Of admission there
is only what no other object decides: a branch has no ServiceAccounts, and a namespace need not be there first.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from kubesim.admission.chain import Chain
from kubesim.admission.interface import CREATE, Attributes, BasePlugin, Reader
from kubesim.admission.serviceaccount import MIRROR_ANNOTATION, name_account
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, gvk_of, name_of, namespace_of
from kubesim.client.client import Client
from kubesim.client.lister import items, items_permitted
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
from kubesim.cluster.config import NOTE, SERVICE_CIDR, ClusterConfig
from kubesim.kubelet.catalogues import catalogue_maps
from kubesim.registry.keys import indexes_of, key_of
from kubesim.storage.memory import MemoryStorage
from kubesim.util.jsontypes import JSONObject, dig, encode

_SERVICE_CIDRS: Final = {4: SERVICE_CIDR, 6: "fd00:10:96::/112"}
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
"""What has a part in whether a request arrives; and of Secrets those with certificates, of ConfigMaps those with images."""


def copied_objects(client: Client) -> Iterable[JSONObject]:
    """The objects of a cluster that a branch begins with. Raises StatusError."""
    for gvr in COPIED:
        yield from items(client.list(gvr))
    yield from catalogue_maps(client)
    yield from _certificates(client)


def _certificates(client: Client) -> Iterable[JSONObject]:
    """What is in them is nobody's business here; who may not see them does without."""
    for secret in items_permitted(client, SECRETS, field_selector="type=kubernetes.io/tls"):
        yield {**secret, "data": dict.fromkeys(secret.get("data") or {}, "")}


class _DefaultAccount(BasePlugin):
    """A Pod that names no service account runs as `default`, whether or not that one is there yet."""

    name = "ServiceAccount"
    handles = {"pods": frozenset({CREATE})}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        pod = attributes.obj
        if pod is None or not isinstance(pod.get("spec"), dict) or MIRROR_ANNOTATION in annotations_of(pod):
            return
        name_account(pod)


def likely_config(objects: Iterable[JSONObject]) -> ClusterConfig:
    """The settings of a cluster of which only the objects are known: its nodes tell the families of its addresses.
    Without nodes it has both, IPv4 first, as nothing speaks against either.
    """
    for obj in objects:
        cidrs = dig(obj, "spec", "podCIDRs") if obj.get("kind") == "Node" else None
        if cidrs:
            return ClusterConfig(service_cidrs=tuple(_SERVICE_CIDRS[ip_network(c).version] for c in cidrs))
    return ClusterConfig(service_cidrs=tuple(_SERVICE_CIDRS.values()))


def make_branch(config: ClusterConfig, objects: Iterable[JSONObject], kinds: Kinds) -> Cluster:
    """A branch that holds these objects as they are, with uids, times and status."""
    storage = MemoryStorage()
    storage.set_note(NOTE, config.encode())  # so that nobody fills it as a new cluster
    cluster = build(config, storage, kinds=kinds, admission=Chain(lambda: [_DefaultAccount()]))
    with storage.transaction() as tx:
        for obj in objects:
            resource = cluster.scheme.by_kind(gvk_of(obj))
            if resource is not None:
                key = key_of(resource.gvr, namespace_of(obj), name_of(obj))
                tx.create(key, encode(obj), indexes_of(resource, obj))
    cluster.repair()  # the addresses and node ports that the Services hold
    return cluster
