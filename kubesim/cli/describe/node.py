"""Nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, labels_of, metadata_of, name_of, namespace_of
from kubesim.cli.describe.page import UNSET, Page, PrefixWriter, go_bool, long_time, sorted_resources
from kubesim.util.jsontypes import JSONObject, dig
from kubesim.util.quantity import ZERO, Quantity

PODS = GroupVersionResource("", "v1", "pods")
LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
ROLE = "node-role.kubernetes.io/"
STANDARD = ("cpu", "memory", "ephemeral-storage")
SYSTEM_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)
CONDITIONS = (
    ("Type", "type", " "),
    ("Status", "status", " "),
    ("LastHeartbeatTime", "lastHeartbeatTime", " "),
    ("LastTransitionTime", "lastTransitionTime", " "),
    ("Reason", "reason", " "),
    ("Message", "message", ""),
)
# What int64 of an infinity or of no number is on amd64: the share of a node that has none of a resource.
NO_SHARE = -(1 << 63)
Amounts = dict[str, Quantity]


def node(page: Page, obj: JSONObject) -> None:
    """DescribeNode."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Roles:", ",".join(_roles(obj)) or "<none>")
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))
    page.taints("Taints", spec.get("taints"))
    page.line(0, "Unschedulable:", go_bool(spec.get("unschedulable")))
    _lease(page, obj)
    if status.get("conditions"):
        page.conditions("Conditions:\n", CONDITIONS, status["conditions"])
    page.write(0, "Addresses:\n")
    for address in status.get("addresses") or []:
        page.line(1, f"{address.get('type', '')}:", address.get("address", ""))
    for title in ("Capacity", "Allocatable"):
        found = status.get(title.lower())
        if found:
            page.write(0, f"{title}:\n")
            for resource, quantity in sorted_resources(found):
                page.line(1, f"{resource}:", quantity)
    page.write(0, "System Info:\n")
    for title, key in SYSTEM_INFO:
        page.line(1, f"{title}:", dig(status, "nodeInfo", key, default=""))
    for title, value in (
        ("PodCIDR:", spec.get("podCIDR")),
        ("PodCIDRs:", ",".join(spec.get("podCIDRs") or [])),
        ("ProviderID:", spec.get("providerID")),
    ):
        if value:
            page.line(0, title, value)
    _pods(page, obj)
    if page.show_events:
        # Controllers record a node's events under its uid, the kubelet under its name.
        events = page.find_events(obj)
        if events is not None:
            page.event_table(events + (page.find_events(obj, uid=name_of(obj)) or []))


def _roles(obj: JSONObject) -> list[str]:
    found = {key.removeprefix(ROLE) for key in labels_of(obj) if key.startswith(ROLE) and key != ROLE}
    role = labels_of(obj).get("kubernetes.io/role")
    return sorted(found | ({role} if role else set()))


def _lease(page: Page, obj: JSONObject) -> None:
    try:
        lease = page.client.get(LEASES, name_of(obj), "kube-node-lease")
    except StatusError as error:
        page.line(0, "Lease:", f"Failed to get lease: {error.message}")
        return
    page.write(0, "Lease:\n")
    spec = lease.get("spec") or {}
    page.line(1, "HolderIdentity:", spec.get("holderIdentity", UNSET))
    for title, key in (("AcquireTime:", "acquireTime"), ("RenewTime:", "renewTime")):
        page.line(1, title, long_time(spec[key]) if spec.get(key) else UNSET)


def _pods(page: Page, obj: JSONObject) -> None:
    selector = f"spec.nodeName={name_of(obj)},status.phase!=Succeeded,status.phase!=Failed"
    try:
        pods = page.client.list(PODS, field_selector=selector).get("items") or []
    except StatusError as error:
        if error.reason != "Forbidden":
            raise
        page.line(0, "Pods:", "not authorized")
        return
    whole = _amounts(dig(obj, "status", "allocatable") or dig(obj, "status", "capacity", default={}))
    page.line(0, "Non-terminated Pods:", f"({len(pods)} in total)")
    page.write(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n")
    page.write(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n")
    requests: Amounts = {}
    limits: Amounts = {}
    for pod in pods:
        found = pod_requests(pod), pod_limits(pod)
        _add(requests, found[0])
        _add(limits, found[1])
        cells = [
            f"{amounts.get(name, ZERO)} ({_percent(amounts, name, whole, otherwise=NO_SHARE)}%)"
            for name in ("cpu", "memory")
            for amounts in found
        ]
        age = page.since(metadata_of(pod).get("creationTimestamp"))
        page.line(1, namespace_of(pod), name_of(pod), "", *cells, age)
    _totals(page, requests, limits, whole)


def _totals(page: PrefixWriter, requests: Amounts, limits: Amounts, whole: Amounts) -> None:
    page.write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n")
    page.write(1, "Resource\tRequests\tLimits\n")
    page.write(1, "--------\t--------\t------\n")
    others = sorted(n for n in whole if n not in (*STANDARD, "pods"))
    huge = [n for n in others if n.startswith("hugepages-")]
    for name in (*STANDARD, *huge):
        cells = [
            f"{amounts.get(name, ZERO)} ({_percent(amounts, name, whole)}%)" for amounts in (requests, limits)
        ]
        page.line(1, name, *cells)
    for name in (n for n in others if n not in huge):
        page.line(1, name, requests.get(name, ZERO), limits.get(name, ZERO))


def pod_requests(pod: JSONObject) -> Amounts:
    """What a Pod asks for: podRequests of pkg/util/resource."""
    statuses = {s.get("name"): s for s in dig(pod, "status", "containerStatuses", default=[])}
    infeasible = dig(pod, "status", "resize") == "Infeasible"

    def of_container(container: JSONObject) -> Amounts:
        wanted = _amounts(dig(container, "resources", "requests", default={}))
        actual = dig(statuses.get(container.get("name")), "resources")
        if actual is None:
            return wanted
        given = _amounts(actual.get("requests") or {})
        if infeasible:
            return given
        _raise_to(given, wanted)
        return given

    total = _summed(pod, "requests", of_container)
    _add(total, _amounts(dig(pod, "spec", "overhead", default={})))
    return total


def pod_limits(pod: JSONObject) -> Amounts:
    """What a Pod is limited to: podLimits."""

    def of_container(container: JSONObject) -> Amounts:
        return _amounts(dig(container, "resources", "limits", default={}))

    total = _summed(pod, "limits", of_container)
    overhead = _amounts(dig(pod, "spec", "overhead", default={}))
    _add(total, {n: a for n, a in overhead.items() if total.get(n)})
    return total


def _summed(pod: JSONObject, kind: str, of_container: Callable[[JSONObject], Amounts]) -> Amounts:
    """The sum over containers, or what the largest init container needs, beside the sidecars before it."""
    total: Amounts = {}
    for container in dig(pod, "spec", "containers", default=[]):
        _add(total, of_container(container))
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in dig(pod, "spec", "initContainers", default=[]):
        amounts = _amounts(dig(container, "resources", kind, default={}))
        if container.get("restartPolicy") == "Always":
            _add(total, amounts)
            _add(sidecars, amounts)
            amounts = sidecars
        else:
            _add(amounts, sidecars)
        _raise_to(largest, amounts)
    _raise_to(total, largest)
    return total


def _add(total: Amounts, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: Amounts, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def _amounts(resources: Mapping[str, str]) -> Amounts:
    return {name: Quantity.from_json(text) for name, text in resources.items()}


def _percent(amounts: Amounts, name: str, whole: Amounts, *, otherwise: int = 0) -> int:
    amount, all_of_it = amounts.get(name, ZERO), whole.get(name, ZERO)
    if not all_of_it:
        return otherwise
    if name == "cpu":
        return int(amount.milli_value() / all_of_it.milli_value() * 100)
    return int(amount.value() / all_of_it.value() * 100)
