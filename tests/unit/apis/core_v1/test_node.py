"""Node: pod CIDRs, taints, what may not change, and its row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.core_v1 import node as kind

NOW = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


def node(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    meta = {"name": "node-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    obj: dict[str, Any] = {"metadata": meta, "spec": dict(spec or {}), "status": status}
    kind.default(obj)
    return obj


def test_a_bare_node_is_filled_in() -> None:
    obj = node(capacity={"cpu": "4"})
    assert obj["spec"] == {}
    assert obj["status"]["allocatable"] == {"cpu": "4"}
    assert obj["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert obj["status"]["nodeInfo"]["kubeletVersion"] == ""


RANGES = {
    "singular": ({"podCIDR": "10.0.0.0/24"}, ["10.0.0.0/24"]),
    "plural": ({"podCIDRs": ["10.0.0.0/24", "fd00::/64"]}, ["10.0.0.0/24", "fd00::/64"]),
    "they differ": ({"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.0.0/24"]}, ["10.0.1.0/24"]),
}


@pytest.mark.parametrize(("spec", "expected"), RANGES.values(), ids=RANGES)
def test_pod_cidr_is_the_first_of_pod_cidrs(spec: dict[str, Any], expected: list[str]) -> None:
    found = node(spec)["spec"]
    assert (found["podCIDR"], found["podCIDRs"]) == (expected[0], expected)


TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}
REFUSED = {
    "fine": (node({"podCIDRs": ["10.0.0.0/24", "fd00::/64"], "taints": [TAINT]}), []),
    "no CIDR": (
        node({"podCIDR": "x"}),
        [
            'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
        ],
    ),
    "two of one family": (
        node({"podCIDRs": ["10.0.0.0/24", "10.0.0.0/24"]}),
        [
            (
                'spec.podCIDRs: Invalid value: []string{"10.0.0.0/24", "10.0.0.0/24"}: may specify no more than one CIDR for each IP'
                " family"
            ),
            'spec.podCIDRs[1]: Duplicate value: "10.0.0.0/24"',
        ],
    ),
    "taints": (
        node({"taints": [{"key": "", "effect": "Foo"}, TAINT, TAINT]}),
        [
            'metadata.taints[0].key: Invalid value: "": name part must be non-empty',
            (
                "metadata.taints[0].key: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and"
                " must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
                " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ),
            'metadata.taints[0].effect: Unsupported value: "Foo": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
            (
                'metadata.taints[2]: Duplicate value: core.Taint{Key:"a", Value:"b", Effect:"NoSchedule",'
                " TimeAdded:(*v1.Time)(nil)}: taints must be unique by key and effect pair"
            ),
        ],
    ),
    "amounts": (
        node(capacity={"cpu": "-1", "pods": "110"}, allocatable={}),
        ['status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0'],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(obj: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in kind.validate(obj)] == expected


UPDATES = {
    "CIDR set": (node(), node({"podCIDR": "10.0.0.0/24"}), []),
    "CIDR changed": (
        node({"podCIDR": "10.0.0.0/24"}),
        node({"podCIDR": "10.0.1.0/24"}),
        ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ),
    "provider changed": (
        node({"providerID": "a"}),
        node({"providerID": "b"}),
        ['spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'],
    ),
    "address twice": (
        node(),
        node(addresses=[{"type": "InternalIP", "address": "1.1.1.1"}] * 2),
        ['status.addresses[1]: Duplicate value: core.NodeAddress{Type:"InternalIP", Address:"1.1.1.1"}'],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), UPDATES.values(), ids=UPDATES)
def test_what_may_not_change(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in kind.validate_update(new, old)] == expected


def test_an_update_keeps_the_status_and_a_status_update_the_spec() -> None:
    old = node({"unschedulable": True}, phase="x")
    new = node(phase="y")
    kind.prepare_update(new, old)
    assert new["status"]["phase"] == "x"
    new = node(phase="y")
    kind.prepare_status_update(new, old)
    assert new["spec"] == {"unschedulable": True}


def test_a_row_of_the_table() -> None:
    obj = node(
        {"unschedulable": True},
        conditions=[{"type": "Ready", "status": "True"}],
        addresses=[{"type": "InternalIP", "address": "172.18.0.3"}],
        nodeInfo={"kubeletVersion": "v1.32.4", "osImage": "Debian", "kernelVersion": "6.1.0"},
    )
    obj["metadata"]["labels"] = {
        "node-role.kubernetes.io/etcd": "",
        "node-role.kubernetes.io/control-plane": "",
        "kubernetes.io/role": "worker",
    }
    row = kind.cells(obj, NOW)
    assert row[:5] == ["node-1", "Ready,SchedulingDisabled", "control-plane,etcd,worker", "10s", "v1.32.4"]
    assert row[5:] == ["172.18.0.3", "<none>", "Debian", "6.1.0", "<unknown>"]
    assert len(row) == len(kind.COLUMNS)


STATUSES = {
    "no conditions": ([], "Unknown"),
    "ready": ([{"type": "Ready", "status": "True"}], "Ready"),
    "not ready": ([{"type": "Ready", "status": "Unknown"}], "NotReady"),
}


@pytest.mark.parametrize(("conditions", "expected"), STATUSES.values(), ids=STATUSES)
def test_the_status_cell(conditions: list[dict[str, Any]], expected: str) -> None:
    assert kind.status_of(node(conditions=conditions)) == expected


def test_field_selectors() -> None:
    assert kind.fields(node({"unschedulable": True})) == {
        "metadata.name": "node-1",
        "spec.unschedulable": "true",
    }
    assert kind.fields(node())["spec.unschedulable"] == "false"
