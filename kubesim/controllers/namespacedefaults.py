"""What every namespace has: the ServiceAccount `default`, and the certificate authority's ConfigMap.

Rules as in pkg/controller/serviceaccount/serviceaccounts_controller.go and
pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import is_terminating, name_of, namespace_of
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from kubesim.util.jsontypes import JSONObject

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as"
    " the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of"
    " Kubernetes clusters."
)


def _living_namespace(event: WatchEvent) -> Iterable[str]:
    gone = event.type == "DELETED" or is_terminating(event.object)
    return () if gone or event.type != "ADDED" else (name_of(event.object),)


class ServiceAccountController:
    """One key is one namespace."""

    name = "serviceaccount-controller"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            NAMESPACES: _living_namespace,
            SERVICE_ACCOUNTS: _default_account_gone,
        }

    def reconcile(self, key: str) -> Result:
        if not _is_active(self._client, key) or get_or_none(self._client, SERVICE_ACCOUNTS, "default", key):
            return DONE
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": key},
        }
        return _create(self._client, SERVICE_ACCOUNTS, account, f"created ServiceAccount {key}/default")


def _default_account_gone(event: WatchEvent) -> Iterable[str]:
    gone = event.type == "DELETED" and name_of(event.object) == "default"
    return (namespace_of(event.object),) if gone else ()


class RootCACertPublisher:
    """One key is one namespace."""

    name = "root-ca-certificate-publisher-controller"

    def __init__(self, client: Client, *, ca_certificate: str) -> None:
        self._client = client
        self._data = {"ca.crt": ca_certificate}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            NAMESPACES: _living_namespace,
            CONFIG_MAPS: _root_ca_changed,
        }

    def reconcile(self, key: str) -> Result:
        if not _is_active(self._client, key):
            return DONE
        existing = get_or_none(self._client, CONFIG_MAPS, ROOT_CA, key)
        if existing is None:
            wanted: JSONObject = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": ROOT_CA, "namespace": key, "annotations": {DESCRIPTION: _DESCRIPTION}},
                "data": self._data,
            }
            return _create(self._client, CONFIG_MAPS, wanted, f"created ConfigMap {key}/{ROOT_CA}")
        annotations = existing["metadata"].get("annotations") or {}
        if existing.get("data") == self._data and DESCRIPTION in annotations:
            return DONE
        metadata = existing["metadata"] | {"annotations": annotations | {DESCRIPTION: _DESCRIPTION}}
        self._client.update(CONFIG_MAPS, existing | {"metadata": metadata, "data": self._data}, key)
        return Result((f"put ConfigMap {key}/{ROOT_CA} right",))


def _root_ca_changed(event: WatchEvent) -> Iterable[str]:
    other = event.type != "ADDED" and name_of(event.object) == ROOT_CA
    return (namespace_of(event.object),) if other else ()


def _is_active(client: Client, namespace: str) -> bool:
    found = get_or_none(client, NAMESPACES, namespace)
    return found is not None and not is_terminating(found)


def _create(client: Client, gvr: GroupVersionResource, obj: JSONObject, action: str) -> Result:
    try:
        client.create(gvr, obj, obj["metadata"]["namespace"])
    except StatusError as error:
        if error.reason == "AlreadyExists":
            return DONE
        raise
    return Result((action,))
