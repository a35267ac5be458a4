"""Templates of Pods, as the kinds that make Pods have them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from kubesim.apimachinery.labels import format_label_selector
from kubesim.apimachinery.meta import annotations_of, labels_of
from kubesim.cli.describe.containers import containers
from kubesim.cli.describe.page import PrefixWriter
from kubesim.cli.describe.volumes import volumes
from kubesim.util.jsontypes import JSONObject


def pod_template(page: PrefixWriter, template: JSONObject | None) -> None:
    """DescribePodTemplate."""
    page.write(0, "Pod Template:\n")
    if template is None:
        page.write(1, "<unset>")
        return
    spec: JSONObject = template.get("spec") or {}
    page.labels("  Labels", labels_of(template))
    if annotations_of(template):
        page.annotations(annotations_of(template), "  Annotations")
    if spec.get("serviceAccountName"):
        page.line(1, "Service Account:", spec["serviceAccountName"])
    if spec.get("initContainers"):
        containers(page, "Init Containers", spec["initContainers"], space="  ")
    containers(page, "Containers", spec.get("containers") or [], space="  ")
    volumes(page, spec.get("volumes") or [], "  ")
    spread(page, spec.get("topologySpreadConstraints") or [], "  ")
    if spec.get("priorityClassName"):
        page.line(1, "Priority Class Name:", spec["priorityClassName"])
    page.labels("  Node-Selectors", spec.get("nodeSelector"))
    page.tolerations("  Tolerations", spec.get("tolerations"))


def pod_template_text(template: JSONObject | None) -> str:
    """The same for `rollout history`, which leaves the tabs as they are."""
    text = io.StringIO()
    pod_template(PrefixWriter(text), template)
    return text.getvalue()


def spread(page: PrefixWriter, constraints: Sequence[JSONObject], space: str = "") -> None:
    """DescribeTopologySpreadConstraints."""
    if not constraints:
        return
    page.write(0, f"{space}Topology Spread Constraints:\t")
    for position, item in enumerate(sorted(constraints, key=lambda c: c.get("topologyKey", ""))):
        text = f"{item.get('topologyKey', '')}:{item.get('whenUnsatisfiable', '')}"
        text += f" when max skew {item.get('maxSkew', 0)} is exceeded"
        if item.get("labelSelector") is not None:
            text += f" for selector {format_label_selector(item['labelSelector'])}"
        page.write(0, f"{space}\t{text}\n" if position else f"{text}\n")
