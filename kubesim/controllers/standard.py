"""The controllers that kube-controller-manager runs, put together; and the order in which a settle runs all
of them.

The order is that of causes: what makes a namespace ready for Pods, what places and starts Pods, what
derives from running Pods, what cleans up. A settle always runs the first one that has work, so the later
ones see a quiet cluster and do their work once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kubesim.apimachinery.scheme import Scheme
from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.util.clock import Clock
from kubesim.util.state import StateStore

ORDER: Final = (
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "kubernetes-service-controller",
    "ttl-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "scheduler",
    "image-catalogue-controller",
    "kubelet",
    "pod-garbage-collector-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "service-lb-controller",
    "ingress-nginx",
    "garbage-collector-controller",
    "resourcequota-controller",
    "event-ttl-controller",
)


def in_order(reconcilers: Iterable[Reconciler]) -> list[Reconciler]:
    """As `ORDER` has it; those that it does not name come last, as they were given."""
    place = {name: position for position, name in enumerate(ORDER)}
    return sorted(reconcilers, key=lambda r: place.get(r.name, len(place)))


def reconcilers(
    *,
    client: Client,
    clock: Clock,
    events: EventBroadcaster,
    state: StateStore,
    scheme: Scheme,
    ca_certificate: str,
    api_server: tuple[str, int],
    kubernetes_ip: str,
    load_balancers: Client | None = None,
    load_balancer_pool: Sequence[str] = (),
) -> list[Reconciler]:
    """Every controller of this room. `ca_certificate` is the PEM text that Pods get in `kube-root-ca.crt`.

    `api_server` is the address and port that the Service `kubernetes`, at `kubernetes_ip`, leads to.
    `state` keeps what is not an object. The `load_balancer_pool` is that of a cloud, whose controller writes through
    `load_balancers`; without a pool there is no cloud.
    """
    # Imported here: a command that only reads builds no controllers.
    from kubesim.controllers.endpoints import EndpointsController
    from kubesim.controllers.endpointslice import EndpointSliceController
    from kubesim.controllers.endpointslicemirroring import EndpointSliceMirroringController
    from kubesim.controllers.eventttl import EventTTL
    from kubesim.controllers.garbagecollector import GarbageCollector
    from kubesim.controllers.kubernetesservice import KubernetesService
    from kubesim.controllers.namespace import NamespaceController
    from kubesim.controllers.namespacedefaults import RootCACertPublisher, ServiceAccountController
    from kubesim.controllers.nodelifecycle import NodeLifecycleController, TTLController
    from kubesim.controllers.podgc import PodGarbageCollector
    from kubesim.controllers.resourcequota import ResourceQuotaController
    from kubesim.controllers.selection import ServiceFinder, ServiceView
    from kubesim.controllers.tainteviction import TaintEvictionController

    finder, view = ServiceFinder(client), ServiceView(client)
    address, port = api_server
    found: list[Reconciler] = []
    if load_balancers is not None and load_balancer_pool:
        from kubesim.controllers.loadbalancer import ServiceLBController

        found.append(
            ServiceLBController(
                load_balancers,
                pool=load_balancer_pool,
                recorder=EventBroadcaster(load_balancers, clock=clock).recorder("service-controller"),
                state=state,
                clock=clock,
            )
        )
    return in_order(
        [
            *found,
            NamespaceController(client, scheme=scheme, state=state, clock=clock),
            ServiceAccountController(client),
            RootCACertPublisher(client, ca_certificate=ca_certificate),
            KubernetesService(client, cluster_ip=kubernetes_ip, address=address, port=port),
            TTLController(client),
            NodeLifecycleController(
                client, clock=clock, recorder=events.recorder("node-controller"), state=state
            ),
            TaintEvictionController(
                client, clock=clock, recorder=events.recorder("taint-eviction-controller"), state=state
            ),
            PodGarbageCollector(client, clock=clock, state=state),
            EndpointsController(
                client, finder=finder, view=view, recorder=events.recorder("endpoint-controller")
            ),
            EndpointSliceController(
                client,
                finder=finder,
                view=view,
                recorder=events.recorder("endpoint-slice-controller"),
                state=state,
            ),
            EndpointSliceMirroringController(
                client, recorder=events.recorder("endpoint-slice-mirroring-controller")
            ),
            GarbageCollector(client, scheme=scheme, state=state),
            ResourceQuotaController(client, scheme=scheme, clock=clock),
            EventTTL(client, clock=clock),
        ]
    )
