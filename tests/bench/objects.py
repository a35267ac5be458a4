"""Pods and Services as the API server stores them, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cluster.build import Cluster
from kubesim.registry.keys import indexes_of, key_of
from kubesim.util.jsontypes import encode


def pod(number: int, services: int, now: str) -> dict[str, Any]:
    """A Pod that runs and is ready; `services` labels `app` go round."""
    address = f"10.{64 + number // 65025}.{number // 255 % 255}.{number % 255 + 1}"
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "creationTimestamp": now,
            "labels": {"app": f"svc-{number % services}", "tier": "web", "pod": f"pod-{number}"},
            "annotations": {"example.com/kubelet-hold": "y"},
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
            ],
        },
        "status": {
            "phase": "Running",
            "qosClass": "BestEffort",
            "conditions": [ready],
            "podIP": address,
            "podIPs": [{"ip": address}],
        },
    }


def service(number: int, now: str) -> dict[str, Any]:
    """A Service that selects the Pods of its `app`."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": f"svc-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-4000-9000-{number:012d}",
            "creationTimestamp": now,
        },
        "spec": {
            "selector": {"app": f"svc-{number}", "tier": "web"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            "clusterIP": f"10.97.{number // 250}.{number % 250 + 1}",
            "ipFamilies": ["IPv4"],
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def put(cluster: Cluster, gvr: GroupVersionResource, objects: Iterable[dict[str, Any]]) -> None:
    """Store objects as they are, past the API server, with their index entries, in one transaction."""
    resource = cluster.scheme.by_resource(gvr)
    assert resource is not None
    with cluster.storage.transaction() as tx:
        for obj in objects:
            metadata = obj["metadata"]
            key = key_of(gvr, metadata["namespace"], metadata["name"])
            tx.create(key, encode(obj), indexes_of(resource, obj))
