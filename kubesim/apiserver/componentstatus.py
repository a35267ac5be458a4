"""ComponentStatuses: the parts of the control plane. They are one process here, so if one answers, all do."""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery import errors
from kubesim.util.jsontypes import JSONObject

# The parts, in the order in which upstream lists them, and what a healthy one says.
COMPONENTS: Final = {"scheduler": "ok", "controller-manager": "ok", "etcd-0": "ok"}


def component_statuses() -> JSONObject:
    """All of them, as a List."""
    items = [component_status(name) for name in COMPONENTS]
    return {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}


def component_status(name: str) -> JSONObject:
    """One of them. Raises StatusError 404."""
    if name not in COMPONENTS:
        raise errors.not_found("componentstatuses", name)
    return {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": None},
        "conditions": [{"type": "Healthy", "status": "True", "message": COMPONENTS[name]}],
    }
