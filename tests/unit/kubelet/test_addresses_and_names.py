from __future__ import annotations

from typing import Any

import pytest
from support.cluster import START

from kubesim.kubelet.addresses import AddressesExhaustedError, PodAddresses
from kubesim.kubelet.backoff import Backoff
from kubesim.kubelet.config import KubeletConfig
from kubesim.kubelet.names import hostname_and_domain, hosts_file, resolv_conf
from kubesim.util.state import MemoryState

CONFIG = KubeletConfig()


def test_addresses_go_up_and_are_not_handed_out_again_soon() -> None:
    state = MemoryState()
    first = PodAddresses(state).allocate("10.244.1.0/24", "a")
    PodAddresses(state).release("10.244.1.0/24", first, "a")
    assert (first, PodAddresses(state).allocate("10.244.1.0/24", "b")) == ("10.244.1.2", "10.244.1.3")


def test_a_range_that_is_used_up_begins_again_with_what_is_free() -> None:
    addresses = PodAddresses(MemoryState())
    owners = {addresses.allocate("10.244.1.0/29", str(i)): str(i) for i in range(5)}
    assert sorted(owners) == [f"10.244.1.{i}" for i in range(2, 7)]
    with pytest.raises(AddressesExhaustedError, match="no IP addresses available in range set"):
        addresses.allocate("10.244.1.0/29", "x")
    addresses.release("10.244.1.0/29", "10.244.1.4", owners["10.244.1.4"])
    assert addresses.allocate("10.244.1.0/29", "x") == "10.244.1.4"


def test_only_the_owner_gives_an_address_back() -> None:
    addresses = PodAddresses(MemoryState())
    taken = addresses.allocate("10.244.1.0/30", "a")
    addresses.release("10.244.1.0/30", taken, "b")
    with pytest.raises(AddressesExhaustedError):
        addresses.allocate("10.244.1.0/30", "b")


def test_ipv6_ranges_have_addresses_too() -> None:
    assert PodAddresses(MemoryState()).allocate("fd00:10:244::/64", "a") == "fd00:10:244::2"


def test_back_off_doubles_up_to_five_minutes() -> None:
    backoff, now, delays = Backoff(), START, []
    for _ in range(8):
        until = backoff.waits_until(now)
        delays.append((until - now).total_seconds() if until else 0)
        now = until or now
        backoff.next(now)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]


def _pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "namespace": "team"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        pytest.param({}, ("web-1", ""), id="the Pod's name"),
        pytest.param({"hostname": "db"}, ("db", ""), id="hostname"),
        pytest.param(
            {"hostname": "db", "subdomain": "s"}, ("db", "s.team.svc.cluster.local"), id="subdomain"
        ),
        pytest.param(
            {"hostname": "db", "subdomain": "s", "setHostnameAsFQDN": True},
            ("db.s.team.svc.cluster.local", "s.team.svc.cluster.local"),
            id="as FQDN",
        ),
    ],
)
def test_host_names(spec: dict[str, Any], names: tuple[str, str]) -> None:
    assert hostname_and_domain(_pod(**spec), CONFIG) == names


def test_host_aliases_come_last() -> None:
    pod = _pod(hostAliases=[{"ip": "192.0.2.1", "hostnames": ["a", "b"]}])
    text = hosts_file(pod, ["10.244.0.7"], "web-1", "")
    assert text.endswith("10.244.0.7\tweb-1\n\n# Entries added by HostAliases.\n192.0.2.1\ta\tb\n")


CLUSTER_FIRST = (
    "search team.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)
DEFAULT = "nameserver 172.18.0.1\noptions edns0 trust-ad ndots:0\n"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({}, CLUSTER_FIRST, id="ClusterFirst"),
        pytest.param({"hostNetwork": True}, DEFAULT, id="host network"),
        pytest.param(
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTER_FIRST, id="WithHostNet"
        ),
        pytest.param({"dnsPolicy": "Default"}, DEFAULT, id="Default"),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["192.0.2.1"],
                    "searches": ["my.dns"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "search my.dns\nnameserver 192.0.2.1\noptions ndots:2 edns0\n",
            id="None",
        ),
        pytest.param(
            {"dnsConfig": {"searches": ["my.dns"], "options": [{"name": "ndots", "value": "2"}]}},
            "search team.svc.cluster.local svc.cluster.local cluster.local my.dns\nnameserver 10.96.0.10\n"
            "options ndots:2\n",
            id="more than ClusterFirst",
        ),
    ],
)
def test_resolv_conf(spec: dict[str, Any], text: str) -> None:
    assert resolv_conf(_pod(**spec), CONFIG) == text
