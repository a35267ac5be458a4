"""The validation of a claim's spec, in a PersistentVolumeClaim and in the templates of pods and
StatefulSets.

Source: ValidatePersistentVolumeClaimSpec and ValidatePersistentVolumeClaimTemplate in
pkg/apis/core/validation.
"""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_dns1123_subdomain
from kubesim.apimachinery.objectmeta import validate_label_selector
from kubesim.apis import resources
from kubesim.util.jsontypes import JSONObject, dig

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def validate_claim_spec(spec: JSONObject, path: Path) -> list[FieldError]:
    errors = validate_access_modes(spec.get("accessModes") or [], path.child("accessModes"))
    errors += validate_label_selector(spec.get("selector"), path.child("selector"))
    storage = dig(spec, "resources", "requests", "storage")
    if storage is None:
        errors.append(field.required(path.child("resources").key("storage"), ""))
    else:
        at = path.child("resources").key("storage")
        errors += resources.validate_positive_quantity(resources.quantity(storage), at)
    class_name = spec.get("storageClassName")
    if class_name:
        at = path.child("storageClassName")
        errors += [field.invalid(at, class_name, e) for e in is_dns1123_subdomain(class_name)]
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(field.not_supported(path.child("volumeMode"), mode, VOLUME_MODES))
    if spec.get("dataSource") is not None:
        errors += _validate_data_source(spec["dataSource"], path.child("dataSource"))
    if spec.get("dataSourceRef") is not None:
        errors += _validate_data_source(spec["dataSourceRef"], path.child("dataSourceRef"))
    return errors


def validate_access_modes(
    modes: list[str], path: Path, missing: str = "at least 1 access mode is required"
) -> list[FieldError]:
    """The errors of a claim's or a volume's access modes; `missing` is what is said where there are none."""
    if not modes:
        return [field.required(path, missing)]
    errors = [field.not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        errors.append(field.forbidden(path, detail))
    return errors


def _validate_data_source(source: JSONObject, path: Path) -> list[FieldError]:
    errors = [field.required(path.child(name), "") for name in ("name", "kind") if not source.get(name)]
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind and kind != "PersistentVolumeClaim":
        detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(field.invalid(path, kind, detail))
    if group:
        errors += [field.invalid(path.child("apiGroup"), group, e) for e in is_dns1123_subdomain(group)]
    return errors
