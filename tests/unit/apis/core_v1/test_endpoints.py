"""Endpoints: what is refused, the canonical form of subsets, and the cell that lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis import endpointsubsets
from kubesim.apis.core_v1 import endpoints as kind
from kubesim.apis.endpointsubsets import repack_subsets

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def addresses(*ips: str) -> list[dict[str, Any]]:
    return [{"ip": ip} for ip in ips]


def ports(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"port": n, "protocol": "TCP", **({"name": f"p{n}"} if len(numbers) > 1 else {})} for n in numbers
    ]


REFUSED = {
    "loopback": (
        [{"addresses": addresses("127.0.0.1"), "ports": ports(80)}],
        [
            'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'
        ],
    ),
    "no addresses": (
        [{"ports": ports(80)}],
        ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
    ),
    "no IP": (
        [{"notReadyAddresses": [{"ip": "x"}]}],
        [
            'subsets[0].notReadyAddresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
            'subsets[0].notReadyAddresses[0].ip: Invalid value: "x": must be a valid IP address',
        ],
    ),
    "ports without names": (
        [
            {
                "addresses": addresses("1.2.3.4"),
                "ports": [{"port": 0, "protocol": "X"}, {"port": 81, "name": "a", "protocol": "TCP"}],
            }
        ],
        [
            "subsets[0].ports[0].name: Required value",
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            'subsets[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        ],
    ),
}


@pytest.mark.parametrize(("subsets", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(subsets: list[dict[str, Any]], expected: list[str]) -> None:
    assert [str(e) for e in kind.validate({"subsets": subsets})] == expected


def test_ports_without_protocol_are_tcp() -> None:
    obj: dict[str, Any] = {
        "subsets": [{"addresses": addresses("1.2.3.4"), "ports": [{"port": 80}], "notReadyAddresses": []}]
    }
    kind.default(obj)
    assert obj == {
        "subsets": [{"addresses": addresses("1.2.3.4"), "ports": [{"port": 80, "protocol": "TCP"}]}]
    }


REPACKED = {
    "addresses sorted and without doubles": (
        [{"addresses": addresses("5.6.7.8", "1.2.3.4", "1.2.3.4"), "ports": ports(111)}],
        [{"addresses": addresses("1.2.3.4", "5.6.7.8"), "ports": ports(111)}],
    ),
    "one set of addresses, its ports together": (
        [
            {"addresses": addresses("1.2.3.4"), "ports": ports(111)},
            {"addresses": addresses("1.2.3.4"), "ports": ports(111)},
        ],
        [{"addresses": addresses("1.2.3.4"), "ports": ports(111)}],
    ),
    "one port, its addresses together": (
        [
            {"addresses": addresses("1.2.3.4"), "ports": ports(111)},
            {"addresses": addresses("5.6.7.8"), "ports": ports(111)},
        ],
        [{"addresses": addresses("1.2.3.4", "5.6.7.8"), "ports": ports(111)}],
    ),
    "not ready wins": (
        [
            {"addresses": addresses("1.2.3.4"), "ports": ports(111)},
            {"notReadyAddresses": addresses("1.2.3.4"), "ports": ports(111)},
        ],
        [{"notReadyAddresses": addresses("1.2.3.4"), "ports": ports(111)}],
    ),
    "no ports": ([{"addresses": addresses("1.2.3.4")}], [{"addresses": addresses("1.2.3.4")}]),
    "two Pods with one address": (
        [
            {
                "addresses": [
                    {"ip": "1.2.3.4", "targetRef": {"uid": "b"}},
                    {"ip": "1.2.3.4", "targetRef": {"uid": "a"}},
                ],
                "ports": ports(1),
            }
        ],
        [
            {
                "addresses": [
                    {"ip": "1.2.3.4", "targetRef": {"uid": "a"}},
                    {"ip": "1.2.3.4", "targetRef": {"uid": "b"}},
                ],
                "ports": ports(1),
            }
        ],
    ),
}


@pytest.mark.parametrize(("subsets", "expected"), REPACKED.values(), ids=REPACKED)
def test_subsets_are_repacked(subsets: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert repack_subsets(subsets) == expected
    assert repack_subsets(expected) == expected
    assert endpointsubsets.is_packed(expected)
    assert not endpointsubsets.is_packed(subsets) or subsets == expected


def test_the_order_does_not_depend_on_how_it_was_written() -> None:
    given = [
        {"addresses": addresses("10.0.0.1", "10.0.0.2"), "ports": ports(80, 443, 8080)},
        {"addresses": addresses("10.0.0.3"), "ports": ports(80, 9090)},
    ]
    turned = [
        {"addresses": list(reversed(s["addresses"])), "ports": list(reversed(s["ports"]))}
        for s in reversed(given)
    ]
    assert repack_subsets(turned) == repack_subsets(given)


def test_what_is_refused_is_left_as_it_was_written() -> None:
    obj: dict[str, Any] = {"subsets": [{"ports": ports(80)}]}
    kind.prepare_create(obj)
    assert obj == {"subsets": [{"ports": ports(80)}]}


CELLS = {
    "none": ([], "<none>"),
    "one": ([{"addresses": addresses("10.244.0.4"), "ports": ports(80)}], "10.244.0.4:80"),
    "five": (
        [{"addresses": addresses(*(f"10.0.0.{n}" for n in range(5))), "ports": ports(80)}],
        "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...",
    ),
    "two ports": (
        [{"addresses": addresses("10.0.0.1", "10.0.0.2"), "ports": ports(80, 443)}],
        "10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more...",
    ),
    "no ports": ([{"addresses": addresses("10.0.0.1")}], "10.0.0.1"),
    "IPv6": ([{"addresses": addresses("fd00::1"), "ports": ports(80)}], "[fd00::1]:80"),
    "none ready": ([{"notReadyAddresses": addresses("10.0.0.1"), "ports": ports(80)}], ""),
}


@pytest.mark.parametrize(("subsets", "expected"), CELLS.values(), ids=CELLS)
def test_the_cell_of_the_table(subsets: list[dict[str, Any]], expected: str) -> None:
    obj = {"metadata": {"name": "e"}, "subsets": subsets}
    assert kind.cells(obj, NOW) == ["e", expected, "<unknown>"]


def test_ports_and_subsets_stand_in_kubernetes_own_order() -> None:
    # Vectors of a Go program that sorts v1's structs by the same hash; the API server's are called core.
    vectors = [
        (("10.10.3.3", "10.11.2.2", "10.12.1.1"), (("c", 8801), ("d", 309), ("a", 8675))),
        (("10.11.1.1", "10.22.2.2", "10.33.3.33"), (("y", 8992), ("x", 867), ("z", 311))),
        (("10.21.2.9", "10.31.21.9", "10.71.2.2"), (("a", 791), ("b", 203), ("c", 7911))),
    ]
    sorted_by_go = [
        {"addresses": addresses(*ips), "ports": [{"name": n, "port": p} for n, p in named]}
        for ips, named in vectors
    ]

    def digest(text: str) -> bytes:
        return endpointsubsets._digest(text.replace("core.", "v1."))

    for subset in sorted_by_go:
        by_name = sorted(subset["ports"], key=lambda p: p["name"])
        assert sorted(by_name, key=lambda p: digest(endpointsubsets._hashed_port(p))) == subset["ports"]
    turned = reversed(sorted_by_go)
    assert sorted(turned, key=lambda s: digest(endpointsubsets._hashed_subset(s))) == sorted_by_go
