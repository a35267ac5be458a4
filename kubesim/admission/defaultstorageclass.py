"""DefaultStorageClass: a claim that names no class gets the default one, the newest where there are several.

Source: k8s.io/kubernetes/plugin/pkg/admission/storage/storageclass/setdefault.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, metadata_of, name_of

STORAGE_CLASSES: Final = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")
IS_DEFAULT: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


class DefaultStorageClass(BasePlugin):
    """The plugin."""

    name = "DefaultStorageClass"
    handles = {"persistentvolumeclaims": frozenset({CREATE})}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        claim = attributes.obj
        if claim is None or not isinstance(claim.get("spec"), dict):
            return
        if claim["spec"].get("storageClassName") is not None:
            return
        if "volume.beta.kubernetes.io/storage-class" in annotations_of(claim):
            return
        defaults = [
            c
            for c in reader.list(STORAGE_CLASSES)
            if any(annotations_of(c).get(a) == "true" for a in IS_DEFAULT)
        ]
        if defaults:
            newest = max(str(metadata_of(c).get("creationTimestamp") or "") for c in defaults)
            candidates = [c for c in defaults if str(metadata_of(c).get("creationTimestamp") or "") == newest]
            claim["spec"]["storageClassName"] = min(map(name_of, candidates))
