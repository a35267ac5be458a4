"""`describe`: an object as a page of text. One describer a kind; `describer_for` imports only the one that is needed.

A describer is a function `(page, obj)` that writes what kubectl's pkg/describe writes, in its order and with its tabs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.apimachinery.gvk import GroupVersionKind
    from kubesim.cli.describe.page import Page
    from kubesim.util.jsontypes import JSONObject

Describer = Callable[["Page", "JSONObject"], None]

# (group, kind) -> module and function.
DESCRIBERS: dict[tuple[str, str], tuple[str, str]] = {
    ("", "ConfigMap"): ("core", "config_map"),
    ("", "Endpoints"): ("network", "endpoints"),
    ("", "LimitRange"): ("core", "limit_range"),
    ("", "Namespace"): ("core", "namespace"),
    ("", "Node"): ("node", "node"),
    ("", "PersistentVolume"): ("storage", "persistent_volume"),
    ("", "PersistentVolumeClaim"): ("storage", "claim"),
    ("", "Pod"): ("pod", "pod"),
    ("", "ReplicationController"): ("workloads", "replication_controller"),
    ("", "ResourceQuota"): ("core", "resource_quota"),
    ("", "Secret"): ("core", "secret"),
    ("", "Service"): ("network", "service"),
    ("", "ServiceAccount"): ("rbac", "service_account"),
    ("apps", "DaemonSet"): ("workloads", "daemon_set"),
    ("apps", "Deployment"): ("workloads", "deployment"),
    ("apps", "ReplicaSet"): ("workloads", "replica_set"),
    ("apps", "StatefulSet"): ("workloads", "stateful_set"),
    ("autoscaling", "HorizontalPodAutoscaler"): ("autoscaling", "autoscaler"),
    ("batch", "CronJob"): ("jobs", "cron_job"),
    ("batch", "Job"): ("jobs", "job"),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("certificates", "signing_request"),
    ("discovery.k8s.io", "EndpointSlice"): ("network", "endpoint_slice"),
    ("networking.k8s.io", "IPAddress"): ("ingress", "ip_address"),
    ("networking.k8s.io", "Ingress"): ("ingress", "ingress"),
    ("networking.k8s.io", "IngressClass"): ("ingress", "ingress_class"),
    ("networking.k8s.io", "NetworkPolicy"): ("network_policy", "network_policy"),
    ("networking.k8s.io", "ServiceCIDR"): ("ingress", "service_cidr"),
    ("policy", "PodDisruptionBudget"): ("policy", "disruption_budget"),
    ("rbac.authorization.k8s.io", "ClusterRole"): ("rbac", "role"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("rbac", "role_binding"),
    ("rbac.authorization.k8s.io", "Role"): ("rbac", "role"),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("rbac", "role_binding"),
    ("scheduling.k8s.io", "PriorityClass"): ("policy", "priority_class"),
    ("storage.k8s.io", "CSINode"): ("storage", "csi_node"),
    ("storage.k8s.io", "StorageClass"): ("storage", "storage_class"),
    ("storage.k8s.io", "VolumeAttributesClass"): ("storage", "volume_attributes_class"),
}


def describer_for(gvk: GroupVersionKind) -> Describer:
    """The describer of a kind; a generic one for a kind without its own."""
    module, name = DESCRIBERS.get((gvk.group, gvk.kind), ("generic", "generic"))
    found: Describer = getattr(importlib.import_module(f"kubesim.cli.describe.{module}"), name)
    return found
