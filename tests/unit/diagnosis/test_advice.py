"""Warning headers of writes: what is certain is said, and what may be put right by the next write is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubesim import Cluster

PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}]


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(**port: Any) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": port}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"defaultBackend": backend},
    }


@pytest.fixture
def warned(tmp_path):
    """What kubectl is warned of when objects are applied, one after another: the lines of the last one."""
    with Cluster(nodes=1, seed=1) as cluster:

        def apply(*objects: dict[str, Any]) -> list[str]:
            lines: list[str] = []
            for obj in objects:
                done = cluster.kubectl("apply -f -", stdin=json.dumps(obj), check=True)
                lines = done.stderr.splitlines()
            return lines

        yield apply


SILENT = {
    "a selector that matches nothing yet": service(
        selector={"app": "web"}, ports=[{"port": 80, "targetPort": 8080}]
    ),
    "headless with one port": service(clusterIP="None", selector={"app": "web"}, ports=[{"port": 80}]),
    "headless with a name": service(
        clusterIP="None", selector={"app": "web"}, ports=[{"port": 80, "targetPort": "http"}]
    ),
    "headless with hand-made endpoints": service(clusterIP="None", ports=[{"port": 80, "targetPort": 81}]),
    "an alias": service(type="ExternalName", externalName="example.com", ports=[{"port": 443}]),
    "an alias as kubectl makes it": service(
        type="ExternalName", externalName="example.com", selector={"app": "web"}
    ),
    "TCP and UDP": service(ports=[*PORTS, {"name": "dns-tcp", "port": 53}]),
    "an Ingress before its Service": ingress(number=80),
}


@pytest.mark.parametrize("obj", SILENT.values(), ids=SILENT.keys())
def test_what_may_be_meant_so_is_taken_without_a_word(warned, obj):
    assert warned(obj) == []


SAID = {
    "headless": (
        (service(clusterIP="None", selector={"app": "web"}, ports=[{"port": 80, "targetPort": 8080}]),),
        (
            "Warning: spec.ports[0].targetPort: a headless Service maps no ports: clients connect to port 80 of the Pods; "
            "write port: 8080, or remove clusterIP: None (reason 12 of `kubesim check`)"
        ),
    ),
    "ports of an alias": (
        (service(type="ExternalName", externalName="example.com", ports=[{"port": 80, "targetPort": 8080}]),),
        (
            "Warning: spec.ports[0].targetPort: an ExternalName Service is an alias in DNS, its ports are ignored; "
            "let clients name the port of example.com themselves (reason 18 of `kubesim check`)"
        ),
    ),
    "a port lost by apply": (
        (service(ports=PORTS), service(ports=[*PORTS, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}])),
        (
            "Warning: spec.ports[0]: apply loses port 53/UDP: it tells ports apart by their number alone, and another one has "
            "the same; use `kubectl replace --save-config -f FILE`, which sends the ports as they are written, or delete the "
            "Service and make it anew (reason 8 of `kubesim check`)"
        ),
    ),
    "an Ingress to the targetPort": (
        (service(selector={"app": "web"}, ports=[{"port": 8080, "targetPort": 80}]), ingress(number=80)),
        (
            "Warning: spec.defaultBackend.service.port.number: 80 is the targetPort of service/web; an Ingress names the Service's "
            "own port; write number: 8080 (reason 11 of `kubesim check`)"
        ),
    ),
    "an Ingress to no name": (
        (service(selector={"app": "web"}, ports=[{"name": "http", "port": 80}]), ingress(name="htpp")),
        (
            "Warning: spec.defaultBackend.service.port.name: service/web has no port called htpp; "
            "write name: http (reason 5 of `kubesim check`)"
        ),
    ),
}


@pytest.mark.parametrize(("objects", "line"), SAID.values(), ids=SAID.keys())
def test_what_is_certain_is_said(warned, objects, line):
    assert warned(*objects) == [line]


def test_what_is_proposed_for_a_lost_port_brings_it_back_for_good():
    one, both = (
        service(ports=PORTS),
        service(ports=[*PORTS, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]),
    )
    with Cluster(nodes=1) as cluster:

        def ports() -> list[str]:
            return [p["protocol"] for p in cluster.get("service", "web")["spec"]["ports"]]

        cluster.kubectl("apply -f -", stdin=json.dumps(one), check=True)
        said = cluster.kubectl("apply -f -", stdin=json.dumps(both), check=True).stderr
        assert ports() == ["TCP"]
        command = said.partition("use `kubectl ")[2].partition("`")[0].replace("FILE", "-")
        assert cluster.kubectl(command, stdin=json.dumps(both), check=True).stderr == ""
        assert ports() == ["UDP", "TCP"]
        again = cluster.kubectl("apply -f -", stdin=json.dumps(both), check=True)
        assert (again.stdout, again.stderr) == ("service/web unchanged\n", "")
        assert ports() == ["UDP", "TCP"]


def test_an_edit_of_the_ports_is_no_apply_that_lost_some(warned):
    both = service(ports=[*PORTS, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}])
    with Cluster(nodes=1) as cluster:
        cluster.kubectl("apply -f -", stdin=json.dumps(both), check=True)
        done = cluster.kubectl(
            ["patch", "service", "web", "--type=json", "-p", '[{"op":"remove","path":"/spec/ports/0"}]'],
            check=True,
        )
    assert done.stderr == ""
