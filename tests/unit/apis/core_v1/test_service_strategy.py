"""What a Service is filled in with, what is cleared when its type changes, and how it is listed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.core_v1 import service as kind
from kubesim.util.jsontypes import deep_copy

NOW = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


def service(**spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [{"port": 80}])
    meta = {"name": "s", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    obj = {"metadata": meta, "spec": spec}
    kind.default(obj)
    return obj


def test_a_minimal_service_is_filled_in() -> None:
    obj = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    kind.default(obj)
    assert obj["spec"] == {
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"a": "b"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
        "internalTrafficPolicy": "Cluster",
    }
    assert obj["status"] == {"loadBalancer": {}}


def test_defaulting_twice_changes_nothing() -> None:
    once = service(type="LoadBalancer", sessionAffinity="ClientIP")
    twice = deep_copy(once)
    kind.default(twice)
    assert twice == once


DEFAULTS = {
    "load balancer": (
        {"type": "LoadBalancer"},
        {
            "allocateLoadBalancerNodePorts": True,
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
        },
    ),
    "false is a value": (
        {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False},
        {"allocateLoadBalancerNodePorts": False},
    ),
    "node port": (
        {"type": "NodePort"},
        {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": None},
    ),
    "external IPs": ({"externalIPs": ["1.2.3.4"]}, {"externalTrafficPolicy": "Cluster"}),
    "cluster IP": ({}, {"externalTrafficPolicy": None}),
    "external name": ({"type": "ExternalName", "externalName": "a.b"}, {"internalTrafficPolicy": None}),
    "affinity": (
        {"sessionAffinity": "ClientIP"},
        {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}},
    ),
    "affinity with a timeout": (
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
        {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
    ),
    "configuration of no affinity": (
        {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
        {"sessionAffinityConfig": None},
    ),
    "empty values": (
        {"selector": {}, "externalName": "", "publishNotReadyAddresses": False, "externalIPs": []},
        {"selector": None, "externalName": None, "publishNotReadyAddresses": None, "externalIPs": None},
    ),
    "empty target port": (
        {"ports": [{"port": 80, "targetPort": "", "nodePort": 0, "name": ""}]},
        {"ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]},
    ),
    "named target port": (
        {"ports": [{"port": 53, "targetPort": "dns", "protocol": "UDP"}]},
        {"ports": [{"port": 53, "targetPort": "dns", "protocol": "UDP"}]},
    ),
}


@pytest.mark.parametrize(("given", "expected"), DEFAULTS.values(), ids=DEFAULTS)
def test_defaults(given: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = service(**given)["spec"]
    assert {name: spec.get(name) for name in expected} == expected


def test_an_ingress_point_with_an_address_is_a_virtual_one() -> None:
    obj = service(type="LoadBalancer")
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.b"}]}}
    kind.default(obj)
    assert obj["status"]["loadBalancer"]["ingress"] == [
        {"ip": "1.2.3.4", "ipMode": "VIP"},
        {"hostname": "a.b"},
    ]


def test_create_takes_no_status() -> None:
    obj = service(type="LoadBalancer") | {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}
    kind.prepare_create(obj)
    assert obj["status"] == {"loadBalancer": {}}


ADDRESSES = {
    "clusterIP": "10.96.0.5",
    "clusterIPs": ["10.96.0.5"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}
NODE_PORT = [{"port": 80, "nodePort": 30080}]


def changed(old: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """What is stored when a user changes just these fields (None: removes them) of a stored Service."""
    new = deep_copy(old)
    for name, value in spec.items():
        if value is None:
            new["spec"].pop(name, None)
        else:
            new["spec"][name] = value
    kind.default(new)
    kind.prepare_update(new, old)
    return new


def test_node_ports_go_with_the_type() -> None:
    new = changed(service(type="NodePort", ports=NODE_PORT, **ADDRESSES), type="ClusterIP")
    assert new["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert "externalTrafficPolicy" not in new["spec"]
    assert new["spec"]["clusterIP"] == "10.96.0.5"


def test_a_node_port_that_the_user_changed_stays_and_fails() -> None:
    old = service(type="NodePort", ports=NODE_PORT)
    new = changed(old, type="ClusterIP", ports=[{"port": 80, "nodePort": 30081}])
    assert [str(e) for e in kind.validate(new)] == [
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"
    ]


def test_addresses_go_when_the_type_becomes_external_name() -> None:
    new = changed(service(**ADDRESSES), type="ExternalName", externalName="a.b")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & new["spec"].keys()


def test_addresses_that_the_user_changed_stay() -> None:
    new = changed(service(**ADDRESSES), type="ExternalName", externalName="a.b", clusterIP="10.96.0.6")
    assert new["spec"]["clusterIP"] == "10.96.0.6"


def test_what_belongs_to_a_load_balancer_goes_with_it() -> None:
    old = service(
        type="LoadBalancer",
        ports=NODE_PORT,
        externalTrafficPolicy="Local",
        healthCheckNodePort=30999,
        loadBalancerClass="a/b",
    )
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "VIP"}]}}
    new = changed(old, type="ClusterIP")
    gone = {
        "healthCheckNodePort",
        "loadBalancerClass",
        "allocateLoadBalancerNodePorts",
        "externalTrafficPolicy",
    }
    assert not gone & new["spec"].keys()
    assert new["status"] == {"loadBalancer": {}}


def test_an_update_keeps_the_status_of_a_load_balancer() -> None:
    old = service(type="LoadBalancer")
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "ipMode": "VIP"}]}}
    new = deep_copy(old) | {"status": {"loadBalancer": {}}}
    kind.prepare_update(new, old)
    assert new["status"] == old["status"]


def test_field_selectors_and_indexes() -> None:
    obj = service(selector={"app": "web", "tier": "front"}, externalIPs=["192.0.2.1"], **ADDRESSES)
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example"}]}}
    assert kind.fields(obj) == {
        "metadata.name": "s",
        "metadata.namespace": "default",
        "spec.clusterIP": "10.96.0.5",
        "spec.type": "ClusterIP",
    }
    assert set(kind.indexes(obj)) == {
        ("selector", "app=web"),
        ("selector", "tier=front"),
        ("selecting", "app=web,tier=front"),
        ("address", "10.96.0.5"),
        ("address", "192.0.2.1"),
        ("address", "192.0.2.2"),
    }
    assert list(kind.indexes(service(clusterIP="None", clusterIPs=["None"]))) == []


def test_a_service_is_found_by_each_address_and_node_port() -> None:
    obj = service(
        type="LoadBalancer",
        clusterIP="10.96.0.5",
        clusterIPs=["10.96.0.5", "fd00:10:96::5"],
        externalIPs=["198.51.100.7", "2001:db8:0::7"],
        ports=[{"port": 80, "nodePort": 30080}, {"port": 443, "nodePort": 30443}],
        healthCheckNodePort=30999,
    )
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}, {"hostname": "lb.example.com"}]}}
    assert set(kind.indexes(obj)) == {
        ("address", "10.96.0.5"),
        ("address", "fd00:10:96::5"),
        ("address", "198.51.100.7"),
        ("address", "2001:db8::7"),
        ("address", "203.0.113.9"),
        ("nodePort", "30080"),
        ("nodePort", "30443"),
        ("nodePort", "30999"),
    }
    assert not set(kind.indexes(service(clusterIP="None", clusterIPs=["None"])))


ROWS = {
    "cluster IP": (
        service(**ADDRESSES, selector={"b": "2", "a": "1"}),
        {},
        ["ClusterIP", "10.96.0.5", "<none>", "80/TCP", "30s", "a=1,b=2"],
    ),
    "node port": (
        service(
            type="NodePort",
            ports=[{"port": 80, "nodePort": 30080}, {"port": 443, "nodePort": 30366}],
            **ADDRESSES,
        ),
        {},
        ["NodePort", "10.96.0.5", "<none>", "80:30080/TCP,443:30366/TCP", "30s", "<none>"],
    ),
    "headless without ports": (
        service(clusterIP="None", clusterIPs=["None"], ports=[]),
        {},
        ["ClusterIP", "None", "<none>", "<none>", "30s", "<none>"],
    ),
    "external name": (
        service(type="ExternalName", externalName="db.example.com", ports=[]),
        {},
        ["ExternalName", "<none>", "db.example.com", "<none>", "30s", "<none>"],
    ),
    "load balancer pending": (
        service(type="LoadBalancer", **ADDRESSES),
        {},
        ["LoadBalancer", "10.96.0.5", "<pending>", "80/TCP", "30s", "<none>"],
    ),
    "load balancer": (
        service(type="LoadBalancer", externalIPs=["9.9.9.9"], **ADDRESSES),
        {"ingress": [{"ip": "5.5.5.5"}, {"hostname": "b.example.com"}, {"ip": "1.2.3.4"}]},
        ["LoadBalancer", "10.96.0.5", "1.2.3.4,5.5.5.5,b.example.com,9.9.9.9", "80/TCP", "30s", "<none>"],
    ),
}


@pytest.mark.parametrize(("obj", "balancer", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_table(obj: dict[str, Any], balancer: dict[str, Any], expected: list[Any]) -> None:
    row = kind.cells(obj | {"status": {"loadBalancer": balancer}}, NOW)
    assert row == ["s", *expected]
    assert len(row) == len(kind.COLUMNS)
