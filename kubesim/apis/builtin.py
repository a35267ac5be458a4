"""The table of the built-in kinds: what discovery, `api-resources` and the registry must know of each of
them.

A kind whose behaviour goes beyond this table names the module of its strategy, which `lazy.deferred` loads
when it is first used; every other kind is complete in its row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.scheme import ALL_VERBS, NAME_AND_AGE, Resource
from kubesim.apis.columns import cells_by_path, columns
from kubesim.apis.lazy import Facts, deferred

NEWEST_MINOR: Final = 37

# The order in which the aggregator lists the groups: kube-apiserver's apiVersionPriorities.
GROUP_ORDER: Final = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "resource.k8s.io",
    "storagemigration.k8s.io",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One resource.

    `traits` are words: `cluster` for what has no namespace; the categories `all` and `extension`;
    `create-only`; `read-only`; `generation`; `status`; `graceful`; `upsert` where a PUT may create; `strict`
    where a PUT needs a resourceVersion. `module` is that of the strategy, below `kubesim.apis`. Without one,
    `titles` are the columns as `columns.columns` reads them, and `paths` where the cells of them are found.
    `since` and `until` are the minors of the first and the last Kubernetes that serves it.
    """

    group_version: str
    plural: str
    kind: str
    traits: str = ""
    module: str = ""
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    titles: str = ""
    paths: tuple[tuple[str, str], ...] = ()
    since: int = 0
    until: int = NEWEST_MINOR


_ADMISSION = "admissionregistration.k8s.io/v1"
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io/v1", "authorization.k8s.io/v1"
_CERTIFICATES, _NETWORKING, _RESOURCE = "certificates.k8s.io/v1", "networking.k8s.io/v1", "resource.k8s.io/v1"
_RBAC, _STORAGE, _FLOW = "rbac.authorization.k8s.io/v1", "storage.k8s.io/v1", "flowcontrol.apiserver.k8s.io"
_HPA, _CAPACITY = (
    "HorizontalPodAutoscaler",
    (("StorageClassName", "storageClassName"), ("Capacity", "capacity")),
)
_POD = ("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy")
_ATTACHMENT = (
    ("Attacher", "spec.attacher"),
    ("PV", "spec.source.persistentVolumeName"),
    ("Node", "spec.nodeName"),
    ("Attached", "status.attached"),
)
_SLICE = (("Node", "spec.nodeName"), ("Driver", "spec.driver"), ("Pool", "spec.pool.name"))
_EXTENSION = "cluster extension generation strict"
_VALIDATING = "admissionregistration_v1.validatingadmissionpolicy"
_MUTATING = "admissionregistration_v1.mutatingadmissionpolicy"
_POLICY_BINDING = "admissionregistration_v1.admissionpolicybinding"
_WEBHOOKS = "admissionregistration_v1.webhookconfiguration"
_FLOW_SCHEMA = ("flowschemas", "FlowSchema", "cluster status generation", "flowcontrol_v1.flowschema")
_LEVEL = (
    "prioritylevelconfigurations",
    "PriorityLevelConfiguration",
    "cluster status generation",
    "flowcontrol_v1.prioritylevelconfiguration",
)
_SCALE = ("scale",)

# fmt: off
TABLE: Final = (
    Row("v1", "componentstatuses", "ComponentStatus", "cluster read-only", "core_v1.componentstatus",
        ("cs",)),
    Row("v1", "limitranges", "LimitRange", "upsert", "core_v1.limitrange", ("limits",)),
    Row("v1", "persistentvolumeclaims", "PersistentVolumeClaim", "status", "core_v1.persistentvolumeclaim",
        ("pvc",)),
    Row("v1", "persistentvolumes", "PersistentVolume", "cluster status", "core_v1.persistentvolume", ("pv",)),
    Row("v1", "pods", "Pod", "all status graceful", "core_v1.pod", ("po",), _POD, until=32),
    Row("v1", "pods", "Pod", "all status graceful", "core_v1.pod", ("po",), (*_POD, "resize"), since=33),
    Row("v1", "podtemplates", "PodTemplate", "upsert generation", "core_v1.podtemplate"),
    Row("v1", "replicationcontrollers", "ReplicationController", "all status generation",
        "core_v1.replicationcontroller", ("rc",), _SCALE),
    Row("v1", "resourcequotas", "ResourceQuota", "status", "core_v1.resourcequota", ("quota",)),
    Row("apiregistration.k8s.io/v1", "apiservices", "APIService", "cluster extension status strict",
        "apiregistration_v1.apiservice"),
    Row("apps/v1", "controllerrevisions", "ControllerRevision", "", "apps_v1.controllerrevision"),
    Row("apps/v1", "daemonsets", "DaemonSet", "all status generation", "apps_v1.daemonset", ("ds",)),
    Row("apps/v1", "deployments", "Deployment", "all status generation", "apps_v1.deployment", ("deploy",),
        _SCALE),
    Row("apps/v1", "replicasets", "ReplicaSet", "all status generation", "apps_v1.replicaset", ("rs",),
        _SCALE),
    Row("apps/v1", "statefulsets", "StatefulSet", "all status generation", "apps_v1.statefulset", ("sts",),
        _SCALE),
    Row(_AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", "cluster create-only", since=28),
    Row(_AUTHENTICATION, "tokenreviews", "TokenReview", "cluster create-only"),
    Row(_AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", "create-only"),
    Row(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview", "cluster create-only"),
    Row(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview", "cluster create-only"),
    Row(_AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview", "cluster create-only"),
    Row("autoscaling/v2", "horizontalpodautoscalers", _HPA, "all status",
        "autoscaling_v2.horizontalpodautoscaler", ("hpa",)),
    Row("autoscaling/v1", "horizontalpodautoscalers", _HPA, "all status",
        "autoscaling_v1.horizontalpodautoscaler", ("hpa",)),
    Row("batch/v1", "cronjobs", "CronJob", "all status generation", "batch_v1.cronjob", ("cj",)),
    Row("batch/v1", "jobs", "Job", "all status generation", "batch_v1.job"),
    Row(_CERTIFICATES, "certificatesigningrequests", "CertificateSigningRequest", "cluster status",
        "certificates_v1.certificatesigningrequest", ("csr",), ("approval",)),
    Row(_CERTIFICATES, "clustertrustbundles", "ClusterTrustBundle", "cluster", titles="Name, SignerName",
        paths=(("SignerName", "spec.signerName"),), since=37),
    Row(_CERTIFICATES, "podcertificaterequests", "PodCertificateRequest", "status", since=37),
    Row(_NETWORKING, "ingressclasses", "IngressClass", "cluster generation", "networking_v1.ingressclass"),
    Row(_NETWORKING, "ingresses", "Ingress", "status generation", "networking_v1.ingress", ("ing",)),
    Row(_NETWORKING, "ipaddresses", "IPAddress", "cluster", "networking_v1.ipaddress", ("ip",), since=33),
    Row(_NETWORKING, "networkpolicies", "NetworkPolicy", "generation", "networking_v1.networkpolicy",
        ("netpol",)),
    Row(_NETWORKING, "servicecidrs", "ServiceCIDR", "cluster status", "networking_v1.servicecidr", since=33),
    Row("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "status generation strict",
        "policy_v1.poddisruptionbudget", ("pdb",)),
    Row(_RBAC, "clusterrolebindings", "ClusterRoleBinding", "cluster upsert", "rbac_v1.clusterrolebinding"),
    Row(_RBAC, "clusterroles", "ClusterRole", "cluster upsert", "rbac_v1.clusterrole"),
    Row(_RBAC, "rolebindings", "RoleBinding", "upsert", "rbac_v1.rolebinding"),
    Row(_RBAC, "roles", "Role", "upsert", "rbac_v1.role"),
    Row(_STORAGE, "csidrivers", "CSIDriver", "cluster strict", "storage_v1.csidriver"),
    Row(_STORAGE, "csinodes", "CSINode", "cluster strict", titles="Name, Drivers:i, Age",
        paths=(("Drivers", "#spec.drivers"),)),
    Row(_STORAGE, "csistoragecapacities", "CSIStorageCapacity", "strict",
        titles="Name, StorageClassName, Capacity", paths=_CAPACITY),
    Row(f"{_STORAGE}beta1", "csistoragecapacities", "CSIStorageCapacity", "strict",
        titles="Name, StorageClassName, Capacity", paths=_CAPACITY, until=26),
    Row(_STORAGE, "storageclasses", "StorageClass", "cluster", "storage_v1.storageclass", ("sc",)),
    Row(_STORAGE, "volumeattachments", "VolumeAttachment", "cluster status strict",
        titles="Name, Attacher, PV, Node, Attached:b, Age", paths=_ATTACHMENT),
    Row(_STORAGE, "volumeattributesclasses", "VolumeAttributesClass", "cluster", short=("vac",),
        titles="Name, DriverName, Age", paths=(("DriverName", "driverName"),), since=34),
    Row(_ADMISSION, "mutatingadmissionpolicies", "MutatingAdmissionPolicy", _EXTENSION, _MUTATING,
        since=36),
    Row(_ADMISSION, "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", _EXTENSION,
        _POLICY_BINDING, since=36),
    Row(_ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", _EXTENSION, _WEBHOOKS),
    Row(_ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", f"{_EXTENSION} status",
        _VALIDATING,
        since=30),
    Row(_ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", _EXTENSION,
        _POLICY_BINDING, since=30),
    Row(_ADMISSION, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", _EXTENSION,
        _WEBHOOKS),
    Row("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition",
        f"{_EXTENSION} status",
        "apiextensions_v1.customresourcedefinition", ("crd", "crds")),
    Row("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", "cluster generation",
        "scheduling_v1.priorityclass", ("pc",)),
    Row("coordination.k8s.io/v1", "leases", "Lease", "upsert strict", "coordination_v1.lease"),
    Row("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", "cluster strict", "node_v1.runtimeclass"),
    Row(f"{_FLOW}/v1", *_FLOW_SCHEMA, since=29),
    Row(f"{_FLOW}/v1", *_LEVEL, since=29),
    Row(f"{_FLOW}/v1beta3", *_FLOW_SCHEMA, since=26, until=31),
    Row(f"{_FLOW}/v1beta3", *_LEVEL, since=26, until=31),
    Row(f"{_FLOW}/v1beta2", *_FLOW_SCHEMA, until=28),
    Row(f"{_FLOW}/v1beta2", *_LEVEL, until=28),
    Row(f"{_FLOW}/v1beta1", *_FLOW_SCHEMA, until=25),
    Row(f"{_FLOW}/v1beta1", *_LEVEL, until=25),
    Row(_RESOURCE, "deviceclasses", "DeviceClass", "cluster generation", titles="Name, Age", since=34),
    Row(_RESOURCE, "devicetaintrules", "DeviceTaintRule", "cluster status generation", titles="Name, Age",
        since=37),
    Row(_RESOURCE, "resourceclaims", "ResourceClaim", "status", "resource_v1.resourceclaim", since=34),
    Row(_RESOURCE, "resourceclaimtemplates", "ResourceClaimTemplate", titles="Name, Age", since=34),
    Row(_RESOURCE, "resourceslices", "ResourceSlice", "cluster generation",
        titles="Name, Node, Driver, Pool, Age", paths=_SLICE, since=34),
    Row("storagemigration.k8s.io/v1", "storageversionmigrations", "StorageVersionMigration", "cluster status",
        since=37),
)
# fmt: on


def builtin_resources(version: str) -> tuple[Resource, ...]:
    """The resources of this table that a Kubernetes version serves (`1.32` or `v1.32.4`), in discovery
    order.
    """
    minor = minor_of(version)
    return discovery_order(_resource(row) for row in TABLE if row.since <= minor <= row.until)


def discovery_order(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Groups as the aggregator lists them, preferred versions first, resources by name."""
    place = {group: at for at, group in enumerate(GROUP_ORDER)}
    last = len(place)
    return tuple(
        sorted(resources, key=lambda r: (place.get(r.group, last), _version_rank(r.gvk.version), r.plural))
    )


def minor_of(version: str) -> int:
    """The minor of a Kubernetes version: 32 of `1.32`, `v1.32.4` or `32`. Raises ValueError for anything
    else.
    """
    parts = version.removeprefix("v").split(".")
    return int(parts[1] if len(parts) > 1 else parts[0])


def _version_rank(version: str) -> tuple[int, int, int]:
    # As apimachinery/pkg/version.CompareKubeAwareVersionStrings: GA, then beta, then alpha, the newest first.
    for rank, word in enumerate(("beta", "alpha"), start=1):
        if word in version:
            major, _, minor = version[1:].partition(word)
            return rank, -int(major), -int(minor or 0)
    return 0, -int(version[1:]), 0


def _resource(row: Row) -> Resource:
    traits = row.traits.split()
    group, _, version = row.group_version.rpartition("/")
    gvk = GroupVersionKind(group, version, row.kind)
    namespaced = "cluster" not in traits
    facts = Facts(
        singular=row.kind.lower(),
        short_names=row.short,
        categories=("all",) if "all" in traits else ("api-extensions",) if "extension" in traits else (),
        verbs=("create",)
        if "create-only" in traits
        else ("get", "list")
        if "read-only" in traits
        else ALL_VERBS,
        subresources=tuple(sorted((*row.subresources, "status"))) if "status" in traits else row.subresources,
        has_status="status" in traits,
        graceful="graceful" in traits,
        allow_create_on_update="upsert" in traits,
        allow_unconditional_update="strict" not in traits,
        generation="generation" in traits,
    )
    if row.module:
        return deferred(f"kubesim.apis.{row.module}", gvk, row.plural, namespaced=namespaced, **facts)
    titles = columns(row.titles) if row.titles else NAME_AND_AGE
    cells = cells_by_path(titles, dict(row.paths)) if row.titles else None
    return Resource(gvk, row.plural, namespaced, columns=titles, cells=cells, **facts)
