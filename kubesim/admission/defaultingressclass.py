"""DefaultIngressClass: an Ingress that names no class gets the default one, if there is exactly one newest.

Source: k8s.io/kubernetes/plugin/pkg/admission/network/defaultingressclass.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, metadata_of, name_of

INGRESS_CLASSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingressclasses")
IS_DEFAULT: Final = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(BasePlugin):
    """The plugin."""

    name = "DefaultIngressClass"
    handles = {"ingresses.networking.k8s.io": frozenset({CREATE})}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        ingress = attributes.obj
        if ingress is None:
            return
        spec = ingress.get("spec")
        if not isinstance(spec, dict):
            spec = ingress["spec"] = {}
        if spec.get("ingressClassName") is not None:
            return
        if annotations_of(ingress).get("kubernetes.io/ingress.class"):
            return
        defaults = [c for c in reader.list(INGRESS_CLASSES) if annotations_of(c).get(IS_DEFAULT) == "true"]
        if not defaults:
            return
        newest = max(str(metadata_of(c).get("creationTimestamp") or "") for c in defaults)
        spec["ingressClassName"] = min(
            name_of(c) for c in defaults if str(metadata_of(c).get("creationTimestamp") or "") == newest
        )
