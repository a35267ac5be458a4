"""The order of fields, where dicts have to look like Go's structs."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.cli.structorder import in_struct_order


# In the order of types.go in k8s.io/api.
@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": "a",
                    "namespace": "b",
                    "uid": "c",
                    "creationTimestamp": None,
                    "labels": {"a": "", "b": ""},
                    "ownerReferences": [
                        {"apiVersion": "", "kind": "", "name": "", "uid": "", "controller": True}
                    ],
                },
                "spec": {
                    "volumes": [{"name": "", "configMap": {"name": "", "items": [{"key": "", "path": ""}]}}],
                    "containers": [
                        {
                            "name": "",
                            "image": "",
                            "command": [],
                            "ports": [{"name": "", "hostPort": 1, "containerPort": 1, "protocol": ""}],
                            "env": [{"name": "", "value": ""}],
                            "resources": {"limits": {"cpu": "1", "memory": "1"}, "requests": {}},
                            "volumeMounts": [{"name": "", "readOnly": True, "mountPath": ""}],
                            "livenessProbe": {
                                "httpGet": {"path": "", "port": 1, "host": "", "scheme": ""},
                                "initialDelaySeconds": 1,
                                "periodSeconds": 1,
                            },
                            "imagePullPolicy": "",
                            "securityContext": {"privileged": True, "runAsUser": 1},
                            "tty": True,
                        }
                    ],
                    "restartPolicy": "",
                    "activeDeadlineSeconds": 1,
                    "nodeSelector": {"a": "", "b": ""},
                    "tolerations": [{"key": "", "operator": "", "value": "", "effect": ""}],
                },
                "status": {},
            },
            id="pod",
        ),
        pytest.param(
            {
                "kind": "Job",
                "spec": {
                    "completions": 1,
                    "activeDeadlineSeconds": 1,
                    "selector": {"matchLabels": {"a": ""}, "matchExpressions": [{"key": "", "operator": ""}]},
                    "template": {"spec": {"containers": []}},
                    "suspend": True,
                },
            },
            id="job",
        ),
        pytest.param(
            {
                "kind": "Service",
                "spec": {
                    "ports": [{"name": "", "protocol": "", "port": 1, "targetPort": 1, "nodePort": 1}],
                    "selector": {"a": "", "b": ""},
                    "clusterIP": "",
                    "type": "",
                    "sessionAffinity": "",
                    "ipFamilies": [],
                    "internalTrafficPolicy": "",
                },
                "status": {"loadBalancer": {"ingress": [{"ip": "", "hostname": ""}]}},
            },
            id="service",
        ),
        pytest.param(
            {
                "kind": "RoleBinding",
                "subjects": [{"kind": "", "apiGroup": "", "name": "", "namespace": ""}],
                "roleRef": {"apiGroup": "", "kind": "", "name": ""},
            },
            id="rolebinding",
        ),
        pytest.param(
            {"kind": "Odd", "spec": {"type": "", "aardvark": 1, "zebra": 2}}, id="unknown-last-by-name"
        ),
    ],
)
def test_fields_stand_as_in_the_struct(obj: dict[str, Any]) -> None:
    assert list(_flat(in_struct_order(_turned(obj)))) == list(_flat(obj))


def _turned(value: Any) -> Any:
    """The same value, the keys in the opposite order."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(item) for item in value] if isinstance(value, list) else value


def _flat(value: Any, path: str = "") -> Any:
    """The paths of a value in their order."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _flat(item, f"{path}.{key}")
