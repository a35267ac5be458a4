"""The kubelets of the simulated nodes: they start the containers of the Pods bound to them, and report
what became of them.
"""

from __future__ import annotations

from collections.abc import Collection

from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.kubelet.runtime import ContainerRuntime
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities
from kubesim.util.state import StateStore

HOLD_ANNOTATION = "example.com/kubelet-hold"


def reconcilers(
    *,
    client: Client,
    clock: Clock,
    identities: Identities,
    events: EventBroadcaster,
    state: StateStore,
    runtime: ContainerRuntime,
    nodes: Collection[str],
    hold_annotation: str = HOLD_ANNOTATION,
) -> list[Reconciler]:
    """The kubelets of `nodes`, the names of the nodes that are simulated; other nodes' Pods are left alone.

    Pods with `hold_annotation`, whatever its value, are left alone too: their status is written by hand.
    """
    return []
