"""The resources that the cluster's own parts speak of, by the names their URLs have."""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery.gvk import GroupVersionResource


def _core(resource: str) -> GroupVersionResource:
    return GroupVersionResource("", "v1", resource)


CONFIG_MAPS: Final = _core("configmaps")
ENDPOINTS: Final = _core("endpoints")
EVENTS: Final = _core("events")
LIMIT_RANGES: Final = _core("limitranges")
NAMESPACES: Final = _core("namespaces")
NODES: Final = _core("nodes")
PERSISTENT_VOLUME_CLAIMS: Final = _core("persistentvolumeclaims")
PODS: Final = _core("pods")
REPLICATION_CONTROLLERS: Final = _core("replicationcontrollers")
RESOURCE_QUOTAS: Final = _core("resourcequotas")
SECRETS: Final = _core("secrets")
SERVICE_ACCOUNTS: Final = _core("serviceaccounts")
SERVICES: Final = _core("services")
ENDPOINT_SLICES: Final = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
LEASES: Final = GroupVersionResource("coordination.k8s.io", "v1", "leases")
