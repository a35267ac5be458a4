"""The clusters that a warm process holds open, each with its controllers running, lent to one command after another.

A cluster that has been deleted, made anew or replaced on the disk is not lent any more; it is closed when the last
command that works with it has ended.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.open import DATABASE, open_cluster

if TYPE_CHECKING:
    from kubesim.client.restmapper import RESTMapper
    from kubesim.cluster.build import Cluster
    from kubesim.cluster.home import Home


@dataclass(slots=True, eq=False)
class OpenCluster:
    """One of them. `file` is what tells its store from another one of the same name."""

    name: str
    cluster: Cluster
    plane: ControlPlane
    file: tuple[int, int]
    users: int = 0
    is_dropped: bool = field(default=False)
    mapper: RESTMapper | None = None
    """Its resources, once a command has asked for them: they are those of its version."""


class OpenClusters:
    """Safe to use from several threads. Opening one cluster does not hold up the others."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._open: dict[str, OpenCluster] = {}
        self._in_background = True

    def lend(self, name: str, *, paused: bool = False) -> OpenCluster:
        """The cluster of that name, made if there is none; `give_back` ends it. If it has to be opened, its controllers may
        begin `paused`. Raises as `open_cluster` does.
        """
        found = self._take(name)
        if found is not None:
            return found
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:
            return self._take(name) or self._make(name, paused=paused)

    def _take(self, name: str) -> OpenCluster | None:
        with self._lock:
            found = self._open.get(name)
            if found is None:
                return None
            if found.file == self._file(name):
                if not found.users:
                    found.cluster.rewind()
                found.users += 1
                return found
            unused = self._drop(name)
        self._end(unused)
        return None

    def _make(self, name: str, *, paused: bool) -> OpenCluster:
        cluster = open_cluster(self._home, name)
        made = OpenCluster(name, cluster, ControlPlane(cluster), self._file(name) or (0, 0), users=1)
        made.plane.pause(paused=paused)
        with self._lock:
            starts = self._in_background
            self._open[name] = made
        if starts:
            made.plane.start()
        return made

    def give_back(self, lent: OpenCluster) -> None:
        """A command has ended."""
        with self._lock:
            lent.users -= 1
            unused = lent if lent.is_dropped and not lent.users else None
        self._end(unused)

    def forget(self, name: str) -> None:
        """Lend it no more: it is about to be deleted or made anew."""
        with self._lock:
            unused = self._drop(name)
        self._end(unused)

    def sweep(self) -> None:
        """Forget what is not on the disk any more."""
        with self._lock:
            gone = [name for name, found in self._open.items() if found.file != self._file(name)]
        for name in gone:
            self.forget(name)

    def open_ones(self) -> list[OpenCluster]:
        """Those that are open now, by name."""
        with self._lock:
            return [self._open[name] for name in sorted(self._open)]

    def stop(self) -> None:
        """End controllers and listeners; commands that run go on, and settle for themselves."""
        with self._lock:
            self._in_background = False
            planes = [found.plane for found in self._open.values()]
        for plane in planes:
            plane.stop()

    def close(self) -> None:
        """Close them all. Commands must have ended."""
        for found in self.open_ones():
            self.forget(found.name)

    def _drop(self, name: str) -> OpenCluster | None:
        """Take it out of the table; it, if nobody uses it."""
        found = self._open.pop(name, None)
        if found is None:
            return None
        found.is_dropped = True
        return None if found.users else found

    def _end(self, unused: OpenCluster | None) -> None:
        if unused is not None:
            unused.plane.stop()
            with suppress(Exception):  # its files may be gone
                unused.cluster.close()

    def _file(self, name: str) -> tuple[int, int] | None:
        try:
            found = (self._home.path / "sims" / name / DATABASE).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
