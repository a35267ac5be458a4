"""Names of resources as kustomize knows them: group, version, kind, name, namespace, now and before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubesim.util.jsontypes import JSONObject

DEFAULT_NAMESPACE: Final = "default"
NO_NAMESPACE: Final = "_non_namespaceable_"

# What the schema that kustomize carries (1.21) knows to have no namespace: precomputedIsNamespaceScoped.
_CLUSTER_SCOPED: Final = {
    "v1": "ComponentStatus Namespace Node NodeProxyOptions PersistentVolume",
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1beta1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "apiextensions.k8s.io/v1beta1": "CustomResourceDefinition",
    "apiregistration.k8s.io/v1": "APIService",
    "apiregistration.k8s.io/v1beta1": "APIService",
    "certificates.k8s.io/v1": "CertificateSigningRequest",
    "certificates.k8s.io/v1beta1": "CertificateSigningRequest",
    "flowcontrol.apiserver.k8s.io/v1beta1": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io/v1": "IngressClass",
    "networking.k8s.io/v1beta1": "IngressClass",
    "node.k8s.io/v1": "RuntimeClass",
    "node.k8s.io/v1beta1": "RuntimeClass",
    "policy/v1beta1": "PodSecurityPolicy",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1beta1": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io/v1": "PriorityClass",
    "scheduling.k8s.io/v1beta1": "PriorityClass",
    "storage.k8s.io/v1": "CSIDriver CSINode StorageClass VolumeAttachment",
    "storage.k8s.io/v1beta1": "CSIDriver CSINode StorageClass VolumeAttachment",
}

_FIRST: Final = (
    *("Namespace", "ResourceQuota", "StorageClass", "CustomResourceDefinition", "ServiceAccount"),
    *("PodSecurityPolicy", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ConfigMap", "Secret"),
    *("Endpoints", "Service", "LimitRange", "PriorityClass", "PersistentVolume", "PersistentVolumeClaim"),
    *("Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget"),
)
_LAST: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


@dataclass(frozen=True, slots=True)
class Gvk:
    """A kind, or a selector of kinds: empty parts select everything."""

    group: str = ""
    version: str = ""
    kind: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def selected_by(self, selector: Gvk) -> bool:
        """Gvk.IsSelected."""
        return (
            selector.group in ("", self.group)
            and selector.version in ("", self.version)
            and selector.kind in ("", self.kind)
        )

    def __str__(self) -> str:
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"


@dataclass(frozen=True, slots=True)
class ResId:
    """A resource's name in full. `cluster` says that its kind is known to have no namespace."""

    gvk: Gvk
    name: str
    namespace: str = ""
    cluster: bool = False

    @property
    def effective_namespace(self) -> str:
        if self.cluster:
            return NO_NAMESPACE
        return self.namespace or DEFAULT_NAMESPACE

    def equals(self, other: ResId) -> bool:
        """The same name, the empty namespace being `default`: ResId.Equals."""
        return (
            self.effective_namespace == other.effective_namespace
            and self.name == other.name
            and self.gvk == other.gvk
        )

    def selected_by(self, selector: ResId) -> bool:
        """ResId.IsSelectedBy."""
        return (
            selector.name in ("", self.name)
            and (not selector.namespace or selector.effective_namespace == self.effective_namespace)
            and self.gvk.selected_by(selector.gvk)
        )

    def __str__(self) -> str:
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"


def gvk_of(obj: JSONObject) -> Gvk:
    """The kind of an object."""
    group, slash, version = str(obj.get("apiVersion") or "").partition("/")
    kind = str(obj.get("kind") or "")
    return Gvk(group, version, kind) if slash else Gvk("", group, kind)


def id_of(obj: JSONObject) -> ResId:
    """The name of an object as it is now."""
    gvk = gvk_of(obj)
    metadata = obj.get("metadata") or {}
    return ResId(
        gvk,
        str(metadata.get("name") or ""),
        str(metadata.get("namespace") or ""),
        is_cluster_scoped(gvk),
    )


def is_cluster_scoped(gvk: Gvk) -> bool:
    """Whether a kind is certainly without namespace: IsCertainlyClusterScoped."""
    return gvk.kind in _CLUSTER_SCOPED.get(gvk.api_version, "").split()


def kind_order(kind: str, first: Sequence[str] = _FIRST, last: Sequence[str] = _LAST) -> int:
    """Where a kind stands in kustomize's own order: before, among or after the others."""
    if kind in last:
        return 1 + last.index(kind)
    return first.index(kind) - len(first) if kind in first else 0


def gvk_sort_text(gvk: Gvk) -> str:
    """What kinds of the same place are ordered by."""
    return f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"
