"""TaintNodesByCondition: a new Node takes no Pods until it is seen to be ready.

Source: k8s.io/kubernetes/plugin/pkg/admission/nodetaint.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, Attributes, BasePlugin, Reader

NOT_READY: Final = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(BasePlugin):
    """The plugin."""

    name = "TaintNodesByCondition"
    handles = {"nodes": frozenset({CREATE})}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        if attributes.obj is None:
            return
        spec = attributes.obj.get("spec")
        if not isinstance(spec, dict):
            spec = attributes.obj["spec"] = {}
        taints = spec.get("taints") or []
        if not any(
            t.get("key") == NOT_READY["key"] and t.get("effect") == NOT_READY["effect"] for t in taints
        ):
            spec["taints"] = [*taints, dict(NOT_READY)]
