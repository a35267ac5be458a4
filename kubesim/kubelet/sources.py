"""Reading what Pods refer to: ConfigMaps, Secrets, Services, tokens; each once for a round of work, and Services
only when one of them has changed.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.resources import CONFIG_MAPS, NODES, SECRETS, SERVICE_ACCOUNTS, SERVICES
from kubesim.client.unchanged import Unchanged
from kubesim.kubelet.serviceenv import service_environment
from kubesim.util.jsontypes import JSONObject

MASTER_NAMESPACE, MASTER_SERVICE = "default", "kubernetes"


class Sources:
    """A kubelet's view of what is not a Pod; `forget` before each round."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._objects: dict[tuple[str, str, str], JSONObject | None] = {}
        self._services: dict[tuple[str, bool], dict[str, str]] = {}
        self._services_unchanged = Unchanged(client, SERVICES)
        self._checked = False
        self._tokens: dict[tuple[str, int, str], str] = {}

    def forget(self) -> None:
        self._objects, self._tokens, self._checked = {}, {}, False

    def config_map(self, namespace: str, name: str) -> JSONObject | None:
        return self._get("configmaps", namespace, name)

    def secret(self, namespace: str, name: str) -> JSONObject | None:
        return self._get("secrets", namespace, name)

    def node(self, name: str) -> JSONObject | None:
        return self._get("nodes", "", name)

    def _get(self, resource: str, namespace: str, name: str) -> JSONObject | None:
        key = (resource, namespace, name)
        if key not in self._objects:
            gvr = {"configmaps": CONFIG_MAPS, "secrets": SECRETS, "nodes": NODES}[resource]
            self._objects[key] = get_or_none(self._client, gvr, name, namespace)
        return self._objects[key]

    def services(self, namespace: str, *, links: bool) -> Mapping[str, str]:
        """The variables of the Service `kubernetes`, which every container has, and with `links` those of the
        Services of the namespace that have an address. They are shared, and only to be read.
        """
        if not self._checked:
            self._checked = True
            if not self._services_unchanged():
                self._services = {}
        found = self._services.get((namespace, links))
        if found is None:
            master = get_or_none(self._client, SERVICES, MASTER_SERVICE, MASTER_NAMESPACE)
            found = service_environment([master] if master else [])
            if links:
                found |= service_environment(items(self._client.list(SERVICES, namespace)))
            self._services[namespace, links] = found
        return found

    def token(self, pod: JSONObject, seconds: int, audience: str) -> str:
        """A token of a Pod's ServiceAccount, which ends with the Pod. Raises StatusError 404 where there is no
        such account.
        """
        metadata = pod["metadata"]
        account = (pod.get("spec") or {}).get("serviceAccountName") or "default"
        key = (metadata["uid"], seconds, audience)
        if key not in self._tokens:
            request: JSONObject = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": seconds,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                    },
                },
            }
            made = self._client.create(
                SERVICE_ACCOUNTS, request, metadata["namespace"], name=account, subresource="token"
            )
            self._tokens[key] = made["status"]["token"]
        return self._tokens[key]


def data_of(obj: JSONObject, *, secret: bool) -> dict[str, bytes]:
    """The entries of a ConfigMap or a Secret."""
    if secret:
        return {k: b64decode(v or "") for k, v in (obj.get("data") or {}).items()}
    found = {k: str(v).encode() for k, v in (obj.get("data") or {}).items()}
    return found | {k: b64decode(v or "") for k, v in (obj.get("binaryData") or {}).items()}
