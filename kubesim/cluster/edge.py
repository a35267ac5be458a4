"""The ports of a served cluster's Services on this computer: opened, closed and told about as the Services change."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.errors import StatusError
from kubesim.client.recorder import WARNING, EventBroadcaster, object_reference
from kubesim.network.edge.dialling import Dialler
from kubesim.network.edge.exposures import Exposure, Family, find_exposures
from kubesim.network.edge.reachable import find_reachable
from kubesim.network.edge.server import EdgeServer, Failure, Opening, describe, ipv6_host
from kubesim.util.clock import SystemClock

if TYPE_CHECKING:
    from kubesim.cluster.build import Cluster

COMPONENT: Final = "kubesim-edge"
REASON: Final = "PortNotOpened"
RETRY_SECONDS: Final = 5.0
"""So often ports that were taken are tried again."""
BREATH_SECONDS: Final = 0.05
"""So long changes are gathered."""
_KINDS: Final = frozenset({"Service", "EndpointSlice", "Node"})
_MANY: Final = 500
_LOOK: Final = 1.0

logger = logging.getLogger("kubesim.edge")


class Edge:
    """Follows one cluster until `stop`."""

    def __init__(self, cluster: Cluster, host: str) -> None:
        self._cluster = cluster
        self._client = cluster.parts.client(COMPONENT)
        self._recorder = EventBroadcaster(self._client, clock=cluster.clock).recorder(COMPONENT)
        self._time = SystemClock()
        self._fabric = cluster.network.fabric
        self._server = EdgeServer(
            Dialler(self._fabric, self._time.monotonic),
            host,
            certificate=lambda name: cluster.authority.server_certificate([name] if name else [host]),
        )
        self._hosts: dict[Family, str] = {"IPv4": ""}
        if 6 in cluster.config.families and (six := ipv6_host(host)):
            self._hosts["IPv6"] = six
        self._lock = threading.Lock()
        self._failures: dict[Exposure, Failure] = {}
        self._is_reachable = False
        self._seen = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubesim-edge-follower", daemon=True)

    def start(self) -> None:
        """Open what there is now; then follow."""
        self._server.start()
        try:
            self.refresh()
        except StatusError:
            logger.exception("the Services could not be read")
        self._thread.start()

    def stop(self) -> None:
        """Close everything."""
        self._stop.set()
        self._cluster.storage.wake()
        self._thread.join()
        self._server.stop()

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def connections(self) -> int:
        return self._server.connections

    @property
    def openings(self) -> list[Opening]:
        """The ports that are open."""
        return self._server.openings

    @property
    def failures(self) -> list[Failure]:
        """The ports that could not be opened."""
        return list(self._failures.values())

    def refresh(self) -> None:
        """Look at the Services now. Raises StatusError."""
        with self._lock:
            self._seen = self._cluster.storage.revision()
            wanted = find_exposures(self._client, self._hosts)
            if self._is_reachable:
                wanted += find_reachable(self._client, self._fabric)
            found = {f.exposure: f for f in self._server.open(wanted)}
            new = [f for e, f in found.items() if e not in self._failures]
            self._failures = found
        for failure in new:
            self._tell(failure)

    def make_reachable(self) -> None:
        """From now on open every address of the cluster inside of 127.0.0.0/8, too. Raises StatusError."""
        if not self._is_reachable:
            self._is_reachable = True
            self.refresh()

    @property
    def is_reachable(self) -> bool:
        return self._is_reachable

    def catch_up(self) -> None:
        """The same, if anything of it has changed; it is done when this returns, whoever did it."""
        with self._lock:
            has_changed = self._has_changed(self._cluster.storage.revision())
        if has_changed:
            self.refresh()

    def _tell(self, failure: Failure) -> None:
        text = describe(failure)
        exposure = failure.exposure
        logger.warning("service %s/%s: %s", exposure.namespace, exposure.name, text)
        if exposure.kind == "PodIP":
            return
        service = {"metadata": {"namespace": exposure.namespace, "name": exposure.name, "uid": exposure.uid}}
        try:
            self._recorder.event(object_reference(service, "Service"), WARNING, REASON, text)
        except StatusError:
            logger.exception("the event could not be recorded")

    def _run(self) -> None:
        storage = self._cluster.storage
        tried = self._time.monotonic()
        while not self._stop.is_set():
            try:
                storage.wait(self._seen, _LOOK, interrupted=self._stop.is_set)
                if self._stop.is_set():
                    return
                now, newest = self._time.monotonic(), storage.revision()
                # Who listens in a Pod is no object of the API: it is looked at from time to time.
                is_due = (bool(self._failures) or self._is_reachable) and now - tried > RETRY_SECONDS
                if is_due or self._has_changed(newest):
                    tried = now
                    self.refresh()
                    self._stop.wait(BREATH_SECONDS)
                else:
                    self._seen = newest
            except Exception:
                if self._stop.is_set():
                    return
                logger.exception("the Services could not be followed")
                self._stop.wait(_LOOK)

    def _has_changed(self, newest: int) -> bool:
        seen = self._seen
        if newest == seen:
            return False
        if newest < seen or newest - seen > _MANY:
            return True
        try:
            kinds = _KINDS | {"Pod"} if self._is_reachable else _KINDS
            return any(e.object.get("kind") in kinds for e in self._client.log(seen, limit=_MANY))
        except StatusError:  # compacted
            return True
