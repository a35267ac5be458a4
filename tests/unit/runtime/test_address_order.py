"""The order of a name's addresses: examples of RFC 6724, section 10.2, and where the C libraries part from it."""

from __future__ import annotations

import pytest

from kubesim.runtime.addressorder import GLIBC, GO, MUSL, Order, in_order

RFC = {
    "the same scope": (
        ["2001:db8:1::2", "fe80::1"],
        ["198.51.100.121", "2001:db8:1::1"],
        ["2001:db8:1::1", "198.51.100.121"],
    ),
    "no source of that family": (
        ["169.254.13.78", "10.0.0.2"],
        ["2001:db8:1::1", "10.1.2.3"],
        ["10.1.2.3", "2001:db8:1::1"],
    ),
    "the same label": (
        ["2002:c633:6401::2", "fd00::2"],
        ["2001:db8:1::1", "2002:c633:6401::1"],
        ["2002:c633:6401::1", "2001:db8:1::1"],
    ),
    "the higher precedence": (
        ["10.0.0.2", "2001:db8::2"],
        ["10.1.2.3", "2001:db8:1::1"],
        ["2001:db8:1::1", "10.1.2.3"],
    ),
    "the longer prefix": (
        ["2001:db8:1::2"],
        ["2001:db8:3ffe::1", "2001:db8:1::1"],
        ["2001:db8:1::1", "2001:db8:3ffe::1"],
    ),
    "loopback before all": (
        ["10.0.0.2", "2001:db8::2"],
        ["127.0.0.1", "::1"],
        ["::1", "127.0.0.1"],
    ),
}


@pytest.mark.parametrize("order", [GLIBC, MUSL, GO], ids=["glibc", "musl", "Go"])
@pytest.mark.parametrize(("own", "addresses", "expected"), RFC.values(), ids=RFC)
def test_what_all_agree_on(own: list[str], addresses: list[str], expected: list[str], order: Order) -> None:
    assert in_order(addresses, own, order) == expected
    assert in_order(expected, own, order) == expected


OWN = ["10.244.0.3", "fd00:10:244::3"]


@pytest.mark.parametrize(("order", "first"), [(GLIBC, "six"), (MUSL, "four"), (GO, "four")])
def test_private_ipv6_comes_first_with_glibc_alone(order: Order, first: str) -> None:
    found = in_order(["10.96.0.7", "fd00:10:96::7"], OWN, order)
    assert (":" in found[0]) == (first == "six")


def test_pods_of_the_own_node_come_first() -> None:
    """Which is why a headless Service does not spread over IPv6: clients that go by prefixes take the nearest each time."""
    pods = ["fd00:10:244:1::2", "fd00:10:244::9", "fd00:10:244::2"]
    assert in_order(pods, OWN, GLIBC) == ["fd00:10:244::2", "fd00:10:244::9", "fd00:10:244:1::2"]
    assert in_order(pods, OWN, GO) == ["fd00:10:244::9", "fd00:10:244::2", "fd00:10:244:1::2"]


def test_ipv4_addresses_among_themselves_stay_as_dns_has_them() -> None:
    addresses = ["10.244.1.2", "fd00:10:244::2", "10.244.0.2"]
    assert in_order(addresses, OWN, GLIBC) == ["fd00:10:244::2", "10.244.1.2", "10.244.0.2"]
    assert in_order(addresses, OWN, GO) == ["10.244.1.2", "10.244.0.2", "fd00:10:244::2"]
    assert in_order(addresses, OWN, MUSL) == ["10.244.0.2", "10.244.1.2", "fd00:10:244::2"]
