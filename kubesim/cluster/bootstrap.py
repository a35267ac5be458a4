"""What is in a cluster before anybody has put something there: namespaces, nodes, the Service `kubernetes`.

Sources: k8s.io/kubernetes pkg/controlplane (system namespaces, priority classes, the kubernetes Service and
its endpoints); the nodes are as a kubelet registers and reports them.
"""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client import resources
from kubesim.client.client import Client
from kubesim.cluster.config import API_PORT, CONTROL_PLANE, FIRST_NODE, NODE_PREFIXES, ClusterConfig
from kubesim.util.clock import Clock, format_time
from kubesim.util.ipnet import host_in, subnet
from kubesim.util.jsontypes import JSONObject

SYSTEM_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease", "default")
PRIORITY_CLASSES: Final = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")

AUTHENTICATION: Final = "extension-apiserver-authentication"
CLIENT_CA: Final = "client-ca-file"
"""ConfigMap and key under which extensions of the API find the authority of clients."""

_SYSTEM_CLASSES: Final = {
    "system-cluster-critical": (
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}
_CAPACITY: Final = {"cpu": "8", "ephemeral-storage": "100Gi", "memory": "16Gi", "pods": "110"}


def bootstrap(client: Client, config: ClusterConfig, clock: Clock, *, ca_certificate: str) -> None:
    """Make all of it, in one transaction."""
    with client.batch():
        for name in SYSTEM_NAMESPACES:
            client.create(resources.NAMESPACES, _object("v1", "Namespace", name))
        for name, (value, text) in _SYSTEM_CLASSES.items():
            body = _object("scheduling.k8s.io/v1", "PriorityClass", name)
            client.create(PRIORITY_CLASSES, body | {"value": value, "description": text})
        for name, data in (
            (AUTHENTICATION, {CLIENT_CA: ca_certificate}),
            ("kube-apiserver-legacy-service-account-token-tracking", {"since": f"{clock.now():%Y-%m-%d}"}),
        ):
            body = _object("v1", "ConfigMap", name, namespace="kube-system")
            client.create(resources.CONFIG_MAPS, body | {"data": data}, "kube-system")
        _kubernetes_service(client, config)
        if config.kube_dns:
            _dns_service(client, config)
        for position in range(config.nodes):
            add_node(client, config, clock, position)


def _object(api_version: str, kind: str, name: str, **metadata: object) -> JSONObject:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


def _kubernetes_service(client: Client, config: ClusterConfig) -> None:
    """The Service that leads to the API server, first address of the range; no selector, so its endpoints are
    made here.
    """
    port = API_PORT
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service = _object("v1", "Service", "kubernetes", namespace="default", labels=labels)
    service["spec"] = {
        "clusterIP": host_in(config.service_cidrs[0], 1),
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        "sessionAffinity": "None",
        "type": "ClusterIP",
        "ipFamilyPolicy": "SingleStack",
    }
    _lead_to_control_plane(client, config, service, [{"name": "https", "port": port, "protocol": "TCP"}])


def _dns_service(client: Client, config: ClusterConfig) -> None:
    """kube-dns, as kubeadm makes it, but without a selector: DNS runs beside the API server, where no Pods are."""
    labels = {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    scraped = {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"}
    service = _object(
        "v1", "Service", "kube-dns", namespace="kube-system", labels=labels, annotations=scraped
    )
    ports = [
        {"name": name, "port": port, "protocol": protocol}
        for name, port, protocol in (("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP"))
    ]
    service["spec"] = {
        "clusterIP": config.dns_address,
        "ports": [port | {"targetPort": port["port"]} for port in ports],
        "type": "ClusterIP",
    }
    _lead_to_control_plane(client, config, service, ports)


def _lead_to_control_plane(
    client: Client, config: ClusterConfig, service: JSONObject, ports: list[JSONObject]
) -> None:
    """Make a Service, and the endpoints that the API server keeps for it."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    address, family = config.addresses(CONTROL_PLANE)[0], config.families[0]
    client.create(resources.SERVICES, service, namespace)
    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    endpoints = _object("v1", "Endpoints", name, namespace=namespace, labels=skip)
    endpoints["subsets"] = [{"addresses": [{"ip": address}], "ports": ports}]
    client.create(resources.ENDPOINTS, endpoints, namespace)
    named = {"kubernetes.io/service-name": name}
    piece = _object("discovery.k8s.io/v1", "EndpointSlice", name, namespace=namespace, labels=named)
    piece |= {
        "addressType": f"IPv{family}",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [dict(port) for port in ports],
    }
    client.create(resources.ENDPOINT_SLICES, piece, namespace)


def add_node(client: Client, config: ClusterConfig, clock: Clock, position: int) -> None:
    """A Node that is ready for Pods, as its kubelet and the node controllers leave it."""
    name = f"node-{position + 1}"
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    node = _object("v1", "Node", name, labels=labels, annotations={"node.alpha.kubernetes.io/ttl": "0"})
    pods = [
        subnet(network, NODE_PREFIXES[family], position)
        for family, network in zip(config.families, config.pod_cidrs, strict=True)
    ]
    node["spec"] = {"podCIDR": pods[0], "podCIDRs": pods}
    created = client.create(resources.NODES, node)
    # Admission taints every new node until it is seen to be ready, which this one is.
    created["spec"].pop("taints", None)
    created = client.update(resources.NODES, created)
    created["status"] = node_status(config, clock, position)
    client.update(resources.NODES, created, subresource="status")


def node_status(config: ClusterConfig, clock: Clock, position: int) -> JSONObject:
    """What the kubelet reports."""
    name, now, number = f"node-{position + 1}", format_time(clock.now()), position + 1
    conditions = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    return {
        "addresses": [
            *({"type": "InternalIP", "address": a} for a in config.addresses(FIRST_NODE + position)),
            {"type": "Hostname", "address": name},
        ],
        "allocatable": dict(_CAPACITY),
        "capacity": dict(_CAPACITY),
        "conditions": [
            {
                "type": kind,
                "status": status,
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for kind, status, reason, message in conditions
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": f"b0000000-0000-0000-0000-{number:012d}",
            "containerRuntimeVersion": "containerd://1.7.24",
            "kernelVersion": "6.1.0",
            "kubeProxyVersion": config.git_version,
            "kubeletVersion": config.git_version,
            "machineID": f"a{number:031d}",
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "systemUUID": f"c0000000-0000-0000-0000-{number:012d}",
        },
    }
