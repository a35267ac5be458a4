"""EndpointSlice: defaults, generation, what is refused, and its row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.discovery_v1 import endpointslice as kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def part(**content: Any) -> dict[str, Any]:
    content = {"addressType": "IPv4", "endpoints": [], "ports": []} | content
    obj: dict[str, Any] = {"metadata": {"name": "s", "namespace": "default"}, **content}
    kind.default(obj)
    return obj


def test_ports_have_a_name_and_a_protocol() -> None:
    assert part(ports=[{"port": 80}])["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]


def test_conditions_are_always_there() -> None:
    assert part(endpoints=[{"addresses": ["1.2.3.4"]}])["endpoints"] == [
        {"addresses": ["1.2.3.4"], "conditions": {}}
    ]


REFUSED = {
    "fine": (part(endpoints=[{"addresses": ["10.0.0.1"]}]), []),
    "no type": (part(addressType=""), ["addressType: Required value"]),
    "unknown type": (
        part(addressType="IP"),
        ['addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"'],
    ),
    "no addresses": (
        part(endpoints=[{"addresses": []}]),
        ["endpoints[0].addresses: Required value: must contain at least 1 address"],
    ),
    "wrong family": (
        part(endpoints=[{"addresses": ["fd00::1"]}]),
        ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address'],
    ),
    "no address": (
        part(addressType="IPv6", endpoints=[{"addresses": ["x"]}]),
        [
            'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IPv6 address',
            'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IP address',
        ],
    ),
    "domain": (
        part(addressType="FQDN", endpoints=[{"addresses": ["a.example.com."]}, {"addresses": ["single"]}]),
        [
            'endpoints[1].addresses[0]: Invalid value: "single": should be a domain with at least two segments separated by dots'
        ],
    ),
    "loopback": (
        part(endpoints=[{"addresses": ["127.0.0.1"]}]),
        [
            'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'
        ],
    ),
    "too many endpoints": (
        part(endpoints=[{"addresses": ["10.0.0.1"]}] * 1001),
        ["endpoints: Too many: 1001: must have at most 1000 items"],
    ),
    "too many addresses": (
        part(endpoints=[{"addresses": ["10.0.0.1"] * 101}]),
        ["endpoints[0].addresses: Too many: 101: must have at most 100 items"],
    ),
    "zones": (
        part(endpoints=[{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}]),
        ['endpoints[0].hints.forZones[1].name: Duplicate value: "a"'],
    ),
    "ports": (
        part(ports=[{"name": "a"}, {"name": "a", "protocol": "X"}]),
        [
            'ports[1].name: Duplicate value: "a"',
            'ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        ],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(obj: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in kind.validate(obj)] == expected


def test_the_address_type_does_not_change() -> None:
    errors = kind.validate_update(part(addressType="IPv6"), part())
    assert [str(e) for e in errors] == ['addressType: Invalid value: "IPv6": field is immutable']


def test_generation_counts_changes_of_content_and_labels() -> None:
    old = part()
    kind.prepare_create(old)
    assert old["metadata"]["generation"] == 1
    same = part()
    kind.prepare_update(same, old)
    assert same["metadata"]["generation"] == 1
    labelled = part()
    labelled["metadata"]["labels"] = {"a": "b"}
    kind.prepare_update(labelled, old)
    assert labelled["metadata"]["generation"] == 2
    changed = part(ports=[{"port": 80}])
    kind.prepare_update(changed, old)
    assert changed["metadata"]["generation"] == 2


ROWS = {
    "empty": (part(), ["IPv4", "<unset>", "<unset>"]),
    "one": (part(endpoints=[{"addresses": ["10.0.0.1"]}], ports=[{"port": 80}]), ["IPv4", "80", "10.0.0.1"]),
    "many": (
        part(
            endpoints=[{"addresses": [f"10.0.0.{n}"]} for n in range(5)],
            ports=[{"name": f"p{n}", "port": n} for n in range(80, 84)],
        ),
        ["IPv4", "80,81,82 + 1 more...", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more..."],
    ),
    "every port": (part(ports=[{"name": "http"}]), ["IPv4", "http", "<unset>"]),
}


@pytest.mark.parametrize(("obj", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_table(obj: dict[str, Any], expected: list[str]) -> None:
    assert kind.cells(obj, NOW) == ["s", *expected, "<unknown>"]
