"""The table of the built-in kinds agrees with what API servers of each version serve."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubesim.apis.builtin import builtin_resources, minor_of

NOW = datetime(2026, 11, 23, 2, 45, 31, tzinfo=UTC)


def served(version: str) -> set[str]:
    return {f"{r.api_version}/{r.plural}" for r in builtin_resources(version)}


@pytest.mark.parametrize(
    ("resource", "first", "last"),
    [
        ("authentication.k8s.io/v1/selfsubjectreviews", 28, 37),
        ("flowcontrol.apiserver.k8s.io/v1beta1/flowschemas", 25, 25),
        ("flowcontrol.apiserver.k8s.io/v1beta2/flowschemas", 25, 28),
        ("flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", 26, 31),
        ("flowcontrol.apiserver.k8s.io/v1/flowschemas", 29, 37),
        ("storage.k8s.io/v1beta1/csistoragecapacities", 25, 26),
        ("admissionregistration.k8s.io/v1/validatingadmissionpolicies", 30, 37),
        ("networking.k8s.io/v1/servicecidrs", 33, 37),
        ("resource.k8s.io/v1/resourceclaims", 34, 37),
        ("storage.k8s.io/v1/volumeattributesclasses", 34, 37),
        ("admissionregistration.k8s.io/v1/mutatingadmissionpolicies", 36, 37),
        ("certificates.k8s.io/v1/clustertrustbundles", 37, 37),
    ],
)
def test_a_resource_is_served_from_its_first_to_its_last_version(
    resource: str, first: int, last: int
) -> None:
    found = [minor for minor in range(25, 38) if resource in served(f"1.{minor}")]
    assert found == list(range(first, last + 1))


@pytest.mark.parametrize("text", ["1.32", "v1.32.4", "32"])
def test_a_version_is_read_in_each_notation(text: str) -> None:
    assert minor_of(text) == 32


def test_newer_versions_of_a_group_come_first() -> None:
    versions = [r.gvk.version for r in builtin_resources("1.32") if r.plural == "horizontalpodautoscalers"]
    assert versions == ["v2", "v1"]


def test_pods_can_be_resized_from_1_33_on() -> None:
    pods = {v: next(r for r in builtin_resources(v) if r.plural == "pods") for v in ("1.32", "1.33")}
    assert "resize" not in pods["1.32"].subresources
    assert "resize" in pods["1.33"].subresources


@pytest.mark.parametrize("version", ["1.25", "1.32", "1.37"])
def test_every_kind_takes_an_object_with_nothing_but_a_name(version: str) -> None:
    for resource in builtin_resources(version):
        obj = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": "x", "uid": "u", "creationTimestamp": "2026-11-23T02:45:21Z"},
        }
        resource.default(obj)
        resource.prepare_create(obj)
        assert isinstance(resource.validate(obj), list)
        assert isinstance(resource.validate_update(obj, obj), list)
        assert isinstance(resource.validate_status_update(obj, obj), list)
        assert resource.warnings(obj, None) is not None
        assert resource.fields(obj)["metadata.name"] == "x"
        if resource.cells:
            assert len(resource.cells(obj, NOW)) == len(resource.columns), resource.plural
