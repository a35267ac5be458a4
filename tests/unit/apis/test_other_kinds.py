"""The kinds beside pods and workloads: defaults, refusals and rows as Kubernetes has them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.rest import UserInfo
from kubesim.apimachinery.scheme import Resource
from kubesim.apis.builtin import builtin_resources
from kubesim.apis.horizontalpodautoscaling import to_v1, to_v2

NOW = datetime(2026, 11, 23, 2, 48, 40, tzinfo=UTC)
KINDS: dict[GroupVersionKind, Resource] = {r.gvk: r for r in builtin_resources("1.32")}


def resource(kind: str, version: str = "") -> Resource:
    return next(r for gvk, r in KINDS.items() if gvk.kind == kind and version in ("", gvk.version))


def made(kind: str, version: str = "", **fields: Any) -> dict[str, Any]:
    found = resource(kind, version)
    metadata = {"name": "x", "creationTimestamp": "2026-11-23T02:48:34Z", **fields.pop("metadata", {})}
    obj = {"apiVersion": found.api_version, "kind": kind, "metadata": metadata, **copy.deepcopy(fields)}
    found.default(obj)
    found.prepare_create(obj)
    return obj


BACKEND = {"service": {"name": "many", "port": {"number": 80}}}
RULE = {
    "host": "a.example.com",
    "http": {"paths": [{"path": "/x", "pathType": "Prefix", "backend": BACKEND}]},
}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "dep"}
CRD = {
    "group": "example.com",
    "scope": "Namespaced",
    "names": {"plural": "foos", "kind": "Foo"},
    "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    ],
}

ROWS: list[Any] = [
    (
        "Ingress",
        {"spec": {"rules": [RULE], "tls": [{}]}},
        {},
        ["x", "<none>", "a.example.com", "", "80, 443", "6s"],
    ),
    (
        "Ingress",
        {"spec": {"ingressClassName": "c", "defaultBackend": BACKEND}},
        {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}},
        ["x", "c", "*", "1.2.3.4,h", "80", "6s"],
    ),
    (
        "IngressClass",
        {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "apiGroup": "g"}}},
        None,
        ["x", "a.b/c", "K.g/n", "6s"],
    ),
    ("NetworkPolicy", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}, None, ["x", "a=b", "6s"]),
    (
        "PodDisruptionBudget",
        {"spec": {"minAvailable": 1}},
        {"disruptionsAllowed": 4},
        ["x", "1", "N/A", 4, "6s"],
    ),
    (
        "ResourceQuota",
        {"spec": {}},
        {
            "hard": {"pods": "50", "services": "20", "limits.cpu": "2"},
            "used": {"pods": "18", "services": "5"},
        },
        ["x", "6s", "pods: 18/50, services: 5/20", "limits.cpu: 0/2"],
    ),
    (
        "PersistentVolumeClaim",
        {"spec": CLAIM},
        {"phase": "Pending"},
        ["x", "Pending", "", "", "", "", "<unset>", "6s", "Filesystem"],
    ),
    (
        "PersistentVolumeClaim",
        {"spec": {**CLAIM, "volumeName": "v", "storageClassName": "s"}},
        {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]},
        ["x", "Bound", "v", "2Gi", "RWO,RWX", "s", "<unset>", "6s", "Filesystem"],
    ),
    (
        "PersistentVolume",
        {
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadOnlyMany"],
                "hostPath": {"path": "/x"},
                "claimRef": {"namespace": "n", "name": "c"},
            }
        },
        {"phase": "Bound"},
        ["x", "1Gi", "ROX", "Retain", "Bound", "n/c", "", "<unset>", "", "6s", "Filesystem"],
    ),
    (
        "HorizontalPodAutoscaler",
        {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET}},
        {},
        ["x", "Deployment/dep", "cpu: <unknown>/80%", "1", "3", 0, "6s"],
    ),
    ("PriorityClass", {"value": 1000}, None, ["x", 1000, False, "6s", "PreemptLowerPriority"]),
    (
        "RoleBinding",
        {
            "roleRef": {"kind": "Role", "name": "r1"},
            "subjects": [
                {"kind": "User", "name": "jane"},
                {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
            ],
        },
        None,
        ["x", "Role/r1", "6s", "jane", "", "n/s"],
    ),
    ("StorageClass", {"provisioner": "p.io/p"}, None, ["x", "p.io/p", "Delete", "Immediate", False, "6s"]),
    (
        "StorageClass",
        {
            "provisioner": "p.io/p",
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        },
        None,
        ["x (default)", "p.io/p", "Delete", "Immediate", False, "6s"],
    ),
    ("CSIDriver", {"spec": {}}, None, ["x", True, False, False, "<unset>", False, "Persistent", "6s"]),
    ("CSINode", {"spec": {"drivers": [{}, {}]}}, None, ["x", 2, "6s"]),
    (
        "VolumeAttachment",
        {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
        None,
        ["x", "a", "v", "n", False, "6s"],
    ),
    ("Lease", {"spec": {"holderIdentity": "h"}}, None, ["x", "h", "6s"]),
    ("RuntimeClass", {"handler": "h"}, None, ["x", "h", "6s"]),
    ("ValidatingWebhookConfiguration", {"webhooks": [{"name": "a"}]}, None, ["x", 1, "6s"]),
    (
        "ValidatingAdmissionPolicy",
        {"spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}},
        {},
        ["x", 0, "v1/ConfigMap", "6s"],
    ),
    ("ValidatingAdmissionPolicyBinding", {"spec": {"policyName": "p"}}, None, ["x", "p", "<unset>", "6s"]),
    (
        "CertificateSigningRequest",
        {"spec": {"signerName": "a.b/c", "username": "u", "expirationSeconds": 3600}},
        {"conditions": [{"type": "Approved"}], "certificate": "x"},
        ["x", "6s", "a.b/c", "u", "60m", "Approved,Issued"],
    ),
    (
        "APIService",
        {"spec": {"service": {"namespace": "n", "name": "s"}}},
        {"conditions": [{"type": "Available", "status": "False", "reason": "Gone"}]},
        ["x", "n/s", "False (Gone)", "6s"],
    ),
    (
        "FlowSchema",
        {"spec": {"priorityLevelConfiguration": {"name": "p"}}},
        {},
        ["x", "p", 1000, "<none>", "6s", "?"],
    ),
    (
        "PriorityLevelConfiguration",
        {"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}},
        {},
        ["x", "Limited", 30, 64, 8, 50, "6s"],
    ),
    (
        "ComponentStatus",
        {"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]},
        None,
        ["x", "Healthy", "ok", ""],
    ),
]


@pytest.mark.parametrize(("kind", "fields", "status", "wanted"), ROWS, ids=[r[0] for r in ROWS])
def test_rows(kind: str, fields: dict[str, Any], status: dict[str, Any] | None, wanted: list[Any]) -> None:
    obj = made(kind, **copy.deepcopy(fields))
    if status is not None:
        obj["status"] = status
    cells = resource(kind).cells
    assert cells is not None
    assert cells(obj, NOW) == wanted


@pytest.mark.parametrize("kind", ["Role", "ClusterRole", "LimitRange", "CustomResourceDefinition"])
def test_kinds_without_a_printer_show_when_they_were_made(kind: str) -> None:
    assert [c.name for c in resource(kind).columns] == ["Name", "Created At"]


TITLES = {
    "Pod": "Name Ready Status Restarts Age IP Node Nominated-Node Readiness-Gates",
    "Job": "Name Status Completions Duration Age Containers Images Selector",
    "CronJob": "Name Schedule Timezone Suspend Active Last-Schedule Age Containers Images Selector",
    "ResourceQuota": "Name Age Request Limit",
    "PriorityClass": "Name Value Global-Default Age PreemptionPolicy",
    "PersistentVolumeClaim": (
        "Name Status Volume Capacity Access-Modes StorageClass VolumeAttributesClass Age VolumeMode"
    ),
}


@pytest.mark.parametrize("kind", TITLES)
def test_titles_stand_in_kubernetes_order(kind: str) -> None:
    assert " ".join(c.name.replace(" ", "-") for c in resource(kind).columns) == TITLES[kind]


BAD: list[Any] = [
    pytest.param(
        "Ingress",
        {"spec": {}},
        [
            "spec: Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be specified"
        ],
        id="empty ingress",
    ),
    pytest.param(
        "Ingress",
        {
            "spec": {
                "rules": [
                    {
                        "host": "1.2.3.4",
                        "http": {"paths": [{"path": "x", "pathType": "Exact", "backend": {}}]},
                    }
                ]
            }
        },
        [
            'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
            'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
            'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
        ],
        id="ingress rule",
    ),
    pytest.param(
        "Ingress",
        {"spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": BACKEND}]}}]}},
        ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
        id="path type",
    ),
    pytest.param(
        "NetworkPolicy",
        {
            "spec": {
                "ingress": [
                    {"from": [{}]},
                    {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]},
                ]
            }
        },
        [
            "spec.ingress[0].from[0]: Required value: must specify a peer",
            'spec.ingress[1].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
        ],
        id="network policy",
    ),
    pytest.param(
        "HorizontalPodAutoscaler",
        {"spec": {"maxReplicas": 0, "scaleTargetRef": {"kind": "Deployment"}}},
        [
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            "spec.scaleTargetRef.name: Required value",
        ],
        id="autoscaler",
    ),
    pytest.param(
        "PodDisruptionBudget",
        {"spec": {"minAvailable": "101%"}},
        [
            (
                'spec.minAvailable: Invalid value: intstr.IntOrString{Type:1, IntVal:0, StrVal:"101%"}: must not be greater '
                "than 100%"
            )
        ],
        id="budget",
    ),
    pytest.param(
        "Role",
        {"rules": [{"resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
        [
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            'rules[1].nonResourceURLs: Invalid value: []string{"/x"}: namespaced rules cannot apply to non-resource URLs',
        ],
        id="role",
    ),
    pytest.param(
        "ClusterRoleBinding",
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]},
        [
            'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
            "subjects[0].namespace: Required value",
        ],
        id="cluster role binding",
    ),
    pytest.param(
        "PersistentVolumeClaim",
        {"spec": {}},
        [
            "spec.accessModes: Required value: at least 1 access mode is required",
            "spec.resources[storage]: Required value",
        ],
        id="claim",
    ),
    pytest.param(
        "PersistentVolume",
        {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["Foo"]}},
        [
            (
                'spec.accessModes: Unsupported value: "Foo": supported values: "ReadOnlyMany", "ReadWriteMany", '
                '"ReadWriteOnce", "ReadWriteOncePod"'
            ),
            "spec: Required value: must specify a volume type",
        ],
        id="volume",
    ),
    pytest.param(
        "StorageClass",
        {"volumeBindingMode": "Foo"},
        [
            "provisioner: Required value",
            'volumeBindingMode: Unsupported value: "Foo": supported values: "Immediate", "WaitForFirstConsumer"',
        ],
        id="storage class",
    ),
    pytest.param(
        "ResourceQuota",
        {"spec": {"hard": {"foo": "1", "pods": "1500m"}}},
        [
            'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
            'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
            (
                "spec.hard[pods]: Invalid value: resource.Quantity{i:resource.int64Amount{value:1500, scale:-3}, "
                'd:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:"1500m", Format:"DecimalSI"}: must be an integer'
            ),
        ],
        id="quota",
    ),
    pytest.param(
        "ResourceQuota",
        {"spec": {"hard": {"requests.nvidia.com/gpu": "4", "pods": "1"}, "scopes": ["Terminating"]}},
        [],
        id="a scoped quota of what Kubernetes does not know",
    ),
    pytest.param(
        "ResourceQuota",
        {"spec": {"hard": {"services": "4", "limits.ephemeral-storage": "1"}, "scopes": ["PriorityClass"]}},
        [
            (
                'spec.scopes: Invalid value: []core.ResourceQuotaScope{"PriorityClass"}: '
                "unsupported scope applied to resource"
            )
        ]
        * 2,
        id="a scoped quota of what no Pod uses",
    ),
    pytest.param(
        "ResourceQuota",
        {
            "spec": {
                "hard": {"pods": "4"},
                "scopeSelector": {
                    "matchExpressions": [
                        {"scopeName": "BestEffort", "operator": "In", "values": ["x"]},
                        {"scopeName": "NotBestEffort", "operator": "Exists", "values": ["x"]},
                        {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["x"]},
                    ]
                },
            }
        },
        [
            (
                "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exist' when scope is "
                "any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            ),
            (
                'spec.scopeSelector.matchExpressions.values: Invalid value: []string{"x"}: must be no value when '
                "`operator` is 'Exist' or 'DoesNotExist' for scope selector"
            ),
            (
                "spec.scopeSelector.matchExpressions.scopeName: "
                'Invalid value: "VolumeAttributesClass": unsupported scope'
            ),
            (
                "spec.scopeSelector.matchExpressions: Invalid value: []core.ResourceQuotaScope(nil): "
                "conflicting scopes"
            ),
        ],
        id="scope selector",
    ),
    pytest.param(
        "ResourceQuota",
        {
            "spec": {
                "hard": {"cpu": "4"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "Exists"}]},
            }
        },
        [
            (
                "spec.scopeSelector.matchExpressions: Invalid value: core.ScopeSelector{MatchExpressions:"
                "[]core.ScopedResourceSelectorRequirement{core.ScopedResourceSelectorRequirement{"
                'ScopeName:"BestEffort", Operator:"Exists", Values:[]string(nil)}}}: '
                "unsupported scope applied to resource"
            )
        ],
        id="scope selector and resource",
    ),
    pytest.param(
        "LimitRange",
        {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}, {"type": "Pod"}]}},
        [
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
            'spec.limits[1].type: Duplicate value: "Pod"',
        ],
        id="limit range",
    ),
    pytest.param(
        "PriorityClass",
        {"value": 2000000000},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
        id="priority",
    ),
    pytest.param(
        "Lease",
        {"spec": {"leaseDurationSeconds": 0}},
        ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
        id="lease",
    ),
    pytest.param(
        "CustomResourceDefinition",
        {"spec": CRD},
        ['metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group'],
        id="definition",
    ),
    pytest.param(
        "APIService",
        {"spec": {"group": "a.b", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}},
        ['metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.a.b"'],
        id="service of an API",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "wanted"), BAD)
def test_bad_objects_are_refused(kind: str, fields: dict[str, Any], wanted: list[str]) -> None:
    obj = made(kind, **copy.deepcopy(fields))
    assert [str(e) for e in resource(kind).validate(obj)] == wanted


DEFAULTS: list[Any] = [
    ("NetworkPolicy", {"spec": {"egress": [{}]}}, ("spec", "policyTypes"), ["Ingress", "Egress"]),
    (
        "NetworkPolicy",
        {"spec": {"ingress": [{"ports": [{"port": 1}]}]}},
        ("spec", "ingress", 0, "ports", 0, "protocol"),
        "TCP",
    ),
    ("Ingress", {"spec": {}}, ("status",), {"loadBalancer": {}}),
    (
        "LimitRange",
        {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}},
        ("spec", "limits", 0, "defaultRequest"),
        {"cpu": "2"},
    ),
    (
        "RoleBinding",
        {"roleRef": {}, "subjects": [{"kind": "User"}]},
        ("subjects", 0, "apiGroup"),
        "rbac.authorization.k8s.io",
    ),
    ("CustomResourceDefinition", {"spec": CRD}, ("spec", "names", "listKind"), "FooList"),
    ("CustomResourceDefinition", {"spec": CRD}, ("status", "storedVersions"), ["v1"]),
    (
        "PersistentVolumeClaim",
        {"spec": {**CLAIM, "dataSource": {"kind": "PersistentVolumeClaim", "name": "o"}}},
        ("spec", "dataSourceRef", "name"),
        "o",
    ),
    ("MutatingWebhookConfiguration", {"webhooks": [{}]}, ("webhooks", 0, "reinvocationPolicy"), "Never"),
    (
        "HorizontalPodAutoscaler",
        {"spec": {"behavior": {}}},
        ("spec", "behavior", "scaleUp", "policies", 0, "value"),
        4,
    ),
]


@pytest.mark.parametrize(("kind", "fields", "path", "wanted"), DEFAULTS)
def test_defaults(kind: str, fields: dict[str, Any], path: tuple[Any, ...], wanted: Any) -> None:
    found: Any = made(kind, **copy.deepcopy(fields))
    for step in path:
        found = found[step]
    assert found == wanted


def updated(kind: str, fields: dict[str, Any], **changes: Any) -> list[str]:
    old = made(kind, **copy.deepcopy(fields))
    new = copy.deepcopy(old) | changes
    return [str(e) for e in resource(kind).validate_update(new, old)]


def test_what_a_claim_asks_for_stays() -> None:
    found = updated(
        "PersistentVolumeClaim",
        {"spec": CLAIM},
        spec={**CLAIM, "accessModes": ["ReadWriteMany"], "volumeMode": "Filesystem"},
    )
    assert found[0].startswith(
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
        "bound claims\n  core.PersistentVolumeClaimSpec{\n"
    )
    assert '- \tAccessModes: []core.PersistentVolumeAccessMode{"ReadWriteOnce"},\n' in found[0]


def test_a_binding_keeps_its_role() -> None:
    role = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    assert updated("RoleBinding", {"roleRef": role}, roleRef={**role, "name": "s"}) == [
        (
            'roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"s"}: '
            "cannot change roleRef"
        )
    ]


def test_a_storage_class_keeps_its_parameters() -> None:
    assert updated("StorageClass", {"provisioner": "p.io/p"}, parameters={"a": "b"}) == [
        "parameters: Forbidden: updates to parameters are forbidden."
    ]


def test_autoscalers_are_the_same_in_both_versions() -> None:
    spec = {
        "minReplicas": 1,
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 80,
        "scaleTargetRef": TARGET,
    }
    one = {
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "x"},
        "spec": spec,
        "status": {"currentReplicas": 0, "desiredReplicas": 0},
    }
    two = to_v2(one)
    assert two["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }
    ]
    assert to_v1(two) == one
    two["spec"]["metrics"].append({"type": "Pods", "pods": {"metric": {"name": "m"}}})
    assert to_v2(to_v1(two))["spec"] == two["spec"]


def test_certificate_request_says_who_asked_for_it_and_not_what_it_was_told() -> None:
    from kubesim.apis.certificates_v1.certificatesigningrequest import requested_by

    request = {"spec": {"signerName": "a.b/c", "username": "somebody", "uid": "1", "extra": {"a": ["b"]}}}
    requested_by(request, UserInfo("jane", ("team",), extra=(("id", ("x",)),)))
    assert request["spec"] == {
        "signerName": "a.b/c",
        "username": "jane",
        "groups": ["team"],
        "extra": {"id": ["x"]},
    }
