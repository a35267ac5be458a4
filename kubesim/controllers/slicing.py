"""How endpoints are packed into slices: the plan that turns the slices that are there into those that
should be. Pure.

Rules as in k8s.io/endpointslice/{reconciler,utils}.go: change as few slices as possible, then fill those
that change anyway, then the one that the rest fits into best, then make new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubesim.apimachinery.meta import labels_of
from kubesim.apis.podfacts import (
    belongs_in_endpoints,
    canonical_ip,
    find_port,
    has_service_hostname,
    is_ipv6,
    is_ready,
    pod_ips,
    ready_since,
    spec_of,
)
from kubesim.controllers.gohash import slice_port_order
from kubesim.controllers.topologyhints import TopologyHints, wants_hints, without_hints
from kubesim.util.jsontypes import JSONObject

MAX_ENDPOINTS_PER_SLICE = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
_RESERVED = (SERVICE_NAME, MANAGED_BY, HEADLESS)

ZoneOf = Callable[[str], "str | None"]
"""The zone of a node: empty where it has none, None where the node does not exist."""


@dataclass(slots=True)
class Plan:
    """What to write. `delete` holds names and uids."""

    create: list[JSONObject] = field(default_factory=list)
    update: list[JSONObject] = field(default_factory=list)
    delete: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.update or self.delete)


@dataclass(slots=True)
class _Group:
    """The endpoints that have the same ports, by what tells endpoints apart, and the slices there are for
    them.
    """

    ports: list[JSONObject]
    endpoints: dict[tuple[object, ...], JSONObject] = field(default_factory=dict)


def plan_slices(
    service: JSONObject,
    pods: Sequence[JSONObject],
    current: Sequence[JSONObject],
    *,
    controller: str,
    zone_of: ZoneOf,
    hints: TopologyHints | None = None,
) -> Plan:
    """What has to be written so that the slices of a Service are those of its Pods.

    `current` are the slices that `controller` manages for it; they are not written to. `hints` are there for a Service
    that has the annotation for them, or had it.
    """
    plan = Plan()
    types = address_types(service)
    kept = [s for s in current if s.get("addressType") in types]
    trigger = _TriggerTime(service, pods, current)
    for address_type in types:
        of_type = [s for s in kept if s["addressType"] == address_type]
        _plan_type(
            plan, service, pods, of_type, address_type, controller=controller, zone_of=zone_of, hints=hints
        )
    plan.delete += [_mark(s) for s in current if s.get("addressType") not in types]
    for wanted in (*plan.create, *plan.update):
        trigger.annotate(wanted)
    return plan


def address_types(service: JSONObject) -> tuple[str, ...]:
    """getAddressTypesForService: the families of the Service; both for a headless one that names none."""
    spec = spec_of(service)
    families = tuple(f for f in ("IPv4", "IPv6") if f in (spec.get("ipFamilies") or ()))
    if families:
        return families
    cluster_ip = spec.get("clusterIP")
    if cluster_ip and cluster_ip != "None":
        return ("IPv6",) if is_ipv6(cluster_ip) else ("IPv4",)
    return ("IPv4", "IPv6")


def _plan_type(
    plan: Plan,
    service: JSONObject,
    pods: Iterable[JSONObject],
    current: Sequence[JSONObject],
    address_type: str,
    *,
    controller: str,
    zone_of: ZoneOf,
    hints: TopologyHints | None,
) -> None:
    """ReconcileByAddressType."""
    uid = service["metadata"]["uid"]
    mine: dict[tuple[object, ...], list[JSONObject]] = {}
    create: list[JSONObject] = []
    update: list[JSONObject] = []
    delete: list[JSONObject] = []
    for existing in current:
        if _owned_by(existing, uid):
            mine.setdefault(_ports_key(existing.get("ports") or ()), []).append(existing)
        else:
            delete.append(existing)
    groups = _desired(service, pods, address_type, zone_of)
    for ports, group in groups.items():
        packing = _Packing(service, controller, address_type, group.ports)
        packing.pack(mine.get(ports, []), group.endpoints)
        create += packing.create
        update += packing.update
        delete += packing.delete
    for ports, slices in mine.items():
        if ports not in groups:
            delete += slices
    if len(delete) == len(current) and not create and not update:
        placeholder = new_slice(service, controller, address_type, [])
        if len(delete) == 1 and _is_placeholder(delete[0], placeholder):
            delete = []
        else:
            create.append(placeholder)
    if hints is not None and wants_hints(service):
        _share_hints(hints, address_type, create, update, current, delete)
    else:
        if hints is not None:
            hints.withdraw(address_type)
        _set_hints(service, create, update, current, delete)
    _recycle(service, create, update, delete)
    if not service["metadata"].get("deletionTimestamp"):
        plan.create += create
    plan.update += update
    plan.delete += [_mark(s) for s in delete]


def _desired(
    service: JSONObject, pods: Iterable[JSONObject], address_type: str, zone_of: ZoneOf
) -> dict[tuple[object, ...], _Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    tolerant = bool(spec_of(service).get("publishNotReadyAddresses"))
    for pod in pods:
        if not belongs_in_endpoints(pod, terminating_too=True):
            continue
        ports = _endpoint_ports(service, pod)
        key = _ports_key(ports)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(sorted(ports, key=slice_port_order) if len(ports) > 1 else ports)
        zone = zone_of(spec_of(pod).get("nodeName") or "")
        if zone is None and not tolerant:
            continue  # a node that is gone takes its Pods along; the Service is looked at again when it comes
        endpoint = _endpoint(service, pod, address_type, zone or "", tolerant=tolerant)
        if endpoint["addresses"]:
            group.endpoints[_endpoint_key(endpoint)] = endpoint
    return groups


def _endpoint_ports(service: JSONObject, pod: JSONObject) -> list[JSONObject]:
    found = []
    for port in spec_of(service).get("ports") or ():
        number = find_port(pod, port)
        if number is not None:
            wanted = {
                "name": port.get("name") or "",
                "port": number,
                "protocol": port.get("protocol") or "TCP",
            }
            if port.get("appProtocol") is not None:
                wanted["appProtocol"] = port["appProtocol"]
            found.append(wanted)
    return found


def _endpoint(
    service: JSONObject, pod: JSONObject, address_type: str, zone: str, *, tolerant: bool
) -> JSONObject:
    """podToEndpoint, with fields in Go's order."""
    metadata, spec = pod["metadata"], spec_of(pod)
    serving = is_ready(pod)
    terminating = bool(metadata.get("deletionTimestamp"))
    endpoint: JSONObject = {
        "addresses": [canonical_ip(ip) for ip in pod_ips(pod) if is_ipv6(ip) == (address_type == "IPv6")],
        "conditions": {
            "ready": tolerant or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
    }
    if has_service_hostname(pod, service["metadata"]["name"]):
        endpoint["hostname"] = spec["hostname"]
    endpoint["targetRef"] = {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    if spec.get("nodeName"):
        endpoint["nodeName"] = spec["nodeName"]
    if zone:
        endpoint["zone"] = zone
    return endpoint


def new_slice(service: JSONObject, controller: str, address_type: str, ports: list[JSONObject]) -> JSONObject:
    """newEndpointSlice: empty, without a name yet."""
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": name_prefix(metadata["name"]),
            "namespace": metadata["namespace"],
            "labels": _slice_labels(service, controller),
            "ownerReferences": [controller_reference(service, "v1", "Service")],
        },
        "addressType": address_type,
        "endpoints": [],
        "ports": ports,
    }


def name_prefix(service_name: str) -> str:
    """getEndpointSlicePrefix: with a dash where the name is not too long for one."""
    return f"{service_name}-" if len(service_name) < 253 else service_name


def controller_reference(owner: JSONObject, api_version: str, kind: str) -> JSONObject:
    """metav1.NewControllerRef."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _slice_labels(service: JSONObject, controller: str) -> dict[str, str]:
    labels = {k: v for k, v in labels_of(service).items() if k not in _RESERVED}
    if spec_of(service).get("clusterIP") in (None, "", "None"):
        labels[HEADLESS] = ""
    return labels | {MANAGED_BY: controller, SERVICE_NAME: service["metadata"]["name"]}


class _Packing:
    """reconcileByPortMapping: the slices of one set of ports."""

    def __init__(
        self, service: JSONObject, controller: str, address_type: str, ports: list[JSONObject]
    ) -> None:
        self._service = service
        self._controller = controller
        self._address_type = address_type
        self._ports = ports
        self._labels = _slice_labels(service, controller)
        self.create: list[JSONObject] = []
        self.update: list[JSONObject] = []
        self.delete: list[JSONObject] = []

    def pack(self, current: Iterable[JSONObject], wanted: Mapping[tuple[object, ...], JSONObject]) -> None:
        left = dict(wanted)
        unchanged = self._keep(current, left)
        for found in sorted(self.update, key=lambda s: -len(s["endpoints"])):
            _fill(found, left)
        while left:
            target = None
            if len(left) < MAX_ENDPOINTS_PER_SLICE:
                target = _closest_fit(unchanged, len(left))
            if target is None:
                target = new_slice(self._service, self._controller, self._address_type, self._ports)
                self.create.append(target)
            else:
                unchanged.remove(target)
                target = target | {"endpoints": list(target.get("endpoints") or ())}
                self.update.append(target)
            _fill(target, left)

    def _keep(
        self, current: Iterable[JSONObject], left: dict[tuple[object, ...], JSONObject]
    ) -> list[JSONObject]:
        """Take out what is not wanted any more, renew what has changed; the slices that stay as they are."""
        unchanged = []
        for existing in current:
            before = existing.get("endpoints") or []
            after = [left.pop(key) for e in before if (key := _endpoint_key(e)) in left]
            labels = {k: v for k, v in labels_of(existing).items() if k not in _RESERVED}
            relabelled = labels != {k: v for k, v in self._labels.items() if k not in _RESERVED}
            if len(after) != len(before) or any(not _same(a, b) for a, b in zip(after, before, strict=True)):
                if after:
                    self.update.append(self._renewed(existing, after))
                else:
                    self.delete.append(existing)
            elif relabelled:
                self.update.append(self._renewed(existing, after))
            else:
                unchanged.append(existing)
        return unchanged

    def _renewed(self, existing: JSONObject, endpoints: list[JSONObject]) -> JSONObject:
        metadata = existing["metadata"] | {"labels": self._labels}
        return existing | {"metadata": metadata, "endpoints": endpoints}


def _fill(found: JSONObject, left: dict[tuple[object, ...], JSONObject]) -> None:
    endpoints = found["endpoints"]
    for key in list(left)[: MAX_ENDPOINTS_PER_SLICE - len(endpoints)]:
        endpoints.append(left.pop(key))


def _closest_fit(slices: Iterable[JSONObject], count: int) -> JSONObject | None:
    """getSliceToFill: the slice that will be closest to full when so many more are in it."""
    closest, found = MAX_ENDPOINTS_PER_SLICE, None
    for candidate in slices:
        room = MAX_ENDPOINTS_PER_SLICE - count - len(candidate.get("endpoints") or ())
        if 0 <= room < closest:
            closest, found = room, candidate
    return found


def _recycle(
    service: JSONObject, create: list[JSONObject], update: list[JSONObject], delete: list[JSONObject]
) -> None:
    """finalize: rather change a slice that would be deleted than make a new one."""
    uid = service["metadata"]["uid"]
    for existing in list(delete):
        if not create:
            return
        if _owned_by(existing, uid):
            wanted = create.pop()
            metadata = existing["metadata"] | {"labels": wanted["metadata"]["labels"]}
            update.append(wanted | {"metadata": metadata})
            delete.remove(existing)


def _share_hints(
    hints: TopologyHints,
    address_type: str,
    create: Sequence[JSONObject],
    update: list[JSONObject],
    current: Iterable[JSONObject],
    delete: Iterable[JSONObject],
) -> None:
    """The hints that follow from the annotation; slices that come out as they were are not written."""
    touched = {s["metadata"].get("name") for s in (*update, *delete)}
    unchanged = {s["metadata"]["name"]: s for s in current if s["metadata"]["name"] not in touched}
    hints.assign(address_type, create, update, list(unchanged.values()))
    update[:] = [s for s in update if s != unchanged.get(s["metadata"]["name"])]


def _set_hints(
    service: JSONObject,
    create: Iterable[JSONObject],
    update: list[JSONObject],
    current: Iterable[JSONObject],
    delete: Iterable[JSONObject],
) -> None:
    """trafficdist.ReconcileHints: with PreferClose each ready endpoint is for its own zone."""
    close = spec_of(service).get("trafficDistribution") == "PreferClose"
    for found in (*create, *update):
        found["endpoints"] = [_with_hints(e, close=close) for e in found["endpoints"]]
    touched = {s["metadata"].get("name") for s in (*update, *delete)}
    for existing in current:
        if existing["metadata"]["name"] in touched:
            continue
        endpoints = [_with_hints(e, close=close) for e in existing.get("endpoints") or ()]
        if endpoints != (existing.get("endpoints") or []):
            update.append(existing | {"endpoints": endpoints})


def _with_hints(endpoint: JSONObject, *, close: bool) -> JSONObject:
    wanted = without_hints(endpoint)
    if close and endpoint.get("zone") and (endpoint.get("conditions") or {}).get("ready") is not False:
        wanted["hints"] = {"forZones": [{"name": endpoint["zone"]}]}
    return wanted


def _same(one: JSONObject, two: JSONObject) -> bool:
    """EndpointsEqualBeyondHash; hints are compared apart."""
    return all(one.get(f) == two.get(f) for f in ("nodeName", "zone", "conditions", "targetRef"))


def _endpoint_key(endpoint: JSONObject) -> tuple[object, ...]:
    """What tells endpoints apart: endpointslice/util.hashEndpoint."""
    target = endpoint.get("targetRef") or {}
    return (
        tuple(endpoint.get("addresses") or ()),
        endpoint.get("hostname") or "",
        target.get("namespace") or "",
        target.get("name") or "",
        target.get("uid") or "",
    )


def _ports_key(ports: Iterable[JSONObject]) -> tuple[object, ...]:
    """NewPortMapKey: the same ports in any order."""
    fields = ("name", "protocol", "port", "appProtocol")
    return tuple(sorted(tuple(str(p.get(f)) for f in fields) for p in ports))


def _owned_by(found: JSONObject, uid: str) -> bool:
    references = found["metadata"].get("ownerReferences") or ()
    return any(
        (r.get("uid"), r.get("kind"), r.get("apiVersion")) == (uid, "Service", "v1") for r in references
    )


def _is_placeholder(existing: JSONObject, placeholder: JSONObject) -> bool:
    """placeholderSliceCompare, with the few fields that matter."""
    fields = ("addressType", "endpoints", "ports")
    same = all((existing.get(f) or []) == (placeholder.get(f) or []) for f in fields)
    owners = existing["metadata"].get("ownerReferences") == placeholder["metadata"]["ownerReferences"]
    return same and owners and labels_of(existing) == labels_of(placeholder)


def _mark(existing: JSONObject) -> tuple[str, str]:
    return existing["metadata"]["name"], existing["metadata"]["uid"]


class _TriggerTime:
    """The annotation that says when the change happened which the slices follow; see
    `endpoints._trigger_time`.
    """

    def __init__(
        self, service: JSONObject, pods: Iterable[JSONObject], current: Sequence[JSONObject]
    ) -> None:
        self._service = service
        self._pods = pods
        self._current = current
        self._time: str | None = None

    def annotate(self, wanted: JSONObject) -> None:
        if self._time is None:
            self._time = self._compute()
        annotations = dict(wanted["metadata"].get("annotations") or {})
        annotations.pop(TRIGGER_TIME, None)
        if self._time:
            annotations[TRIGGER_TIME] = self._time
        wanted["metadata"].pop("annotations", None)
        if annotations:
            wanted["metadata"]["annotations"] = annotations

    def _compute(self) -> str:
        if not self._current:
            return str(self._service["metadata"].get("creationTimestamp") or "")
        known = {
            ((e.get("targetRef") or {}).get("uid"), (e.get("conditions") or {}).get("serving"))
            for s in self._current
            for e in s.get("endpoints") or ()
        }
        changed = (p for p in self._pods if (p["metadata"]["uid"], is_ready(p)) not in known)
        return min(filter(None, map(ready_since, changed)), default="")
