"""PersistentVolumes, claims on them, and the kinds of storage.k8s.io."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import (
    annotations_of,
    finalizers_of,
    is_terminating,
    labels_of,
    metadata_of,
    name_of,
    namespace_of,
    owner_references_of,
    uid_of,
)
from kubesim.cli.describe.page import NONE, Page, PrefixWriter, go_list, long_time, yes_or_unset
from kubesim.cli.describe.volumes import persistent_source
from kubesim.util.jsontypes import JSONObject, dig

PODS = GroupVersionResource("", "v1", "pods")
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
CONDITIONS = (
    ("Type", "type", " "),
    ("Status", "status", " "),
    ("LastProbeTime", "lastProbeTime", " "),
    ("LastTransitionTime", "lastTransitionTime", " "),
    ("Reason", "reason", " "),
    ("Message", "message", ""),
)


def _class_of(obj: JSONObject) -> str:
    beta = annotations_of(obj).get(BETA_CLASS)
    return str(dig(obj, "spec", "storageClassName", default="")) if beta is None else beta


def _modes(modes: Iterable[str] | None) -> str:
    found = set(modes or ())
    return ",".join(short for mode, short in MODES.items() if mode in found)


def _status(page: Page, obj: JSONObject) -> None:
    if is_terminating(obj):
        page.terminating(str(metadata_of(obj)["deletionTimestamp"]))
    else:
        page.line(0, "Status:", dig(obj, "status", "phase", default=""))


def persistent_volume(page: Page, obj: JSONObject) -> None:
    """As describePersistentVolume."""
    spec: JSONObject = obj.get("spec") or {}
    page.head(obj, namespaced=False)
    page.line(0, "Finalizers:", go_list(finalizers_of(obj)))
    page.line(0, "StorageClass:", _class_of(obj))
    _status(page, obj)
    claim = spec.get("claimRef")
    page.line(0, "Claim:", "" if claim is None else f"{claim.get('namespace', '')}/{claim.get('name', '')}")
    page.line(0, "Reclaim Policy:", spec.get("persistentVolumeReclaimPolicy", ""))
    page.line(0, "Access Modes:", _modes(spec.get("accessModes")))
    if spec.get("volumeMode") is not None:
        page.line(0, "VolumeMode:", spec["volumeMode"])
    page.line(0, "Capacity:", dig(spec, "capacity", "storage", default="0"))
    _node_affinity(page, dig(spec, "nodeAffinity", "required"))
    page.line(0, "Message:", dig(obj, "status", "message", default=""))
    page.write(0, "Source:\n")
    persistent_source(page, spec)
    page.events(obj)


def _node_affinity(page: PrefixWriter, required: JSONObject | None) -> None:
    """As printVolumeNodeAffinity."""
    if required is None:
        page.line(0, "Node Affinity:", NONE)
        return
    page.line(0, "Node Affinity:", "")
    terms = required.get("nodeSelectorTerms") or []
    page.line(1, "Required Terms:", "" if terms else NONE)
    for position, term in enumerate(terms):
        lines = [
            _requirement(r, str(r.get("operator", "")).lower()) for r in term.get("matchExpressions") or []
        ]
        page.multiline(f"Term {position}", lines, level=2)


def _requirement(requirement: JSONObject, operator: str) -> str:
    text = f"{requirement.get('key', '')} {operator}"
    values = requirement.get("values")
    return f"{text} [{', '.join(values)}]" if values else text


def claim(page: Page, obj: JSONObject) -> None:
    """As describePersistentVolumeClaim."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    claim_fields(page, obj, page)
    page.multiline("Used By", sorted(name_of(p) for p in _users(page, obj)))
    conditions = dig(obj, "status", "conditions", default=[])
    if conditions:
        page.conditions("Conditions:\n", CONDITIONS, conditions)
    page.events(obj)


def claim_fields(page: PrefixWriter, obj: JSONObject, whole: Page | None = None) -> None:
    """As printPersistentVolumeClaim: of a whole claim, or of a template, which has no status."""
    spec: JSONObject = obj.get("spec") or {}
    page.line(0, "StorageClass:", _class_of(obj))
    if whole is not None:
        _status(whole, obj)
    page.line(0, "Volume:", spec.get("volumeName") or "")
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    if whole is not None:
        page.line(0, "Finalizers:", go_list(finalizers_of(obj)))
    bound = bool(spec.get("volumeName"))
    page.line(0, "Capacity:", dig(obj, "status", "capacity", "storage", default="0") if bound else "")
    page.line(0, "Access Modes:", _modes(dig(obj, "status", "accessModes")) if bound else "")
    if spec.get("volumeMode") is not None:
        page.line(0, "VolumeMode:", spec["volumeMode"])
    source = spec.get("dataSource")
    if source is not None:
        page.write(0, "DataSource:\n")
        if source.get("apiGroup") is not None:
            page.line(1, "APIGroup:", source["apiGroup"])
        page.line(1, "Kind:", source.get("kind", ""))
        page.line(1, "Name:", source.get("name", ""))


def _users(page: Page, obj: JSONObject) -> Sequence[JSONObject]:
    """getPodsForPVC: Pods that mount the claim, and Pods that own it."""
    pods = page.items(PODS, namespace_of(obj))
    owners = {r.get("uid") for r in owner_references_of(obj) if r.get("kind") == "Pod"}
    name = name_of(obj)
    return [
        pod
        for pod in pods
        if uid_of(pod) in owners
        or any(
            dig(v, "persistentVolumeClaim", "claimName") == name
            for v in dig(pod, "spec", "volumes", default=[])
        )
    ]


def storage_class(page: Page, obj: JSONObject) -> None:
    """As describeStorageClass."""
    page.line(0, "Name:", name_of(obj))
    default = any(annotations_of(obj).get(key) == "true" for key in DEFAULTS)
    page.line(0, "IsDefaultClass:", "Yes" if default else "No")
    page.line(0, "Annotations:", format_labels(annotations_of(obj)))
    page.line(0, "Provisioner:", obj.get("provisioner", ""))
    page.line(0, "Parameters:", format_labels(obj.get("parameters")))
    page.line(0, "AllowVolumeExpansion:", yes_or_unset(obj.get("allowVolumeExpansion")))
    options = obj.get("mountOptions")
    page.write(0, "MountOptions:\n" if options else f"MountOptions:\t{NONE}\n")
    for option in options or ():
        page.write(1, f"{option}\n")
    for title, key in (("ReclaimPolicy:", "reclaimPolicy"), ("VolumeBindingMode:", "volumeBindingMode")):
        if obj.get(key) is not None:
            page.line(0, title, obj[key])
    topologies = obj.get("allowedTopologies")
    if topologies is not None:
        page.line(0, "AllowedTopologies:", "" if topologies else NONE)
        for position, term in enumerate(topologies):
            lines = [_requirement(r, "in") for r in term.get("matchLabelExpressions") or []]
            page.multiline(f"Term {position}", lines, level=1)
    page.events(obj)


def volume_attributes_class(page: Page, obj: JSONObject) -> None:
    """As describeVolumeAttributesClass."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Annotations:", format_labels(annotations_of(obj)))
    page.line(0, "DriverName:", obj.get("driverName", ""))
    page.line(0, "Parameters:", format_labels(obj.get("parameters")))
    page.events(obj)


def csi_node(page: Page, obj: JSONObject) -> None:
    """As describeCSINode."""
    page.head(obj, namespaced=False)
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))
    page.write(0, "Spec:\n")
    drivers = dig(obj, "spec", "drivers")
    if drivers is not None:
        page.write(1, "Drivers:\n")
    for driver in drivers or ():
        page.write(2, f"{driver.get('name', '')}:\n")
        page.line(3, "Node ID:", driver.get("nodeID", ""))
        count = dig(driver, "allocatable", "count")
        if count is not None:
            page.write(3, "Allocatables:\n")
            page.line(4, "Count:", count)
        if driver.get("topologyKeys") is not None:
            page.line(3, "Topology Keys:", go_list(driver["topologyKeys"]))
    page.events(obj)
