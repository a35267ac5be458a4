"""The validation of a pod's volumes: ValidateVolumes in pkg/apis/core/validation.

The order of the sources is Kubernetes'; so are the paths that differ from the fields' names.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import (
    inclusive_range_error,
    is_dns1123_label,
    is_dns1123_subdomain,
    is_qualified_name,
)
from kubesim.apimachinery.objectmeta import validate_label_selector
from kubesim.apis import resources
from kubesim.apis.podclaims import validate_claim_spec
from kubesim.util.jsontypes import JSONObject, dig

FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_ONE_TYPE = "may not specify more than 1 volume type"
_DUPLICATE_PATHS = "conflicting duplicate paths"
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_SUBSCRIPT = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]")
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}

Validator = Callable[[JSONObject, Path], list[FieldError]]


def validate_volumes(
    volumes: list[JSONObject], path: Path, pod_name: str = ""
) -> tuple[dict[str, JSONObject], list[FieldError]]:
    """The volumes that are in order, by name, and the errors of the others.

    `pod_name` is empty for a template: the claims that an ephemeral volume makes have no name yet.
    """
    errors: list[FieldError] = []
    found: dict[str, JSONObject] = {}
    created = {f"{pod_name}-{v.get('name')}" for v in volumes if pod_name and v.get("ephemeral") is not None}
    for i, volume in enumerate(volumes):
        at = path.index(i)
        name = str(volume.get("name") or "")
        wrong = _validate_source(volume, at, pod_name)
        if not name:
            wrong.append(field.required(at.child("name"), ""))
        else:
            wrong += [field.invalid(at.child("name"), name, e) for e in is_dns1123_label(name)]
        if name in found:
            wrong.append(field.duplicate(at.child("name"), name))
        if not wrong:
            found[name] = volume
        errors += wrong
        claim = dig(volume, "persistentVolumeClaim", "claimName")
        if claim in created:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(field.invalid(at.child("persistentVolumeClaim", "claimName"), claim, detail))
    return found, errors


def _validate_source(volume: JSONObject, path: Path, pod_name: str) -> list[FieldError]:
    errors: list[FieldError] = []
    sources = 0
    for name, validate in _SOURCES.items():
        source = volume.get(name)
        if source is None:
            continue
        if sources:
            errors.append(field.forbidden(path.child(_PATHS_WHEN_SECOND.get(name, name)), _ONE_TYPE))
        else:
            errors += validate(source, path.child(_PATHS.get(name, name)))
            if name == "ephemeral":
                errors += _validate_ephemeral_name(volume, path, pod_name)
        sources += 1
        if name == "iscsi":
            errors += _validate_iscsi_name(volume, path)
    if not sources:
        errors.append(field.required(path, "must specify a volume type"))
    return errors


# Where the path in an error is not the name of the field.
_PATHS = {"gcePersistentDisk": "persistentDisk"}
_PATHS_WHEN_SECOND = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}


def _nothing(source: JSONObject, path: Path) -> list[FieldError]:
    return []


def required(*names: str) -> Validator:
    """A validator that wants these fields."""

    def validate(source: JSONObject, path: Path) -> list[FieldError]:
        return [field.required(path.child(name), "") for name in names if not source.get(name)]

    return validate


def _validate_empty_dir(source: JSONObject, path: Path) -> list[FieldError]:
    limit = source.get("sizeLimit")
    if limit is not None and resources.quantity(limit).sign() < 0:
        detail = "SizeLimit field must be a valid resource quantity"
        return [field.forbidden(path.child("sizeLimit"), detail)]
    return []


def validate_host_path(source: JSONObject, path: Path) -> list[FieldError]:
    target = str(source.get("path") or "")
    if not target:
        return [field.required(path.child("path"), "")]
    errors = validate_no_backsteps(target, path.child("path"))
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        errors.append(field.not_supported(path.child("type"), kind, _HOST_PATH_TYPES))
    return errors


def _validate_git_repo(source: JSONObject, path: Path) -> list[FieldError]:
    errors = required("repository")(source, path)
    return errors + validate_descending_path(str(source.get("directory") or ""), path.child("directory"))


def _validate_disk(name: str) -> Validator:
    def validate(source: JSONObject, path: Path) -> list[FieldError]:
        errors = required(name)(source, path)
        partition = source.get("partition") or 0
        if not 0 <= partition <= 255:
            errors.append(field.invalid(path.child("partition"), partition, inclusive_range_error(1, 255)))
        return errors

    return validate


def _validate_secret(source: JSONObject, path: Path) -> list[FieldError]:
    return required("secretName")(source, path) + _validate_items(source, path)


def _validate_config_map(source: JSONObject, path: Path) -> list[FieldError]:
    return required("name")(source, path) + _validate_items(source, path)


def _validate_items(source: JSONObject, path: Path) -> list[FieldError]:
    errors = _validate_mode(source.get("defaultMode"), path.child("defaultMode"))
    for i, item in enumerate(source.get("items") or ()):
        errors += _validate_key_to_path(item, path.child("items").index(i))
    return errors


def _validate_key_to_path(item: JSONObject, path: Path) -> list[FieldError]:
    errors = required("key", "path")(item, path)
    errors += validate_local_path(str(item.get("path") or ""), path.child("path"))
    return errors + _validate_mode(item.get("mode"), path.child("mode"))


def _validate_mode(mode: int | None, path: Path) -> list[FieldError]:
    return [] if mode is None or 0 <= mode <= 0o777 else [field.invalid(path, mode, FILE_MODE)]


def validate_nfs(source: JSONObject, path: Path) -> list[FieldError]:
    errors = required("server", "path")(source, path)
    target = str(source.get("path") or "")
    if not target.startswith("/"):
        errors.append(field.invalid(path.child("path"), target, "must be an absolute path"))
    return errors


def validate_iscsi(source: JSONObject, path: Path) -> list[FieldError]:
    errors = required("targetPortal")(source, path)
    name = str(source.get("iqn") or "")
    if not name:
        errors.append(field.required(path.child("iqn"), ""))
    else:
        errors += _validate_initiator(name, path.child("iqn"))
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        errors.append(field.invalid(path.child("lun"), lun, inclusive_range_error(0, 255)))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and not source.get("secretRef"):
        errors.append(field.required(path.child("secretRef"), ""))
    initiator = source.get("initiatorName")
    return errors + (_validate_initiator(initiator, path.child("initiatorname")) if initiator else [])


def _validate_initiator(name: str, path: Path) -> list[FieldError]:
    pattern = _INITIATORS.get(name[:3])
    if pattern is None:
        return [field.invalid(path, name, "must be valid format starting with iqn, eui, or naa")]
    return [] if pattern.search(name) else [field.invalid(path, name, "must be valid format")]


def _validate_iscsi_name(volume: JSONObject, path: Path) -> list[FieldError]:
    name, portal = volume.get("name") or "", volume["iscsi"].get("targetPortal") or ""
    if not volume["iscsi"].get("initiatorName") or len(f"{name}:{portal}") <= 64:
        return []
    detail = (
        "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters"
        " if iscsi.initiatorName is specified."
    )
    return [field.invalid(path.child("name"), name, detail)]


def validate_flocker(source: JSONObject, path: Path) -> list[FieldError]:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    errors = []
    if not name and not uuid:
        errors.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        detail = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(field.invalid(path, "resource", detail))
    if "/" in name:
        errors.append(field.invalid(path.child("datasetName"), name, "must not contain '/'"))
    return errors


def validate_fc(source: JSONObject, path: Path) -> list[FieldError]:
    targets, wwids, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    errors = []
    if not targets and not wwids:
        detail = "must specify either targetWWNs or wwids, but not both"
        errors.append(field.required(path.child("targetWWNs"), detail))
    if targets and wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(field.invalid(path.child("targetWWNs"), targets, detail))
    if targets and lun is None:
        errors.append(field.required(path.child("lun"), "lun is required if targetWWNs is specified"))
    elif targets and not 0 <= (lun or 0) <= 255:
        errors.append(field.invalid(path.child("lun"), lun, inclusive_range_error(0, 255)))
    return errors


def validate_flex_volume(source: JSONObject, path: Path) -> list[FieldError]:
    errors = required("driver")(source, path)
    for key in sorted(source.get("options") or {}):
        namespace = "." + key.partition("/")[0].lower()
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            detail = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(field.invalid(path.child("options").key(key), key, detail))
    return errors


def validate_azure_disk(source: JSONObject, path: Path) -> list[FieldError]:
    errors = required("diskName", "diskURI")(source, path)
    kind, uri = source.get("kind"), str(source.get("diskURI") or "")
    for name, supported in (
        ("cachingMode", ("None", "ReadOnly", "ReadWrite")),
        ("kind", ("Dedicated", "Managed", "Shared")),
    ):
        value = source.get(name)
        if value is not None and value not in supported:
            errors.append(field.not_supported(path.child(name), value, supported))
    managed = (
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
    )
    blob = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.append(field.not_supported(path.child("diskURI"), uri, (managed,)))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        errors.append(field.not_supported(path.child("diskURI"), uri, (blob,)))
    return errors


def _validate_downward(source: JSONObject, path: Path) -> list[FieldError]:
    errors = _validate_mode(source.get("defaultMode"), path.child("defaultMode"))
    for item in source.get("items") or ():
        errors += _validate_downward_file(item, path)
    return errors


def _validate_downward_file(item: JSONObject, path: Path) -> list[FieldError]:
    errors = required("path")(item, path)
    errors += validate_local_path(str(item.get("path") or ""), path.child("path"))
    reference, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if reference is not None:
        errors += validate_field_reference(reference, _VOLUME_FIELDS, path.child("fieldRef"))
        if resource is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(field.invalid(path, "resource", detail))
    elif resource is not None:
        at = path.child("resourceFieldRef")
        errors += validate_resource_reference(resource, at, container_name_required=True)
    else:
        errors.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + _validate_mode(item.get("mode"), path.child("mode"))


_DOWNWARD_FIELDS = frozenset(
    {
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "spec.schedulerName",
        "status.phase",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
        "spec.host",
    }
)


def validate_field_reference(
    reference: JSONObject, supported: tuple[str, ...], path: Path
) -> list[FieldError]:
    """The errors of an ObjectFieldSelector: validateObjectFieldSelector."""
    if not reference.get("apiVersion"):
        return [field.required(path.child("apiVersion"), "")]
    target = str(reference.get("fieldPath") or "")
    if not target:
        return [field.required(path.child("fieldPath"), "")]
    if reference["apiVersion"] != "v1":
        detail = f"error converting fieldPath: unsupported pod version: {reference['apiVersion']}"
        return [field.invalid(path.child("fieldPath"), target, detail)]
    if subscripted := _SUBSCRIPT.fullmatch(target):
        base, key = subscripted.groups()
        key = key.lower() if base.endswith("annotations") else key
        return [field.invalid(path, key, e) for e in is_qualified_name(key)]
    if target not in _DOWNWARD_FIELDS:
        detail = f"error converting fieldPath: field label not supported: {target}"
        return [field.invalid(path.child("fieldPath"), target, detail)]
    if target == "spec.host":
        target = "spec.nodeName"
    if target not in supported:
        return [field.not_supported(path.child("fieldPath"), target, supported)]
    return []


_RESOURCE_FIELDS = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SIZES = (
    "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the"
)


def validate_resource_reference(
    reference: JSONObject, path: Path, *, container_name_required: bool
) -> list[FieldError]:
    """The errors of a ResourceFieldSelector: validateContainerResourceFieldSelector."""
    errors: list[FieldError] = []
    name = str(reference.get("resource") or "")
    if container_name_required and not reference.get("containerName"):
        errors.append(field.required(path.child("containerName"), ""))
    elif not name:
        errors.append(field.required(path.child("resource"), ""))
    elif name not in _RESOURCE_FIELDS and not name.startswith(("limits.hugepages-", "requests.hugepages-")):
        errors.append(field.not_supported(path.child("resource"), name, _RESOURCE_FIELDS))
    divisor = resources.quantity(reference.get("divisor") or "0")
    if divisor.is_zero():
        return errors
    kind = name.partition(".")[2]
    allowed: tuple[str, ...]
    if kind == "cpu":
        allowed, detail = ("1m", "1"), "only divisor's values 1m and 1 are supported with the cpu resource"
    elif kind in {"memory", "ephemeral-storage"} or kind.startswith("hugepages-"):
        word = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind, "hugepages")
        allowed, detail = _BYTE_DIVISORS, f"{_SIZES} {word} resource"
    else:
        return errors
    if str(divisor) not in allowed:
        errors.append(field.invalid(path.child("divisor"), name, detail))
    return errors


def _validate_projected(source: JSONObject, path: Path) -> list[FieldError]:
    errors = _validate_mode(source.get("defaultMode"), path.child("defaultMode"))
    seen: set[str] = set()
    for i, projection in enumerate(source.get("sources") or ()):
        at = path.child("sources").index(i)
        present = 0
        for name, validate in _PROJECTIONS:
            if projection.get(name) is not None:
                present += 1
                errors += validate(projection[name], at.child(name), path, seen)
        if present > 1:
            errors.append(field.forbidden(at, "may not specify more than 1 volume type per source"))
    return errors


def _project_items(source: JSONObject, path: Path, top: Path, seen: set[str]) -> list[FieldError]:
    errors = required("name")(source, path)
    for i, item in enumerate(source.get("items") or ()):
        errors += _validate_key_to_path(item, path.child("items").index(i))
        errors += _claim_path(item.get("path"), source.get("name"), top, seen)
    return errors


def _claim_path(target: str | None, value: str | None, top: Path, seen: set[str]) -> list[FieldError]:
    if not target or target not in seen:
        seen.add(target or "")
        return []
    return [field.invalid(top, value or "", _DUPLICATE_PATHS)]


def _project_downward(source: JSONObject, path: Path, top: Path, seen: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    for item in source.get("items") or ():
        errors += _validate_downward_file(item, path)
        errors += _claim_path(item.get("path"), item.get("path"), top, seen)
    return errors


def _project_token(source: JSONObject, path: Path, top: Path, seen: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    seconds = source.get("expirationSeconds") or 0
    if seconds < 600:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(field.invalid(path.child("expirationSeconds"), seconds, detail))
    if seconds > 1 << 32:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(field.invalid(path.child("expirationSeconds"), seconds, detail))
    target = str(source.get("path") or "")
    if not target:
        errors.append(field.required(top.child("path"), ""))
        return errors
    return errors + validate_local_path(target, top.child("path"))


def _project_bundle(source: JSONObject, path: Path, top: Path, seen: set[str]) -> list[FieldError]:
    name, signer = source.get("name"), source.get("signerName")
    errors: list[FieldError] = []
    if name is not None and signer is not None:
        detail = "only one of name and signerName may be used"
        errors.append(field.invalid(path, name, detail))
    elif name is not None:
        if not name:
            errors.append(field.required(path.child("name"), "must be a valid object name"))
    elif signer is not None:
        if not signer:
            errors.append(field.required(path.child("signerName"), "must be a valid signer name"))
        errors += validate_label_selector(source.get("labelSelector"), path.child("labelSelector"))
    else:
        errors.append(field.required(path, "either name or signerName must be specified"))
    target = str(source.get("path") or "")
    if not target:
        errors.append(field.required(path.child("path"), ""))
    errors += validate_local_path(target, path.child("path"))
    return errors + _claim_path(target, target, top, seen)


_PROJECTIONS = (
    ("secret", _project_items),
    ("configMap", _project_items),
    ("downwardAPI", _project_downward),
    ("serviceAccountToken", _project_token),
    ("clusterTrustBundle", _project_bundle),
)


def _validate_csi(source: JSONObject, path: Path) -> list[FieldError]:
    errors = validate_csi_driver_name(str(source.get("driver") or ""), path.child("driver"))
    reference = source.get("nodePublishSecretRef")
    if reference is not None:
        name = str(reference.get("name") or "")
        if not name:
            errors.append(field.required(path.child("nodePublishSecretRef", "name"), ""))
        else:
            errors += [field.invalid(path.child("name"), name, e) for e in is_dns1123_subdomain(name)]
    return errors


def validate_csi_driver_name(name: str, path: Path) -> list[FieldError]:
    """The errors of the name of a CSI driver: ValidateCSIDriverName."""
    if not name:
        return [field.required(path, "")]
    errors = []
    if len(name) > 63:
        errors.append(field.too_long(path, "", 63))
    return errors + [field.invalid(path, name, e) for e in is_dns1123_subdomain(name.lower())]


def _validate_ephemeral(source: JSONObject, path: Path) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [field.required(path.child("volumeClaimTemplate"), "")]
    return validate_claim_spec(template.get("spec") or {}, path.child("volumeClaimTemplate", "spec"))


def _validate_ephemeral_name(volume: JSONObject, path: Path, pod_name: str) -> list[FieldError]:
    name = volume.get("name") or ""
    claim = f"{pod_name}-{name}"
    if not pod_name or not name:
        return []
    return [
        field.invalid(path.child("name"), name, f'PVC name "{claim}": {e}')
        for e in is_dns1123_subdomain(claim)
    ]


def _validate_scale_io(source: JSONObject, path: Path) -> list[FieldError]:
    return required("gateway", "system", "volumeName")(source, path)


def validate_local_path(target: str, path: Path) -> list[FieldError]:
    """A relative path that does not leave its directory: ValidateLocalNonReservedPath."""
    errors = validate_descending_path(target, path)
    if target.startswith("..") and not target.startswith("../"):
        errors.append(field.invalid(path, target, "must not start with '..'"))
    return errors


def validate_descending_path(target: str, path: Path) -> list[FieldError]:
    errors = []
    if target.startswith("/"):
        errors.append(field.invalid(path, target, "must be a relative path"))
    return errors + validate_no_backsteps(target, path)


def validate_no_backsteps(target: str, path: Path) -> list[FieldError]:
    if ".." in target.split("/"):
        return [field.invalid(path, target, "must not contain '..'")]
    return []


_SOURCES: dict[str, Validator] = {
    "emptyDir": _validate_empty_dir,
    "hostPath": validate_host_path,
    "gitRepo": _validate_git_repo,
    "gcePersistentDisk": _validate_disk("pdName"),
    "awsElasticBlockStore": _validate_disk("volumeID"),
    "secret": _validate_secret,
    "nfs": validate_nfs,
    "iscsi": validate_iscsi,
    "glusterfs": required("endpoints", "path"),
    "flocker": validate_flocker,
    "persistentVolumeClaim": required("claimName"),
    "rbd": required("monitors", "image"),
    "cinder": required("volumeID"),
    "cephfs": required("monitors"),
    "quobyte": required("registry", "volume"),
    "downwardAPI": _validate_downward,
    "fc": validate_fc,
    "flexVolume": validate_flex_volume,
    "configMap": _validate_config_map,
    "azureFile": required("secretName", "shareName"),
    "vsphereVolume": required("volumePath"),
    "photonPersistentDisk": required("pdID"),
    "portworxVolume": required("volumeID"),
    "azureDisk": validate_azure_disk,
    "storageos": _nothing,
    "projected": _validate_projected,
    "scaleIO": _validate_scale_io,
    "csi": _validate_csi,
    "ephemeral": _validate_ephemeral,
    "image": required("reference"),
}
