"""Short ways to make the objects that tests of controllers begin with."""

from __future__ import annotations

from typing import Any

from kubesim.client.client import Client
from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, EVENTS, NODES, PODS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.util.clock import format_time

HOLD = {"example.com/kubelet-hold": "y"}


def pod_body(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "nginx"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": containers, **spec},
    }


def service_body(name: str, selector: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }
    if selector is not None:
        body["spec"]["selector"] = selector
    return body


def make_service(
    cluster: Cluster, name: str, selector: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    return cluster.client.create(SERVICES, service_body(name, selector, **spec), "default")


def running_pod(
    cluster: Cluster,
    name: str,
    labels: dict[str, str],
    *,
    ip: str,
    ready: bool = True,
    node: str = "node-1",
    namespace: str = "default",
    **spec: Any,
) -> dict[str, Any]:
    """A Pod whose status is written by hand; no kubelet touches it."""
    body = pod_body(name, labels, nodeName=node, **spec)
    body["metadata"]["annotations"] = dict(HOLD)
    pod = cluster.client.create(PODS, body, namespace)
    return set_status(cluster, pod, ips=[ip] if ip else [], ready=ready)


def set_status(
    cluster: Cluster, pod: dict[str, Any], *, ips: list[str], ready: bool, phase: str = "Running"
) -> dict[str, Any]:
    now = format_time(cluster.clock.now())
    fresh = cluster.client.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
    fresh["status"] |= {
        "phase": phase,
        "conditions": [
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "lastProbeTime": None,
                "lastTransitionTime": now,
            }
        ],
    }
    if ips:
        fresh["status"] |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return cluster.client.update(PODS, fresh, pod["metadata"]["namespace"], subresource="status")


def endpoints_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    return list(cluster.client.get(ENDPOINTS, name, "default").get("subsets") or [])


def addresses_of(cluster: Cluster, name: str, field: str = "addresses") -> list[str]:
    return [a["ip"] for s in endpoints_of(cluster, name) for a in s.get(field) or ()]


def slices_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    selector = f"kubernetes.io/service-name={name}"
    return list(cluster.client.list(ENDPOINT_SLICES, "default", label_selector=selector)["items"])


def slice_addresses(cluster: Cluster, name: str) -> list[str]:
    return sorted(
        a for s in slices_of(cluster, name) for e in s.get("endpoints") or () for a in e["addresses"]
    )


def events_of(client: Client, name: str, namespace: str = "default") -> list[tuple[str, str, str]]:
    """Type, reason and message of the Events about the objects of a name, in the order in which they were
    made.
    """
    found = client.list(EVENTS, namespace, field_selector=f"involvedObject.name={name}")["items"]
    found.sort(key=lambda e: int(e["metadata"]["name"].rpartition(".")[2], 16))
    return [(e["type"], e["reason"], e["message"]) for e in found]


def edit_node(cluster: Cluster, name: str, **spec: Any) -> dict[str, Any]:
    node = cluster.client.get(NODES, name)
    node["spec"] |= spec
    return cluster.client.update(NODES, node)
