"""A cluster whose controllers run in the background."""

from __future__ import annotations

import threading

from support.cluster import make_cluster

from kubesim.cluster import controlplane
from kubesim.cluster.controlplane import ControlPlane


def test_stopping_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(controlplane, "LONGEST_WAIT", 60.0)
    cluster = make_cluster(settle=True)
    plane = ControlPlane(cluster)
    plane.start()
    stopping = threading.Thread(target=plane.stop)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()
