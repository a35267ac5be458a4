"""Pods."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.apimachinery.meta import annotations_of, controller_of, labels_of, name_of, namespace_of
from kubesim.apis.podtemplate_qos import qos_class
from kubesim.cli.describe.containers import containers, resources
from kubesim.cli.describe.page import NONE, Page, PrefixWriter, long_time
from kubesim.cli.describe.template import spread
from kubesim.cli.describe.volumes import volumes
from kubesim.util.jsontypes import JSONObject, dig

MIRROR = "kubernetes.io/config.mirror"


def pod(page: Page, obj: JSONObject) -> None:
    """DescribePod."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    _placement(page, spec, status)
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    _state(page, obj, status)
    _seccomp(page, dig(spec, "securityContext", "seccompProfile"))
    page.line(0, "IP:", status.get("podIP", ""))
    _addresses(page, status.get("podIPs") or [])
    owner = controller_of(obj)
    if owner:
        page.line(0, "Controlled By:", f"{owner.get('kind', '')}/{owner.get('name', '')}")
    if status.get("nominatedNodeName"):
        page.line(0, "NominatedNodeName:", status["nominatedNodeName"])
    if spec.get("resources") is not None:
        page.write(0, "Resources:\n")
        resources(page, spec["resources"], 1)
    for title, key, states in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(key) or key == "containers":
            containers(page, title, spec.get(key) or [], status.get(states) or [], owner=obj)
    _conditions(page, spec, status)
    volumes(page, spec.get("volumes") or [])
    page.line(0, "QoS Class:", status.get("qosClass") or qos_class(spec))
    page.labels("Node-Selectors", spec.get("nodeSelector"))
    page.tolerations("Tolerations", spec.get("tolerations"))
    spread(page, spec.get("topologySpreadConstraints") or [])
    page.events(obj, kind="", uid=annotations_of(obj).get(MIRROR))


def _placement(page: PrefixWriter, spec: JSONObject, status: JSONObject) -> None:
    if spec.get("priority") is not None:
        page.line(0, "Priority:", spec["priority"])
    for title, key in (
        ("Priority Class Name:", "priorityClassName"),
        ("Runtime Class Name:", "runtimeClassName"),
        ("Service Account:", "serviceAccountName"),
    ):
        if spec.get(key):
            page.line(0, title, spec[key])
    node = spec.get("nodeName")
    page.line(0, "Node:", f"{node}/{status.get('hostIP', '')}" if node else NONE)
    if status.get("startTime"):
        page.line(0, "Start Time:", long_time(status["startTime"]))


def _state(page: Page, obj: JSONObject, status: JSONObject) -> None:
    deleted = dig(obj, "metadata", "deletionTimestamp")
    if deleted and status.get("phase") not in ("Failed", "Succeeded"):
        page.terminating(deleted)
        grace = dig(obj, "metadata", "deletionGracePeriodSeconds", default=0)
        page.line(0, "Termination Grace Period:", f"{grace}s")
    else:
        page.line(0, "Status:", status.get("phase", ""))
    for title, key in (("Reason:", "reason"), ("Message:", "message")):
        if status.get(key):
            page.line(0, title, status[key])


def _seccomp(page: PrefixWriter, profile: JSONObject | None) -> None:
    if profile is not None:
        page.line(0, "SeccompProfile:", profile.get("type", ""))
        if profile.get("type") == "Localhost":
            page.line(0, "LocalhostProfile:", profile.get("localhostProfile", ""))


def _addresses(page: PrefixWriter, addresses: Sequence[JSONObject]) -> None:
    if not addresses:
        page.line(0, "IPs:", NONE)
        return
    page.write(0, "IPs:\n")
    for address in addresses:
        page.line(1, "IP:", address.get("ip", ""))


def _conditions(page: PrefixWriter, spec: JSONObject, status: JSONObject) -> None:
    conditions = status.get("conditions") or []
    if spec.get("readinessGates"):
        states = {c.get("type"): c.get("status") for c in conditions}
        page.write(0, "Readiness Gates:\n  Type\tStatus\n")
        for gate in spec["readinessGates"]:
            kind = gate.get("conditionType", "")
            page.write(1, f"{kind} \t{states.get(kind, NONE)} \n")
    if conditions:
        page.write(0, "Conditions:\n  Type\tStatus\n")
        for condition in conditions:
            page.write(1, f"{condition.get('type', '')} \t{condition.get('status', '')} \n")
