from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from support.cluster import make_cluster
from support.objects import pod_body, service_body

from kubesim.client.resources import CONFIG_MAPS, SECRETS, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.kubelet.downward import PodFacts
from kubesim.kubelet.environment import build_environment, expand
from kubesim.kubelet.errors import ConfigError
from kubesim.kubelet.serviceenv import service_environment
from kubesim.kubelet.sources import Sources


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster()


def environment(cluster: Cluster, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, str]:
    pod = pod_body("my-pod", {"app": "web"}, nodeName="node-1", serviceAccountName="default", **spec)
    pod["metadata"] |= {"namespace": "default", "uid": "the-uid", "annotations": {"note": 'say "hi"'}}
    facts = PodFacts(pod, ("10.244.0.7",), ("172.18.0.3",), {"cpu": "8", "memory": "16Gi"})
    return build_environment(facts, {"name": "c", **(container or {})}, Sources(cluster.client)).variables


def test_the_variables_of_a_service_are_those_of_kubernetes() -> None:
    service = {
        "metadata": {"name": "my-pod"},
        "spec": {
            "clusterIP": "10.96.3.4",
            "ports": [
                {"name": "http-web", "port": 80, "protocol": "TCP"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
            ],
        },
    }
    assert service_environment([service]) == {
        "MY_POD_SERVICE_HOST": "10.96.3.4",
        "MY_POD_SERVICE_PORT": "80",
        "MY_POD_SERVICE_PORT_HTTP_WEB": "80",
        "MY_POD_SERVICE_PORT_DNS": "53",
        "MY_POD_PORT": "tcp://10.96.3.4:80",
        "MY_POD_PORT_80_TCP": "tcp://10.96.3.4:80",
        "MY_POD_PORT_80_TCP_PROTO": "tcp",
        "MY_POD_PORT_80_TCP_PORT": "80",
        "MY_POD_PORT_80_TCP_ADDR": "10.96.3.4",
        "MY_POD_PORT_53_UDP": "udp://10.96.3.4:53",
        "MY_POD_PORT_53_UDP_PROTO": "udp",
        "MY_POD_PORT_53_UDP_PORT": "53",
        "MY_POD_PORT_53_UDP_ADDR": "10.96.3.4",
    }


@pytest.mark.parametrize("address", ["None", "", None])
def test_a_service_without_an_address_has_no_variables(address: str | None) -> None:
    assert (
        service_environment(
            [{"metadata": {"name": "x"}, "spec": {"clusterIP": address, "ports": [{"port": 1}]}}]
        )
        == {}
    )


def test_an_ipv6_address_stands_in_brackets() -> None:
    service = {"metadata": {"name": "x"}, "spec": {"clusterIP": "fd00::1", "ports": [{"port": 1}]}}
    assert service_environment([service])["X_PORT"] == "tcp://[fd00::1]:1"


def test_a_container_sees_the_services_of_its_namespace_and_kubernetes(cluster: Cluster) -> None:
    cluster.client.create(SERVICES, service_body("web", {"app": "web"}), "default")
    cluster.client.create(SERVICES, service_body("other", {"app": "web"}), "kube-system")
    found = environment(cluster)
    assert {n for n in found if n.endswith("_SERVICE_HOST")} == {
        "KUBERNETES_SERVICE_HOST",
        "WEB_SERVICE_HOST",
    }


def test_without_service_links_there_is_kubernetes_alone(cluster: Cluster) -> None:
    cluster.client.create(SERVICES, service_body("web", {"app": "web"}), "default")
    found = environment(cluster, enableServiceLinks=False)
    assert {n for n in found if n.endswith("_SERVICE_HOST")} == {"KUBERNETES_SERVICE_HOST"}


def test_what_the_pod_says_wins_over_services(cluster: Cluster) -> None:
    found = environment(cluster, {"env": [{"name": "KUBERNETES_PORT", "value": "mine"}]})
    assert found["KUBERNETES_PORT"] == "mine"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "my-pod"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "the-uid"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['note']", 'say "hi"'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "10.244.0.7"),
        ("status.hostIP", "172.18.0.3"),
    ],
)
def test_a_field_of_the_pod(cluster: Cluster, path: str, value: str) -> None:
    entry = {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}
    assert environment(cluster, {"env": [entry]})["X"] == value


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", None, "1"),
        ("limits.cpu", "1m", "250"),
        ("requests.memory", "1Mi", "64"),
        ("requests.memory", None, "67108864"),
        ("limits.memory", "1Gi", "16"),
    ],
)
def test_a_resource_of_the_container(
    cluster: Cluster, resource: str, divisor: str | None, value: str
) -> None:
    reference = {"resource": resource} | ({"divisor": divisor} if divisor else {})
    container = {
        "env": [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}],
        "resources": {"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}},
    }
    assert environment(cluster, container)["X"] == value


def _sources(cluster: Cluster) -> None:
    metadata = {"name": "cm"}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"color": "blue", "size": "7"},
    }
    cluster.client.create(CONFIG_MAPS, config_map, "default")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"password": b64encode(b"hunter2").decode()},
    }
    cluster.client.create(SECRETS, secret, "default")


def test_config_maps_and_secrets_are_read(cluster: Cluster) -> None:
    _sources(cluster)
    container = {
        "envFrom": [{"prefix": "CM_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "s"}}],
        "env": [
            {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "color"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        ],
    }
    found = list(environment(cluster, container).items())
    assert found[:5] == [
        ("CM_color", "blue"),
        ("CM_size", "7"),
        ("password", "hunter2"),
        ("COLOR", "blue"),
        ("PASSWORD", "hunter2"),
    ]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"configMapKeyRef": {"name": "nope", "key": "k"}}, 'configmap "nope" not found'),
        ({"secretKeyRef": {"name": "nope", "key": "k"}}, 'secret "nope" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "k"}}, "couldn't find key k in ConfigMap default/cm"),
        ({"secretKeyRef": {"name": "s", "key": "k"}}, "couldn't find key k in Secret default/s"),
    ],
)
def test_what_is_missing_is_named_unless_it_is_optional(
    cluster: Cluster, entry: dict[str, Any], text: str
) -> None:
    _sources(cluster)
    with pytest.raises(ConfigError) as found:
        environment(cluster, {"env": [{"name": "X", "valueFrom": entry}]})
    assert str(found.value) == text
    ((kind, reference),) = entry.items()
    optional = {kind: reference | {"optional": True}}
    assert "X" not in environment(cluster, {"env": [{"name": "X", "valueFrom": optional}]})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("a $(A)$(B) b", "a 12 b"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("100$", "100$"),
        ("$()", "$()"),
    ],
)
def test_references_to_variables_are_expanded(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}, {"B": "2", "A": "hidden"}) == expanded


def test_a_value_sees_the_variables_before_it_and_the_services(cluster: Cluster) -> None:
    env = [
        {"name": "EARLY", "value": "$(LATE)"},
        {"name": "LATE", "value": "late"},
        {"name": "URL", "value": "https://$(KUBERNETES_SERVICE_HOST)/$(LATE)"},
    ]
    found = environment(cluster, {"env": env})
    assert (found["EARLY"], found["URL"]) == ("$(LATE)", "https://10.96.0.1/late")
