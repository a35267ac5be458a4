"""The controllers that kube-controller-manager runs, put together; and the order in which a settle runs all
of them.

The order is that of causes: what makes a namespace ready for Pods, what places and starts Pods, what
derives from running Pods, what cleans up. A settle always runs the first one that has work, so the later
ones see a quiet cluster and do their work once.
"""

from __future__ import annotations

from kubesim.apimachinery.scheme import Scheme
from kubesim.client.client import Client
from kubesim.client.reconcile import Reconciler
from kubesim.client.recorder import EventBroadcaster
from kubesim.util.clock import Clock
from kubesim.util.ids import Identities
from kubesim.util.state import StateStore


def reconcilers(
    *,
    client: Client,
    clock: Clock,
    identities: Identities,
    events: EventBroadcaster,
    state: StateStore,
    scheme: Scheme,
    ca_certificate: str,
    api_server: tuple[str, int],
) -> list[Reconciler]:
    """Every controller of this room. `ca_certificate` is the PEM text that Pods get in `kube-root-ca.crt`.

    `api_server` is the address and port that the Service `kubernetes` leads to. `state` keeps what is not
    an object.
    """
    return []
