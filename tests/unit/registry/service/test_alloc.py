"""Services through create, update and delete: what they hold, and what the store says is taken.

Cases after pkg/registry/core/service/storage/storage_test.go.
"""

import pytest
from support.services import Services, port

from kubesim.apimachinery.errors import StatusError
from kubesim.storage.interface import AllocationTaken

DUAL = ("10.96.0.0/12", "fd00:10:96::/112")
PORTS = [port(80)]


@pytest.fixture
def services():
    made = Services()
    yield made
    made.check()


@pytest.fixture
def dual():
    made = Services(DUAL)
    yield made
    made.check()


def refusal(call, *arguments, **spec) -> str:
    with pytest.raises(StatusError) as caught:
        call(*arguments, **spec)
    return f"{caught.value.code} {caught.value.message}"


def node_ports(made) -> list[int]:
    return [p.get("nodePort") for p in made["spec"]["ports"]]


def test_a_cluster_ip_is_drawn_from_above_the_static_band(services):
    spec = services.create(ports=PORTS)["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    assert not spec["clusterIP"].startswith("10.96.0.")
    assert services.taken("clusterip/IPv4") == [spec["clusterIP"]]


def test_an_address_belongs_to_the_life_of_one_service(services):
    made = services.create(ports=PORTS, clusterIP="10.96.0.10")
    owner = f"default/web/{made['metadata']['uid']}"
    assert services.allocations() == {"clusterip/IPv4": {"10.96.0.10": owner}}
    services.delete()
    assert services.allocations() == {}
    again = services.create(ports=PORTS, clusterIP="10.96.0.10")
    assert services.allocations()["clusterip/IPv4"]["10.96.0.10"] != owner
    with services.storage.transaction() as tx:
        services.allocator.on_delete(tx, made)  # too late: the address is somebody else's by now
    assert again["spec"]["clusterIP"] == "10.96.0.10"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"clusterIP": "10.200.0.1"},
            '422 Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"10.200.0.1"}: failed to allocate IP 10.200.0.1: the provided IP (10.200.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
        ),
        (
            {"clusterIP": "10.96.0.0"},
            '422 Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.0"}: failed to allocate IP 10.96.0.0: the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
        ),
        (
            {"clusterIP": "fd00::1"},
            '422 Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{"fd00::1"}: IPv6 is not configured on this cluster',
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            '422 Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
        ),
        (
            {"type": "NodePort", "ports": [port(80, nodePort=29999)]},
            '422 Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767',
        ),
        (
            {"type": "NodePort", "clusterIP": "None"},
            '422 Service "web" is invalid: spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
        ),
        (
            {
                "type": "NodePort",
                "ports": [port(80, name="a", nodePort=30201), port(81, name="b", nodePort=30201)],
            },
            '422 Service "web" is invalid: spec.ports[1].nodePort: Invalid value: 30201: provided port is already allocated',
        ),
    ],
)
def test_a_refused_service_takes_nothing(services, spec, expected):
    assert refusal(services.create, **{"ports": PORTS, **spec}) == expected
    assert services.allocations() == {}


def test_what_somebody_has_is_refused(services):
    first = services.create("first", type="NodePort", ports=[port(80, nodePort=30200)])
    ip = first["spec"]["clusterIP"]
    assert refusal(services.create, "second", type="NodePort", ports=[port(80, nodePort=30200)]) == (
        '422 Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30200: provided port is already allocated'
    )
    assert refusal(services.create, "second", ports=PORTS, clusterIP=ip) == (
        f'422 Service "second" is invalid: spec.clusterIPs: Invalid value: []string{{"{ip}"}}: failed to allocate IP {ip}: provided IP is already allocated'
    )
    assert refusal(
        services.create, "second", type="NodePort", ports=[port(80, protocol="UDP", nodePort=30200)]
    ) == (
        '422 Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30200: provided port is already allocated'
    )


def test_an_address_that_is_to_come_is_shown_as_empty(dual):
    assert refusal(dual.create, ports=PORTS, ipFamilyPolicy="RequireDualStack", clusterIP="10.200.0.1") == (
        '422 Service "web" is invalid: spec.clusterIPs: Invalid value: []string{"10.200.0.1", ""}: failed to allocate IP 10.200.0.1: the provided IP (10.200.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12'
    )


def test_a_full_range_is_an_internal_error():
    services = Services(["10.0.0.0/30"], (30000, 30000))
    services.create("a", type="NodePort", ports=PORTS)
    services.create("b", ports=PORTS)
    assert refusal(services.create, "c", ports=PORTS) == (
        "500 Internal error occurred: failed to allocate a serviceIP: range is full"
    )
    services.delete("b")
    assert refusal(services.create, "c", type="NodePort", ports=PORTS) == (
        "500 Internal error occurred: failed to allocate a nodePort: range is full"
    )
    services.check()


@pytest.mark.parametrize(
    "spec", [{"type": "ExternalName", "externalName": "example.com"}, {"clusterIP": "None", "ports": PORTS}]
)
def test_headless_services_and_external_names_take_nothing(services, spec):
    made = services.create(**spec)
    assert services.allocations() == {}
    assert made["spec"].get("clusterIPs") == (["None"] if "clusterIP" in spec else None)


# Node ports of a create: (ports, which node ports come out; letters stand for drawn ones, equal letters for equal ones)
@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([port(80, name="a")], ["x"]),
        ([port(80, name="a"), port(81, name="b")], ["x", "y"]),
        ([port(53, name="t"), port(53, name="u", protocol="UDP")], ["x", "x"]),
        ([port(53, name="t", nodePort=30053), port(53, name="u", protocol="UDP")], [30053, 30053]),
        ([port(53, name="t"), port(53, name="u", protocol="UDP", nodePort=30053)], [30053, 30053]),
        (
            [port(53, name="t", nodePort=30053), port(53, name="u", protocol="UDP", nodePort=30054)],
            [30053, 30054],
        ),
        (
            [port(53, name="t", nodePort=30053), port(53, name="u", protocol="UDP", nodePort=30053)],
            [30053, 30053],
        ),
        ([port(80, name="a", nodePort=30080), port(81, name="b")], [30080, "x"]),
    ],
)
def test_one_port_number_has_one_node_port(services, ports, expected):
    found = node_ports(services.create(type="NodePort", ports=ports))
    names: dict[str, int] = {}
    assert [
        names.setdefault(e, f) if isinstance(e, str) else e for e, f in zip(expected, found, strict=True)
    ] == found
    assert len(set(names.values())) == len(names)
    assert set(services.taken("nodeport")) == {str(p) for p in found}


def test_a_load_balancer_may_go_without_node_ports(services):
    made = services.create(
        type="LoadBalancer",
        allocateLoadBalancerNodePorts=False,
        ports=[port(80, name="a"), port(81, name="b", nodePort=30081)],
    )
    assert node_ports(made) == [None, 30081]
    services.patch(ports=[port(80, name="a"), port(81, name="b")])
    assert services.taken("nodeport") == []


def test_a_health_check_port_comes_and_goes_with_the_local_policy(services):
    made = services.create(type="LoadBalancer", ports=PORTS)
    assert "healthCheckNodePort" not in made["spec"]
    made = services.patch(externalTrafficPolicy="Local")
    health = made["spec"]["healthCheckNodePort"]
    assert set(services.taken("nodeport")) == {str(health), str(node_ports(made)[0])}
    made = services.update(type="LoadBalancer", ports=PORTS, externalTrafficPolicy="Local")
    assert made["spec"]["healthCheckNodePort"] == health
    made = services.patch(externalTrafficPolicy="Cluster")
    assert "healthCheckNodePort" not in made["spec"]
    assert services.taken("nodeport") == [str(node_ports(made)[0])]


def test_a_health_check_port_may_be_chosen(services):
    services.create(
        "a", type="LoadBalancer", ports=PORTS, externalTrafficPolicy="Local", healthCheckNodePort=31234
    )
    assert "31234" in services.taken("nodeport")
    assert refusal(
        services.create,
        "b",
        type="LoadBalancer",
        ports=PORTS,
        externalTrafficPolicy="Local",
        healthCheckNodePort=31234,
    ) == (
        "500 Internal error occurred: failed to allocate requested HealthCheck NodePort 31234: provided port is already allocated"
    )
    services.delete("a")
    assert services.taken("nodeport") == []


KINDS = {
    "ExternalName": {"type": "ExternalName", "externalName": "example.com"},
    "ClusterIP": {"type": "ClusterIP"},
    "NodePort": {"type": "NodePort"},
    "LoadBalancer": {"type": "LoadBalancer"},
    "LoadBalancer-Local": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
}
HOLDS = {
    "ExternalName": (0, 0),
    "ClusterIP": (1, 0),
    "NodePort": (1, 1),
    "LoadBalancer": (1, 1),
    "LoadBalancer-Local": (1, 2),
}


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_a_change_of_type_takes_and_gives_back(services, before, after):
    old = services.create(ports=PORTS, **KINDS[before])
    assert (len(services.taken("clusterip/IPv4")), len(services.taken("nodeport"))) == HOLDS[before]
    new = services.update(ports=PORTS, **KINDS[after])
    assert (len(services.taken("clusterip/IPv4")), len(services.taken("nodeport"))) == HOLDS[after]
    if HOLDS[before][0] and HOLDS[after][0]:
        assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    if HOLDS[before][1] and HOLDS[after][1]:
        assert node_ports(new) == node_ports(old)
    services.delete()
    assert services.allocations() == {}


def test_an_edit_of_the_type_alone_lets_the_server_drop_the_rest(services):
    services.create(type="LoadBalancer", externalTrafficPolicy="Local", ports=PORTS)
    made = services.patch(type="ClusterIP")
    assert node_ports(made) == [None]
    assert {"healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"}.isdisjoint(
        made["spec"]
    )
    made = services.patch(type="ExternalName", externalName="example.com")
    assert {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}.isdisjoint(made["spec"])
    assert services.allocations() == {}


@pytest.mark.parametrize("value", ["10.96.3.3", "None"])
def test_a_cluster_ip_may_not_change(services, value):
    services.create(ports=PORTS)
    before = services.allocations()
    expected = f'422 Service "web" is invalid: spec.clusterIPs[0]: Invalid value: []string{{"{value}"}}: may not change once set'
    assert refusal(services.patch, clusterIP=value) == expected
    assert services.allocations() == before


def test_headless_is_for_ever(services):
    services.create(clusterIP="None", selector={"app": "web"}, ports=PORTS)
    assert refusal(services.patch, clusterIP="10.96.3.3").endswith(
        'spec.clusterIPs[0]: Invalid value: []string{"10.96.3.3"}: may not change once set'
    )
    made = services.update(selector={"app": "web"}, ports=PORTS)
    assert made["spec"]["clusterIP"] == "None"
    services.patch(type="ExternalName", externalName="example.com")
    assert services.patch(type="ClusterIP", externalName=None, clusterIP="None")["spec"]["clusterIPs"] == [
        "None"
    ]


def test_a_node_port_that_changes_gives_the_old_one_back(services):
    services.create(type="NodePort", ports=[port(80, nodePort=30080)])
    services.patch(ports=[port(80, nodePort=30081)])
    assert services.taken("nodeport") == ["30081"]
    services.patch(ports=[port(80, name="a", nodePort=30081), port(81, name="b")])
    assert len(services.taken("nodeport")) == 2
    services.patch(ports=[port(81, name="b")])
    assert "30081" not in services.taken("nodeport")


def test_a_node_port_of_another_is_refused_in_an_update(services):
    services.create("a", type="NodePort", ports=[port(80, nodePort=30080)])
    services.create("b", type="NodePort", ports=[port(80, nodePort=30081)])
    assert refusal(services.patch, "b", ports=[port(80, nodePort=30080)]) == (
        '422 Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'
    )
    assert services.taken("nodeport") == ["30080", "30081"]


def test_ports_may_trade_their_node_ports(services):
    services.create(
        type="NodePort", ports=[port(80, name="a", nodePort=30080), port(81, name="b", nodePort=30081)]
    )
    services.patch(ports=[port(80, name="a", nodePort=30081), port(81, name="b", nodePort=30080)])
    assert services.taken("nodeport") == ["30080", "30081"]


def test_one_node_port_twice_in_an_update_is_an_error_of_the_server(services):
    services.create(type="NodePort", ports=[port(80, name="a", nodePort=30080)])
    assert refusal(
        services.patch, ports=[port(80, name="a", nodePort=30080), port(81, name="b", nodePort=30080)]
    ) == ("500 duplicate nodePort: {TCP 30080}")


def test_dual_stack_is_gained_and_given_up(dual):
    single = dual.create(ports=PORTS)
    first = single["spec"]["clusterIP"]
    both = dual.patch(ipFamilyPolicy="PreferDualStack")
    assert both["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert both["spec"]["clusterIPs"][0] == first
    assert dual.taken("clusterip/IPv6") == both["spec"]["clusterIPs"][1:]
    assert both["spec"]["clusterIPs"][1].startswith("fd00:10:96::")
    again = dual.patch(ipFamilyPolicy="SingleStack")
    assert (again["spec"]["clusterIPs"], again["spec"]["ipFamilies"]) == ([first], ["IPv4"])
    assert dual.taken("clusterip/IPv6") == []


def test_a_second_address_may_be_chosen(dual):
    dual.create(ports=PORTS, clusterIP="10.96.0.10")
    both = dual.patch(ipFamilyPolicy="RequireDualStack", clusterIPs=["10.96.0.10", "fd00:10:96::10"])
    assert both["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert dual.taken("clusterip/IPv6") == ["fd00:10:96::10"]


def test_the_first_family_is_the_one_asked_for(dual):
    made = dual.create(ports=PORTS, ipFamilies=["IPv6"], ipFamilyPolicy="PreferDualStack")
    assert made["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    assert made["spec"]["clusterIP"].startswith("fd00:10:96::")


def test_a_service_keeps_its_families_when_the_cluster_gains_one():
    services = Services()
    services.create(ports=PORTS, ipFamilyPolicy="PreferDualStack")
    wider = Services(DUAL, storage=services.storage)
    made = wider.patch(sessionAffinity="ClientIP")
    assert made["spec"]["ipFamilies"] == ["IPv4"]
    made = wider.patch(ipFamilyPolicy="RequireDualStack")
    assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    wider.check()


def test_what_a_client_leaves_out_is_carried_over(dual):
    made = dual.create(
        type="LoadBalancer", externalTrafficPolicy="Local", ipFamilyPolicy="RequireDualStack", ports=PORTS
    )
    again = dual.update(type="LoadBalancer", externalTrafficPolicy="Local", ports=PORTS)
    assert again["spec"] == made["spec"]


def test_a_dry_run_shows_stand_ins_and_takes_nothing(services):
    made = services.create(
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        ports=[port(80, name="a"), port(81, name="b")],
        dry_run=True,
    )
    assert made["spec"]["clusterIPs"] == ["10.96.0.0"]
    assert node_ports(made) == [32769, 32770]
    assert made["spec"]["healthCheckNodePort"] == 32771
    assert services.allocations() == {}


def test_a_dry_run_still_refuses_what_is_wrong(services):
    services.create("a", type="NodePort", ports=[port(80, nodePort=30080)])
    assert "is not in the valid range" in refusal(
        services.create, ports=PORTS, clusterIP="10.200.0.1", dry_run=True
    )
    assert "provided port is already allocated" in refusal(
        services.create, type="NodePort", ports=[port(80, nodePort=30080)], dry_run=True
    )


def test_a_dry_run_of_an_update_takes_and_gives_back_nothing(services):
    services.create(type="NodePort", ports=[port(80, nodePort=30080)])
    before = services.allocations()
    made = services.update(type="ClusterIP", ports=PORTS, dry_run=True)
    assert node_ports(made) == [None]
    services.update(type="ExternalName", externalName="example.com", dry_run=True)
    assert services.allocations() == before


def test_a_conflict_of_two_stores_is_seen_by_the_second(services):
    """The unique key holds even where a writer did not look."""
    services.create(ports=PORTS, clusterIP="10.96.0.10")
    with pytest.raises(AllocationTaken), services.storage.transaction() as tx:
        tx.allocate("clusterip/IPv4", "10.96.0.10", "somebody")
