"""What `sim create` is told, as a configuration."""

from __future__ import annotations

import pytest

from kubesim.cluster.config import ClusterConfig, ConfigError, decode_config
from kubesim.cluster.open import parse_config

GIVEN = {
    "name": "a",
    "nodes": 2,
    "kubernetes_version": "1.32",
    "service_cidr": "10.96.0.0/12",
    "pod_cidr": "",
    "node_port_range": "30000-32767",
    "seed": "",
    "clock": "system",
}


def _parsed(**given: object) -> ClusterConfig:
    return parse_config(**(GIVEN | given))  # type: ignore[arg-type]


def test_defaults_of_the_command_are_those_of_the_configuration() -> None:
    assert _parsed() == ClusterConfig(name="a")


def test_a_version_may_begin_with_v() -> None:
    assert _parsed(kubernetes_version="v1.30").kubernetes_version == "1.30"


def test_two_service_ranges_are_separated_by_a_comma() -> None:
    found = _parsed(service_cidr="10.96.0.0/12, fd00:10:96::/112")
    assert found.service_cidrs == ("10.96.0.0/12", "fd00:10:96::/112")


def test_a_pool_of_load_balancers_is_ranges_and_networks() -> None:
    found = _parsed(load_balancer_pool="172.18.255.200-172.18.255.250, 172.18.200.0/28")
    assert found.load_balancer_pool == ("172.18.255.200-172.18.255.250", "172.18.200.0/28")
    assert decode_config(found.encode()) == found


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"load_balancer_pool": "172.18.0.2-172.18.0.9"},
            "the load balancer pool 172.18.0.2-172.18.0.9 overlaps with 172.18.0.0/24",
        ),
        (
            {"load_balancer_pool": "10.100.0.0/24"},
            "the load balancer pool 10.100.0.0-10.100.0.255 overlaps with 10.96.0.0/12",
        ),
        (
            {"load_balancer_pool": "172.18.1.1,172.18.1.0/30"},
            "the load balancer pool 172.18.1.0-172.18.1.3 overlaps with 172.18.1.1",
        ),
        (
            {"load_balancer_pool": "172.18.1.9-172.18.1.1"},
            "bad load balancer pool: 172.18.1.9-172.18.1.1 is no range of addresses",
        ),
        (
            {"load_balancer_pool": "many"},
            "bad load balancer pool: 'many' does not appear to be an IPv4 or IPv6 network",
        ),
        ({"kubernetes_version": "1.38"}, 'there is no Kubernetes version "1.38"; there are 1.25 to 1.37'),
        ({"kubernetes_version": "newest"}, 'the Kubernetes version must be like 1.32: "newest"'),
        ({"node_port_range": "30000"}, 'the node port range must be like 30000-32767: "30000"'),
        ({"clock": "noon"}, 'the clock is "system" or a time such as 2026-01-01T00:00:00Z: "noon"'),
    ],
    ids=[
        "pool of nodes",
        "pool of Services",
        "pool twice",
        "pool backwards",
        "pool in words",
        "version of the future",
        "version in words",
        "one node port",
        "clock in words",
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        _parsed(**given)
    assert str(error.value) == text


def test_an_ingress_is_there_where_it_is_asked_for() -> None:
    assert _parsed(ingress=True).ingress
    assert not decode_config(_parsed().encode()).ingress
