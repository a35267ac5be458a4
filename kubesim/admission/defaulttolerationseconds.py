"""DefaultTolerationSeconds: a Pod stays for five minutes on a node that is not ready or cannot be reached.

Source: k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.util.jsontypes import JSONObject

SECONDS: Final = 300
KEYS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(BasePlugin):
    """The plugin."""

    name = "DefaultTolerationSeconds"
    handles = {"pods": frozenset({CREATE, UPDATE})}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        spec = (attributes.obj or {}).get("spec")
        if not isinstance(spec, dict):
            return
        tolerations: list[JSONObject] = spec.get("tolerations") or []
        missing = [k for k in KEYS if not any(_covers(t, k) for t in tolerations)]
        if missing:
            spec["tolerations"] = [*tolerations, *map(_toleration, missing)]


def _covers(toleration: JSONObject, key: str) -> bool:
    """Whether a toleration already speaks of NoExecute taints with this key."""
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")


def _toleration(key: str) -> JSONObject:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
