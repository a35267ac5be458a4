"""Pods that are likely wrong are made, with a warning."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apimachinery.field import Path
from kubesim.apis.podtemplate_warnings import (
    warnings_for_pod,
    warnings_for_pod_template,
    warnings_for_workload,
)


def container(**parts: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", **parts}]}}


WARNINGS = [
    pytest.param(
        container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        [
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
        ],
        id="env twice",
    ),
    pytest.param(
        container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]),
        [],
        id="env built on itself",
    ),
    pytest.param(
        container(ports=[{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]),
        ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
        id="port twice",
    ),
    pytest.param(
        container(resources={"limits": {"memory": "100m"}}),
        [
            'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer'
        ],
        id="part of a byte",
    ),
    pytest.param(
        {"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}},
        ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
        id="old label",
    ),
    pytest.param(
        {"spec": {"volumes": [{"name": "g", "gitRepo": {"repository": "r"}}]}},
        ["spec.volumes[0].gitRepo: deprecated in v1.11"],
        id="old volume",
    ),
    pytest.param(
        {"spec": {"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]}},
        [
            'spec.imagePullSecrets[1].name: duplicate name "a"',
            'spec.imagePullSecrets[2].name: invalid empty name ""',
        ],
        id="secrets",
    ),
    pytest.param(
        {"spec": {"topologySpreadConstraints": [{"topologyKey": "zone"}]}},
        ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
        id="no selector",
    ),
]


@pytest.mark.parametrize(("obj", "wanted"), WARNINGS)
def test_warnings_of_pods(obj: dict[str, Any], wanted: list[str]) -> None:
    assert warnings_for_pod(obj, None) == wanted


def test_paths_of_a_template_begin_with_its_own() -> None:
    found = warnings_for_pod_template(
        {"spec": {"volumes": [{"gitRepo": {}}]}}, Path("spec").child("template")
    )
    assert found == ["spec.template.spec.volumes[0].gitRepo: deprecated in v1.11"]


def test_a_workload_is_warned_of_once() -> None:
    obj = {"spec": {"template": {"spec": {"volumes": [{"gitRepo": {}}]}}}}
    assert len(warnings_for_workload(obj, None)) == 1
    assert warnings_for_workload(obj, obj) == []
