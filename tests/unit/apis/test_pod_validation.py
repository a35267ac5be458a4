"""Pods that Kubernetes refuses are refused with its texts, all at once and in its order."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apis.core_v1 import pod

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def errors_of(container: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    obj: dict[str, Any] = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "nginx", **(container or {})}], **spec},
    }
    pod.default(obj)
    pod.prepare_create(obj)
    return [str(e) for e in pod.validate(obj)]


C = "spec.containers[0]"
CONTAINERS = [
    pytest.param({"name": ""}, [f"{C}.name: Required value"], id="no name"),
    pytest.param({"name": "A_b"}, [f'{C}.name: Invalid value: "A_b": {LABEL}'], id="bad name"),
    pytest.param({"image": ""}, [f"{C}.image: Required value"], id="no image"),
    pytest.param(
        {"image": " nginx"},
        [f'{C}.image: Invalid value: " nginx": must not have leading or trailing whitespace'],
        id="padded image",
    ),
    pytest.param(
        {"ports": [{"containerPort": 70000}, {"containerPort": 80, "name": "TooLongPortNameIndeed"}]},
        [
            f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            f'{C}.ports[1].name: Invalid value: "TooLongPortNameIndeed": must be no more than 15 characters',
            (
                f'{C}.ports[1].name: Invalid value: "TooLongPortNameIndeed": must contain only alpha-numeric characters '
                "(a-z, 0-9), and hyphens (-)"
            ),
        ],
        id="ports",
    ),
    pytest.param(
        {"ports": [{"name": "a", "containerPort": 1}, {"name": "a", "containerPort": 2}]},
        [f'{C}.ports[1].name: Duplicate value: "a"'],
        id="port name twice",
    ),
    pytest.param(
        {"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
        [f'{C}.ports[1].hostPort: Duplicate value: "TCP//9"'],
        id="host port twice",
    ),
    pytest.param(
        {"ports": [{"containerPort": 1, "protocol": "ICMP"}]},
        [f'{C}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
        id="protocol",
    ),
    pytest.param({"env": [{"value": "x"}]}, [f"{C}.env[0].name: Required value"], id="env without a name"),
    pytest.param(
        {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        id="env with two values",
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]},
        [
            (
                f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: '
                '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
                '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
            )
        ],
        id="env of an unknown field",
    ),
    pytest.param(
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]},
        [f"{C}.env[0].valueFrom.secretKeyRef.key: Required value"],
        id="env without a key",
    ),
    pytest.param(
        {"envFrom": [{"prefix": "P_"}]},
        [f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
        id="envFrom nothing",
    ),
    pytest.param(
        {"volumeMounts": [{"name": "nosuch", "mountPath": "/x"}]},
        [f'{C}.volumeMounts[0].name: Not found: "nosuch"'],
        id="mount without a volume",
    ),
    pytest.param(
        {"imagePullPolicy": "Foo"},
        [
            f'{C}.imagePullPolicy: Unsupported value: "Foo": supported values: "Always", "IfNotPresent", "Never"'
        ],
        id="pull policy",
    ),
    pytest.param(
        {"resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "512Mi"}}},
        [
            f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
            f'{C}.resources.requests: Invalid value: "1Gi": must be less than or equal to memory limit of 512Mi',
        ],
        id="requests above limits",
    ),
    pytest.param(
        {"resources": {"limits": {"cpu": "-1"}}},
        [
            f'{C}.resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            f'{C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ],
        id="negative amount",
    ),
    pytest.param(
        {"resources": {"requests": {"gpu": "1"}}},
        [
            f'{C}.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
            f'{C}.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
        ],
        id="unknown resource",
    ),
    pytest.param(
        {"resources": {"requests": {"nvidia.com/gpu": "1"}}},
        [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"],
        id="device without a limit",
    ),
    pytest.param(
        {"livenessProbe": {"successThreshold": 2}},
        [
            f"{C}.livenessProbe: Required value: must specify a handler type",
            f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
        id="probe without a handler",
    ),
    pytest.param(
        {"readinessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}, "periodSeconds": -1}},
        [
            f"{C}.readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            f"{C}.readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ],
        id="probe with two handlers",
    ),
    pytest.param(
        {"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}},
        [
            (
                f"{C}.lifecycle.preStop.sleep: Invalid value: 60: must be greater than 0 and less than "
                "terminationGracePeriodSeconds (30). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero "
                "sleep."
            )
        ],
        id="sleep too long",
    ),
    pytest.param(
        {"restartPolicy": "Always"},
        [f"{C}.restartPolicy: Forbidden: may not be set for non-init containers"],
        id="restart policy of a container",
    ),
    pytest.param(
        {"securityContext": {"runAsUser": -1}},
        [f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
        id="user",
    ),
    pytest.param(
        {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
        [
            (
                f"{C}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
                "Localhost"
            )
        ],
        id="seccomp",
    ),
]


@pytest.mark.parametrize(("container", "wanted"), CONTAINERS)
def test_a_bad_container_is_refused(container: dict[str, Any], wanted: list[str]) -> None:
    assert errors_of(container) == wanted


SPECS: list[Any] = [
    pytest.param({"containers": []}, ["spec.containers: Required value"], id="no containers"),
    pytest.param(
        {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]},
        ['spec.containers[1].name: Duplicate value: "a"'],
        id="name twice",
    ),
    pytest.param(
        {"initContainers": [{"name": "a", "image": "x", "livenessProbe": {"exec": {"command": ["a"]}}}]},
        [
            'spec.initContainers[0].name: Duplicate value: "a"',
            (
                "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
                "restartPolicy=Always"
            ),
        ],
        id="init container",
    ),
    pytest.param(
        {"initContainers": [{"name": "s", "image": "x", "restartPolicy": "Never"}]},
        ['spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        id="sidecar policy",
    ),
    pytest.param(
        {"ephemeralContainers": [{"name": "e", "image": "x"}]},
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        id="ephemeral container",
    ),
    pytest.param(
        {"restartPolicy": "Sometimes"},
        [
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'
        ],
        id="restart policy",
    ),
    pytest.param(
        {"dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
        id="dns policy without a config",
    ),
    pytest.param(
        {"dnsConfig": {"nameservers": ["1.2.3"], "options": [{"value": "x"}]}},
        [
            (
                'spec.dnsConfig.nameservers[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or '
                "2001:db8::ffff)"
            ),
            "spec.dnsConfig.options[0]: Required value: must not be empty",
        ],
        id="dns config",
    ),
    pytest.param(
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        id="deadline",
    ),
    pytest.param({"hostname": "A"}, [f'spec.hostname: Invalid value: "A": {LABEL}'], id="hostname"),
    pytest.param(
        {"tolerations": [{"operator": "Equal"}, {"key": "a", "operator": "Exists", "value": "b"}]},
        [
            (
                'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which '
                'means "match all values and all keys"'
            ),
            "spec.tolerations[1].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
        ],
        id="tolerations",
    ),
    pytest.param(
        {"nodeSelector": {"a": "b c"}},
        [
            (
                'spec.nodeSelector: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric '
                "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
                "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            )
        ],
        id="node selector",
    ),
    pytest.param(
        {
            "affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
            }
        },
        [
            (
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
                "Required value: must have at least one node selector term"
            )
        ],
        id="node affinity",
    ),
    pytest.param(
        {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Never"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            (
                'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: '
                '"DoNotSchedule", "ScheduleAnyway"'
            ),
        ],
        id="topology spread",
    ),
    pytest.param(
        {"hostAliases": [{"ip": "x", "hostnames": ["a"]}]},
        [
            (
                'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or '
                "2001:db8::ffff)"
            )
        ],
        id="host aliases",
    ),
    pytest.param(
        {"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}},
        ["spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod"],
        id="linux options on windows",
    ),
    pytest.param(
        {"schedulingGates": [{"name": "a"}, {"name": "a"}], "nodeName": "n"},
        [
            'spec.schedulingGates[1]: Duplicate value: "a"',
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ],
        id="gates",
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), SPECS)
def test_a_bad_spec_is_refused(spec: dict[str, Any], wanted: list[str]) -> None:
    assert errors_of(**spec) == wanted


VOLUMES = [
    ({"name": "", "emptyDir": {}}, ["spec.volumes[0].name: Required value"]),
    (
        {"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}},
        ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    ({"name": "v", "secret": {}}, ["spec.volumes[0].secret.secretName: Required value"]),
    (
        {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}},
        ["spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"],
    ),
    (
        {"name": "v", "hostPath": {"path": "/x", "type": "Foo"}},
        [
            (
                'spec.volumes[0].hostPath.type: Unsupported value: "Foo": supported values: "", "BlockDevice", '
                '"CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'
            )
        ],
    ),
    (
        {"name": "v", "persistentVolumeClaim": {}},
        ["spec.volumes[0].persistentVolumeClaim.claimName: Required value"],
    ),
    (
        {"name": "v", "projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "b"}}]}},
        [
            "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"
        ],
    ),
    (
        {"name": "v", "nfs": {"server": "s", "path": "x"}},
        ['spec.volumes[0].nfs.path: Invalid value: "x": must be an absolute path'],
    ),
]


@pytest.mark.parametrize(("volume", "wanted"), VOLUMES)
def test_a_bad_volume_is_refused(volume: dict[str, Any], wanted: list[str]) -> None:
    assert errors_of(volumes=[volume]) == wanted


def test_a_good_pod_is_accepted() -> None:
    assert (
        errors_of(
            {
                "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                    {
                        "name": "M",
                        "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
                    },
                ],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b"}],
                "resources": {
                    "requests": {"cpu": "100m"},
                    "limits": {"memory": "1Gi", "nvidia.com/gpu": "1"},
                },
                "readinessProbe": {
                    "httpGet": {"port": "http", "httpHeaders": [{"name": "X-A", "value": "b"}]}
                },
                "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
            },
            volumes=[{"name": "v"}, {"name": "p", "projected": {"sources": [{"configMap": {"name": "c"}}]}}],
            initContainers=[
                {
                    "name": "s",
                    "image": "x",
                    "restartPolicy": "Always",
                    "startupProbe": {"tcpSocket": {"port": 1}},
                }
            ],
            tolerations=[{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}],
        )
        == []
    )
