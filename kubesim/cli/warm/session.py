"""A command's session in the warm process: the home and its open clusters are the process's, all else is the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from kubesim.cli.session import Session
from kubesim.client.restmapper import RESTMapper
from kubesim.util.clock import SystemClock

if TYPE_CHECKING:
    from kubesim.cli.flags import Values
    from kubesim.cli.streams import Streams
    from kubesim.cli.warm.background import Background
    from kubesim.cluster.build import Cluster
    from kubesim.cluster.config import ClusterConfig
    from kubesim.cluster.controlplane import ControlPlane
    from kubesim.cluster.edge import Edge
    from kubesim.cluster.home import Home
    from kubesim.cluster.openclusters import OpenCluster

SLICE = 0.1
"""Seconds of waiting after which a command looks whether it is to end."""


class WarmSession(Session):
    """The session of a command in a thread."""

    def __init__(self, flags: Values, streams: Streams, *, command: str = "", background: Background) -> None:
        super().__init__(flags, streams, command=command)
        self.background = background
        self._lent: OpenCluster | None = None

    def another(self, flags: Values, *, command: str) -> WarmSession:
        return WarmSession(flags, self.streams, command=command, background=self.background)

    _dial = None  # the cluster is here

    @cached_property
    def home(self) -> Home:
        return self.background.home

    def _open(self) -> Cluster:
        self._lent = lent = self.background.clusters.lend(self.sim, paused=self._is_manual)
        lent.plane.pause(paused=self._is_manual)
        lent.plane.touch()
        return lent.cluster

    def _let_go(self) -> None:
        if self._lent is not None:
            lent, self._lent = self._lent, None
            self.background.clusters.give_back(lent)

    @cached_property
    def mapper(self) -> RESTMapper:
        if self.remote or self.flags.text("as") or not self.cluster or self._lent is None:
            return RESTMapper.from_discovery(self.client)
        if self._lent.mapper is None:
            self._lent.mapper = RESTMapper.from_discovery(self.client)
        return self._lent.mapper

    def create_cluster(self, config: ClusterConfig, *, instead: bool = False) -> None:
        if instead:
            self.background.clusters.forget(config.name)
        super().create_cluster(config, instead=instead)
        self.background.serve_again(config.name)

    def delete_cluster(self, name: str) -> None:
        super().delete_cluster(name)
        self.background.clusters.sweep()
        self.background.stop_serving(name)

    @contextmanager
    def _plane(self) -> Iterator[ControlPlane]:
        if not self.cluster or self._lent is None:
            raise RuntimeError("no cluster has been lent")
        yield self._lent.plane

    @property
    def edge(self) -> Edge | None:
        return self._lent.plane.edge if self.cluster and self._lent is not None else None

    @property
    def server_address(self) -> str:
        if not self.flags.text("server") and not self.remote and self.cluster and self._lent is not None:
            for url in self._lent.plane.urls:
                return url
        return super().server_address

    def _sleep(self, seconds: float) -> None:
        if self.streams.interruption is None:
            super()._sleep(seconds)
        else:
            self.streams.interruption.sleep(seconds)

    def _pause(self, limit: float) -> None:
        cluster, clock = self.cluster, SystemClock()
        if cluster.stands_still:
            super()._pause(limit)
            return
        end = clock.monotonic() + limit
        while True:
            self.streams.check()
            left = end - clock.monotonic()
            cluster.pause(max(0.0, min(SLICE, left)), after=self._looked, timers=not self._is_manual)
            newest = cluster.storage.revision()
            if newest > self._looked or left <= SLICE or self._is_due():
                self._looked = newest
                return

    def _is_due(self) -> bool:
        return not self._is_manual and self.cluster.time_to_next_timer() <= 0
