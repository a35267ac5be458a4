"""The Service `kubernetes` in `default`, which leads to the API server; kube-apiserver itself keeps it and
its endpoints.

Rules as in pkg/controlplane/controller/kubernetesservice and pkg/controlplane/reconcilers. The real one
looks every ten seconds, this one when somebody has touched them.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICES
from kubesim.util.jsontypes import JSONObject

NAMESPACE, NAME, PORT = "default", "kubernetes", 443
LABELS = {"component": "apiserver", "provider": "kubernetes"}
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"


class KubernetesService:
    """Has one key."""

    name = "kubernetes-service-controller"

    def __init__(self, client: Client, *, cluster_ip: str, address: str, port: int) -> None:
        self._client = client
        self._cluster_ip = cluster_ip
        self._address = address
        self._port = port
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            SERVICES: _touched,
            ENDPOINTS: _touched,
            ENDPOINT_SLICES: _touched,
            NAMESPACES: _namespace_made,
        }

    def reconcile(self, key: str) -> Result:
        if get_or_none(self._client, NAMESPACES, NAMESPACE) is None:
            return DONE
        actions = []
        for gvr, wanted, fields in (
            (SERVICES, self._service(), ()),
            (ENDPOINTS, self._endpoints(), ("subsets",)),
            (ENDPOINT_SLICES, self._slice(), ("endpoints", "ports")),
        ):
            existing = get_or_none(self._client, gvr, NAME, NAMESPACE)
            if existing is None:
                self._client.create(gvr, wanted, NAMESPACE)
                actions.append(f"created {wanted['kind']} {NAMESPACE}/{NAME}")
            elif any(existing.get(f) != wanted[f] for f in fields):
                self._client.update(gvr, existing | {f: wanted[f] for f in fields}, NAMESPACE)
                actions.append(f"put {wanted['kind']} {NAMESPACE}/{NAME} right")
        return Result(tuple(actions))

    def _service(self) -> JSONObject:
        # CreateOrUpdateMasterServiceIfNeeded
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(LABELS)},
            "spec": {
                "ports": [{"name": "https", "protocol": "TCP", "port": PORT, "targetPort": self._port}],
                "clusterIP": self._cluster_ip,
                "sessionAffinity": "None",
                "type": "ClusterIP",
            },
        }

    def _endpoints(self) -> JSONObject:
        ports = [{"name": "https", "port": self._port, "protocol": "TCP"}]
        return {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SKIP_MIRROR: "true"}},
            "subsets": [{"addresses": [{"ip": self._address}], "ports": ports}],
        }

    def _slice(self) -> JSONObject:
        # EndpointsAdapter.EnsureEndpointSliceFromEndpoints
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": NAME,
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": NAME},
            },
            "addressType": f"IPv{ip_address(self._address).version}",
            "endpoints": [{"addresses": [self._address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": self._port, "protocol": "TCP"}],
        }


def _touched(event: WatchEvent) -> list[str]:
    mine = name_of(event.object) == NAME and namespace_of(event.object) == NAMESPACE
    return [f"{NAMESPACE}/{NAME}"] if mine and event.type != "ADDED" else []


def _namespace_made(event: WatchEvent) -> list[str]:
    made = event.type == "ADDED" and name_of(event.object) == NAMESPACE
    return [f"{NAMESPACE}/{NAME}"] if made else []
