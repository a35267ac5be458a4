"""Namespace: its label, its finalizer, its phase."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.core_v1 import namespace as kind


def created(name: str = "a", **content: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {"metadata": {"name": name}, **content}
    kind.default(obj)
    kind.prepare_create(obj)
    return obj


def test_a_new_namespace_has_its_label_finalizer_and_phase() -> None:
    assert created() == {
        "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "a"}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def test_other_finalizers_stay() -> None:
    assert created(spec={"finalizers": ["example.com/f"]})["spec"]["finalizers"] == [
        "example.com/f",
        "kubernetes",
    ]


def test_a_generated_name_gets_its_label_when_it_is_known() -> None:
    obj: dict[str, Any] = {"metadata": {"generateName": "a-"}}
    kind.default(obj)
    assert "labels" not in obj["metadata"]
    obj["metadata"]["name"] = "a-x"
    kind.prepare_create(obj)
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a-x"}


def test_an_update_changes_neither_finalizers_nor_status() -> None:
    old = created()
    new = {"metadata": {"name": "a"}, "spec": {"finalizers": []}, "status": {"phase": "Terminating"}}
    kind.prepare_update(new, old)
    assert (new["spec"], new["status"]) == (old["spec"], old["status"])


def test_finalize_changes_finalizers_alone() -> None:
    old = created()
    new = {"metadata": {"name": "a"}, "spec": {"finalizers": []}, "status": {"phase": "Terminating"}}
    kind.prepare_finalize_update(new, old)
    assert (new["spec"], new["status"]) == ({"finalizers": []}, {"phase": "Active"})
    assert kind.validate_finalize_update(new, old) == []
    wrong = {"spec": {"finalizers": ["foo"]}}
    assert [str(e) for e in kind.validate_finalize_update(wrong, old)] == [
        'spec.finalizers[0]: Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified'
    ]


PHASES = {
    "active": ({}, "Active", []),
    "terminating": ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "Terminating", []),
    "too early": (
        {},
        "Terminating",
        [
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
        ],
    ),
    "too late": (
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "Active",
        [
            "status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"
        ],
    ),
}


@pytest.mark.parametrize(("meta", "phase", "expected"), PHASES.values(), ids=PHASES)
def test_the_phase_follows_the_deletion(meta: dict[str, Any], phase: str, expected: list[str]) -> None:
    new = {"metadata": meta, "status": {"phase": phase}}
    assert [str(e) for e in kind.validate_status_update(new, created())] == expected


def test_names_are_labels() -> None:
    assert kind.name_errors("Bad_NS", False)
    assert not kind.name_errors("1-good", False)


def test_field_selectors_and_row() -> None:
    obj = created()
    assert kind.fields(obj) == {"metadata.name": "a", "status.phase": "Active", "name": "a"}
    assert kind.cells(obj, datetime(2026, 1, 1, tzinfo=UTC)) == ["a", "Active", "<unknown>"]
