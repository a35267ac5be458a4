"""What is checked of every object's metadata."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apimachinery.field import Path
from kubesim.apimachinery.names import name_is_dns_subdomain
from kubesim.apimachinery.objectmeta import (
    validate_conditions,
    validate_label_selector,
    validate_object_meta,
    validate_object_meta_update,
)

META = Path("metadata")
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def faults(meta: dict[str, Any], *, namespaced: bool = True) -> list[str]:
    base = {"name": "x", "namespace": "default"} if namespaced else {"name": "x"}
    return [str(e) for e in validate_object_meta(base | meta, namespaced, name_is_dns_subdomain, META)]


def update_faults(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    base = {"name": "x", "resourceVersion": "1"}
    return [str(e) for e in validate_object_meta_update(base | new, base | old, META)]


def test_good_metadata_has_no_faults() -> None:
    meta = {
        "generateName": "x-",
        "labels": {"a.b/c": "d"},
        "annotations": {"Example.com/Some": "any\nthing"},
        "ownerReferences": [OWNER | {"controller": True}, OWNER],
        "finalizers": ["kubernetes", "example.com/done"],
        "managedFields": [{"operation": "Apply", "fieldsType": "FieldsV1", "manager": "m"}],
    }
    assert faults(meta) == []
    assert faults({}, namespaced=False) == []


@pytest.mark.parametrize(
    ("meta", "namespaced", "wanted"),
    [
        ({"name": ""}, True, ["metadata.name: Required value: name or generateName is required"]),
        ({"namespace": ""}, True, ["metadata.namespace: Required value"]),
        ({"namespace": "a"}, False, ["metadata.namespace: Forbidden: not allowed on this type"]),
        (
            {"generation": -1},
            True,
            ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            {"finalizers": ["orphan", "foregroundDeletion"]},
            True,
            [
                (
                    'metadata.finalizers: Invalid value: []string{"orphan", "foregroundDeletion"}: '
                    "finalizer orphan and foregroundDeletion cannot be both set"
                )
            ],
        ),
        (
            {"ownerReferences": [{"apiVersion": "a/b/c"}]},
            True,
            [
                'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty',
                'metadata.ownerReferences.kind: Invalid value: "": kind must not be empty',
                'metadata.ownerReferences.name: Invalid value: "": name must not be empty',
                'metadata.ownerReferences.uid: Invalid value: "": uid must not be empty',
            ],
        ),
        (
            {"ownerReferences": [OWNER | {"kind": "Event"}]},
            True,
            [
                (
                    'metadata.ownerReferences: Invalid value: v1.OwnerReference{APIVersion:"v1", Kind:"Event", Name:"p", '
                    'UID:"u", Controller:(*bool)(nil), BlockOwnerDeletion:(*bool)(nil)}: '
                    "/v1, Kind=Event is disallowed from being an owner"
                )
            ],
        ),
        (
            {"managedFields": [{"operation": "X", "fieldsType": "Y", "manager": "m" * 129}]},
            True,
            [
                'metadata.managedFields[0].operation: Invalid value: "X": must be `Apply` or `Update`',
                'metadata.managedFields[0].fieldsType: Invalid value: "Y": must be `FieldsV1`',
                "metadata.managedFields[0].manager: Too long: may not be more than 128 bytes",
            ],
        ),
        (
            {"annotations": {"a": "x" * 262144}},
            True,
            ["metadata.annotations: Too long: may not be more than 262144 bytes"],
        ),
    ],
)
def test_faults_are_worded_as_by_kubernetes(
    meta: dict[str, Any], namespaced: bool, wanted: list[str]
) -> None:
    assert faults(meta, namespaced=namespaced) == wanted


def test_two_controllers_are_one_too_many() -> None:
    owners = [OWNER | {"controller": True}, OWNER | {"name": "q", "controller": True}]
    [found] = faults({"ownerReferences": owners})
    assert found.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q'
    )


def test_faults_come_in_kubernetes_order() -> None:
    found = faults({"name": "A", "namespace": "B", "labels": {"a b": "c d"}, "finalizers": ["x y"]})
    assert [f.split(":")[0] for f in found] == [
        "metadata.name",
        "metadata.namespace",
        "metadata.labels",
        "metadata.labels",
        "metadata.finalizers",
    ]


@pytest.mark.parametrize(
    ("new", "old", "wanted"),
    [
        ({}, {}, []),
        (
            {"resourceVersion": ""},
            {},
            ['metadata.resourceVersion: Invalid value: "": must be specified for an update'],
        ),
        (
            {"generation": 1},
            {"generation": 2},
            ["metadata.generation: Invalid value: 1: must not be decremented"],
        ),
        ({"name": "y"}, {}, ['metadata.name: Invalid value: "y": field is immutable']),
        ({"uid": "a"}, {"uid": "b"}, ['metadata.uid: Invalid value: "a": field is immutable']),
        (
            {"creationTimestamp": "2026-01-01T00:00:00Z"},
            {},
            ["metadata.creationTimestamp: Invalid value: 2026-01-01 00:00:00 +0000 UTC: field is immutable"],
        ),
        (
            {},
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            ['metadata.deletionTimestamp: Invalid value: "null": field is immutable'],
        ),
        (
            {"deletionTimestamp": "t", "finalizers": ["b", "a", "old"]},
            {"deletionTimestamp": "t", "finalizers": ["old"]},
            [
                (
                    "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
                    'found new finalizers []string{"a", "b"}'
                )
            ],
        ),
    ],
)
def test_updates_may_not_change_what_is_fixed(
    new: dict[str, Any], old: dict[str, Any], wanted: list[str]
) -> None:
    assert update_faults(new, old) == wanted


def test_selectors_of_objects_are_checked() -> None:
    selector = {
        "matchLabels": {"a": "-"},
        "matchExpressions": [
            {"key": "b", "operator": "In"},
            {"key": "c", "operator": "Exists", "values": ["x"]},
            {"key": "d", "operator": "Near"},
        ],
    }
    found = [str(e) for e in validate_label_selector(selector, Path("spec.selector"))]
    assert found[1:] == [
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        (
            "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or "
            "'DoesNotExist'"
        ),
        'spec.selector.matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
    ]
    assert found[0].startswith('spec.selector.matchLabels: Invalid value: "-": a valid label must be')


def test_conditions_are_checked() -> None:
    good = {"type": "Ready", "status": "True", "reason": "Ok", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    found = [
        str(e) for e in validate_conditions([good, good | {"status": "Yes", "reason": ""}], Path("status"))
    ]
    assert found == [
        'status[1].type: Duplicate value: "Ready"',
        'status[1].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"',
        "status[1].reason: Required value: must be set",
    ]
