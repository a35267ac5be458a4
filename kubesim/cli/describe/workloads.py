"""Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.labels import (
    Selector,
    format_label_selector,
    format_labels,
    selector_from_label_selector,
    selector_from_map,
)
from kubesim.apimachinery.meta import (
    annotations_of,
    controller_of,
    labels_of,
    metadata_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubesim.cli.describe.page import NONE, Page, PrefixWriter, go_list, long_time
from kubesim.cli.describe.template import pod_template
from kubesim.util.jsontypes import JSONObject, dig

PODS = GroupVersionResource("", "v1", "pods")
REPLICA_SETS = GroupVersionResource("apps", "v1", "replicasets")
TEMPLATE_HASH = "pod-template-hash"
STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
CONDITIONS = (("Type", "type", " "), ("Status", "status", ""), ("Reason", "reason", ""))


def deployment(page: Page, obj: JSONObject) -> None:
    """As describeDeployment."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    _created(page, obj)
    _metadata(page, obj)
    page.line(0, "Selector:", selector_from_label_selector(spec.get("selector")))
    counts = [
        f"{spec.get('replicas', 0)} desired",
        f"{status.get('updatedReplicas', 0)} updated",
        f"{status.get('replicas', 0)} total",
        f"{status.get('availableReplicas', 0)} available",
        f"{status.get('unavailableReplicas', 0)} unavailable",
    ]
    page.line(0, "Replicas:", " | ".join(counts))
    page.line(0, "StrategyType:", dig(spec, "strategy", "type", default=""))
    page.line(0, "MinReadySeconds:", spec.get("minReadySeconds", 0))
    rolling = dig(spec, "strategy", "rollingUpdate")
    if rolling is not None:
        unavailable, surge = rolling.get("maxUnavailable", "<nil>"), rolling.get("maxSurge", "<nil>")
        page.line(0, "RollingUpdateStrategy:", f"{unavailable} max unavailable, {surge} max surge")
    pod_template(page, spec.get("template") or {})
    _conditions(page, status)
    _replica_sets(page, obj)
    page.events(obj)


def _replica_sets(page: Page, obj: JSONObject) -> None:
    selector = selector_from_label_selector(dig(obj, "spec", "selector"))
    try:
        found = page.items(REPLICA_SETS, namespace_of(obj), label_selector=str(selector))
    except StatusError:
        # As in DeploymentDescriber: without them, the two lines are left out.
        return
    owned = [rs for rs in found if (controller_of(rs) or {}).get("uid") == uid_of(obj)]
    owned.sort(key=lambda rs: (str(metadata_of(rs).get("creationTimestamp") or ""), name_of(rs)))
    template = _without_hash(dig(obj, "spec", "template", default={}))
    new = next(
        (rs for rs in owned if _without_hash(dig(rs, "spec", "template", default={})) == template), None
    )
    if owned:
        page.line(0, "OldReplicaSets:", _created_replicas([rs for rs in owned if rs is not new]))
        page.line(0, "NewReplicaSet:", _created_replicas([new] if new else []))


def _created_replicas(replica_sets: Sequence[JSONObject]) -> str:
    shown = [
        f"{name_of(rs)} ({dig(rs, 'status', 'replicas', default=0)}/{dig(rs, 'spec', 'replicas', default=0)} "
        "replicas created)"
        for rs in replica_sets
    ]
    return ", ".join(shown) or NONE


def _without_hash(template: JSONObject) -> Any:
    """A template as equalIgnoreHash compares it: without the hash, and nothing is the same as empty."""
    labels = {k: v for k, v in labels_of(template).items() if k != TEMPLATE_HASH}
    return _filled({**template, "metadata": {**metadata_of(template), "labels": labels}})


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _filled(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in (None, {}, [])}
    return [_filled(v) for v in value] if isinstance(value, list) else value


def replica_set(page: Page, obj: JSONObject) -> None:
    """As describeReplicaSet."""
    selector = dig(obj, "spec", "selector")
    _replicated(page, obj, format_label_selector(selector), selector_from_label_selector(selector))


def replication_controller(page: Page, obj: JSONObject) -> None:
    """As describeReplicationController."""
    selector = dig(obj, "spec", "selector")
    _replicated(page, obj, format_labels(selector), selector_from_map(selector), owner=False)


def _replicated(page: Page, obj: JSONObject, shown: str, selector: Selector, *, owner: bool = True) -> None:
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    page.line(0, "Selector:", shown)
    _metadata(page, obj)
    if owner:
        controlled_by(page, obj)
    current, desired = dig(obj, "status", "replicas", default=0), dig(obj, "spec", "replicas", default=0)
    page.line(0, "Replicas:", f"{current} current / {desired} desired")
    try:
        page.line(0, "Pods Status:", pods_status(page, obj, selector))
    except StatusError as error:
        if not owner:
            raise
        page.line(0, "Pods Status:", f"error in fetching pods: {error.message}")
    pod_template(page, dig(obj, "spec", "template"))
    _conditions(page, obj.get("status") or {})
    page.events(obj)


def stateful_set(page: Page, obj: JSONObject) -> None:
    """As describeStatefulSet."""
    spec: JSONObject = obj.get("spec") or {}
    selector = selector_from_label_selector(spec.get("selector"))
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    _created(page, obj)
    page.line(0, "Selector:", selector)
    _metadata(page, obj)
    total = dig(obj, "status", "replicas", default=0)
    page.line(0, "Replicas:", f"{spec.get('replicas', 0)} desired | {total} total")
    page.line(0, "Update Strategy:", dig(spec, "updateStrategy", "type", default=""))
    rolling = dig(spec, "updateStrategy", "rollingUpdate", default={})
    if rolling.get("partition") is not None:
        page.line(1, "Partition:", rolling["partition"])
        if rolling.get("maxUnavailable") is not None:
            page.line(1, "MaxUnavailable:", rolling["maxUnavailable"])
    page.line(0, "Pods Status:", pods_status(page, obj, selector))
    pod_template(page, spec.get("template") or {})
    _volume_claims(page, spec.get("volumeClaimTemplates") or [])
    page.events(obj)


def _volume_claims(page: PrefixWriter, templates: Sequence[JSONObject]) -> None:
    """As describeVolumeClaimTemplates."""
    if not templates:
        page.line(0, "Volume Claims:", NONE)
        return
    page.write(0, "Volume Claims:\n")
    for claim in templates:
        spec = claim.get("spec") or {}
        page.line(1, "Name:", name_of(claim))
        beta = annotations_of(claim).get(STORAGE_CLASS)
        page.line(1, "StorageClass:", (spec.get("storageClassName") or "") if beta is None else beta)
        page.labels("Labels", labels_of(claim), indent="  ")
        page.labels("Annotations", annotations_of(claim), indent="  ")
        page.line(1, "Capacity:", dig(spec, "resources", "requests", "storage", default="<default>"))
        page.line(1, "Access Modes:", go_list(spec.get("accessModes")))


def daemon_set(page: Page, obj: JSONObject) -> None:
    """As describeDaemonSet. The counts have no column: they are longer than any title."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    selector = selector_from_label_selector(spec.get("selector"))
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Selector:", selector)
    page.line(0, "Node-Selector:", format_labels(dig(spec, "template", "spec", "nodeSelector")))
    _metadata(page, obj)
    for title, key in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        page.write(0, f"{title}: {status.get(key) or 0}\n")
    page.line(0, "Pods Status:", pods_status(page, obj, selector))
    pod_template(page, spec.get("template") or {})
    page.events(obj)


def _metadata(page: PrefixWriter, obj: JSONObject) -> None:
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))


def _created(page: PrefixWriter, obj: JSONObject) -> None:
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))


def controlled_by(page: PrefixWriter, obj: JSONObject) -> None:
    """The controller among the owners, if there is one."""
    owner = controller_of(obj)
    if owner is not None:
        page.line(0, "Controlled By:", f"{owner.get('kind', '')}/{owner.get('name', '')}")


def _conditions(page: PrefixWriter, status: JSONObject) -> None:
    if status.get("conditions"):
        page.conditions("Conditions:\n", CONDITIONS, status["conditions"])


def pods_status(page: Page, obj: JSONObject, selector: Selector) -> str:
    """getPodStatusForController: how many of the object's own Pods are in which phase. Raises StatusError."""
    pods = page.items(PODS, namespace_of(obj), label_selector=str(selector))
    uid = uid_of(obj)
    phases = Counter(dig(p, "status", "phase") for p in pods if (controller_of(p) or {}).get("uid") == uid)
    return (
        f"{phases['Running']} Running / {phases['Pending']} Waiting / "
        f"{phases['Succeeded']} Succeeded / {phases['Failed']} Failed"
    )
