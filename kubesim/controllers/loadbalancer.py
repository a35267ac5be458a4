"""The service controller of a cloud: Services of type LoadBalancer get addresses from a pool.

Rules and texts as in cloud-provider's controllers/service, the cloud being the pool. Which address belongs to whom stands
in the state store: `loadbalancer/address/<address>` names the Service by its uid, `loadbalancer/service/<namespace>/<name>`
has what was made for it, from which changes are told as the real controller tells them from its cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import key_of, metadata_of, name_of, namespace_of, uid_of
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import condition
from kubesim.apis.servicespec import LOAD_BALANCER, ports_of, spec_of, type_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.reconcile import KeysOf, Result
from kubesim.client.recorder import NORMAL, WARNING, EventRecorder, object_reference
from kubesim.client.resources import NODES, SERVICES
from kubesim.util.clock import Clock
from kubesim.util.ipnet import address_range
from kubesim.util.jsontypes import JSONObject, decode, dig, encode
from kubesim.util.state import StateStore

FINALIZER: Final = "service.kubernetes.io/load-balancer-cleanup"
EXCLUDED: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
ADDRESS: Final = "loadbalancer/address/"
SERVICE: Final = "loadbalancer/service/"
_FIRST_DELAY, _LONGEST_DELAY = timedelta(seconds=5), timedelta(seconds=300)  # minRetryDelay, maxRetryDelay
_FAMILIES: Final = {"IPv4": 4, "IPv6": 6}


class _NoAddress(Exception):
    """The pool cannot give what is asked for."""


class ServiceLBController:
    """One key is one Service."""

    name = "service-lb-controller"

    def __init__(
        self,
        client: Client,
        *,
        pool: Sequence[str],
        recorder: EventRecorder,
        state: StateStore,
        clock: Clock,
    ) -> None:
        self._client = client
        self._clock = clock
        self._pool = [address_range(text) for text in pool]
        self._recorder = recorder
        self._state = state
        self.watches: Mapping[GroupVersionResource, KeysOf] = {SERVICES: self._touched}

    def _touched(self, event: WatchEvent) -> Iterable[str]:
        """Those that have to do with load balancers; and where one has gone, those that wait for an address."""
        states = [s for s in (event.object, event.old) if s is not None]
        if not any(wants_load_balancer(s) or FINALIZER in _finalizers(s) for s in states):
            return ()
        keys = [key_of(event.object)]
        if event.type == "DELETED" or FINALIZER not in _finalizers(event.object):
            kept = self._state.items(SERVICE)
            keys += [
                name.removeprefix(SERVICE) for name, text in kept.items() if decode(text).get("failures")
            ]
        return keys

    def reconcile(self, key: str) -> Result:
        namespace, _, name = key.partition("/")
        service = get_or_none(self._client, SERVICES, name, namespace)
        kept = self._kept(key)
        if service is None:
            # Only where somebody has taken the finalizer away.
            return Result(tuple(self._release(key, kept)))
        actions: list[str] = []
        if kept and kept["uid"] != uid_of(service):
            actions, kept = self._release(key, kept), {}
        if wants_load_balancer(service) and not metadata_of(service).get("deletionTimestamp"):
            return self._ensure(key, service, kept, actions)
        if not kept and FINALIZER not in _finalizers(service):
            return Result(tuple(actions))
        return Result((*actions, *self._delete(key, service, kept)))

    # Making

    def _ensure(self, key: str, service: JSONObject, kept: JSONObject, actions: list[str]) -> Result:
        facts = _facts(service)
        is_made = bool(kept.get("addresses")) and FINALIZER in _finalizers(service)
        if kept.get("facts") == facts and (left := self._left(kept)):
            return Result(tuple(actions), requeue_after=left)
        if is_made and kept["facts"] == facts and _points(service) == kept["addresses"]:
            return Result(tuple(actions))
        about = object_reference(service, "Service")
        if kept.get("facts"):
            for reason, message in _changes(kept["facts"], facts):
                self._recorder.event(about, NORMAL, reason, message)
        self._recorder.event(about, NORMAL, "EnsuringLoadBalancer", "Ensuring load balancer")
        service = self._set_finalizers(service, [*_finalizers(service), FINALIZER])
        if not self._nodes():
            text = "There are no available nodes for LoadBalancer"
            self._recorder.event(about, WARNING, "UnAvailableLoadBalancer", text)
        try:
            addresses = self._allocate(service, kept)
        except _NoAddress as error:
            text = f"Error syncing load balancer: failed to ensure load balancer: {error}"
            self._recorder.event(about, WARNING, "SyncLoadBalancerFailed", text)
            failures = int(kept.get("failures") or 0) + 1
            delay = min(_FIRST_DELAY * 2 ** min(failures - 1, 10), _LONGEST_DELAY)
            due = (self._clock.now() + delay).isoformat()
            had = list(kept.get("addresses") or ())
            self._keep(
                key,
                {"uid": uid_of(service), "addresses": had, "facts": facts, "failures": failures, "due": due},
            )
            return Result((*actions, f"no address for {key}: {error}"), requeue_after=delay)
        self._recorder.event(about, NORMAL, "EnsuredLoadBalancer", "Ensured load balancer")
        self._keep(key, {"uid": uid_of(service), "addresses": addresses, "facts": facts})
        if _points(service) != addresses:
            points = [{"ip": address, "ipMode": "VIP"} for address in addresses]
            self._patch_status(service, {"ingress": points})
            actions.append(f"gave {key} the address {' and '.join(addresses)}")
        return Result(tuple(actions))

    def _allocate(self, service: JSONObject, kept: JSONObject) -> list[str]:
        """Addresses of the Service's families, those that it has if they still fit. Raises _NoAddress."""
        wanted = str(spec_of(service).get("loadBalancerIP") or "")
        had = list(kept.get("addresses") or ())
        with self._state.atomic():
            owners = self._state.items(ADDRESS)
            taken = {
                name.removeprefix(ADDRESS) for name, uid in owners.items() if uid != uid_of(service).encode()
            }
            if wanted:
                found = [self._asked_for(wanted, taken)]
            else:
                families = [_FAMILIES[f] for f in spec_of(service).get("ipFamilies") or ("IPv4",)]
                found = [a for family in families if (a := self._free(family, had, taken))]
            if not found:
                raise _NoAddress("no address is left in the pool")
            for address in had:
                if address not in found:
                    self._state.set(ADDRESS + address, None)
            for address in found:
                self._state.set(ADDRESS + address, uid_of(service).encode())
        return found

    def _asked_for(self, wanted: str, taken: set[str]) -> str:
        address = str(ip_address(wanted))
        if not any(address in part for part in self._pool):
            raise _NoAddress(f"requested loadBalancerIP {address} is not in the pool")
        if address in taken:
            raise _NoAddress(f"requested loadBalancerIP {address} is already in use")
        return address

    def _free(self, family: int, had: list[str], taken: set[str]) -> str:
        for address in had:
            if ip_address(address).version == family and any(address in part for part in self._pool):
                return address
        parts = (part for part in self._pool if part.version == family)
        return next((address for part in parts for address in part if address not in taken), "")

    def _nodes(self) -> bool:
        """Whether any node can take traffic: getNodeConditionPredicate."""
        for node in items(self._client.list(NODES)):
            ready = condition(node, "Ready") or {}
            if ready.get("status") == "True" and EXCLUDED not in (metadata_of(node).get("labels") or {}):
                return True
        return False

    # Unmaking

    def _delete(self, key: str, service: JSONObject, kept: JSONObject) -> list[str]:
        about = object_reference(service, "Service")
        if kept.get("facts") and not metadata_of(service).get("deletionTimestamp"):
            text = f"{LOAD_BALANCER} -> {type_of(service)}"
            self._recorder.event(about, NORMAL, "Type", text)
        if kept:
            self._recorder.event(about, NORMAL, "DeletingLoadBalancer", "Deleting load balancer")
        actions = self._release(key, kept)
        self._recorder.event(about, NORMAL, "DeletedLoadBalancer", "Deleted load balancer")
        if _points(service) and not metadata_of(service).get("deletionTimestamp"):
            service = self._patch_status(service, {"ingress": None})
        self._set_finalizers(service, [f for f in _finalizers(service) if f != FINALIZER])
        return actions

    def _release(self, key: str, kept: JSONObject) -> list[str]:
        if not kept:
            return []
        with self._state.atomic():
            for address in kept.get("addresses") or ():
                self._state.set(ADDRESS + address, None)
            self._state.set(SERVICE + key, None)
            for other, waiting in self._waiting().items():
                self._keep(other, waiting | {"due": ""})
        return [f"took back the address {' and '.join(kept.get('addresses') or ()) or 'that'} of {key}"]

    # What is kept and written

    def _kept(self, key: str) -> JSONObject:
        text = self._state.get(SERVICE + key)
        found: JSONObject = decode(text) if text else {}
        return found

    def _keep(self, key: str, kept: JSONObject) -> None:
        self._state.set(SERVICE + key, encode(kept))

    def _left(self, kept: JSONObject) -> timedelta | None:
        """How long to wait until the next try, after a failed one."""
        if not kept.get("due"):
            return None
        left = datetime.fromisoformat(kept["due"]) - self._clock.now()
        return left if left > timedelta(0) else None

    def _waiting(self) -> dict[str, JSONObject]:
        """What is kept of the Services that wait for an address, by their keys."""
        found = {
            name.removeprefix(SERVICE): decode(text) for name, text in self._state.items(SERVICE).items()
        }
        return {key: kept for key, kept in found.items() if kept.get("failures")}

    def _set_finalizers(self, service: JSONObject, wanted: list[str]) -> JSONObject:
        wanted = list(dict.fromkeys(wanted))
        if wanted == _finalizers(service):
            return service
        change = {"metadata": {"finalizers": wanted or None, "resourceVersion": _version(service)}}
        try:
            return self._client.patch(SERVICES, name_of(service), change, MERGE_PATCH, namespace_of(service))
        except StatusError as error:
            if error.code == 404:
                return service
            raise

    def _patch_status(self, service: JSONObject, load_balancer: JSONObject) -> JSONObject:
        change = {"status": {"loadBalancer": load_balancer}}
        return self._client.patch(
            SERVICES, name_of(service), change, MERGE_PATCH, namespace_of(service), subresource="status"
        )


def wants_load_balancer(service: JSONObject) -> bool:
    """Whether this cloud is to make one: those of a class are somebody else's."""
    return type_of(service) == LOAD_BALANCER and spec_of(service).get("loadBalancerClass") is None


def _finalizers(service: JSONObject) -> list[str]:
    return list(metadata_of(service).get("finalizers") or ())


def _version(service: JSONObject) -> str:
    return str(metadata_of(service).get("resourceVersion") or "")


def _points(service: JSONObject) -> list[str]:
    return [p.get("ip") or "" for p in dig(service, "status", "loadBalancer", "ingress", default=[])]


def _facts(service: JSONObject) -> JSONObject:
    """What a load balancer is made from: needsUpdate."""
    spec = spec_of(service)
    ports = [
        [p.get(n) for n in ("name", "protocol", "port", "nodePort", "targetPort")] for p in ports_of(service)
    ]
    return {
        "ports": ports,
        "ranges": spec.get("loadBalancerSourceRanges") or [],
        "affinity": [spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")],
        "address": spec.get("loadBalancerIP") or "",
        "external": spec.get("externalIPs") or [],
        "policy": spec.get("externalTrafficPolicy") or "",
        "check": spec.get("healthCheckNodePort") or 0,
        "annotations": metadata_of(service).get("annotations") or {},
        "families": spec.get("ipFamilies") or [],
    }


def _changes(old: JSONObject, new: JSONObject) -> Iterable[tuple[str, str]]:
    """The first change that has an Event of its own, as needsUpdate goes through them."""

    def differs(name: str) -> bool:
        return bool(old.get(name) != new[name])

    def go(value: Any) -> str:
        return f"[{' '.join(value)}]" if isinstance(value, list) else str(value)

    if differs("ranges"):
        yield "LoadBalancerSourceRanges", f"{go(old['ranges'])} -> {go(new['ranges'])}"
    elif differs("ports") or differs("affinity"):
        return
    elif differs("address"):
        yield "LoadbalancerIP", f"{old['address']} -> {new['address']}"
    elif len(old["external"]) != len(new["external"]):
        yield "ExternalIP", f"Count: {len(old['external'])} -> {len(new['external'])}"
    elif differs("external"):
        added = next(n for o, n in zip(old["external"], new["external"], strict=True) if o != n)
        yield "ExternalIP", f"Added: {added}"
    elif differs("annotations"):
        return
    elif differs("policy"):
        yield "ExternalTrafficPolicy", f"{old['policy']} -> {new['policy']}"
    elif differs("check"):
        yield "HealthCheckNodePort", f"{old['check']} -> {new['check']}"
