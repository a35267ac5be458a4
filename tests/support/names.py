"""A cluster with one of each thing that has a name in DNS, for the tests of the names and of the server."""

from __future__ import annotations

from typing import Any

from support.cluster import START, make_cluster
from support.objects import make_service, running_pod

from kubesim.client.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.dns.clusterdns import ClusterDNS
from kubesim.dns.upstream import Hosts
from kubesim.util.ids import SystemIdentities

HTTP = {"name": "http", "port": 80, "targetPort": 8080}
UDP = {"name": "stats", "port": 8125, "protocol": "UDP"}
WORLD = {"www.example.com": ["192.0.2.53", "2001:db8::53"]}
SERIAL = int(START.timestamp())


def named_cluster() -> Cluster:
    """Services of every sort in `default`; `team-a` is a namespace with one Service, `empty` has none."""
    cluster = make_cluster(settle=True, service_cidrs=("10.96.0.0/12", "fd00:10:96::/112"))
    for name in ("team-a", "empty"):
        cluster.client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
    make_service(cluster, "web", {"app": "web"}, ports=[HTTP, UDP], clusterIP="10.96.1.1")
    make_service(cluster, "plain", {"app": "web"}, clusterIP="10.96.1.2")
    both: dict[str, Any] = {
        "ipFamilyPolicy": "RequireDualStack",
        "clusterIP": "10.96.1.3",
        "clusterIPs": ["10.96.1.3", "fd00:10:96::3"],
    }
    make_service(cluster, "dual", ports=[HTTP], **both)
    make_service(cluster, "six", ports=[HTTP], clusterIP="fd00:10:96::6", ipFamilies=["IPv6"])
    make_service(cluster, "headless", {"app": "db"}, ports=[HTTP], clusterIP="None")
    make_service(
        cluster, "eager", {"app": "db"}, ports=[HTTP], clusterIP="None", publishNotReadyAddresses=True
    )
    make_service(cluster, "portless", {"app": "db"}, ports=None, clusterIP="None")
    make_service(cluster, "idle", {"app": "nothing"}, ports=[HTTP], clusterIP="None")
    make_service(cluster, "byhand", ports=[HTTP], clusterIP="None")
    _slice(cluster, "byhand", "IPv4", ["192.0.2.7"])
    _slice(cluster, "byhand", "IPv6", ["2001:db8::7"], hostname="seven")
    for name, target in (
        ("outside", "www.example.com"),
        ("nowhere", "www.nowhere.example"),
        ("inside", "web.default.svc.cluster.local"),
        ("second", "inside.default.svc.cluster.local."),
        ("dangling", "gone.default.svc.cluster.local"),
        ("circle", "elcric.default.svc.cluster.local"),
        ("elcric", "circle.default.svc.cluster.local"),
        ("itself", "itself.default.svc.cluster.local"),
        ("address", "192.0.2.1"),
    ):
        make_service(cluster, name, type="ExternalName", externalName=target, ports=None)
    running_pod(cluster, "web-1", {"app": "web"}, ip="10.244.0.11")
    running_pod(cluster, "db-0", {"app": "db"}, ip="10.244.0.20", hostname="db-0", subdomain="headless")
    running_pod(cluster, "db-1", {"app": "db"}, ip="10.244.0.21")
    running_pod(cluster, "db-2", {"app": "db"}, ip="10.244.0.22", ready=False)
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    cluster.client.create(SERVICES, body | {"spec": {"ports": [HTTP], "clusterIP": "10.96.2.1"}}, "team-a")
    cluster.settle()
    return cluster


def dns_of(cluster: Cluster, **options: Any) -> ClusterDNS:
    options = {"upstream": Hosts(WORLD), "identities": SystemIdentities(1), "clock": cluster.clock} | options
    return ClusterDNS(cluster.client, **options)


def _slice(cluster: Cluster, service: str, family: str, addresses: list[str], **endpoint: Any) -> None:
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-{family.lower()}",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": family,
        "endpoints": [{"addresses": addresses, **endpoint}],
        "ports": [{"name": "http", "port": 8080}],
    }
    cluster.client.create(ENDPOINT_SLICES, body, "default")
