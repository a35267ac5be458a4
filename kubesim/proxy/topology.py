"""Which endpoints of a Service port a node uses. Source: pkg/proxy/topology.go, CategorizeEndpoints of 1.32."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from kubesim.proxy.serviceport import Endpoint, ServicePort


class Usable(NamedTuple):
    """The endpoints for the traffic policies Cluster and Local, and both together, all in order; `anywhere`: whether
    any node has one.

    Usable are those that are ready; where there are none, for either policy by itself, those that still serve while
    they terminate.
    """

    cluster: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]
    reachable: tuple[Endpoint, ...]
    anywhere: bool


def usable_endpoints(endpoints: Sequence[Endpoint], port: ServicePort, node: str, zone: str) -> Usable:
    """What a node of a zone (empty: it has no zone label) can use of a port's endpoints."""
    endpoints = _each_once(endpoints, node)
    ready = tuple(e for e in endpoints if e.ready)
    finishing = tuple(e for e in endpoints if not e.ready and e.serving and e.terminating)
    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    if port.uses_cluster_endpoints:
        cluster = _in_zone(ready, zone) or finishing
    if port.uses_local_endpoints:
        local = tuple(e for e in ready if e.node == node) or tuple(e for e in finishing if e.node == node)
    anywhere = bool(cluster) or (port.uses_local_endpoints and bool(ready or finishing))
    if not local:
        reachable = cluster
    elif not cluster:
        reachable = local
    else:
        reachable = tuple(sorted({*cluster, *local}, key=itemgetter(0)))
    return Usable(cluster, local, reachable, anywhere)


def _in_zone(ready: tuple[Endpoint, ...], zone: str) -> tuple[Endpoint, ...]:
    """Those hinted for the zone, if every one has a hint and at least one is for it; else all."""
    if not zone or not all(e.zones for e in ready):
        return ready
    return tuple(e for e in ready if zone in e.zones) or ready


def _each_once(endpoints: Sequence[Endpoint], node: str) -> Sequence[Endpoint]:
    """Where two slices have an endpoint, for a moment while they are made anew, the one on this node counts."""
    if len({e.text for e in endpoints}) == len(endpoints):
        return endpoints
    chosen: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.text not in chosen or endpoint.node == node:
            chosen[endpoint.text] = endpoint
    return tuple(chosen.values())
