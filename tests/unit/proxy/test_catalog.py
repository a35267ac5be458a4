"""What a long-lived process remembers is what the cluster says now; what it does not need, it does not read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support.proxies import CLUSTER_IP, Network, balanced, endpoint_slice, node_port, ready, service

from kubesim.client.resources import ENDPOINT_SLICES, SERVICES
from kubesim.proxy import Catalog, Packet

HERE, THERE = ready("10.244.0.2"), ready("10.244.1.2", "node-2")


@pytest.fixture(params=[False, True], ids=["cold", "warm"])
def network(request: pytest.FixtureRequest) -> Network:
    return Network(service(), endpoint_slice(HERE), warm=request.param)


def test_a_slice_changes(network: Network) -> None:
    assert network.from_pod().destination == "10.244.0.2"
    network.put(endpoint_slice(THERE))
    assert network.from_pod().destination == "10.244.1.2"
    network.put(endpoint_slice())
    assert network.from_pod().action == "reject"


def test_a_slice_comes_and_goes(network: Network) -> None:
    assert network.from_pod().action == "dnat"
    network.remove(ENDPOINT_SLICES, "web-a")
    assert network.from_pod().action == "reject"
    network.put(endpoint_slice(THERE, part="b"))
    assert network.from_pod().destination == "10.244.1.2"


def test_a_slice_moves_to_another_service(network: Network) -> None:
    network.put(service("db", clusterIP="10.96.1.2"))
    assert network.from_pod("10.96.1.2").action == "reject"
    moved = endpoint_slice(HERE)
    moved["metadata"]["labels"] = {"kubernetes.io/service-name": "db"}
    network.put(moved)
    assert network.from_pod().action == "reject"
    assert network.from_pod("10.96.1.2").action == "dnat"


def test_a_service_comes_changes_and_goes(network: Network) -> None:
    assert network.from_outside().action == "accept"
    network.put(node_port())
    assert network.from_outside().action == "dnat"
    network.put(node_port(port=30099))
    assert network.from_outside().action == "accept"
    assert network.from_outside(port=30099).action == "dnat"
    network.remove(SERVICES, "web")
    assert network.from_outside(port=30099).action == "accept"
    assert network.from_pod().action == "accept"


def test_a_load_balancer_gets_its_address(network: Network) -> None:
    network.put(balanced(ingress=[]))
    assert network.from_outside("203.0.113.5", 80).action == "accept"
    network.put(balanced())
    assert network.from_outside("203.0.113.5", 80).action == "dnat"


def test_a_node_moves_to_another_zone(network: Network) -> None:
    network.put(
        endpoint_slice(ready("10.244.0.2", zones=("a",)), ready("10.244.1.2", "node-2", zones=("b",)))
    )
    network.zone("node-1", "a")
    assert network.from_pod().destination == "10.244.0.2"
    network.zone("node-1", "b")
    assert network.from_pod().destination == "10.244.1.2"


def test_the_printed_rules_follow(network: Network) -> None:
    assert "10.244.1.2" not in network.proxy().save()
    network.put(endpoint_slice(HERE, THERE))
    assert "10.244.1.2" in network.proxy().save()
    network.put(service("db", clusterIP="10.96.1.2"))
    assert "default/db:http has no endpoints" in network.proxy().save()
    network.remove(SERVICES, "db")
    assert "default/db" not in network.proxy().save()


def test_many_changes_at_once(network: Network) -> None:
    assert network.from_pod().destination == "10.244.0.2"
    for i in range(600):
        network.put(endpoint_slice(HERE if i % 2 else THERE, name=f"other-{i}"))
    network.put(endpoint_slice(THERE))
    assert network.from_pod().destination == "10.244.1.2"


def test_a_past_that_was_compacted(network: Network) -> None:
    assert network.from_pod().destination == "10.244.0.2"
    network.put(endpoint_slice(THERE))
    network.put(service("db", clusterIP="10.96.1.2"))
    network.cluster.storage.compact(network.cluster.storage.revision())
    assert network.from_pod().destination == "10.244.1.2"


def undone(network: Network) -> str:
    """Move the endpoint, and take that back; where a packet went in between."""
    seen = ""
    try:
        with network.client.batch():
            network.put(endpoint_slice(THERE))
            seen = network.from_pod().destination
            raise InterruptedError
    except InterruptedError:
        return seen


def test_what_was_seen_in_a_transaction_that_was_undone() -> None:
    network = Network(service(), endpoint_slice(HERE), warm=True)
    assert network.from_pod().destination == "10.244.0.2"
    assert undone(network) == "10.244.1.2"
    assert network.from_pod().destination == "10.244.0.2"


def test_another_write_takes_the_place_of_what_was_undone() -> None:
    network = Network(service(), endpoint_slice(HERE), warm=True)
    undone(network)
    network.catalog.start_over()
    network.put(service("db", clusterIP="10.96.1.2"))
    assert network.from_pod().destination == "10.244.0.2"


class Counted:
    """A client that counts what is asked of it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)

        def call(*args: Any, **more: Any) -> Any:
            self.calls.append(name)
            return found(*args, **more)

        return call


def test_a_packet_reads_one_service_whatever_others_there_are() -> None:
    network = Network(service(), endpoint_slice(HERE), warm=True)
    for i in range(50):
        network.put(service(f"s{i}", clusterIP=f"10.96.7.{i}"), endpoint_slice(THERE, name=f"s{i}"))
    read: list[str] = []
    transport = network.client.transport
    send = transport.send

    def note(request: Any) -> Any:
        answer = send(request)
        if isinstance(answer.body, dict):
            read.extend(item["metadata"]["name"] for item in answer.body.get("items", ()))
        return answer

    transport.send = note  # type: ignore[method-assign]
    try:
        network.from_pod()
    finally:
        transport.send = send  # type: ignore[method-assign]
    assert sorted(read) == ["web", "web-a"]


def test_a_warm_packet_reads_nothing() -> None:
    network = Network(service(), endpoint_slice(HERE), warm=True)
    network.from_pod()
    counted = Counted(network.client)
    network.catalog._client = counted  # type: ignore[assignment]
    for _ in range(10):
        network.from_pod()
    assert counted.calls == []


def test_many_threads_while_endpoints_change() -> None:
    network = Network(service(), endpoint_slice(HERE), warm=True)
    allowed, wrong = {"10.244.0.2", "10.244.1.2"}, []
    done = threading.Event()

    def ask(node: str) -> None:
        while not done.is_set():
            verdict = network.send(Packet("10.244.0.99", 1, CLUSTER_IP, 80), node)
            if verdict.destination not in allowed:
                wrong.append(verdict)

    for node in ("node-1", "node-2"):
        network.proxy(node)
    threads = [threading.Thread(target=ask, args=(f"node-{i % 2 + 1}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i in range(200):
        network.put(endpoint_slice(THERE if i % 2 else HERE))
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert network.from_pod().destination == "10.244.1.2"


def test_one_catalog_serves_all_nodes() -> None:
    network = Network(node_port(externalTrafficPolicy="Local"), endpoint_slice(HERE, THERE), warm=True)
    assert network.from_outside(node="node-1").destination == "10.244.0.2"
    assert network.from_outside(node="node-2").destination == "10.244.1.2"
    assert network.from_outside(node="node-3").action == "drop"


def test_without_a_revision_every_call_looks() -> None:
    network = Network(service(), endpoint_slice(HERE))
    catalog = Catalog(network.client)
    assert [e.key for e in catalog.at(CLUSTER_IP)] == [("default", "web")]
    network.remove(SERVICES, "web")
    catalog.refresh()
    assert catalog.at(CLUSTER_IP) == []
