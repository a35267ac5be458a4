"""`serve(edge=True)`: a program's cluster with the ports of its Services and its DNS on this computer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.edge import take_port

from kubesim import Cluster

POOL = "172.18.255.200-172.18.255.210"
WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: 80}]
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
"""


def body(address: str, **headers: str) -> str:
    with urlopen(Request(f"http://{address}/", headers=headers), timeout=10) as answer:
        found: bytes = answer.read()
    return found.decode()


def test_a_node_port_is_open_by_any_of_its_names():
    with Cluster() as cluster:
        cluster.apply(WEB)
        number = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
        with cluster.serve(edge=True) as server:
            addresses = {server.address("web", port) for port in (None, 8080, "http", number)}
            [address] = addresses
            assert "Welcome to nginx!" in body(address)
            [found] = [p for p in server.ports if p.name == "web"]
        assert (found.kind, found.port, found.target, found.address) == ("NodePort", 8080, number, address)
        assert "urllib" in cluster.logs("web").lower()


def test_services_come_and_go_while_it_is_served():
    with Cluster() as cluster, cluster.serve(edge=True) as server:
        with pytest.raises(LookupError, match="service default/web is not open on this computer"):
            server.address("web")
        cluster.apply(WEB)
        address = server.address("web")
        assert "Welcome to nginx!" in body(address)
        cluster.delete("service", "web")
        assert [p for p in server.ports if p.name == "web"] == []
        host, _, port = address.partition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=10)


def test_load_balancers_and_an_ingress_are_open():
    with Cluster(load_balancer_pool=POOL, ingress=True) as cluster:
        cluster.apply(WEB)
        cluster.apply(INGRESS)
        cluster.patch("service", "web", {"spec": {"type": "LoadBalancer"}})
        cluster.wait("pod/ingress-nginx-controller", "condition=Ready", namespace="ingress-nginx")
        with cluster.serve(edge=True) as server:
            kinds = {p.kind for p in server.ports if p.name == "web"}
            assert kinds == {"LoadBalancer", "NodePort"}
            assert "Welcome to nginx!" in body(server.address("web", 8080))
            door = server.address("ingress-nginx-controller", "http", "ingress-nginx")
            assert "Welcome to nginx!" in body(door, Host="web.test")
            with pytest.raises(HTTPError, match="404"):
                body(door, Host="nobody.test")


def test_names_are_answered():
    dig = shutil.which("dig")
    if dig is None:
        pytest.skip("there is no dig here")
    with Cluster() as cluster:
        cluster.apply(WEB)
        wanted = cluster.get("service", "web")["spec"]["clusterIP"]
        with cluster.serve(edge=True) as server:
            host, _, port = server.dns.partition(":")
            words = [dig, f"@{host}", "-p", port, "+short", "web.default.svc.cluster.local"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == wanted


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_cluster_ip_is_reachable_with_127_in_front():
    with Cluster() as cluster:
        cluster.apply(WEB)
        address = cluster.get("service", "web")["spec"]["clusterIP"]
        with cluster.serve(reachable=True) as server:
            [found] = [p for p in server.ports if (p.name, p.kind) == ("web", "ClusterIP")]
            assert found.address == f"127.{address.partition('.')[2]}:8080"
            assert "Welcome to nginx!" in body(found.address)


def test_without_it_nothing_but_the_api_is_open():
    with Cluster() as cluster:
        cluster.apply(WEB)
        with cluster.serve() as server:
            assert (server.dns, server.ports, server.failures) == ("", [], [])
            with pytest.raises(LookupError, match="serve\\(edge=True\\) opens them"):
                server.address("web")


def test_a_port_that_is_taken_is_told():
    with Cluster() as cluster, socket.socket() as other:
        taken = take_port(other, range(31000, 32768))
        manifest: Any = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}
        spec = {"type": "NodePort", "selector": {"app": "shop"}, "ports": [{"port": 80, "nodePort": taken}]}
        cluster.apply(manifest | {"spec": spec})
        with cluster.serve(edge=True) as server:
            [failure] = server.failures
            assert str(taken) in failure
            with pytest.raises(LookupError, match=str(taken)):
                server.address("shop")
