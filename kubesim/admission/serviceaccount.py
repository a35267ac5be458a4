"""ServiceAccount: a Pod runs as a service account, and its token is mounted into every container.

Source: k8s.io/kubernetes/plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject

SERVICE_ACCOUNTS: Final = GroupVersionResource("", "v1", "serviceaccounts")
DEFAULT_ACCOUNT: Final = "default"
MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
TOKEN_SECONDS: Final = 3607
"""One hour and seven seconds: a value that shows in an audit log that nobody asked for it."""


class ServiceAccount(BasePlugin):
    """The plugin. `identities` draws the suffix of the token volume's name."""

    name = "ServiceAccount"
    handles = {
        "pods": frozenset({CREATE}),
        "pods/ephemeralcontainers": frozenset({UPDATE}),
    }

    def __init__(self, *, identities: Identities) -> None:
        self._identities = identities

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        pod = attributes.obj
        if pod is None or attributes.operation != CREATE or not isinstance(pod.get("spec"), dict):
            return
        spec = pod["spec"]
        if MIRROR_ANNOTATION in annotations_of(pod):
            self.validate(attributes, reader)
            return
        account = self._account(name_account(pod), attributes, reader)
        if _automounts(account, spec):
            self._mount_token(spec)
        if not spec.get("imagePullSecrets"):
            secrets = [dict(s) for s in account.get("imagePullSecrets") or []]
            if secrets:
                spec["imagePullSecrets"] = secrets

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        pod = attributes.obj
        if pod is None or attributes.operation != CREATE:
            return
        spec = pod.get("spec") or {}
        if MIRROR_ANNOTATION in annotations_of(pod):
            if spec.get("serviceAccountName"):
                raise attributes.forbidden("a mirror pod may not reference service accounts")
            return
        self._account(spec.get("serviceAccountName") or DEFAULT_ACCOUNT, attributes, reader)

    def _account(self, name: str, attributes: Attributes, reader: Reader) -> JSONObject:
        account = reader.get(SERVICE_ACCOUNTS, name, attributes.namespace)
        if account is None:
            raise attributes.forbidden(
                f"error looking up service account {attributes.namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
        return account

    def _mount_token(self, spec: JSONObject) -> None:
        volumes: list[JSONObject] = spec.get("volumes") or []
        taken = {v.get("name") for v in volumes}
        name = next((v["name"] for v in volumes if str(v.get("name", "")).startswith("kube-api-access-")), "")
        made = not name
        while not name or (made and name in taken):
            name = f"kube-api-access-{self._identities.suffix()}"
        used = False
        for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
            mounts = container.get("volumeMounts") or []
            if not any(m.get("mountPath") == MOUNT_PATH for m in mounts):
                container["volumeMounts"] = [
                    *mounts,
                    {"name": name, "readOnly": True, "mountPath": MOUNT_PATH},
                ]
                used = True
        if used and made:
            spec["volumes"] = [*volumes, _token_volume(name)]


def name_account(pod: JSONObject) -> str:
    """The name of a Pod's service account, which is written down where the Pod has none."""
    spec = pod["spec"]
    name: str = spec.get("serviceAccountName") or DEFAULT_ACCOUNT
    spec["serviceAccountName"] = spec["serviceAccount"] = name  # the deprecated twin is conversion's upstream
    return name


def _automounts(account: JSONObject, spec: JSONObject) -> bool:
    """The Pod's own word counts first, then the account's; else yes."""
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def _token_volume(name: str) -> JSONObject:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
            "defaultMode": 420,
        },
    }
