"""The Endpoints controller: for each Service with a selector, the addresses of its Pods as subsets.

Rules as in pkg/controller/endpoint/endpoints_controller.go and pkg/api/v1/endpoints/util.go of Kubernetes
1.32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from kubesim.apimachinery.errors import StatusError, is_namespace_terminating
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, key_of, labels_of, split_key
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import (
    belongs_in_endpoints,
    find_port,
    has_service_hostname,
    is_ipv6,
    is_ready,
    pod_ips,
    ready_since,
    spec_of,
)
from kubesim.client.client import Client
from kubesim.client.lister import by_names, get_or_none
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import WARNING, EventRecorder, object_reference
from kubesim.client.resources import ENDPOINTS, PODS, SERVICES
from kubesim.controllers.gohash import endpoints_port_order
from kubesim.controllers.selection import ServiceFinder, ServiceView, selector_of
from kubesim.util.jsontypes import JSONObject

# A port as endpoints have it: name, number, protocol, application protocol; none of it where there are no
# ports.
_Port = tuple[str, int, str, str | None]
_PortKey = _Port | tuple[()]
_Addresses = dict[str, tuple[JSONObject, bool]]

MAX_CAPACITY = 1000
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
HEADLESS = "service.kubernetes.io/headless"


class EndpointsController:
    """One key is one Service, and the Endpoints of its name."""

    name = "endpoints-controller"

    def __init__(
        self, client: Client, *, finder: ServiceFinder, view: ServiceView, recorder: EventRecorder
    ) -> None:
        self._client = client
        self._finder = finder
        self._view = view
        self._recorder = recorder
        self._current: dict[str, JSONObject | None] = {}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            SERVICES: lambda event: [key_of(event.object)],
            PODS: finder.services_of,
            ENDPOINTS: _deleted,
        }

    def observe(self, events: Sequence[WatchEvent]) -> None:
        self._finder.observe(events)
        self._view.observe(events)

    def begin(self, keys: Sequence[str]) -> None:
        self._view.load(keys)
        by_namespace: dict[str, list[str]] = {}
        for key in keys:
            namespace, name = split_key(key)
            by_namespace.setdefault(namespace, []).append(name)
        for namespace, names in by_namespace.items():
            found = by_names(self._client, ENDPOINTS, namespace, names)
            self._current |= {f"{namespace}/{name}": found.get(name) for name in names}

    def end(self, *, over: bool) -> None:
        self._current = {}

    def reconcile(self, key: str) -> Result:
        namespace, name = split_key(key)
        service = self._view.service(key)
        current = (
            self._current.pop(key)
            if key in self._current
            else get_or_none(self._client, ENDPOINTS, name, namespace)
        )
        if service is None:
            return self._without_service(current, namespace, name)
        spec = spec_of(service)
        if spec.get("type") == "ExternalName" or not selector_of(service):
            # Endpoints made by hand stay; those of a Service that has become an ExternalName stay too:
            # issue 105986.
            return DONE
        pods = self._view.pods(key)
        subsets = build_subsets(service, pods)
        truncated = truncate(subsets)
        if current is not None and _is_current(current, subsets, service, truncated=truncated):
            return DONE
        wanted = _wanted(service, subsets, current)
        annotations = dict(annotations_of(current)) if current else {}
        _put(annotations, TRIGGER_TIME, _trigger_time(service, pods, subsets, current))
        _put(annotations, OVER_CAPACITY, "truncated" if truncated else "")
        _put(wanted["metadata"], "annotations", annotations)
        return self._write(service, wanted, current)

    def _without_service(self, current: JSONObject | None, namespace: str, name: str) -> Result:
        """A Service's Endpoints go with it, those of leader elections never had one."""
        if current is None or "control-plane.alpha.kubernetes.io/leader" in annotations_of(current):
            return DONE
        try:
            self._client.delete(ENDPOINTS, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
        return Result((f"deleted Endpoints {namespace}/{name}: its Service is gone",))

    def _write(self, service: JSONObject, wanted: JSONObject, current: JSONObject | None) -> Result:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        try:
            if current is None:
                self._client.create(ENDPOINTS, wanted, namespace)
            else:
                self._client.update(ENDPOINTS, wanted, namespace)
        except StatusError as error:
            if is_namespace_terminating(error):
                return DONE
            if error.reason in ("Conflict", "AlreadyExists"):
                raise
            reason, verb = (
                ("FailedToCreateEndpoint", "create")
                if current is None
                else ("FailedToUpdateEndpoint", "update")
            )
            of = "for service " if current is None else ""
            self._recorder.event(
                object_reference(wanted, "Endpoints"),
                WARNING,
                reason,
                f"Failed to {verb} endpoint {of}{namespace}/{name}: {error.message}",
            )
            raise
        verb = "created" if current is None else "updated"
        return Result((f"{verb} Endpoints {namespace}/{name}: {_summary(wanted.get('subsets') or [])}",))


def _deleted(event: WatchEvent) -> Iterable[str]:
    """Endpoints that somebody has deleted are made again; those that somebody has changed wait for the
    next change.
    """
    return (key_of(event.object),) if event.type == "DELETED" else ()


def _wanted(service: JSONObject, subsets: list[JSONObject], current: JSONObject | None) -> JSONObject:
    """The Endpoints of a Service, apart from annotations; what is there already keeps its metadata."""
    metadata = dict(current["metadata"]) if current else {}
    metadata |= {"name": service["metadata"]["name"], "namespace": service["metadata"]["namespace"]}
    labels = {k: v for k, v in labels_of(service).items() if k != HEADLESS}
    if not _has_cluster_ip(service):
        labels[HEADLESS] = ""
    _put(metadata, "labels", labels)
    wanted: JSONObject = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return wanted | {"subsets": subsets} if subsets else wanted


def _put(into: JSONObject, key: str, value: str | dict[str, str]) -> None:
    if value:
        into[key] = value
    else:
        into.pop(key, None)


def _has_cluster_ip(service: JSONObject) -> bool:
    return spec_of(service).get("clusterIP") not in (None, "", "None")


def _summary(subsets: Sequence[JSONObject]) -> str:
    ready = sum(len(s.get("addresses") or ()) for s in subsets)
    not_ready = sum(len(s.get("notReadyAddresses") or ()) for s in subsets)
    return f"{ready} ready, {not_ready} not ready"


# What should be there.


def build_subsets(service: JSONObject, pods: Iterable[JSONObject]) -> list[JSONObject]:
    """The subsets of a Service over its Pods, packed: each set of ports once, with all addresses that
    have it.
    """
    spec = spec_of(service)
    unready_too = bool(spec.get("publishNotReadyAddresses"))
    ports = spec.get("ports") or []
    name = service["metadata"]["name"]
    # Addresses by port; a port that no Service port names stands for "no ports", which headless Services
    # may have.
    by_port: dict[_PortKey, _Addresses] = {}
    for pod in pods:
        if not belongs_in_endpoints(pod, terminating_too=unready_too):
            continue
        address = _address(service, pod)
        if address is None:
            continue
        if has_service_hostname(pod, name):
            address = {"ip": address["ip"], "hostname": spec_of(pod)["hostname"]} | address
        ready = unready_too or is_ready(pod)
        for port in _ports_of(pod, ports, headless=spec.get("clusterIP") == "None"):
            by_port.setdefault(port, {})[pod["metadata"]["uid"]] = (address, ready)
    return _pack(by_port)


def _address(service: JSONObject, pod: JSONObject) -> JSONObject | None:
    """podToEndpointAddressForService: the Pod's address of the Service's first family; None where it has
    none.
    """
    spec = spec_of(service)
    ips = pod_ips(pod)
    families = spec.get("ipFamilies")
    if families:
        wants_v6 = families[0] == "IPv6"
    elif _has_cluster_ip(service):
        wants_v6 = is_ipv6(spec["clusterIP"])
    else:
        wants_v6 = bool(ips) and is_ipv6(ips[0])
    ip = next((i for i in ips if is_ipv6(i) == wants_v6), None)
    if ip is None:
        return None
    metadata = pod["metadata"]
    address: JSONObject = {"ip": ip}
    node = spec_of(pod).get("nodeName")
    if node:
        address["nodeName"] = node
    address["targetRef"] = {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    return address


def _ports_of(pod: JSONObject, service_ports: Sequence[JSONObject], *, headless: bool) -> Iterable[_PortKey]:
    if not service_ports:
        if headless:
            yield ()
        return
    for port in service_ports:
        number = find_port(pod, port)
        if number is not None:
            yield (port.get("name") or "", number, port.get("protocol") or "TCP", port.get("appProtocol"))


def _pack(by_port: Mapping[_PortKey, _Addresses]) -> list[JSONObject]:
    """RepackSubsets: ports with the very same addresses, in the same state, are one subset."""
    groups: dict[tuple[tuple[str, bool], ...], list[_PortKey]] = {}
    for port, having in by_port.items():
        same = tuple(sorted((uid, ready) for uid, (_, ready) in having.items()))
        groups.setdefault(same, []).append(port)
    subsets = []
    for ports in groups.values():
        addresses = sorted(by_port[ports[0]].values(), key=lambda found: _by_ip_and_uid(found[0]))
        subset: JSONObject = {}
        ready = [address for address, is_up in addresses if is_up]
        not_ready = [address for address, is_up in addresses if not is_up]
        if ready:
            subset["addresses"] = ready
        if not_ready:
            subset["notReadyAddresses"] = not_ready
        named = [_port(*port) for port in ports if port]
        if named:
            subset["ports"] = sorted(named, key=endpoints_port_order) if len(named) > 1 else named
        subsets.append(subset)
    if len(subsets) > 1:
        # The real order is that of a hash over random uids: any order, but always the same one.
        subsets.sort(key=lambda s: [endpoints_port_order(p) for p in s.get("ports") or ()])
    return subsets


def _port(name: str, number: int, protocol: str, app_protocol: str | None) -> JSONObject:
    port: JSONObject = {"name": name} if name else {}
    port |= {"port": number, "protocol": protocol}
    return port | {"appProtocol": app_protocol} if app_protocol else port


def _by_ip_and_uid(address: JSONObject) -> tuple[bytes, str]:
    return address["ip"].encode(), (address.get("targetRef") or {}).get("uid") or ""


def truncate(subsets: list[JSONObject]) -> bool:
    """Keep at most a thousand addresses, ready ones first, each subset its share; whether any were left out.

    truncateEndpoints of the same file.
    """
    ready = sum(len(s.get("addresses") or ()) for s in subsets)
    not_ready = sum(len(s.get("notReadyAddresses") or ()) for s in subsets)
    if ready + not_ready <= MAX_CAPACITY:
        return False
    only_ready = ready > MAX_CAPACITY
    field, total = ("addresses", ready) if only_ready else ("notReadyAddresses", not_ready)
    most = left = MAX_CAPACITY if only_ready else MAX_CAPACITY - ready
    for subset in subsets:
        addresses = subset.get(field) or []
        kept = addresses[: min(ceil(len(addresses) / total * most), left)]
        left -= len(kept)
        if only_ready:
            subset.pop("notReadyAddresses", None)
        if kept:
            subset[field] = kept
        else:
            subset.pop(field, None)
    return True


# Whether it is there, and since when.


def _is_current(
    current: JSONObject, subsets: list[JSONObject], service: JSONObject, *, truncated: bool
) -> bool:
    labels = {k: v for k, v in labels_of(current).items() if k != HEADLESS}
    wanted = {k: v for k, v in labels_of(service).items() if k != HEADLESS}
    has_mark = OVER_CAPACITY in annotations_of(current)
    return has_mark == truncated and labels == wanted and (current.get("subsets") or []) == subsets


def _states(subsets: Iterable[JSONObject]) -> set[tuple[str, str, bool]]:
    found = set()
    for subset in subsets:
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                found.add(((address.get("targetRef") or {}).get("uid") or "", address["ip"], ready))
    return found


def _trigger_time(
    service: JSONObject, pods: Iterable[JSONObject], subsets: Iterable[JSONObject], current: JSONObject | None
) -> str:
    """When the change happened that these Endpoints follow; empty where nobody can say.

    TriggerTimeTracker remembers the Pods' times of the last sync; here the last sync is what it has
    written, so the Pods that have changed since are those whose address is not there yet in its present
    state.
    """
    if current is None:
        return str(service["metadata"].get("creationTimestamp") or "")
    changed = {uid for uid, _, _ in _states(subsets) - _states(current.get("subsets") or ())}
    times = [ready_since(pod) for pod in pods if pod["metadata"]["uid"] in changed]
    return min(filter(None, times), default="")
