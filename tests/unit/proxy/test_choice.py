"""Chance and memory: how load is shared, and who stays with whom."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from support.proxies import (
    CLUSTER_IP,
    NODE_PORT,
    Network,
    endpoint_slice,
    node_port,
    ready,
    service,
    terminating,
)

from kubesim.proxy import NodeProxy, Packet, SeededChance, StateAffinity
from kubesim.proxy.rules import chance
from kubesim.util.ids import SystemIdentities
from kubesim.util.state import MemoryState

ENDPOINTS = [ready("10.244.0.2"), ready("10.244.1.2", "node-2"), ready("10.244.2.2", "node-3")]
# The chi-square distribution's 99th percentile, by degrees of freedom.
CRITICAL = {1: 6.635, 2: 9.210}


def sticky(seconds: int = 10800, **spec: object) -> dict[str, object]:
    return {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": seconds}},
        **spec,
    }


@pytest.mark.parametrize("count", [2, 3])
def test_every_endpoint_has_the_same_share(count: int) -> None:
    network = Network(service(), endpoint_slice(*ENDPOINTS[:count]), warm=True)
    found = Counter(network.from_pod().destination for _ in range(10_000))
    expected = 10_000 / count
    assert len(found) == count
    assert sum((n - expected) ** 2 / expected for n in found.values()) < CRITICAL[count - 1]


def test_the_shares_of_a_node_port() -> None:
    network = Network(node_port(), endpoint_slice(*ENDPOINTS[:2]), warm=True)
    found = Counter(network.from_outside().destination for _ in range(10_000))
    assert sum((n - 5000) ** 2 / 5000 for n in found.values()) < CRITICAL[1]


def test_a_seed_makes_the_choices_repeatable() -> None:
    def choices(seed: int) -> list[str]:
        network = Network(service(), endpoint_slice(*ENDPOINTS), seed=seed)
        return [network.from_pod().destination for _ in range(20)]

    assert choices(7) == choices(7)
    assert choices(7) != choices(8)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2, "0.50000000000"),
        (3, "0.33333333349"),
        (4, "0.25000000000"),
        (6, "0.16666666651"),
        (7, "0.14285714272"),
        (10, "0.10000000009"),
    ],
)
def test_probabilities_are_those_that_the_kernel_prints(number: int, text: str) -> None:
    assert chance(number).text() == f"-m statistic --mode random --probability {text}"


def test_each_process_of_a_seeded_cluster_takes_a_turn() -> None:
    def processes(seed: str, state: MemoryState) -> list[list[int]]:
        return [
            [source.below(1000) for _ in range(5)] for source in (SeededChance(seed, state) for _ in range(4))
        ]

    first, again = processes("7", MemoryState()), processes("7", MemoryState())
    assert first == again
    assert len({tuple(numbers) for numbers in first}) == 4
    assert processes("8", MemoryState()) != first


def test_a_client_stays_with_its_endpoint() -> None:
    network = Network(service(**sticky()), endpoint_slice(*ENDPOINTS))
    first = network.from_pod(source="10.244.0.50").destination
    assert {network.from_pod(source="10.244.0.50").destination for _ in range(30)} == {first}


def test_affinity_is_of_the_address_and_not_of_the_port() -> None:
    network = Network(service(**sticky()), endpoint_slice(*ENDPOINTS))
    packets = [Packet("10.244.0.50", port, CLUSTER_IP, 80) for port in range(40000, 40030)]
    assert len({network.send(packet).destination for packet in packets}) == 1


def test_clients_are_told_apart() -> None:
    network = Network(service(**sticky()), endpoint_slice(*ENDPOINTS))
    found = {
        source: network.from_pod(source=source).destination
        for source in (f"10.244.0.{i}" for i in range(50, 90))
    }
    assert len(set(found.values())) == 3
    assert {source: network.from_pod(source=source).destination for source in found} == found


def test_every_connection_begins_the_time_anew() -> None:
    network = Network(service(**sticky(60)), endpoint_slice(*ENDPOINTS))
    first = network.from_pod().destination
    for _ in range(20):
        network.clock.advance(timedelta(seconds=60))
        assert network.from_pod().destination == first


def test_affinity_ends() -> None:
    network = Network(service(**sticky(60)), endpoint_slice(*ENDPOINTS))
    found = set()
    for _ in range(20):
        found.add(network.from_pod().destination)
        network.clock.advance(timedelta(seconds=61))
    assert len(found) == 3


def test_the_default_is_three_hours() -> None:
    network = Network(service(sessionAffinity="ClientIP"), endpoint_slice(*ENDPOINTS))
    assert "--rcheck --seconds 10800 --reap" in network.proxy().save()


def test_affinity_survives_the_process() -> None:
    network = Network(service(**sticky()), endpoint_slice(*ENDPOINTS))
    first = network.from_pod().destination
    for seed in range(20):
        later = NodeProxy(
            network.client,
            node_name="node-1",
            identities=SystemIdentities(seed),
            affinity=StateAffinity(network.state, network.clock),
        )
        assert later.translate(Packet("10.244.0.99", 1, CLUSTER_IP, 80)).destination == first


def test_each_node_remembers_for_itself() -> None:
    network = Network(node_port(**sticky()), endpoint_slice(*ENDPOINTS))
    sources = [f"198.51.100.{i}" for i in range(1, 30)]
    for source in sources:
        network.from_outside(source=source)
    assert not any(name.startswith("proxy/recent/node-2/") for name in network.state.items(""))
    found = [network.from_outside(source=source, node="node-2").destination for source in reversed(sources)]
    assert found != [network.from_outside(source=source).destination for source in reversed(sources)]


def test_a_client_whose_endpoint_is_gone_gets_another() -> None:
    network = Network(service(**sticky()), endpoint_slice(*ENDPOINTS))
    first = network.from_pod().destination
    network.put(endpoint_slice(*(e for e in ENDPOINTS if e["addresses"] != [first])))
    second = network.from_pod().destination
    assert second != first
    assert {network.from_pod().destination for _ in range(20)} == {second}


def test_the_port_of_the_node_and_the_cluster_ip_share_the_memory() -> None:
    network = Network(node_port(**sticky()), endpoint_slice(*ENDPOINTS))
    first = network.from_pod().destination
    assert {network.from_pod("172.18.0.3", NODE_PORT).destination for _ in range(20)} == {first}


def test_a_list_holds_a_hundred_addresses() -> None:
    """xt_recent's ip_list_tot: who came first is forgotten first."""
    network = Network()
    store = StateAffinity(MemoryState(), network.clock)
    for i in range(101):
        store.remember("node-1", "KUBE-SEP-X", f"10.0.0.{i}")
        network.clock.advance(timedelta(seconds=1))
    assert not store.seen("node-1", "KUBE-SEP-X", "10.0.0.0", 10800)
    assert store.seen("node-1", "KUBE-SEP-X", "10.0.0.1", 10800)
    assert not store.seen("node-1", "KUBE-SEP-Y", "10.0.0.1", 10800)
    assert not store.seen("node-2", "KUBE-SEP-X", "10.0.0.1", 10800)


def hinted(*zones: str) -> list[dict[str, object]]:
    """An endpoint for each; empty: without a hint."""
    return [
        ready(f"10.244.{i}.2", f"node-{i + 1}", zones=(zone,) if zone else ()) for i, zone in enumerate(zones)
    ]


@pytest.mark.parametrize(
    ("zone", "endpoints", "answers"),
    [
        ("a", hinted("a", "b", "a"), {"10.244.0.2", "10.244.2.2"}),
        ("b", hinted("a", "b", "a"), {"10.244.1.2"}),
        ("c", hinted("a", "b", "a"), {"10.244.0.2", "10.244.1.2", "10.244.2.2"}),
        ("", hinted("a", "b"), {"10.244.0.2", "10.244.1.2"}),
        ("a", hinted("a", "b", ""), {"10.244.0.2", "10.244.1.2", "10.244.2.2"}),
        ("a", [*hinted("a", "b"), terminating("10.244.0.3")], {"10.244.0.2"}),
        ("a", [terminating("10.244.0.3", zones=("b",))], {"10.244.0.3"}),
    ],
    ids=[
        "its own zone",
        "the other zone",
        "no endpoint for the zone",
        "a node without a zone",
        "one endpoint has no hint",
        "hints of those that are not ready do not count",
        "the last resort has no zones",
    ],
)
def test_zones(zone: str, endpoints: list[dict[str, object]], answers: set[str]) -> None:
    network = Network(service(), endpoint_slice(*endpoints))
    if zone:
        network.zone("node-1", zone)
    found = network.targets(Packet("10.244.0.99", 1, CLUSTER_IP, 80))
    assert {target.partition(":")[0] for target in found} == answers


def test_a_local_policy_does_not_look_at_zones() -> None:
    network = Network(
        node_port(externalTrafficPolicy="Local"),
        endpoint_slice(ready("10.244.0.2", zones=("b",)), ready("10.244.1.2", "node-2", zones=("a",))),
    )
    network.zone("node-1", "a")
    assert network.from_outside().destination == "10.244.0.2"
    assert network.from_pod().destination == "10.244.1.2"
