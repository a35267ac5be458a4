"""Volumes of Pods and PersistentVolumes: what kind of source each has, and its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kubesim.cli.describe.page import MAX_ANNOTATION, NONE, UNSET, PrefixWriter, go_bool, go_list, pointer
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject, dig

# A field: its title, its path, and how it is shown.
Field = tuple[str, str, Callable[[Any], str]]
Source = tuple[str, tuple[Field, ...]]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> str:
    return str(value or 0)


def _text_or_none(value: Any) -> str:
    return NONE if value is None else str(value)


def _text_or_unset(value: Any) -> str:
    return UNSET if value is None else str(value)


def _joined(value: Any) -> str:
    return ", ".join(value or ())


def _options(value: Any) -> str:
    return sprint(value or {})


def _local_reference(value: Any) -> str:
    """A reference as its generated String method writes it."""
    return "nil" if value is None else f"&LocalObjectReference{{Name:{value.get('name', '')},}}"


def _secret_reference(value: Any) -> str:
    if value is None:
        return "nil"
    return f"&SecretReference{{Name:{value.get('name', '')},Namespace:{value.get('namespace', '')},}}"


READ_ONLY: Field = ("ReadOnly:", "readOnly", go_bool)
FS_TYPE: Field = ("FSType:", "fsType", _text)
SECRET_REF: Field = ("SecretRef:", "secretRef", _local_reference)

# Sources whose fields are shown one by one: the words, then (title, path, way). In the order in which
# describeVolumes looks for them.
SOURCES: dict[str, Source] = {
    "hostPath": (
        "HostPath (bare host directory volume)",
        (("Path:", "path", _text), ("HostPathType:", "type", _text_or_none)),
    ),
    "gcePersistentDisk": (
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        (("PDName:", "pdName", _text), FS_TYPE, ("Partition:", "partition", _number), READ_ONLY),
    ),
    "awsElasticBlockStore": (
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        (("VolumeID:", "volumeID", _text), FS_TYPE, ("Partition:", "partition", _number), READ_ONLY),
    ),
    "gitRepo": (
        "GitRepo (a volume that is pulled from git when the pod is created)",
        (("Repository:", "repository", _text), ("Revision:", "revision", _text)),
    ),
    "secret": (
        "Secret (a volume populated by a Secret)",
        (("SecretName:", "secretName", _text), ("Optional:", "optional", go_bool)),
    ),
    "configMap": (
        "ConfigMap (a volume populated by a ConfigMap)",
        (("Name:", "name", _text), ("Optional:", "optional", go_bool)),
    ),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server:", "server", _text), ("Path:", "path", _text), READ_ONLY),
    ),
    "iscsi": (
        "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
        (
            ("TargetPortal:", "targetPortal", _text),
            ("IQN:", "iqn", _text),
            ("Lun:", "lun", _number),
            ("ISCSIInterface", "iscsiInterface", _text),
            FS_TYPE,
            READ_ONLY,
            ("Portals:", "portals", go_list),
            ("DiscoveryCHAPAuth:", "chapAuthDiscovery", go_bool),
            ("SessionCHAPAuth:", "chapAuthSession", go_bool),
            SECRET_REF,
            ("InitiatorName:", "initiatorName", _text_or_none),
        ),
    ),
    "glusterfs": (
        "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
        (("EndpointsName:", "endpoints", _text), ("Path:", "path", _text), READ_ONLY),
    ),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName:", "claimName", _text), READ_ONLY),
    ),
    "rbd": (
        "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
        (
            ("CephMonitors:", "monitors", go_list),
            ("RBDImage:", "image", _text),
            FS_TYPE,
            ("RBDPool:", "pool", _text),
            ("RadosUser:", "user", _text),
            ("Keyring:", "keyring", _text),
            SECRET_REF,
            READ_ONLY,
        ),
    ),
    "quobyte": (
        "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
        (("Registry:", "registry", _text), ("Volume:", "volume", _text), READ_ONLY),
    ),
    "azureDisk": (
        "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        (
            ("DiskName:", "diskName", _text),
            ("DiskURI:", "diskURI", _text),
            ("Kind: ", "kind", _text),
            FS_TYPE,
            ("CachingMode:", "cachingMode", _text),
            READ_ONLY,
        ),
    ),
    "vsphereVolume": (
        "vSphereVolume (a Persistent Disk resource in vSphere)",
        (("VolumePath:", "volumePath", _text), FS_TYPE, ("StoragePolicyName:", "storagePolicyName", _text)),
    ),
    "cinder": (
        "Cinder (a Persistent Disk resource in OpenStack)",
        (("VolumeID:", "volumeID", _text), FS_TYPE, READ_ONLY, SECRET_REF),
    ),
    "photonPersistentDisk": (
        "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
        (("PdID:", "pdID", _text), FS_TYPE),
    ),
    "portworxVolume": (
        "PortworxVolume (a Portworx Volume resource)",
        (("VolumeID:", "volumeID", _text),),
    ),
    "scaleIO": (
        "ScaleIO (a persistent volume backed by a block device in ScaleIO)",
        (
            ("Gateway:", "gateway", _text),
            ("System:", "system", _text),
            ("Protection Domain:", "protectionDomain", _text),
            ("Storage Pool:", "storagePool", _text),
            ("Storage Mode:", "storageMode", _text),
            ("VolumeName:", "volumeName", _text),
            FS_TYPE,
            READ_ONLY,
        ),
    ),
    "cephfs": (
        "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
        (
            ("Monitors:", "monitors", go_list),
            ("Path:", "path", _text),
            ("User:", "user", _text),
            ("SecretFile:", "secretFile", _text),
            SECRET_REF,
            READ_ONLY,
        ),
    ),
    "storageos": (
        "StorageOS (a StorageOS Persistent Disk resource)",
        (
            ("VolumeName:", "volumeName", _text),
            ("VolumeNamespace:", "volumeNamespace", _text),
            FS_TYPE,
            READ_ONLY,
        ),
    ),
    "fc": (
        "FC (a Fibre Channel disk)",
        (("TargetWWNs:", "targetWWNs", _joined), ("LUN:", "lun", _text_or_none), FS_TYPE, READ_ONLY),
    ),
    "azureFile": (
        "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        (("SecretName:", "secretName", _text), ("ShareName:", "shareName", _text), READ_ONLY),
    ),
    "flexVolume": (
        "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
        (("Driver:", "driver", _text), FS_TYPE, SECRET_REF, READ_ONLY, ("Options:", "options", _options)),
    ),
    "flocker": (
        "Flocker (a Flocker volume mounted by the Flocker agent)",
        (("DatasetName:", "datasetName", _text), ("DatasetUUID:", "datasetUUID", _text)),
    ),
    "image": (
        "Image (a container image or OCI artifact)",
        (("Reference:", "reference", _text), ("PullPolicy:", "pullPolicy", _text)),
    ),
    "local": (
        "LocalVolume (a persistent volume backed by local storage on a node)",
        (("Path:", "path", _text),),
    ),
}


def volumes(page: PrefixWriter, items: Sequence[JSONObject], space: str = "") -> None:
    """DescribeVolumes. `space` indents those of templates."""
    if not items:
        page.line(0, f"{space}Volumes:", NONE)
        return
    page.write(0, f"{space}Volumes:\n")
    for volume in items:
        page.write(1, f"{' ' if space else ''}{volume.get('name', '')}:\n")
        kind = next((k for k in volume if k != "name" and volume[k] is not None), "")
        if kind in SPECIAL:
            SPECIAL[kind](page, volume[kind])
        elif kind in SOURCES and kind != "local":
            plain_source(page, SOURCES[kind], volume[kind])
        else:
            page.write(1, "<unknown>\n")


def plain_source(page: PrefixWriter, source: Source, values: JSONObject) -> None:
    """The type of a source, and its fields."""
    words, fields = source
    page.line(2, "Type:", words)
    for title, path, way in fields:
        page.line(2, title, way(dig(values, *path.split("."))))


def _empty_dir(page: PrefixWriter, source: JSONObject) -> None:
    limit = source.get("sizeLimit")
    page.line(2, "Type:", "EmptyDir (a temporary directory that shares a pod's lifetime)")
    page.line(2, "Medium:", source.get("medium") or "")
    page.line(2, "SizeLimit:", limit if limit and _positive(limit) else UNSET)


def _positive(limit: str) -> bool:
    from kubesim.util.quantity import Quantity

    return Quantity.from_json(limit).sign() > 0


def _projected(page: PrefixWriter, source: JSONObject) -> None:
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
            page.line(
                2, "TokenExpirationSeconds:", item["serviceAccountToken"].get("expirationSeconds", 3600)
            )


def _downward_api(page: PrefixWriter, source: JSONObject) -> None:
    page.write(2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:\n")
    for item in source.get("items") or []:
        for reference, name in (("fieldRef", "fieldPath"), ("resourceFieldRef", "resource")):
            if item.get(reference) is not None:
                page.write(3, f"{item[reference].get(name, '')} -> {item.get('path', '')}\n")


def _ephemeral(page: PrefixWriter, source: JSONObject) -> None:
    words = (
        "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
    )
    page.line(2, "Type:", words)
    template = source.get("volumeClaimTemplate")
    if template is not None:
        from kubesim.cli.describe.storage import claim_fields

        with page.nested(2):
            claim_fields(page, template)


def _csi(page: PrefixWriter, source: JSONObject, *more: Field) -> None:
    """A CSI source; its attributes stand one step further in than their title."""
    words = "CSI (a Container Storage Interface (CSI) volume source)"
    plain_source(page, (words, (("Driver:", "driver", _text), FS_TYPE, *more, READ_ONLY)), source)
    attributes = source.get("volumeAttributes")
    if attributes:
        page.labels("VolumeAttributes", attributes, level=2, first=2, limit=MAX_ANNOTATION)
    else:
        page.line(2, "VolumeAttributes:", NONE)


SPECIAL: dict[str, Callable[[PrefixWriter, JSONObject], None]] = {
    "csi": _csi,
    "downwardAPI": _downward_api,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "projected": _projected,
}


def _persistent(kind: str) -> Source:
    """A source as PersistentVolumes have it: its Secret may be in another namespace."""
    words, fields = SOURCES[kind]
    secret: Field = ("SecretRef:", "secretRef", _secret_reference)
    return words, tuple(secret if field is SECRET_REF else field for field in fields)


def _with(kind: str, position: int, *more: Field) -> Source:
    words, fields = SOURCES[kind]
    return words, (*fields[:position], *more, *fields[position:])


# printXPersistentVolumeSource, in the order in which describePersistentVolume looks for them.
PERSISTENT: dict[str, Source] = {
    **{kind: _persistent(kind) for kind in SOURCES},
    "glusterfs": _with("glusterfs", 1, ("EndpointsNamespace:", "endpointsNamespace", _text_or_unset)),
    "scaleIO": _with(
        "scaleIO",
        6,
        ("SecretName:", "secretRef.name", _text),
        ("SecretNamespace:", "secretRef.namespace", _text),
    ),
    "azureFile": _with("azureFile", 1, ("SecretNamespace:", "secretNamespace", _text)),
}


def persistent_source(page: PrefixWriter, spec: JSONObject) -> None:
    """The source of a PersistentVolume."""
    kind = next((k for k in (*PERSISTENT, "csi") if spec.get(k) is not None), "")
    if not kind:
        page.write(1, "<unknown>\n")
    elif kind == "csi":
        _csi(page, spec["csi"], ("VolumeHandle:", "volumeHandle", _text))
    else:
        plain_source(page, PERSISTENT[kind], spec[kind])
