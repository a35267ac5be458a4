"""Pods and templates are filled in as the API server fills them in."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubesim.apis.apps_v1 import deployment
from kubesim.apis.core_v1 import pod
from kubesim.apis.podtemplate import default_pod_template, pull_policy


def test_a_plain_pod_gets_what_an_api_server_puts_in() -> None:
    obj: dict[str, Any] = {
        "spec": {"containers": [{"name": "a", "image": "nginx", "ports": [{"containerPort": 80}]}]}
    }
    pod.default(obj)
    assert obj["spec"] == {
        "containers": [
            {
                "image": "nginx",
                "imagePullPolicy": "Always",
                "name": "a",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


def test_a_template_has_no_service_links_and_a_null_timestamp() -> None:
    template: dict[str, Any] = {"spec": {"containers": []}}
    default_pod_template(template)
    assert "enableServiceLinks" not in template["spec"]
    assert template["metadata"] == {"creationTimestamp": None}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("r.example:5000/nginx", "Always"),
        ("r.example:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


PARTS = [
    pytest.param(
        {"livenessProbe": {"httpGet": {"port": 80}}},
        ("livenessProbe",),
        {
            "failureThreshold": 3,
            "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
            "periodSeconds": 10,
            "successThreshold": 1,
            "timeoutSeconds": 1,
        },
        id="probe",
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        ("env", 0, "valueFrom", "fieldRef", "apiVersion"),
        "v1",
        id="field reference",
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]},
        ("env", 0, "valueFrom", "resourceFieldRef", "divisor"),
        "0",
        id="resource reference",
    ),
    pytest.param(
        {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}},
        ("resources", "requests"),
        {"cpu": "500m", "memory": "1Gi"},
        id="requests from limits",
    ),
    pytest.param(
        {"lifecycle": {"preStop": {"httpGet": {"port": 1}}}},
        ("lifecycle", "preStop", "httpGet", "scheme"),
        "HTTP",
        id="handler",
    ),
]


@pytest.mark.parametrize(("given", "path", "wanted"), PARTS)
def test_parts_of_a_container_are_filled_in(
    given: dict[str, Any], path: tuple[Any, ...], wanted: Any
) -> None:
    obj: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": "nginx", **given}]}}
    pod.default(obj)
    found = obj["spec"]["containers"][0]
    for step in path:
        found = found[step]
    assert found == wanted


VOLUMES = [
    ({}, {"emptyDir": {}}),
    ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
    ({"configMap": {"name": "c"}}, {"configMap": {"name": "c", "defaultMode": 420}}),
    ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
    (
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        {
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
            }
        },
    ),
    (
        {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {
            "downwardAPI": {
                "defaultMode": 420,
                "items": [{"path": "n", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}],
            }
        },
    ),
]


@pytest.mark.parametrize(
    ("given", "wanted"), VOLUMES, ids=["none", "secret", "configMap", "hostPath", "projected", "downwardAPI"]
)
def test_volumes_are_filled_in(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    obj: dict[str, Any] = {"spec": {"containers": [], "volumes": [{"name": "v", **given}]}}
    pod.default(obj)
    assert obj["spec"]["volumes"] == [{"name": "v", **wanted}]


def test_a_pod_on_the_hosts_network_has_its_ports_there() -> None:
    obj: dict[str, Any] = {
        "spec": {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}
    }
    pod.default(obj)
    assert obj["spec"]["containers"][0]["ports"][0]["hostPort"] == 80


@pytest.mark.parametrize("name", ["serviceAccount", "serviceAccountName"])
def test_both_names_of_the_service_account_agree(name: str) -> None:
    obj: dict[str, Any] = {"spec": {"containers": [], name: "bob"}}
    pod.default(obj)
    assert (obj["spec"]["serviceAccount"], obj["spec"]["serviceAccountName"]) == ("bob", "bob")


QOS = [
    ({}, "BestEffort"),
    ({"requests": {"cpu": "1"}}, "Burstable"),
    ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
    (
        {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}},
        "Guaranteed",
    ),
]


@pytest.mark.parametrize(("resources", "wanted"), QOS)
def test_a_new_pod_is_pending_with_its_class_of_service(resources: dict[str, Any], wanted: str) -> None:
    obj: dict[str, Any] = {
        "spec": {"containers": [{"name": "a", "image": "b", "resources": resources}]},
        "status": {"phase": "Running"},
    }
    pod.default(obj)
    pod.prepare_create(obj)
    assert obj["status"] == {"phase": "Pending", "qosClass": wanted}


def test_a_gated_pod_says_so() -> None:
    obj: dict[str, Any] = {"spec": {"containers": [], "schedulingGates": [{"name": "example.com/g"}]}}
    pod.prepare_create(obj)
    assert obj["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_fields_behind_closed_gates_are_dropped_unless_in_use() -> None:
    spec = {"hostUsers": False, "containers": [{"name": "a", "resizePolicy": [{"resourceName": "cpu"}]}]}
    obj: dict[str, Any] = {"spec": dict(spec.items())}
    pod.prepare_create(obj)
    assert "hostUsers" not in obj["spec"]
    assert "resizePolicy" not in obj["spec"]["containers"][0]
    old: dict[str, Any] = {"spec": {"hostUsers": False, "containers": []}}
    new: dict[str, Any] = {"spec": {"hostUsers": False, "containers": []}}
    pod.prepare_update(new, old)
    assert new["spec"]["hostUsers"] is False


def test_volumes_of_images_are_dropped_with_their_mounts() -> None:
    mounts = [{"name": "i", "mountPath": "/i", "subPath": "x"}, {"name": "e", "mountPath": "/e"}]
    volumes = [{"name": "i", "image": {"reference": "r"}}, {"name": "e", "emptyDir": {}}]
    spec = {"containers": [{"name": "a", "volumeMounts": mounts}], "volumes": volumes}
    new: dict[str, Any] = {"spec": {"template": {"spec": copy.deepcopy(spec)}}}
    deployment.prepare_create(new)
    left = new["spec"]["template"]["spec"]
    assert left == {"containers": [{"name": "a", "volumeMounts": mounts[1:]}], "volumes": volumes[1:]}
    used: dict[str, Any] = {"spec": {"template": {"spec": copy.deepcopy(spec)}}}
    deployment.prepare_update(used, copy.deepcopy(used))
    assert used["spec"]["template"]["spec"] == spec


def test_proc_is_mounted_as_by_default() -> None:
    new: dict[str, Any] = {
        "spec": {"containers": [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]}
    }
    pod.prepare_create(new)
    assert new["spec"]["containers"][0]["securityContext"] == {"procMount": "Default"}


def test_label_keys_become_part_of_the_selector() -> None:
    term = {"labelSelector": {}, "matchLabelKeys": ["v"], "topologyKey": "zone"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    obj: dict[str, Any] = {
        "metadata": {"labels": {"v": "1"}},
        "spec": {"containers": [], "affinity": affinity},
    }
    pod.prepare_create(obj)
    assert term["labelSelector"] == {"matchExpressions": [{"key": "v", "operator": "In", "values": ["1"]}]}
