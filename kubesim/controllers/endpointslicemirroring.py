"""The EndpointSlice mirroring controller: slices for Endpoints that somebody made by hand for a Service
without selector.

Rules as in pkg/controller/endpointslicemirroring of Kubernetes 1.32: one slice for each set of ports and
address family, at most a thousand addresses of each subset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, key_of, labels_of, namespace_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import WARNING, EventRecorder, object_reference
from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kubesim.controllers.endpointslice import SliceWriter
from kubesim.controllers.gohash import slice_port_order
from kubesim.controllers.selection import selector_of
from kubesim.controllers.slicing import (
    MANAGED_BY,
    SERVICE_NAME,
    TRIGGER_TIME,
    Plan,
    controller_reference,
    name_prefix,
)
from kubesim.util.jsontypes import JSONObject

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ENDPOINTS_PER_SUBSET = 1000

_GroupKey = tuple[object, ...]


@dataclass(slots=True)
class _Desired:
    """What Endpoints say, as slices say it: endpoints by family and ports."""

    ports: dict[_GroupKey, list[JSONObject]] = field(default_factory=dict)
    endpoints: dict[_GroupKey, dict[tuple[object, ...], JSONObject]] = field(default_factory=dict)
    invalid: int = 0
    skipped: int = 0


class EndpointSliceMirroringController:
    """One key is the name of Endpoints, a Service and their slices alike."""

    name = "endpointslice-mirroring-controller"

    def __init__(self, client: Client, *, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder
        self._writer = SliceWriter(client)
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            ENDPOINTS: _endpoints_changed,
            SERVICES: _service_changed,
            ENDPOINT_SLICES: self._slice_changed,
        }

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        service = get_or_none(self._client, SERVICES, name, namespace)
        selecting = service is not None and bool(selector_of(service))
        endpoints = None if selecting else get_or_none(self._client, ENDPOINTS, name, namespace)
        current = items(
            self._client.list(
                ENDPOINT_SLICES,
                namespace,
                label_selector=f"{SERVICE_NAME}={name},{MANAGED_BY}={CONTROLLER}",
            )
        )
        if endpoints is None or service is None or selecting or not _should_mirror(endpoints):
            plan = Plan(delete=[(s["metadata"]["name"], s["metadata"]["uid"]) for s in current])
        else:
            desired = _desired(endpoints)
            self._warn(endpoints, desired)
            plan = _plan(endpoints, desired, current)
        if plan.is_empty:
            return DONE
        return self._writer.carry_out(plan, namespace, f"Endpoints {namespace}/{name}")

    def _warn(self, endpoints: JSONObject, desired: _Desired) -> None:
        about = object_reference(endpoints, "Endpoints")
        if desired.invalid:
            text = f"Skipped {desired.invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._recorder.event(about, WARNING, "InvalidIPAddress", text)
        if desired.skipped > desired.invalid:
            text = (
                f"A max of {MAX_ENDPOINTS_PER_SUBSET} addresses can be mirrored to EndpointSlices per"
                f" Endpoints subset. {desired.skipped} addresses were skipped"
            )
            self._recorder.event(about, WARNING, "TooManyAddressesToMirror", text)

    def _slice_changed(self, event: WatchEvent) -> Iterable[str]:
        if self._writer.is_own(event):
            return ()
        keys = []
        for obj in (event.object, event.old):
            labels = labels_of(obj) if obj else {}
            if labels.get(MANAGED_BY) == CONTROLLER and labels.get(SERVICE_NAME):
                keys.append(f"{namespace_of(event.object)}/{labels[SERVICE_NAME]}")
        return dict.fromkeys(keys)


def _endpoints_changed(event: WatchEvent) -> Iterable[str]:
    """Endpoints that the Endpoints controller made are for its slices; they can be told by their Pods
    only later.
    """
    worth = _should_mirror(event.object) or (event.old is not None and _should_mirror(event.old))
    return (key_of(event.object),) if worth else ()


def _service_changed(event: WatchEvent) -> Iterable[str]:
    selecting = bool(selector_of(event.object))
    if event.type == "MODIFIED" and event.old is not None:
        return (key_of(event.object),) if selecting != bool(selector_of(event.old)) else ()
    return () if selecting else (key_of(event.object),)


def _should_mirror(endpoints: JSONObject) -> bool:
    return labels_of(endpoints).get(SKIP_MIRROR) != "true" and LEADER not in annotations_of(endpoints)


def _desired(endpoints: JSONObject) -> _Desired:
    desired = _Desired()
    for subset in endpoints.get("subsets") or ():
        ports = [_slice_port(p) for p in subset.get("ports") or ()]
        for family in ("IPv4", "IPv6"):
            key = _group_key(family, ports)
            desired.ports.setdefault(key, sorted(ports, key=slice_port_order))
            desired.endpoints.setdefault(key, {})
        _add_subset(desired, subset, ports)
    return desired


def _add_subset(desired: _Desired, subset: JSONObject, ports: Sequence[JSONObject]) -> None:
    added = 0
    total = 0
    for field_name, ready in (("addresses", True), ("notReadyAddresses", False)):
        for address in subset.get(field_name) or ():
            total += 1
            if added >= MAX_ENDPOINTS_PER_SUBSET:
                continue
            try:
                ip = ip_address(address.get("ip") or "")
            except ValueError:
                desired.invalid += 1
                continue
            endpoint = _endpoint(address, str(ip), ready=ready)
            group = desired.endpoints[_group_key(f"IPv{ip.version}", ports)]
            group.setdefault(_endpoint_key(endpoint), endpoint)
            added += 1
    desired.skipped += total - added


def _slice_port(port: JSONObject) -> JSONObject:
    wanted = {"name": port.get("name") or "", "port": port["port"], "protocol": port.get("protocol") or "TCP"}
    return wanted | {"appProtocol": port["appProtocol"]} if port.get("appProtocol") is not None else wanted


def _endpoint(address: JSONObject, ip: str, *, ready: bool) -> JSONObject:
    """addressToEndpoint, with fields in Go's order."""
    endpoint: JSONObject = {"addresses": [ip], "conditions": {"ready": ready}}
    for target in ("hostname", "targetRef", "nodeName"):
        if address.get(target):
            endpoint[target] = address[target]
    return endpoint


def _plan(endpoints: JSONObject, desired: _Desired, current: Sequence[JSONObject]) -> Plan:
    """Reconcile and reconcileByPortMapping: the first slice of a group holds it all, further ones go."""
    existing: dict[_GroupKey, list[JSONObject]] = {}
    for found in current:
        key = _group_key(found.get("addressType") or "", found.get("ports") or ())
        existing.setdefault(key, []).append(found)
    plan = Plan()
    delete: list[JSONObject] = []
    for key, wanted in desired.endpoints.items():
        slices = existing.pop(key, [])
        if not wanted:
            delete += slices
            continue
        delete += slices[1:]
        if slices and _says_the_same(endpoints, slices[0], wanted):
            continue
        made = _new_slice(endpoints, str(key[0]), desired.ports[key], list(wanted.values()))
        if slices:
            plan.update.append(_in_place_of(slices[0], made))
        else:
            plan.create.append(made)
    for slices in existing.values():
        delete += slices
    _recycle(plan, delete)
    if endpoints["metadata"].get("deletionTimestamp"):
        plan.create = []
    plan.delete = [(s["metadata"]["name"], s["metadata"]["uid"]) for s in delete]
    return plan


def _recycle(plan: Plan, delete: list[JSONObject]) -> None:
    for made in list(plan.create):
        old = next((s for s in delete if s.get("addressType") == made["addressType"]), None)
        if old is not None:
            plan.create.remove(made)
            delete.remove(old)
            plan.update.append(_in_place_of(old, made))


def _in_place_of(existing: JSONObject, made: JSONObject) -> JSONObject:
    metadata = {k: v for k, v in made["metadata"].items() if k != "generateName"}
    metadata |= {f: existing["metadata"][f] for f in ("name", "uid", "resourceVersion")}
    return made | {"metadata": metadata}


def _new_slice(
    endpoints: JSONObject, address_type: str, ports: list[JSONObject], found: list[JSONObject]
) -> JSONObject:
    metadata: JSONObject = {
        "generateName": name_prefix(endpoints["metadata"]["name"]),
        "namespace": endpoints["metadata"]["namespace"],
        "labels": _labels(endpoints),
    }
    annotations = _annotations(endpoints)
    if annotations:
        metadata["annotations"] = annotations
    metadata["ownerReferences"] = [controller_reference(endpoints, "v1", "Endpoints")]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": address_type,
        "endpoints": found[:MAX_ENDPOINTS_PER_SUBSET],
        "ports": ports,
    }


def _labels(endpoints: JSONObject) -> dict[str, str]:
    return labels_of(endpoints) | {SERVICE_NAME: endpoints["metadata"]["name"], MANAGED_BY: CONTROLLER}


def _annotations(endpoints: JSONObject) -> dict[str, str]:
    return {k: v for k, v in annotations_of(endpoints).items() if k not in (TRIGGER_TIME, LAST_APPLIED)}


def _says_the_same(
    endpoints: JSONObject, existing: JSONObject, wanted: Mapping[tuple[object, ...], JSONObject]
) -> bool:
    """totalChanges, and needRebuildExistingSlices: metadata is compared too."""
    if labels_of(existing) != _labels(endpoints) or annotations_of(existing) != _annotations(endpoints):
        return False
    there = {_endpoint_key(e): e for e in existing.get("endpoints") or ()}
    fields = ("conditions", "nodeName", "targetRef")
    return there.keys() == wanted.keys() and all(
        there[key].get(f) == endpoint.get(f) for key, endpoint in wanted.items() for f in fields
    )


def _group_key(address_type: str, ports: Iterable[JSONObject]) -> _GroupKey:
    fields = ("name", "protocol", "port", "appProtocol")
    return (address_type, *sorted(tuple(str(p.get(f)) for f in fields) for p in ports))


def _endpoint_key(endpoint: JSONObject) -> tuple[object, ...]:
    target = endpoint.get("targetRef") or {}
    named = (target.get("namespace") or "", target.get("name") or "", target.get("uid") or "")
    return (tuple(endpoint["addresses"]), endpoint.get("hostname") or "", *named)
