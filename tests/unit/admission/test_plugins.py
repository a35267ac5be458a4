"""What each admission plugin fills in and refuses, seen through the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.client import Client
from kubesim.client.resources import (
    CONFIG_MAPS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICES,
)

PRIORITY_CLASSES = GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses")
STORAGE_CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")


@pytest.fixture
def client() -> Iterator[Client]:
    cluster = make_cluster(settle=True)
    yield cluster.client
    cluster.close()


def pod(client: Client, name: str = "p", **spec: Any) -> dict[str, Any]:
    containers = spec.pop("containers", [{"name": "c", "image": "nginx"}])
    return client.create(
        PODS, {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}, "default"
    )


def refusal(message: str) -> Any:
    return pytest.raises(StatusError, match=message)


# NamespaceLifecycle


def test_nothing_is_created_in_a_missing_namespace(client: Client) -> None:
    with pytest.raises(StatusError) as refused:
        client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "nosuchns")
    assert (refused.value.code, refused.value.message) == (404, 'namespaces "nosuchns" not found')


def test_nothing_is_created_in_a_namespace_that_ends(client: Client) -> None:
    client.create(NAMESPACES, {"metadata": {"name": "team-b"}})
    client.delete(NAMESPACES, "team-b")
    with pytest.raises(StatusError) as refused:
        client.create(CONFIG_MAPS, {"metadata": {"name": "d"}}, "team-b")
    assert refused.value.message == (
        'configmaps "d" is forbidden: unable to create new content in namespace team-b because it is being terminated'
    )
    assert refused.value.causes == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace team-b is being terminated",
            "field": "metadata.namespace",
        }
    ]


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_stay(client: Client, name: str) -> None:
    with refusal(f'namespaces "{name}" is forbidden: this namespace may not be deleted'):
        client.delete(NAMESPACES, name)


# ServiceAccount


def test_a_pod_gets_the_default_account_and_its_token(client: Client) -> None:
    spec = pod(client)["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"] == {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
        "defaultMode": 420,
    }
    assert spec["containers"][0]["volumeMounts"] == [
        {
            "name": volume["name"],
            "readOnly": True,
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        }
    ]


def test_a_pod_may_do_without_a_token(client: Client) -> None:
    assert "volumes" not in pod(client, automountServiceAccountToken=False)["spec"]


def test_an_account_may_do_without_tokens(client: Client) -> None:
    account = {"metadata": {"name": "quiet"}, "automountServiceAccountToken": False}
    client.create(SERVICE_ACCOUNTS, account, "default")
    assert "volumes" not in pod(client, serviceAccountName="quiet")["spec"]
    assert (
        "volumes" in pod(client, "q", serviceAccountName="quiet", automountServiceAccountToken=True)["spec"]
    )


def test_a_pod_gets_the_pull_secrets_of_its_account(client: Client) -> None:
    account = {"metadata": {"name": "puller"}, "imagePullSecrets": [{"name": "reg"}]}
    client.create(SERVICE_ACCOUNTS, account, "default")
    assert pod(client, serviceAccountName="puller")["spec"]["imagePullSecrets"] == [{"name": "reg"}]


def test_the_account_must_be_there(client: Client) -> None:
    with pytest.raises(StatusError) as refused:
        pod(client, serviceAccountName="nosuch")
    assert refused.value.message == (
        'pods "p" is forbidden: error looking up service account default/nosuch: serviceaccount "nosuch" not found'
    )


# Priority, DefaultTolerationSeconds, TaintNodesByCondition


def test_a_pod_has_a_priority(client: Client) -> None:
    spec = pod(client)["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    spec = pod(client, "q", priorityClassName="system-node-critical")["spec"]
    assert spec["priority"] == 2000001000


def test_there_can_be_a_default_class(client: Client) -> None:
    body = {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True, "preemptionPolicy": "Never"}
    client.create(PRIORITY_CLASSES, body)
    spec = pod(client)["spec"]
    assert (spec["priorityClassName"], spec["priority"], spec["preemptionPolicy"]) == ("usual", 7, "Never")
    with refusal("PriorityClass usual is already marked as default. Only one default can exist"):
        client.create(PRIORITY_CLASSES, {"metadata": {"name": "other"}, "value": 8, "globalDefault": True})


def test_the_class_must_be_there(client: Client) -> None:
    with refusal('pods "p" is forbidden: no PriorityClass with name nosuch was found'):
        pod(client, priorityClassName="nosuch")


def test_a_priority_is_not_made_up(client: Client) -> None:
    with refusal(r"the integer value of priority \(5\) must not be provided in pod spec"):
        pod(client, priority=5)


def test_a_pod_tolerates_an_absent_node_for_five_minutes(client: Client) -> None:
    expected = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for key in ("not-ready", "unreachable")
    ]
    assert pod(client)["spec"]["tolerations"] == expected
    own = [{"operator": "Exists"}]
    assert pod(client, "q", tolerations=own)["spec"]["tolerations"] == own


def test_a_new_node_takes_no_pods_yet(client: Client) -> None:
    node = client.create(NODES, {"metadata": {"name": "node-9"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


# LimitRanger


def test_containers_get_the_defaults_of_the_namespace(client: Client) -> None:
    limits = [{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}}]
    client.create(LIMIT_RANGES, {"metadata": {"name": "lr"}, "spec": {"limits": limits}}, "default")
    made = pod(client)
    resources = made["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    )


BOUNDS = {
    "too much": (
        {"max": {"cpu": "1"}},
        {"limits": {"cpu": "2"}, "requests": {"cpu": "500m"}},
        "maximum cpu usage per Container is 1, but limit is 2",
    ),
    "too little": (
        {"min": {"memory": "10Mi"}},
        {"requests": {"memory": "1Mi"}},
        "minimum memory usage per Container is 10Mi, but request is 1Mi",
    ),
    "no limit": (
        {"max": {"memory": "1Gi"}, "default": {}, "defaultRequest": {}},
        {"requests": {"cpu": "1"}},
        "maximum memory usage per Container is 1Gi",
    ),
    "too far apart": (
        {"maxLimitRequestRatio": {"cpu": "2"}},
        {"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}},
        "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
    ),
}


@pytest.mark.parametrize(("bounds", "resources", "message"), BOUNDS.values(), ids=BOUNDS)
def test_containers_stay_within_the_bounds(
    client: Client, bounds: dict[str, Any], resources: dict[str, Any], message: str
) -> None:
    limits = [{"type": "Container", **bounds}]
    client.create(LIMIT_RANGES, {"metadata": {"name": "lr"}, "spec": {"limits": limits}}, "default")
    created = client.get(LIMIT_RANGES, "lr", "default")["spec"]["limits"][0]
    if message.startswith("maximum memory") and "default" in created:
        # The maximum is the default too (SetDefaults_LimitRangeItem), so nothing is missing.
        assert pod(client, containers=[{"name": "c", "image": "i", "resources": resources}])
        return
    with refusal(message):
        pod(client, containers=[{"name": "c", "image": "i", "resources": resources}])


# ResourceQuota


def quota(client: Client, **hard: str) -> None:
    named = {k.replace("_", "."): v for k, v in hard.items()}
    client.create(RESOURCE_QUOTAS, {"metadata": {"name": "q1"}, "spec": {"hard": named}}, "default")


def service(client: Client, name: str, **spec: Any) -> dict[str, Any]:
    return client.create(
        SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}, "default"
    )


def test_a_quota_counts_objects(client: Client) -> None:
    quota(client, services="2")
    service(client, "one")  # beside the Service kubernetes
    with pytest.raises(StatusError) as refused:
        service(client, "over")
    assert refused.value.message == (
        'services "over" is forbidden: exceeded quota: q1, requested: services=1, used: services=2, limited: services=2'
    )
    client.delete(SERVICES, "one", "default")
    service(client, "again")


def test_a_quota_counts_what_pods_ask_for(client: Client) -> None:
    quota(client, requests_cpu="1", pods="5")
    containers = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "600m"}}}]
    pod(client, "a", containers=containers)
    with refusal(
        'pods "b" is forbidden: exceeded quota: q1, requested: requests.cpu=600m, used: requests.cpu=600m, '
        "limited: requests.cpu=1"
    ):
        pod(client, "b", containers=containers)
    with refusal("failed quota: q1: must specify requests.cpu for: c"):
        pod(client, "c")


def test_a_quota_does_not_count_pods_that_have_ended(client: Client) -> None:
    quota(client, pods="1")
    pod(client, "a")
    done = client.get(PODS, "a", "default") | {"status": {"phase": "Succeeded"}}
    client.update(PODS, done, "default", subresource="status")
    pod(client, "b")
    with refusal("exceeded quota: q1, requested: pods=1, used: pods=1, limited: pods=1"):
        pod(client, "c")


def test_a_quota_counts_any_kind(client: Client) -> None:
    quota(client, **{"count/configmaps": "1"})
    with refusal("exceeded quota: q1, requested: count/configmaps=1, used: count/configmaps=1"):
        client.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "default")


# DefaultStorageClass


def test_a_claim_gets_the_default_class(client: Client) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = client.create(
        PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "a"}, "spec": dict(claim)}, "default"
    )
    assert "storageClassName" not in made["spec"]
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    body = {"metadata": {"name": "fast", "annotations": annotations}, "provisioner": "example.com/x"}
    client.create(STORAGE_CLASSES, body)
    made = client.create(
        PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "b"}, "spec": dict(claim)}, "default"
    )
    assert made["spec"]["storageClassName"] == "fast"
