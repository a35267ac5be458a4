"""The scheme as a whole: which kinds there are, and that none is loaded before it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from kubesim.apimachinery.scheme import Resource
from kubesim.apis import build_scheme
from kubesim.apis.catalog import catalogue
from kubesim.apis.lazy import DeferredResource, lazy

# `kubectl api-resources` of a 1.32 cluster: name, short names, version, namespaced, kind; kubectl sorts it.
RECORDED = """
bindings||v1|true|Binding
componentstatuses|cs|v1|false|ComponentStatus
configmaps|cm|v1|true|ConfigMap
endpoints|ep|v1|true|Endpoints
events|ev|v1|true|Event
limitranges|limits|v1|true|LimitRange
namespaces|ns|v1|false|Namespace
nodes|no|v1|false|Node
persistentvolumeclaims|pvc|v1|true|PersistentVolumeClaim
persistentvolumes|pv|v1|false|PersistentVolume
pods|po|v1|true|Pod
podtemplates||v1|true|PodTemplate
replicationcontrollers|rc|v1|true|ReplicationController
resourcequotas|quota|v1|true|ResourceQuota
secrets||v1|true|Secret
serviceaccounts|sa|v1|true|ServiceAccount
services|svc|v1|true|Service
mutatingwebhookconfigurations||admissionregistration.k8s.io/v1|false|MutatingWebhookConfiguration
validatingadmissionpolicies||admissionregistration.k8s.io/v1|false|ValidatingAdmissionPolicy
validatingadmissionpolicybindings||admissionregistration.k8s.io/v1|false|ValidatingAdmissionPolicyBinding
validatingwebhookconfigurations||admissionregistration.k8s.io/v1|false|ValidatingWebhookConfiguration
customresourcedefinitions|crd,crds|apiextensions.k8s.io/v1|false|CustomResourceDefinition
apiservices||apiregistration.k8s.io/v1|false|APIService
controllerrevisions||apps/v1|true|ControllerRevision
daemonsets|ds|apps/v1|true|DaemonSet
deployments|deploy|apps/v1|true|Deployment
replicasets|rs|apps/v1|true|ReplicaSet
statefulsets|sts|apps/v1|true|StatefulSet
selfsubjectreviews||authentication.k8s.io/v1|false|SelfSubjectReview
tokenreviews||authentication.k8s.io/v1|false|TokenReview
localsubjectaccessreviews||authorization.k8s.io/v1|true|LocalSubjectAccessReview
selfsubjectaccessreviews||authorization.k8s.io/v1|false|SelfSubjectAccessReview
selfsubjectrulesreviews||authorization.k8s.io/v1|false|SelfSubjectRulesReview
subjectaccessreviews||authorization.k8s.io/v1|false|SubjectAccessReview
horizontalpodautoscalers|hpa|autoscaling/v2|true|HorizontalPodAutoscaler
cronjobs|cj|batch/v1|true|CronJob
jobs||batch/v1|true|Job
certificatesigningrequests|csr|certificates.k8s.io/v1|false|CertificateSigningRequest
leases||coordination.k8s.io/v1|true|Lease
endpointslices||discovery.k8s.io/v1|true|EndpointSlice
events|ev|events.k8s.io/v1|true|Event
flowschemas||flowcontrol.apiserver.k8s.io/v1|false|FlowSchema
prioritylevelconfigurations||flowcontrol.apiserver.k8s.io/v1|false|PriorityLevelConfiguration
ingressclasses||networking.k8s.io/v1|false|IngressClass
ingresses|ing|networking.k8s.io/v1|true|Ingress
networkpolicies|netpol|networking.k8s.io/v1|true|NetworkPolicy
runtimeclasses||node.k8s.io/v1|false|RuntimeClass
poddisruptionbudgets|pdb|policy/v1|true|PodDisruptionBudget
clusterrolebindings||rbac.authorization.k8s.io/v1|false|ClusterRoleBinding
clusterroles||rbac.authorization.k8s.io/v1|false|ClusterRole
rolebindings||rbac.authorization.k8s.io/v1|true|RoleBinding
roles||rbac.authorization.k8s.io/v1|true|Role
priorityclasses|pc|scheduling.k8s.io/v1|false|PriorityClass
csidrivers||storage.k8s.io/v1|false|CSIDriver
csinodes||storage.k8s.io/v1|false|CSINode
csistoragecapacities||storage.k8s.io/v1|true|CSIStorageCapacity
storageclasses|sc|storage.k8s.io/v1|false|StorageClass
volumeattachments||storage.k8s.io/v1|false|VolumeAttachment
""".strip().splitlines()


def shown(r: Resource) -> str:
    return "|".join((r.plural, ",".join(r.short_names), r.api_version, str(r.namespaced).lower(), r.kind))


def test_the_resources_of_1_32_are_those_of_a_real_cluster() -> None:
    resources = build_scheme("1.32").resources
    preferred = [r for r in resources if r.api_version != "autoscaling/v1"]
    assert sorted(map(shown, preferred)) == sorted(RECORDED)
    assert len(preferred) == len(resources) - 1


def test_the_core_group_comes_first_and_preferred_versions_before_others() -> None:
    versions = [r.api_version for r in build_scheme("1.32").resources]
    assert versions[0] == "v1"
    assert versions.index("v1") < versions.index("events.k8s.io/v1")
    assert versions.index("autoscaling/v2") < versions.index("autoscaling/v1")


def test_a_resource_is_found_by_its_url_and_by_its_kind() -> None:
    scheme = build_scheme()
    service = scheme.by_resource(GroupVersionResource("", "v1", "services"))
    assert service is not None
    assert service is scheme.by_kind(GroupVersionKind("", "v1", "Service"))
    assert service.subresources == ("proxy", "status")
    assert scheme.by_resource(GroupVersionResource("", "v1", "nosuch")) is None


def test_building_the_scheme_and_reading_facts_loads_no_kind() -> None:
    program = (
        "import sys; from kubesim.apis import build_scheme; s = build_scheme('1.32');"
        "[(r.gvk, r.plural, r.verbs, r.categories, r.has_status) for r in s.resources];"
        "print([m for m in sys.modules if m.startswith('kubesim.apis.') and m.count('.') > 2])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_table_of_secrets_loads_secrets_alone() -> None:
    program = (
        "import sys; from datetime import *; from kubesim.apis import build_scheme;"
        "r = next(r for r in build_scheme('1.32').resources if r.plural == 'secrets');"
        "r.columns, r.cells({'metadata': {'name': 's'}}, datetime.now(timezone.utc));"
        "print([m for m in sys.modules if m.startswith('kubesim.apis.') and m.count('.') > 2])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['kubesim.apis.core_v1.secret']"


SIGNATURES = {
    "default": 1,
    "prepare_create": 1,
    "prepare_update": 2,
    "prepare_status_update": 2,
    "validate": 1,
    "validate_update": 2,
    "validate_status_update": 2,
    "name_errors": 2,
    "warnings": 2,
    "cells": 2,
    "fields": 1,
    "indexes": 1,
}


@pytest.mark.parametrize("resource", catalogue(), ids=lambda r: r.gvr.qualified)
def test_a_kinds_module_fits_what_resource_asks_for(resource: Resource) -> None:
    for name, count in SIGNATURES.items():
        function = getattr(resource, name)
        if function is None or type(function).__name__ == "_LazyFunction":
            continue
        assert len(inspect.signature(function).parameters) == count, name
    assert all(c.name for c in resource.columns)
    if resource.cells is not None:
        assert [c.format for c in resource.columns].count("name") == 1


def test_a_deferred_resource_is_a_whole_resource_once_used() -> None:
    resource = next(r for r in catalogue() if r.plural == "bindings")
    assert isinstance(resource, DeferredResource)
    assert resource.module == "kubesim.apis.core_v1.binding"
    assert [str(e) for e in resource.validate({})] == ["target.name: Required value"]
    assert resource.prepare_status_update is None
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        resource.nosuch  # type: ignore[attr-defined]  # noqa: B018


def test_a_lazy_function_is_the_one_it_names() -> None:
    function = lazy("kubesim.apimachinery.names", "is_dns1123_label")
    assert function("a") == []
    assert repr(function) == "lazy('kubesim.apimachinery.names', 'is_dns1123_label')"


def test_extra_resources_take_the_place_of_those_with_the_same_url() -> None:
    own = Resource(GroupVersionKind("", "v1", "Service"), "services", namespaced=True)
    scheme = build_scheme(extra=[own])
    assert scheme.by_resource(own.gvr) is own
