import json

import pytest
from support.schemas import DEPLOYMENT, POD, SERVICE, default_schema

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema import load_schema

ENDPOINT_SLICE = GroupVersionKind("discovery.k8s.io", "v1", "EndpointSlice")
ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "Role")
EVENT = GroupVersionKind("", "v1", "Event")


@pytest.mark.parametrize(
    ("gvk", "written"),
    [
        (SERVICE, {"metadata": {"creationTimestamp": None}, "spec": {}, "status": {"loadBalancer": {}}}),
        (POD, {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}, "status": {}}),
        (ENDPOINT_SLICE, {"metadata": {"creationTimestamp": None}, "addressType": "", "endpoints": None, "ports": None}),
        (ROLE, {"metadata": {"creationTimestamp": None}, "rules": None}),
    ],
    ids=lambda v: getattr(v, "kind", None),
)  # fmt: skip
def test_an_empty_object_has_what_go_always_writes(gvk, written):
    assert default_schema().encode(gvk, {}) == written


def test_an_event_has_its_empty_fields():
    made = default_schema().encode(EVENT, {})
    assert made["source"] == {}
    assert made["reportingComponent"] == ""
    assert made["firstTimestamp"] is None


def test_a_deployment_is_written_as_kubectl_shows_it():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"image": "i", "name": "c"}]}}
    made = default_schema().encode(
        DEPLOYMENT, {"spec": {"template": template, "selector": {}, "replicas": 0}}
    )
    assert made["status"] == {}
    assert made["spec"]["strategy"] == {}
    assert made["spec"]["replicas"] == 0
    assert made["spec"]["template"]["metadata"] == {"creationTimestamp": None, "labels": {"a": "b"}}
    assert made["spec"]["template"]["spec"]["containers"] == [{"name": "c", "image": "i", "resources": {}}]


def test_fields_come_in_gos_order_and_maps_sorted():
    obj = {
        "spec": {
            "type": "ClusterIP",
            "ports": [{"targetPort": 1, "port": 2, "protocol": "TCP", "name": "n"}],
        },
        "metadata": {
            "labels": {"b": "1", "a": "2"},
            "name": "n",
            "creationTimestamp": "2024-01-01T00:00:00Z",
        },
        "apiVersion": "v1",
        "kind": "Service",
    }
    assert json.dumps(default_schema().encode(SERVICE, obj), separators=(",", ":")) == (
        '{"kind":"Service","apiVersion":"v1",'
        '"metadata":{"name":"n","creationTimestamp":"2024-01-01T00:00:00Z","labels":{"a":"2","b":"1"}},'
        '"spec":{"ports":[{"name":"n","protocol":"TCP","port":2,"targetPort":1}],"type":"ClusterIP"},'
        '"status":{"loadBalancer":{}}}'
    )


def test_zero_values_set_by_strategies_are_left_out():
    obj = {
        "spec": {"clusterIP": "", "ports": [{"port": 0, "nodePort": 0, "targetPort": 0}], "externalIPs": []}
    }
    assert default_schema().encode(SERVICE, obj)["spec"] == {"ports": [{"port": 0, "targetPort": 0}]}


def test_an_empty_list_that_is_always_written_is_null():
    assert default_schema().encode(ENDPOINT_SLICE, {"endpoints": [], "ports": []})["endpoints"] is None


def test_encoding_twice_changes_nothing():
    schema = default_schema()
    for gvk in schema.kinds():
        once = schema.encode(gvk, {})
        assert schema.encode(gvk, once) == once


def test_filled_in_values_are_not_shared():
    schema = default_schema()
    schema.encode(SERVICE, {})["status"]["loadBalancer"]["ingress"] = []
    assert schema.encode(SERVICE, {})["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(("version", "written"), [("1.32", {"creationTimestamp": None}), ("1.36", {})])
def test_newer_versions_leave_an_empty_creation_timestamp_out(version, written):
    assert load_schema(version).encode(POD, {})["metadata"] == written
