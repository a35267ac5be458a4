"""Allocations held against Services: what is missing, leaked, doubled or out of range."""

import pytest
from support.services import PREFIX, Services, port

from kubesim.registry.service.alloc import owner_of
from kubesim.registry.service.repair import apply_repairs, find_repairs, rebuild
from kubesim.util.jsontypes import decode, encode

DUAL = ("10.96.0.0/12", "fd00:10:96::/112")


@pytest.fixture
def services() -> Services:
    made = Services(DUAL)
    made.create("a", type="NodePort", clusterIP="10.96.0.10", ports=[port(80, nodePort=30080)])
    made.create("b", ports=[port(80)], ipFamilyPolicy="RequireDualStack")
    made.create("c", clusterIP="None", ports=[port(80)])
    made.create(
        "d",
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        healthCheckNodePort=31234,
        ports=[port(53, name="t"), port(53, name="u", protocol="UDP")],
    )
    return made


def repairs(services: Services):
    return find_repairs(services.all(), services.allocations(), services.allocator)


def told(services: Services) -> list[tuple[str, str, str]]:
    return [(r.service, r.reason, r.message) for r in repairs(services)]


def change(services: Services, name: str, **spec) -> None:
    """Change a stored Service behind the allocator's back."""
    with services.storage.transaction() as tx:
        row = tx.get(PREFIX + name)
        assert row is not None
        stored = decode(row.value)
        stored["spec"] |= spec
        tx.update(PREFIX + name, encode(stored), row.revision)


def repaired(services: Services) -> list[tuple[str, str, str]]:
    with services.storage.transaction() as tx:
        apply_repairs(tx, repairs(services))
    return told(services)


def test_a_sound_cluster_needs_no_repair(services):
    assert repairs(services) == []
    assert rebuild(services.all(), services.allocator) == services.allocations()


def test_a_missing_allocation_is_made(services):
    before = services.allocations()
    with services.storage.transaction() as tx:
        for pool, items in before.items():
            for item, owner in items.items():
                tx.release(pool, item, owner)
    found = told(services)
    assert (
        "default/a",
        "ClusterIPNotAllocated",
        "Cluster IP [IPv4]:10.96.0.10 is not allocated; repairing",
    ) in found
    assert ("default/a", "PortNotAllocated", "Port 30080 is not allocated; repairing") in found
    assert ("default/d", "PortNotAllocated", "Port 31234 is not allocated; repairing") in found
    assert len(found) == sum(len(items) for items in before.values())
    assert repaired(services) == []
    assert services.allocations() == before


def test_a_leak_is_given_back(services):
    before = services.allocations()
    with services.storage.transaction() as tx:
        tx.allocate("clusterip/IPv4", "10.96.7.7", "default/gone/1")
        tx.allocate("nodeport", "30777", "default/gone/1")
    assert told(services) == [
        ("", "", "the cluster IP 10.96.7.7 appears to have leaked: cleaning up"),
        ("", "", "the node port 30777 appears to have leaked: cleaning up"),
    ]
    assert repaired(services) == []
    assert services.allocations() == before


def test_what_belongs_to_a_former_life_is_written_over(services):
    [owner] = [owner_of(s) for s in services.all() if s["metadata"]["name"] == "a"]
    with services.storage.transaction() as tx:
        tx.release("nodeport", "30080", owner)
        tx.allocate("nodeport", "30080", "default/a/former")
    assert told(services) == [("default/a", "PortNotAllocated", "Port 30080 is not allocated; repairing")]
    assert repaired(services) == []
    assert services.storage.allocations("nodeport")["30080"] == owner


def test_of_two_services_with_one_address_the_owner_keeps_it(services):
    services.create("z", type="NodePort", clusterIP="10.96.0.20", ports=[port(80, nodePort=30090)])
    change(services, "a", clusterIP="10.96.0.20", clusterIPs=["10.96.0.20"], ports=[port(80, nodePort=30090)])
    assert told(services)[:2] == [
        (
            "default/a",
            "ClusterIPAlreadyAllocated",
            "Cluster IP [IPv4]:10.96.0.20 was assigned to multiple services; please recreate service",
        ),
        (
            "default/a",
            "PortAlreadyAllocated",
            "Port 30090 was assigned to multiple services; please recreate service",
        ),
    ]
    assert [r[:2] for r in repaired(services)] == [
        ("default/a", "ClusterIPAlreadyAllocated"),
        ("default/a", "PortAlreadyAllocated"),
    ]


def test_what_is_out_of_range_is_told(services):
    change(services, "a", clusterIP="10.200.0.1", clusterIPs=["10.200.0.1"], ports=[port(80, nodePort=29999)])
    assert told(services)[:2] == [
        (
            "default/a",
            "ClusterIPOutOfRange",
            "Cluster IP [IPv4]:10.200.0.1 is not within the service CIDR 10.96.0.0/12; please recreate service",
        ),
        (
            "default/a",
            "PortOutOfRange",
            "Port 29999 is not within the port range 30000-32767; please recreate service",
        ),
    ]


def test_what_is_no_address_is_told(services):
    change(services, "a", clusterIP="abc", clusterIPs=["abc"])
    assert told(services)[0] == (
        "default/a",
        "ClusterIPNotValid",
        "Cluster IP abc is not a valid IP; please recreate service",
    )


def test_a_family_that_the_cluster_has_no_longer_is_told(services):
    narrower = Services(storage=services.storage)
    [ip] = [s["spec"]["clusterIPs"][1] for s in services.all() if s["metadata"]["name"] == "b"]
    assert told(narrower)[0] == (
        "default/b",
        "ClusterIPNotValid",
        f"Cluster IP {ip}(IPv6) is of ip family that is no longer configured on cluster; please recreate service",
    )


def test_a_node_port_shared_by_two_protocols_counts_once(services):
    change(
        services,
        "a",
        ports=[
            port(80, name="t", protocol="TCP", nodePort=30080),
            port(80, name="u", protocol="UDP", nodePort=30080),
        ],
    )
    assert told(services) == []
    change(
        services,
        "a",
        ports=[
            port(80, name="t", protocol="TCP", nodePort=30080),
            port(81, name="u", protocol="TCP", nodePort=30080),
        ],
    )
    assert [r[1] for r in told(services)] == ["PortAlreadyAllocated"]
