"""`describe`: an object as a page of text. One describer a kind; `describer_for` imports only the one that is needed.

A describer is a function `(page, obj)` that writes what pkg/describe writes, in its order and with its tabs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.apimachinery.gvk import GroupVersionKind
    from kubesim.cli.describe.page import Page
    from kubesim.util.jsontypes import JSONObject

Describer = Callable[["Page", "JSONObject"], None]

# (group, kind) -> module and function.
DESCRIBERS: dict[tuple[str, str], tuple[str, str]] = {
    ("", "ConfigMap"): ("core", "config_map"),
    ("", "Endpoints"): ("network", "endpoints"),
    ("", "Namespace"): ("core", "namespace"),
    ("", "LimitRange"): ("core", "limit_range"),
    ("", "ResourceQuota"): ("core", "resource_quota"),
    ("", "Node"): ("node", "node"),
    ("", "Pod"): ("pod", "pod"),
    ("", "Secret"): ("core", "secret"),
    ("", "Service"): ("network", "service"),
    ("discovery.k8s.io", "EndpointSlice"): ("network", "endpoint_slice"),
}


def describer_for(gvk: GroupVersionKind) -> Describer:
    """The describer of a kind; a generic one for a kind without its own."""
    module, name = DESCRIBERS.get((gvk.group, gvk.kind), ("generic", "generic"))
    found: Describer = getattr(importlib.import_module(f"kubesim.cli.describe.{module}"), name)
    return found
