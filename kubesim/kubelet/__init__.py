"""The kubelets of the simulated nodes: they run the Pods bound to them, and report what became of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.kubelet.config import HOLD_ANNOTATION, KubeletConfig
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities
from kubesim.util.state import StateStore

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.images import Document
    from kubesim.runtime.network_view import NetworkView

__all__ = ["HOLD_ANNOTATION", "KubeletConfig", "reconcilers"]


def reconcilers(
    *,
    client: Client,
    clock: Clock,
    identities: Identities,
    events: EventBroadcaster,
    state: StateStore,
    runtime: ContainerRuntime,
    nodes: Collection[str],
    config: KubeletConfig | None = None,
    present: Callable[[], datetime] | None = None,
    network: Callable[[str], NetworkView | None] | None = None,
    given_images: Callable[[], Sequence[Document]] | None = None,
) -> list[Reconciler]:
    """The kubelets of `nodes`, the names of the nodes that are simulated; other nodes' Pods are left alone.

    `present` tells the time up to which is caught up; by default the clock is asked. `network` is how a node sees it, for
    the requests of lifecycle hooks. `given_images` are documents with images of users' own, those of the cluster's
    ConfigMaps apart.

    When a container changes other than through the kubelet (a command killed its process), enqueue the
    Pod's key for the controller `kubelet`: `Manager.enqueue`.
    """
    from kubesim.kubelet.catalogues import CatalogueController, Catalogues, nothing
    from kubesim.kubelet.kubelet import Kubelet

    if present is None:
        # While a settle catches up, its clock shows the past, and says what the present is.
        present = cast("Callable[[], datetime]", getattr(clock, "present", clock.now))
    catalogues = Catalogues(client, lambda: runtime.catalogue, given_images or nothing)
    return [
        CatalogueController(client, catalogues, events.recorder("kubelet")),
        Kubelet(
            client,
            clock=clock,
            identities=identities,
            events=events,
            state=state,
            runtime=runtime,
            nodes=nodes,
            config=config or KubeletConfig(),
            present=present,
            catalogues=catalogues,
            network=network,
        ),
    ]
