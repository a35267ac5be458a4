"""kube-scheduler: gives each pending Pod a node, or says why none fits."""

from __future__ import annotations

from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.util.clock import Clock
from kubesim.util.state import StateStore


def reconcilers(
    *, client: Client, clock: Clock, events: EventBroadcaster, state: StateStore
) -> list[Reconciler]:
    """The scheduler's reconcilers, for a `controllers.manager.Manager`. `state` keeps what the nodes have
    to bear.
    """
    from kubesim.scheduler.scheduler import Scheduler

    return [Scheduler(client, clock=clock, recorder=events.recorder("default-scheduler"), state=state)]
