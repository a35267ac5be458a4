"""Which changes of a pod are allowed, and how a refused one is shown."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kubesim.apis.core_v1 import pod

FIELDS = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


@pytest.fixture
def old() -> dict[str, Any]:
    obj: dict[str, Any] = {
        "metadata": {"name": "my-pod"},
        "spec": {
            "containers": [
                {
                    "name": "my-pod",
                    "image": "httpd",
                    "ports": [{"containerPort": 80}],
                    "volumeMounts": [
                        {
                            "name": "kube-api-access-pjzzr",
                            "readOnly": True,
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                        }
                    ],
                }
            ],
            "nodeName": "node-1",
            "priority": 0,
            "preemptionPolicy": "PreemptLowerPriority",
            "serviceAccountName": "default",
            "tolerations": [
                {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            ],
            "volumes": [{"name": "kube-api-access-pjzzr", "emptyDir": {}}],
        },
    }
    pod.default(obj)
    pod.prepare_create(obj)
    return obj


def errors_after(old: dict[str, Any], change: Any) -> list[str]:
    new = copy.deepcopy(old)
    change(new["spec"])
    return [str(e) for e in pod.validate_update(new, old)]


def test_a_changed_restart_policy_is_shown_with_its_surroundings(old: dict[str, Any]) -> None:
    assert errors_after(old, lambda s: s.update(restartPolicy="Never")) == [
        FIELDS + "  core.PodSpec{\n"
        "  \t... // 2 identical fields\n"
        '  \tContainers:                    {{Name: "my-pod", Image: "httpd", Ports: {{ContainerPort: 80, Protocol: '
        '"TCP"}}, VolumeMounts: {{Name: "kube-api-access-pjzzr", ReadOnly: true, MountPath: '
        '"/var/run/secrets/kubernetes.io/serviceaccount"}}, ...}},\n'
        "  \tEphemeralContainers:           nil,\n"
        '- \tRestartPolicy:                 "Always",\n'
        '+ \tRestartPolicy:                 "Never",\n'
        "  \tTerminationGracePeriodSeconds: &30,\n"
        "  \tActiveDeadlineSeconds:         nil,\n"
        "  \t... // 27 identical fields\n"
        "  }\n"
    ]


def test_a_change_inside_a_container_is_shown_where_it_is(old: dict[str, Any]) -> None:
    found = errors_after(old, lambda s: s["containers"][0].update(env=[{"name": "A", "value": "b"}]))
    assert found == [
        FIELDS + "  core.PodSpec{\n"
        '  \tVolumes:        {{Name: "kube-api-access-pjzzr", VolumeSource: {EmptyDir: &{}}}},\n'
        "  \tInitContainers: nil,\n"
        "  \tContainers: []core.Container{\n"
        "  \t\t{\n"
        "  \t\t\t... // 5 identical fields\n"
        '  \t\t\tPorts:        {{ContainerPort: 80, Protocol: "TCP"}},\n'
        "  \t\t\tEnvFrom:      nil,\n"
        "- \t\t\tEnv:          nil,\n"
        '+ \t\t\tEnv:          []core.EnvVar{{Name: "A", Value: "b"}},\n'
        "  \t\t\tResources:    {},\n"
        "  \t\t\tResizePolicy: nil,\n"
        "  \t\t\t... // 14 identical fields\n"
        "  \t\t},\n"
        "  \t},\n"
        "  \tEphemeralContainers: nil,\n"
        '  \tRestartPolicy:       "Always",\n'
        "  \t... // 29 identical fields\n"
        "  }\n"
    ]


def _more_tolerations(spec: dict[str, Any]) -> None:
    spec["tolerations"] = [{**spec["tolerations"][0], "tolerationSeconds": 1}, {"operator": "Exists"}]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["containers"][0].update(image="nginx"),
        lambda s: s.update(activeDeadlineSeconds=10),
        _more_tolerations,
        lambda s: s.update(hostNetwork=False, imagePullSecrets=[]),
    ],
    ids=["image", "deadline", "tolerations", "empty values"],
)
def test_allowed_changes(old: dict[str, Any], change: Any) -> None:
    assert errors_after(old, change) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            lambda s: s["containers"].append({**s["containers"][0], "name": "b"}),
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
        (
            lambda s: s.update(tolerations=[]),
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
        (
            lambda s: s.update(schedulingGates=[{"name": "g"}]),
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'",
        ),
        (lambda s: s["containers"][0].update(image=""), "spec.containers[0].image: Required value"),
    ],
    ids=["container added", "toleration removed", "gate added", "image removed"],
)
def test_refused_changes(old: dict[str, Any], change: Any, wanted: str) -> None:
    assert errors_after(old, change)[0] == wanted


def test_a_deadline_only_gets_shorter(old: dict[str, Any]) -> None:
    old["spec"]["activeDeadlineSeconds"] = 5
    assert errors_after(old, lambda s: s.update(activeDeadlineSeconds=9)) == [
        "spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value"
    ]
    assert errors_after(old, lambda s: s.pop("activeDeadlineSeconds"))[0] == (
        'spec.activeDeadlineSeconds: Invalid value: "null": must not update from a positive integer to nil value'
    )


def test_a_gated_pod_may_be_narrowed(old: dict[str, Any]) -> None:
    old["spec"]["schedulingGates"] = [{"name": "g"}]
    old["spec"]["nodeSelector"] = {"a": "1"}
    assert errors_after(old, lambda s: s.update(nodeSelector={"a": "1", "b": "2"})) == []
    assert errors_after(old, lambda s: s.update(nodeSelector={"b": "2"})) == [
        (
            'spec.nodeSelector: Invalid value: map[string]string{"b":"2"}: only additions to spec.nodeSelector are allowed '
            "(no mutations or deletions)"
        )
    ]


def test_ephemeral_containers_stay(old: dict[str, Any]) -> None:
    old["spec"]["ephemeralContainers"] = [{"name": "e", "image": "x"}]
    pod.default(old)
    removed = copy.deepcopy(old)
    del removed["spec"]["ephemeralContainers"]
    assert [str(e) for e in pod.validate_ephemeral_containers_update(removed, old)] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed\n'
    ]
    changed = copy.deepcopy(old)
    changed["spec"]["ephemeralContainers"][0]["image"] = "y"
    (error,) = pod.validate_ephemeral_containers_update(changed, old)
    assert '- \t\tImage:   "x",\n' in error.detail


def test_a_resize_changes_compute_resources_alone(old: dict[str, Any]) -> None:
    old["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    good, bad = copy.deepcopy(old), copy.deepcopy(old)
    good["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
    bad["spec"]["containers"][0]["resources"] = {"requests": {"memory": "1Gi"}}
    assert pod.validate_resize_update(good, old) == []
    assert [str(e) for e in pod.validate_resize_update(bad, old)] == [
        "spec.containers[0].resources.requests: Forbidden: request cannot be removed"
    ]


def test_a_container_that_ended_does_not_come_back(old: dict[str, Any]) -> None:
    old["spec"]["restartPolicy"] = "Never"
    old["status"] = {"containerStatuses": [{"name": "my-pod", "state": {"terminated": {"exitCode": 0}}}]}
    new = copy.deepcopy(old)
    new["status"] = {
        "containerStatuses": [{"name": "my-pod", "state": {"running": {}}}],
        "qosClass": "Guaranteed",
    }
    assert [str(e) for e in pod.validate_status_update(new, old)] == [
        'status.qosClass: Invalid value: "Guaranteed": field is immutable',
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
    ]


def test_a_status_update_keeps_the_spec_and_the_class(old: dict[str, Any]) -> None:
    new: dict[str, Any] = {
        "metadata": {"name": "my-pod", "labels": {"a": "b"}},
        "status": {"phase": "Running"},
    }
    pod.prepare_status_update(new, old)
    assert new["spec"] is old["spec"]
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert new["metadata"]["labels"] == {"a": "b"}
