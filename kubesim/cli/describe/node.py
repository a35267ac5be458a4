"""Nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import labels_of, metadata_of, name_of, namespace_of
from kubesim.cli.describe.page import UNSET, Page, go_bool, long_time, sorted_resources
from kubesim.util.jsontypes import JSONObject, dig
from kubesim.util.quantity import Quantity

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
Amounts = dict[str, Fraction]


def node(page: Page, obj: JSONObject) -> None:
    """DescribeNode."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Roles:", ",".join(_roles(obj)) or "<none>")
    page.labels("Labels", labels_of(obj))
    page.annotations(obj)
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))
    page.taints("Taints", spec.get("taints"))
    page.line(0, "Unschedulable:", go_bool(spec.get("unschedulable")))
    _lease(page, obj)
    _conditions(page, status.get("conditions") or [])
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
        events = page.find_events(obj) + page.find_events(obj, uid=name_of(obj))
        page.event_table(events)


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


def _conditions(page: Page, conditions: Sequence[JSONObject]) -> None:
    if not conditions:
        return
    page.write(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n")
    page.write(1, "----\t------\t-----------------\t------------------\t------\t-------\n")
    for c in conditions:
        cells = (
            c.get("type", ""),
            c.get("status", ""),
            long_time(c.get("lastHeartbeatTime")),
            long_time(c.get("lastTransitionTime")),
            c.get("reason", ""),
        )
        page.write(1, " \t".join(cells) + f" \t{c.get('message', '')}\n")


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
    totals: tuple[Amounts, Amounts] = ({}, {})
    for pod in pods:
        found = tuple(pod_resources(pod, kind) for kind in ("requests", "limits"))
        for total, amounts in zip(totals, found, strict=True):
            for name, amount in amounts.items():
                total[name] = total.get(name, Fraction(0)) + amount
        cells = [_share(amounts, name, whole) for name in ("cpu", "memory") for amounts in found]
        age = page.since(metadata_of(pod).get("creationTimestamp"))
        page.line(1, namespace_of(pod), name_of(pod), "", *cells, age)
    page.write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n")
    page.write(1, "Resource\tRequests\tLimits\n")
    page.write(1, "--------\t--------\t------\n")
    others = sorted(n for n in whole if n not in (*STANDARD, "pods"))
    huge = [n for n in others if n.startswith("hugepages-")]
    for name in (*STANDARD, *huge):
        page.line(1, name, *(_share(total, name, whole) for total in totals))
    for name in (n for n in others if n not in huge):
        page.line(1, name, *(_text(total.get(name, Fraction(0)), name) for total in totals))


def pod_resources(pod: JSONObject, kind: str) -> Amounts:
    """What a Pod asks for or is limited to: the sum over containers, or the largest init container, with overhead.

    Sidecars (init containers that restart) count like containers: resourcehelper.PodRequestsAndLimits.
    """
    spec = pod.get("spec") or {}
    total: Amounts = {}
    for container in spec.get("containers") or []:
        _add(total, _amounts(dig(container, "resources", kind, default={})))
    largest: Amounts = {}
    sidecars: Amounts = {}
    for container in spec.get("initContainers") or []:
        amounts = _amounts(dig(container, "resources", kind, default={}))
        if container.get("restartPolicy") == "Always":
            _add(total, amounts)
            _add(sidecars, amounts)
            amounts = dict(sidecars)
        else:
            amounts = {n: amounts.get(n, Fraction(0)) + sidecars.get(n, Fraction(0)) for n in {*amounts, *sidecars}}
        for name, amount in amounts.items():
            largest[name] = max(largest.get(name, Fraction(0)), amount)
    for name, amount in largest.items():
        total[name] = max(total.get(name, Fraction(0)), amount)
    overhead = _amounts(spec.get("overhead") or {})
    _add(total, {n: a for n, a in overhead.items() if kind == "requests" or n in total})
    return total


def _add(total: Amounts, amounts: Mapping[str, Fraction]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, Fraction(0)) + amount


def _amounts(resources: Mapping[str, str]) -> Amounts:
    return {name: Fraction(Quantity.parse(str(text)).amount) for name, text in resources.items()}


def _share(amounts: Amounts, name: str, whole: Amounts) -> str:
    amount, of = amounts.get(name, Fraction(0)), whole.get(name, Fraction(0))
    percent = int(amount / of * 100) if of else 0
    return f"{_text(amount, name)} ({percent}%)"


def _text(amount: Fraction, name: str) -> str:
    """An amount in the notation that fits its resource."""
    from kubesim.util.quantity import format_amount

    return format_amount(amount, binary=name in ("memory", "ephemeral-storage") or name.startswith("hugepages-"))


