"""The linked address fields of a Service, without a store."""

import pytest

from kubesim.apimachinery.errors import StatusError
from kubesim.registry.service.families import (
    default_on_read,
    init_family_fields,
    normalize_cluster_ips,
    patch_allocated_values,
)

V4, V6 = "10.0.0.1", "2000::1"
ADDRESS = {"4": V4, "6": V6}
FAMILY = {"4": "IPv4", "6": "IPv6"}
POLICY = {"S": "SingleStack", "P": "PreferDualStack", "R": "RequireDualStack"}

# The whole gamut of a create (storage_test.go, TestCreateInitIPFields). Rows: clusterIPs (N headless, N! headless
# without a selector). Columns: ipFamilyPolicy unset, S, P, R, and in each ipFamilies unset, 4, 6, 46, 64. Cells: the
# policy and families that come out, or x for a refusal.
GAMUT = {
    "4": """
        -   S4  S4  x   x   x   | S4  S4  x   x   x   | P4  P4  x   x   x   | x   x   x   x   x
        4   S4  S4  x   x   x   | S4  S4  x   x   x   | P4  P4  x   x   x   | x   x   x   x   x
        6   x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        46  x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        64  x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        N   S4  S4  x   x   x   | S4  S4  x   x   x   | P4  P4  x   x   x   | x   x   x   x   x
        N!  R46 R46 R64 R46 R64 | S4  S4  S6  x   x   | P46 P46 P64 P46 P64 | R46 R46 R64 R46 R64
    """,
    "6": """
        -   S6  x   S6  x   x   | S6  x   S6  x   x   | P6  x   P6  x   x   | x   x   x   x   x
        4   x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        6   S6  x   S6  x   x   | S6  x   S6  x   x   | P6  x   P6  x   x   | x   x   x   x   x
        46  x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        64  x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x   | x   x   x   x   x
        N   S6  x   S6  x   x   | S6  x   S6  x   x   | P6  x   P6  x   x   | x   x   x   x   x
        N!  R64 R46 R64 R46 R64 | S6  S4  S6  x   x   | P64 P46 P64 P46 P64 | R64 R46 R64 R46 R64
    """,
    "46": """
        -   S4  S4  S6  x   x   | S4  S4  S6  x   x   | P46 P46 P64 P46 P64 | R46 R46 R64 R46 R64
        4   S4  S4  x   x   x   | S4  S4  x   x   x   | P46 P46 x   P46 x   | R46 R46 x   R46 x
        6   S6  x   S6  x   x   | S6  x   S6  x   x   | P64 x   P64 x   P64 | R64 x   R64 x   R64
        46  x   x   x   x   x   | x   x   x   x   x   | P46 P46 x   P46 x   | R46 R46 x   R46 x
        64  x   x   x   x   x   | x   x   x   x   x   | P64 x   P64 x   P64 | R64 x   R64 x   R64
        N   S4  S4  S6  x   x   | S4  S4  S6  x   x   | P46 P46 P64 P46 P64 | R46 R46 R64 R46 R64
        N!  R46 R46 R64 R46 R64 | S4  S4  S6  x   x   | P46 P46 P64 P46 P64 | R46 R46 R64 R46 R64
    """,
    "64": """
        -   S6  S4  S6  x   x   | S6  S4  S6  x   x   | P64 P46 P64 P46 P64 | R64 R46 R64 R46 R64
        4   S4  S4  x   x   x   | S4  S4  x   x   x   | P46 P46 x   P46 x   | R46 R46 x   R46 x
        6   S6  x   S6  x   x   | S6  x   S6  x   x   | P64 x   P64 x   P64 | R64 x   R64 x   R64
        46  x   x   x   x   x   | x   x   x   x   x   | P46 P46 x   P46 x   | R46 R46 x   R46 x
        64  x   x   x   x   x   | x   x   x   x   x   | P64 x   P64 x   P64 | R64 x   R64 x   R64
        N   S6  S4  S6  x   x   | S6  S4  S6  x   x   | P64 P46 P64 P46 P64 | R64 R46 R64 R46 R64
        N!  R64 R46 R64 R46 R64 | S6  S4  S6  x   x   | P64 P46 P64 P46 P64 | R64 R46 R64 R46 R64
    """,
}


def service(ips: str = "-", policy: str = "-", families: str = "-", kind: str = "ClusterIP", **spec):
    made = {"type": kind, "selector": {"app": "web"}}
    if ips.startswith("N"):
        made |= {"clusterIP": "None", "clusterIPs": ["None"]}
        if ips == "N!":
            del made["selector"]
    elif ips != "-":
        made["clusterIPs"] = [ADDRESS[c] for c in ips]
        made["clusterIP"] = made["clusterIPs"][0]
    if policy != "-":
        made["ipFamilyPolicy"] = POLICY[policy]
    if families != "-":
        made["ipFamilies"] = [FAMILY[c] for c in families]
    return {"metadata": {"name": "foo", "namespace": "default"}, "spec": made | spec}


def families_text(made) -> str:
    return made["spec"]["ipFamilyPolicy"][0] + "".join(f[-1] for f in made["spec"]["ipFamilies"])


def gamut_rows():
    for cluster, table in GAMUT.items():
        for line in table.strip().splitlines():
            ips, *cells = line.replace("|", " ").split()
            yield pytest.param(cluster, ips, cells, id=f"cluster:{cluster}-clusterIPs:{ips}")


@pytest.mark.parametrize(("cluster", "ips", "cells"), list(gamut_rows()))
def test_create_settles_policy_and_families(cluster, ips, cells):
    configured = [FAMILY[c] for c in cluster]
    expected = iter(cells)
    for policy in "-SPR":
        for families in ("-", "4", "6", "46", "64"):
            made = service(ips, policy, families)
            try:
                init_family_fields(made, None, configured)
                outcome = families_text(made)
            except StatusError:
                outcome = "x"
            assert outcome == next(expected), (policy, families)


def refusals(made, old=None, configured=("IPv4",)) -> list[str]:
    with pytest.raises(StatusError) as caught:
        init_family_fields(made, old, configured)
    assert caught.value.status["details"]["kind"] == "Service"
    return [f"{c['field']}: {c['message']}" for c in caught.value.causes]


@pytest.mark.parametrize(
    ("made", "configured", "expected"),
    [
        (
            service("6"),
            ["IPv4"],
            [
                'spec.clusterIPs[0]: Invalid value: []string{"2000::1"}: IPv6 is not configured on this cluster'
            ],
        ),
        (
            service("46", "P"),
            ["IPv4"],
            [
                'spec.clusterIPs[1]: Invalid value: []string{"10.0.0.1", "2000::1"}: IPv6 is not configured on this cluster'
            ],
        ),
        (
            service(policy="R"),
            ["IPv4"],
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
            ],
        ),
        (
            service(policy="R", families="46"),
            ["IPv4"],
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
                'spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster',
            ],
        ),
        (
            service("46", families="46"),
            ["IPv4", "IPv6"],
            [
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified",
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
            ],
        ),
        (
            service("4", families="6"),
            ["IPv4", "IPv6"],
            [
                'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'
            ],
        ),
        (
            service(clusterIP="abc", clusterIPs=["abc"]),
            ["IPv4"],
            [
                'spec.clusterIPs[0]: Invalid value: "abc": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
            ],
        ),
    ],
)
def test_what_contradicts_itself_or_the_cluster_is_refused(made, configured, expected):
    assert refusals(made, configured=configured) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(service("4", "S", "4"), service("4"), "S4", id="keeps-what-it-has"),
        pytest.param(service("4", "S", "4"), service("4", "P"), "P46", id="prefer-upgrades"),
        pytest.param(service("4", "S", "4"), service("4", "R"), "R46", id="require-upgrades"),
        pytest.param(service("4", "S", "4"), service("46", "P"), "P46", id="a-second-address-upgrades"),
        pytest.param(service("4", "S", "4"), service("4", "P", "46"), "P46", id="a-second-family-upgrades"),
        pytest.param(service("46", "R", "46"), service("46", "S", "46"), "S4", id="single-stack-downgrades"),
        pytest.param(service("46", "R", "46"), service("4", "S", "46"), "S4", id="downgrade-by-addresses"),
        pytest.param(service("46", "R", "46"), service("46", "S", "4"), "S4", id="downgrade-by-families"),
        pytest.param(service("46", "R", "46"), service("4", "S", "4"), "S4", id="downgrade-by-both"),
        pytest.param(service("46", "R", "46"), service("46", "-", "46"), "R46", id="policy-carries-over"),
        pytest.param(
            service("4", "P", "4"), service("4", "P", "4"), "P4", id="prefer-does-not-follow-the-cluster"
        ),
        pytest.param(service("4", "P", "4"), service("4", "R", "4"), "R46", id="prefer-to-require-upgrades"),
        pytest.param(service(kind="ExternalName"), service(), "S4", id="from-external-name"),
        pytest.param(service(kind="ExternalName"), service(policy="P"), "P46", id="from-external-name-dual"),
        pytest.param(service("N", "S", "4"), service("N", "P", "4"), "P46", id="headless-upgrades"),
        pytest.param(service("N", "P", "46"), service("N", "S", "46"), "S4", id="headless-downgrades"),
    ],
)
def test_update_settles_policy_and_families(old, new, expected):
    init_family_fields(new, old, ["IPv4", "IPv6"])
    assert families_text(new) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            service("4", "R", "46"),
            [
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary cluster IP"
            ],
        ),
        (
            service("46", "P", "4"),
            [
                "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the secondary IP family"
            ],
        ),
        (
            service("4", "-", "4"),
            [
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary cluster IP",
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the secondary IP family",
            ],
        ),
    ],
)
def test_a_second_family_is_given_up_only_by_policy(new, expected):
    assert refusals(new, service("46", "R", "46"), ["IPv4", "IPv6"]) == expected


# storage_test.go, TestNormalizeClusterIPs: (old, new) as clusterIP and clusterIPs, and what new's become.
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, ("", None), ("", None)),
        (None, ("1", None), ("1", ["1"])),
        (None, ("1", ["1"]), ("1", ["1"])),
        (None, ("", ["1"]), ("", ["1"])),
        (("1", ["1"]), ("1", ["1"]), ("1", ["1"])),
        (("1", ["1"]), ("1", None), ("1", ["1"])),
        (("1", ["1", "2"]), ("1", None), ("1", ["1", "2"])),
        (("1", ["1"]), ("", ["1"]), ("", None)),
        (("1", ["1", "2"]), ("", ["1", "2"]), ("", None)),
        (("1", ["1"]), ("", ["2"]), ("", ["2"])),
        (("1", ["1"]), ("2", ["1"]), ("2", ["2"])),
        (("1", ["1", "2"]), ("2", ["1", "2"]), ("2", ["2"])),
        (("1", ["1"]), ("2", ["3"]), ("2", ["3"])),
        (("", None), ("1", None), ("1", ["1"])),
    ],
)
def test_cluster_ips_follow_cluster_ip(old, new, expected):
    def spec(pair):
        ip, ips = pair
        return {"spec": ({"clusterIP": ip} if ip else {}) | ({"clusterIPs": ips} if ips else {})}

    made = spec(new)
    normalize_cluster_ips(made, spec(old) if old else None)
    assert (made["spec"].get("clusterIP", ""), made["spec"].get("clusterIPs")) == expected


def load_balancer(*node_ports: int, **spec):
    ports = [{"name": f"p{n}", "port": 80 + n, "nodePort": np} for n, np in enumerate(node_ports)]
    return service("46", kind="LoadBalancer", ports=ports, **spec)


# storage_test.go, TestPatchAllocatedValues.
@pytest.mark.parametrize(
    ("old", "new", "addresses", "node_ports", "health"),
    [
        pytest.param(
            load_balancer(30001, externalTrafficPolicy="Local", healthCheckNodePort=31234),
            service(kind="LoadBalancer", externalTrafficPolicy="Local", ports=[{"name": "p0", "port": 1}]),
            True, [30001], 31234, id="all",
        ),
        pytest.param(
            service("46", ports=[{"port": 1, "nodePort": 30001}], healthCheckNodePort=31234),
            service(ports=[{"port": 1}]),
            True, [None], None, id="addresses-alone",
        ),
        pytest.param(
            service("46", kind="NodePort", ports=[{"port": 1, "nodePort": 30001}], healthCheckNodePort=31234),
            service(kind="NodePort", ports=[{"port": 2}]),
            True, [30001], None, id="node-ports",
        ),
        pytest.param(
            service("46", kind="ExternalName", ports=[{"port": 1, "nodePort": 30001}]),
            service(kind="ExternalName", ports=[{"port": 1}]),
            False, [None], None, id="nothing-for-external-names",
        ),
        pytest.param(
            load_balancer(30001, allocateLoadBalancerNodePorts=False),
            load_balancer(0, allocateLoadBalancerNodePorts=False),
            True, [0], None, id="node-ports-taken-away",
        ),
        pytest.param(
            load_balancer(30001, 30002, allocateLoadBalancerNodePorts=False),
            load_balancer(30001, 0, allocateLoadBalancerNodePorts=False),
            True, [30001, 0], None, id="some-node-ports-taken-away",
        ),
        pytest.param(
            load_balancer(30001, allocateLoadBalancerNodePorts=True),
            load_balancer(0, allocateLoadBalancerNodePorts=True),
            True, [30001], None, id="node-ports-kept",
        ),
        pytest.param(
            load_balancer(30001, 30002),
            load_balancer(30002, 0),
            True, [30002, 0], None, id="a-node-port-used-elsewhere-is-not-patched",
        ),
        pytest.param(
            service("46", kind="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30001}]),
            service(kind="NodePort", ports=[{"port": 80}]),
            True, [None], None, id="ports-are-told-apart-by-name",
        ),
    ],
)  # fmt: skip
def test_what_was_allocated_is_carried_over(old, new, addresses, node_ports, health):
    patch_allocated_values(new, old)
    assert (new["spec"].get("clusterIPs") == [V4, V6]) is addresses
    assert [p.get("nodePort") for p in new["spec"]["ports"]] == node_ports
    assert new["spec"].get("healthCheckNodePort") == health


# storage_test.go, TestServiceDefaultOnRead.
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (service("4"), ([V4], "SingleStack", ["IPv4"])),
        (service("6"), ([V6], "SingleStack", ["IPv6"])),
        (service(clusterIP=V4), ([V4], "SingleStack", ["IPv4"])),
        (service(clusterIP=V6), ([V6], "SingleStack", ["IPv6"])),
        (service("46"), ([V4, V6], "RequireDualStack", ["IPv4", "IPv6"])),
        (service("64"), ([V6, V4], "RequireDualStack", ["IPv6", "IPv4"])),
        (service("N"), (["None"], "SingleStack", ["IPv4"])),
        (service("N!"), (["None"], "RequireDualStack", ["IPv4", "IPv6"])),
        (service("N!", "S", "6"), (["None"], "SingleStack", ["IPv6"])),
        (service(kind="ExternalName", internalTrafficPolicy="Cluster"), (None, None, None)),
    ],
)
def test_what_an_older_version_left_out_is_filled_in(stored, expected):
    default_on_read(stored, "IPv4")
    spec = stored["spec"]
    assert (spec.get("clusterIPs"), spec.get("ipFamilyPolicy"), spec.get("ipFamilies")) == expected
    assert "internalTrafficPolicy" not in spec
