"""kube-scheduler: gives each pending Pod a node, or says why none fits."""

from __future__ import annotations

from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.util.clock import Clock


def reconcilers(*, client: Client, clock: Clock, events: EventBroadcaster) -> list[Reconciler]:
    """The scheduler's reconcilers, for a `controllers.manager.Manager`."""
    return []
