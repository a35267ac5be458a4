"""Volumes of Pods: what kind of source each has, and its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kubesim.cli.describe.page import NONE, UNSET, Page, go_bool, pointer
from kubesim.util.jsontypes import JSONObject, dig

Row = tuple[str, Any]

# Sources whose fields are shown one by one: the words, then (title, field). A field that ends in `?` is a bool.
PLAIN: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName"), ("ReadOnly", "readOnly?")),
    ),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server", "server"), ("Path", "path"), ("ReadOnly", "readOnly?")),
    ),
    "gitRepo": (
        "GitRepo (a volume that is pulled from git when the pod is created)",
        (("Repository", "repository"), ("Revision", "revision")),
    ),
    "gcePersistentDisk": (
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        (("PDName", "pdName"), ("FSType", "fsType"), ("Partition", "partition"), ("ReadOnly", "readOnly?")),
    ),
    "awsElasticBlockStore": (
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        (("VolumeID", "volumeID"), ("FSType", "fsType"), ("Partition", "partition"), ("ReadOnly", "readOnly?")),
    ),
    "glusterfs": (
        "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
        (("EndpointsName", "endpoints"), ("Path", "path"), ("ReadOnly", "readOnly?")),
    ),
    "csi": (
        "CSI (a Container Storage Interface (CSI) volume source)",
        (("Driver", "driver"), ("FSType", "fsType"), ("ReadOnly", "readOnly?")),
    ),
    "image": (
        "Image (a container image or OCI artifact)",
        (("Reference", "reference"), ("PullPolicy", "pullPolicy")),
    ),
}


def volumes(page: Page, items: Sequence[JSONObject], space: str = "") -> None:
    """describeVolumes. `space` indents those of templates."""
    if not items:
        page.line(0, f"{space}Volumes:", NONE)
        return
    page.write(0, f"{space}Volumes:\n")
    for volume in items:
        page.write(1, f"{' ' if space else ''}{volume.get('name', '')}:\n")
        kind = next((k for k in volume if k != "name"), "emptyDir")
        source = volume.get(kind) or {}
        if kind in PLAIN:
            words, fields = PLAIN[kind]
            _rows(page, [("Type", words), *(_field(source, title, name) for title, name in fields)])
        elif kind in SPECIAL:
            SPECIAL[kind](page, source)
        else:
            page.write(1, "<unknown>\n")


def _field(source: JSONObject, title: str, name: str) -> Row:
    if name.endswith("?"):
        return title, go_bool(source.get(name[:-1]))
    value = source.get(name)
    return title, "" if value is None else value


def _rows(page: Page, rows: Sequence[Row]) -> None:
    for title, value in rows:
        page.line(2, f"{title}:", value)


def _host_path(page: Page, source: JSONObject) -> None:
    kind = source.get("type")
    _rows(
        page,
        [
            ("Type", "HostPath (bare host directory volume)"),
            ("Path", source.get("path", "")),
            ("HostPathType", NONE if kind is None else kind),
        ],
    )


def _empty_dir(page: Page, source: JSONObject) -> None:
    limit = source.get("sizeLimit")
    _rows(
        page,
        [
            ("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"),
            ("Medium", source.get("medium", "")),
            ("SizeLimit", limit if limit and limit != "0" else UNSET),
        ],
    )


def _secret(page: Page, source: JSONObject) -> None:
    _rows(
        page,
        [
            ("Type", "Secret (a volume populated by a Secret)"),
            ("SecretName", source.get("secretName", "")),
            ("Optional", go_bool(source.get("optional"))),
        ],
    )


def _config_map(page: Page, source: JSONObject) -> None:
    _rows(
        page,
        [
            ("Type", "ConfigMap (a volume populated by a ConfigMap)"),
            ("Name", source.get("name", "")),
            ("Optional", go_bool(source.get("optional"))),
        ],
    )


def _projected(page: Page, source: JSONObject) -> None:
    page.line(2, "Type:", "Projected (a volume that contains injected data from multiple sources)")
    for item in source.get("sources") or []:
        if item.get("secret") is not None:
            page.line(2, "SecretName:", item["secret"].get("name", ""))
            page.line(2, "SecretOptionalName:", pointer(item["secret"].get("optional")))
        elif item.get("downwardAPI") is not None:
            page.line(2, "DownwardAPI:", "true")
        elif item.get("configMap") is not None:
            page.line(2, "ConfigMapName:", item["configMap"].get("name", ""))
            page.line(2, "ConfigMapOptional:", pointer(item["configMap"].get("optional")))
        elif item.get("serviceAccountToken") is not None:
            page.line(2, "TokenExpirationSeconds:", item["serviceAccountToken"].get("expirationSeconds", 3600))


def _downward_api(page: Page, source: JSONObject) -> None:
    page.write(2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:\n")
    for item in source.get("items") or []:
        field = dig(item, "fieldRef", "fieldPath") or dig(item, "resourceFieldRef", "resource")
        if field:
            page.write(3, f"{field} -> {item.get('path', '')}\n")


def _ephemeral(page: Page, source: JSONObject) -> None:
    page.line(
        2, "Type:", "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
    )
    spec = dig(source, "volumeClaimTemplate", "spec")
    if spec is None:
        return
    page.line(2, "StorageClass:", spec.get("storageClassName", ""))
    page.line(2, "Volume:", spec.get("volumeName", ""))
    page.line(2, "Capacity:", "")
    page.line(2, "Access Modes:", "")
    page.line(2, "VolumeMode:", spec.get("volumeMode", "Filesystem"))


SPECIAL: dict[str, Callable[[Page, JSONObject], None]] = {
    "configMap": _config_map,
    "downwardAPI": _downward_api,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "hostPath": _host_path,
    "projected": _projected,
    "secret": _secret,
}
